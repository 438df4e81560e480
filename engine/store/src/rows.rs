//! Many rows in few statements.
//!
//! A statement costs sqlx about 30 microseconds whatever it does, so rows are collected and written by multi-row
//! statements. The sizes are powers of two, so that few statements are prepared and all of them stay prepared.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Executor};

/// At most so many rows go into one statement.
const LARGEST: usize = 256;
/// At most so many values: SQLite allows 32,766, but preparing takes the square of it.
const MOST_VALUES: usize = 1_024;

/// A value to bind.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(CompactString),
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

/// Adds a value to a statement's arguments.
fn bind(arguments: &mut SqliteArguments, value: Value) -> Result<(), sqlx::Error> {
    let added = match value {
        Value::Null => arguments.add(None::<i64>),
        Value::Int(value) => arguments.add(value),
        Value::Text(text) => arguments.add(text.as_str()),
        Value::Blob(bytes) => arguments.add(bytes.as_ref()),
    };
    added.map_err(sqlx::Error::Encode)
}

/// The texts of multi-row statements, built once each.
#[derive(Default)]
pub(crate) struct Texts(HashMap<(&'static str, &'static str, usize), Arc<str>>);

impl Texts {
    /// `before` (?,?),(?,?) `after`. Places are anonymous because binding by name costs a look-up for each value; the
    /// statements a person writes have `$1`.
    fn get(&mut self, shape: &Shape, rows: usize) -> Arc<str> {
        let text = self.0.entry((shape.before, shape.after, rows)).or_insert_with(|| {
            let row = format!("({})", vec!["?"; shape.columns].join(","));
            let rows = vec![row; rows].join(",");
            match shape.before.strip_suffix("VALUES ").filter(|before| before.starts_with("INSERT")) {
                // Rows of nulls fill a statement up: no table begins with a column that may be null.
                Some(into) => format!("{into} SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL{}", shape.after),
                None => format!("{}{rows}{}", shape.before, shape.after),
            }
            .into()
        });
        Arc::clone(text)
    }
}

/// A statement that takes a list of rows.
pub(crate) struct Shape {
    /// The text before the rows.
    pub before: &'static str,
    /// How many values a row has.
    pub columns: usize,
    /// The text after the rows.
    pub after: &'static str,
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

    /// Writes all rows; says how many rows of the database changed. The last statement is filled up with rows of nulls,
    /// which write nothing: each statement costs a hop to SQLite's thread and back, and a few sizes are prepared once each.
    pub async fn write(
        self,
        connection: &mut SqliteConnection,
        texts: &mut Texts,
    ) -> Result<u64, sqlx::Error> {
        let mut changed = 0;
        let mut left = self.values.len() / self.shape.columns;
        let mut values = self.values.into_iter();
        while left > 0 {
            let rows = padded(left, self.shape.columns);
            let mut arguments = SqliteArguments::default();
            arguments.reserve(rows * self.shape.columns, 0);
            for _ in 0..rows * self.shape.columns {
                bind(&mut arguments, values.next().unwrap_or(Value::Null))?;
            }
            let text = AssertSqlSafe(texts.get(self.shape, rows));
            changed += connection.execute(sqlx::query_with(text, arguments)).await?.rows_affected();
            left = left.saturating_sub(rows);
        }
        Ok(changed)
    }

    /// Asks with all rows and gathers the answers. The last statement is filled up with rows of nulls, which find
    /// nothing: one statement instead of several.
    pub async fn ask(
        self,
        connection: &mut SqliteConnection,
        texts: &mut Texts,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let mut found = Vec::new();
        let mut left = self.values.len() / self.shape.columns;
        let mut values = self.values.into_iter();
        while left > 0 {
            let rows = padded(left, self.shape.columns);
            let mut arguments = SqliteArguments::default();
            arguments.reserve(rows * self.shape.columns, 0);
            for _ in 0..rows * self.shape.columns {
                bind(&mut arguments, values.next().unwrap_or(Value::Null))?;
            }
            let text = AssertSqlSafe(texts.get(self.shape, rows));
            found.extend(connection.fetch_all(sqlx::query_with(text, arguments)).await?);
            left = left.saturating_sub(rows);
        }
        Ok(found)
    }
}

/// The most rows of so many columns that go into one statement: a power of two.
fn most(columns: usize) -> usize {
    let fits = (MOST_VALUES / columns).clamp(1, LARGEST);
    if fits.is_power_of_two() { fits } else { fits.next_power_of_two() / 2 }
}

/// How many rows the next statement has for `left` rows: 1, 4, 16 and so on, so that few statements are prepared.
fn padded(left: usize, columns: usize) -> usize {
    let mut rows = 1;
    while rows < left {
        rows *= 4;
    }
    rows.min(most(columns))
}
