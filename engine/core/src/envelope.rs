//! What travels through a channel: a head that never changes and a body that does.

use std::net::SocketAddr;

use bytes::Bytes;
use compact_str::CompactString;
use time::OffsetDateTime;

use crate::commit::Commit;
use crate::document::Document;
use crate::id::{ChannelId, CorrelationId, DedupeKey, Digest, MessageId};

/// A message on its way. `B` says how far it has come, so a stage that needs a
/// parsed message cannot be handed a raw one.
#[derive(Clone, Debug)]
pub struct Envelope<B> {
    /// What never changes.
    pub head: Head,
    /// What moves forward.
    pub body: B,
}

/// What is known from the moment of arrival and never changes after it.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its name for ever.
    pub id: MessageId,
    /// Where it came in.
    pub channel: ChannelId,
    /// What makes it the same as another one.
    pub dedupe: DedupeKey,
    /// The digest of its bytes.
    pub digest: Digest,
    /// What the sender calls it.
    pub label: Label,
    /// Ties together what follows from it.
    pub correlation: CorrelationId,
    /// The moment its bytes were whole.
    pub received_at: OffsetDateTime,
    /// Who sent it.
    pub peer: Peer,
    /// What it was a piece of, where it did not come alone.
    pub parent: Option<Parent>,
}

/// The frame or file that a message was a piece of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its own message.
    pub id: MessageId,
    /// Which of its pieces, from 1.
    pub nth: u32,
}

/// What a message says of itself at the door, before it is parsed. No patient data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// `ADT^A01`, an interaction, an operation: what `[parse] accept` names.
    pub message_type: Option<CompactString>,
    /// The sender's own number for it: MSH-10, a request id.
    pub control_id: Option<CompactString>,
    /// The sending application, as it calls itself: `MSH-3|MSH-4`.
    pub sender: Option<CompactString>,
}

/// Who sent it, as far as the wire could prove.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its address.
    pub address: Option<SocketAddr>,
    /// The name its certificate or token proves.
    pub identity: Option<String>,
}

/// The bytes as received. Never altered, never logged.
#[derive(Clone)]
pub struct Raw(pub Bytes);

/// The bytes read as a document.
pub struct Parsed(pub Box<dyn Document>);

/// The document turned into what must be written and sent.
#[derive(Debug)]
pub struct Mapped(pub Commit);

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}

impl<B> Envelope<B> {
    /// Moves the message to its next stage under the same head.
    pub fn advance<C>(self, body: C) -> Envelope<C> {
        Envelope { head: self.head, body }
    }
}
