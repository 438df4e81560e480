//! Turns the tasks of workflows into parcels: the pure steps of the road, as for a message that has come in.

use hub_core::commit::Parcel;
use hub_core::envelope::{Envelope, Head, Label, Peer, Raw};
use hub_core::errands::{ErrandError, Errands, WORKFLOW};
use hub_core::fault::Fault;
use hub_core::id::{ChannelId, CorrelationId, DedupeKey, DestinationId, Digest, MessageId};
use hub_core::store::End;
use hub_fhir::{Json, Resource};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::guard::guarded;
use crate::hub::Hub;
use crate::steps::Walked;

impl Errands for Hub {
    fn parcels(
        &self,
        channel: &ChannelId,
        number: &CorrelationId,
        task: &Resource,
    ) -> Result<Vec<Parcel>, ErrandError> {
        let running = self.channel(channel).map(|running| running.road.get());
        let road = running.filter(|road| road.channel.from.connector == WORKFLOW);
        let road = road.ok_or_else(|| ErrandError::NoChannel(channel.clone()))?;
        let unfit = |why: String| ErrandError::Unfit { channel: channel.clone(), why };
        let message = message(channel, number, task).map_err(unfit)?;
        let size = message.body.0.len();
        match guarded(size, || road.walk(message)) {
            Ok(Walked::Mapped(mapped)) => Ok(mapped.body.0.parcels),
            Ok(Walked::Ended(_, End::Quarantined(fault), _)) => Err(unfit(told(&fault))),
            Ok(Walked::Ended(_, End::Filtered { rule }, _)) => Err(unfit(format!("it is stopped by {rule}"))),
            Err(_) => Err(unfit("the program failed at it".to_owned())),
        }
    }

    fn owed(&self, to: &[DestinationId]) {
        self.wakers.wake(to);
    }
}

/// The task as a message of the channel, the same each time.
fn message(channel: &ChannelId, number: &CorrelationId, task: &Resource) -> Result<Envelope<Raw>, String> {
    let text = Json::Object(task.tree().clone()).to_text();
    let id = Uuid::parse_str(task.id().as_str()).map_err(|_| "the id of its task is no UUID".to_owned())?;
    let authored = task.tree().get("authoredOn").and_then(Json::as_str);
    let authored = authored.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let head = Head {
        id: MessageId(id),
        channel: channel.clone(),
        dedupe: DedupeKey(number.0.clone()),
        digest: Digest::of(text.as_bytes()),
        label: Label { message_type: Some("Task".into()), ..Label::default() },
        correlation: number.clone(),
        received_at: authored.ok_or("its task has no `authoredOn`")?,
        peer: Peer::default(),
        parent: None,
    };
    Ok(Envelope { head, body: Raw(text.into()) })
}

fn told(fault: &Fault) -> String {
    let place = fault.place.as_deref().unwrap_or("-");
    format!("{} at {place}: {}", fault.step.name(), fault.reason)
}
