//! Replays: ended messages processed again, by a job with a number that goes on until it is done.

use std::collections::BTreeMap;

use async_trait::async_trait;
use compact_str::CompactString;
use hub_fhir::Reference;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::commit::Key;
use crate::envelope::{Envelope, Raw};
use crate::fault::Fault;
use crate::id::{ChannelId, DestinationId, MessageId};
use crate::operations::ReplayWhat;
use crate::store::{End, StateName, StoreError};

/// The number of a replay.
pub type ReplayNumber = u64;

/// What is to be processed again, and how.
#[derive(Clone, Debug)]
pub struct ReplayOrder {
    /// Which messages. Of a filter `limit` and `before` say nothing here: a replay by filter takes all that has arrived when it begins.
    pub what: ReplayWhat,
    /// What happens to elements that a later message has written since.
    pub newer: Newer,
    /// What becomes of parcels.
    pub owing: Owing,
    /// At most so many messages a second, so that live traffic goes first.
    pub rate: u32,
}

/// What happens to elements that a later message has written since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newer {
    /// They stay as they are.
    #[default]
    Protect,
    /// They get their old content back.
    Overwrite,
}

/// What becomes of the parcels of messages that are processed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owing {
    /// Those that are not there yet are owed; none is owed twice.
    #[default]
    Once,
    /// None is owed: only resources are written.
    Never,
    /// All are owed once more under new ids, which follow from the number of the replay.
    Again,
}

macro_rules! names {
    ($kind:ident { $($variant:ident => $name:literal),* }) => {
        impl $kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The one of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

names!(Newer { Protect => "protect", Overwrite => "overwrite" });
names!(Owing { Once => "once", Never => "never", Again => "again" });
names!(ReplayState { Running => "running", Paused => "paused", Stopped => "stopped", Done => "done" });
names!(ReplayTurn { Pause => "pause", Resume => "resume", Stop => "stop" });
names!(Came {
    Changed => "changed", Same => "same", HeldBack => "held_back", Filtered => "filtered", SetAside => "set_aside",
    HandedOn => "handed_on", Left => "left"
});

/// How a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayState {
    /// It goes on, also after a restart of the hub.
    Running,
    /// It waits until somebody lets it go on.
    Paused,
    /// Somebody has ended it. What it has done stays.
    Stopped,
    /// It has come to its end.
    Done,
}

/// What an operator may do to a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ReplayTurn {
    Pause,
    Resume,
    Stop,
}

impl ReplayTurn {
    /// From which states it may be done, and what comes of it.
    pub fn way(self) -> (&'static [ReplayState], ReplayState) {
        match self {
            Self::Pause => (&[ReplayState::Running], ReplayState::Paused),
            Self::Resume => (&[ReplayState::Paused], ReplayState::Running),
            Self::Stop => (&[ReplayState::Running, ReplayState::Paused], ReplayState::Stopped),
        }
    }
}

/// What came, or would come, of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It wrote something.
    Changed,
    /// All that it says is stored already.
    Same,
    /// Something of it was held back: a later message has written there since. The rest was written.
    HeldBack,
    /// A rule stopped it.
    Filtered,
    /// It was set aside.
    SetAside,
    /// It was given back to its channel, which splits it as it splits what arrives.
    HandedOn,
    /// Nothing was done: it is gone, it has not ended yet, its channel is gone, or its pieces go for it.
    Left,
}

/// Counts of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplaySum {
    /// Messages, in the order of [`Came::ALL`].
    pub messages: [u64; 7],
    /// Resources that were not there.
    pub created: u64,
    /// Resources with a new version.
    pub updated: u64,
    /// Resources that stayed as they are.
    pub same: u64,
    /// Resources of which older content would have gone over newer.
    pub older: u64,
    /// Parcels owed now.
    pub owed: u64,
    /// Parcels that were there already.
    pub owed_before: u64,
}

impl ReplaySum {
    /// How many messages were looked at.
    pub fn seen(&self) -> u64 {
        self.messages.iter().sum()
    }

    /// How many messages came to this.
    pub fn of(&self, came: Came) -> u64 {
        self.named().find(|(one, _)| *one == came).map_or(0, |(_, count)| count)
    }

    /// The counts of messages with what they came to.
    pub fn named(&self) -> impl Iterator<Item = (Came, u64)> {
        Came::ALL.iter().copied().zip(self.messages)
    }

