//! Works that are done in a transaction of their own: retrying parcels, forgetting old messages, and what is remembered of replays.

use hub_core::store::RetryWhich;

use crate::clock;
use crate::database::{Connection, DatabaseError, Line, Rows, all, run, transaction};
use crate::words::{WordKind, Words};
use crate::writer::batch::{TALLY_MESSAGES, TALLY_PARCELS, Tallies};
use crate::writer::locks;
use crate::writer::messages::forget_keys;
use crate::writer::parcels::{PENDING, PROMOTE};
use crate::writer::replay;
use crate::writer::work::{Answer, Work};

/// How many parcels one retry puts back in one transaction.
const MOST_RETRIED: i64 = 10_000;

/// Applies a work of this kind.
pub(super) fn apply(
    connection: &Connection,
    words: &Words,
    node: i64,
    work: &Work,
) -> Result<Answer, DatabaseError> {
    let count = transaction(connection, || {
        if let Connection::Postgres(link) = connection {
            // Still one of the hub's nodes.
            link.numbers(node, [0; 3])?;
        }
        match work {
            Work::Retry { which } => retry(connection, words, node, which),
            Work::Prune { before_us, limit } => prune(connection, words, node, *before_us, *limit),
            Work::Replay(work) => replay::apply(connection, node, work),
            _ => Ok(0),
        }
    })?;
    Ok(Answer::Count(count))
}

/// A parcel that nobody sends any more.
struct Stuck {
    seq: i64,
    dest: i64,
    key: Option<String>,
    state: i64,
}

impl Stuck {
    fn read(row: &Line<'_>) -> Result<Self, DatabaseError> {
        Ok(Self { seq: row.get(0)?, dest: row.get(1)?, key: row.get(2)?, state: row.get(3)? })
    }
}

fn retry(
    connection: &Connection,
    words: &Words,
    node: i64,
    which: &RetryWhich,
) -> Result<u64, DatabaseError> {
    let stuck = match which {
        RetryWhich::Parcel(id) => all(
            connection,
            "SELECT seq, dest, okey, state FROM parcel WHERE id = ?1 AND state >= 2",
            &[id.0.into()],
            Stuck::read,
        )?,
        RetryWhich::Destination(to) => {
            let Some(dest) = words.number(WordKind::Destination, to.as_str()) else { return Ok(0) };
            all(
                connection,
                "SELECT seq, dest, okey, state FROM parcel WHERE dest = ?1 AND state >= 2 ORDER BY seq LIMIT ?2",
                &[dest.into(), MOST_RETRIED.into()],
                Stuck::read,
            )?
        }
    };
    let keys = stuck.iter().filter_map(|stuck| Some((words.name(stuck.dest)?.into(), stuck.key.as_deref()?)));
    locks::take_keys(connection, keys)?;
    let count = stuck.len() as u64;
    let mut tallies = Tallies::default();
    let mut promote = Rows::new(&PROMOTE);
    let now = clock::now();
    for Stuck { seq, dest, key, state } in stuck {
        run(
            connection,
            // Whoever says this has looked: a doubt is settled, and the time to give up begins anew.
            "UPDATE parcel SET doubt = CASE WHEN state = 3 THEN 0 ELSE doubt END, state = 0, attempts = 0,
                    error = NULL, created_us = ?2, due_us = CASE WHEN okey IS NULL THEN ?2 END WHERE seq = ?1",
            &[seq.into(), now.into()],
        )?;
        tallies.add(TALLY_PARCELS, dest, state, -1);
        tallies.add(TALLY_PARCELS, dest, PENDING, 1);
        if let Some(key) = key {
            // It stands before those of its key that came later: none of them is the first any more.
            run(
                connection,
                "UPDATE parcel SET due_us = NULL WHERE dest = ?1 AND okey = ?2 AND state = 0 AND seq > ?3
                        AND due_us IS NOT NULL",
                &[dest.into(), key.as_str().into(), seq.into()],
            )?;
            promote.push([dest.into(), key.into()]);
        }
    }
    promote.ask(connection, |_| Ok(()))?;
    tallies.write(connection, node)?;
    Ok(count)
}

