//! Where messages go.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use crate::attachment::Outgoing;
use crate::commit::Parcel;

/// Delivers one parcel to one external system.
///
/// A destination does not retry, queue or log content: the dispatcher does.
/// It may be called twice with the same parcel and must then cause no second effect;
/// `parcel.id` is the idempotency key to hand to the peer.
/// Several parcels (of different order keys) may be delivered at the same time.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Hands the parcel over and waits for the peer's answer. Bounded in time by the destination's own settings.
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError>;

    /// Hands over the attachment that a parcel stands for, as [`Destination::deliver`] does a body; a piece of it at a time. Only of
    /// connectors that say they can ([`crate::registry::DestinationKind::ATTACHES`]).
    async fn deliver_attachment(
        &self,
        _parcel: &Parcel,
        _attachment: Outgoing,
    ) -> Result<Delivered, DeliveryError> {
        Err(DeliveryError::Never { reason: "this connector carries no attachments".to_owned() })
    }

    /// Asks the peer what became of a parcel whose delivery is in doubt, by its idempotency key. The default cannot tell.
    async fn ask(&self, _parcel: &Parcel) -> Result<Asked, DeliveryError> {
        Ok(Asked::CannotTell)
    }

    /// Proves that the peer answers, using only what `deliver` would use.
    async fn check(&self) -> Result<(), DeliveryError>;

    /// How many parcels it takes at once: those whose fate is only being written down are not counted.
    fn parallel(&self) -> usize {
        8
    }
}

/// The peer took it. Its answer is kept with the parcel.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// What the peer answered.
    pub answer: Option<Bytes>,
}

/// What the peer says of a parcel whose delivery is in doubt.
#[derive(Clone, Debug)]
pub enum Asked {
    /// It has it.
    Arrived(Delivered),
    /// It does not have it: sending again is safe.
    NotArrived,
    /// This peer cannot be asked; the channel's `in_doubt` decides.
    CannotTell,
}

/// The peer did not take it. The variant decides what happens next, nothing else does.
#[derive(Clone, Debug, Error)]
pub enum DeliveryError {
    /// Try again. The parcel stays in the outbox.
    #[error("not delivered yet: {reason}")]
    Later {
        /// What happened; no content.
        reason: String,
        /// The peer said when to come again.
        after: Option<Duration>,
    },
    /// The peer works and takes others, but this parcel only later: a limit of the person it is for. It says nothing of the peer.
    #[error("not taken yet: {reason}")]
    NotYet {
        /// What the peer said; no content.
        reason: String,
        /// When to come again.
        after: Option<Duration>,
    },
    /// Do not try again. A person must look at it.
    #[error("refused by the receiver: {reason}")]
    Never {
        /// What the peer said; no content.
        reason: String,
    },
    /// It may or may not have arrived. Ask the peer before sending again.
    #[error("delivery in doubt: {reason}")]
    InDoubt {
        /// What happened; no content.
        reason: String,
    },
}
