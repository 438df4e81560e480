//! Checks the names of an expression against the types it is evaluated on, before it is ever evaluated.
//!
//! Types are followed as sets: a choice may be any of its types, a contained resource any resource. Where a set is not
//! known (`children()`, a variable of the caller) a name must at least be one that some type of R4B has.

use std::collections::HashSet;
use std::sync::LazyLock;

use compact_str::CompactString;
use hub_fhir::elements::{Class, TypeDef, type_names, type_of};

use crate::environment::fixed;
use crate::error::SyntaxError;
use crate::functions::Function;
use crate::item::Item;
use crate::kind::{Kind, System, TypeName, fhir_type, nearest};
use crate::tree::{Expr, ExprKind, Operator};

/// The types the values of a part of an expression may have.
#[derive(Clone, Debug)]
pub(crate) enum Kinds {
    /// Not known.
    Any,
    /// Any resource.
    AnyResource,
    /// One of these.
    Of(Vec<Kind>),
}

/// More are treated as not known.
const MOST_KINDS: usize = 64;

/// What names an expression may use.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'s> {
    pub(crate) this: Kinds,
    pub(crate) context: &'s Kinds,
    pub(crate) resource: &'s Kinds,
    pub(crate) variables: &'s [CompactString],
    /// Whether `$index` and `$total` mean something here.
    pub(crate) has_index: bool,
    pub(crate) has_total: bool,
}

/// Every name an element of some type has, a choice by its stem.
static NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let elements = type_names().filter_map(type_of).flat_map(|def| def.elements.iter());
    elements.map(|element| element.stem()).chain(["value"]).collect()
});

fn one(system: System) -> Kinds {
    Kinds::Of(vec![Kind::System(system)])
}

impl Kinds {
    /// Kinds of this name; for `Resource` and `DomainResource` any resource.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if name == "Resource" || name == "DomainResource" {
            return Some(Self::AnyResource);
        }
        let primitive = hub_fhir::primitive::Primitive::from_name(name).map(Kind::Primitive);
        let found = type_of(name).map(Kind::Complex).or(primitive)?;
        Some(Self::Of(vec![found]))
    }

    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(mut kinds), Self::Of(more)) => {
                for kind in more {
                    if !kinds.iter().any(|known| known.same(kind)) {
                        kinds.push(kind);
                    }
                }
                if kinds.len() > MOST_KINDS { Self::Any } else { Self::Of(kinds) }
            }
            (Self::AnyResource, Self::AnyResource) => Self::AnyResource,
            (only, Self::Of(none)) if none.is_empty() => only,
            (Self::Of(none), only) if none.is_empty() => only,
            _ => Self::Any,
        }
    }

    /// The kinds left where only values of the named type are.
    fn narrowed(&self, named: &TypeName) -> Self {
        let name = named.name.as_str();
        if let Self::Of(kinds) = self {
            let left: Vec<Kind> = kinds.iter().copied().filter(|kind| kind.is_as(named)).collect();
            if !left.is_empty() {
                return Self::Of(left);
            }
        }
        Self::named(name).unwrap_or(Self::Any)
    }
}

/// The types of the values of `expr`; the error is the first name that means nothing.
pub(crate) fn kinds(expr: &Expr, scope: &Scope<'_>) -> Result<Kinds, SyntaxError> {
    match &expr.kind {
        ExprKind::Empty => Ok(Kinds::Of(Vec::new())),
        ExprKind::Literal(item) => Ok(literal(item)),
        ExprKind::This => Ok(scope.this.clone()),
        ExprKind::Index if scope.has_index => Ok(one(System::Integer)),
        ExprKind::Total if scope.has_total => Ok(Kinds::Any),
        ExprKind::Index => {
            Err(error(expr.at, "`$index` means something within `where`, `select` and the like only"))
        }
        ExprKind::Total => Err(error(expr.at, "`$total` means something within `aggregate` only")),
        ExprKind::Variable(name) => variable(expr.at, name, scope),
        ExprKind::Member { of: Some(of), name } => member(expr.at, &kinds(of, scope)?, name),
        ExprKind::Member { of: None, name } => root(expr.at, name, scope),
        ExprKind::Call { of, function, arguments, named, .. } => {
            let input = match of {
                Some(of) => kinds(of, scope)?,
                None => scope.this.clone(),
            };
            call(input, *function, arguments, named.as_ref(), scope)
        }
        ExprKind::Indexer { of, index } => {
            kinds(index, scope)?;
            kinds(of, scope)
        }
        ExprKind::Sign { of, .. } => kinds(of, scope),
        ExprKind::Type { of, is, named } => {
            let input = kinds(of, scope)?;
            Ok(if *is { one(System::Boolean) } else { input.narrowed(named) })
        }
        ExprKind::Binary { operator, left, right } => {
            let (left, right) = (kinds(left, scope)?, kinds(right, scope)?);
            Ok(match operator {
                Operator::Union => left.and(right),
                Operator::Concatenate => one(System::String),
                Operator::Div => one(System::Integer),
                Operator::Add
                | Operator::Subtract
                | Operator::Multiply
                | Operator::Divide
                | Operator::Mod => Kinds::Any,
                _ => one(System::Boolean),
            })
        }
    }
}

