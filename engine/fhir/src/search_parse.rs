//! Reads the parameters of a search.

use thiserror::Error;

use crate::search::Search;
use crate::types::ResourceType;

/// What is wrong with a search. Becomes an OperationOutcome.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SearchError {
    /// The type has no such parameter.
    #[error("`{kind}` has no search parameter `{name}`{hint}")]
    UnknownParameter {
        /// The type searched.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// Empty, or the nearest right name.
        hint: String,
    },
    /// The modifier does not fit the parameter.
    #[error("the modifier `:{modifier}` does not fit `{name}`; expected {expected}")]
    Modifier {
        /// The parameter.
        name: String,
        /// The modifier given.
        modifier: String,
        /// What would fit.
        expected: &'static str,
    },
    /// The value cannot be read.
    #[error("the value of `{name}` cannot be read: expected {expected}")]
    Value {
        /// The parameter.
        name: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// Reads decoded name-value pairs of a query string.
pub fn parse(_kind: ResourceType, _query: &[(String, String)]) -> Result<Search, SearchError> {
    unimplemented!()
}
