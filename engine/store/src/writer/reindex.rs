//! Writes the search rows of resources that are indexed anew.

use std::collections::HashSet;

use crate::database::Kind::{Int, Json};
use crate::database::{Connection, DatabaseError, Rows, Shape, Together};
use crate::entries::{Beside, indexed, stale};
use crate::writer::contained_rows::ContainedRows;
use crate::writer::full_texts::FullTexts;
use crate::writer::search_rows::SearchRows;
use crate::writer::work::Indexed;

/// Those that nobody has changed since they were read.
const AS_READ: Shape = Shape {
    before: "WITH w(rid, version) AS (VALUES ",
    columns: &[Int, Int],
    after: concat!(
        ") SELECT r.rid FROM w CROSS JOIN resource r WHERE r.rid = w.rid AND r.version = w.version AND ",
        stale!()
    ),
    locks: " ORDER BY r.rid FOR UPDATE OF r",
};
const WRITE: Shape = Shape {
    before: "WITH w(rid, rows, more, indexed) AS (VALUES ",
    columns: &[Int, Json, Json, Int],
    after: ") UPDATE resource SET rows = w.rows, more = w.more, indexed = w.indexed FROM w WHERE resource.rid = w.rid",
    locks: "",
};

/// Of resources that are walked over, those that nobody has changed or indexed since they were read.
const AS_WALKED: Shape = Shape {
    before: "WITH w(rid, version, indexed) AS (VALUES ",
    columns: &[Int, Int, Int],
    after: ") SELECT r.rid FROM w CROSS JOIN resource r
              WHERE r.rid = w.rid AND r.version = w.version AND r.indexed = w.indexed",
    locks: " ORDER BY r.rid FOR UPDATE OF r",
};

/// Writes what differs in stale resources; says of how many.
pub(super) fn write(connection: &Connection, made: &[Indexed]) -> Result<u64, DatabaseError> {
    let mut asked = Rows::new(&AS_READ);
    for one in made {
        asked.push([one.rid.into(), one.version.into()]);
    }
    write_those(connection, made, asked)
}

/// Writes what differs in resources that are walked over; says of how many.
pub(super) fn write_walked(connection: &Connection, made: &[Indexed]) -> Result<u64, DatabaseError> {
    let mut asked = Rows::new(&AS_WALKED);
    for one in made {
        asked.push([one.rid.into(), one.version.into(), one.was_indexed.into()]);
    }
    write_those(connection, made, asked)
}

fn write_those(connection: &Connection, made: &[Indexed], asked: Rows) -> Result<u64, DatabaseError> {
    let as_read: HashSet<i64> = asked.ask(connection, |row| row.get(0))?.into_iter().collect();
    let (mut search, mut rows) = (SearchRows::default(), Rows::new(&WRITE));
    let (mut texts, mut contained) = (FullTexts::new(connection.dialect()), ContainedRows::default());
    for one in made.iter().filter(|one| as_read.contains(&one.rid)) {
        search.change(one.rid, &one.before, &one.after);
        if one.has_full_text {
            texts.change(one.rid, one.full_text.as_ref());
        }
        contained.change(one.rid, false, &one.within);
        let beside = Beside::of(&one.after);
        rows.push([one.rid.into(), beside.rows.into(), beside.more.into(), indexed(one.version).into()]);
    }
    let mut together = Together::default();
    together.add(rows);
    search.write(&mut together);
    texts.write(&mut together);
    contained.write(&mut together);
    together.write(connection)?;
    Ok(as_read.len() as u64)
}
