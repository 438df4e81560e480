//! What a mapping is told of a message beside its document: the facts of one that a hub has, or stand-ins for one that never came.

use hub_core::id::{DestinationId, Digest, MessageId, ParcelId};
use hub_mapping::Found;
use hub_runtime::steps;
use time::OffsetDateTime;

use crate::shelf;

/// A message as the hub knows it.
#[derive(Clone, Copy, Debug)]
pub enum Facts {
    /// No hub has it.
    NeverCame,
    /// It stands in a journal.
    Came { id: MessageId, received_at: OffsetDateTime },
}

impl Facts {
    /// Tells the mapping of the channel.
    pub fn tell(self, found: &mut Found) {
        match self {
            Self::NeverCame => shelf::facts(found),
            Self::Came { id, received_at } => steps::facts(found, id, received_at, ParcelId(id.0)),
        }
    }

    /// Tells the mapping of a destination, for the `nth` parcel that goes there.
    pub fn tell_parcel(self, to: &DestinationId, nth: usize, found: &mut Found) {
        match self {
            Self::NeverCame => shelf::facts(found),
            Self::Came { id, received_at } => {
                steps::facts(found, id, received_at, ParcelId::of(id, to, nth));
            }
        }
    }

    /// Those of a piece of the message: the `nth` (from 0) of those with these bytes.
    pub fn of_piece(self, bytes: &[u8], nth: usize) -> Self {
        match self {
            Self::NeverCame => Self::NeverCame,
            Self::Came { id, received_at } => {
                Self::Came { id: MessageId::of_piece(id, Digest::of(bytes), nth), received_at }
            }
        }
    }
}
