//! Rows as both databases hold them, their keys, and the digests by which they are compared.

use bytes::Bytes;
use compact_str::CompactString;
use sha2::{Digest, Sha256};

use super::places::Places;
use super::tables::{Holds, Table};
use crate::database::Value;
use crate::entries::{from_json, to_json};

/// A row, in the order of the table's columns.
pub(super) type Row = Vec<Value>;

/// A value of a key. Numbers and texts never meet in one column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Int(i64),
    Text(CompactString),
}

/// The key of a row, ordered as both databases order it: texts by their bytes.
pub(super) type Key = Vec<Part>;

/// Rows of a stretch of a table: after one key, up to and with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The last key that belongs to it; `None`: to the end of the table.
    pub high: Option<Key>,
    pub rows: u64,
    pub digest: [u8; 32],
}

impl Part {
    /// As it is bound.
    pub fn value(&self) -> Value {
        match self {
            Part::Int(number) => Value::Int(*number),
            Part::Text(text) => Value::Text(text.clone()),
        }
    }
}

/// The key of a row; `None` when it is not one.
pub(super) fn key_of(table: &Table, row: &[Value]) -> Option<Key> {
    let part = |value: &Value| match value {
        Value::Int(number) => Some(Part::Int(*number)),
        Value::Text(text) => Some(Part::Text(text.clone())),
        Value::Null | Value::Shared(_) | Value::Blob(_) => None,
    };
    row.get(..table.key)?.iter().map(part).collect()
}

/// What became of a row on its way.
pub(super) struct Converted {
    /// How many of its values held something PostgreSQL cannot hold.
    pub replaced: u64,
    /// One of them belongs to its key.
    pub is_key_changed: bool,
}

/// Makes a row of SQLite one of PostgreSQL, as the writer would have written it there. `None` when a value is not what it must be.
pub(super) fn convert(table: &Table, places: &Places, row: &mut Row) -> Option<Converted> {
    let mut converted = Converted { replaced: 0, is_key_changed: false };
    let what = table.columns.iter().position(|(name, _)| *name == "what").and_then(|at| row.get(at));
    let is_by_ids = what.and_then(Value::as_text).is_some_and(|what| what.starts_with('['));
    for (at, ((_, holds), value)) in table.columns.iter().zip(row.iter_mut()).enumerate() {
        let next = match (&*value, holds) {
            (Value::Null, _) | (Value::Int(_), Holds::Int) | (Value::Blob(_), Holds::Blob) => continue,
            (Value::Int(_), Holds::ReplayPlace) if is_by_ids => continue,
            (Value::Int(seq), Holds::Place | Holds::ReplayPlace) => Value::Int(places.new_of(*seq)),
            (Value::Text(text), Holds::Text) => {
                if !text.contains('\0') {
                    continue;
                }
                converted.replaced += 1;
                converted.is_key_changed |= at < table.key;
                Value::Text(value.as_text()?.into())
            }
            (Value::Text(text), Holds::SearchRows) => {
                let taken = value.as_json()?;
                converted.replaced += u64::from(taken != text.as_str());
                Value::Text(taken.into())
            }
            _ => return None,
        };
        *value = next;
    }
    Some(converted)
}

/// The digest of rows in their order.
#[derive(Default)]
pub(super) struct RowDigest(Sha256);

impl RowDigest {
    /// Takes a row in. `None` when its search rows cannot be read.
    ///
    /// Search rows are compared by what they say: PostgreSQL writes JSON in its own order.
    pub fn add(&mut self, table: &Table, row: &[Value]) -> Option<()> {
        for ((_, holds), value) in table.columns.iter().zip(row) {
            match value {
                Value::Null => self.0.update([0]),
                Value::Int(number) => {
                    self.0.update([1]);
                    self.0.update(number.to_be_bytes());
                }
                Value::Blob(bytes) => self.bytes(3, bytes),
                Value::Text(text) if *holds == Holds::SearchRows => {
                    self.bytes(4, to_json(&from_json(text)?).as_bytes());
                }
                Value::Text(text) => self.bytes(2, text.as_bytes()),
                Value::Shared(text) => self.bytes(2, text.as_bytes()),
            }
        }
        Some(())
    }

    fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.0.update([tag]);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    pub fn end(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The digest of one row.
pub(super) fn digest_of(table: &Table, row: &[Value]) -> Option<[u8; 32]> {
    let mut digest = RowDigest::default();
    digest.add(table, row)?;
    Some(digest.end())
}

/// How much memory a row takes, roughly.
pub(super) fn size_of(row: &[Value]) -> usize {
    let size = |value: &Value| match value {
        Value::Null | Value::Int(_) => 16,
        Value::Text(text) => 16 + text.len(),
        Value::Shared(text) => 16 + text.len(),
        Value::Blob(bytes) => 16 + Bytes::len(bytes),
    };
    row.iter().map(size).sum()
}
