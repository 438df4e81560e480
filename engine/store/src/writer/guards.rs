//! The guards of a commit: searches that must find in the writer's own transaction what they found before.
//!
//! All guards of a batch are asked before anything of it is written. Works share a batch only where what one writes cannot change what
//! a guard of another finds: then it is as if they had been done one after the other.

use compact_str::CompactString;
use hub_core::commit::Guard;
use hub_fhir::search::{FilterOn, Search, Test};
use hub_fhir::{Id, ResourceType};

use crate::database::{Connection, DatabaseError, Sql, all, asked};
use crate::entries::{Entry, system_number};
use crate::parameters::InForce;
use crate::short::short;
use crate::words::Words;
use crate::writer::work::{Draft, DraftChange, Work};

/// A guard, made ready.
#[derive(Debug)]
pub(crate) struct DraftGuard {
    /// The type it searches.
    pub kind: ResourceType,
    /// Asks for the ids, at most one more than there may be.
    pub sql: Sql,
    /// What it must find, in any order.
    pub finds: Vec<Id>,
    /// One of these codes is among those of whatever it finds. `None` where what is found hangs on something else.
    codes: Option<Vec<Code>>,
}

#[derive(Debug)]
struct Code {
    param: i64,
    code: CompactString,
    system: Option<i64>,
}

impl Code {
    fn is(&self, entry: &Entry) -> bool {
        matches!(entry, Entry::Token { param, code, system }
            if *param == self.param && *code == self.code && self.system.is_none_or(|asked| asked == *system))
    }
}

/// The codes of the first filter, where all filters ask for codes of the resource itself.
fn codes_of(search: &Search, words: &Words) -> Option<Vec<Code>> {
    let mut filters = search.filters.iter().map(|filter| {
        let FilterOn::Param(id) = filter.on else { return None };
        let code = |test: &Test| match test {
            Test::Token { system, code: Some(code) } => Some(Code {
                param: words.param(id),
                code: short(code),
                system: system.as_deref().map(system_number),
            }),
            _ => None,
        };
        let codes: Option<Vec<Code>> = filter.any.iter().map(code).collect();
        codes.filter(|_| !filter.not)
    });
    let first = filters.next().flatten()?;
    filters.all(|codes| codes.is_some()).then_some(first)
}

impl DraftGuard {
    /// A guard that is asked by a statement.
    pub fn new(guard: &Guard, sql: Sql, words: &Words) -> Self {
        let (kind, finds) = (guard.search.kind, guard.finds.clone());
        Self { kind, sql, finds, codes: codes_of(&guard.search, words) }
    }

    /// Whether it is known what it finds without asking it.
    fn is_plain(&self) -> bool {
        self.codes.is_some()
    }

    /// Whether a change of another work can change what it finds.
    fn minds(&self, change: &DraftChange) -> bool {
        let Some(codes) = &self.codes else { return true };
        let reference = change.reference();
        if reference.kind != self.kind {
            return false;
        }
        if self.finds.contains(&reference.id) {
            return true;
        }
        match change {
            DraftChange::Put(ready) | DraftChange::PutIf(ready, _) | DraftChange::Ensure(ready) => {
                ready.entries.iter().any(|entry| codes.iter().any(|code| code.is(entry)))
            }
            // What comes of it is known when it is done.
            DraftChange::Merge { .. } => true,
            // It was not found before.
            DraftChange::Delete(..) => false,
        }
    }

    fn holds(&self, connection: &Connection) -> Result<bool, DatabaseError> {
        let found: Vec<String> = asked(connection, &self.sql, |line| line.get(0))?;
        let is_meant = |id: &String| self.finds.iter().any(|meant| meant.as_str() == id.as_str());
        Ok(found.len() == self.finds.len() && found.iter().all(is_meant))
    }
}

impl Draft {
    /// Whether all guards hold. On PostgreSQL the types they search are locked before, so that what is found stays as it is.
    pub(super) fn holds(&self, connection: &Connection, in_force: &InForce) -> Result<bool, DatabaseError> {
        if self.guards.is_empty() {
            return Ok(true);
        }
        if self.generation != in_force.generation || !is_newest(connection, in_force)? {
            return Ok(false);
        }
        for guard in &self.guards {
            if !guard.holds(connection)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether it can share a transaction, as far as its own guards tell.
    pub(super) fn has_plain_guards(&self) -> bool {
        self.guards.iter().all(DraftGuard::is_plain)
    }

    /// Whether a guard of this one minds a change of the other.
    fn minds(&self, other: &Draft) -> bool {
        self.guards.iter().any(|guard| other.changes.iter().any(|change| guard.minds(change)))
    }
}

/// Whether two works can share a transaction.
pub(super) fn can_share(one: &Work, other: &Work) -> bool {
    let (Some(one), Some(other)) = (one.draft(), other.draft()) else { return true };
    !one.minds(other) && !other.minds(one)
}

/// Whether no other node has declared other search parameters: it may write resources that those known here no longer find.
fn is_newest(connection: &Connection, in_force: &InForce) -> Result<bool, DatabaseError> {
    if in_force.parameters.is_of_r4b_alone() || !connection.dialect().is_postgres() {
        return Ok(true);
    }
    let newest = all(connection, "SELECT generation FROM parameter_set", &[], |line| line.get::<i64>(0))?;
    Ok(newest.iter().all(|generation| *generation == in_force.generation))
}

#[cfg(test)]
#[path = "guards_tests.rs"]
mod tests;
