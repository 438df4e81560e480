//! Evaluates a tree: paths, operators with three-valued logic, and the functions of the modules below.

mod condition;
mod convert;
mod fhir;
mod filter;
mod math;
mod text;
mod time_parts;

use std::borrow::Cow;
use std::cell::Cell;

use hub_fhir::elements::Class;
use regex::{Regex, RegexBuilder};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::arithmetic::compute;
use crate::environment::Environment;
use crate::equal::{compare, equal, equivalent, item_equal};
use crate::error::EvaluationError;
use crate::functions::Function;
use crate::item::{Item, Items};
use crate::kind::{Kind, TypeName};
use crate::navigate::members;
use crate::tree::{Expr, ExprKind, Operator};

/// A compiled pattern may take this many bytes.
const PATTERN_BYTES: usize = 1024 * 1024;

/// The value of a part of an expression.
type Outcome<'a> = Result<Items<'a>, EvaluationError>;

/// One evaluation.
pub(crate) struct Run<'e, 'a> {
    environment: &'e Environment<'a>,
    context: Items<'a>,
    steps: Cell<u64>,
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

/// A call of a function.
struct Call<'r, 'a> {
    run: &'r Run<'r, 'a>,
    at: usize,
    function: Function,
    input: Items<'a>,
    arguments: &'a [Expr],
    named: Option<&'a TypeName>,
    pattern: Option<&'a Regex>,
    focus: Focus<'r, 'a>,
}

impl<'e, 'a> Run<'e, 'a> {
    pub(crate) fn new(environment: &'e Environment<'a>, context: Items<'a>) -> Self {
        Self { environment, context, steps: Cell::new(0) }
    }

