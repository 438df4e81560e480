//! Moves the database of a data folder to PostgreSQL while its hub runs.
//!
//! Rounds walk over every table in the order of its key and make the other side the same, block by block. What a block held is
//! remembered by its digest: the next round reads the source again, and only where a digest differs the other side as well. So
//! whatever changes a row (an end, a replay, a new version, retention) is seen, and nothing has to be written to the folder to
//! see it. When the hub stands still, one more round is the last; then the other side is read whole and compared.
//!
//! In reading order:

mod error;
mod mark;
mod places;
mod row;
mod source;
mod tables;
mod target;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

pub use error::MoveError;
pub(crate) use mark::moved_to;
pub(crate) use target::is_half_moved;

use crate::error::OpenError;
use crate::open::{self, MIGRATIONS, lock_folder};
use places::Places;
use row::Block;
use source::{Found, Met, Source};
use tables::{NOT_MOVED, TABLES};
use target::Target;

/// How many blocks are read ahead of what is written.
const AHEAD: usize = 2;

/// A move that is under way. Dropping it leaves the folder as it was, and a database that no hub starts on; the same move may be
/// begun again and goes on.
pub struct Move {
    data_dir: PathBuf,
    to: String,
    source: Arc<std::sync::Mutex<Source>>,
    target: Target,
    places: Arc<Places>,
    /// What each table held when it was last walked over, in the order of [`TABLES`].
    known: Vec<Vec<Block>>,
    met: Met,
    /// How many rows there were at the beginning, and then in the last round.
    rows: u64,
    rounds: u32,
}

/// The hub of the folder stands still: nobody else can start one while this is held.
pub struct Still {
    _lock: File,
    since: Instant,
}

/// How far a round has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The table that is under way.
    pub table: &'static str,
    /// Rows walked over in this round.
    pub done: u64,
    /// Rows there are, as far as is known.
    pub of: u64,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Rows that are there.
    pub rows: u64,
    /// Rows that were written, because they were new or other than before.
    pub written: u64,
    /// Rows that were deleted, because they are gone on the other side.
    pub deleted: u64,
}

/// What was moved and verified.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Where to, without a password.
    pub to: String,
    /// Each table.
    pub tables: Vec<MovedTable>,
    /// Rounds walked, the last one included.
    pub rounds: u32,
    /// What the last round found, when the hub stood still.
    pub last: Round,
    /// How long the hub has stood still.
    pub still: Duration,
    /// Values that held a NUL, which PostgreSQL cannot hold in a text: it is U+FFFD there, as in everything a hub writes there.
    pub replaced: u64,
    /// Rows that became the same as another by that.
    pub merged: u64,
    /// Counters of the folder that were not what was counted; they are right now.
    pub counters_mended: u64,
}

/// A table that was moved and verified.
#[derive(Clone, Debug)]
pub struct MovedTable {
    /// Its name.
    pub name: &'static str,
    /// How many rows it has, counted on both sides.
    pub rows: u64,
    /// The digest of its rows in the order of their key, found on both sides.
    pub digest: [u8; 32],
}

impl Move {
    /// Begins to move a data folder to a database, which is empty or one that the same move was begun to. Nothing is copied yet.
    pub async fn begin(data_dir: &Path, to: &str, password: Option<&str>) -> Result<Self, MoveError> {
        let folder = |source| MoveError::Folder { path: data_dir.to_owned(), source };
        let source = Source::open(data_dir)?;
        let (version, identity) = source.identity()?;
        let expected = MIGRATIONS.last().map_or(0, |(version, _, _)| *version);
        if version != expected {
            return Err(MoveError::OtherVersion { version, expected });
        }
        let mut target = Target::connect(to, password).await?;
        let shown = mark::without_password(to);
        if let Some(moved_to) = moved_to(data_dir).map_err(folder)?
            && !(moved_to == shown && target.is_half_moved().await?)
        {
            return Err(MoveError::AlreadyMoved { to: moved_to });
        }
        if source.last_message()? >= 1 << crate::partitions::BITS {
            return Err(MoveError::TooMany);
        }
        let usual_us = i64::try_from(open::STRETCH.as_micros()).unwrap_or(i64::MAX);
        let places = target.begin(&identity, || source.places(usual_us)).await?;
        same_tables(&source, &mut target).await?;
        let mut rows = 0;
        for table in &TABLES {
            rows += source.count(table)?;
        }
        Ok(Self {
            data_dir: data_dir.to_owned(),
            to: shown,
            source: Arc::new(std::sync::Mutex::new(source)),
            target,
            places: Arc::new(places),
            known: vec![Vec::new(); TABLES.len()],
            met: Met::default(),
            rows,
            rounds: 0,
        })
    }

    /// Makes the database what the folder is now. The hub may run; then it is a little behind.
    pub async fn round(&mut self, mut told: impl FnMut(Progress)) -> Result<Round, MoveError> {
        let mut round = Round::default();
        self.met = Met::default();
        self.rounds += 1;
        for at in 0..TABLES.len() {
            self.walk(at, &mut round, &mut told).await?;
        }
        self.rows = round.rows;
        Ok(round)
    }

