//! What the hub remembers. Three small doors to one database.

mod outbox;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use hub_fhir::parameters::Parameters;
use hub_fhir::search::{Page, Search, Stored};
use hub_fhir::{Reference, ResourceType};
use thiserror::Error;
use time::OffsetDateTime;

use crate::attachment::{PlaceId, Stowed};
use crate::commit::{Commit, Key, Note};
use crate::envelope::{Envelope, Label, Parent, Raw};
use crate::fault::Fault;
use crate::id::{ChannelId, DestinationId, MessageId, ParcelId};
use crate::wakes::Waiting;

pub use outbox::{Leased, Outbox, ParcelState, QueueDepth, RetryWhich, Settlement};

/// Every message ever received, and how far it came.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Stores the raw bytes durably: when this returns, they survive a power cut. Many calls at once share one
    /// `fsync`. A message of the same channel, dedupe key and digest is known: then its earlier id comes back. The
    /// same key with another digest is a new message, flagged.
    async fn receive(&self, message: &Envelope<Raw>) -> Result<Received, StoreError>;

    /// The same for the slip of an attachment that is safe in the archive: the message needs it from then on, in the same transaction.
    /// Says at which place the bytes are kept; where that is not the one they were stowed at, they were kept already and what was
    /// stowed may go. [`StoreError::Invalid`]: what was stowed has been given up meanwhile, and must be sent again.
    async fn receive_attachment(
        &self,
        _message: &Envelope<Raw>,
        _stowed: &Stowed,
    ) -> Result<(Received, PlaceId), StoreError> {
        Err(StoreError::Invalid { what: "this journal has no book of attachments".to_owned() })
    }

    /// Ends a message without a commit: filtered, or set aside with its reason. What it can be found by is kept.
    async fn end(&self, id: MessageId, end: End, keys: Vec<Key>) -> Result<(), StoreError>;

    /// Ends a message that holds several: these pieces are stored as messages of their own, and it is ended as split, in one durable
    /// transaction. A piece that is there already is not stored twice but opened again; one that was there, is not among them any
    /// more and was not committed ends as filtered. Says which of the pieces are open now. When the message has ended already,
    /// nothing is changed.
    async fn expand(&self, id: MessageId, pieces: Vec<Envelope<Raw>>) -> Result<Vec<MessageId>, StoreError>;

    /// How many pieces of a message are in each state, in the order of [`StateName::ALL`].
    async fn family(&self, parent: MessageId) -> Result<Counts, StoreError>;

    /// Notes what the sender of a message was answered, and when: not the answer itself.
    async fn answered(&self, id: MessageId, answered: Answered) -> Result<(), StoreError>;

    /// Messages of a channel received but not ended, oldest first, pieces in the place of what they are pieces of; `skip` are left
    /// out.
    async fn unfinished(
        &self,
        channel: &ChannelId,
        skip: &(dyn Fn(MessageId) -> bool + Sync),
        limit: usize,
    ) -> Result<Vec<Envelope<Raw>>, StoreError>;

    /// Puts an ended message back to `received`, so that it is processed again; counts the replay. `false` when there is
    /// no such message or it has not ended.
    async fn reopen(&self, id: MessageId) -> Result<bool, StoreError>;

    /// Messages by key, state, time; newest first. Bodies are not read.
    async fn find(&self, query: &MessageQuery) -> Result<Vec<MessageRow>, StoreError>;

    /// One message whole.
    async fn message(&self, id: MessageId) -> Result<Option<MessageDetail>, StoreError>;

    /// How a message ended; `None` while it has not, or when it is unknown.
    async fn state(&self, id: MessageId) -> Result<Option<MessageState>, StoreError>;

    /// How many messages of each channel are in each state. Equal to the truth, also after a crash.
    async fn tally(&self) -> Result<Vec<Tally>, StoreError>;

    /// Deletes messages that ended before `before`, with their bodies and parcels; returns how many, 0 when there are none
    /// now. Where the store has an archive they are in it before. At most `limit` are deleted one by one in a transaction; where
    /// the database keeps messages in stretches of time, one whole stretch goes at a time, when the last of its messages may.
    async fn prune(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError>;
}

/// What keeps the store small, beside [`Journal::prune`], and brings back what went.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Deletes the oldest rows of the audit trail that are older than `before`, at most `limit`; returns how many.
    async fn forget_audit(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError>;

    /// Deletes the versions of resources that were superseded before; returns how many. Looks at every version there is.
    async fn forget_history(&self, before: OffsetDateTime) -> Result<u64, StoreError>;

    /// Gives disk space back that nothing is kept in, a slice at a time so that nobody waits long; returns how many bytes.
    async fn shrink(&self) -> Result<u64, StoreError>;

    /// Takes archived messages back in as they ended, marked as imported; `archived` is as archives hold them. What is there
    /// already stays as it is: doing it twice makes no doubles.
    async fn import(&self, archived: Bytes) -> Result<Imported, StoreError>;

    /// Makes the search rows anew of resources that an earlier version of the program has written, at most `limit`; returns how many.
    /// Their versions stay as they are. It may be called on several nodes at once, and stopped anywhere.
    async fn index_anew(&self, limit: u32) -> Result<u64, StoreError>;
}

