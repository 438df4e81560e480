//! Why a transaction was not written, and how it is told.

use hub_core::store::StoreError;
use thiserror::Error;
use tracing::{error, warn};

use crate::database::DatabaseError;

/// Why a transaction was not written.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// What the database said.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The program panicked.
    #[error("the program failed at it")]
    Program,
}

impl Failure {
    /// Whether the same batch without one of its works may succeed.
    pub fn may_be_of_one(&self) -> bool {
        match self {
            Failure::Database(error) => error.is_refusal(),
            Failure::Program => true,
        }
    }

    /// Whether the connection may be used on.
    pub fn leaves_the_connection_sound(&self) -> bool {
        matches!(self, Failure::Database(error) if error.is_refusal())
    }

    /// The same failure for each of those who wait.
    pub fn told(&self) -> StoreError {
        match self {
            Failure::Database(error) if error.is_refusal() => {
                // The table and column of a constraint are named, never a value.
                warn!(error = error as &dyn std::error::Error, "The database refused a value.");
                StoreError::Invalid { what: "the database refused one of its values".to_owned() }
            }
            Failure::Database(error) => StoreError::Unavailable(error.to_string().into()),
            Failure::Program => {
                error!("The program failed at a work of the store; this is a fault of the program.");
                StoreError::Invalid { what: "the program failed at it".to_owned() }
            }
        }
    }
}
