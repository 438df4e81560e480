//! What the writer is asked to do, prepared as far as it can be outside its transaction.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::attachment::{ContentId, PlaceId, Stowed};
use hub_core::commit::{Change, Commit, Key, Note, Parcel, Wake};
use hub_core::deployments::{DeploymentEnd, NewDeployment};
use hub_core::envelope::{Envelope, Raw};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::replay::{Place, ReplayTurn};
use hub_core::store::{Answered, Cause, Committed, End, Imported, Received, RetryWhich};
use hub_fhir::full_text::FullText;
use hub_fhir::json::{self, Json};
use hub_fhir::prepare::Prepared;
use hub_fhir::{Object, Reference, Resource, index};
use time::OffsetDateTime;

use crate::archiving::Entry;
use crate::entries::{Entry as SearchEntry, entries};
use crate::parameters::InForce;
use crate::words::Words;
use crate::writer::accounts::AccountsWork;
use crate::writer::attachments::contents_in;
use crate::writer::contained_rows::Within;
use crate::writer::guards::DraftGuard;
use crate::writer::parameters::{NewSet, Step};

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Work {
    Receive(Box<Envelope<Raw>>),
    ReceiveAttachment {
        message: Box<Envelope<Raw>>,
        stowed: Box<Stowed>,
    },
    End {
        id: MessageId,
        end: End,
        keys: Vec<Key>,
    },
    EndAgain {
        id: MessageId,
        end: End,
        keys: Vec<Key>,
    },
    Commit {
        cause: Cause,
        draft: Draft,
    },
    Settle(Box<Settle>),
    Expand {
        id: MessageId,
        pieces: Vec<Envelope<Raw>>,
    },
    Answered {
        id: MessageId,
        answered: Answered,
    },
    Reopen {
        id: MessageId,
    },
    Retry {
        which: RetryWhich,
    },
    Upkeep(Upkeep),
    Replay(ReplayWork),
    Record(Box<NewDeployment>),
    Finish {
        number: u64,
        end: DeploymentEnd,
    },
    /// And when it is.
    Accounts(Box<(AccountsWork, OffsetDateTime)>),
}

/// What keeps the database in shape; each is done in a transaction of its own.
#[derive(Debug)]
pub(crate) enum Upkeep {
    /// Forgets messages that ended before, so many at most.
    Prune { before_us: i64, limit: u32 },
    /// Forgets these messages, where they still ended before.
    Forget { before_us: i64, seqs: Vec<i64> },
    /// Forgets rows of a trail.
    Trim(Trim),
    /// Gives pages that are free at the end of SQLite's file back, so many at most.
    Shrink { pages: u32 },
    /// Takes archived messages back in.
    Import(Vec<Entry>),
    /// Keeps the book of attachments.
    Book(BookWork),
    /// Writes search rows that were made anew, by the search parameters of this generation.
    Index { by: i64, made: Vec<Indexed> },
    /// Declares which search parameters of the server's own are in force.
    Declare(NewSet),
    /// Uses them from now on.
    Adopt(Arc<InForce>),
    /// Goes over resources that were there before.
    Walk(Step),
}

/// What is done to the book of attachments beside the messages.
#[derive(Debug)]
pub(crate) enum BookWork {
    /// Gives up what is due and nobody needs; looks at so many.
    Release { now_us: i64, limit: u32 },
    /// Gives up places that it does not know.
    Disown { places: Vec<PlaceId>, now_us: i64 },
    /// Notes that places hold nothing any more.
    Deleted { places: Vec<PlaceId>, now_us: i64 },
}

/// A resource whose search rows are made anew.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub rid: i64,
    /// The version they were made of.
    pub version: u64,
    /// What said of which version its rows were.
    pub was_indexed: i64,
    /// The rows it had, sorted.
    pub before: Vec<SearchEntry>,
    /// The rows it is to have, sorted.
    pub after: Vec<SearchEntry>,
    /// Whether the texts of its type are searched.
    pub has_full_text: bool,
    /// The words it is to have; `None`: it is deleted, or cannot be read.
    pub full_text: Option<FullText>,
    /// What it contains.
    pub within: Vec<Within>,
}

/// Which rows of a trail are forgotten.
#[derive(Debug)]
pub(crate) enum Trim {
    /// The oldest of the audit trail, where they are older than this.
    Audit { before_us: i64, limit: u32 },
    /// These versions of resources.
    History(Vec<(i64, i64)>),
}

