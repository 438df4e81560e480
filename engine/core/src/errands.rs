//! What the business asks of partners: a task, which a channel turns into a parcel and whose answer comes back into it.

use hub_fhir::{Id, Resource};
use thiserror::Error;

use crate::commit::Parcel;
use crate::id::{ChannelId, CorrelationId, DestinationId};

/// The source connector of channels that carry out tasks.
pub const WORKFLOW: &str = "workflow";

/// The id of the Task with this number: a mapping of an answer comes to the same by `id = ["task", "hub.correlation"]`.
pub fn task_id(number: &str) -> Id {
    Id::of_parts(["task", number])
}

/// Makes parcels of tasks.
pub trait Errands: Send + Sync {
    /// The parcels that a channel owes because of a Task; the same each time. `number` is what the Task's id is made of, and the
    /// parcels' correlation.
    ///
    /// # Errors
    /// When there is no such channel, or its files do not suit the task.
    fn parcels(
        &self,
        channel: &ChannelId,
        number: &CorrelationId,
        task: &Resource,
    ) -> Result<Vec<Parcel>, ErrandError>;

    /// Tells those who send that something is owed.
    fn owed(&self, to: &[DestinationId]);
}

/// Why no parcel can be made of a task. No content.
#[derive(Debug, Error)]
pub enum ErrandError {
    /// The channel is not there, or is not one of tasks.
    #[error("there is no channel `{0}` with `connector = \"workflow\"`")]
    NoChannel(ChannelId),
    /// Its mapping cannot make anything of it.
    #[error("the channel `{channel}` cannot carry out the task: {why}")]
    Unfit {
        /// The channel.
        channel: ChannelId,
        /// The step, the place and the reason.
        why: String,
    },
}
