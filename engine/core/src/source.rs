//! Where messages come from.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::watch;

use crate::envelope::{Label, Peer};
use crate::fault::Fault;
use crate::id::{DedupeKey, MessageId};

/// Listens or polls, and hands every message to the intake.
#[async_trait]
pub trait Source: Send {
    /// Takes the address it will listen on, without accepting anything yet. All sources of the hub are bound before any
    /// runs, so that a hub that cannot start whole does not start at all. `None` for a source that does not listen.
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError>;

    /// Runs until `stop` turns true, then lets what it has begun end and returns. Answers its peer only after the
    /// receipt has come back, so nothing is acknowledged that is not safe on disk. Called once, after [`Source::bind`].
    async fn run(self: Box<Self>, intake: Intake, stop: watch::Receiver<bool>) -> Result<(), SourceError>;
}

/// One message as it came off the wire.
#[derive(Clone)]
pub struct Inbound {
    /// Its bytes, without framing.
    pub bytes: Bytes,
    /// What makes it the same as another one: for HL7 v2 sender and control id.
    pub dedupe: DedupeKey,
    /// What it says of itself.
    pub label: Label,
    /// Who sent it.
    pub peer: Peer,
    /// The source found at the door that it cannot be read. It is kept and set aside with this reason.
    pub unreadable: Option<Fault>,
}

/// What the hub did with a message at the door. A source turns this into AA, AE or AR, 202 or 422.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Safe on disk.
    Accepted(MessageId),
    /// Known already, byte for byte; nothing was stored again.
    Duplicate(MessageId),
    /// Turned away. Where an id is given it is kept all the same, for people to see.
    Refused(Option<MessageId>, Refusal),
}

/// Why a message was turned away at the door.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Kept in quarantine.
    #[error("the message cannot be read: {0}")]
    Unreadable(Fault),
    /// Kept as filtered.
    #[error("the channel takes {expected}, not this kind of message")]
    Unsupported {
        /// What the channel's `accept` lists.
        expected: String,
    },
    /// Not kept.
    #[error("the sender is not allowed on this channel")]
    Forbidden,
    /// Not kept.
    #[error("the hub cannot store messages now; send it again later")]
    Busy,
}

/// How a message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Mapped and written.
    Committed,
    /// Stopped by a rule of the channel.
    Filtered {
        /// The rule, as the channel file has it.
        rule: String,
    },
    /// Set aside for a person to mend and replay.
    Quarantined(Fault),
}

/// When the sender is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledge {
    /// As soon as the bytes are safe on disk.
    #[default]
    OnReceived,
    /// When the message has been mapped and written, or set aside.
    OnCommitted,
}

/// What stands behind an [`Intake`]: the channel's runtime.
#[async_trait]
pub trait Door: Send + Sync {
    /// Stores a message durably and says so.
    async fn accept(&self, inbound: Inbound) -> Receipt;

    /// Waits until a message has ended. `None` when the hub stops first.
    async fn outcome(&self, id: MessageId) -> Option<Outcome>;

    /// When this channel answers its senders.
    fn acknowledge(&self) -> Acknowledge;
}

/// The door of a channel. Cloneable, one per connection.
#[derive(Clone)]
pub struct Intake(Arc<dyn Door>);

impl Intake {
    /// A door onto `behind`.
    pub fn new(behind: Arc<dyn Door>) -> Self {
        Self(behind)
    }

    /// Stores the message and says so. A closed or full hub is `Busy`, never silence.
    pub async fn accept(&self, inbound: Inbound) -> Receipt {
        self.0.accept(inbound).await
    }

    /// Waits until a message has ended. `None` when the hub stops first.
    pub async fn outcome(&self, id: MessageId) -> Option<Outcome> {
        self.0.outcome(id).await
    }

    /// When this channel answers its senders.
    pub fn acknowledge(&self) -> Acknowledge {
        self.0.acknowledge()
    }
}

/// Why a source could not start or had to stop.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The address is taken, or is not this machine's.
    #[error("could not listen on `{address}`")]
    Listen {
        /// The address asked for.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Anything else.
    #[error("the source stopped: {0}")]
    Stopped(String),
}
