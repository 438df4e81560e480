//! The guards of a commit: searches that must find in the writer's own transaction what they found before.

use hub_fhir::{Id, ResourceType};

use crate::database::{Connection, DatabaseError, Sql, all, asked};
use crate::parameters::InForce;
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
    let in_force = words.in_force();
    for draft in works.iter().filter_map(|work| work.draft()).filter(|draft| !draft.guards.is_empty()) {
        if draft.generation != in_force.generation || !is_newest(connection, &in_force)? {
            return Ok(false);
        }
    }
    for guard in works.iter().filter_map(|work| work.draft()).flat_map(|draft| &draft.guards) {
        if !guard.holds(connection)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether no other node has declared other search parameters: it may write resources that those known here no longer find.
fn is_newest(connection: &Connection, in_force: &InForce) -> Result<bool, DatabaseError> {
    if in_force.parameters.is_of_r4b_alone() || !connection.dialect().is_postgres() {
        return Ok(true);
    }
    let newest = all(connection, "SELECT generation FROM parameter_set", &[], |line| line.get::<i64>(0))?;
    Ok(newest.iter().all(|generation| *generation == in_force.generation))
}
