//! The one place where the writer's statements run: rows are collected, and written by one prepared statement.
//!
//! The connection is called in the writer's own thread, so a statement costs what SQLite takes for it: a row at a time is
//! as cheap as many rows at once, and each statement is prepared once.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Params, Row, params_from_iter};

/// A value to bind.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(CompactString),
    Shared(Arc<str>),
    Blob(Bytes),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Int(i64::from(value))
    }
}
impl From<CompactString> for Value {
    fn from(value: CompactString) -> Self {
        Value::Text(value)
    }
}
impl From<&CompactString> for Value {
    fn from(value: &CompactString) -> Self {
        Value::Text(value.clone())
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.into())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value.into())
    }
}
impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Value::Shared(value)
    }
}
impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Value::Blob(value)
    }
}
impl From<uuid::Uuid> for Value {
    fn from(value: uuid::Uuid) -> Self {
        Value::Blob(Bytes::copy_from_slice(value.as_bytes()))
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Shared(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Runs a statement once; says how many rows changed.
pub(crate) fn run(
    connection: &Connection,
    statement: &'static str,
    values: impl Params,
) -> Result<usize, rusqlite::Error> {
    connection.prepare_cached(statement)?.execute(values)
}

/// Asks once and gathers the answers, so that what is written next does not disturb them.
pub(crate) fn all<T>(
    connection: &Connection,
    statement: &'static str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T, rusqlite::Error>,
) -> Result<Vec<T>, rusqlite::Error> {
    connection.prepare_cached(statement)?.query_map(values, read)?.collect()
}

/// Does what `work` does in one durable transaction, whole or not at all.
pub(crate) fn transaction<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, rusqlite::Error>,
) -> Result<T, rusqlite::Error> {
    run(connection, "BEGIN IMMEDIATE", [])?;
    let done = work().and_then(|done| run(connection, "COMMIT", []).map(|_| done));
    if done.is_err() && !connection.is_autocommit() {
        // The first error is the one that tells; when this one fails too, the connection is given up.
        run(connection, "ROLLBACK", []).ok();
    }
    done
}

/// A statement that takes rows.
pub(crate) struct Shape {
    /// The text before the row.
    pub before: &'static str,
    /// How many values a row has.
    pub columns: usize,
    /// The text after the row.
    pub after: &'static str,
}

impl Shape {
    /// `before` (?,?) `after`.
    fn text(&self) -> String {
        format!("{}({}){}", self.before, vec!["?"; self.columns].join(","), self.after)
    }
}

/// Rows waiting for their statement.
pub(crate) struct Rows {
    shape: &'static Shape,
    values: Vec<Value>,
}

impl Rows {
    /// No rows yet.
    pub fn new(shape: &'static Shape) -> Self {
        Self { shape, values: Vec::new() }
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.shape.columns, "a row of `{}`", self.shape.before);
        self.values.extend(row);
    }

    /// Writes all rows in their order.
    pub fn write(self, connection: &Connection) -> Result<(), rusqlite::Error> {
        if self.values.is_empty() {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(&self.shape.text())?;
        for row in self.values.chunks_exact(self.shape.columns) {
            statement.execute(params_from_iter(row))?;
        }
        Ok(())
    }

    /// Asks with all rows and gathers the answers.
    pub fn ask<T>(
        self,
        connection: &Connection,
        mut read: impl FnMut(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Vec<T>, rusqlite::Error> {
        let mut found = Vec::new();
        if self.values.is_empty() {
            return Ok(found);
        }
        let mut statement = connection.prepare_cached(&self.shape.text())?;
        for row in self.values.chunks_exact(self.shape.columns) {
            let mut answers = statement.query(params_from_iter(row))?;
            while let Some(answer) = answers.next()? {
                found.push(read(answer)?);
            }
        }
        Ok(found)
    }
}
