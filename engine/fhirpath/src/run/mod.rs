//! Evaluates a tree: paths, operators with three-valued logic, and the functions of the modules below.

mod call;
mod condition;
mod convert;
mod fhir;
mod filter;
mod math;
mod operate;
mod text;
mod time_parts;

use std::borrow::Cow;

use hub_fhir::elements::Class;
use regex::{Regex, RegexBuilder};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::environment::Environment;
use crate::equal::{Distinct, Steps};
use crate::error::EvaluationError;
use crate::functions::Function;
use crate::item::{Item, Items};
use crate::kind::{Kind, TypeName};
use crate::navigate::members;
use crate::tree::{Expr, ExprKind};
use call::Call;

/// A compiled pattern may take this many bytes.
const PATTERN_BYTES: usize = 1024 * 1024;

/// The value of a part of an expression.
type Outcome<'a> = Result<Items<'a>, EvaluationError>;

/// One evaluation.
pub(crate) struct Run<'e, 'a> {
    environment: &'e Environment<'a>,
    context: Items<'a>,
    steps: Steps,
}

/// What a part of an expression is evaluated on.
#[derive(Clone, Copy)]
struct Focus<'f, 'a> {
    /// `$this`
    input: &'f Items<'a>,
    /// `$index`
    index: usize,
    /// `$total`
    total: Option<&'f Items<'a>>,
}

impl<'e, 'a> Run<'e, 'a> {
    pub(crate) fn new(environment: &'e Environment<'a>, context: Items<'a>) -> Self {
        Self { environment, context, steps: Steps::new(environment.limits.steps) }
    }

    pub(crate) fn evaluate(&self, root: &'a Expr) -> Outcome<'a> {
        self.eval(root, Focus { input: &self.context, index: 0, total: None })
    }

    /// The value as a condition; `None` is empty.
    pub(crate) fn condition(&self, root: &'a Expr) -> Result<Option<bool>, EvaluationError> {
        self.truth(root, Focus { input: &self.context, index: 0, total: None })
    }

    /// How many steps it has taken so far.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.used()
    }

    fn fail<T>(&self, at: usize, what: impl Into<String>) -> Result<T, EvaluationError> {
        Err(EvaluationError { at, what: what.into(), is_limit: false })
    }

    /// Counts what is done; the error is the limit.
    fn charge(&self, at: usize, steps: u64) -> Result<(), EvaluationError> {
        if self.steps.take(steps) {
            return Ok(());
        }
        let what = format!("takes more than {} steps", self.environment.limits.steps);
        Err(EvaluationError { at, what, is_limit: true })
    }

    /// Adds a value unless there are too many.
    fn push(&self, at: usize, items: &mut Items<'a>, item: Item<'a>) -> Result<(), EvaluationError> {
        self.charge(at, 1)?;
        if items.len() >= self.environment.limits.items {
            let what = format!("yields more than {} values", self.environment.limits.items);
            return Err(EvaluationError { at, what, is_limit: true });
        }
        items.push(item);
        Ok(())
    }

