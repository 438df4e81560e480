//! Where messages come from.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use thiserror::Error;
use tokio::sync::watch;

use crate::attachment::{AttachmentError, Stowed, Taking};
use crate::envelope::{Label, Peer};
use crate::fault::Fault;
use crate::id::{DedupeKey, MessageId};

/// Listens or polls, and hands every message to the intake.
#[async_trait]
pub trait Source: Send {
    /// Takes the address it will listen on, without accepting anything yet. All sources of the hub are bound before any
    /// runs, so that a hub that cannot start whole does not start at all. `None` for a source that does not listen.
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError>;

    /// Whether it goes and fetches: then, of several nodes, one at a time does, and it asks for its turn ([`Intake::turn`]) before each
    /// round. One that listens runs on every node.
    fn fetches(&self) -> bool {
        false
    }

    /// Runs until `stop` turns true, then lets what it has begun end and returns. Answers its peer only after the
    /// receipt has come back, so nothing is acknowledged that is not safe on disk. Called once, after [`Source::bind`].
    async fn run(self: Box<Self>, intake: Intake, stop: watch::Receiver<bool>) -> Result<(), SourceError>;
}

/// One message as it came off the wire.
#[derive(Clone)]
pub struct Inbound {
    /// Its bytes, without framing; the slip of an attachment.
    pub bytes: Bytes,
    /// What the slip stands for.
    pub attachment: Option<Stowed>,
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
    /// It held several messages, and each of them has ended.
    Split {
        /// How many.
        pieces: u64,
        /// How many of them were set aside.
        set_aside: u64,
    },
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
    /// With what the sender asked for: the channel's `[reply]`.
    OnAnswered,
}

/// What a sender is answered whose channel answers `on_answered`.
#[derive(Clone)]
pub struct Reply {
    /// What sort of answer it is.
    pub kind: Replied,
    /// The answer in the partner's own words. `None`: the source says it in those of its protocol.
    pub words: Option<Words>,
}

/// The sorts of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replied {
    /// What was asked for.
    Answered,
    /// Not now: the same request again may be answered.
    Busy,
    /// Not at all.
    Refused(NoReply),
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// It was turned away at the door.
    Door(Refusal),
    /// A rule of the channel stopped it.
    Filtered {
        /// The rule, as the channel file has it.
        rule: String,
    },
    /// It was set aside, or its answer could not be made.
    Fault(Fault),
}

/// The bytes of an answer.
#[derive(Clone)]
pub struct Words {
    /// What is said.
    pub body: Bytes,
    /// Its media type.
    pub content_type: CompactString,
}

impl std::fmt::Debug for Reply {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.words.as_ref().map(|words| words.body.len());
        write!(f, "Reply({:?}, {size:?} bytes)", self.kind)
    }
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

    /// Makes the answer to a request that was handed over and got this receipt. Bounded in time by the channel. The same request
    /// again, a duplicate, is answered again by what is known then.
    async fn reply(&self, _request: Bytes, _receipt: Receipt) -> Reply {
        Reply { kind: Replied::Busy, words: None }
    }

    /// Whether a frame or file of this channel may hold several messages.
    fn splits(&self) -> bool {
        false
    }

    /// Whether payloads of this channel are not parsed: a source that can streams them into the archive, and hands over their slips.
    fn attaches(&self) -> bool {
        false
    }

    /// Begins to take a payload of this media type into the archive.
    async fn attach(&self, _media_type: &str) -> Result<Box<dyn Taking>, AttachmentError> {
        Err(AttachmentError::None)
    }

    /// Waits until it is this node's turn to fetch. A hub that is alone has it always.
    async fn turn(&self) -> Turn {
        Turn::always()
    }
}

/// The turn of a node to fetch: no other node fetches as long as it is held.
pub struct Turn {
    over: Option<watch::Receiver<bool>>,
    _held: Option<Box<dyn Send + Sync>>,
}

impl Turn {
    /// The turn of a hub that is alone.
    pub fn always() -> Self {
        Self { over: None, _held: None }
    }

    /// A turn that is over when `over` turns true; `held` is dropped with it.
    pub fn until(over: watch::Receiver<bool>, held: impl Send + Sync + 'static) -> Self {
        Self { over: Some(over), _held: Some(Box::new(held)) }
    }

    /// Waits until another node should fetch: what has been begun is ended then, and the turn dropped.
    pub async fn over(&mut self) {
        match &mut self.over {
            // An error means that nobody is left who gives turns.
            Some(over) => drop(over.wait_for(|over| *over).await),
            None => std::future::pending().await,
        }
    }
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

    /// Makes the answer to a request that was handed over and got this receipt.
    pub async fn reply(&self, request: Bytes, receipt: Receipt) -> Reply {
        self.0.reply(request, receipt).await
    }

    /// Whether a frame or file of this channel may hold several messages.
    pub fn splits(&self) -> bool {
        self.0.splits()
    }

    /// Whether payloads of this channel are not parsed but kept as attachments.
    pub fn attaches(&self) -> bool {
        self.0.attaches()
    }

    /// Begins to take a payload of this media type into the archive; its slip is handed over when all of it is safe there.
    pub async fn attach(&self, media_type: &str) -> Result<Box<dyn Taking>, AttachmentError> {
        self.0.attach(media_type).await
    }

    /// Waits until it is this node's turn to fetch; for sources that do.
    pub async fn turn(&self) -> Turn {
        self.0.turn().await
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
