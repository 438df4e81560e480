//! The stretches of `seq` that messages are kept in on PostgreSQL, so that what is old is dropped whole and its space comes back
//! at once.
//!
//! A stretch has room for four thousand million messages and is never filled: when it is old the sequence jumps to the beginning
//! of the next one, which was made beforehand. Numbers only grow, so their order stays that of arrival.
//!
//! Nobody who writes waits for this: what must be locked for a moment is given up when it is not free at once, and tried again.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _, Row};
use tracing::{debug, info};

use crate::clock;

/// The bits of a `seq` within its stretch.
pub(crate) const BITS: u32 = 32;
/// The tables that are kept in stretches.
pub(crate) const TABLES: [&str; 4] = ["message", "message_body", "message_trace", "message_key"];
/// Only one node at a time makes stretches.
const LOCK: i64 = 0x6875_6974_6f6e_6701;
/// Only one node at a time turns, drops and shrinks them.
const ALONE: i64 = 0x6875_6974_6f6e_6703;
/// A stretch may be dropped so long after it was left, or as long as stretches are, where that is shorter: a batch that took its
/// numbers before the jump may still come. Should it come later, it is refused and done again with other numbers.
const SETTLED_US: i64 = 3_600 * 1_000_000;
/// How often a lock that is not free is tried for, and how long is waited in between.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(200);
/// How many parcels are forgotten in one transaction.
const PARCELS: i64 = 5_000;
/// A stretch of fewer pages is not worth writing anew, and one with more than so many messages a page is not empty enough.
const LEAST_PAGES: i64 = 128;
const SPARSE: i64 = 2;

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

/// The first number of a stretch, and the first behind it.
fn bounds(number: i64) -> (i64, i64) {
    (number << BITS, (number + 1) << BITS)
}

async fn run(connection: &mut PgConnection, words: String) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(AssertSqlSafe(words)).execute(connection).await?.rows_affected())
}

pub(crate) async fn make_one(
    connection: &mut PgConnection,
    table: &str,
    number: i64,
) -> Result<(), sqlx::Error> {
    let name = format!("{table}_{number}");
    let is_there: (bool,) =
        sqlx::query_as("SELECT to_regclass($1) IS NOT NULL").bind(&name).fetch_one(&mut *connection).await?;
    if is_there.0 {
        return Ok(());
    }
    let (from, to) = bounds(number);
    // Made beside and attached: that holds up nobody who writes.
    run(connection, format!("CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"))
        .await?;
    run(
        connection,
        format!("ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"),
    )
    .await?;
    used_since(connection, &name, clock::now()).await
}

/// Notes since when a stretch is in use; of one that is not yet, since when it is there.
async fn used_since(connection: &mut PgConnection, name: &str, at_us: i64) -> Result<(), sqlx::Error> {
    run(connection, format!("COMMENT ON TABLE {name} IS '{at_us}'")).await.map(|_| ())
}

/// A stretch that is there.
struct Stretch {
    number: i64,
    used_us: i64,
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
        let (name, used): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let number = name.strip_prefix("message_").and_then(|number| number.parse().ok());
        if let Some(number) = number {
            found.push(Stretch { number, used_us: used.parse().unwrap_or(0) });
        }
    }
    found.sort_unstable_by_key(|stretch| stretch.number);
    Ok(found)
}

/// How far a stretch has been archived.
pub(crate) struct Archived {
    begun_us: i64,
    /// The last message that is in an archive.
    pub through: i64,
}

impl Archived {
    fn of(noted: &str) -> Option<Self> {
        let (begun_us, through) = noted.strip_prefix("archived ")?.split_once(' ')?;
        Some(Self { begun_us: begun_us.parse().ok()?, through: through.parse().ok()? })
    }
}

/// What one node at a time does with the stretches; the others leave it to that one.
pub(crate) struct Alone(PgConnection);

impl Alone {
    /// A connection that holds the lock; `None` while another node does.
    pub async fn take(pool: &PgPool) -> Result<Option<Self>, sqlx::Error> {
        // Not the pool's any more: when this is given up half-way the lock goes with the connection.
        let mut connection = pool.acquire().await?.detach();
        let taken: (bool,) =
            sqlx::query_as("SELECT pg_try_advisory_lock($1)").bind(ALONE).fetch_one(&mut connection).await?;
        Ok(taken.0.then_some(Self(connection)))
    }

