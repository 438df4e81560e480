//! Works that are done in a transaction of their own: retrying parcels and forgetting old messages.

use hub_core::store::RetryWhich;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Executor, Row};

use crate::rows::{Rows, Texts};
use crate::words::{WordKind, Words};
use crate::writer::batch::{TALLY_MESSAGES, TALLY_PARCELS, Tallies};
use crate::writer::messages::forget_keys;
use crate::writer::parcels::{PENDING, PROMOTE};
use crate::writer::work::{Answer, Work};

/// How many parcels one retry puts back in one transaction.
const MOST_RETRIED: i64 = 10_000;

/// Applies a work of this kind.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    texts: &mut Texts,
    words: &Words,
    work: &Work,
) -> Result<Answer, sqlx::Error> {
    connection.execute("BEGIN IMMEDIATE").await?;
    let done = match work {
        Work::Retry { which } => retry(connection, texts, words, which).await,
        Work::Prune { before_us, limit } => prune(connection, texts, words, *before_us, *limit).await,
        _ => Ok(0),
    };
    match done {
        Ok(count) => {
            connection.execute("COMMIT").await?;
            Ok(Answer::Count(count))
        }
        Err(error) => {
            // The first error is the one that tells.
            connection.execute("ROLLBACK").await.ok();
            Err(error)
        }
    }
}

async fn retry(
    connection: &mut SqliteConnection,
    texts: &mut Texts,
    words: &Words,
    which: &RetryWhich,
) -> Result<u64, sqlx::Error> {
    let stuck: Vec<SqliteRow> = match which {
        RetryWhich::Parcel(id) => {
            sqlx::query("SELECT seq, dest, okey, state FROM parcel WHERE id = $1 AND state >= 2")
                .bind(&id.0.as_bytes()[..])
                .fetch_all(&mut *connection)
                .await?
        }
        RetryWhich::Destination(to) => {
            let Some(dest) = words.number(WordKind::Destination, to.as_str()) else { return Ok(0) };
            sqlx::query(
                "SELECT seq, dest, okey, state FROM parcel WHERE dest = $1 AND state >= 2 ORDER BY seq LIMIT $2",
            )
            .bind(dest)
            .bind(MOST_RETRIED)
            .fetch_all(&mut *connection)
            .await?
        }
    };
    let mut tallies = Tallies::default();
    let mut promote = Rows::new(&PROMOTE);
    for row in &stuck {
        let (seq, dest, state): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?);
        let key: Option<String> = row.try_get(2)?;
        sqlx::query(
            "UPDATE parcel SET state = 0, attempts = 0, error = NULL,
                    due_us = CASE WHEN okey IS NULL THEN created_us END WHERE seq = $1",
        )
        .bind(seq)
        .execute(&mut *connection)
        .await?;
        tallies.add(TALLY_PARCELS, dest, state, -1);
        tallies.add(TALLY_PARCELS, dest, PENDING, 1);
        if let Some(key) = key {
            // It stands before those of its key that came later: none of them is the first any more.
            sqlx::query(
                "UPDATE parcel SET due_us = NULL WHERE dest = $1 AND okey = $2 AND state = 0 AND seq > $3
                        AND due_us IS NOT NULL",
            )
            .bind(dest)
            .bind(&key)
            .bind(seq)
            .execute(&mut *connection)
            .await?;
            promote.push([dest.into(), key.into()]);
        }
    }
    promote.write(connection, texts).await?;
    tallies.write(connection, texts).await?;
    Ok(stuck.len() as u64)
}

async fn prune(
    connection: &mut SqliteConnection,
    texts: &mut Texts,
    words: &Words,
    before_us: i64,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let mut left = i64::from(limit);
    let mut tallies = Tallies::default();
    let mut pruned = 0;
    let groups = sqlx::query("SELECT word, state FROM tally WHERE kind = $1 AND state > 0 AND count > 0")
        .bind(TALLY_MESSAGES)
        .fetch_all(&mut *connection)
        .await?;
    for group in groups {
        let (channel, state): (i64, i64) = (group.try_get(0)?, group.try_get(1)?);
        // Received before it can have ended before: the index narrows it down, the end decides.
        let old = sqlx::query(
            "SELECT m.seq, t.keys FROM message m LEFT JOIN message_trace t ON t.seq = m.seq
             WHERE m.channel = $1 AND m.state = $2 AND m.received_us < $3 AND m.ended_us < $3
               AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.message = m.seq AND p.state = 0)
             ORDER BY m.received_us LIMIT $4",
        )
        .bind(channel)
        .bind(state)
        .bind(before_us)
        .bind(left)
        .fetch_all(&mut *connection)
        .await?;
        for row in &old {
            let seq: i64 = row.try_get(0)?;
            forget_keys(connection, seq, row.try_get(1)?, words).await?;
            forget_parcels(connection, seq, &mut tallies).await?;
            for table in [
                "DELETE FROM message_body WHERE seq = $1",
                "DELETE FROM message_trace WHERE seq = $1",
                "DELETE FROM message WHERE seq = $1",
            ] {
                sqlx::query(table).bind(seq).execute(&mut *connection).await?;
            }
        }
        let count = i64::try_from(old.len()).unwrap_or(left);
        tallies.add(TALLY_MESSAGES, channel, state, -count);
        pruned += count.unsigned_abs();
        left -= count;
        if left <= 0 {
            break;
        }
    }
    tallies.write(connection, texts).await?;
    Ok(pruned)
}

/// The parcels of a message go with it: they are all settled.
async fn forget_parcels(
    connection: &mut SqliteConnection,
    message: i64,
    tallies: &mut Tallies,
) -> Result<(), sqlx::Error> {
    let parcels = sqlx::query("DELETE FROM parcel WHERE message = $1 RETURNING seq, dest, state")
        .bind(message)
        .fetch_all(&mut *connection)
        .await?;
    for row in parcels {
        tallies.add(TALLY_PARCELS, row.try_get(1)?, row.try_get(2)?, -1);
        sqlx::query("DELETE FROM parcel_body WHERE seq = $1")
            .bind(row.try_get::<i64, _>(0)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