    /// Counts one message.
    pub fn count(&mut self, came: Came) {
        for (one, count) in Came::ALL.iter().zip(&mut self.messages) {
            *count += u64::from(*one == came);
        }
    }

    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        let sum: Vec<u64> = self.numbers().into_iter().zip(other.numbers()).map(|(a, b)| a + b).collect();
        *self = Self::of_numbers(&sum);
    }

    /// All counts in a fixed order, as they are stored.
    pub fn numbers(&self) -> [u64; 13] {
        let [a, b, c, d, e, f, g] = self.messages;
        let Self { created, updated, same, older, owed, owed_before, .. } = *self;
        [a, b, c, d, e, f, g, created, updated, same, older, owed, owed_before]
    }

    /// The counts of [`ReplaySum::numbers`]; what is missing is 0.
    pub fn of_numbers(numbers: &[u64]) -> Self {
        let at = |at: usize| numbers.get(at).copied().unwrap_or(0);
        Self {
            messages: std::array::from_fn(at),
            created: at(7),
            updated: at(8),
            same: at(9),
            older: at(10),
            owed: at(11),
            owed_before: at(12),
        }
    }
}

/// Where a message stands in the order of arrival; a piece stands in the place of what it is a piece of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The place of the message, or of the whole.
    pub at: i64,
    /// Which of its pieces, from 1; 0: no piece.
    pub nth: i64,
}

/// A replay as it is remembered.
#[derive(Clone, Debug)]
pub struct ReplayRow {
    /// Its number.
    pub number: ReplayNumber,
    /// When it was ordered.
    pub ordered_at: OffsetDateTime,
    /// When it came to its end, or was stopped.
    pub ended_at: Option<OffsetDateTime>,
    /// How it stands.
    pub state: ReplayState,
    /// What was ordered. Ids stand in the order of arrival.
    pub order: ReplayOrder,
    /// How far it has come.
    pub place: Place,
    /// Where it ends: the last message that had arrived when it was ordered, or how many ids there are.
    pub last: i64,
    /// What has come of it so far.
    pub sum: ReplaySum,
}

/// A message that is to be processed again.
#[derive(Clone, Debug)]
pub struct Replayable {
    /// The message.
    pub message: Envelope<Raw>,
    /// Where it stands in the order of arrival.
    pub place: Place,
    /// How far it has come.
    pub state: StateName,
    /// What it wrote when it was processed last, where it was never replayed: reference and version.
    pub wrote: Vec<(Reference, u64)>,
}

/// Some messages of a replay.
#[derive(Clone, Debug, Default)]
pub struct ReplayPage {
    /// The messages, in the order of arrival.
    pub messages: Vec<Replayable>,
    /// So many ids name no message any more.
    pub missing: u64,
    /// How far this page goes; `None`: there is nothing after the place it was asked for.
    pub next: Option<Place>,
}

/// Of which message it is asked what has been written later.
#[derive(Clone, Copy, Debug)]
pub struct Than {
    /// Its place in the order of arrival.
    pub place: Place,
    /// When it was received: what no message has written counts by its time.
    pub received_at: OffsetDateTime,
    /// The version that it wrote itself, where that is known.
    pub own: Option<u64>,
}

/// What the hub remembers of replays.
#[async_trait]
pub trait Replays: Send + Sync {
    /// Remembers an order, durably. Ids are put in the order of arrival; a whole that was split stands for its pieces.
    async fn order(&self, order: &ReplayOrder) -> Result<ReplayNumber, StoreError>;

    /// Replays, the newest first.
    async fn list(&self, limit: u32) -> Result<Vec<ReplayRow>, StoreError>;

    /// One replay.
    async fn look(&self, number: ReplayNumber) -> Result<Option<ReplayRow>, StoreError>;

    /// The replays that run, the oldest first.
    async fn running(&self) -> Result<Vec<ReplayNumber>, StoreError>;

    /// Takes a running replay over for this node; it stays its own for half a minute after each step. `false` when it is another node's,
    /// or does not run.
    async fn claim(&self, number: ReplayNumber) -> Result<bool, StoreError>;

    /// Notes that a replay has come from one place to another, with what came of it. Says how it stands now; `None` when it is not this
    /// node's any more: then nothing was noted. With `ends` it is done.
    async fn step(
        &self,
        number: ReplayNumber,
        from: Place,
        to: Place,
        sum: &ReplaySum,
        ends: bool,
    ) -> Result<Option<ReplayState>, StoreError>;

    /// Pauses, resumes or stops a replay. `false` when its state does not allow that, or there is none.
    async fn turn(&self, number: ReplayNumber, turn: ReplayTurn) -> Result<bool, StoreError>;

    /// The next messages after a place, in the order of arrival, up to `last`.
    async fn page(
        &self,
        what: &ReplayWhat,
        after: Place,
        last: i64,
        limit: u32,
    ) -> Result<ReplayPage, StoreError>;

