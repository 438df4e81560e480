//! Takes archived messages back in, as they ended. What is there already stays as it is.

use std::collections::HashMap;

use bytes::Bytes;
use hub_core::store::{Imported, StateName};
use uuid::Uuid;

use crate::archiving::Entry;
use crate::clock;
use crate::database::Kind::{Blob, Int, Text};
use crate::database::{Connection, DatabaseError, Rows, Shape, Value, run};
use crate::journal::state_number;
use crate::short::short;
use crate::trace;
use crate::words::{WordKind, Words};
use crate::writer::batch::{TALLY_MESSAGES, TALLY_PARCELS, Tallies};
use crate::writer::messages::{KEY, TRACE};
use crate::writer::numbers::Numbers;
use crate::writer::parcels::{DELIVERED, INSERT as PARCEL};

/// Only one node at a time imports, so that none stores what another is about to.
const LOCK: i64 = 0x6875_6974_6f6e_6702;

const MESSAGES: Shape = Shape {
    before: "WITH w(id) AS (VALUES ",
    columns: &[Blob],
    after: ") SELECT m.id, m.seq FROM w CROSS JOIN message m WHERE m.id = w.id",
    locks: "",
};
const PARCELS: Shape = Shape {
    before: "WITH w(id) AS (VALUES ",
    columns: &[Blob],
    after: ") SELECT p.id, p.seq FROM w CROSS JOIN parcel p WHERE p.id = w.id",
    locks: "",
};
const MESSAGE: Shape = Shape {
    before: "INSERT INTO message (seq, id, channel, state, received_us, ended_us, size, reused, replays, digest, dedupe,
             message_type, control_id, sender, correlation, peer_address, peer_identity, parent, nth, answered,
             answered_us, imported_us) VALUES ",
    columns: &[
        Int, Blob, Int, Int, Int, Int, Int, Int, Int, Blob, Text, Text, Text, Text, Text, Text, Text, Int, Int, Int, Int,
        Int,
    ],
    after: "",
    locks: "",
};
const BODY: Shape = Shape {
    before: "INSERT INTO message_body (seq, body) VALUES ",
    columns: &[Int, Blob],
    after: "",
    locks: "",
};
const PARCEL_BODY: Shape = Shape {
    before: "INSERT INTO parcel_body (seq, content_type, body, answer) VALUES ",
    columns: &[Int, Text, Blob, Blob],
    after: "",
    locks: "",
};

/// Interns the names that the entries bring, before the transaction.
pub(super) fn intern(connection: &Connection, words: &Words, entries: &[Entry]) -> Result<(), DatabaseError> {
    for entry in entries {
        let keys = trace::keys(entry.head.keys.as_deref());
        let keys = keys.iter().map(|key| (WordKind::KeyName, key.name.as_str()));
        let parcels = entry.head.parcels.iter().map(|parcel| (WordKind::Destination, parcel.to.as_str()));
        let channel = (WordKind::Channel, entry.head.channel.as_str());
        words.intern(connection, keys.chain(parcels).chain([channel]))?;
    }
    Ok(())
}

/// Stores what is not there yet; says how many were and how many were not, and where the numbers stand.
pub(super) fn import(
    connection: &Connection,
    words: &Words,
    node: i64,
    numbers: &Numbers,
    entries: &[Entry],
) -> Result<(Imported, Numbers), DatabaseError> {
    let parcels = entries.iter().map(|entry| entry.parcels.len() as u64).sum();
    let mut numbers = numbers.for_import(connection, node, entries.len() as u64, parcels)?;
    if connection.dialect().is_postgres() {
        run(connection, "SELECT pg_advisory_xact_lock(?1)", &[LOCK.into()])?;
    }
    let parents = entries.iter().filter_map(|entry| entry.head.parent);
    let mut known = seqs(connection, &MESSAGES, entries.iter().map(|entry| entry.head.id).chain(parents))?;
    let parcel_ids = entries.iter().flat_map(|entry| entry.head.parcels.iter().map(|parcel| parcel.id));
    let mut known_parcels = seqs(connection, &PARCELS, parcel_ids)?;
    let mut rows = ImportRows::default();
    let mut imported = Imported::default();
    for entry in entries {
        if known.contains_key(&entry.head.id) {
            imported.known += 1;
            continue;
        }
        imported.added += 1;
        let seq = numbers.message.take();
        known.insert(entry.head.id, seq);
        let parent = entry.head.parent.and_then(|parent| known.get(&parent).copied());
        rows.add(words, entry, seq, parent)?;
        for (parcel, (body, answer)) in entry.head.parcels.iter().zip(&entry.parcels) {
            if known_parcels.contains_key(&parcel.id) {
                continue;
            }
            let at = numbers.parcel.take();
            known_parcels.insert(parcel.id, at);
            let dest = number(words, WordKind::Destination, &parcel.to)?;
            rows.parcels.push([
                at.into(),
                parcel.id.into(),
                dest.into(),
                parcel.order_key.as_deref().map(short).into(),
                DELIVERED.into(),
                Value::Null,
                parcel.created_us.into(),
                parcel.attempts.into(),
                false.into(),
                false.into(),
                seq.into(),
                parcel.correlation.as_str().into(),
            ]);
            let content_type = parcel.content_type.as_str();
            rows.parcel_bodies.push([
                at.into(),
                content_type.into(),
                body.clone().into(),
                answer.clone().into(),
            ]);
            rows.tallies.add(TALLY_PARCELS, dest, DELIVERED, 1);
        }
    }
    rows.write(connection, node)?;
    Ok((imported, numbers))
}

