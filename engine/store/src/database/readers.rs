//! The connections that read, and the rows they bring.

use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Decode, Postgres, Row, SqlSafeStr, SqlStr, Sqlite, Type};
use std::borrow::Cow;
use uuid::Uuid;

use super::{Dialect, Sql, Value};

/// The connections that read.
pub(crate) enum Readers {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A row that was read.
pub(crate) enum Record {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Readers {
    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Readers::Sqlite(_) => Dialect::Sqlite,
            Readers::Postgres(_) => Dialect::Postgres,
        }
    }

    /// A statement for this database.
    pub fn sql(&self, text: &'static str) -> Sql {
        Sql::new(self.dialect(), text)
    }

    /// All rows of a statement.
    pub async fn fetch_all(&self, sql: Sql) -> Result<Vec<Record>, sqlx::Error> {
        let Sql { text, values, .. } = sql;
        match self {
            Readers::Sqlite(pool) => {
                let rows = sqlx::query_with(words(text), for_sqlite(values)?).fetch_all(pool).await?;
                Ok(rows.into_iter().map(Record::Sqlite).collect())
            }
            Readers::Postgres(pool) => Ok(from_postgres(pool, text, &values).await?),
        }
    }

    /// The first row of a statement, if there is one.
    pub async fn fetch_optional(&self, sql: Sql) -> Result<Option<Record>, sqlx::Error> {
        let Sql { text, values, .. } = sql;
        match self {
            Readers::Sqlite(pool) => {
                let row = sqlx::query_with(words(text), for_sqlite(values)?).fetch_optional(pool).await?;
                Ok(row.map(Record::Sqlite))
            }
            Readers::Postgres(pool) => Ok(from_postgres(pool, text, &values).await?.into_iter().next()),
        }
    }

    /// The one row of a statement that always has one.
    pub async fn fetch_one(&self, sql: Sql) -> Result<Record, sqlx::Error> {
        self.fetch_optional(sql).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Whether they have been closed.
    pub fn is_closed(&self) -> bool {
        match self {
            Readers::Sqlite(pool) => pool.is_closed(),
            Readers::Postgres(pool) => pool.is_closed(),
        }
    }

    /// Closes all of them.
    pub async fn close(&self) {
        match self {
            Readers::Sqlite(pool) => pool.close().await,
            Readers::Postgres(pool) => pool.close().await,
        }
    }
}

/// Asks PostgreSQL; asks again where the connection turns out to be dead, which is seen only when it is used.
async fn from_postgres(
    pool: &PgPool,
    text: Cow<'static, str>,
    values: &[Value],
) -> Result<Vec<Record>, sqlx::Error> {
    let text = words(text);
    let mut left = pool.options().get_max_connections();
    loop {
        let asked = sqlx::query_with(text.clone(), for_postgres(values)?).fetch_all(pool).await;
        match asked {
            Err(sqlx::Error::Io(error)) if left > 0 && is_dead(&error) => left -= 1,
            asked => return Ok(asked?.into_iter().map(Record::Postgres).collect()),
        }
    }
}

fn is_dead(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset | ConnectionAborted)
}

fn words(text: Cow<'static, str>) -> SqlStr {
    match text {
        Cow::Borrowed(text) => SqlStr::from_static(text),
        // What comes from outside is bound, never pushed.
        Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
    }
}

fn for_sqlite(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Int(value) => arguments.add(value),
            Value::Text(text) => arguments.add(text.into_string()),
            Value::Shared(text) => arguments.add(text.to_string()),
            Value::Blob(bytes) => arguments.add(bytes.to_vec()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

pub(crate) fn for_postgres(values: &[Value]) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Int(value) => arguments.add(*value),
            Value::Text(_) | Value::Shared(_) => arguments.add(value.as_text()),
            Value::Blob(bytes) => arguments.add(&bytes[..]),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

impl Record {
    /// The value in a column.
    pub fn get<'r, T>(&'r self, column: usize) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Record::Sqlite(row) => row.try_get(column),
            Record::Postgres(row) => row.try_get(column),
        }
    }

    /// The id in a column, where there is one: 16 bytes.
    pub fn id_or_none(&self, column: usize) -> Result<Option<Uuid>, sqlx::Error> {
        let bytes: Option<&[u8]> = self.get(column)?;
        bytes.map(Uuid::from_slice).transpose().map_err(|error| sqlx::Error::Decode(error.into()))
    }

    /// The id in a column.
    pub fn id(&self, column: usize) -> Result<Uuid, sqlx::Error> {
        self.id_or_none(column)?.ok_or_else(|| sqlx::Error::Decode("an id is missing".into()))
    }
}
