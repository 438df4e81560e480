//! What every store must do, whatever database it stands on: functions over the traits.

pub mod accounts;
pub mod brute_force;
pub mod contained;
pub mod deployments;
pub mod guards;
pub mod journal;
pub mod names;
pub mod orders;
pub mod outbox;
pub mod own_parameters;
pub mod pieces;
pub mod replays;
pub mod resources;
pub mod search;
pub mod texts;
pub mod wakes;

use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::envelope::{Envelope, Head, Label, Peer, Raw};
use hub_core::id::{DestinationId, Digest, MessageId, ParcelId};
use hub_fhir::{Reference, Resource};
use time::OffsetDateTime;

/// A message of a channel with its own number and text.
pub fn message(channel: &str, control: &str, text: &str) -> Envelope<Raw> {
    let received_at = OffsetDateTime::now_utc();
    let body = Bytes::copy_from_slice(text.as_bytes());
    let head = Head {
        id: MessageId::new(received_at),
        channel: channel.into(),
        dedupe: format!("LIS|{control}").into(),
        digest: Digest::of(&body),
        label: Label {
            message_type: Some("ORU^R01".into()),
            control_id: Some(control.into()),
            sender: Some("LIS|LAB".into()),
        },
        correlation: format!("c-{control}").into(),
        received_at,
        peer: Peer { address: Some("127.0.0.1:4711".parse().unwrap()), identity: Some("lis".into()) },
        parent: None,
    };
    Envelope { head, body: Raw(body) }
}

/// A resource of its JSON text.
pub fn resource(text: &str) -> Resource {
    Resource::from_tree(hub_fhir::json::parse(text).unwrap()).unwrap()
}

/// A reference of its text.
pub fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

/// A parcel for a destination.
pub fn parcel(to: &str, number: u128, key: Option<&str>) -> Parcel {
    Parcel {
        id: ParcelId(uuid::Uuid::from_u128(number)),
        to: DestinationId::from(to),
        body: Bytes::from(format!("parcel {number}")),
        content_type: "text/plain".into(),
        correlation: "c".into(),
        order_key: key.map(Into::into),
    }
}