    pub(crate) fn evaluate(&self, root: &'a Expr) -> Outcome<'a> {
        self.eval(root, Focus { input: &self.context, index: 0, total: None })
    }

    /// The value as a condition; `None` is empty.
    pub(crate) fn condition(&self, root: &'a Expr) -> Result<Option<bool>, EvaluationError> {
        self.truth(root, Focus { input: &self.context, index: 0, total: None })
    }

    /// Minutes east of UTC for moments that do not say it.
    fn zone(&self) -> i32 {
        i32::from(self.environment.now.offset().whole_minutes())
    }

    fn fail<T>(&self, at: usize, what: impl Into<String>) -> Result<T, EvaluationError> {
        Err(EvaluationError { at, what: what.into(), is_limit: false })
    }

    /// Counts what is done; the error is the limit.
    fn charge(&self, at: usize, steps: u64) -> Result<(), EvaluationError> {
        let used = self.steps.get().saturating_add(steps);
        self.steps.set(used);
        if used <= self.environment.limits.steps {
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
            ExprKind::This => Ok(focus.input.clone()),
            ExprKind::Index => {
                Ok(i32::try_from(focus.index).map_or(Items::None, |index| Item::Integer(index).into()))
            }
            ExprKind::Total => Ok(focus.total.cloned().unwrap_or_default()),
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
        Ok(input.iter().filter(|item| matches!(item, Item::Node(_)) && item.kind().is(&named)).cloned().collect())
    }

    fn indexer(&self, of: &'a Expr, index: &'a Expr, focus: Focus<'_, 'a>) -> Outcome<'a> {
        let items = self.eval(of, focus)?;
        let at = self.eval(index, focus)?;
        match at.as_slice() {
            [] => Ok(Items::None),
            [one] => match one.system() {
                Some(Item::Integer(place)) => {
                    let item = usize::try_from(place).ok().and_then(|place| items.as_slice().get(place).cloned());
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
            return Ok(items.into_iter().filter(|item| item.kind().is(named)).collect());
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

    fn binary(
        &self,
        at: usize,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        focus: Focus<'_, 'a>,
    ) -> Outcome<'a> {
        match operator {
            Operator::And | Operator::Or | Operator::Xor | Operator::Implies => {
                Ok(self.logic(operator, left, right, focus)?.map(Item::Boolean).into())
            }
            Operator::Union => {
                let mut items = self.eval(left, focus)?;
                let more = self.eval(right, focus)?;
                if items.is_empty() && more.len() < 2 {
                    return Ok(more);
                }
                for item in more {
                    self.push(at, &mut items, item)?;
                }
                self.distinct(at, &items)
            }
            Operator::Concatenate => {
                let part = |items: &Items<'a>| match self.single(at, items)?.map(Item::as_text) {
                    None => Ok(Cow::Borrowed("")),
                    Some(Some(text)) => Ok(text),
                    Some(None) => self.fail(at, "expected texts around `&`"),
                };
                let (left, right) = (self.eval(left, focus)?, self.eval(right, focus)?);
                let text = format!("{}{}", part(&left)?, part(&right)?);
                Ok(self.made_text(at, text)?.into())
            }
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Div
            | Operator::Mod => self.arithmetic(at, operator, left, right, focus),
            _ => Ok(self.relation(at, operator, left, right, focus)?.map(Item::Boolean).into()),
        }
    }

    fn arithmetic(
        &self,
        at: usize,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        focus: Focus<'_, 'a>,
    ) -> Outcome<'a> {
        let (left, right) = (self.eval(left, focus)?, self.eval(right, focus)?);
        let (Some(one), Some(other)) = (self.single(at, &left)?, self.single(at, &right)?) else {
            return Ok(Items::None);
        };
        match compute(operator, one, other) {
            Ok(Some(Item::String(text))) => Ok(self.made_text(at, text.into_owned())?.into()),
            Ok(made) => Ok(made.into()),
            Err(what) => self.fail(at, what),
        }
    }

    /// Equality, order and membership; `None` is empty.
    fn relation(
        &self,
        at: usize,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        focus: Focus<'_, 'a>,
    ) -> Result<Option<bool>, EvaluationError> {
        let (left, right) = (self.eval(left, focus)?, self.eval(right, focus)?);
        let zone = self.zone();
        let looked = left.len().min(right.len()) as u64;
        match operator {
            Operator::Equal | Operator::NotEqual => {
                self.charge(at, looked)?;
                let found = equal(left.as_slice(), right.as_slice(), zone);
                Ok(found.map(|equal| equal == (operator == Operator::Equal)))
            }
            Operator::Equivalent | Operator::NotEquivalent => {
                self.charge(at, looked.saturating_mul(looked))?;
                let found = equivalent(left.as_slice(), right.as_slice(), zone);
                Ok(Some(found == (operator == Operator::Equivalent)))
            }
            Operator::In | Operator::Contains => {
                let (one, among) = if operator == Operator::In { (&left, &right) } else { (&right, &left) };
                self.charge(at, among.len() as u64)?;
                let Some(one) = self.single(at, one)? else { return Ok(None) };
                Ok(Some(among.iter().any(|item| item_equal(item, one, zone) == Some(true))))
            }
            _ => {
                let (Some(one), Some(other)) = (self.single(at, &left)?, self.single(at, &right)?) else {
                    return Ok(None);
                };
                let order = match compare(one, other, zone) {
                    Ok(order) => order,
                    Err(what) => return self.fail(at, what),
                };
                Ok(order.map(|order| match operator {
                    Operator::Less => order.is_lt(),
                    Operator::Greater => order.is_gt(),
                    Operator::LessOrEqual => order.is_le(),
                    _ => order.is_ge(),
                }))
            }
        }
    }

    fn distinct(&self, at: usize, items: &Items<'a>) -> Outcome<'a> {
        if items.len() < 2 {
            return Ok(items.clone());
        }
        let (distinct, looked) = crate::equal::Distinct::of(items, self.zone());
        self.charge(at, looked)?;
        Ok(distinct.into_items())
    }

    fn call(&self, expr: &'a Expr, of: Option<&'a Expr>, focus: Focus<'_, 'a>) -> Outcome<'a> {
        let ExprKind::Call { function, arguments, named, pattern, .. } = &expr.kind else { return Ok(Items::None) };
        if *function == Function::Is
            && let (Some(of), Some(named)) = (of, named)
            && let Some(truth) = self.resolves_to(of, named, focus)?
        {
            return Ok(truth.into());
        }
        let input = match of {
            Some(of) => self.eval(of, focus)?,
            None => focus.input.clone(),
        };
        let call = Call {
            run: self,
            at: expr.at,
            function: *function,
            input,
            arguments,
            named: named.as_ref(),
            pattern: pattern.as_ref(),
            focus,
        };
        call.run()
    }
}

impl<'a> Call<'_, 'a> {
    fn run(self) -> Outcome<'a> {
        use Function as F;
        match self.function {
            F::ToBoolean | F::ToInteger | F::ToDate | F::ToDateTime | F::ToDecimal | F::ToQuantity | F::ToString
            | F::ToTime | F::ConvertsToBoolean | F::ConvertsToInteger | F::ConvertsToDate | F::ConvertsToDateTime
            | F::ConvertsToDecimal | F::ConvertsToQuantity | F::ConvertsToString | F::ConvertsToTime => self.convert(),
            F::IndexOf | F::LastIndexOf | F::Substring | F::StartsWith | F::EndsWith | F::Contains | F::Upper
            | F::Lower | F::Replace | F::Matches | F::MatchesFull | F::ReplaceMatches | F::Length | F::ToChars
            | F::Encode | F::Decode | F::Escape | F::Unescape | F::Trim | F::Split | F::Join => self.text(),
            F::Abs | F::Ceiling | F::Exp | F::Floor | F::Ln | F::Log | F::Power | F::Round | F::Sqrt | F::Truncate
            | F::Sum | F::Min | F::Max | F::Avg => self.math(),
            F::LowBoundary | F::HighBoundary | F::Precision | F::Comparable | F::YearOf | F::MonthOf | F::DayOf
            | F::HourOf | F::MinuteOf | F::SecondOf | F::MillisecondOf | F::TimezoneOffsetOf | F::DateOf
            | F::TimeOf | F::Now | F::Today | F::TimeOfDay => self.time_part(),
            F::Extension | F::HasValue | F::GetValue | F::Resolve | F::ElementDefinition | F::Slice
            | F::CheckModifiers | F::ConformsTo | F::MemberOf | F::Subsumes | F::SubsumedBy | F::HtmlChecks => {
                self.fhir()
            }
            _ => self.filter(),
        }
    }

