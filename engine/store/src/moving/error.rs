//! Why a move cannot begin, go on or end.

use std::path::PathBuf;

use thiserror::Error;

use crate::database::DatabaseError;

/// Why a move cannot begin, go on or end. The folder is as it was, and no hub starts on the database.
#[derive(Debug, Error)]
pub enum MoveError {
    /// The data folder cannot be read or marked.
    #[error("the data folder `{path}` cannot be used")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The folder's tables are not those of this program.
    #[error(
        "the folder's database has version {version} and this program knows {expected}: run the hub once with this program, then move"
    )]
    OtherVersion {
        /// What it has.
        version: i64,
        /// What it must have.
        expected: i64,
    },
    /// A table or column that this program does not know how to move.
    #[error("this program does not know how to move the table `{table}` with the columns it has")]
    Unknown {
        /// The table.
        table: String,
    },
    /// More messages than a stretch has numbers for.
    #[error("the folder's messages have numbers above 4294967295, which cannot be moved")]
    TooMany,
    /// The folder was moved before.
    #[error("the folder's database has been moved to `{to}` already; its file hub.moved says so")]
    AlreadyMoved {
        /// Where to.
        to: String,
    },
    /// The database has something in it.
    #[error(
        "the PostgreSQL database is not empty; expected one that was made for this (CREATE DATABASE), or one that this move was begun to"
    )]
    NotEmpty,
    /// What the database has of a move comes from another folder.
    #[error(
        "the PostgreSQL database holds the beginning of a move from another data folder; drop it and make it anew, or name that folder"
    )]
    OtherSource,
    /// Another `huitong migrate` works on the database.
    #[error("another move to this PostgreSQL database is under way")]
    TwoMoves,
    /// A hub has started on the database before it was whole.
    #[error(
        "a hub has started on the PostgreSQL database before it was whole; stop it, drop the database and begin anew"
    )]
    Joined,
    /// A stored value is not what it must be.
    #[error("a row of the table `{table}` cannot be read as what it should be")]
    Damaged {
        /// The table.
        table: &'static str,
    },
    /// The two sides are not the same.
    #[error("the two sides differ in `{table}`: {what}; nothing was switched over")]
    Differs {
        /// The table.
        table: &'static str,
        /// In what.
        what: &'static str,
    },
    /// One of the databases could not do what it was asked.
    #[error("the database failed")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The work ended before its end.
    #[error("the move was cut short")]
    Ended(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<DatabaseError> for MoveError {
    fn from(error: DatabaseError) -> Self {
        MoveError::Database(Box::new(error))
    }
}

impl From<rusqlite::Error> for MoveError {
    fn from(error: rusqlite::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<sqlx::Error> for MoveError {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<sqlx::migrate::MigrateError> for MoveError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        MoveError::Database(Box::new(error))
    }
}
