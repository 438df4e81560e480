//! What is remembered of replays: their orders, who works on them, how far they have come.

use hub_core::replay::ReplayState;

use crate::clock;
use crate::database::{Connection, DatabaseError, all};
use crate::writer::work::ReplayWork;

/// How long a replay stays its node's after the last step.
const HELD_US: i64 = 30_000_000;

/// The number of a state in the database.
pub(crate) fn state_number(state: ReplayState) -> i64 {
    match state {
        ReplayState::Running => 0,
        ReplayState::Paused => 1,
        ReplayState::Stopped => 2,
        ReplayState::Done => 3,
    }
}

/// Applies a work of this kind: the number of an order; 1 for what was done and 0 for what was not; of a step, 1 and the state it left.
pub(super) fn apply(connection: &Connection, node: i64, work: &ReplayWork) -> Result<u64, DatabaseError> {
    let now = clock::now();
    let found = match work {
        ReplayWork::Order { what, newer, owing, rate, last } => all(
            connection,
            "INSERT INTO replay (ordered_us, state, what, newer, owing, rate, at, nth, last, sum)
             VALUES (?1, 0, ?2, ?3, ?4, ?5, 0, 0, ?6, '[]') RETURNING number",
            &[
                now.into(),
                what.as_str().into(),
                (*newer).into(),
                (*owing).into(),
                u64::from(*rate).into(),
                (*last).into(),
            ],
            |line| line.get::<i64>(0),
        )?,
        ReplayWork::Claim { number } => all(
            connection,
            "UPDATE replay SET holder = ?2, held_us = ?3
             WHERE number = ?1 AND state = 0 AND (holder IS NULL OR holder = ?2 OR held_us < ?4) RETURNING 1",
            &[(*number).into(), node.into(), now.into(), (now - HELD_US).into()],
            one,
        )?,
        ReplayWork::Step { number, from, to, sum, ends } => all(
            connection,
            "UPDATE replay SET at = ?5, nth = ?6, sum = ?7, held_us = ?8,
                    ended_us = CASE WHEN state = 0 AND ?9 = 1 THEN ?8 ELSE ended_us END,
                    state = CASE WHEN state = 0 AND ?9 = 1 THEN 3 ELSE state END
             WHERE number = ?1 AND holder = ?2 AND at = ?3 AND nth = ?4 RETURNING 1 + state",
            &[
                (*number).into(),
                node.into(),
                from.at.into(),
                from.nth.into(),
                to.at.into(),
                to.nth.into(),
                sum.as_str().into(),
                now.into(),
                i64::from(*ends).into(),
            ],
            |line| line.get::<i64>(0),
        )?,
        ReplayWork::Turn { number, turn } => {
            let (from, to) = turn.way();
            // As many as there can be; the last stands for those that are not there.
            let nth = |nth: usize| from.get(nth).or(from.last()).map_or(-1, |state| state_number(*state));
            let ended = if to == ReplayState::Stopped { Some(now) } else { None };
            all(
                connection,
                "UPDATE replay SET state = ?4, ended_us = ?5 WHERE number = ?1 AND state IN (?2, ?3) RETURNING 1",
                &[(*number).into(), nth(0).into(), nth(1).into(), state_number(to).into(), ended.into()],
                one,
            )?
        }
    };
    Ok(found.first().map_or(0, |count| count.unsigned_abs()))
}

/// `RETURNING 1` is an INTEGER of four bytes on PostgreSQL; that it came is all that matters.
fn one(_: &crate::database::Line<'_>) -> Result<i64, DatabaseError> {
    Ok(1)
}