fn seqs(
    connection: &Connection,
    shape: &'static Shape,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, i64>, DatabaseError> {
    let mut asked = Rows::new(shape);
    for id in ids {
        asked.push([id.into()]);
    }
    Ok(asked.ask(connection, |row| Ok((row.id(0)?, row.get(1)?)))?.into_iter().collect())
}

fn number(words: &Words, kind: WordKind, name: &str) -> Result<i64, DatabaseError> {
    words.number(kind, name).ok_or(DatabaseError::Missing("a word"))
}

struct ImportRows {
    messages: Rows,
    bodies: Rows,
    traces: Rows,
    keys: Rows,
    parcels: Rows,
    parcel_bodies: Rows,
    tallies: Tallies,
    now: i64,
}

impl Default for ImportRows {
    fn default() -> Self {
        Self {
            messages: Rows::new(&MESSAGE),
            bodies: Rows::new(&BODY),
            traces: Rows::new(&TRACE),
            keys: Rows::new(&KEY),
            parcels: Rows::new(&PARCEL),
            parcel_bodies: Rows::new(&PARCEL_BODY),
            tallies: Tallies::default(),
            now: clock::now(),
        }
    }
}

impl ImportRows {
    fn add(
        &mut self,
        words: &Words,
        entry: &Entry,
        seq: i64,
        parent: Option<i64>,
    ) -> Result<(), DatabaseError> {
        let head = &entry.head;
        let channel = number(words, WordKind::Channel, &head.channel)?;
        let state = StateName::from_name(&head.state).ok_or(DatabaseError::Missing("a state"))?;
        let state = state_number(state);
        let digest = head.digest().ok_or(DatabaseError::Missing("a digest"))?;
        self.messages.push([
            seq.into(),
            head.id.into(),
            channel.into(),
            state.into(),
            head.received_us.into(),
            head.ended_us.into(),
            (entry.body.len() as u64).into(),
            head.reused.into(),
            head.replays.into(),
            digest.into(),
            short(&head.dedupe).into(),
            head.message_type.as_deref().map(short).into(),
            head.control_id.as_deref().map(short).into(),
            head.sender.as_deref().into(),
            head.correlation.as_str().into(),
            head.peer_address.as_deref().into(),
            head.peer_identity.as_deref().into(),
            parent.into(),
            parent.and(head.nth).into(),
            head.answered.into(),
            head.answered_us.into(),
            self.now.into(),
        ]);
        self.bodies.push([seq.into(), Bytes::clone(&entry.body).into()]);
        self.traces.push([
            seq.into(),
            head.step.as_deref().into(),
            head.place.as_deref().into(),
            head.rule.as_deref().into(),
            head.reason.as_deref().into(),
            head.keys.as_deref().into(),
            head.notes.as_deref().into(),
            head.wrote.as_deref().into(),
        ]);
        for key in trace::keys(head.keys.as_deref()) {
            let name = number(words, WordKind::KeyName, &key.name)?;
            self.keys.push([short(&key.value).into(), name.into(), seq.into()]);
        }
        self.tallies.add(TALLY_MESSAGES, channel, state, 1);
        Ok(())
    }

    fn write(self, connection: &Connection, node: i64) -> Result<(), DatabaseError> {
        for rows in [self.messages, self.bodies, self.traces, self.keys, self.parcels, self.parcel_bodies] {
            rows.write(connection)?;
        }
        self.tallies.write(connection, node)
    }
}