fn prune(
    connection: &Connection,
    words: &Words,
    node: i64,
    before_us: i64,
    limit: u32,
) -> Result<u64, DatabaseError> {
    let mut left = i64::from(limit);
    let mut tallies = Tallies::default();
    let mut pruned = 0;
    let groups: Vec<(i64, i64)> = all(
        connection,
        "SELECT word, state FROM tally WHERE kind = ?1 AND state > 0 AND count > 0",
        &[TALLY_MESSAGES.into()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (channel, state) in groups {
        // Received before it can have ended before: the index narrows it down, the end decides. A message and its pieces go
        // together, when the last of them may.
        let old: Vec<Old> = all(
            connection,
            "SELECT m.seq, m.channel, m.state, t.keys FROM message m LEFT JOIN message_trace t ON t.seq = m.seq
             WHERE m.channel = ?1 AND m.state = ?2 AND m.received_us < ?3 AND m.ended_us < ?3 AND m.parent IS NULL
               AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.message = m.seq AND p.state <> 1)
               AND NOT EXISTS (SELECT 1 FROM message c WHERE c.parent = m.seq
                                 AND (c.state = 0 OR c.ended_us >= ?3
                                      OR EXISTS (SELECT 1 FROM parcel p WHERE p.message = c.seq AND p.state <> 1)))
             ORDER BY m.received_us LIMIT ?4",
            &[channel.into(), state.into(), before_us.into(), left.into()],
            Old::read,
        )?;
        for message in &old {
            let pieces: Vec<Old> = all(
                connection,
                "SELECT m.seq, m.channel, m.state, t.keys FROM message m LEFT JOIN message_trace t ON t.seq = m.seq
                 WHERE m.parent = ?1 LIMIT ?2",
                &[message.seq.into(), left.into()],
                Old::read,
            )?;
            left -= i64::try_from(pieces.len()).unwrap_or(left);
            pruned += pieces.len() as u64;
            for piece in &pieces {
                piece.forget(connection, words, &mut tallies)?;
            }
            if left <= 0 {
                // There may be more pieces: the message goes with the last of them.
                break;
            }
            message.forget(connection, words, &mut tallies)?;
            left -= 1;
            pruned += 1;
            if left <= 0 {
                break;
            }
        }
        if left <= 0 {
            break;
        }
    }
    tallies.write(connection, node)?;
    Ok(pruned)
}

/// A message whose time is up.
struct Old {
    seq: i64,
    channel: i64,
    state: i64,
    keys: Option<String>,
}

impl Old {
    fn read(row: &Line<'_>) -> Result<Self, DatabaseError> {
        Ok(Self { seq: row.get(0)?, channel: row.get(1)?, state: row.get(2)?, keys: row.get(3)? })
    }

    fn forget(
        &self,
        connection: &Connection,
        words: &Words,
        tallies: &mut Tallies,
    ) -> Result<(), DatabaseError> {
        forget_keys(connection, self.seq, self.keys.as_deref(), words)?;
        forget_parcels(connection, self.seq, tallies)?;
        for table in [
            "DELETE FROM message_body WHERE seq = ?1",
            "DELETE FROM message_trace WHERE seq = ?1",
            "DELETE FROM message WHERE seq = ?1",
        ] {
            run(connection, table, &[self.seq.into()])?;
        }
        tallies.add(TALLY_MESSAGES, self.channel, self.state, -1);
        Ok(())
    }
}

/// The parcels of a message go with it: they are all settled.
fn forget_parcels(connection: &Connection, message: i64, tallies: &mut Tallies) -> Result<(), DatabaseError> {
    let parcels: Vec<(i64, i64, i64)> = all(
        connection,
        "DELETE FROM parcel WHERE message = ?1 RETURNING seq, dest, state",
        &[message.into()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    for (seq, dest, state) in parcels {
        tallies.add(TALLY_PARCELS, dest, state, -1);
        run(connection, "DELETE FROM parcel_body WHERE seq = ?1", &[seq.into()])?;
    }
    Ok(())
}
