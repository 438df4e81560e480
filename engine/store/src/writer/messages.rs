//! The messages a batch touches: received, ended, opened again.

use std::collections::HashMap;

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::commit::Key;
use hub_core::envelope::{Envelope, Raw};
use hub_core::id::MessageId;
use hub_core::replay::Place;
use hub_core::store::{AnswerName, Answered, Cause, End, Received, StoreError};
use hub_fhir::Reference;
use uuid::Uuid;

use crate::clock;
use crate::database::Kind::{Blob, Int, Text};
use crate::database::{Connection, DatabaseError, Line, Rows, Shape, Together};
use crate::short::short;
use crate::trace;
use crate::words::{WordKind, Words};
use crate::writer::batch::{TALLY_MESSAGES, Tallies};
use crate::writer::numbers::Numbers;
use crate::writer::work::{Draft, Work};

/// The numbers of the states in the database.
pub(crate) const RECEIVED: i64 = 0;
pub(crate) const COMMITTED: i64 = 1;
pub(crate) const FILTERED: i64 = 2;
pub(crate) const QUARANTINED: i64 = 3;
pub(crate) const SPLIT: i64 = 4;

/// What is kept of a message when it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    state: i64,
    step: Option<&'static str>,
    place: Option<CompactString>,
    rule: Option<CompactString>,
    reason: Option<CompactString>,
    keys: Vec<Key>,
    notes: Option<CompactString>,
    wrote: Option<CompactString>,
}

impl Trace {
    /// Of a message that ends without a commit.
    pub fn ended(end: &End, keys: &[Key]) -> Self {
        let keys = keys.to_vec();
        match end {
            End::Filtered { rule } => {
                Self { state: FILTERED, rule: Some(rule.as_str().into()), keys, ..Self::default() }
            }
            End::Quarantined(fault) => Self {
                state: QUARANTINED,
                step: Some(fault.step.name()),
                place: fault.place.as_deref().map(Into::into),
                rule: fault.rule.as_deref().map(Into::into),
                reason: Some(fault.reason.as_str().into()),
                keys,
                ..Self::default()
            },
        }
    }

    /// Of a message that held so many.
    pub fn split(pieces: usize) -> Self {
        Self { state: SPLIT, reason: Some(compact_str::format_compact!("{pieces}")), ..Self::default() }
    }

    /// Of a message that was committed.
    pub fn committed(draft: &Draft, wrote: &[(Reference, u64)]) -> Self {
        Self {
            state: COMMITTED,
            keys: draft.keys.clone(),
            notes: trace::notes_text(&draft.notes),
            wrote: trace::wrote_text(wrote),
            ..Self::default()
        }
    }
}

/// A message's row while the batch is decided.
pub(super) struct Message {
    pub seq: i64,
    pub channel: i64,
    pub state: i64,
    ended_us: Option<i64>,
    replays: i64,
    /// Its place in the order of arrival.
    pub place: Place,
    /// Its place among its parent's pieces, where another splitting gave it a new one.
    pub nth: Option<i64>,
    is_changed: bool,
    trace: Option<Trace>,
}

impl Message {
    /// Reads a row of seq, channel, state, replays, end and place, from this column on.
    pub fn read(row: &Line<'_>, from: usize) -> Result<Self, DatabaseError> {
        Ok(Self {
            seq: row.get(from)?,
            channel: row.get(from + 1)?,
            state: row.get(from + 2)?,
            replays: row.get(from + 3)?,
            ended_us: row.get(from + 4)?,
            place: Place { at: row.get(from + 5)?, nth: row.get(from + 6)? },
            nth: None,
            is_changed: false,
            trace: None,
        })
    }
}

/// What the database knows of a message that is received: the same one, or another with its key.
#[derive(Clone, Copy, Default)]
struct Earlier {
    same: Option<Uuid>,
    reused: Option<Uuid>,
}

/// What makes a message the same as another one.
type Sameness = (CompactString, CompactString);

/// The messages of a batch.
pub(crate) struct Messages {
    pub(super) known: HashMap<MessageId, Message>,
    /// The pieces that are stored of messages that are split.
    pub(super) pieces: HashMap<MessageId, Vec<MessageId>>,
    answered: Rows,
    earlier: HashMap<MessageId, Earlier>,
    /// Received in this batch: digest and id by channel and key.
    fresh: HashMap<Sameness, Vec<([u8; 16], MessageId)>>,
    inserts: Rows,
    bodies: Rows,
}

