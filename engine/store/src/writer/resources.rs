//! The resources a batch touches: their states in memory while it is decided, and what is written in the end.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use hub_core::store::StoreError;
use hub_fhir::json::{self, Json};
use hub_fhir::merge::merge;
use hub_fhir::{Reference, Resource};
use rusqlite::Connection;

use crate::clock;
use crate::entries::{Entry, from_json, to_json};
use crate::rows::{Rows, Shape, Value};
use crate::words::Words;
use crate::writer::batch::Numbers;
use crate::writer::search_rows::SearchRows;
use crate::writer::work::{Draft, DraftChange, Ready, Work};

/// How a resource stands: in the database at first, then as the batch has decided.
#[derive(Clone)]
struct State {
    rid: i64,
    version: u64,
    updated_us: i64,
    is_deleted: bool,
    digest: Option<[u8; 16]>,
    /// What this batch wrote last; `None` while the database's version stands.
    ready: Option<Arc<Ready>>,
    /// The text, where it is known.
    body: Option<Bytes>,
    /// The version in the database; 0: none.
    stored_version: u64,
    /// The search rows in the database, where they may be needed.
    stored_rows: Option<Arc<str>>,
    /// Versions made and superseded within this batch.
    superseded: Vec<(u64, i64, bool, Bytes)>,
}

/// The resources of a batch.
#[derive(Default)]
pub(crate) struct ResourceStates(HashMap<Reference, State>);

/// What a look-up must bring besides the numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The search rows when the digest differs.
    RowsUnless([u8; 16]),
    /// Search rows and text.
    All,
}

const LOOK_UP: Shape = Shape {
    before: "WITH w(n, type, id, digest, body) AS (VALUES ",
    columns: 5,
    after: ") SELECT w.n, r.rid, r.version, r.updated_us, r.deleted, r.digest,
                CASE WHEN r.digest IS NOT w.digest THEN r.rows END,
                CASE WHEN w.body = 1 THEN r.body END
              FROM w CROSS JOIN resource r WHERE r.type = w.type AND r.id = w.id",
};
const KEEP: Shape = Shape {
    before: "WITH w(rid) AS (VALUES ",
    columns: 1,
    after: ") INSERT INTO history (rid, version, updated_us, deleted, body)
              SELECT r.rid, r.version, r.updated_us, r.deleted, r.body
              FROM w CROSS JOIN resource r WHERE r.rid = w.rid",
};
const HISTORY: Shape = Shape {
    before: "INSERT INTO history (rid, version, updated_us, deleted, body) VALUES ",
    columns: 5,
    after: "",
};
const WRITE: Shape = Shape {
    before: "INSERT INTO resource (rid, type, id, version, updated_us, deleted, digest, rows, body) VALUES ",
    columns: 9,
    after:
        " ON CONFLICT (rid) DO UPDATE SET version = excluded.version, updated_us = excluded.updated_us,
             deleted = excluded.deleted, digest = excluded.digest, rows = excluded.rows, body = excluded.body",
};

