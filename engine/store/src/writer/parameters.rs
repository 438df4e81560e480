//! What the writer does for the server's own search parameters: declares a set, takes one over, and writes a step of a walk.

use std::sync::Arc;

use compact_str::CompactString;

use crate::database::Kind::{Int, Text};
use crate::database::{Connection, DatabaseError, Rows, Shape, all, run};
use crate::parameters::InForce;
use crate::words::{WordKind, Words};
use crate::writer::reindex;
use crate::writer::work::Indexed;

/// A set that is to be in force.
#[derive(Debug)]
pub(crate) struct NewSet {
    /// Up to which change of the resources it was made.
    pub seen: i64,
    /// The generation it was made from.
    pub from: i64,
    /// Its own.
    pub generation: i64,
    /// What is in force, as the table has it.
    pub definitions: String,
    /// The types whose parameters change, as the store's numbers.
    pub types: Vec<i64>,
    /// The names of all parameters: `Patient.eye-colour`.
    pub params: Vec<CompactString>,
}

/// A step of a walk over the resources of a type.
#[derive(Debug)]
pub(crate) struct Step {
    /// The type.
    pub kind: i64,
    /// The generation that is walked for.
    pub generation: i64,
    /// The generation that the rows were made by.
    pub by: i64,
    /// The id it goes on behind.
    pub from: String,
    /// The last id it went over; `None`: there are no more.
    pub to: Option<String>,
    /// What changes.
    pub made: Vec<Indexed>,
}

/// Counts a change of SearchParameter resources.
pub(super) const CHANGED: Shape = Shape {
    before: "INSERT INTO parameter_set (one, changes, seen, generation, definitions) VALUES ",
    columns: &[Int, Int, Int, Int, Text],
    after: " ON CONFLICT (one) DO UPDATE SET changes = parameter_set.changes + 1",
    locks: "",
};

/// The row of a change.
pub(super) fn change() -> Rows {
    let mut rows = Rows::new(&CHANGED);
    rows.push([1_i64.into(), 1_i64.into(), 0_i64.into(), 0_i64.into(), "[]".into()]);
    rows
}

/// Gives the names of a set their numbers, before its transaction.
pub(super) fn intern(connection: &Connection, words: &Words, set: &NewSet) -> Result<(), DatabaseError> {
    words.intern(connection, set.params.iter().map(|name| (WordKind::Param, name.as_str())))
}

/// Declares a set; says whether nobody else was first.
pub(super) fn declare(connection: &Connection, set: &NewSet) -> Result<u64, DatabaseError> {
    let declared = run(
        connection,
        "UPDATE parameter_set SET seen = ?1, generation = ?2, definitions = ?3 WHERE generation = ?4 AND seen < ?1",
        &[set.seen.into(), set.generation.into(), set.definitions.as_str().into(), set.from.into()],
    )?;
    if declared > 0 {
        for kind in &set.types {
            // What was walked over for an earlier set is walked over again.
            run(
                connection,
                "INSERT INTO parameter_type (type, generation, whole, place) VALUES (?1, ?2, 0, '')
                 ON CONFLICT (type) DO UPDATE SET generation = excluded.generation, place = ''",
                &[(*kind).into(), set.generation.into()],
            )?;
        }
    }
    Ok(declared)
}

/// Tells the other nodes that all this one writes from now on is indexed by a set. Waits for what a connection that was lost may still be
/// writing.
pub(super) fn confirm(connection: &Connection, node: i64, in_force: &InForce) -> Result<u64, DatabaseError> {
    if !connection.dialect().is_postgres() {
        return Ok(1);
    }
    all(connection, "SELECT number FROM node WHERE number = ?1 FOR UPDATE", &[node.into()], |_| Ok(()))?;
    run(
        connection,
        "UPDATE node SET parameters = ?2 WHERE number = ?1 AND parameters < ?2",
        &[node.into(), in_force.generation.into()],
    )
}

/// Uses a set from now on: the node has said so.
pub(super) fn adopt(words: &Words, in_force: &Arc<InForce>) {
    words.put_in_force(Arc::clone(in_force));
}

/// Writes a step, unless another has gone it or another set is used by now; says how many resources change.
pub(super) fn step(connection: &Connection, words: &Words, step: &Step) -> Result<u64, DatabaseError> {
    if words.in_force().generation != step.by {
        return Ok(0);
    }
    let (to, whole) = match &step.to {
        Some(to) => (to.as_str(), 0),
        None => ("", step.generation),
    };
    let gone = run(
        connection,
        "UPDATE parameter_type SET place = ?1, whole = CASE WHEN ?2 > 0 THEN ?2 ELSE whole END
         WHERE type = ?3 AND generation = ?4 AND place = ?5 AND whole < generation",
        &[to.into(), whole.into(), step.kind.into(), step.generation.into(), step.from.as_str().into()],
    )?;
    if gone == 0 { Ok(0) } else { reindex::write_walked(connection, &step.made) }
}