const LOOK_UP: Shape = Shape {
    before: "WITH w(id) AS (VALUES ",
    columns: &[Blob],
    after: ") SELECT m.id, m.seq, m.channel, m.state, m.replays, m.ended_us, coalesce(m.parent, m.seq), coalesce(m.nth, 0)
              FROM w CROSS JOIN message m WHERE m.id = w.id",
    locks: " ORDER BY m.seq FOR UPDATE OF m",
};
const EARLIER: Shape = Shape {
    before: "WITH w(id, channel, dedupe, digest) AS (VALUES ",
    columns: &[Blob, Int, Text, Blob],
    after: ") SELECT w.id,
                (SELECT m.id FROM message m
                 WHERE m.channel = w.channel AND m.dedupe = w.dedupe AND m.digest = w.digest LIMIT 1),
                (SELECT m.id FROM message m WHERE m.channel = w.channel AND m.dedupe = w.dedupe LIMIT 1)
              FROM w WHERE w.id IS NOT NULL",
    locks: "",
};
const INSERT: Shape = Shape {
    before:
        "INSERT INTO message (seq, id, channel, state, received_us, size, reused, replays, digest, dedupe,
             message_type, control_id, sender, correlation, peer_address, peer_identity, parent, nth) VALUES ",
    columns: &[
        Int, Blob, Int, Int, Int, Int, Int, Int, Blob, Text, Text, Text, Text, Text, Text, Text, Int, Int,
    ],
    after: "",
    locks: "",
};
const ANSWERED: Shape = Shape {
    before: "WITH w(id, answered, answered_us) AS (VALUES ",
    columns: &[Blob, Int, Int],
    after: ") UPDATE message SET answered = w.answered, answered_us = w.answered_us
              FROM w WHERE message.id = w.id",
    locks: "",
};
const BODY: Shape = Shape {
    before: "INSERT INTO message_body (seq, body) VALUES ",
    columns: &[Int, Blob],
    after: "",
    locks: "",
};
const UPDATE: Shape = Shape {
    before: "WITH w(seq, state, ended_us, replays, nth) AS (VALUES ",
    columns: &[Int, Int, Int, Int, Int],
    after: ") UPDATE message SET state = w.state, ended_us = w.ended_us, replays = w.replays,
                nth = coalesce(w.nth, message.nth)
              FROM w WHERE message.seq = w.seq",
    locks: "",
};
const OLD_KEYS: Shape = Shape {
    before: "WITH w(seq) AS (VALUES ",
    columns: &[Int],
    after: ") SELECT t.seq, t.keys FROM w CROSS JOIN message_trace t WHERE t.seq = w.seq",
    locks: "",
};
/// A message that is processed again and finds all as it is has still written what it wrote the first time.
pub(super) const TRACE: Shape = Shape {
    before: "INSERT INTO message_trace (seq, step, place, rule, reason, keys, notes, wrote) VALUES ",
    columns: &[Int, Text, Text, Text, Text, Text, Text, Text],
    after:
        " ON CONFLICT (seq) DO UPDATE SET step = excluded.step, place = excluded.place, rule = excluded.rule,
             reason = excluded.reason, keys = excluded.keys, notes = excluded.notes,
             wrote = coalesce(excluded.wrote, message_trace.wrote)",
    locks: "",
};
pub(super) const KEY: Shape = Shape {
    before: "INSERT INTO message_key (value, name, seq) VALUES ",
    columns: &[Text, Int, Int],
    after: " ON CONFLICT DO NOTHING",
    locks: "",
};
const GONE_KEY: Shape = Shape {
    before: "DELETE FROM message_key WHERE (value, name, seq) = ",
    columns: &[Text, Int, Int],
    after: "",
    locks: "",
};

