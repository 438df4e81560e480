//! The writer's connection, called from the writer's own thread, and the lines it answers with.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hub_core::cluster::Company;
use rusqlite::params_from_iter;
use rusqlite::types::FromSql;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, Decode, Postgres, Row, SqlSafeStr, SqlStr, Type};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::readers::for_postgres;
use super::{DatabaseError, Dialect, Sql, Value};

/// The writer's connection.
///
/// SQLite is called in this thread. PostgreSQL is called through a runtime of this thread, which waits for each answer.
pub(crate) enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(PostgresLink),
}

/// A connection to PostgreSQL that is called as if it answered at once.
pub(crate) struct PostgresLink {
    pub(super) runtime: Rc<Runtime>,
    pub(super) connection: RefCell<PgConnection>,
}

const NUMBERS: &str = "
    SELECT ARRAY(SELECT nextval('message_seq') FROM generate_series(1, $2)),
           ARRAY(SELECT nextval('resource_rid') FROM generate_series(1, $3)),
           ARRAY(SELECT nextval('parcel_seq') FROM generate_series(1, $4)),
           (SELECT count(*) > 1 FROM node), (SELECT sum(number)::bigint FROM node),
           (SELECT CASE WHEN count(CASE WHEN whole THEN pg_advisory_xact_lock(name)
                                        ELSE pg_advisory_xact_lock_shared(name) END) >= 0
                   THEN floor(extract(epoch FROM clock_timestamp()) * 1000000)::int8 END
            FROM unnest($5::int8[], $6::bool[]) AS w(name, whole))
    FROM node n WHERE n.number = $1 FOR KEY SHARE OF n";

/// Advisory locks by their names: whether a lock is wanted whole, or shared with all who do not want it whole.
pub(crate) type Locks = BTreeMap<i64, bool>;

/// A line of an answer.
pub(crate) enum Line<'l> {
    Sqlite(&'l rusqlite::Row<'l>),
    Postgres(&'l PgRow),
}

/// What can be read of a line.
pub(crate) trait Cell: FromSql + for<'r> Decode<'r, Postgres> + Type<Postgres> {}
impl<T: FromSql + for<'r> Decode<'r, Postgres> + Type<Postgres>> Cell for T {}

impl Line<'_> {
    /// The value in a column.
    pub fn get<T: Cell>(&self, column: usize) -> Result<T, DatabaseError> {
        match self {
            Line::Sqlite(row) => Ok(row.get(column)?),
            Line::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// The 16 bytes in a column, where there are some.
    pub fn bytes_or_none(&self, column: usize) -> Result<Option<[u8; 16]>, DatabaseError> {
        let bytes: Option<Vec<u8>> = self.get(column)?;
        let bytes = bytes.map(|bytes| <[u8; 16]>::try_from(bytes.as_slice()));
        bytes.transpose().map_err(|_| DatabaseError::Missing("an id or digest of 16 bytes"))
    }

    /// The id in a column, where there is one.
    pub fn id_or_none(&self, column: usize) -> Result<Option<Uuid>, DatabaseError> {
        Ok(self.bytes_or_none(column)?.map(Uuid::from_bytes))
    }

    /// The id in a column.
    pub fn id(&self, column: usize) -> Result<Uuid, DatabaseError> {
        self.id_or_none(column)?.ok_or(DatabaseError::Missing("an id"))
    }
}

impl Connection {
    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Connection::Sqlite(_) => Dialect::Sqlite,
            Connection::Postgres(_) => Dialect::Postgres,
        }
    }

    /// A transaction is begun and not ended.
    fn is_in_transaction(&self) -> bool {
        match self {
            Connection::Sqlite(connection) => !connection.is_autocommit(),
            // It warns when there is none, and does no harm.
            Connection::Postgres(_) => true,
        }
    }
}

impl PostgresLink {
    /// A link over a connection that this thread's runtime has made.
    pub fn new(runtime: Rc<Runtime>, connection: PgConnection) -> Self {
        Self { runtime, connection: RefCell::new(connection) }
    }

    pub(super) fn execute(&self, text: SqlStr, arguments: PgArguments) -> Result<u64, DatabaseError> {
        let mut connection = self.connection.borrow_mut();
        let done = self.runtime.block_on(sqlx::query_with(text, arguments).execute(&mut *connection))?;
        Ok(done.rows_affected())
    }

    pub(super) fn fetch(&self, text: SqlStr, arguments: PgArguments) -> Result<Vec<PgRow>, DatabaseError> {
        let mut connection = self.connection.borrow_mut();
        Ok(self.runtime.block_on(sqlx::query_with(text, arguments).fetch_all(&mut *connection))?)
    }