    fn fail<T>(&self, what: impl Into<String>) -> Result<T, EvaluationError> {
        self.run.fail(self.at, what)
    }

    /// The argument, evaluated on `$this`.
    fn argument(&self, at: usize) -> Outcome<'a> {
        match self.arguments.get(at) {
            Some(argument) => self.run.eval(argument, self.focus),
            None => Ok(Items::None),
        }
    }

    /// The argument, evaluated on an item of the input.
    fn argument_on(&self, at: usize, item: &Items<'a>, index: usize) -> Outcome<'a> {
        match self.arguments.get(at) {
            Some(argument) => self.run.eval(argument, Focus { input: item, index, ..self.focus }),
            None => Ok(Items::None),
        }
    }

    /// The argument as a text; `None` when it is empty.
    fn text_argument(&self, at: usize) -> Result<Option<Cow<'a, str>>, EvaluationError> {
        let items = self.argument(at)?;
        match self.run.single(self.at, &items)?.map(Item::as_text) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text)),
            Some(None) => self.fail("expected a String as the argument"),
        }
    }

    /// The argument as a whole number; `None` when it is empty.
    fn integer_argument(&self, at: usize) -> Result<Option<i32>, EvaluationError> {
        let items = self.argument(at)?;
        match self.run.single(self.at, &items)?.map(Item::system) {
            None => Ok(None),
            Some(Some(Item::Integer(value))) => Ok(Some(value)),
            Some(_) => self.fail("expected an Integer as the argument"),
        }
    }

    /// The argument as a number; `None` when it is empty.
    fn decimal_argument(&self, at: usize) -> Result<Option<Decimal>, EvaluationError> {
        let items = self.argument(at)?;
        let Some(item) = self.run.single(self.at, &items)? else { return Ok(None) };
        match item.system().as_ref().and_then(crate::equal::decimal) {
            Some(value) => Ok(Some(value)),
            None => self.fail("expected a number as the argument"),
        }
    }

    /// The only value of the input, as FHIRPath sees it. `None`: there is none, or a primitive without a value.
    fn value(&self) -> Result<Option<Item<'a>>, EvaluationError> {
        match self.run.single(self.at, &self.input)? {
            None => Ok(None),
            Some(Item::Node(node)) if node.object().is_some() && !node.kind.is_quantity() => {
                self.fail(format!("expected a single value, not a `{}`", node.kind))
            }
            Some(item) => Ok(item.system()),
        }
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
