//! Names for things. One type per kind, so that they cannot be confused.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub CompactString);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<T: AsRef<str>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(CompactString::new(text))
            }
        }
    };
}

uuid_id!(/// One received message, for ever. Version 7: later messages have larger ids; those of pieces are computed.
    MessageId);
uuid_id!(/// One thing owed to one destination; also the idempotency key handed to it.
    ParcelId);
text_id!(/// `lis/oru-r01`: the path of the channel file without its suffix.
    ChannelId);
text_id!(/// `lis/oru-r01/ward-notice`: one destination within a channel.
    DestinationId);
text_id!(/// What the sender says makes this message the same as another one.
    DedupeKey);
text_id!(/// Ties everything that happened because of one request together.
    CorrelationId);

impl MessageId {
    /// A new id for a message that arrives at `at`.
    pub fn new(at: time::OffsetDateTime) -> Self {
        let seconds = u64::try_from(at.unix_timestamp()).unwrap_or(0);
        let stamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, at.nanosecond());
        Self(Uuid::new_v7(stamp))
    }
}

impl MessageId {
    /// The id of a piece of `parent`: the `nth` (from 0) of those with this digest. The same each time it is computed, wherever the
    /// piece stands, so that a frame split again makes no piece twice.
    pub fn of_piece(parent: MessageId, digest: Digest, nth: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"piece");
        hash.update(parent.0.as_bytes());
        hash.update(digest.0);
        hash.update((nth as u64).to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// The 32 signs of Crockford's base 32: none that a reader takes for another.
const SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl ParcelId {
    /// Its first 100 bits in 20 characters: a control id for protocols that have room for no more (HL7 v2 MSH-10).
    pub fn control_id(self) -> CompactString {
        let number = self.0.as_u128();
        (0..20)
            .map(|place| char::from(SIGNS[usize::try_from(number >> (123 - 5 * place) & 31).unwrap_or(0)]))
            .collect()
    }

    /// The id of the `nth` parcel that `message` owes to `to`: the same each time it is computed, so
    /// that a message processed again owes nothing new.
    pub fn of(message: MessageId, to: &DestinationId, nth: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update(message.0.as_bytes());
        hash.update(to.as_str().as_bytes());
        hash.update([0]);
        hash.update((nth as u64).to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The id under which a replay owes this parcel once more: the same each time it is computed, so that a replay that goes on after a
    /// restart owes nothing twice.
    #[must_use]
    pub fn again(self, replay: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"again");
        hash.update(self.0.as_bytes());
        hash.update(replay.to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// The first 128 bits of the SHA-256 of a message's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(bytes)[..16]);
        Self(digest)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_id_has_twenty_characters_and_is_the_same_each_time() {
        let to = DestinationId::from("lis/oru-r01/ward");
        let id = |nth| ParcelId::of(MessageId(Uuid::from_u128(7)), &to, nth).control_id();
        let ids: Vec<CompactString> = (0..50).map(id).collect();
        assert!(ids.iter().all(|id| id.len() == 20 && id.bytes().all(|sign| SIGNS.contains(&sign))));
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 50);
        assert_eq!(ids[3], id(3));
        assert_eq!(ParcelId(Uuid::from_u128(u128::MAX)).control_id(), "ZZZZZZZZZZZZZZZZZZZZ");
    }
}