    /// Lets the next one do it.
    pub async fn give_back(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT pg_advisory_unlock($1)").bind(ALONE).execute(&mut self.0).await?;
        self.0.close().await
    }

    /// Goes on in the next stretch when the one in use was taken into use longer than `long_us` ago and holds something.
    pub async fn turn(&mut self, long_us: i64) -> Result<(), sqlx::Error> {
        let connection = &mut self.0;
        make(connection).await?;
        let current = current(connection).await?;
        let stretches = all(connection).await?;
        let used_us =
            stretches.iter().find(|stretch| stretch.number == current).map(|stretch| stretch.used_us);
        let is_old = used_us.is_none_or(|used_us| clock::now() - used_us >= long_us);
        let holds = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM message_{current})"));
        if !is_old || !sqlx::query_scalar::<_, bool>(holds).fetch_one(&mut *connection).await? {
            return Ok(());
        }
        let next = current + 1;
        used_since(connection, &format!("message_{next}"), clock::now()).await?;
        sqlx::query("SELECT setval('message_seq', $1)").bind(next << BITS).execute(&mut *connection).await?;
        // The one after it.
        make(connection).await?;
        info!(stretch = next, "Messages go on in a new stretch of the journal.");
        Ok(())
    }

    /// The stretches, oldest first, of which every message ended before `before_us` and owes nothing; `long_us`: how long they are
    /// in use.
    pub async fn old(&mut self, before_us: i64, long_us: i64) -> Result<Vec<i64>, sqlx::Error> {
        let mut old = Vec::new();
        for number in self.left(long_us.min(SETTLED_US)).await? {
            if !is_needed(&mut self.0, number, before_us).await? {
                old.push(number);
            }
        }
        Ok(old)
    }

    /// The stretches that nothing new comes into.
    async fn left(&mut self, settled_us: i64) -> Result<Vec<i64>, sqlx::Error> {
        let (stretches, current) = (all(&mut self.0).await?, current(&mut self.0).await?);
        let settled = |pair: &[Stretch]| match pair {
            [this, next] if next.number <= current => {
                // It was left when the next was taken into use.
                (next.used_us.saturating_add(settled_us) <= clock::now()).then_some(this.number)
            }
            _ => None,
        };
        Ok(stretches.windows(2).filter_map(settled).collect())
    }

    /// Some messages of a stretch behind a place, with their sizes, in the order of arrival.
    pub async fn page(
        &mut self,
        number: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, i64)>, sqlx::Error> {
        let words = format!("SELECT seq, size FROM message_{number} WHERE seq > $1 ORDER BY seq LIMIT $2");
        sqlx::query_as(AssertSqlSafe(words)).bind(after).bind(limit).fetch_all(&mut self.0).await
    }

    /// Writes the stretches that are held up by a few messages anew, so that the space of the others comes back; says how many.
    pub async fn shrink(&mut self, long_us: i64) -> Result<u64, sqlx::Error> {
        let mut shrunk = 0;
        for number in self.left(long_us.min(SETTLED_US)).await? {
            if !is_sparse(&mut self.0, number).await? {
                continue;
            }
            match write_anew(&mut self.0, number).await {
                Ok(()) => shrunk += 1,
                // At another run.
                Err(error) if is_in_the_way(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(shrunk)
    }

    /// How far a stretch has been archived. When something in it has ended since, it begins anew.
    pub async fn archived(&mut self, number: i64) -> Result<Archived, sqlx::Error> {
        let anew = Archived { begun_us: clock::now(), through: i64::MIN };
        let noted: Option<String> = sqlx::query_scalar("SELECT obj_description(to_regclass($1), 'pg_class')")
            .bind(format!("message_body_{number}"))
            .fetch_one(&mut self.0)
            .await?;
        let Some(noted) = noted.as_deref().and_then(Archived::of) else { return Ok(anew) };
        let since =
            AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM message_{number} WHERE ended_us >= $1)"));
        let has_changed: bool = sqlx::query_scalar(since).bind(noted.begun_us).fetch_one(&mut self.0).await?;
        Ok(if has_changed { anew } else { noted })
    }

    /// Notes how far a stretch has been archived.
    pub async fn note_archived(&mut self, number: i64, archived: &Archived) -> Result<(), sqlx::Error> {
        let Archived { begun_us, through } = archived;
        let words = format!("COMMENT ON TABLE message_body_{number} IS 'archived {begun_us} {through}'");
        run(&mut self.0, words).await.map(|_| ())
    }

    /// Drops a stretch, unless something in it is still needed or somebody is in the way; says how many messages went with it.
    pub async fn drop_one(&mut self, number: i64, before_us: i64) -> Result<Option<u64>, sqlx::Error> {
        for _ in 0..TRIES {
            match drop_now(&mut self.0, number, before_us).await {
                Err(error) if is_in_the_way(&error) => tokio::time::sleep(BETWEEN).await,
                done => return done,
            }
        }
        debug!(stretch = number, "A stretch of the journal is in use; it is dropped another time.");
        Ok(None)
    }

    /// Forgets the parcels of messages whose stretches were dropped: some thousands at a time, for they may be many; and which
    /// attachments these messages needed.
    pub async fn forget_parcels(&mut self) -> Result<u64, sqlx::Error> {
        let there: Vec<i64> = all(&mut self.0).await?.iter().map(|stretch| stretch.number).collect();
        let mut forgotten = 0;
        let mut from = 0;
        for number in there {
            if number > from {
                let (first, behind) = (from << BITS, number << BITS);
                forgotten += forget_between(&mut self.0, first, behind).await?;
                no_longer_needed(&mut self.0, first, behind).await?;
            }
            from = number + 1;
        }
        Ok(forgotten)
    }
}

/// Whether something in a stretch is still needed: a message that is open, young or owes something, or has a piece that is.
async fn is_needed(connection: &mut PgConnection, number: i64, before_us: i64) -> Result<bool, sqlx::Error> {
    let (from, to) = bounds(number);
    let needed = AssertSqlSafe(format!(
        "SELECT EXISTS (SELECT 1 FROM message_{number} WHERE state = 0 OR ended_us IS NULL OR ended_us >= $1
                                                          OR imported_us >= $1)
             OR EXISTS (SELECT 1 FROM parcel WHERE message >= $2 AND message < $3 AND state <> 1)
             OR EXISTS (SELECT 1 FROM message WHERE parent >= $2 AND parent < $3
                          AND (seq >= $3 OR seq < $2) AND (state = 0 OR ended_us >= $1))"
    ));
    sqlx::query_scalar(needed).bind(before_us).bind(from).bind(to).fetch_one(connection).await
}

