//! Reads the SQLite side, block by block, through a connection that can only read.
//!
//! Each block is one short statement: no snapshot of the log is held while the other side writes, so that the hub's log does not
//! grow, however long the move takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use compact_str::CompactString;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use sha2::{Digest, Sha256};

use super::MoveError;
use super::places::Places;
use super::row::{Block, Key, Part, Row, RowDigest, convert, key_of, size_of};
use super::tables::{Holds, Table};
use crate::database::Value;

/// A block is closed after so many rows,
const ROWS: usize = 2_000;
/// or so many bytes, whichever comes first.
const BYTES: usize = 4 << 20;

/// The data folder that is moved from.
pub(super) struct Source {
    connection: Connection,
}

/// What a walk over a table hands on.
pub(super) enum Found {
    /// A block is as it was when it was last read.
    Same(Block),
    /// It is new or has changed: its rows, and the key after which they come.
    Changed { low: Option<Key>, block: Block, rows: Vec<Row> },
}

/// What was met on a walk over a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    /// Values that held something PostgreSQL cannot hold.
    pub replaced: u64,
    /// Rows that became the same as another by that.
    pub merged: u64,
}

/// A walk over a table.
struct Walk<'w> {
    table: &'w Table,
    places: &'w Places,
    /// Rows whose key was changed. It is larger than it was, so they belong to this block or a later one.
    later: BTreeMap<Key, Row>,
    met: Met,
}

