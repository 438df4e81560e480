//! What a message that is processed again writes when later messages have written since: only what they have not.
//!
//! The elements of a resource that would get another content are looked for in the versions that later messages wrote. An element that one
//! of these versions changed is *newer*: there the old message has had its say. Reading stops when every element has been decided, and
//! nothing is read of a resource that stays the same.

use std::collections::HashMap;

use hub_core::commit::Change;
use hub_core::replay::{Newer, Replayable, Replays, Than};
use hub_core::store::{Resources, StoreError};
use hub_fhir::json::{self, Json};
use hub_fhir::own_elements::{Names, carried, differing, keeping};
use hub_fhir::search::Stored;
use hub_fhir::{Object, Reference, Resource};

/// So many later versions of a resource are looked at; what they leave undecided counts as newer.
const MOST_VERSIONS: u32 = 1_000;

/// A resource that a commit writes to.
pub(super) struct Touched {
    pub reference: Reference,
    /// The version stored, also of a deletion; 0: none.
    pub version: u64,
    /// What is stored; `None`: nothing, or its deletion.
    pub stored: Option<Object>,
    /// What will be there.
    pub after: Option<Object>,
    /// Elements of which older content would go over newer.
    pub older: Names,
}

impl Touched {
    /// Whether nothing will change.
    pub fn is_same(&self) -> bool {
        match (&self.stored, &self.after) {
            (Some(stored), Some(after)) => differing(self.reference.kind, stored, after).is_empty(),
            (stored, after) => stored.is_none() && after.is_none(),
        }
    }

    /// What is to be written, unless another version is stored by then.
    pub fn change(&self) -> Option<Change> {
        if self.is_same() {
            return None;
        }
        let Some(after) = &self.after else { return Some(Change::Delete(self.reference.clone())) };
        let resource = Resource::new(self.reference.kind, self.reference.id.clone(), after.clone());
        Some(Change::PutIf { resource, version: self.version })
    }
}

/// What the changes of a message come to, on what is stored now.
pub(super) async fn rebase(
    resources: &dyn Resources,
    replays: &dyn Replays,
    past: &Replayable,
    changes: &[Change],
    newer: Newer,
) -> Result<Vec<Touched>, StoreError> {
    let mut touched: Vec<Touched> = Vec::with_capacity(changes.len());
    let mut places: HashMap<Reference, usize> = HashMap::with_capacity(changes.len());
    for change in changes {
        let reference = change.reference();
        let at = match places.get(&reference) {
            Some(at) => *at,
            None => {
                let stored = resources.read(&reference).await?;
                let version = stored.as_ref().map_or(0, |stored| stored.version);
                let stored = stored.as_ref().map(tree).transpose()?.flatten();
                let after = stored.clone();
                let older = Names::new();
                touched.push(Touched { reference: reference.clone(), version, stored, after, older });
                places.insert(reference, touched.len() - 1);
                touched.len() - 1
            }
        };
        if let Some(one) = touched.get_mut(at) {
            one.after = change.onto(one.after.as_ref());
        }
    }
    for one in &mut touched {
        one.older = older(resources, replays, past, one).await?;
        if newer == Newer::Protect {
            protect(one);
        }
    }
    Ok(touched)
}

/// Leaves what is newer as it is.
fn protect(one: &mut Touched) {
    if one.older.is_empty() {
        return;
    }
    one.after = match (&one.stored, one.after.take()) {
        (Some(stored), Some(after)) => Some(keeping(one.reference.kind, stored, after, &one.older)),
        // Something is there or is not; there is no half of it.
        (stored, _) => stored.clone(),
    };
}

/// The elements that would get older content than they have.
async fn older(
    resources: &dyn Resources,
    replays: &dyn Replays,
    past: &Replayable,
    one: &Touched,
) -> Result<Names, StoreError> {
    let kind = one.reference.kind;
    let mut undecided = match (&one.stored, &one.after) {
        (Some(stored), Some(after)) => differing(kind, stored, after),
        (Some(tree), None) | (None, Some(tree)) => carried(kind, tree),
        (None, None) => Names::new(),
    };
    if undecided.is_empty() || one.version == 0 {
        return Ok(Names::new());
    }
    let own = past.wrote.iter().find(|(reference, _)| *reference == one.reference);
    let own = own.map(|(_, version)| *version);
    let than = Than { place: past.place, received_at: past.message.head.received_at, own };
    let later = replays.later(&one.reference, than, MOST_VERSIONS + 1).await?;
    let is_whole = one.stored.is_some() && one.after.is_some();
    if !is_whole {
        return Ok(if later.is_empty() { Names::new() } else { undecided });
    }
    let mut older = Names::new();
    for (nth, version) in (0..).zip(later) {
        if undecided.is_empty() {
            break;
        }
        if nth == MOST_VERSIONS {
            older.append(&mut undecided);
            break;
        }
        let changed = changed_by(resources, &one.reference, version).await?;
        let is_newer =
            |name: &compact_str::CompactString| changed.as_ref().is_none_or(|all| all.contains(name));
        let (newer, rest): (Names, Names) = undecided.into_iter().partition(is_newer);
        older.extend(newer);
        undecided = rest;
    }
    Ok(older)
}

/// The elements that a version changed; `None`: all, for it is a deletion or there is nothing to compare it with. What makes a resource
/// changes what it carries: of the rest it says nothing.
async fn changed_by(
    resources: &dyn Resources,
    reference: &Reference,
    version: u64,
) -> Result<Option<Names>, StoreError> {
    let pair = resources.history(reference, version.checked_add(1), 2).await?;
    let Some(after) = pair.first().filter(|after| after.version == version) else { return Ok(None) };
    let Some(after) = tree(after)? else { return Ok(None) };
    let before = match pair.get(1) {
        None if version == 1 => None,
        Some(before) if before.version + 1 == version => tree(before)?,
        _ => return Ok(None),
    };
    Ok(Some(match before {
        Some(before) => differing(reference.kind, &before, &after),
        None => carried(reference.kind, &after),
    }))
}

/// The tree of a version; `None` for a deletion.
fn tree(stored: &Stored) -> Result<Option<Object>, StoreError> {
    if stored.deleted {
        return Ok(None);
    }
    let text = std::str::from_utf8(&stored.body).ok();
    match text.map(json::parse) {
        Some(Ok(Json::Object(tree))) => Ok(Some(tree)),
        _ => {
            let what = format!("the stored text of `{}` cannot be read", stored.reference);
            Err(StoreError::Invalid { what })
        }
    }
}

#[cfg(test)]
#[path = "rebase_tests.rs"]
mod tests;
