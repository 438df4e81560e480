//! The resources a batch touches: their states in memory while it is decided, and what is written in the end.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use hub_core::replay::Place;
use hub_core::store::{Standing, StoreError};
use hub_fhir::Reference;

use crate::database::Kind::{Blob, Int, Json, Text};
use crate::database::{Connection, DatabaseError, Dialect, Rows, Shape, Together, Value};
use crate::entries::{Beside, Entry, indexed, stale};
use crate::parameters::search_parameter;
use crate::words::Words;
use crate::writer::contained_rows::ContainedRows;
use crate::writer::decide::{Outcome, State, advance, decide};
use crate::writer::full_texts::FullTexts;
use crate::writer::numbers::Numbers;
use crate::writer::parameters;
use crate::writer::recent::{Known, Recent};
use crate::writer::search_rows::SearchRows;
use crate::writer::work::{DraftChange, Work};

/// The resources of a batch.
#[derive(Default)]
pub(crate) struct ResourceStates(HashMap<Reference, State>);

/// What the changes of a commit came to.
pub(crate) struct Changed {
    /// References and versions written, each once.
    pub wrote: Vec<(Reference, u64)>,
    /// How the resource of each change stands.
    pub stands: Vec<Option<Standing>>,
}

/// What a look-up must bring besides the numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The search rows when the digest differs.
    RowsUnless([u8; 16]),
    /// Search rows and text.
    All,
}

