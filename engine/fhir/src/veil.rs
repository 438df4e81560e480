//! Keeps content out of Debug output: a tree, a search value or a search row may name a patient.
//!
//! Builds with debug assertions, which tests are and productive builds are not, show it, so that a failing test
//! can be read.

use std::fmt;

/// A text that Debug output shows only the length of.
pub(crate) struct Veil<'a>(pub(crate) &'a str);

impl fmt::Debug for Veil<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if cfg!(debug_assertions) { self.0.fmt(f) } else { write!(f, "<{} bytes>", self.0.len()) }
    }
}
