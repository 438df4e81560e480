//! What a database says when it cannot do what it is asked.

use thiserror::Error;

/// A failure of either database.
#[derive(Debug, Error)]
pub(crate) enum DatabaseError {
    /// Of SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Of PostgreSQL, or of the way to it.
    #[error("{}", said(.0))]
    Postgres(#[from] sqlx::Error),
    /// This node is no longer one of the hub's: another has taken its work over.
    #[error("this node was taken for dead and its work was taken over; it must begin anew")]
    Fenced,
    /// A row or value that must be there is not.
    #[error("the database lacks {0}")]
    Missing(&'static str),
}

/// PostgreSQL's message; its detail is left out, for it shows values.
fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => format!("{} (SQLSTATE {code})", error.message()),
            None => error.message().to_owned(),
        },
        other => other.to_string(),
    }
}

impl DatabaseError {
    /// Whether the statement itself was refused (a constraint, a value too large), so that the same batch without it may
    /// succeed. Everything else (full, gone, locked, damaged) would fail for every neighbour as well.
    pub fn is_refusal(&self) -> bool {
        match self {
            DatabaseError::Sqlite(error) => {
                use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
                matches!(error.sqlite_error_code(), Some(ConstraintViolation | TypeMismatch | TooBig))
            }
            // 22: data exception, 23: integrity constraint violation, 54: program limit exceeded.
            DatabaseError::Postgres(error) => state_of(error)
                .is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class))),
            DatabaseError::Fenced | DatabaseError::Missing(_) => false,
        }
    }

    /// Whether the same transaction may succeed when it is simply done again: another node was in its way.
    pub fn is_passing(&self) -> bool {
        let DatabaseError::Postgres(error) = self else { return false };
        // Serialization failure, deadlock, and a row that another node made at the same time.
        matches!(state_of(error).as_deref(), Some("40001" | "40P01" | "23505"))
    }
}

fn state_of(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}
