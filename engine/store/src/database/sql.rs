//! A statement that reads, as it is put together, with its values.

use std::borrow::Cow;
use std::fmt::{Display, Write};

use super::{Dialect, Value};

/// A statement with its values.
#[derive(Clone)]
pub(crate) struct Sql {
    /// Whose words it is written in.
    pub dialect: Dialect,
    pub(super) text: Cow<'static, str>,
    pub(super) values: Vec<Value>,
}

impl std::fmt::Debug for Sql {
    /// Values may name a patient.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sql({})", self.text)
    }
}

impl Sql {
    /// A statement that begins with these words.
    pub fn new(dialect: Dialect, text: &'static str) -> Self {
        Self { dialect, text: Cow::Borrowed(text), values: Vec::new() }
    }

    /// Adds words. Never what a sender chose: that is bound.
    pub fn push(&mut self, words: impl Display) -> &mut Self {
        write!(self.text.to_mut(), "{words}").expect("writing to a string succeeds");
        self
    }

    /// Adds a place for a value.
    pub fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        match value.into() {
            // It has no type of its own, which PostgreSQL would ask for.
            Value::Null => self.push("NULL"),
            value => {
                self.values.push(value);
                let place = self.values.len();
                self.push(format_args!("${place}"))
            }
        }
    }

    /// Adds how many rows are wanted. SQLite prepares a statement anew for each value of a place that its planner looks at, as it does
    /// at a bare `LIMIT ?`; behind a sum it does not look.
    pub fn push_limit(&mut self, rows: impl Into<Value>) -> &mut Self {
        self.push(" LIMIT ").push_bind(rows).push(" + 0")
    }

    /// Takes a value whose place is pushed later; says how it is written.
    pub fn hold(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Adds places for several values, with commas between them.
    pub fn push_list<T: Into<Value>>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.push_bind(value);
        }
        self
    }

    /// Gives the next place of words that are there already (`$1`) its value.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    fn prepared_anew(sql: &Sql) -> i32 {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        let mut statement = connection.prepare(&sql.text).unwrap();
        for rows in 1..4 {
            let found = statement.query_map([rows], |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(found.count(), 0);
        }
        statement.get_status(StatementStatus::RePrepare)
    }

    #[test]
    fn a_statement_is_not_prepared_anew_for_another_limit() {
        let mut limited = Sql::new(Dialect::Sqlite, "SELECT n FROM t");
        limited.push_limit(1_i64);
        assert_eq!(prepared_anew(&limited), 0);
        let mut bare = Sql::new(Dialect::Sqlite, "SELECT n FROM t LIMIT ");
        bare.push_bind(1_i64);
        assert!(
            prepared_anew(&bare) > 0,
            "SQLite does not look at a limit any more: push_limit need not hide it"
        );
    }
}