/// What is remembered of replays.
#[derive(Debug)]
pub(crate) enum ReplayWork {
    Order { what: String, newer: &'static str, owing: &'static str, rate: u32, last: i64 },
    Claim { number: u64 },
    Step { number: u64, from: Place, to: Place, sum: String, ends: bool },
    Turn { number: u64, turn: ReplayTurn },
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Answer {
    Done,
    Received(Received),
    /// And where its attachment is kept.
    Attached(Received, PlaceId),
    Committed(Committed),
    Flag(bool),
    Open(Vec<MessageId>),
    Imported(Imported),
    Count(u64),
}

/// A commit, made ready.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub changes: Vec<DraftChange>,
    pub parcels: Vec<Parcel>,
    pub wakes: Vec<Wake>,
    pub keys: Vec<Key>,
    pub notes: Vec<Note>,
    /// The attachments that the resources it writes hold addresses of.
    pub uses: Vec<(ContentId, Reference)>,
    pub guards: Vec<DraftGuard>,
    /// The search parameters it was made ready by, or earlier ones.
    pub generation: i64,
}

/// A change, made ready.
#[derive(Debug)]
pub(crate) enum DraftChange {
    Put(Arc<Ready>),
    PutIf(Arc<Ready>, u64),
    /// The whole is what is written when nothing is stored yet.
    Merge {
        part: Object,
        clear: Vec<CompactString>,
        initial: Vec<CompactString>,
        whole: Arc<Ready>,
    },
    Ensure(Arc<Ready>),
    /// With the version it must have, where one is asked for.
    Delete(Reference, Option<u64>),
}

/// A resource made ready: text, digest and search rows.
#[derive(Debug)]
pub(crate) struct Ready {
    pub prepared: Prepared,
    pub entries: Vec<SearchEntry>,
    /// The words of its texts, where those of its type are searched.
    pub full_text: Option<FullText>,
    /// What it contains.
    pub within: Vec<Within>,
}

impl Ready {
    /// Makes a resource ready.
    pub fn of(resource: &Resource, words: &Words) -> Self {
        let prepared = Prepared::by(resource, &words.in_force().parameters);
        let entries = entries(&prepared.rows, words);
        let has_full_text = words.has_full_text(resource.kind());
        let full_text = has_full_text.then(|| FullText::of(resource.kind(), resource.tree()));
        let within = Within::all_of(resource.tree(), words);
        Self { prepared, entries, full_text, within }
    }

    /// The same by the search parameters that are in force now.
    fn renewed(&self, words: &Words) -> Self {
        let mut prepared = self.prepared.clone();
        if let Ok(Json::Object(tree)) = json::parse(prepared.text()) {
            prepared.rows = index::rows_of(prepared.reference.kind, &tree, &words.in_force().parameters);
        }
        let entries = entries(&prepared.rows, words);
        // What else it has does not depend on them.
        Self { prepared, entries, full_text: self.full_text.clone(), within: self.within.clone() }
    }
}

impl DraftChange {
    /// What is written, as far as this commit says it.
    fn ready(&self) -> Option<&Ready> {
        match self {
            DraftChange::Put(ready)
            | DraftChange::PutIf(ready, _)
            | DraftChange::Merge { whole: ready, .. }
            | DraftChange::Ensure(ready) => Some(ready),
            DraftChange::Delete(..) => None,
        }
    }

    fn ready_mut(&mut self) -> Option<&mut Arc<Ready>> {
        match self {
            DraftChange::Put(ready)
            | DraftChange::PutIf(ready, _)
            | DraftChange::Merge { whole: ready, .. }
            | DraftChange::Ensure(ready) => Some(ready),
            DraftChange::Delete(..) => None,
        }
    }

    /// What is written to.
    pub fn reference(&self) -> &Reference {
        match self {
            DraftChange::Put(ready)
            | DraftChange::PutIf(ready, _)
            | DraftChange::Merge { whole: ready, .. }
            | DraftChange::Ensure(ready) => &ready.prepared.reference,
            DraftChange::Delete(reference, _) => reference,
        }
    }
}

impl Draft {
    /// Makes a commit ready but for its guards. Costs some tens of microseconds a resource, on the caller's task.
    pub fn of(commit: Commit, words: &Words) -> Self {
        // Before anything is made: what comes into force meanwhile has a generation of its own.
        let generation = words.in_force().generation;
        let ready = |resource: &Resource| Arc::new(Ready::of(resource, words));
        let changes = commit.changes.into_iter().map(|change| match change {
            Change::Put(resource) => DraftChange::Put(ready(&resource)),
            Change::PutIf { resource, version } => DraftChange::PutIf(ready(&resource), version),
            Change::Merge { resource, clear, initial } => {
                let whole = ready(&resource);
                let mut part = resource.into_tree();
                for name in &initial {
                    part.remove(name);
                }
                DraftChange::Merge { whole, part, clear, initial }
            }
            Change::Ensure(resource) => DraftChange::Ensure(ready(&resource)),
            Change::Delete(reference) => DraftChange::Delete(reference, None),
            Change::DeleteIf { reference, version } => DraftChange::Delete(reference, Some(version)),
        });
        let changes: Vec<DraftChange> = changes.collect();
        let uses = changes.iter().filter_map(DraftChange::ready).flat_map(|ready| {
            let prepared = &ready.prepared;
            contents_in(prepared.text()).map(|content| (content, prepared.reference.clone()))
        });
        Self {
            uses: uses.collect(),
            changes,
            parcels: commit.parcels,
            wakes: commit.wakes,
            keys: commit.keys,
            notes: commit.notes,
            guards: Vec::new(),
            generation,
        }
    }

