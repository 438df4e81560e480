//! The guards of a commit: searches that must find in the writer's own transaction what they found before.

use hub_fhir::{Id, ResourceType};

use crate::database::{Connection, DatabaseError, Sql, asked};
use crate::words::Words;
use crate::writer::work::Work;

/// A guard, made ready.
#[derive(Debug)]
pub(crate) struct DraftGuard {
    /// The type it searches.
    pub kind: ResourceType,
    /// Asks for the ids, at most one more than there may be.
    pub sql: Sql,
    /// What it must find, in any order.
    pub finds: Vec<Id>,
}

impl DraftGuard {
    fn holds(&self, connection: &Connection) -> Result<bool, DatabaseError> {
        let found: Vec<String> = asked(connection, &self.sql, |line| line.get(0))?;
        let is_meant = |id: &String| self.finds.iter().any(|meant| meant.as_str() == id.as_str());
        Ok(found.len() == self.finds.len() && found.iter().all(is_meant))
    }
}

/// Whether all guards of the works hold. On PostgreSQL the types they search are locked before, so that what is found stays as it is.
pub(super) fn all_hold(
    connection: &Connection,
    words: &Words,
    works: &[&Work],
) -> Result<bool, DatabaseError> {
    let mut guarded = works.iter().filter_map(|work| work.draft()).filter(|draft| !draft.guards.is_empty());
    if guarded.any(|draft| draft.generation != words.in_force().generation) {
        return Ok(false);
    }
    for guard in works.iter().filter_map(|work| work.draft()).flat_map(|draft| &draft.guards) {
        if !guard.holds(connection)? {
            return Ok(false);
        }
    }
    Ok(true)
}
