//! One batch of work in one transaction: look up, decide in order, write in few statements.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hub_core::attachment::{PlaceId, Stowed};
use hub_core::envelope::{Envelope, Raw};
use hub_core::store::{Cause, Committed, StoreError};

use crate::clock;
use crate::cluster::LastCompany;
use crate::database::Kind::{Int, Text};
use crate::database::{Connection, DatabaseError, Dialect, Rows, Shape, Together, Value, transaction};
use crate::words::{WordKind, Words};
use crate::writer::attachments::Attachments;
use crate::writer::messages::{Message, Messages, Trace};
use crate::writer::numbers::Numbers;
use crate::writer::parcels::Parcels;
use crate::writer::prune::Looked;
use crate::writer::recent::Recent;
use crate::writer::resources::{Changed, Learned, ResourceStates};
use crate::writer::wakes::{self, BatchWakes};
use crate::writer::work::{Answer, Draft, Work};

/// Counts of messages.
pub(crate) const TALLY_MESSAGES: i64 = 0;
/// Counts of parcels.
pub(crate) const TALLY_PARCELS: i64 = 1;
/// How often a batch that another node was in the way of is done again.
const MOST_TRIES: u32 = 4;

/// What the writer knows of the database without asking.
pub(crate) struct Memory {
    /// Where the numbers stand. On SQLite nobody else gives any out.
    pub numbers: Numbers,
    /// The resources lately touched.
    pub recent: Recent,
    /// This node's number among those that share the database.
    pub node: i64,
    /// Who else there was at the last write.
    pub company: Arc<LastCompany>,
    /// How far the retention has looked.
    pub looked: Looked,
}

/// What counts change by.
#[derive(Default)]
pub(crate) struct Tallies(HashMap<(i64, i64, i64), i64>);

impl Tallies {
    /// Changes the count of a state of a channel or destination.
    pub fn add(&mut self, kind: i64, word: i64, state: i64, by: i64) {
        *self.0.entry((kind, word, state)).or_default() += by;
    }

    /// Writes the changes.
    pub fn write(self, connection: &Connection, node: i64) -> Result<(), DatabaseError> {
        self.rows(connection, node).write(connection)
    }

    /// The changes: on PostgreSQL to counters of the node's own, so that no node waits for another's.
    pub fn rows(self, connection: &Connection, node: i64) -> Rows {
        const UPSERT: Shape = Shape {
            before: "INSERT INTO tally (kind, word, state, count) VALUES ",
            columns: &[Int, Int, Int, Int],
            after: " ON CONFLICT (kind, word, state) DO UPDATE SET count = count + excluded.count",
            locks: "",
        };
        const UPSERT_PART: Shape = Shape {
            before: "INSERT INTO tally_part (kind, word, state, node, count) VALUES ",
            columns: &[Int, Int, Int, Int, Int],
            after: " ON CONFLICT (kind, word, state, node)
                     DO UPDATE SET count = tally_part.count + excluded.count",
            locks: "",
        };
        let changes = self.0.into_iter().filter(|(_, by)| *by != 0);
        let mut rows = Rows::new(if connection.dialect().is_postgres() { &UPSERT_PART } else { &UPSERT });
        for ((kind, word, state), by) in changes {
            match connection.dialect() {
                Dialect::Sqlite => rows.push([kind.into(), word.into(), state.into(), by.into()]),
                Dialect::Postgres => {
                    rows.push([kind.into(), word.into(), state.into(), node.into(), by.into()]);
                }
            }
        }
        rows
    }
}

const BEGUN: Shape = Shape {
    before: "UPDATE parcel SET begun = 1 WHERE +state = 0 AND seq = ",
    columns: &[Int],
    after: "",
    locks: "",
};
const AUDIT: Shape = Shape {
    before: "INSERT INTO audit (at_us, cause, who, request, message, writes, parcels) VALUES ",
    columns: &[Int, Int, Text, Text, Int, Int, Int],
    after: "",
    locks: "",
};

/// A batch while it is decided.
pub(crate) struct Batch<'a> {
    pub words: &'a Words,
    pub now: i64,
    pub numbers: Numbers,
    pub tallies: Tallies,
    messages: Messages,
    resources: ResourceStates,
    parcels: Parcels,
    attachments: Attachments,
    audit: Rows,
    wakes: BatchWakes,
}

/// What a batch came to.
pub(crate) struct Done {
    /// One for each work.
    pub answers: Vec<Result<Answer, StoreError>>,
    /// The destinations where something has become due or has got another time.
    pub due: HashSet<i64>,
}

/// Applies works in their order, in one durable transaction. An error means that nothing was written.
pub(crate) fn apply(
    connection: &Connection,
    words: &Words,
    memory: &mut Memory,
    works: &[&Work],
    begun: &[i64],
) -> Result<Done, DatabaseError> {
    intern(connection, words, works)?;
    let mut tries = 0;
    let done = loop {
        match transaction(connection, || in_transaction(connection, words, memory, works, begun)) {
            // Another node was in the way; what is remembered may have been changed by it.
            Err(error) if error.is_passing() && tries < MOST_TRIES => {
                tries += 1;
                memory.recent.forget();
            }
            done => break done,
        }
    };
    match done {
        Ok((done, numbers, learned)) => {
            memory.company.set(numbers.company);
            memory.numbers = numbers;
            learned.remember(&mut memory.recent);
            Ok(done)
        }
        Err(error) => {
            memory.recent.forget();
            Err(error)
        }
    }
}