impl ResourceStates {
    /// Looks up everything the works write to.
    pub fn load(connection: &Connection, words: &Words, works: &[&Work]) -> Result<Self, rusqlite::Error> {
        let mut wanted: HashMap<&Reference, Wanted> = HashMap::new();
        for change in works.iter().filter_map(|work| draft(work)).flat_map(|draft| &draft.changes) {
            let want = match change {
                DraftChange::Put(ready) | DraftChange::PutIf(ready, _) => {
                    Wanted::RowsUnless(ready.prepared.digest)
                }
                // Only whether it is there matters.
                DraftChange::Ensure(ready) => Wanted::RowsUnless(ready.prepared.digest),
                DraftChange::Merge { .. } | DraftChange::Delete(_) => Wanted::All,
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
        let wanted: Vec<(&Reference, Wanted)> = wanted.into_iter().collect();
        let mut asked = Rows::new(&LOOK_UP);
        for (n, (reference, want)) in wanted.iter().enumerate() {
            let (digest, body) = match want {
                Wanted::RowsUnless(digest) => (Bytes::copy_from_slice(digest).into(), 0_i64),
                Wanted::All => (Value::Null, 1),
            };
            let kind = words.kind(reference.kind);
            asked.push([(n as u64).into(), kind.into(), reference.id.as_str().into(), digest, body.into()]);
        }
        let mut states = HashMap::with_capacity(wanted.len());
        let found = asked.ask(connection, |row| {
            let version: i64 = row.get(2)?;
            let state = State {
                rid: row.get(1)?,
                version: version.unsigned_abs(),
                updated_us: row.get(3)?,
                is_deleted: row.get::<_, i64>(4)? == 1,
                digest: row.get(5)?,
                ready: None,
                body: row.get::<_, Option<Vec<u8>>>(7)?.map(Bytes::from),
                stored_version: version.unsigned_abs(),
                stored_rows: row.get::<_, Option<Arc<str>>>(6)?,
                superseded: Vec::new(),
            };
            Ok((row.get::<_, i64>(0)?, state))
        })?;
        for (n, state) in found {
            if let Some((reference, _)) = usize::try_from(n).ok().and_then(|n| wanted.get(n)) {
                states.insert((*reference).clone(), state);
            }
        }
        Ok(Self(states))
    }

    /// Decides the changes of one commit: all of them or, on an error, none. Says what was written.
    pub fn change(
        &mut self,
        changes: &[DraftChange],
        words: &Words,
        now: i64,
        numbers: &mut Numbers,
    ) -> Result<Vec<(Reference, u64)>, StoreError> {
        let mut staged: HashMap<&Reference, State> = HashMap::with_capacity(changes.len());
        let mut wrote = Vec::with_capacity(changes.len());
        for change in changes {
            let reference = change.reference();
            let current = staged.get(reference).or_else(|| self.0.get(reference));
            let Some(next) = decide(change, current, words)? else { continue };
            let state = advance(current, next, now, numbers);
            wrote.push((reference.clone(), state.version));
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
        Ok(listed)
    }

    /// Writes what was decided.
    pub fn write(self, connection: &Connection, words: &Words) -> Result<(), rusqlite::Error> {
        let mut keep = Rows::new(&KEEP);
        let mut history = Rows::new(&HISTORY);
        let mut rows = Rows::new(&WRITE);
        let mut search = SearchRows::default();
        let is_changed = |state: &State| state.version != state.stored_version;
        for (reference, state) in self.0.into_iter().filter(|(_, state)| is_changed(state)) {
            if state.stored_version > 0 {
                keep.push([state.rid.into()]);
            }
            for (version, updated_us, is_deleted, body) in state.superseded {
                history.push([
                    state.rid.into(),
                    version.into(),
                    updated_us.into(),
                    is_deleted.into(),
                    body.into(),
                ]);
            }
            let stored = state.stored_rows.as_deref().and_then(from_json).unwrap_or_default();
            let entries: &[Entry] = state.ready.as_ref().map_or(&[], |ready| &ready.entries);
            search.change(state.rid, &stored, entries);
            rows.push([
                state.rid.into(),
                words.kind(reference.kind).into(),
                reference.id.as_str().into(),
                state.version.into(),
                state.updated_us.into(),
                state.is_deleted.into(),
                state.digest.map(|digest| Bytes::copy_from_slice(&digest)).into(),
                to_json(entries).into(),
                state.body.unwrap_or_default().into(),
            ]);
        }
        keep.write(connection)?;
        history.write(connection)?;
        rows.write(connection)?;
        search.write(connection)
    }
}

fn draft<'a>(work: &&'a Work) -> Option<&'a Draft> {
    match work {
        Work::Commit { draft, .. } => Some(draft),
        Work::Settle(settle) => settle.draft.as_ref(),
        _ => None,
    }
}

/// What a resource becomes.
enum Next {
    Ready(Arc<Ready>),
    Deleted,
}

/// What a change makes of a resource; `None` when nothing.
fn decide(change: &DraftChange, current: Option<&State>, words: &Words) -> Result<Option<Next>, StoreError> {
    let alive = current.filter(|state| !state.is_deleted);
    let unless_same = |ready: &Arc<Ready>| {
        let is_same = alive.is_some_and(|state| state.digest == Some(ready.prepared.digest));
        (!is_same).then(|| Next::Ready(Arc::clone(ready)))
    };
    match change {
        DraftChange::Put(ready) => Ok(unless_same(ready)),
        DraftChange::PutIf(ready, expected) => {
            let found = current.map_or(0, |state| state.version);
            if found != *expected {
                let reference = ready.prepared.reference.to_string();
                return Err(StoreError::Conflict { reference, expected: *expected, found });
            }
            Ok(unless_same(ready))
        }
        DraftChange::Ensure(ready) => Ok(alive.is_none().then(|| Next::Ready(Arc::clone(ready)))),
        DraftChange::Delete(_) => Ok(alive.map(|_| Next::Deleted)),
        DraftChange::Merge { part, clear, whole } => {
            let Some(state) = alive else { return Ok(Some(Next::Ready(Arc::clone(whole)))) };
            let stored = state.body.as_deref().and_then(|body| std::str::from_utf8(body).ok());
            let Some(Ok(Json::Object(tree))) = stored.map(json::parse) else {
                let what = format!("the stored text of `{}` cannot be read", whole.prepared.reference);
                return Err(StoreError::Invalid { what });
            };
            let reference = &whole.prepared.reference;
            let merged = merge(&tree, part.tree().clone(), clear);
            let merged = Resource::new(reference.kind, reference.id.clone(), merged);
            Ok(unless_same(&Arc::new(Ready::of(&merged, words))))
        }
    }
}

/// The state after a write.
fn advance(current: Option<&State>, next: Next, now: i64, numbers: &mut Numbers) -> State {
    let mut state = match current {
        Some(state) => state.clone(),
        None => State {
            rid: Numbers::take(&mut numbers.resource),
            version: 0,
            updated_us: now,
            is_deleted: false,
            digest: None,
            ready: None,
            body: None,
            stored_version: 0,
            stored_rows: None,
            superseded: Vec::new(),
        },
    };
    let was_written_here = state.version != state.stored_version;
    if was_written_here {
        let body = state.body.take().unwrap_or_default();
        state.superseded.push((state.version, state.updated_us, state.is_deleted, body));
    }
    state.version += 1;
    // Never earlier than the version before, whatever the clock does.
    state.updated_us = now.max(state.updated_us);
    match next {
        Next::Ready(ready) => {
            state.is_deleted = false;
            state.digest = Some(ready.prepared.digest);
            state.body = Some(ready.prepared.body(state.version, clock::moment(state.updated_us)));
            state.ready = Some(ready);
        }
        Next::Deleted => {
            state.is_deleted = true;
            state.digest = None;
            state.body = Some(Bytes::new());
            state.ready = None;
        }
    }
    state
}
