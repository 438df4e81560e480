//! The writer's connections: how they are opened and what they are told.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use tokio::runtime::Runtime;

use crate::database::{self, DatabaseError, LOOKING_UP, PostgresLink};
use crate::writer::checkpoint::Checkpoints;

/// How long a statement waits for a reader that is in the way of starting the log anew.
pub(super) const BUSY: Duration = Duration::from_millis(250);
/// More statements than the writer has, so that each is prepared once.
const STATEMENTS: usize = 128;

/// The log's file is cut to this when it begins anew: a reader of minutes, a backup, may have let it become far longer.
const LOG_BYTES: i64 = 256 << 20;

/// What PostgreSQL is told of the writing connection, besides [`LOOKING_UP`].
const WRITING: [(&str, &str); 2] = [
    // Durable when it is answered, whatever the server's default.
    ("synchronous_commit", "on"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// The way to the database.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    Sqlite(WriterOptions),
    Postgres(Box<PgConnectOptions>),
}

impl Way {
    /// Opens the writing connection, on the writer's thread.
    pub fn connect(&self, runtime: &Rc<Runtime>) -> Result<database::Connection, DatabaseError> {
        match self {
            Way::Sqlite(options) => Ok(database::Connection::Sqlite(options.connect()?)),
            Way::Postgres(options) => {
                let options = options.as_ref().clone().options(LOOKING_UP).options(WRITING);
                let connection = runtime.block_on(options.connect())?;
                let link = PostgresLink::new(Rc::clone(runtime), connection);
                Ok(database::Connection::Postgres(link))
            }
        }
    }

    /// Starts what copies the log of SQLite into its file.
    pub fn checkpoints(&self) -> std::io::Result<Option<Checkpoints>> {
        let Way::Sqlite(options) = self else { return Ok(None) };
        let connection = options.connect_for_checkpoints().map_err(std::io::Error::other)?;
        Checkpoints::start(connection, options.log()).map(Some)
    }
}

/// What the writing connection is opened with.
#[derive(Clone, Debug)]
pub(crate) struct WriterOptions {
    /// The database. It is there: migrations have made it.
    pub file: PathBuf,
    /// The page cache, in KiB.
    pub cache_kib: u64,
    /// How large the database may become.
    pub max_bytes: Option<u64>,
}

impl WriterOptions {
    /// Opens the writing connection.
    pub fn connect(&self) -> Result<Connection, rusqlite::Error> {
        let connection = self.connect_for_checkpoints()?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // SQLite takes a size in KiB as a negative number.
        connection.pragma_update(None, "cache_size", -i64::try_from(self.cache_kib).unwrap_or(i64::MAX))?;
        // It answers with what it was set to.
        connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
        if let Some(bytes) = self.max_bytes {
            // Each database keeps the page size it was made with.
            let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = (i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1)).max(1);
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        Ok(connection)
    }

    /// Opens a connection that only checkpoints.
    pub fn connect_for_checkpoints(&self) -> Result<Connection, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Durable when it is answered: each transaction is one `fsync` of the log.
        connection.pragma_update(None, "synchronous", "FULL")?;
        // The log is copied by the checkpointing thread, not by whoever makes it long. Answers with the number.
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
        Ok(connection)
    }

    /// The database's log.
    pub fn log(&self) -> PathBuf {
        self.file.with_extension("db-wal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_is_durable_and_does_not_checkpoint_by_itself() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("hub.db");
        let made = Connection::open(&file).unwrap();
        made.pragma_update(None, "page_size", 8_192).unwrap();
        made.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER)").unwrap();
        let options = WriterOptions { file, cache_kib: 2_048, max_bytes: Some(1 << 20) };
        let connection = options.connect().unwrap();
        let told =
            |pragma: &str| -> i64 { connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap() };
        assert_eq!(told("synchronous"), 2);
        assert_eq!(told("wal_autocheckpoint"), 0);
        assert_eq!(told("journal_size_limit"), 256 << 20);
        assert_eq!(told("cache_size"), -2_048);
        assert_eq!(told("temp_store"), 2);
        // A database keeps its page size; the bound is in bytes all the same.
        assert_eq!(told("max_page_count"), 128);
    }
}