fn error(at: usize, what: impl Into<String>) -> SyntaxError {
    SyntaxError { at, what: what.into() }
}

fn literal(item: &Item<'_>) -> Kinds {
    Kinds::Of(vec![item.kind()])
}

fn variable(at: usize, name: &str, scope: &Scope<'_>) -> Result<Kinds, SyntaxError> {
    match name {
        "context" => Ok(scope.context.clone()),
        "resource" => Ok(scope.resource.clone()),
        "rootResource" => Ok(Kinds::AnyResource),
        _ if fixed(name).is_some() => Ok(one(System::String)),
        _ if scope.variables.iter().any(|known| known == name) => Ok(Kinds::Any),
        _ => {
            let known = ["context", "resource", "rootResource", "ucum", "sct", "loinc"].into_iter();
            let near = nearest(name, known.chain(scope.variables.iter().map(CompactString::as_str)));
            Err(error(at, format!("there is no variable `%{name}`{near}")))
        }
    }
}

/// A path's first name: an element of the input, or the type of it.
fn root(at: usize, name: &str, scope: &Scope<'_>) -> Result<Kinds, SyntaxError> {
    match member(at, &scope.this, name) {
        Ok(found) => Ok(found),
        Err(wrong) => {
            let begins_a_type =
                name.starts_with(|letter: char| letter.is_ascii_uppercase()) && fhir_type(name);
            if begins_a_type { Kinds::named(name).ok_or(wrong) } else { Err(wrong) }
        }
    }
}

fn member(at: usize, of: &Kinds, name: &str) -> Result<Kinds, SyntaxError> {
    match of {
        Kinds::Any => {
            let known = NAMES.contains(name) || ["namespace", "name", "baseType"].contains(&name);
            if known {
                Ok(Kinds::Any)
            } else {
                Err(unknown(at, name, "any type of R4B", NAMES.iter().copied()))
            }
        }
        Kinds::AnyResource => {
            let mut found = Kinds::Of(Vec::new());
            let mut is_known = false;
            for def in type_names().filter_map(type_of).filter(|def| def.class == Class::Resource) {
                if let Some(kinds) = element(def, name) {
                    is_known = true;
                    found = found.and(kinds);
                }
            }
            if is_known {
                Ok(found)
            } else {
                Err(unknown(at, name, "any resource of R4B", NAMES.iter().copied()))
            }
        }
        Kinds::Of(kinds) if kinds.is_empty() => Ok(Kinds::Any),
        Kinds::Of(kinds) => {
            let mut found = Kinds::Of(Vec::new());
            let mut is_known = false;
            for kind in kinds {
                let of_kind = match kind {
                    Kind::Complex(def) if matches!(def.name, "Resource" | "DomainResource") => {
                        Some(member(at, &Kinds::AnyResource, name)).and_then(Result::ok)
                    }
                    Kind::Complex(def) => element(def, name),
                    Kind::Primitive(_) if name == "value" => Some(Kinds::Any),
                    Kind::Primitive(_) => type_of("Element").and_then(|def| element(def, name)),
                    Kind::System(System::TypeInfo) if name == "name" || name == "namespace" => {
                        Some(one(System::String))
                    }
                    Kind::System(_) => None,
                };
                if let Some(of_kind) = of_kind {
                    is_known = true;
                    found = found.and(of_kind);
                }
            }
            if is_known { Ok(found) } else { Err(not_of(at, name, kinds)) }
        }
    }
}

/// The kinds of the element `name`; a choice goes by its stem.
fn element(def: &'static TypeDef, name: &str) -> Option<Kinds> {
    let found = def.elements.iter().find(|element| element.stem() == name)?;
    let mut kinds = Kinds::Of(Vec::new());
    for of in &found.types {
        kinds = kinds.and(Kind::of(of).map_or(Kinds::AnyResource, |kind| Kinds::Of(vec![kind])));
    }
    Some(kinds)
}

fn not_of(at: usize, name: &str, kinds: &[Kind]) -> SyntaxError {
    for kind in kinds {
        if let Kind::Complex(def) = kind
            && let Some(member) = def.member(name)
            && let Some(of) = member.of
        {
            let stem = member.element.stem();
            return error(
                at,
                format!("expected `{stem}.ofType({})`, not the name in JSON `{name}`", of.name),
            );
        }
    }
    let types: Vec<&str> = kinds.iter().take(4).map(|kind| kind.name().1).collect();
    let known = kinds.iter().filter_map(|kind| match kind {
        Kind::Complex(def) => Some(def.elements.iter().map(|element| element.stem())),
        _ => None,
    });
    unknown(at, name, &format!("`{}`", types.join("` or `")), known.flatten())
}

