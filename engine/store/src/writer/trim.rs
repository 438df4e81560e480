//! Forgets old rows of the audit trail and old versions of resources, and gives SQLite's free pages back.

use crate::database::Kind::Int;
use crate::database::{Connection, DatabaseError, Rows, Shape, run};
use crate::writer::work::Trim;

const VERSIONS: Shape = Shape {
    before: "DELETE FROM history WHERE (rid, version) = ",
    columns: &[Int, Int],
    after: "",
    locks: "",
};

/// Forgets rows; says how many.
pub(super) fn trim(connection: &Connection, what: &Trim) -> Result<u64, DatabaseError> {
    match what {
        // The rows stand in the order of time, as far as the clock did: only the oldest are looked at.
        Trim::Audit { before_us, limit } => run(
            connection,
            "DELETE FROM audit WHERE seq IN (SELECT o.seq FROM (SELECT seq, at_us FROM audit ORDER BY seq LIMIT ?2 + 0) o
                                             WHERE o.at_us < ?1)",
            &[(*before_us).into(), (*limit).into()],
        ),
        Trim::History(versions) => {
            let mut rows = Rows::new(&VERSIONS);
            for (rid, version) in versions {
                rows.push([(*rid).into(), (*version).into()]);
            }
            rows.write(connection)?;
            Ok(versions.len() as u64)
        }
    }
}

/// Gives pages that nothing is kept in back to the file system, so many at most; says how many. PostgreSQL does that by itself.
pub(super) fn shrink(connection: &Connection, pages: u32) -> Result<u64, DatabaseError> {
    let Connection::Sqlite(connection) = connection else { return Ok(0) };
    let free = |connection: &rusqlite::Connection| -> Result<i64, rusqlite::Error> {
        connection.pragma_query_value(None, "freelist_count", |row| row.get(0))
    };
    let before = free(connection)?;
    // Each step gives one page back.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    drop(steps);
    Ok((before - free(connection)?).max(0).unsigned_abs())
}
