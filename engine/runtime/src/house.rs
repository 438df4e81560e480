//! What every channel is given: the doors of the store, the clock and a few sizes.

use std::sync::Arc;
use std::time::Duration;

use hub_core::attachment::Attachments;
use hub_core::cluster::Cluster;
use hub_core::store::{Journal, Outbox, Resources};

use crate::clock::Clock;
use crate::deaths::Deaths;

/// What every channel is given.
#[derive(Clone)]
pub struct House {
    /// Messages.
    pub journal: Arc<dyn Journal>,
    /// FHIR resources.
    pub resources: Arc<dyn Resources>,
    /// Parcels owed.
    pub outbox: Arc<dyn Outbox>,
    /// Payloads that are not parsed. `None`: channels of such cannot receive.
    pub attachments: Option<Arc<dyn Attachments>>,
    /// Who does what, where several nodes share the database.
    pub cluster: Arc<dyn Cluster>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// A last check of each resource against the typed R4B model; the problems it finds are paths, never content.
    pub typed_check: Option<TypedCheck>,
    /// At which messages the process has died. `None`: nobody remembers.
    pub deaths: Option<Arc<Deaths>>,
    /// Sizes.
    pub sizes: Sizes,
}

/// Checks the JSON text of a resource.
pub type TypedCheck = fn(&str) -> Result<(), Vec<String>>;

/// Sizes of a channel's workings.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Lanes a channel works on side by side.
    pub lanes: usize,
    /// Messages a channel holds in memory; more wait in the journal.
    pub backlog_messages: usize,
    /// Bytes a channel holds in memory; more wait in the journal.
    pub backlog_bytes: usize,
    /// Commits a lane hands over before it waits for the first.
    pub commits_under_way: usize,
    /// How long stopping waits for what is under way.
    pub drain: Duration,
}

impl Default for Sizes {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            lanes: cores.clamp(2, 32),
            backlog_messages: 4096,
            backlog_bytes: 64 << 20,
            commits_under_way: 256,
            drain: Duration::from_secs(10),
        }
    }
}