    /// What a replay would go over: the order with its ids as they are remembered, and its last place.
    async fn resolve(&self, what: ReplayWhat) -> Result<(ReplayWhat, i64), StoreError>;

    /// Which versions of a resource were written by messages that came later, the newest first, at most so many.
    async fn later(&self, reference: &Reference, than: Than, limit: u32) -> Result<Vec<u64>, StoreError>;

    /// Ends a message that has ended anew, without a commit; counts the replay. `false` when it has not ended, or is gone.
    async fn end_again(&self, id: MessageId, end: End, keys: Vec<Key>) -> Result<bool, StoreError>;
}

/// What a replay would do to one message.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// The message.
    pub id: MessageId,
    /// Its channel.
    pub channel: ChannelId,
    /// How far it has come.
    pub state: StateName,
    /// What would come of it.
    pub came: Came,
    /// Why it would be set aside.
    pub fault: Option<Fault>,
    /// The rule that would stop it.
    pub rule: Option<CompactString>,
    /// What would be written, of which something would differ.
    pub resources: Vec<ForeseenResource>,
    /// How many resources would stay as they are.
    pub same: u64,
    /// The parcels: where to, and whether it is there already.
    pub parcels: Vec<(DestinationId, bool)>,
}

/// What a replay would do to one resource.
#[derive(Clone, Debug)]
pub struct ForeseenResource {
    /// The resource.
    pub reference: Reference,
    /// The version that is stored; 0: none.
    pub version: u64,
    /// What would differ, value by value.
    pub differences: Vec<Differs>,
    /// Elements of which older content would go over newer; with [`Newer::Protect`] they are held back, and are none of the differences.
    pub older: Vec<CompactString>,
}

/// One value that would differ.
#[derive(Clone)]
pub struct Differs {
    /// Where: `name[0].family`.
    pub path: String,
    /// What is stored. Nothing where there is none, or where content is not asked for.
    pub old: Option<String>,
    /// What would be.
    pub new: Option<String>,
    /// What would happen to it.
    pub how: Differing,
}

/// What happens to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Differing {
    Added,
    Changed,
    Removed,
}

names!(Differing { Added => "added", Changed => "changed", Removed => "removed" });

impl std::fmt::Debug for Differs {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Differs({} {})", self.path, self.how.name())
    }
}

/// What a replay would do to all messages together. Bounded: what is counted by name are elements of R4B and rules of the files.
#[derive(Clone, Debug, Default)]
pub struct ForeseenSum {
    /// The counts.
    pub sum: ReplaySum,
    /// In how many messages each element would differ: `Patient.name.family`.
    pub elements: BTreeMap<String, u64>,
    /// In how many messages older content would go over newer, by element: `Patient.name`.
    pub older: BTreeMap<String, u64>,
    /// Why messages would be set aside.
    pub faults: BTreeMap<FaultName, u64>,
    /// Which rules would stop messages.
    pub rules: BTreeMap<String, u64>,
    /// The parcels of each destination: owed now, and there already.
    pub parcels: BTreeMap<DestinationId, (u64, u64)>,
}

/// A fault without its place, which differs from message to message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultName {
    /// The step.
    pub step: &'static str,
    /// The rule.
    pub rule: Option<String>,
    /// The reason.
    pub reason: String,
}

/// One line of a dry run.
#[derive(Clone, Debug)]
pub enum Foresight {
    /// A message.
    Message(Box<Foreseen>),
    /// The sum, last of all.
    Sum(Box<ForeseenSum>),
    /// The store could not be asked any more; nothing comes after it.
    Broken,
}

/// Replays of a running hub, as operators see them.
#[async_trait]
pub trait ReplayDesk: Send + Sync {
    /// Begins a replay: it is remembered, and goes on by itself.
    async fn begin(&self, order: ReplayOrder) -> Result<ReplayRow, StoreError>;

    /// Replays, the newest first.
    async fn list(&self, limit: u32) -> Result<Vec<ReplayRow>, StoreError>;

    /// One replay.
    async fn look(&self, number: ReplayNumber) -> Result<Option<ReplayRow>, StoreError>;

    /// Pauses, resumes or stops a replay. `false` when its state does not allow that.
    async fn turn(&self, number: ReplayNumber, turn: ReplayTurn) -> Result<bool, StoreError>;

    /// Says of each message what a replay would do, and writes nothing. Content only `with_content`. Goes on for as long as somebody
    /// reads.
    async fn foresee(
        &self,
        order: ReplayOrder,
        with_content: bool,
    ) -> Result<mpsc::Receiver<Foresight>, StoreError>;
}
