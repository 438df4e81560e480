//! What can be wrong with an expression, and with evaluating one.

use thiserror::Error;

/// Why an expression does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("character {at}: {what}")]
pub struct SyntaxError {
    /// Where, in characters from 1.
    pub at: usize,
    /// What was wrong or expected.
    pub what: String,
}

/// Why an expression has no value on a resource. Holds no content of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("character {at}: {what}")]
pub struct EvaluationError {
    /// Which part of the expression, in characters from 1.
    pub at: usize,
    /// What was wrong or expected.
    pub what: String,
    /// Whether a limit was reached; otherwise the expression does not fit the values.
    pub is_limit: bool,
}