impl Messages {
    /// Looks up what the works name.
    pub fn load(connection: &Connection, words: &Words, works: &[&Work]) -> Result<Self, DatabaseError> {
        let mut ids = Rows::new(&LOOK_UP);
        let mut arrivals = Rows::new(&EARLIER);
        for work in works {
            match work {
                Work::End { id, .. }
                | Work::Reopen { id }
                | Work::EndAgain { id, .. }
                | Work::Expand { id, .. }
                | Work::Commit { cause: Cause::Message(id) | Cause::Replay(id), .. } => {
                    ids.push([id.0.into()])
                }
                Work::Receive(message) | Work::ReceiveAttachment { message, .. } => {
                    let head = &message.head;
                    arrivals.push([
                        head.id.0.into(),
                        words.number(WordKind::Channel, head.channel.as_str()).into(),
                        short(&head.dedupe.0).into(),
                        Bytes::copy_from_slice(&head.digest.0).into(),
                    ]);
                }
                _ => {}
            }
        }
        let known = ids.ask(connection, |row| Ok((MessageId(row.id(0)?), Message::read(row, 1)?)))?;
        let mut known: HashMap<MessageId, Message> = known.into_iter().collect();
        let pieces = super::pieces::load(connection, works, &mut known)?;
        let earlier = arrivals.ask(connection, |row| {
            let found = Earlier { same: row.id_or_none(1)?, reused: row.id_or_none(2)? };
            Ok((MessageId(row.id(0)?), found))
        })?;
        let (inserts, bodies) = (Rows::new(&INSERT), Rows::new(&BODY));
        let (earlier, answered) = (earlier.into_iter().collect(), Rows::new(&ANSWERED));
        Ok(Self { known, pieces, answered, earlier, fresh: HashMap::new(), inserts, bodies })
    }

    /// Takes a message in, unless it is known; then nothing has got a place.
    pub fn receive(
        &mut self,
        message: &Envelope<Raw>,
        channel: i64,
        numbers: &mut Numbers,
        tallies: &mut Tallies,
    ) -> (Received, Option<i64>) {
        let head = &message.head;
        let earlier = self.earlier.get(&head.id).copied().unwrap_or_default();
        let fresh = self.fresh.entry((head.channel.0.clone(), head.dedupe.0.clone())).or_default();
        let same_in_batch = fresh.iter().find(|(digest, _)| *digest == head.digest.0).map(|(_, id)| *id);
        if let Some(same) = earlier.same.map(MessageId).or(same_in_batch) {
            return (Received::Duplicate(same), None);
        }
        let reused = earlier.reused.map(MessageId).or(fresh.first().map(|(_, id)| *id));
        fresh.push((head.digest.0, head.id));
        let seq = self.insert(message, channel, reused.is_some(), None, numbers, tallies);
        (reused.map_or(Received::New, Received::Reused), Some(seq))
    }

    /// Stores a new message; `parent` is the place of what it is a piece of. Says which place it got.
    pub(super) fn insert(
        &mut self,
        message: &Envelope<Raw>,
        channel: i64,
        is_reused: bool,
        parent: Option<i64>,
        numbers: &mut Numbers,
        tallies: &mut Tallies,
    ) -> i64 {
        let head = &message.head;
        let seq = numbers.message.take();
        let body = message.body.0.clone();
        self.inserts.push([
            seq.into(),
            head.id.0.into(),
            channel.into(),
            RECEIVED.into(),
            clock::micros(head.received_at).into(),
            (body.len() as u64).into(),
            is_reused.into(),
            0_i64.into(),
            Bytes::copy_from_slice(&head.digest.0).into(),
            short(&head.dedupe.0).into(),
            head.label.message_type.as_deref().map(short).into(),
            head.label.control_id.as_deref().map(short).into(),
            head.label.sender.clone().into(),
            (&head.correlation.0).into(),
            head.peer.address.map(|address| address.to_string()).into(),
            head.peer.identity.clone().into(),
            parent.into(),
            head.parent.map(|parent| i64::from(parent.nth)).into(),
        ]);
        self.bodies.push([seq.into(), body.into()]);
        tallies.add(TALLY_MESSAGES, channel, RECEIVED, 1);
        seq
    }

    /// Notes what the sender of a message was answered. A message that is gone needs no note.
    pub fn answered(&mut self, id: MessageId, answered: Answered) -> Result<(), StoreError> {
        let kind = AnswerName::ALL.iter().position(|kind| *kind == answered.kind).unwrap_or_default();
        self.answered.push([id.0.into(), (kind as u64).into(), clock::micros(answered.at).into()]);
        Ok(())
    }

    /// A message that has not ended; `None` when it has.
    pub fn open(&self, id: MessageId) -> Result<Option<&Message>, StoreError> {
        let message = self.known.get(&id).ok_or_else(|| unknown(id))?;
        Ok((message.state == RECEIVED).then_some(message))
    }