fn in_transaction(
    connection: &Connection,
    words: &Words,
    memory: &Memory,
    works: &[&Work],
    begun: &[i64],
) -> Result<(Done, Numbers, Learned), DatabaseError> {
    let mut marks = Rows::new(&BEGUN);
    for seq in begun {
        marks.push([(*seq).into()]);
    }
    let numbers = memory.numbers.for_works(connection, memory.node, works)?;
    // Before the settlements of this batch, which take the marks away again.
    marks.write(connection)?;
    let in_force = words.in_force();
    let mut holds = Vec::with_capacity(works.len());
    for work in works {
        let holds_guards = work.draft().map_or(Ok(true), |draft| draft.holds(connection, &in_force))?;
        holds.push(holds_guards && wakes::is_there(connection, work)?);
    }
    let held: Vec<&Work> =
        works.iter().zip(&holds).filter(|(_, holds)| **holds).map(|(work, _)| *work).collect();
    if held.is_empty() && !works.is_empty() {
        let answers = works.iter().map(|_| Err(StoreError::Overtaken)).collect();
        let done = Done { answers, due: HashSet::new() };
        return Ok((done, memory.numbers.clone(), Learned::default()));
    }
    let mut batch = Batch {
        words,
        now: clock::now(),
        numbers,
        tallies: Tallies::default(),
        messages: Messages::load(connection, words, &held)?,
        resources: ResourceStates::load(connection, words, &memory.recent, &held)?,
        parcels: Parcels::load(connection, &held)?,
        attachments: Attachments::load(connection, &held)?,
        audit: Rows::new(&AUDIT),
        wakes: BatchWakes::default(),
    };
    let decide = |(work, holds): (&&Work, &bool)| match holds {
        true => batch.decide(work),
        false => Err(StoreError::Overtaken),
    };
    let answers = works.iter().zip(&holds).map(decide).collect();
    let next = batch.numbers.clone();
    let (learned, due) = batch.write(connection, memory.node)?;
    Ok((Done { answers, due }, next, learned))
}

/// Interns the names that the works bring, before the transaction.
fn intern(connection: &Connection, words: &Words, works: &[&Work]) -> Result<(), DatabaseError> {
    let mut names = Vec::new();
    for work in works {
        let draft = match work {
            Work::Receive(message) | Work::ReceiveAttachment { message, .. } => {
                names.push((WordKind::Channel, message.head.channel.as_str()));
                None
            }
            Work::End { keys, .. } | Work::EndAgain { keys, .. } => {
                names.extend(keys.iter().map(|key| (WordKind::KeyName, key.name.as_str())));
                None
            }
            Work::Commit { draft, .. } => Some(draft),
            Work::Settle(settle) => settle.draft.as_ref(),
            // The pieces are of the channel of what they are pieces of.
            Work::Expand { .. }
            | Work::Answered { .. }
            | Work::Reopen { .. }
            | Work::Retry { .. }
            | Work::Upkeep(_)
            | Work::Replay(_)
            | Work::Record(_)
            | Work::Finish { .. }
            | Work::Accounts(_) => None,
        };
        if let Some(draft) = draft {
            names.extend(draft.keys.iter().map(|key| (WordKind::KeyName, key.name.as_str())));
            names.extend(draft.parcels.iter().map(|parcel| (WordKind::Destination, parcel.to.as_str())));
        }
    }
    words.intern(connection, names)
}

