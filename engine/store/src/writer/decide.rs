//! One resource while a batch is decided: how it stands, and what a change makes of it. Nothing here touches the database.

use std::sync::Arc;

use bytes::Bytes;
use hub_core::replay::Place;
use hub_core::store::{Standing, StoreError};
use hub_fhir::Resource;
use hub_fhir::json::{self, Json};
use hub_fhir::merge::merge;

use crate::clock;
use crate::entries::Beside;
use crate::words::Words;
use crate::writer::numbers::Numbers;
use crate::writer::recent::{Known, MergeKey};
use crate::writer::work::{DraftChange, Ready};

/// A version made and superseded within one batch.
#[derive(Clone)]
pub(super) struct Superseded {
    pub version: u64,
    pub updated_us: i64,
    pub is_deleted: bool,
    pub body: Bytes,
    pub by: Option<Place>,
}

/// How a resource stands: in the database at first, then as the batch has decided.
#[derive(Clone)]
pub(super) struct State {
    pub rid: i64,
    pub version: u64,
    pub updated_us: i64,
    pub is_deleted: bool,
    pub digest: Option<[u8; 16]>,
    /// What this batch wrote last; `None` while the database's version stands.
    pub ready: Option<Arc<Ready>>,
    /// The text, where it is known.
    pub body: Option<Bytes>,
    /// The version in the database; 0: none.
    pub stored_version: u64,
    /// The search rows in the database, where they may be needed.
    pub stored_rows: Option<Beside>,
    /// The search rows in the database are not those this program makes.
    pub is_stale: bool,
    /// Versions made and superseded within this batch.
    pub superseded: Vec<Superseded>,
    /// Whose message wrote the version; known only while this batch has written it.
    pub by: Option<Place>,
    /// Merges that were found to change nothing in this version.
    pub same: Vec<MergeKey>,
    /// Whether more is known than what [`Recent`] remembers.
    pub is_news: bool,
}

impl State {
    pub fn of(known: &Known) -> Self {
        Self {
            rid: known.rid,
            version: known.version,
            updated_us: known.updated_us,
            is_deleted: known.is_deleted,
            digest: known.digest,
            ready: None,
            body: Some(known.body.clone()),
            stored_version: known.version,
            stored_rows: Some(known.rows.clone()),
            is_stale: false,
            superseded: Vec::new(),
            by: None,
            same: known.same.clone(),
            is_news: false,
        }
    }

    /// How it stands, as whoever changed it is told.
    pub fn standing(&self, was_there: bool) -> Standing {
        Standing {
            version: self.version,
            updated: clock::moment(self.updated_us),
            was_there,
            body: self.body.clone(),
        }
    }

    /// What is to be remembered when the version is durable; `None` when not all of it is known.
    pub fn known(&self, rows: Option<Beside>) -> Option<Known> {
        Some(Known {
            rid: self.rid,
            version: self.version,
            updated_us: self.updated_us,
            is_deleted: self.is_deleted,
            digest: self.digest,
            rows: rows?,
            body: self.body.clone()?,
            same: self.same.clone(),
        })
    }
}

/// What a resource becomes.
pub(super) enum Next {
    Ready(Arc<Ready>),
    Deleted,
}

/// What a change comes to.
pub(super) enum Outcome {
    Nothing,
    /// Nothing, which took a merge to find out.
    Same(MergeKey),
    Next(Next),
}

/// What a change makes of a resource.
pub(super) fn decide(
    change: &DraftChange,
    current: Option<&State>,
    words: &Words,
) -> Result<Outcome, StoreError> {
    let alive = current.filter(|state| !state.is_deleted);
    let unless_same = |ready: &Arc<Ready>| {
        let is_same = alive.is_some_and(|state| state.digest == Some(ready.prepared.digest));
        if is_same { Outcome::Nothing } else { Outcome::Next(Next::Ready(Arc::clone(ready))) }
    };
    match change {
        DraftChange::Put(ready) => Ok(unless_same(ready)),
        DraftChange::PutIf(ready, expected) => {
            at_version(change, current, *expected)?;
            Ok(unless_same(ready))
        }
        DraftChange::Ensure(_) if alive.is_some() => Ok(Outcome::Nothing),
        DraftChange::Ensure(ready) => Ok(Outcome::Next(Next::Ready(Arc::clone(ready)))),
        DraftChange::Delete(_, expected) => {
            if let Some(expected) = expected {
                at_version(change, current, *expected)?;
            }
            Ok(if alive.is_some() { Outcome::Next(Next::Deleted) } else { Outcome::Nothing })
        }
        DraftChange::Merge { part, clear, initial, whole } => {
            let Some(state) = alive else { return Ok(Outcome::Next(Next::Ready(Arc::clone(whole)))) };
            // The digest stands for the part's text. What it leaves out, version and time, a merge leaves out as well.
            let is_this = |known: &MergeKey| {
                known.digest == whole.prepared.digest && known.clear == *clear && known.initial == *initial
            };
            if state.same.iter().any(is_this) {
                return Ok(Outcome::Nothing);
            }
            let stored = state.body.as_deref().and_then(|body| std::str::from_utf8(body).ok());
            let Some(Ok(Json::Object(tree))) = stored.map(json::parse) else {
                let what = format!("the stored text of `{}` cannot be read", whole.prepared.reference);
                return Err(StoreError::Invalid { what });
            };
            let reference = &whole.prepared.reference;
            let merged = merge(&tree, part.clone(), clear);
            let merged = Resource::new(reference.kind, reference.id.clone(), merged);
            Ok(match unless_same(&Arc::new(Ready::of(&merged, words))) {
                Outcome::Nothing => Outcome::Same(MergeKey {
                    digest: whole.prepared.digest,
                    clear: clear.clone(),
                    initial: initial.clone(),
                }),
                changed => changed,
            })
        }
    }
}

/// Refuses a change that was made from another version.
fn at_version(change: &DraftChange, current: Option<&State>, expected: u64) -> Result<(), StoreError> {
    let found = current.map_or(0, |state| state.version);
    if found == expected {
        return Ok(());
    }
    Err(StoreError::Conflict { reference: change.reference().to_string(), expected, found })
}

/// The state after a write, which a message caused or nobody's.
pub(super) fn advance(
    current: Option<&State>,
    next: Next,
    by: Option<Place>,
    numbers: &mut Numbers,
) -> State {
    let now = numbers.written_us;
    let mut state = match current {
        Some(state) => state.clone(),
        None => State {
            rid: numbers.resource.take(),
            version: 0,
            updated_us: now,
            is_deleted: false,
            digest: None,
            ready: None,
            body: None,
            stored_version: 0,
            stored_rows: None,
            is_stale: false,
            superseded: Vec::new(),
            by: None,
            same: Vec::new(),
            is_news: true,
        },
    };
    state.same.clear();
    let was_written_here = state.version != state.stored_version;
    if was_written_here {
        let body = state.body.take().unwrap_or_default();
        state.superseded.push(Superseded {
            version: state.version,
            updated_us: state.updated_us,
            is_deleted: state.is_deleted,
            body,
            by: state.by,
        });
    }
    state.by = by;
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