    /// A message that has ended, to be processed again.
    pub fn ended(&self, id: MessageId) -> Result<&Message, StoreError> {
        let message = self.known.get(&id).ok_or_else(|| unknown(id))?;
        let open = || StoreError::Invalid { what: format!("the message `{id}` has not ended") };
        (message.state != RECEIVED).then_some(message).ok_or_else(open)
    }

    /// Ends a message that has ended anew. `false` when it has not, or is not there.
    pub fn end_again(&mut self, id: MessageId, trace: Trace, now: i64, tallies: &mut Tallies) -> bool {
        self.reopen(id, tallies) && self.end(id, trace, now, tallies).is_ok()
    }

    /// Ends a message. One that has ended already stays as it is.
    pub fn end(
        &mut self,
        id: MessageId,
        trace: Trace,
        now: i64,
        tallies: &mut Tallies,
    ) -> Result<(), StoreError> {
        let message = self.known.get_mut(&id).ok_or_else(|| unknown(id))?;
        if message.state != RECEIVED {
            return Ok(());
        }
        tallies.add(TALLY_MESSAGES, message.channel, RECEIVED, -1);
        tallies.add(TALLY_MESSAGES, message.channel, trace.state, 1);
        message.state = trace.state;
        message.ended_us = Some(now);
        message.trace = Some(trace);
        message.is_changed = true;
        Ok(())
    }

    /// Puts an ended message back. What is known of its last end stays until it ends again.
    pub fn reopen(&mut self, id: MessageId, tallies: &mut Tallies) -> bool {
        let Some(message) = self.known.get_mut(&id).filter(|message| message.state != RECEIVED) else {
            return false;
        };
        tallies.add(TALLY_MESSAGES, message.channel, message.state, -1);
        tallies.add(TALLY_MESSAGES, message.channel, RECEIVED, 1);
        message.state = RECEIVED;
        message.ended_us = None;
        message.replays += 1;
        message.is_changed = true;
        true
    }

    /// Gives a piece its place among the pieces of a new splitting.
    pub fn place(&mut self, id: MessageId, nth: u32) {
        if let Some(message) = self.known.get_mut(&id) {
            message.nth = Some(i64::from(nth));
            message.is_changed = true;
        }
    }

    /// Hands over what is to be written; what was answered comes after it, for it is of the same rows.
    pub fn write(
        self,
        connection: &Connection,
        words: &Words,
        together: &mut Together,
    ) -> Result<Rows, DatabaseError> {
        together.add(self.inserts);
        together.add(self.bodies);
        let mut updates = Rows::new(&UPDATE);
        let mut replayed = Rows::new(&OLD_KEYS);
        let mut traces = Rows::new(&TRACE);
        let mut keys = Rows::new(&KEY);
        for message in self.known.into_values().filter(|message| message.is_changed) {
            let Message { seq, state, ended_us, replays, nth, .. } = message;
            updates.push([seq.into(), state.into(), ended_us.into(), replays.into(), nth.into()]);
            let Some(trace) = message.trace else { continue };
            if replays > 0 {
                replayed.push([seq.into()]);
            }
            for key in &trace.keys {
                let name = words.number(WordKind::KeyName, key.name.as_str());
                keys.push([short(&key.value).into(), name.into(), seq.into()]);
            }
            traces.push([
                seq.into(),
                trace.step.into(),
                trace.place.into(),
                trace.rule.into(),
                trace.reason.into(),
                trace::keys_text(&trace.keys).into(),
                trace.notes.into(),
                trace.wrote.into(),
            ]);
        }
        together.add(updates);
        let replayed = replayed.ask(connection, |row| Ok((row.get(0)?, row.get::<Option<String>>(1)?)))?;
        // A key may go and come again: it goes before.
        for (seq, keys) in replayed {
            forget_keys(connection, seq, keys.as_deref(), words)?;
        }
        together.add(traces);
        together.add(keys);
        Ok(self.answered)
    }
}

/// Deletes the keys a message was found by.
pub(crate) fn forget_keys(
    connection: &Connection,
    seq: i64,
    keys: Option<&str>,
    words: &Words,
) -> Result<(), DatabaseError> {
    let mut gone = Rows::new(&GONE_KEY);
    for key in trace::keys(keys) {
        let name = words.number(WordKind::KeyName, key.name.as_str());
        gone.push([short(&key.value).into(), name.into(), seq.into()]);
    }
    gone.write(connection)
}

pub(super) fn unknown(id: MessageId) -> StoreError {
    StoreError::Invalid { what: format!("there is no message `{id}`") }
}