    /// Makes ready again what was made by search parameters that are not those in force. One with guards is left: what it was made of
    /// has to be looked for again.
    fn renew(&mut self, words: &Words) {
        let now = words.in_force().generation;
        if self.generation == now || !self.guards.is_empty() {
            return;
        }
        self.generation = now;
        for ready in self.changes.iter_mut().filter_map(DraftChange::ready_mut) {
            *ready = Arc::new(ready.renewed(words));
        }
    }

    fn weight(&self) -> usize {
        let parcels: usize = self.parcels.iter().map(|parcel| parcel.body.len() + 500).sum();
        // A resource of the wards has 1 to 2 kB; the text itself is not looked at for this.
        self.changes.len() * 3_000 + parcels
    }
}

/// The end of a lease.
#[derive(Debug)]
pub(crate) struct Settle {
    /// The parcel's place in the queue.
    pub seq: i64,
    pub id: ParcelId,
    pub dest: i64,
    pub to: DestinationId,
    pub order_key: Option<CompactString>,
    /// 0 pending, 1 delivered, 2 given up, 3 in doubt.
    pub state: i64,
    /// When it is due again, while it is pending.
    pub due_us: Option<i64>,
    pub attempts: i64,
    pub doubt: bool,
    pub error: Option<CompactString>,
    pub answer: Option<Bytes>,
    pub draft: Option<Draft>,
}

impl Work {
    /// About how many bytes it adds to the transaction.
    pub fn weight(&self) -> usize {
        match self {
            Work::Receive(message) | Work::ReceiveAttachment { message, .. } => message.body.0.len() + 500,
            Work::Commit { draft, .. } => draft.weight() + 500,
            Work::Settle(settle) => {
                let answer = settle.answer.as_ref().map_or(0, Bytes::len);
                settle.draft.as_ref().map_or(0, Draft::weight) + answer + 300
            }
            Work::Expand { pieces, .. } => pieces.iter().map(|piece| piece.body.0.len() + 500).sum(),
            Work::Replay(ReplayWork::Order { what, .. }) => what.len() + 500,
            Work::End { .. }
            | Work::EndAgain { .. }
            | Work::Answered { .. }
            | Work::Reopen { .. }
            | Work::Retry { .. }
            | Work::Replay(_)
            | Work::Upkeep(_)
            | Work::Accounts(_)
            | Work::Finish { .. } => 500,
            Work::Record(deployment) => deployment.files.values().map(String::len).sum(),
        }
    }

    /// About how many things it changes; nothing for a receive.
    pub fn effort(&self) -> usize {
        let of = |draft: &Draft| draft.changes.len() + draft.parcels.len();
        match self {
            Work::Receive(_) => 0,
            Work::Commit { draft, .. } => 1 + of(draft),
            Work::Settle(settle) => 1 + settle.draft.as_ref().map_or(0, of),
            // A row and a body each, as a receive has.
            Work::Expand { pieces, .. } => 1 + pieces.len(),
            Work::ReceiveAttachment { .. }
            | Work::End { .. }
            | Work::EndAgain { .. }
            | Work::Answered { .. }
            | Work::Reopen { .. }
            | Work::Retry { .. }
            | Work::Replay(_)
            | Work::Upkeep(_)
            | Work::Accounts(_)
            | Work::Finish { .. } => 1,
            Work::Record(deployment) => 1 + deployment.files.len(),
        }
    }

    /// Makes the commit in it ready again, where the search parameters in force have changed.
    pub fn renew(&mut self, words: &Words) {
        match self {
            Work::Commit { draft, .. } => draft.renew(words),
            Work::Settle(settle) => settle.draft.iter_mut().for_each(|draft| draft.renew(words)),
            _ => {}
        }
    }

    /// The commit in it, where there is one.
    pub fn draft(&self) -> Option<&Draft> {
        match self {
            Work::Commit { draft, .. } => Some(draft),
            Work::Settle(settle) => settle.draft.as_ref(),
            _ => None,
        }
    }

    /// Whether it is done in a transaction of its own.
    pub fn is_alone(&self) -> bool {
        self.is_rare() || self.draft().is_some_and(|draft| !draft.has_plain_guards())
    }

    /// Whether it works on the database's rows, not on a batch's.
    pub fn is_rare(&self) -> bool {
        matches!(
            self,
            Work::Retry { .. }
                | Work::Upkeep(_)
                | Work::Replay(_)
                | Work::Record(_)
                | Work::Finish { .. }
                | Work::Accounts(_)
        )
    }

    /// How many searches must find in the database what they found before, for it to be done.
    pub fn guards(&self) -> usize {
        self.draft().map_or(0, |draft| draft.guards.len())
    }
}
