//! What can go wrong, and which of it is the database's fault and not the caller's.

use std::path::PathBuf;

use hub_core::store::StoreError;
use thiserror::Error;

/// Why the store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder cannot be made or used.
    #[error("the data folder `{path}` cannot be used")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("the data folder `{path}` is in use by another hub; stop it first or choose another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Its database has moved to PostgreSQL.
    #[error(
        "the database in `{path}` has moved to `{to}`: set `store.database` to that, with its password; or, only if that database is given \
         up, remove `hub.moved` from the folder"
    )]
    Moved {
        /// The folder.
        path: PathBuf,
        /// Where it is now, without a password.
        to: String,
    },
    /// A move to the PostgreSQL database has begun and not ended.
    #[error(
        "the database is not whole: a move to it has begun and not ended; run `huitong migrate` again, which goes on with it, or drop the \
         database"
    )]
    HalfMoved,
    /// The database was written by a newer program, or a migration failed.
    #[error("the database in `{path}` cannot be brought to this program's version")]
    Migrate {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// Anything else the database says.
    #[error("the database in `{path}` cannot be opened")]
    Database {
        /// The folder.
        path: PathBuf,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database server, or what it was asked to do at the start.
    #[error("the database server cannot be used")]
    Server {
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system gives no thread to the writer.
    #[error("the store's writer cannot be started")]
    Start(#[source] std::io::Error),
}

/// A failure of the database as the traits tell it.
pub(crate) fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

/// The writer has ended: the store is closed.
#[derive(Debug, Error)]
#[error("the store is closed")]
pub(crate) struct Closed;

/// The answer when the writer has ended.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable(Box::new(Closed))
}

/// What is stored cannot be read as what it should be.
pub(crate) fn damaged(what: &'static str) -> StoreError {
    #[derive(Debug, Error)]
    #[error("the stored {0} cannot be read")]
    struct Damaged(&'static str);
    StoreError::Unavailable(Box::new(Damaged(what)))
}
