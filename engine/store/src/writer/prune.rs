//! Forgets messages whose time is up: chosen, then looked at once more, locked, and deleted with all that belongs to them.

use std::collections::HashMap;

use crate::database::Kind::Int;
use crate::database::{Connection, DatabaseError, Line, Rows, Shape, all};
use crate::words::Words;
use crate::writer::attachments::no_longer_needed;
use crate::writer::batch::{TALLY_MESSAGES, TALLY_PARCELS, Tallies};
use crate::writer::messages::forget_keys;

/// Those of the messages that may still go. Another node may have opened one again since they were chosen.
const STILL_OLD: Shape = Shape {
    before: "WITH w(seq, before_us) AS (VALUES ",
    columns: &[Int, Int],
    after: ") SELECT m.seq, m.channel, m.state, t.keys
              FROM w CROSS JOIN message m LEFT JOIN message_trace t ON t.seq = m.seq
              WHERE m.seq = w.seq AND m.state > 0 AND m.ended_us < w.before_us
                AND coalesce(m.imported_us, 0) < w.before_us
                AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.message = m.seq AND p.state <> 1)
                AND NOT EXISTS (SELECT 1 FROM message r WHERE r.seq = m.parent
                                  AND (r.state = 0 OR r.ended_us >= w.before_us))
                AND NOT EXISTS (SELECT 1 FROM message c WHERE c.parent = m.seq
                                  AND (c.state = 0 OR c.ended_us >= w.before_us
                                       OR EXISTS (SELECT 1 FROM parcel p WHERE p.message = c.seq AND p.state <> 1)))",
    locks: " ORDER BY m.seq FOR UPDATE OF m",
};
const PARCELS: Shape = Shape {
    before: "DELETE FROM parcel WHERE message = ",
    columns: &[Int],
    after: " RETURNING seq, dest, state",
    locks: "",
};
const PARCEL_BODIES: Shape = gone("DELETE FROM parcel_body WHERE seq = ");
const BODIES: Shape = gone("DELETE FROM message_body WHERE seq = ");
const TRACES: Shape = gone("DELETE FROM message_trace WHERE seq = ");
const MESSAGES: Shape = gone("DELETE FROM message WHERE seq = ");

const fn gone(before: &'static str) -> Shape {
    Shape { before, columns: &[Int], after: "", locks: "" }
}

/// How far a run of the retention has looked, by channel and state: what stays (something is still owed for it, or it ended late) is not
/// looked at anew for every few hundred messages that go.
#[derive(Default)]
pub(crate) struct Looked {
    before_us: i64,
    from_us: HashMap<(i64, i64), i64>,
}

/// Forgets messages that ended before; says how many.
pub(super) fn prune(
    connection: &Connection,
    words: &Words,
    node: i64,
    looked: &mut Looked,
    before_us: i64,
    limit: u32,
) -> Result<u64, DatabaseError> {
    if looked.before_us != before_us {
        *looked = Looked { before_us, from_us: HashMap::new() };
    }
    let mut left = i64::from(limit);
    let mut chosen = Vec::new();
    let groups: Vec<(i64, i64)> = all(
        connection,
        "SELECT word, state FROM tally WHERE kind = ?1 AND state > 0 AND count > 0",
        &[TALLY_MESSAGES.into()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (channel, state) in groups {
        if left <= 0 {
            break;
        }
        // Received before it can have ended before: the index narrows it down, the end decides. A message and its pieces go
        // together, when the last of them may; a piece alone where a stretch was dropped with what it was a piece of.
        let from_us = looked.from_us.entry((channel, state)).or_insert(i64::MIN);
        let old: Vec<(i64, i64, i64)> = all(
            connection,
            "SELECT m.seq, m.received_us, (SELECT count(*) FROM (SELECT 1 FROM message c WHERE c.parent = m.seq LIMIT 1) one)
             FROM message m
             WHERE m.channel = ?1 AND m.state = ?2 AND m.received_us < ?3 AND m.received_us >= ?5
               AND m.ended_us < ?3 AND coalesce(m.imported_us, 0) < ?3
               AND NOT EXISTS (SELECT 1 FROM message r WHERE r.seq = m.parent)
               AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.message = m.seq AND p.state <> 1)
               AND NOT EXISTS (SELECT 1 FROM message c WHERE c.parent = m.seq
                                 AND (c.state = 0 OR c.ended_us >= ?3
                                      OR EXISTS (SELECT 1 FROM parcel p WHERE p.message = c.seq AND p.state <> 1)))
             ORDER BY m.received_us LIMIT ?4 + 0",
            &[channel.into(), state.into(), before_us.into(), left.into(), (*from_us).into()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let is_all = i64::try_from(old.len()).is_ok_and(|found| found < left);
        let mut is_cut = false;
        for (message, received_us, has_pieces) in old {
            *from_us = received_us;
            if has_pieces > 0 {
                let pieces: Vec<i64> = all(
                    connection,
                    "SELECT seq FROM message WHERE parent = ?1 LIMIT ?2 + 0",
                    &[message.into(), left.into()],
                    |row| row.get(0),
                )?;
                left -= i64::try_from(pieces.len()).unwrap_or(left);
                chosen.extend(pieces);
            }
            if left <= 0 {
                // There may be more pieces: the message goes with the last of them.
                is_cut = true;
                break;
            }
            chosen.push(message);
            left -= 1;
        }
        if is_all && !is_cut {
            *from_us = before_us;
        }
    }
    if chosen.is_empty() {
        // The next run looks at all of it again.
        *looked = Looked::default();
    }
    forget(connection, words, node, before_us, &chosen)
}

/// Forgets those of the messages that may still go; says how many.
pub(super) fn forget(
    connection: &Connection,
    words: &Words,
    node: i64,
    before_us: i64,
    seqs: &[i64],
) -> Result<u64, DatabaseError> {
    let mut asked = Rows::new(&STILL_OLD);
    for seq in seqs {
        asked.push([(*seq).into(), before_us.into()]);
    }
    let old = asked.ask(connection, Old::read)?;
    let mut tallies = Tallies::default();
    let [mut parcels, mut bodies, mut traces, mut messages] =
        [&PARCELS, &BODIES, &TRACES, &MESSAGES].map(Rows::new);
    for message in &old {
        forget_keys(connection, message.seq, message.keys.as_deref(), words)?;
        for rows in [&mut parcels, &mut bodies, &mut traces, &mut messages] {
            rows.push([message.seq.into()]);
        }
        tallies.add(TALLY_MESSAGES, message.channel, message.state, -1);
    }
    let gone = parcels.ask(connection, |row| Ok((row.get::<i64>(0)?, row.get(1)?, row.get(2)?)))?;
    let mut parcel_bodies = Rows::new(&PARCEL_BODIES);
    for (seq, dest, state) in gone {
        tallies.add(TALLY_PARCELS, dest, state, -1);
        parcel_bodies.push([seq.into()]);
    }
    for rows in [parcel_bodies, bodies, traces, messages] {
        rows.write(connection)?;
    }
    no_longer_needed(connection, old.iter().map(|message| message.seq))?;
    tallies.write(connection, node)?;
    Ok(old.len() as u64)
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
}