    /// So many numbers of messages, resources and parcels, of the sequences all nodes share; and takes advisory locks, in the order of
    /// their names, to the end of the transaction.
    ///
    /// The row of the node is held to the end of the transaction: whoever takes it for dead deletes it, and has to wait for
    /// what it is writing. When it is gone, nothing is written any more.
    pub fn numbers(
        &self,
        node: i64,
        wanted: [u64; 3],
        locks: &Locks,
    ) -> Result<([Vec<i64>; 3], Company, i64), DatabaseError> {
        let mut arguments = vec![Value::Int(node)];
        arguments.extend(wanted.map(Value::from));
        let mut arguments = for_postgres(&arguments)?;
        arguments.add(locks.keys().copied().collect::<Vec<i64>>()).map_err(sqlx::Error::Encode)?;
        arguments.add(locks.values().copied().collect::<Vec<bool>>()).map_err(sqlx::Error::Encode)?;
        let rows = self.fetch(SqlStr::from_static(NUMBERS), arguments)?;
        let row = rows.first().ok_or(DatabaseError::Fenced)?;
        let company = Company { has_others: row.try_get(3)?, generation: row.try_get(4)? };
        Ok(([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?], company, row.try_get(5)?))
    }

    /// Begins, commits or rolls back.
    fn simple(&self, text: &'static str) -> Result<(), DatabaseError> {
        let mut connection = self.connection.borrow_mut();
        self.runtime.block_on(sqlx::raw_sql(text).execute(&mut *connection))?;
        Ok(())
    }

    /// Says goodbye.
    pub fn close(self) {
        let Self { runtime, connection } = self;
        // An error means that it is gone, which is what is wanted.
        runtime.block_on(connection.into_inner().close()).ok();
    }
}

/// The places of a statement, `?1`, as PostgreSQL writes them.
fn places(statement: &str) -> SqlStr {
    AssertSqlSafe(statement.replace('?', "$")).into_sql_str()
}

/// Runs a statement once; says how many rows changed.
pub(crate) fn run(
    connection: &Connection,
    statement: &'static str,
    values: &[Value],
) -> Result<u64, DatabaseError> {
    match connection {
        Connection::Sqlite(connection) => {
            Ok(connection.prepare_cached(statement)?.execute(params_from_iter(values))? as u64)
        }
        Connection::Postgres(link) => link.execute(places(statement), for_postgres(values)?),
    }
}

/// Asks once and gathers the answers, so that what is written next does not disturb them.
pub(crate) fn all<T>(
    connection: &Connection,
    statement: &'static str,
    values: &[Value],
    read: impl FnMut(&Line<'_>) -> Result<T, DatabaseError>,
) -> Result<Vec<T>, DatabaseError> {
    gather(connection, statement, || places(statement), values, read)
}

/// Asks a statement that was put together for reading, in the writer's own transaction.
pub(crate) fn asked<T>(
    connection: &Connection,
    sql: &Sql,
    read: impl FnMut(&Line<'_>) -> Result<T, DatabaseError>,
) -> Result<Vec<T>, DatabaseError> {
    // SQLite numbers its places in the order in which they stand.
    let for_postgres = || AssertSqlSafe(sql.text.clone().into_owned()).into_sql_str();
    gather(connection, &sql.text, for_postgres, &sql.values, read)
}

fn gather<T>(
    connection: &Connection,
    for_sqlite: &str,
    text: impl FnOnce() -> SqlStr,
    values: &[Value],
    mut read: impl FnMut(&Line<'_>) -> Result<T, DatabaseError>,
) -> Result<Vec<T>, DatabaseError> {
    let mut found = Vec::new();
    match connection {
        Connection::Sqlite(connection) => {
            let mut statement = connection.prepare_cached(for_sqlite)?;
            let mut answers = statement.query(params_from_iter(values))?;
            while let Some(answer) = answers.next()? {
                found.push(read(&Line::Sqlite(answer))?);
            }
        }
        Connection::Postgres(link) => {
            for row in link.fetch(text(), for_postgres(values)?)? {
                found.push(read(&Line::Postgres(&row))?);
            }
        }
    }
    Ok(found)
}

/// Does what `work` does in one durable transaction, whole or not at all.
pub(crate) fn transaction<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    let simple = |words: &'static str| match connection {
        Connection::Sqlite(_) => run(connection, words, &[]).map(|_| ()),
        Connection::Postgres(link) => link.simple(words),
    };
    simple(match connection {
        Connection::Sqlite(_) => "BEGIN IMMEDIATE",
        Connection::Postgres(_) => "BEGIN",
    })?;
    let done = work().and_then(|done| simple("COMMIT").map(|()| done));
    if done.is_err() && connection.is_in_transaction() {
        // The first error is the one that tells; when this one fails too, the connection is given up.
        simple("ROLLBACK").ok();
    }
    done
}