    async fn walk(
        &mut self,
        at: usize,
        round: &mut Round,
        told: &mut impl FnMut(Progress),
    ) -> Result<(), MoveError> {
        let table = &TABLES[at];
        // Known again when all of it is written.
        let known = std::mem::take(&mut self.known[at]);
        let (hand, mut handed) = mpsc::channel(AHEAD);
        let (source, places) = (Arc::clone(&self.source), Arc::clone(&self.places));
        let walking = tokio::task::spawn_blocking(move || {
            let source = source.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            source.walk(table, &places, &known, |found| hand.blocking_send(found).is_ok())
        });
        while let Some(found) = handed.recv().await {
            let rows = match found {
                Found::Same(block) => block.rows,
                Found::Changed { low, block, rows } => {
                    let changed =
                        self.target.make_same(table, low.as_ref(), block.high.as_ref(), rows).await?;
                    round.written += changed.written;
                    round.deleted += changed.deleted;
                    block.rows
                }
            };
            round.rows += rows;
            told(Progress { table: table.name, done: round.rows, of: self.rows.max(round.rows) });
        }
        let (blocks, met) = walking.await.map_err(|error| MoveError::Ended(error.into()))??;
        self.known[at] = blocks;
        self.met.replaced += met.replaced;
        self.met.merged += met.merged;
        Ok(())
    }

    /// Takes the folder when no hub has it. `None`: one runs.
    pub fn hold(&self) -> Result<Option<Still>, MoveError> {
        match lock_folder(&self.data_dir) {
            Ok(lock) => Ok(Some(Still { _lock: lock, since: Instant::now() })),
            Err(OpenError::InUse { .. }) => Ok(None),
            Err(OpenError::Folder { path, source }) => Err(MoveError::Folder { path, source }),
            Err(other) => Err(MoveError::Ended(other.into())),
        }
    }

    /// Copies what is left, verifies all of it, and marks the folder as moved and the database as whole.
    pub async fn finish(mut self, still: Still, mut told: impl FnMut(Progress)) -> Result<Moved, MoveError> {
        let last = self.round(&mut told).await?;
        if self.target.has_nodes().await? {
            return Err(MoveError::Joined);
        }
        self.target.set_counters().await?;
        let tables = self.verify(&mut told).await?;
        let counters_mended = self.verify_counters().await?;
        self.target.analyze().await?;
        self.target.make_durable().await?;
        // First the folder, then the database: at no moment could a hub start on both.
        let folder = |source| MoveError::Folder { path: self.data_dir.clone(), source };
        mark::set(&self.data_dir, &self.to).map_err(folder)?;
        self.target.end().await?;
        Ok(Moved {
            to: self.to,
            tables,
            rounds: self.rounds,
            last,
            still: still.since.elapsed(),
            replaced: self.met.replaced,
            merged: self.met.merged,
            counters_mended,
        })
    }

    /// Reads the other side whole and compares it with what the last round read of the folder.
    async fn verify(&mut self, told: &mut impl FnMut(Progress)) -> Result<Vec<MovedTable>, MoveError> {
        let mut tables = Vec::with_capacity(TABLES.len());
        let (mut done, mut stored) = (0, 0);
        for (table, known) in TABLES.iter().zip(&self.known) {
            let differs = |what| MoveError::Differs { table: table.name, what };
            let (mut here, mut there, mut rows, mut low) = (Sha256::new(), Sha256::new(), 0, None);
            for block in known {
                let (count, digest) = self.target.digest(table, low, block.high.as_ref()).await?;
                here.update(block.digest);
                there.update(digest);
                rows += count;
                low = block.high.as_ref();
                told(Progress { table: table.name, done: done + rows, of: self.rows });
            }
            let digest: [u8; 32] = there.finalize().into();
            if digest != <[u8; 32]>::from(here.finalize()) {
                return Err(differs("the digests of its rows"));
            }
            let expected: u64 = known.iter().map(|block| block.rows).sum();
            if rows != expected || self.target.count(table).await? != expected {
                return Err(differs("the numbers of its rows"));
            }
            stored += self.source().count(table)?;
            done += rows;
            tables.push(MovedTable { name: table.name, rows, digest });
        }
        if stored != done + self.met.merged {
            return Err(MoveError::Differs { table: "hub.db", what: "the numbers of all rows" });
        }
        Ok(tables)
    }

    /// Counts messages and parcels on both sides; says how many of the folder's own counters were wrong.
    async fn verify_counters(&mut self) -> Result<u64, MoveError> {
        let there = self.target.counted().await?;
        let tallies = self.target.tallies().await?;
        let source = self.source();
        let here = source.counted()?;
        if here != there || tallies != there {
            return Err(MoveError::Differs { table: "tally", what: "what is counted" });
        }
        let kept = source.tallies()?;
        let wrong = here.iter().filter(|(what, count)| kept.get(what) != Some(count)).count()
            + kept.keys().filter(|what| !here.contains_key(what)).count();
        Ok(wrong as u64)
    }

    fn source(&self) -> std::sync::MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Every table and column of the folder is known, and is on the other side as well.
async fn same_tables(source: &Source, target: &mut Target) -> Result<(), MoveError> {
    let mut found = source.tables()?;
    for name in NOT_MOVED {
        found.remove(name);
    }
    for table in &TABLES {
        let mut known: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        let here = found.remove(table.name).unwrap_or_default();
        for mut columns in [here, target.columns(table).await?] {
            columns.sort_unstable();
            if columns != known {
                return Err(MoveError::Unknown { table: table.name.to_owned() });
            }
        }
    }
    match found.into_keys().next() {
        Some(table) => Err(MoveError::Unknown { table }),
        None => Ok(()),
    }
}
