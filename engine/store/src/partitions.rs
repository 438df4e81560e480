//! The stretches of `seq` that messages are kept in on PostgreSQL, so that what is old is dropped whole and its space comes back
//! at once.
//!
//! A stretch has room for four thousand million messages and is never filled: when it is old or large enough the sequence
//! jumps to the beginning of the next one, which was made beforehand. Numbers only grow, so their order stays that of arrival.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _, Row};
use tracing::info;

use crate::clock;

/// The bits of a `seq` within its stretch.
const BITS: u32 = 32;
/// The tables that are kept in stretches.
const TABLES: [&str; 4] = ["message", "message_body", "message_trace", "message_key"];
/// Only one node at a time makes and drops stretches.
const LOCK: i64 = 0x6875_6974_6f6e_6701;
/// A stretch that is younger may still be written to by a batch that took its numbers before the jump.
const SETTLED_US: i64 = 3_600 * 1_000_000;

/// Sees to it that the stretch in use and the next one are there.
pub(crate) async fn make(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let current = current(&mut transaction).await?;
    for number in current..=current + 1 {
        for table in TABLES {
            make_one(&mut transaction, table, number).await?;
        }
    }
    transaction.commit().await
}

/// The number of the stretch in use.
async fn current(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let row = sqlx::query("SELECT last_value FROM message_seq").fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)? >> BITS)
}

async fn make_one(connection: &mut PgConnection, table: &str, number: i64) -> Result<(), sqlx::Error> {
    let name = format!("{table}_{number}");
    let is_there: (bool,) =
        sqlx::query_as("SELECT to_regclass($1) IS NOT NULL").bind(&name).fetch_one(&mut *connection).await?;
    if is_there.0 {
        return Ok(());
    }
    let (from, to) = (number << BITS, (number + 1) << BITS);
    // Made beside and attached: that holds up nobody who writes.
    for words in [
        format!("CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"),
        format!("ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"),
        format!("COMMENT ON TABLE {name} IS '{}'", clock::now()),
    ] {
        sqlx::query(AssertSqlSafe(words)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A stretch that is there.
struct Stretch {
    number: i64,
    made_us: i64,
}

async fn all(connection: &mut PgConnection) -> Result<Vec<Stretch>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.relname::text, coalesce(obj_description(c.oid, 'pg_class'), '0')
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'message'::regclass",
    )
    .fetch_all(connection)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (name, made): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let number = name.strip_prefix("message_").and_then(|number| number.parse().ok());
        if let Some(number) = number {
            found.push(Stretch { number, made_us: made.parse().unwrap_or(0) });
        }
    }
    found.sort_unstable_by_key(|stretch| stretch.number);
    Ok(found)
}

/// Goes on in the next stretch when the one in use was taken into use longer than `long_us` ago.
pub(crate) async fn turn(pool: &PgPool, long_us: i64) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let current = current(&mut transaction).await?;
    let first: Option<i64> =
        sqlx::query("SELECT received_us FROM message WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT 1")
            .bind(current << BITS)
            .bind((current + 1) << BITS)
            .fetch_optional(&mut *transaction)
            .await?
            .map(|row| row.try_get(0))
            .transpose()?;
    if first.is_none_or(|first| clock::now() - first < long_us) {
        return Ok(());
    }
    for table in TABLES {
        make_one(&mut transaction, table, current + 1).await?;
        make_one(&mut transaction, table, current + 2).await?;
    }
    sqlx::query("SELECT setval('message_seq', $1)")
        .bind((current + 1) << BITS)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    info!(stretch = current + 1, "Messages go on in a new stretch of the journal.");
    Ok(())
}

/// Drops the stretches of which every message ended before `before_us` and owes nothing; says how many messages went with them.
pub(crate) async fn drop_old(pool: &PgPool, before_us: i64) -> Result<u64, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let stretches = all(&mut connection).await?;
    let current = current(&mut connection).await?;
    let mut dropped = 0;
    for stretch in stretches {
        if stretch.number >= current || stretch.made_us.saturating_add(SETTLED_US) > clock::now() {
            continue;
        }
        dropped += drop_one(&mut connection, stretch.number, before_us).await?.unwrap_or(0);
    }
    Ok(dropped)
}

/// Drops a stretch, unless something in it is still needed.
async fn drop_one(
    connection: &mut PgConnection,
    number: i64,
    before_us: i64,
) -> Result<Option<u64>, sqlx::Error> {
    let (from, to) = (number << BITS, (number + 1) << BITS);
    let needed = AssertSqlSafe(format!(
        "SELECT EXISTS (SELECT 1 FROM message_{number} WHERE state = 0 OR ended_us IS NULL OR ended_us >= $1)
             OR EXISTS (SELECT 1 FROM parcel WHERE message >= $2 AND message < $3 AND state <> 1)
             OR EXISTS (SELECT 1 FROM message WHERE parent >= $2 AND parent < $3
                          AND (seq >= $3 OR seq < $2) AND (state = 0 OR ended_us >= $1))"
    ));
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    // Nobody opens one of its messages again while it is looked at.
    sqlx::query(AssertSqlSafe(format!("LOCK TABLE message_{number} IN SHARE MODE")))
        .execute(&mut *transaction)
        .await?;
    let is_needed: (bool,) =
        sqlx::query_as(needed).bind(before_us).bind(from).bind(to).fetch_one(&mut *transaction).await?;
    if is_needed.0 {
        return Ok(None);
    }
    let count = AssertSqlSafe(format!(
        "WITH gone AS (SELECT channel, state, count(*) AS count FROM message_{number} GROUP BY channel, state),
              told AS (INSERT INTO tally_part (kind, word, state, node, count)
                       SELECT 0, channel, state, 0, -count FROM gone
                       ON CONFLICT (kind, word, state, node) DO UPDATE SET count = tally_part.count + excluded.count)
         SELECT coalesce(sum(count), 0)::bigint FROM gone"
    ));
    let gone: (i64,) = sqlx::query_as(count).fetch_one(&mut *transaction).await?;
    for words in
        ["WITH gone AS (DELETE FROM parcel WHERE message >= $1 AND message < $2 RETURNING seq, dest, state),
              bodies AS (DELETE FROM parcel_body WHERE seq IN (SELECT seq FROM gone)),
              counts AS (SELECT dest, state, count(*) AS count FROM gone GROUP BY dest, state)
         INSERT INTO tally_part (kind, word, state, node, count)
         SELECT 1, dest, state, 0, -count FROM counts
         ON CONFLICT (kind, word, state, node) DO UPDATE SET count = tally_part.count + excluded.count"]
    {
        sqlx::query(words).bind(from).bind(to).execute(&mut *transaction).await?;
    }
    for table in TABLES {
        sqlx::query(AssertSqlSafe(format!("DROP TABLE {table}_{number}"))).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    info!(stretch = number, messages = gone.0, "A stretch of the journal was dropped.");
    Ok(Some(gone.0.unsigned_abs()))
}
