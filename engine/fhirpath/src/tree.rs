//! An expression as a tree.

use compact_str::CompactString;
use regex::Regex;

use crate::functions::Function;
use crate::item::Item;
use crate::kind::TypeName;

/// A part of an expression and where it stands, in characters from 1.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    pub(crate) kind: ExprKind,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    /// `{}`
    Empty,
    Literal(Item<'static>),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%resource`
    Variable(CompactString),
    /// `name`, of what comes before it or of the input.
    Member {
        of: Option<Box<Expr>>,
        name: CompactString,
    },
    Call {
        of: Option<Box<Expr>>,
        function: Function,
        arguments: Vec<Expr>,
        /// The second operand of `is(..)`, `as(..)` and `ofType(..)`.
        named: Option<TypeName>,
        /// A pattern that is a literal.
        pattern: Option<Regex>,
    },
    Indexer {
        of: Box<Expr>,
        index: Box<Expr>,
    },
    /// `-` before an operand; `+` changes nothing but demands a number as well.
    Sign {
        negated: bool,
        of: Box<Expr>,
    },
    Type {
        of: Box<Expr>,
        is: bool,
        named: TypeName,
    },
    Binary {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

/// A rank of operators and its level: the lower, the tighter it binds (FHIRPath N1, "Operator Precedence").
type Rank = (usize, &'static [(&'static str, Operator)]);

/// The operators by their rank.
pub(crate) const RANKS: [Rank; 9] = [
    (
        1,
        &[("*", Operator::Multiply), ("/", Operator::Divide), ("div", Operator::Div), ("mod", Operator::Mod)],
    ),
    (2, &[("+", Operator::Add), ("-", Operator::Subtract), ("&", Operator::Concatenate)]),
    (4, &[("|", Operator::Union)]),
    (
        5,
        &[
            ("<", Operator::Less),
            (">", Operator::Greater),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
        ],
    ),
    (
        6,
        &[
            ("=", Operator::Equal),
            ("~", Operator::Equivalent),
            ("!=", Operator::NotEqual),
            ("!~", Operator::NotEquivalent),
        ],
    ),
    (7, &[("in", Operator::In), ("contains", Operator::Contains)]),
    (8, &[("and", Operator::And)]),
    (9, &[("or", Operator::Or), ("xor", Operator::Xor)]),
    (10, &[("implies", Operator::Implies)]),
];

/// The level of `is` and `as`.
pub(crate) const TYPE_LEVEL: usize = 3;
/// The level of the operators that bind least.
pub(crate) const LOOSEST: usize = 10;