/// What came of taking archived messages back in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many were stored.
    pub added: u64,
    /// How many were there already.
    pub known: u64,
}

/// [`Searches::unindexed`] counts no further.
pub const UNINDEXED_MOST: u64 = 1_000_000;

/// Resources that can be searched.
#[async_trait]
pub trait Searches: Send + Sync {
    /// Runs a search of several types: one for each, all of the same order, place to go on from and includes.
    async fn search_across(&self, searches: &[Search]) -> Result<Page, StoreError>;

    /// Runs a search of one type.
    async fn search(&self, search: &Search) -> Result<Page, StoreError> {
        self.search_across(std::slice::from_ref(search)).await
    }

    /// The search parameters in force. A search is read by them; one that is read by others finds what it meant, or is refused.
    fn parameters(&self) -> Arc<Parameters> {
        Arc::default()
    }

    /// How many resources have search rows of an earlier version of the program, counted up to [`UNINDEXED_MOST`]. A store that
    /// indexes nothing has none.
    async fn unindexed(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// The FHIR store: read by the API, written only through [`Resources::commit`].
#[async_trait]
pub trait Resources: Searches {
    /// The current version; a deleted resource comes as its deletion.
    async fn read(&self, reference: &Reference) -> Result<Option<Stored>, StoreError>;

    /// One version.
    async fn vread(&self, reference: &Reference, version: u64) -> Result<Option<Stored>, StoreError>;

    /// Versions, newest first. `before`: only versions lower than this.
    async fn history(
        &self,
        reference: &Reference,
        before: Option<u64>,
        count: u32,
    ) -> Result<Vec<Stored>, StoreError>;

    /// Versions of a resource, a type or all types, newest first, each with its place.
    async fn changes(&self, query: &ChangesQuery) -> Result<Vec<(Stored, VersionPlace)>, StoreError>;

    /// Writes resources, search rows, outbox rows, audit rows and the cause's end in one transaction. Commits are applied
    /// in the order in which they are handed over, many of them in one durable transaction; each is whole or not at all.
    async fn commit(&self, cause: Cause, commit: Commit) -> Result<Committed, StoreError>;
}

/// Which versions are asked for.
#[derive(Clone, Debug)]
pub struct ChangesQuery {
    /// Of what.
    pub of: ChangesOf,
    /// Only versions written at or after.
    pub since: Option<OffsetDateTime>,
    /// Only versions that were current at some time from the first moment to before the second.
    pub at: Option<(OffsetDateTime, OffsetDateTime)>,
    /// Only versions that come after this place: the last of the page before.
    pub after: Option<VersionPlace>,
    /// At most so many.
    pub count: u32,
}

/// Of what versions are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangesOf {
    /// One resource.
    Resource(Reference),
    /// All resources of a type.
    Type(ResourceType),
    /// All resources.
    All,
}

/// The place of a version among all: by the time it was written, then by its resource's number, then by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionPlace {
    /// When it was written, in microseconds since 1970.
    pub updated_us: i64,
    /// The number of its resource.
    pub row: i64,
    /// Its own.
    pub version: i64,
}

/// What `receive` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Stored.
    New,
    /// Stored; an earlier message has the same key and other content.
    Reused(MessageId),
    /// Known already, byte for byte; not stored again.
    Duplicate(MessageId),
}

/// An end without a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Stopped by a rule.
    Filtered {
        /// The rule, as the channel file has it.
        rule: String,
    },
    /// Set aside.
    Quarantined(Fault),
}

/// How far a message has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// Safe on disk, not yet ended.
    Received,
    /// Mapped and written.
    Committed,
    /// Stopped by a rule.
    Filtered {
        /// The rule, as the channel file has it.
        rule: String,
    },
    /// Set aside.
    Quarantined(Fault),
    /// It held several messages, which go their own ways.
    Split {
        /// How many.
        pieces: u64,
    },
}

/// How many messages are in each state, in the order of [`StateName::ALL`].
pub type Counts = [u64; 5];

/// What the sender of a message was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What sort of answer.
    pub kind: AnswerName,
    /// When.
    pub at: OffsetDateTime,
}

/// The sorts of answers by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "see `Replied`")]
pub enum AnswerName {
    Answered,
    Busy,
    Refused,
}

impl AnswerName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Busy, Self::Refused];

    /// Its name: `busy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::Refused => "refused",
        }
    }
}

/// The states by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "see `MessageState`")]
pub enum StateName {
    Received,
    Committed,
    Filtered,
    Quarantined,
    Split,
}

impl StateName {
    /// All of them, in the order of the road.
    pub const ALL: [Self; 5] =
        [Self::Received, Self::Committed, Self::Filtered, Self::Quarantined, Self::Split];

