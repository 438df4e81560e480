//! Search rows: what a resource can be found by.

use std::fmt;

use compact_str::CompactString;

use crate::types::ResourceType;
use crate::veil::Veil;

pub use crate::index_rows::rows;

/// A search parameter of one type, as its place in the table of [`crate::params`].
/// Not stable between versions of the program: the store keeps its own number for `(type, code)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub u16);

/// One search row of a resource. A resource has each row once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexRow {
    /// The parameter it belongs to.
    pub param: ParamId,
    /// The value found.
    pub value: IndexValue,
}

/// The value of a search row.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IndexValue {
    /// A code with its system; `""` when it has none.
    Token {
        /// The system URI or `""`.
        system: CompactString,
        /// The code, identifier value, `true`/`false`...
        code: CompactString,
    },
    /// A string.
    String {
        /// Lower case, without accents, single spaces: what `Starts` and `Contains` compare.
        normal: CompactString,
        /// As it stands in the resource: what `:exact` compares.
        exact: CompactString,
    },
    /// A reference.
    Reference {
        /// The type pointed at, where it is known.
        kind: Option<ResourceType>,
        /// The logical id, or the whole URL when it is not one of this server's.
        id: CompactString,
    },
    /// A span of time in microseconds since 1970 UTC: low inclusive, high exclusive. Open ends are `i64::MIN` and `i64::MAX`.
    Date {
        /// First moment.
        low: i64,
        /// First moment after.
        high: i64,
    },
}

impl fmt::Debug for IndexValue {
    /// The value may name a patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { system, code } => write!(f, "Token({system}|{:?})", Veil(code)),
            Self::String { exact, .. } => write!(f, "String({:?})", Veil(exact)),
            Self::Reference { kind, id } => write!(f, "Reference({kind:?}, {:?})", Veil(id)),
            Self::Date { low, high } => write!(f, "Date({:?})", Veil(&format!("{low}..{high}"))),
        }
    }
}