impl Batch<'_> {
    fn decide(&mut self, work: &Work) -> Result<Answer, StoreError> {
        match work {
            Work::Receive(message) => {
                let channel = self.word(WordKind::Channel, message.head.channel.as_str())?;
                let (received, _) =
                    self.messages.receive(message, channel, &mut self.numbers, &mut self.tallies);
                Ok(Answer::Received(received))
            }
            Work::ReceiveAttachment { message, stowed } => self.receive_attachment(message, stowed),
            Work::End { id, end, keys } => {
                self.messages.end(*id, Trace::ended(end, keys), self.now, &mut self.tallies)?;
                Ok(Answer::Done)
            }
            Work::Expand { id, pieces } => {
                let open =
                    self.messages.expand(*id, pieces, self.now, &mut self.numbers, &mut self.tallies)?;
                Ok(Answer::Open(open))
            }
            Work::EndAgain { id, end, keys } => {
                let trace = Trace::ended(end, keys);
                Ok(Answer::Flag(self.messages.end_again(*id, trace, self.now, &mut self.tallies)))
            }
            Work::Answered { id, answered } => {
                self.messages.answered(*id, *answered)?;
                Ok(Answer::Done)
            }
            Work::Reopen { id } => Ok(Answer::Flag(self.messages.reopen(*id, &mut self.tallies))),
            Work::Commit { cause, draft } => self.commit(cause, draft).map(Answer::Committed),
            Work::Settle(settle) => {
                if let Some(draft) = &settle.draft {
                    self.commit(&Cause::Answer(settle.id), draft)?;
                }
                self.parcels.settle(settle);
                Ok(Answer::Flag(true))
            }
            Work::Retry { .. }
            | Work::Upkeep(_)
            | Work::Replay(_)
            | Work::Record(_)
            | Work::Finish { .. }
            | Work::Accounts(_) => {
                unreachable!("works that are done alone never come into a batch")
            }
        }
    }

    fn receive_attachment(&mut self, message: &Envelope<Raw>, stowed: &Stowed) -> Result<Answer, StoreError> {
        let channel = self.word(WordKind::Channel, message.head.channel.as_str())?;
        let place = self.attachments.place(stowed)?;
        let (received, seq) = self.messages.receive(message, channel, &mut self.numbers, &mut self.tallies);
        let kept = place.parse().map(PlaceId).unwrap_or(stowed.place);
        if let Some(seq) = seq {
            self.attachments.need(seq, stowed, place, self.now);
        }
        Ok(Answer::Attached(received, kept))
    }

    fn word(&self, kind: WordKind, name: &str) -> Result<i64, StoreError> {
        let number = self.words.number(kind, name);
        number.ok_or_else(|| StoreError::Invalid { what: format!("`{name}` is not interned") })
    }

    fn commit(&mut self, cause: &Cause, draft: &Draft) -> Result<Committed, StoreError> {
        let of = |message: &Message| (message.seq, message.place);
        let message = match cause {
            Cause::Message(id) => {
                // Processed twice: the first time counts.
                let Some(open) = self.messages.open(*id)? else { return Ok(Committed::default()) };
                Some(of(open))
            }
            Cause::Replay(id) => Some(of(self.messages.ended(*id)?)),
            Cause::Wake(waiting) if self.wakes.is_spent(waiting) => return Err(StoreError::Overtaken),
            Cause::Answer(_) | Cause::Command { .. } | Cause::Timer { .. } | Cause::Wake(_) => None,
        };
        let (message, by) = message.unzip();
        let Changed { wrote, stands } =
            self.resources.change(&draft.changes, by, self.words, &mut self.numbers)?;
        self.attachments.used_by(draft);
        let mut owed = Vec::new();
        let mut parcels = 0_i64;
        for parcel in &draft.parcels {
            let dest = self.word(WordKind::Destination, parcel.to.as_str())?;
            if self.parcels.owe(parcel, dest, message, self.now, &mut self.numbers, &mut self.tallies) {
                parcels += 1;
                if !owed.contains(&parcel.to) {
                    owed.push(parcel.to.clone());
                }
            }
        }
        for wake in &draft.wakes {
            self.wakes.raise(wake);
        }
        self.audit(cause, message, wrote.len(), parcels);
        match cause {
            Cause::Message(id) => {
                self.messages.end(*id, Trace::committed(draft, &wrote), self.now, &mut self.tallies)?;
            }
            Cause::Replay(id) => {
                let trace = Trace::committed(draft, &wrote);
                self.messages.end_again(*id, trace, self.now, &mut self.tallies);
            }
            Cause::Wake(waiting) => self.wakes.spend(waiting),
            Cause::Answer(_) | Cause::Command { .. } | Cause::Timer { .. } => {}
        }
        Ok(Committed { wrote, owed, stands })
    }

    fn audit(&mut self, cause: &Cause, message: Option<i64>, writes: usize, parcels: i64) {
        let (kind, who, request) = match cause {
            Cause::Message(_) => (0, Value::Null, Value::Null),
            Cause::Replay(_) => (4, Value::Null, Value::Null),
            Cause::Answer(parcel) => (1, Value::Null, parcel.to_string().into()),
            Cause::Command { user, request } => (2, user.as_str().into(), request.as_str().into()),
            Cause::Timer { name } => (3, (*name).into(), Value::Null),
            Cause::Wake(waiting) => {
                (5, waiting.wake.event.clone().into(), waiting.wake.subject.to_string().into())
            }
        };
        let writes = i64::try_from(writes).unwrap_or(i64::MAX);
        self.audit.push([
            self.now.into(),
            Value::Int(kind),
            who,
            request,
            message.into(),
            writes.into(),
            parcels.into(),
        ]);
    }

    fn write(self, connection: &Connection, node: i64) -> Result<(Learned, HashSet<i64>), DatabaseError> {
        let mut together = Together::default();
        let answered = self.messages.write(connection, self.words, &mut together)?;
        let learned = self.resources.write(self.words, connection.dialect(), &mut together);
        self.attachments.write(&mut together);
        self.wakes.write(&mut together);
        together.add(self.audit);
        let due = self.parcels.write(connection, together, self.tallies, node)?;
        answered.write(connection)?;
        Ok((learned, due))
    }
}
