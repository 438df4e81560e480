//! Search rows: what a resource can be found by.

use std::fmt;

use compact_str::CompactString;

use crate::types::ResourceType;
use crate::veil::Veil;

pub use crate::aspects::Aspect;
pub use crate::index_rows::{rows, rows_of};

/// A search parameter of one type, as its place in the table of [`crate::params`].
/// Not stable between versions of the program: the store keeps its own number for `(type, code)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub u16);

/// One search row of a resource. A resource has each row once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexRow {
    /// The parameter it belongs to.
    pub param: ParamId,
    /// What of the element the value is.
    pub aspect: Aspect,
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
    /// A number, or that of a quantity as it is written, whatever it counts: as places in the order of all numbers, low inclusive,
    /// high exclusive. A comparator (`<5`) or a range makes it wider than one place; open ends are `i64::MIN` and `i64::MAX`.
    Number {
        /// First place.
        low: i64,
        /// First place after.
        high: i64,
    },
    /// The number of a quantity in a unit that stands for all it can be converted to.
    Measure {
        /// The unit: UCUM's base units, or `system|code` where it is no known unit of UCUM.
        unit: CompactString,
        /// First place.
        low: i64,
        /// First place after.
        high: i64,
    },
    /// The number of a quantity as it is written, beside a code or unit as it is written.
    Named {
        /// The code, or the unit for people to read.
        name: CompactString,
        /// First place.
        low: i64,
        /// First place after.
        high: i64,
    },
    /// What the components of a composite find in one of several elements, in the order of the components.
    Group(Vec<Vec<IndexValue>>),
}

impl fmt::Debug for IndexValue {
    /// The value may name a patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { system, code } => write!(f, "Token({system}|{:?})", Veil(code)),
            Self::String { exact, .. } => write!(f, "String({:?})", Veil(exact)),
            Self::Reference { kind, id } => write!(f, "Reference({kind:?}, {:?})", Veil(id)),
            Self::Group(group) => write!(f, "Group({group:?})"),
            Self::Number { low, high } => write!(f, "Number({:?})", Veil(&format!("{low}..{high}"))),
            Self::Measure { unit, low, high } => {
                write!(f, "Measure({unit}, {:?})", Veil(&format!("{low}..{high}")))
            }
            Self::Named { name, low, high } => {
                write!(f, "Named({name}, {:?})", Veil(&format!("{low}..{high}")))
            }
            Self::Date { low, high } => write!(f, "Date({:?})", Veil(&format!("{low}..{high}"))),
        }
    }
}