    /// A computed text, unless it is too long.
    fn made_text(&self, at: usize, text: String) -> Result<Item<'a>, EvaluationError> {
        self.check_text(at, text.len())?;
        Ok(Item::String(Cow::Owned(text)))
    }

    /// Whether a text of so many bytes may be made.
    fn check_text(&self, at: usize, bytes: usize) -> Result<(), EvaluationError> {
        self.charge(at, bytes as u64 / 64)?;
        if bytes <= self.environment.limits.text {
            return Ok(());
        }
        let what = format!("yields a text of more than {} bytes", self.environment.limits.text);
        Err(EvaluationError { at, what, is_limit: true })
    }

    fn eval(&self, expr: &'a Expr, focus: Focus<'_, 'a>) -> Outcome<'a> {
        self.charge(expr.at, 1)?;
        match &expr.kind {
            ExprKind::Empty => Ok(Items::None),
            ExprKind::Literal(item) => Ok(literal(item).into()),
            ExprKind::This => self.copied(expr.at, focus.input),
            ExprKind::Index => {
                Ok(i32::try_from(focus.index).map_or(Items::None, |index| Item::Integer(index).into()))
            }
            ExprKind::Total => match focus.total {
                Some(total) => self.copied(expr.at, total),
                None => Ok(Items::None),
            },
            ExprKind::Variable(name) => match self.environment.variable(name, &self.context) {
                Some(items) => Ok(items),
                None => self.fail(expr.at, format!("the variable `%{name}` was not given")),
            },
            ExprKind::Member { of: Some(of), name } => {
                let items = self.eval(of, focus)?;
                self.member(expr.at, &items, name)
            }
            ExprKind::Member { of: None, name } => self.root(expr.at, focus.input, name),
            ExprKind::Call { of, .. } => self.call(expr, of.as_deref(), focus),
            ExprKind::Indexer { of, index } => self.indexer(of, index, focus),
            ExprKind::Sign { negated, of } => self.sign(expr.at, *negated, of, focus),
            ExprKind::Type { of, is, named } => self.type_operator(expr.at, of, *is, named, focus),
            ExprKind::Binary { operator, left, right } => self.binary(expr.at, *operator, left, right, focus),
        }
    }

    fn copied(&self, at: usize, items: &Items<'a>) -> Outcome<'a> {
        self.charge(at, items.len() as u64)?;
        Ok(items.clone())
    }

    fn member(&self, at: usize, items: &Items<'a>, name: &str) -> Outcome<'a> {
        let mut found = Items::None;
        for item in items.iter() {
            let mut pushed = Ok(());
            match item {
                Item::Node(node) => members(node, name, &mut |child| {
                    if pushed.is_ok() {
                        pushed = self.push(at, &mut found, child);
                    }
                }),
                Item::Type(kind) => match name {
                    "namespace" => found.push(Item::text(kind.name().0)),
                    "name" => found.push(Item::text(kind.name().1)),
                    _ => {}
                },
                _ => {}
            }
            pushed?;
        }
        Ok(found)
    }

    /// A path's first name: an element of the input or the type of it, as in `Patient.name`.
    fn root(&self, at: usize, input: &Items<'a>, name: &str) -> Outcome<'a> {
        let found = self.member(at, input, name)?;
        let may_be_type = found.is_empty() && name.starts_with(|letter: char| letter.is_ascii_uppercase());
        if !may_be_type {
            return Ok(found);
        }
        let named = TypeName { space: None, name: name.into() };
        Ok(input
            .iter()
            .filter(|item| matches!(item, Item::Node(_)) && item.kind().is(&named))
            .cloned()
            .collect())
    }

    fn indexer(&self, of: &'a Expr, index: &'a Expr, focus: Focus<'_, 'a>) -> Outcome<'a> {
        let items = self.eval(of, focus)?;
        let at = self.eval(index, focus)?;
        match at.as_slice() {
            [] => Ok(Items::None),
            [one] => match one.system() {
                Some(Item::Integer(place)) => {
                    let item =
                        usize::try_from(place).ok().and_then(|place| items.as_slice().get(place).cloned());
                    Ok(item.into())
                }
                _ => self.fail(index.at, "expected an Integer between `[` and `]`"),
            },
            _ => self.fail(index.at, "expected one value between `[` and `]`"),
        }
    }

    fn sign(&self, at: usize, negated: bool, of: &'a Expr, focus: Focus<'_, 'a>) -> Outcome<'a> {
        let items = self.eval(of, focus)?;
        let Some(item) = self.single(at, &items)? else { return Ok(Items::None) };
        let made = match item.system() {
            Some(Item::Integer(value)) => {
                let value = if negated { value.checked_neg() } else { Some(value) };
                value.map(Item::Integer)
            }
            Some(Item::Decimal(value)) => Some(Item::Decimal(if negated { -value } else { value })),
            Some(Item::Quantity(mut quantity)) => {
                if negated {
                    quantity.value = -quantity.value;
                }
                Some(Item::Quantity(quantity))
            }
            _ => return self.fail(at, "expected a number or a Quantity behind the sign"),
        };
        Ok(made.into())
    }

    /// `is` wants one value; `as` is taken for each of several, as R4B's own expressions need it.
    fn type_operator(
        &self,
        at: usize,
        of: &'a Expr,
        is: bool,
        named: &TypeName,
        focus: Focus<'_, 'a>,
    ) -> Outcome<'a> {
        if is && let Some(truth) = self.resolves_to(of, named, focus)? {
            return Ok(truth.into());
        }
        let items = self.eval(of, focus)?;
        if !is {
            return Ok(items.into_iter().filter(|item| item.kind().is_as(named)).collect());
        }
        Ok(self.single(at, &items)?.map(|item| Item::Boolean(item.kind().is(named))).into())
    }

    /// The only value; `None` when there is none.
    fn single<'i>(&self, at: usize, items: &'i Items<'a>) -> Result<Option<&'i Item<'a>>, EvaluationError> {
        match items.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            more => self.fail(at, format!("expected at most one value, found {}", more.len())),
        }
    }

    /// The different values of a collection.
    fn set(&self, at: usize, items: &Items<'a>) -> Result<Distinct<'_, 'a>, EvaluationError> {
        let distinct = Distinct::of(items, &self.steps);
        self.charge(at, items.len() as u64)?;
        Ok(distinct)
    }

    fn distinct(&self, at: usize, items: &Items<'a>) -> Outcome<'a> {
        if items.len() < 2 {
            return Ok(items.clone());
        }
        let distinct = self.set(at, items)?;
        Ok(distinct.into_items())
    }
}

fn literal<'a>(item: &'a Item<'static>) -> Item<'a> {
    match item {
        Item::String(text) => Item::String(Cow::Borrowed(text)),
        other => other.clone(),
    }
}

/// A pattern of `matches` and its like: `.` is also the end of a line, and nothing is anchored but for `matchesFull`.
pub(crate) fn pattern(function: Function, text: &str) -> Result<Regex, String> {
    let anchored = match function {
        Function::MatchesFull => format!("^(?:{text})$"),
        _ => text.to_owned(),
    };
    let mut builder = RegexBuilder::new(&anchored);
    let builder = builder.dot_matches_new_line(true).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
        _ => "expected a regular expression without look-around and back references".to_owned(),
    })
}

/// Whether a type is a resource's.
fn is_resource(kind: Kind) -> bool {
    matches!(kind, Kind::Complex(def) if def.class == Class::Resource)
}

/// The number as an Integer of FHIRPath; `None` where it is too large.
fn integer<'a>(value: Decimal) -> Option<Item<'a>> {
    value.to_i32().map(Item::Integer)
}