async fn drop_now(
    connection: &mut PgConnection,
    number: i64,
    before_us: i64,
) -> Result<Option<u64>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let locks = [
        "SET LOCAL lock_timeout = '300ms'".to_owned(),
        // Nobody opens one of its messages again while it is looked at.
        format!("LOCK TABLE message_{number} IN SHARE MODE"),
    ];
    for words in locks {
        run(&mut transaction, words).await?;
    }
    if is_needed(&mut transaction, number, before_us).await? {
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
    // All at once and only now: whoever reads or writes messages waits while these are held, which is a moment.
    run(&mut transaction, format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", TABLES.join(", "))).await?;
    for table in TABLES {
        run(&mut transaction, format!("DROP TABLE {table}_{number}")).await?;
    }
    transaction.commit().await?;
    info!(stretch = number, messages = gone.0, "A stretch of the journal was dropped.");
    Ok(Some(gone.0.unsigned_abs()))
}

/// Whether a stretch takes far more space than what is left in it needs.
async fn is_sparse(connection: &mut PgConnection, number: i64) -> Result<bool, sqlx::Error> {
    let pages = "SELECT pg_relation_size(to_regclass($1)) / current_setting('block_size')::bigint";
    let name = format!("message_{number}");
    let pages: Option<i64> = sqlx::query_scalar(pages).bind(name).fetch_one(&mut *connection).await?;
    let Some(pages) = pages.filter(|pages| *pages >= LEAST_PAGES) else { return Ok(false) };
    let some = AssertSqlSafe(format!("SELECT count(*) FROM (SELECT 1 FROM message_{number} LIMIT $1) one"));
    let found: i64 = sqlx::query_scalar(some).bind(pages * SPARSE).fetch_one(connection).await?;
    Ok(found < pages * SPARSE)
}

/// Puts what is left in a stretch into new tables, which take the place of the old ones.
async fn write_anew(connection: &mut PgConnection, number: i64) -> Result<(), sqlx::Error> {
    let (from, to) = bounds(number);
    let mut transaction = connection.begin().await?;
    // By the index: what is empty is not read.
    for words in ["SET LOCAL lock_timeout = '300ms'", "SET LOCAL enable_seqscan = off"] {
        run(&mut transaction, words.to_owned()).await?;
    }
    for table in TABLES {
        run(&mut transaction, format!("LOCK TABLE {table}_{number} IN SHARE MODE")).await?;
    }
    for table in TABLES {
        let (old, new) = (format!("{table}_{number}"), format!("{table}_{number}_new"));
        let noted: Option<String> = sqlx::query_scalar("SELECT obj_description(to_regclass($1), 'pg_class')")
            .bind(&old)
            .fetch_one(&mut *transaction)
            .await?;
        for words in [
            format!("CREATE TABLE {new} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"),
            format!("INSERT INTO {new} SELECT * FROM {old} ORDER BY seq"),
        ] {
            run(&mut transaction, words).await?;
        }
        // Numbers only: see `used_since` and `note_archived`.
        if let Some(noted) = noted {
            run(&mut transaction, format!("COMMENT ON TABLE {new} IS '{noted}'")).await?;
        }
    }
    run(&mut transaction, format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", TABLES.join(", "))).await?;
    for table in TABLES {
        for words in [
            format!("DROP TABLE {table}_{number}"),
            format!("ALTER TABLE {table}_{number}_new RENAME TO {table}_{number}"),
            format!(
                "ALTER TABLE {table} ATTACH PARTITION {table}_{number} FOR VALUES FROM ({from}) TO ({to})"
            ),
        ] {
            run(&mut transaction, words).await?;
        }
    }
    transaction.commit().await?;
    info!(
        stretch = number,
        "What is left in an old stretch of the journal was written anew; the rest of its space is free."
    );
    Ok(())
}

/// Forgets the parcels of the messages between two places, of which there are none any more.
async fn forget_between(connection: &mut PgConnection, from: i64, to: i64) -> Result<u64, sqlx::Error> {
    let mut forgotten = 0;
    loop {
        let gone: (i64,) = sqlx::query_as(
            "WITH gone AS (DELETE FROM parcel WHERE seq IN
                             (SELECT seq FROM parcel WHERE message >= $1 AND message < $2 AND state = 1 LIMIT $3)
                           RETURNING seq, dest, state),
                  bodies AS (DELETE FROM parcel_body WHERE seq IN (SELECT seq FROM gone)),
                  counts AS (SELECT dest, state, count(*) AS count FROM gone GROUP BY dest, state),
                  told AS (INSERT INTO tally_part (kind, word, state, node, count)
                           SELECT 1, dest, state, 0, -count FROM counts
                           ON CONFLICT (kind, word, state, node)
                             DO UPDATE SET count = tally_part.count + excluded.count)
             SELECT count(*) FROM gone",
        )
        .bind(from)
        .bind(to)
        .bind(PARCELS)
        .fetch_one(&mut *connection)
        .await?;
        forgotten += gone.0.unsigned_abs();
        if gone.0 < PARCELS {
            return Ok(forgotten);
        }
    }
}

/// What messages needed between two places, of which there are none any more, is looked at.
async fn no_longer_needed(connection: &mut PgConnection, from: i64, to: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH gone AS (DELETE FROM attachment_need WHERE seq >= $1 AND seq < $2 RETURNING place)
         UPDATE attachment SET due_us = 0 WHERE state = 0 AND place IN (SELECT place FROM gone)",
    )
    .bind(from)
    .bind(to)
    .execute(connection)
    .await
    .map(|_| ())
}

/// Whether a lock was not free in time, or two waited for each other.
fn is_in_the_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}