const LOOK_UP: Shape = Shape {
    before: "WITH w(n, type, id, digest, body, known) AS (VALUES ",
    columns: &[Int, Int, Text, Blob, Int, Int],
    after: concat!(") SELECT w.n, r.rid, r.version, r.updated_us, r.deleted, r.digest,
                CASE WHEN r.digest IS DISTINCT FROM w.digest AND r.version <> w.known THEN CAST(r.rows AS TEXT) END,
                CASE WHEN w.body = 1 AND r.version <> w.known THEN r.body END,
                CASE WHEN r.digest IS DISTINCT FROM w.digest AND r.version <> w.known THEN CAST(r.more AS TEXT) END,
                CAST(CASE WHEN ", stale!(), " THEN 1 ELSE 0 END AS BIGINT)
              FROM w CROSS JOIN resource r WHERE r.type = w.type AND r.id = w.id"),
    locks: " ORDER BY r.rid FOR UPDATE OF r",
};
const KEEP: Shape = Shape {
    before: "WITH w(rid) AS (VALUES ",
    columns: &[Int],
    after: ") INSERT INTO history (rid, version, updated_us, deleted, body, by_at, by_nth)
              SELECT r.rid, r.version, r.updated_us, r.deleted, r.body, r.by_at, r.by_nth
              FROM w CROSS JOIN resource r WHERE r.rid = w.rid",
    locks: "",
};
const HISTORY: Shape = Shape {
    before: "INSERT INTO history (rid, version, updated_us, deleted, body, by_at, by_nth) VALUES ",
    columns: &[Int, Int, Int, Int, Blob, Int, Int],
    after: "",
    locks: "",
};
const WRITE: Shape = Shape {
    before: "INSERT INTO resource (rid, type, id, version, updated_us, deleted, digest, rows, body, by_at, by_nth, more, indexed) VALUES ",
    columns: &[Int, Int, Text, Int, Int, Int, Blob, Json, Blob, Int, Int, Json, Int],
    after: " ON CONFLICT (rid) DO UPDATE SET version = excluded.version, updated_us = excluded.updated_us,
             deleted = excluded.deleted, digest = excluded.digest, rows = excluded.rows, body = excluded.body,
             by_at = excluded.by_at, by_nth = excluded.by_nth, more = excluded.more, indexed = excluded.indexed",
    locks: "",
};

impl ResourceStates {
    /// Looks up everything the works write to.
    pub fn load(
        connection: &Connection,
        words: &Words,
        recent: &Recent,
        works: &[&Work],
    ) -> Result<Self, DatabaseError> {
        let mut wanted: HashMap<&Reference, Wanted> = HashMap::new();
        for change in works.iter().filter_map(|work| work.draft()).flat_map(|draft| &draft.changes) {
            let want = match change {
                DraftChange::Put(ready) | DraftChange::PutIf(ready, _) => {
                    Wanted::RowsUnless(ready.prepared.digest)
                }
                // Only whether it is there matters.
                DraftChange::Ensure(ready) => Wanted::RowsUnless(ready.prepared.digest),
                DraftChange::Merge { .. } | DraftChange::Delete(..) => Wanted::All,
            };
            // Touched more than once: the middle versions may need anything.
            wanted
                .entry(change.reference())
                .and_modify(|earlier| {
                    if *earlier != want {
                        *earlier = Wanted::All;
                    }
                })
                .or_insert(want);
        }
        let mut states = HashMap::with_capacity(wanted.len());
        // On PostgreSQL other nodes write as well: what is remembered holds when the version is still this one.
        if !connection.dialect().is_postgres() {
            wanted.retain(|reference, _| {
                let Some(known) = recent.get(reference) else { return true };
                states.insert((*reference).clone(), State::of(known));
                false
            });
        }
        let wanted: Vec<(&Reference, Wanted)> = wanted.into_iter().collect();
        let mut asked = Rows::new(&LOOK_UP);
        for (n, (reference, want)) in wanted.iter().enumerate() {
            let (digest, body) = match want {
                Wanted::RowsUnless(digest) => (Bytes::copy_from_slice(digest).into(), 0_i64),
                Wanted::All => (Value::Null, 1),
            };
            let kind = words.kind(reference.kind).into();
            let known = recent.get(reference).map_or(Value::Int(-1), |known| known.version.into());
            asked.push([(n as u64).into(), kind, reference.id.as_str().into(), digest, body.into(), known]);
        }
        let found = asked.ask(connection, |row| {
            let n: i64 = row.get(0)?;
            let version: i64 = row.get(2)?;
            let remembered =
                usize::try_from(n).ok().and_then(|n| wanted.get(n)).and_then(|(r, _)| recent.get(r));
            if let Some(known) = remembered.filter(|known| known.version == version.unsigned_abs()) {
                return Ok((n, State::of(known)));
            }
            let state = State {
                rid: row.get(1)?,
                version: version.unsigned_abs(),
                updated_us: row.get(3)?,
                is_deleted: row.get::<i64>(4)? == 1,
                digest: row.bytes_or_none(5)?,
                ready: None,
                body: row.get::<Option<Vec<u8>>>(7)?.map(Bytes::from),
                stored_version: version.unsigned_abs(),
                stored_rows: match (row.get::<Option<String>>(6)?, row.get::<Option<String>>(8)?) {
                    (Some(rows), more) => Some(Beside { rows: rows.into(), more: more.map(Into::into) }),
                    (None, _) => None,
                },
                is_stale: row.get::<i64>(9)? == 1,
                superseded: Vec::new(),
                by: None,
                same: Vec::new(),
                is_news: true,
            };
            Ok((n, state))
        })?;
        for (n, state) in found {
            if let Some((reference, _)) = usize::try_from(n).ok().and_then(|n| wanted.get(n)) {
                states.insert((*reference).clone(), state);
            }
        }
        Ok(Self(states))
    }

    /// Decides the changes of one commit, which a message at this place caused or nobody's: all of them or, on an error, none. Says what
    /// came of them.
    pub fn change(
        &mut self,
        changes: &[DraftChange],
        by: Option<Place>,
        words: &Words,
        numbers: &mut Numbers,
    ) -> Result<Changed, StoreError> {
        let mut staged: HashMap<&Reference, State> = HashMap::with_capacity(changes.len());
        let mut wrote = Vec::with_capacity(changes.len());
        let mut stands = Vec::with_capacity(changes.len());
        for change in changes {
            let reference = change.reference();
            let current = staged.get(reference).or_else(|| self.0.get(reference));
            let was_there = current.is_some_and(|state| !state.is_deleted);
            let next = match decide(change, current, words)? {
                Outcome::Next(next) => next,
                Outcome::Nothing => {
                    stands.push(current.map(|state| state.standing(was_there)));
                    continue;
                }
                Outcome::Same(key) => {
                    stands.push(current.map(|state| state.standing(was_there)));
                    let state = staged.get_mut(reference).or_else(|| self.0.get_mut(reference));
                    if let Some(state) = state {
                        Known::add_same(&mut state.same, key);
                        state.is_news = true;
                    }
                    continue;
                }
            };
            let state = advance(current, next, by, numbers);
            wrote.push((reference.clone(), state.version));
            stands.push(Some(state.standing(was_there)));
            staged.insert(reference, state);
        }
        for (reference, state) in staged {
            self.0.insert(reference.clone(), state);
        }
        // A resource written twice by one commit is listed with its last version.
        let mut last: HashMap<Reference, u64> = wrote.iter().cloned().collect();
        wrote.retain(|(reference, _)| last.contains_key(reference));
        let mut listed = Vec::with_capacity(last.len());
        for (reference, _) in wrote {
            if let Some(version) = last.remove(&reference) {
                listed.push((reference, version));
            }
        }
        Ok(Changed { wrote: listed, stands })
    }

    /// Hands over what is to be written. Comes back with what is to be remembered when it is durable.
    pub fn write(self, words: &Words, dialect: Dialect, together: &mut Together) -> Learned {
        let mut keep = Rows::new(&KEEP);
        let mut history = Rows::new(&HISTORY);
        let mut rows = Rows::new(&WRITE);
        let (mut search, mut texts) = (SearchRows::default(), FullTexts::new(dialect));
        let mut contained = ContainedRows::default();
        let mut learned = Vec::with_capacity(self.0.len());
        let (in_force, defines) = (words.in_force(), search_parameter());
        let mut is_defined_anew = false;
        for (reference, mut state) in self.0 {
            let is_changed = state.version != state.stored_version;
            if !is_changed {
                // What is stale is indexed anew behind the writer's back: its rows are not remembered.
                let is_kept = state.is_news && !state.is_stale && !in_force.is_walked(reference.kind);
                let known = if is_kept { state.known(state.stored_rows.clone()) } else { None };
                learned.push((reference, known));
                continue;
            }
            is_defined_anew |= reference.kind == defines;
            if state.stored_version > 0 {
                keep.push([state.rid.into()]);
            }
            for old in std::mem::take(&mut state.superseded) {
                history.push([
                    state.rid.into(),
                    old.version.into(),
                    old.updated_us.into(),
                    old.is_deleted.into(),
                    old.body.into(),
                    old.by.map(|by| by.at).into(),
                    old.by.map(|by| by.nth).into(),
                ]);
            }
            let stored = state.stored_rows.as_ref().map(Beside::entries).unwrap_or_default();
            let entries: &[Entry] = state.ready.as_ref().map_or(&[], |ready| &ready.entries);
            search.change(state.rid, &stored, entries);
            if words.has_full_text(reference.kind) {
                texts.change(state.rid, state.ready.as_ref().and_then(|ready| ready.full_text.as_ref()));
            }
            let within = state.ready.as_ref().map_or(&[][..], |ready| &ready.within);
            contained.change(state.rid, state.stored_version == 0, within);
            let beside = Beside::of(entries);
            rows.push([
                state.rid.into(),
                words.kind(reference.kind).into(),
                reference.id.as_str().into(),
                state.version.into(),
                state.updated_us.into(),
                state.is_deleted.into(),
                state.digest.map(|digest| Bytes::copy_from_slice(&digest)).into(),
                Arc::clone(&beside.rows).into(),
                state.body.clone().unwrap_or_default().into(),
                state.by.map(|by| by.at).into(),
                state.by.map(|by| by.nth).into(),
                beside.more.clone().into(),
                indexed(state.version).into(),
            ]);
            learned.push((reference, state.known(Some(beside))));
        }
        // What is kept is the version of before the statement, whichever of its parts comes first.
        together.add(keep);
        together.add(history);
        together.add(rows);
        search.write(together);
        texts.write(together);
        contained.write(together);
        if is_defined_anew {
            together.add(parameters::change());
        }
        Learned(learned)
    }
}

/// What a batch has learned of resources: the versions that are to be remembered, and those that were of use.
#[derive(Default)]
pub(crate) struct Learned(Vec<(Reference, Option<Known>)>);

impl Learned {
    /// Remembers it: the transaction is durable.
    pub fn remember(self, recent: &mut Recent) {
        for (reference, known) in self.0 {
            match known {
                Some(known) => recent.put(reference, known),
                None => recent.keep(&reference),
            }
        }
    }
}
