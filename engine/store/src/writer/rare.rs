//! Works that are done in a transaction of their own: retrying parcels, the upkeep of the database, keeping deployments, what is
//! remembered of replays, and accounts.

use hub_core::store::RetryWhich;

use crate::clock;
use crate::database::{Connection, DatabaseError, Line, Locks, Rows, all, run, transaction};
use crate::words::{WordKind, Words};
use crate::writer::batch::{Memory, TALLY_PARCELS, Tallies};
use crate::writer::parcels::{PENDING, PROMOTE};
use crate::writer::work::{Answer, Upkeep, Work};
use crate::writer::{
    accounts, attachments, deployments, import, locks, parameters, prune, reindex, replay, trim,
};

/// How many parcels one retry puts back in one transaction.
const MOST_RETRIED: i64 = 10_000;

/// Applies a work of this kind.
pub(super) fn apply(
    connection: &Connection,
    words: &Words,
    memory: &mut Memory,
    work: &Work,
) -> Result<Answer, DatabaseError> {
    if let Work::Upkeep(Upkeep::Import(entries)) = work {
        import::intern(connection, words, entries)?;
    }
    if let Work::Upkeep(Upkeep::Declare(set)) = work {
        parameters::intern(connection, words, set)?;
    }
    let node = memory.node;
    let mut numbers = None;
    let answer = transaction(connection, || {
        if let Connection::Postgres(link) = connection {
            // Still one of the hub's nodes.
            link.numbers(node, [0; 3], &Locks::new())?;
        }
        let count = match work {
            Work::Retry { which } => retry(connection, words, node, which)?,
            Work::Upkeep(Upkeep::Import(entries)) => {
                let (imported, next) = import::import(connection, words, node, &memory.numbers, entries)?;
                numbers = Some(next);
                return Ok(Answer::Imported(imported));
            }
            Work::Upkeep(Upkeep::Prune { before_us, limit }) => {
                prune::prune(connection, words, node, &mut memory.looked, *before_us, *limit)?
            }
            Work::Upkeep(Upkeep::Forget { before_us, seqs }) => {
                prune::forget(connection, words, node, *before_us, seqs)?
            }
            Work::Upkeep(Upkeep::Index { by, made }) if words.in_force().generation == *by => {
                reindex::write(connection, made)?
            }
            Work::Upkeep(Upkeep::Declare(set)) => parameters::declare(connection, set)?,
            Work::Upkeep(Upkeep::Adopt(in_force)) => parameters::confirm(connection, node, in_force)?,
            Work::Upkeep(Upkeep::Walk(step)) => parameters::step(connection, words, step)?,
            Work::Upkeep(Upkeep::Trim(what)) => trim::trim(connection, what)?,
            Work::Upkeep(Upkeep::Book(work)) => attachments::apply(connection, words, work)?,
            Work::Upkeep(Upkeep::Shrink { pages }) => trim::shrink(connection, *pages)?,
            Work::Record(deployment) => deployments::record(connection, deployment)?,
            Work::Finish { number, end } => deployments::finish(connection, *number, end)?,
            Work::Replay(work) => replay::apply(connection, node, work)?,
            Work::Accounts(work) => accounts::apply(connection, &work.0, work.1)?,
            _ => 0,
        };
        Ok(Answer::Count(count))
    })?;
    if let Some(numbers) = numbers {
        memory.numbers = numbers;
    }
    if let Work::Upkeep(Upkeep::Adopt(in_force)) = work {
        parameters::adopt(words, in_force);
        // The rows that are remembered are of the set before.
        memory.recent.forget();
    }
    Ok(answer)
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
                "SELECT seq, dest, okey, state FROM parcel WHERE dest = ?1 AND state >= 2 ORDER BY seq LIMIT ?2 + 0",
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