impl Source {
    /// Opens the database of a data folder. It must be there.
    pub fn open(data_dir: &Path) -> Result<Self, MoveError> {
        let file = data_dir.join("hub.db");
        std::fs::metadata(&file).map_err(|source| MoveError::Folder { path: data_dir.to_owned(), source })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "cache_size", -32_768)?;
        Ok(Self { connection })
    }

    /// The version of its tables, and what tells this database from every other.
    pub fn identity(&self) -> Result<(i64, String), MoveError> {
        let mut statement = self.connection.prepare(
            "SELECT version, installed_on, execution_time, hex(checksum) FROM _sqlx_migrations ORDER BY version",
        )?;
        let mut rows = statement.query([])?;
        let (mut version, mut digest) = (0, Sha256::new());
        while let Some(row) = rows.next()? {
            version = row.get::<_, i64>(0)?;
            let (installed, took): (String, i64) = (row.get(1)?, row.get(2)?);
            digest.update(format!("{version} {installed} {took} {}\n", row.get::<_, String>(3)?));
        }
        let text = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Ok((version, text))
    }

    /// The names of its tables, each with its columns.
    pub fn tables(&self) -> Result<BTreeMap<String, Vec<String>>, MoveError> {
        let mut statement = self.connection.prepare(
            "SELECT t.name, c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c
             WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        )?;
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            found.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        Ok(found)
    }

    /// How many rows a table has.
    pub fn count(&self, table: &Table) -> Result<u64, MoveError> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        Ok(self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// The largest number a message has.
    pub fn last_message(&self) -> Result<i64, MoveError> {
        Ok(self.connection.query_row("SELECT coalesce(max(seq), 0) FROM message", [], |row| row.get(0))?)
    }

    /// Deals the messages out to stretches of this length at least.
    pub fn places(&self, usual_us: i64) -> Result<Places, MoveError> {
        let span: i64 = self.connection.query_row(
            "SELECT coalesce(max(received_us) - min(received_us), 0) FROM message",
            [],
            |row| row.get(0),
        )?;
        let long_us = Places::stretch_us(span, usual_us);
        let mut statement = self.connection.prepare(
            "SELECT seq, received_us FROM message WHERE seq > ?1 AND received_us >= ?2 ORDER BY seq LIMIT 1",
        )?;
        let (mut firsts, mut at, mut from_us, mut is_first) = (Vec::new(), 0_i64, i64::MIN, true);
        loop {
            let mut rows = statement.query((at, from_us))?;
            let Some(row) = rows.next()? else { return Ok(Places::new(firsts)) };
            at = row.get(0)?;
            from_us = row.get::<_, i64>(1)?.saturating_add(long_us);
            // The first message is in the first stretch, which begins at 0.
            if !std::mem::take(&mut is_first) {
                firsts.push(at);
            }
        }
    }

    /// How many messages of each channel, and parcels of each destination, are in each state: `(kind, word, state)`.
    pub fn counted(&self) -> Result<BTreeMap<(i64, i64, i64), i64>, MoveError> {
        self.counts(
            "SELECT 0, channel, state, count(*) FROM message GROUP BY channel, state
             UNION ALL SELECT 1, dest, state, count(*) FROM parcel GROUP BY dest, state",
        )
    }

    /// The same as the hub has kept it.
    pub fn tallies(&self) -> Result<BTreeMap<(i64, i64, i64), i64>, MoveError> {
        self.counts("SELECT kind, word, state, count FROM tally WHERE count <> 0")
    }

    fn counts(&self, sql: &str) -> Result<BTreeMap<(i64, i64, i64), i64>, MoveError> {
        let mut statement = self.connection.prepare(sql)?;
        let read = |row: &rusqlite::Row<'_>| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?));
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Walks over a table in the order of its key, in blocks that end where those of the last walk did, and hands each on. Comes
    /// back early when nobody takes them any more.
    pub fn walk(
        &self,
        table: &'static Table,
        places: &Places,
        known: &[Block],
        mut hand_on: impl FnMut(Found) -> bool,
    ) -> Result<(Vec<Block>, Met), MoveError> {
        let mut walk = Walk { table, places, later: BTreeMap::new(), met: Met::default() };
        let (mut blocks, mut low, mut known) =
            (Vec::with_capacity(known.len()), None, known.iter().peekable());
        loop {
            let until = known.peek().copied();
            let (block, rows) = walk.block(&self.connection, low.as_ref(), until)?;
            let is_same_stretch = until.is_some_and(|until| until.high == block.high);
            let is_same = is_same_stretch && until.is_some_and(|until| *until == block);
            if is_same_stretch {
                known.next();
            }
            let high = block.high.clone();
            blocks.push(block.clone());
            let found = if is_same { Found::Same(block) } else { Found::Changed { low, block, rows } };
            if !hand_on(found) || high.is_none() {
                return Ok((blocks, walk.met));
            }
            low = high;
        }
    }
}

impl Walk<'_> {
    /// The rows after a key: to the end of the known block, or to where a block is full.
    fn block(
        &mut self,
        connection: &Connection,
        low: Option<&Key>,
        until: Option<&Block>,
    ) -> Result<(Block, Vec<Row>), MoveError> {
        let table = self.table;
        // A known block has room to grow before it is cut in two.
        let most = if until.is_some() { 2 } else { 1 };
        let end = until.and_then(|until| until.high.as_ref());
        let after = low.map_or(String::new(), |_| {
            format!("WHERE ({}) > {} ", table.key_list(), table.key_places(1).replace('$', "?"))
        });
        let sql = format!(
            "SELECT {} FROM {} {after}ORDER BY {}",
            table.column_list(),
            table.name,
            table.key_list()
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut answers =
            statement.query(params_from_iter(low.into_iter().flat_map(|low| old_key(table, low))))?;
        let (mut rows, mut bytes, mut high) = (Vec::new(), 0, end.cloned());
        let mut is_full = false;
        while let Some(answer) = answers.next()? {
            let mut row = read(table, answer)?;
            let key = key_of(table, &row).ok_or(MoveError::Damaged { table: table.name })?;
            let is_beyond = end.is_some_and(|end| new_key(table, self.places, &key) > *end);
            if is_beyond {
                break;
            }
            let converted =
                convert(table, self.places, &mut row).ok_or(MoveError::Damaged { table: table.name })?;
            self.met.replaced += converted.replaced;
            let key = key_of(table, &row).ok_or(MoveError::Damaged { table: table.name })?;
            if converted.is_key_changed {
                self.met.merged += u64::from(self.later.insert(key, row).is_some());
                continue;
            }
            bytes += size_of(&row);
            rows.push((key, row));
            is_full = rows.len() >= ROWS * most || bytes >= BYTES * most;
            if is_full {
                break;
            }
        }
        if is_full {
            high = rows.last().map(|(key, _)| key.clone());
        }
        drop(answers);
        let rows = self.with_those_of_before(rows, high.as_ref());
        let mut digest = RowDigest::default();
        for row in &rows {
            digest.add(table, row).ok_or(MoveError::Damaged { table: table.name })?;
        }
        Ok((Block { high, rows: rows.len() as u64, digest: digest.end() }, rows))
    }

    /// Puts the rows whose key was changed where they belong now.
    fn with_those_of_before(&mut self, rows: Vec<(Key, Row)>, high: Option<&Key>) -> Vec<Row> {
        let here = match high {
            None => std::mem::take(&mut self.later),
            Some(high) => {
                let mut here = std::mem::take(&mut self.later);
                let mut beyond = here.split_off(high);
                if let Some(row) = beyond.remove(high) {
                    here.insert(high.clone(), row);
                }
                self.later = beyond;
                here
            }
        };
        if here.is_empty() {
            return rows.into_iter().map(|(_, row)| row).collect();
        }
        let mut all = here;
        for (key, row) in rows {
            self.met.merged += u64::from(all.insert(key, row).is_some());
        }
        all.into_values().collect()
    }
}

/// The values of a row as SQLite has them.
fn read(table: &Table, answer: &rusqlite::Row<'_>) -> Result<Row, MoveError> {
    let value = |column| {
        Ok(match answer.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Int(number),
            ValueRef::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|_| MoveError::Damaged { table: table.name })?;
                Value::Text(CompactString::new(text))
            }
            ValueRef::Blob(bytes) => Value::Blob(Bytes::copy_from_slice(bytes)),
            ValueRef::Real(_) => return Err(MoveError::Damaged { table: table.name }),
        })
    };
    (0..table.columns.len()).map(value).collect()
}

/// A key of PostgreSQL as it was on SQLite. Keys that were changed never bound a block.
fn old_key(table: &Table, key: &Key) -> Vec<Value> {
    let part = |((_, holds), part): (&(&str, Holds), &Part)| match part {
        Part::Int(number) if *holds == Holds::Place => Value::Int(Places::old_of(*number)),
        part => part.value(),
    };
    table.columns.iter().zip(key).map(part).collect()
}

/// A key of SQLite as it compares on PostgreSQL, its texts as they are.
fn new_key(table: &Table, places: &Places, key: &Key) -> Key {
    let part = |((_, holds), part): (&(&str, Holds), &Part)| match part {
        Part::Int(number) if *holds == Holds::Place => Part::Int(places.new_of(*number)),
        part => part.clone(),
    };
    table.columns.iter().zip(key).map(part).collect()
}