fn unknown(at: usize, name: &str, of: &str, known: impl Iterator<Item = &'static str>) -> SyntaxError {
    error(at, format!("there is no element `{name}` in {of}{}", nearest(name, known)))
}

fn call(
    input: Kinds,
    function: Function,
    arguments: &[Expr],
    named: Option<&TypeName>,
    scope: &Scope<'_>,
) -> Result<Kinds, SyntaxError> {
    let signature = function.signature();
    let mut of_arguments = Vec::with_capacity(arguments.len());
    for (at, argument) in arguments.iter().enumerate() {
        let is_each = signature.each & (1 << at) != 0;
        let this = if is_each && function == Function::Repeat {
            repeated(&input, argument, scope)?
        } else if is_each || signature.on_input {
            input.clone()
        } else {
            scope.this.clone()
        };
        let inner = Scope {
            this,
            has_index: is_each || scope.has_index,
            has_total: function == Function::Aggregate && is_each || scope.has_total,
            ..scope.clone()
        };
        of_arguments.push(kinds(argument, &inner)?);
    }
    let mut of_arguments = of_arguments.into_iter();
    Ok(match function {
        Function::Where
        | Function::Single
        | Function::First
        | Function::Last
        | Function::Tail
        | Function::Skip
        | Function::Take
        | Function::Distinct
        | Function::Sort
        | Function::Exclude
        | Function::Trace
        | Function::CheckModifiers
        | Function::Slice
        | Function::Min
        | Function::Max => input,
        Function::Intersect => input,
        Function::Union | Function::Combine => input.and(of_arguments.next().unwrap_or(Kinds::Any)),
        Function::Select | Function::Repeat => of_arguments.next().unwrap_or(Kinds::Any),
        Function::Iif => {
            let branches = of_arguments.skip(1);
            branches.fold(Kinds::Of(Vec::new()), Kinds::and)
        }
        Function::Coalesce => of_arguments.fold(Kinds::Of(Vec::new()), Kinds::and),
        Function::OfType | Function::As => named.map_or(Kinds::Any, |named| input.narrowed(named)),
        Function::Extension => Kinds::named("Extension").unwrap_or(Kinds::Any),
        Function::ElementDefinition => Kinds::named("ElementDefinition").unwrap_or(Kinds::Any),
        Function::Resolve => Kinds::AnyResource,
        Function::Type => one(System::TypeInfo),
        other => computed(other),
    })
}

/// `repeat(item)` is evaluated on its own results as well.
fn repeated(input: &Kinds, argument: &Expr, scope: &Scope<'_>) -> Result<Kinds, SyntaxError> {
    let inner = Scope { this: input.clone(), has_index: true, ..scope.clone() };
    let first = kinds(argument, &inner)?;
    Ok(input.clone().and(first))
}

/// What functions that compute a value give.
fn computed(function: Function) -> Kinds {
    match function {
        Function::Children | Function::Descendants | Function::Aggregate | Function::GetValue => Kinds::Any,
        Function::Abs | Function::Sum | Function::Avg | Function::LowBoundary | Function::HighBoundary => {
            Kinds::Any
        }
        Function::Count
        | Function::Length
        | Function::IndexOf
        | Function::LastIndexOf
        | Function::Precision
        | Function::Ceiling
        | Function::Floor
        | Function::Truncate
        | Function::ToInteger
        | Function::YearOf
        | Function::MonthOf
        | Function::DayOf
        | Function::HourOf
        | Function::MinuteOf
        | Function::SecondOf
        | Function::MillisecondOf => one(System::Integer),
        Function::ToDecimal
        | Function::Exp
        | Function::Ln
        | Function::Log
        | Function::Sqrt
        | Function::TimezoneOffsetOf => one(System::Decimal),
        Function::Power | Function::Round => Kinds::Any,
        Function::ToString
        | Function::Substring
        | Function::Upper
        | Function::Lower
        | Function::Replace
        | Function::ReplaceMatches
        | Function::ToChars
        | Function::Encode
        | Function::Decode
        | Function::Escape
        | Function::Unescape
        | Function::Trim
        | Function::Split
        | Function::Join => one(System::String),
        Function::ToDate | Function::Today | Function::DateOf => one(System::Date),
        Function::ToDateTime | Function::Now => one(System::DateTime),
        Function::ToTime | Function::TimeOfDay | Function::TimeOf => one(System::Time),
        Function::ToQuantity => one(System::Quantity),
        _ => one(System::Boolean),
    }
}
