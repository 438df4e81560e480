//! Writes SQLite's database anew, so that it is as small as can be and gives free space back by itself from then on.

use std::path::Path;

use rusqlite::Connection;

use crate::error::OpenError;
use crate::open::lock_folder;

/// What it was and became, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vacuumed {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Writes the database of a folder anew. No hub may use it; for a while it needs as much room again.
pub fn vacuum(data_dir: &Path) -> Result<Vacuumed, OpenError> {
    let file = data_dir.join("hub.db");
    let folder = |source| OpenError::Folder { path: data_dir.to_owned(), source };
    let size = || std::fs::metadata(&file).map(|about| about.len()).map_err(folder);
    // One that is not there is not made.
    size()?;
    let _lock = lock_folder(data_dir)?;
    let database =
        |source: rusqlite::Error| OpenError::Database { path: data_dir.to_owned(), source: source.into() };
    let connection = Connection::open(&file).map_err(database)?;
    let run = |words: &str| connection.execute_batch(words).map_err(database);
    // What is in the log belongs to the size before.
    run("PRAGMA wal_checkpoint(TRUNCATE)")?;
    let before = size()?;
    run("PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(Vacuumed { before, after: size()? })
}
