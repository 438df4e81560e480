//! The moment up to which everything that was written can be seen: whoever follows a history by time must miss nothing.
//!
//! On SQLite, and for one node on PostgreSQL, versions become visible in the order of their times: one writer commits one transaction
//! after the other. Of two nodes one may write at an earlier time and commit later. So on PostgreSQL times are the database's own, and
//! each transaction that writes resources shares an advisory lock from before its time is taken until its end ([`GATE`]). A history
//! tells what was written up to a moment at which nobody held that lock with an earlier time.

use std::time::Duration;

use hub_core::store::StoreError;
use tokio::time::sleep;

use crate::database::{Readers, Record};
use crate::error::unavailable;

/// The lock that those share who write resources: the letters `huitong!`.
pub(crate) const GATE: i64 = 0x6875_6974_6f6e_6721;
/// How often it is looked whether those are done who were at it; a transaction takes a few milliseconds.
const LOOKS: u32 = 400;
const BETWEEN: Duration = Duration::from_millis(5);

/// The moment, in microseconds; `None` where everything that can be seen may be told.
pub(crate) async fn moment(readers: &Readers) -> Result<Option<i64>, StoreError> {
    if !readers.dialect().is_postgres() {
        return Ok(None);
    }
    let now = readers.sql("SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000000) AS BIGINT)");
    let now: i64 = number(&readers.fetch_one(now).await.map_err(unavailable)?)?.unwrap_or_default();
    let mut looks = 0;
    loop {
        let Some(first) = first_at_it(readers, now).await? else { return Ok(Some(now)) };
        looks += 1;
        if looks == LOOKS {
            // One that takes so long is not waited for: what was written since it began is told later.
            return Ok(Some(if first > 0 { first - 1 } else { now }));
        }
        sleep(BETWEEN).await;
    }
}

/// When the first of those began who are writing and may have taken a time up to this one.
async fn first_at_it(readers: &Readers, now: i64) -> Result<Option<i64>, StoreError> {
    let mut sql = readers.sql(
        // Of another database user it is not told when its transaction began.
        "SELECT min(began) FROM (
             SELECT coalesce(CAST(floor(extract(epoch FROM a.xact_start) * 1000000) AS BIGINT), 0) AS began
             FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND (CAST(l.classid AS BIGINT) << 32 | CAST(l.objid AS BIGINT)) = ",
    );
    sql.push_bind(GATE).push(") w WHERE began <= ").push_bind(now);
    number(&readers.fetch_one(sql).await.map_err(unavailable)?)
}

fn number(row: &Record) -> Result<Option<i64>, StoreError> {
    row.get(0).map_err(unavailable)
}