    /// Its name: `received`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Committed => "committed",
            Self::Filtered => "filtered",
            Self::Quarantined => "quarantined",
            Self::Split => "split",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What an operator looks for. Every field given must hold.
#[derive(Clone, Debug, Default)]
pub struct MessageQuery {
    /// The channel.
    pub channel: Option<ChannelId>,
    /// The state.
    pub state: Option<StateName>,
    /// `ADT^A01`.
    pub message_type: Option<CompactString>,
    /// The sender's own number.
    pub control_id: Option<CompactString>,
    /// A business key: its name (`None`: any) and its value.
    pub key: Option<(Option<CompactString>, CompactString)>,
    /// A piece of this message.
    pub parent: Option<MessageId>,
    /// Received at or after.
    pub since: Option<OffsetDateTime>,
    /// Received before.
    pub until: Option<OffsetDateTime>,
    /// Older than this one: the last id of the page before.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
}

/// A message without its body.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// Its id.
    pub id: MessageId,
    /// Its channel.
    pub channel: ChannelId,
    /// What it says of itself.
    pub label: Label,
    /// When it was received.
    pub received_at: OffsetDateTime,
    /// When it ended.
    pub ended_at: Option<OffsetDateTime>,
    /// How far it came.
    pub state: MessageState,
    /// Bytes.
    pub size: u64,
    /// An earlier message had the same key and other content.
    pub reused_control_id: bool,
    /// How often it was replayed.
    pub replays: u32,
    /// What it can be found by.
    pub keys: Vec<Key>,
    /// What it is a piece of.
    pub parent: Option<Parent>,
    /// What its sender was answered, where that was more than a receipt.
    pub answered: Option<Answered>,
    /// When it was taken back in from an archive.
    pub imported_at: Option<OffsetDateTime>,
}

/// A message whole.
#[derive(Clone, Debug)]
pub struct MessageDetail {
    /// The row.
    pub row: MessageRow,
    /// Its bytes, as received.
    pub raw: Raw,
    /// Who sent it.
    pub peer: String,
    /// What was left out, and why.
    pub notes: Vec<Note>,
    /// What it wrote: reference and version.
    pub wrote: Vec<(Reference, u64)>,
    /// What it owes or owed.
    pub parcels: Vec<ParcelRow>,
    /// How its pieces stand, where it held several.
    pub pieces: Counts,
}

/// A parcel without its body.
#[derive(Clone, Debug)]
pub struct ParcelRow {
    /// Its id.
    pub id: ParcelId,
    /// Whom it is owed to.
    pub to: DestinationId,
    /// Where it stands.
    pub state: ParcelState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next, while it is pending.
    pub next_at: Option<OffsetDateTime>,
    /// What happened last.
    pub error: Option<String>,
}

/// How many messages of a channel are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The channel.
    pub channel: ChannelId,
    /// The state.
    pub state: StateName,
    /// How many.
    pub count: u64,
}

/// Why a commit happened. Becomes the audit row.
#[derive(Clone, Debug)]
pub enum Cause {
    /// A message; the commit ends it.
    Message(MessageId),
    /// A message that has ended and is processed again; the commit ends it anew. One that has not ended is [`StoreError::Invalid`].
    Replay(MessageId),
    /// The answer to a parcel, mapped.
    Answer(ParcelId),
    /// A person or an app.
    Command {
        /// Who.
        user: String,
        /// The request's id.
        request: String,
    },
    /// The clock.
    Timer {
        /// Which.
        name: &'static str,
    },
    /// An event that waited; the commit makes it gone. [`StoreError::Overtaken`]: it is gone already.
    Wake(Waiting),
}

/// What a commit wrote.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// References and versions written, in order; what stayed the same is not listed.
    pub wrote: Vec<(Reference, u64)>,
    /// The destinations that are owed something new.
    pub owed: Vec<DestinationId>,
    /// How the resource of each change stands after it, in the order of the changes. `None`: it was never there.
    pub stands: Vec<Option<Standing>>,
}

/// How a resource stands after a change.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its version.
    pub version: u64,
    /// When this version was written.
    pub updated: OffsetDateTime,
    /// There was a resource before the change, one that was not deleted.
    pub was_there: bool,
    /// Its text, where the store had it at hand; empty when it is deleted.
    pub body: Option<Bytes>,
}

/// What the store could not do.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The stored version is another one.
    #[error("`{reference}` was changed by someone else: expected version {expected}, found {found}")]
    Conflict {
        /// What was to be written.
        reference: String,
        /// The version the write was made from.
        expected: u64,
        /// The version stored; 0: not there.
        found: u64,
    },
    /// A search on which the commit stands finds something else now: it is to be made anew.
    #[error("what was searched for has changed in the meantime")]
    Overtaken,
    /// Whoever asks may not.
    #[error("whoever asks may not do this")]
    Forbidden,
    /// The commit cannot be applied: `what` says which part and why, without content.
    #[error("the commit cannot be applied: {what}")]
    Invalid {
        /// What is wrong.
        what: String,
    },
    /// The database is gone, locked or full, or it is [`Indexing`]. Trying again later may help.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a search must wait: resources that an earlier version of the program has written are being indexed anew, and until then what was
/// asked for would not be found whole. Comes as the source of [`StoreError::Unavailable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{left} resources are still to be indexed for this search")]
pub struct Indexing {
    /// How many of the type that is searched are left; counted up to [`UNINDEXED_MOST`].
    pub left: u64,
}
