//! The one place where the writer's statements run: rows are collected, and written by one prepared statement.
//!
//! SQLite is called in the writer's own thread, so a row at a time is as cheap as many rows at once; PostgreSQL takes all rows
//! of a statement at once, as one array a column.

use rusqlite::params_from_iter;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, AssertSqlSafe, SqlSafeStr, SqlStr};

use super::{Connection, DatabaseError, Line, Value};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Blob,
    /// A JSON text, which PostgreSQL keeps as `jsonb`.
    Json,
    /// The words of a text, which PostgreSQL keeps with their places.
    Words,
}

/// A statement that takes rows.
pub(crate) struct Shape {
    /// The text before the row: it ends with `VALUES ` or with `= `.
    pub before: &'static str,
    /// The values a row has.
    pub columns: &'static [Kind],
    /// The text after the row.
    pub after: &'static str,
    /// What PostgreSQL is told besides, at the end: which rows it locks, in which order.
    pub locks: &'static str,
}

impl Shape {
    /// `before` (?,?) `after`.
    fn for_sqlite(&self) -> String {
        format!("{}({}){}", self.before, vec!["?"; self.columns.len()].join(","), self.after)
    }

    /// The same over arrays: `before` SELECT * FROM unnest($1::int8[], ...) `after`; so many places come before its own.
    fn for_postgres(&self, places: usize) -> String {
        let arrays = self.columns.iter().enumerate().map(|(at, kind)| {
            let place = places + at + 1;
            match kind {
                Kind::Int => format!("${place}::int8[]"),
                Kind::Text => format!("${place}::text[]"),
                Kind::Blob => format!("${place}::bytea[]"),
                Kind::Json => format!("${place}::text[]::jsonb[]"),
                Kind::Words => format!("${place}::text[]::tsvector[]"),
            }
        });
        let rows = format!("SELECT * FROM unnest({})", arrays.collect::<Vec<_>>().join(", "));
        let text = match (self.before.strip_suffix("VALUES "), self.before.strip_suffix("= ")) {
            (Some(before), _) => format!("{before}{rows}{}", self.after),
            (None, Some(before)) => format!("{before}IN ({rows}){}", self.after),
            (None, None) => format!("{}{rows}{}", self.before, self.after),
        };
        format!("{text}{}", self.locks)
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
        debug_assert_eq!(N, self.shape.columns.len(), "a row of `{}`", self.shape.before);
        self.values.extend(row);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Writes all rows in their order.
    pub fn write(self, connection: &Connection) -> Result<(), DatabaseError> {
        if self.values.is_empty() {
            return Ok(());
        }
        match connection {
            Connection::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&self.shape.for_sqlite())?;
                for row in self.values.chunks_exact(self.shape.columns.len()) {
                    statement.execute(params_from_iter(row))?;
                }
            }
            Connection::Postgres(link) => {
                let mut arrays = PgArguments::default();
                self.add_arrays(&mut arrays)?;
                link.execute(self.words(), arrays)?;
            }
        }
        Ok(())
    }

    /// Asks with all rows and gathers the answers.
    pub fn ask<T>(
        self,
        connection: &Connection,
        mut read: impl FnMut(&Line<'_>) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        let mut found = Vec::new();
        if self.values.is_empty() {
            return Ok(found);
        }
        match connection {
            Connection::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&self.shape.for_sqlite())?;
                for row in self.values.chunks_exact(self.shape.columns.len()) {
                    let mut answers = statement.query(params_from_iter(row))?;
                    while let Some(answer) = answers.next()? {
                        found.push(read(&Line::Sqlite(answer))?);
                    }
                }
            }
            Connection::Postgres(link) => {
                let mut arrays = PgArguments::default();
                self.add_arrays(&mut arrays)?;
                for row in link.fetch(self.words(), arrays)? {
                    found.push(read(&Line::Postgres(&row))?);
                }
            }
        }
        Ok(found)
    }

    fn words(&self) -> SqlStr {
        AssertSqlSafe(self.shape.for_postgres(0)).into_sql_str()
    }

    /// One array a column.
    fn add_arrays(&self, arguments: &mut PgArguments) -> Result<(), DatabaseError> {
        let width = self.shape.columns.len();
        for (at, kind) in self.shape.columns.iter().enumerate() {
            let column = self.values.iter().skip(at).step_by(width);
            match kind {
                Kind::Int => arguments.add(column.map(Value::as_int).collect::<Vec<_>>()),
                Kind::Text => arguments.add(column.map(Value::as_text).collect::<Vec<_>>()),
                Kind::Json => arguments.add(column.map(Value::as_json).collect::<Vec<_>>()),
                Kind::Words => arguments.add(column.map(Value::as_words).collect::<Vec<_>>()),
                Kind::Blob => arguments.add(column.map(Value::as_bytes).collect::<Vec<_>>()),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(())
    }
}

/// Statements of which none reads what another writes and no two write the same row. PostgreSQL takes them as one, which is one way there
/// and back for all of them.
#[derive(Default)]
pub(crate) struct Together(Vec<Rows>);

impl Together {
    /// One more.
    pub fn add(&mut self, rows: Rows) {
        if !rows.is_empty() {
            self.0.push(rows);
        }
    }

    /// Writes the rows of all.
    pub fn write(self, connection: &Connection) -> Result<(), DatabaseError> {
        match connection {
            Connection::Postgres(link) if self.0.len() > 1 => {
                link.execute(self.words("SELECT 1"), self.arrays()?)?;
            }
            Connection::Sqlite(_) | Connection::Postgres(_) => {
                for rows in self.0 {
                    rows.write(connection)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the rows of all, and of one more which answers.
    pub fn ask<T>(
        mut self,
        connection: &Connection,
        last: Rows,
        mut read: impl FnMut(&Line<'_>) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        if let Connection::Postgres(link) = connection
            && !self.0.is_empty()
            && !last.is_empty()
        {
            let end = format!("SELECT * FROM s{}", self.0.len());
            self.0.push(last);
            let lines = link.fetch(self.words(&end), self.arrays()?)?;
            return lines.iter().map(|line| read(&Line::Postgres(line))).collect();
        }
        self.write(connection)?;
        last.ask(connection, read)
    }

    /// Each statement as a part `s0`, `s1`... of one.
    fn words(&self, end: &str) -> SqlStr {
        let (mut text, mut places) = (String::from("WITH "), 0);
        for (at, rows) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            text.push_str(&format!("{comma}s{at} AS ({})", rows.shape.for_postgres(places)));
            places += rows.shape.columns.len();
        }
        AssertSqlSafe(format!("{text} {end}")).into_sql_str()
    }

    fn arrays(&self) -> Result<PgArguments, DatabaseError> {
        let mut arguments = PgArguments::default();
        for rows in &self.0 {
            rows.add_arrays(&mut arguments)?;
        }
        Ok(arguments)
    }
}
