//! The writer's connections: how they are opened and what they are told.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// How long a statement waits for a reader that is in the way of starting the log anew.
const BUSY: Duration = Duration::from_millis(250);
/// More statements than the writer has, so that each is prepared once.
const STATEMENTS: usize = 128;

/// What the writing connection is opened with.
#[derive(Clone, Debug)]
pub(crate) struct WriterOptions {
    /// The database. It is there: migrations have made it.
    pub file: PathBuf,
    /// The page cache, in KiB.
    pub cache_kib: u64,
    /// How many pages the database may have.
    pub most_pages: Option<u64>,
}

impl WriterOptions {
    /// Opens the writing connection.
    pub fn connect(&self) -> Result<Connection, rusqlite::Error> {
        let connection = self.connect_for_checkpoints()?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // SQLite takes a size in KiB as a negative number.
        connection.pragma_update(None, "cache_size", -i64::try_from(self.cache_kib).unwrap_or(i64::MAX))?;
        if let Some(pages) = self.most_pages {
            // It answers with what it was set to.
            let pages = i64::try_from(pages).unwrap_or(i64::MAX);
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
