//! A call of a function: its input, its arguments, and the module that knows it.

use std::borrow::Cow;

use regex::Regex;
use rust_decimal::Decimal;

use super::{Focus, Outcome, Run};
use crate::error::EvaluationError;
use crate::functions::Function;
use crate::item::{Item, Items};
use crate::kind::TypeName;
use crate::tree::{Expr, ExprKind};

/// A call of a function.
pub(super) struct Call<'r, 'a> {
    pub(super) run: &'r Run<'r, 'a>,
    pub(super) at: usize,
    pub(super) function: Function,
    pub(super) input: Items<'a>,
    pub(super) arguments: &'a [Expr],
    pub(super) named: Option<&'a TypeName>,
    pub(super) pattern: Option<&'a Regex>,
    pub(super) focus: Focus<'r, 'a>,
}

impl<'a> Run<'_, 'a> {
    pub(super) fn call(&self, expr: &'a Expr, of: Option<&'a Expr>, focus: Focus<'_, 'a>) -> Outcome<'a> {
        let ExprKind::Call { function, arguments, named, pattern, .. } = &expr.kind else {
            return Ok(Items::None);
        };
        if *function == Function::Is
            && let (Some(of), Some(named)) = (of, named)
            && let Some(truth) = self.resolves_to(of, named, focus)?
        {
            return Ok(truth.into());
        }
        let input = match of {
            Some(of) => self.eval(of, focus)?,
            None => self.copied(expr.at, focus.input)?,
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
            F::ToBoolean
            | F::ToInteger
            | F::ToDate
            | F::ToDateTime
            | F::ToDecimal
            | F::ToQuantity
            | F::ToString
            | F::ToTime
            | F::ConvertsToBoolean
            | F::ConvertsToInteger
            | F::ConvertsToDate
            | F::ConvertsToDateTime
            | F::ConvertsToDecimal
            | F::ConvertsToQuantity
            | F::ConvertsToString
            | F::ConvertsToTime => self.convert(),
            F::IndexOf
            | F::LastIndexOf
            | F::Substring
            | F::StartsWith
            | F::EndsWith
            | F::Contains
            | F::Upper
            | F::Lower
            | F::Replace
            | F::Matches
            | F::MatchesFull
            | F::ReplaceMatches
            | F::Length
            | F::ToChars
            | F::Encode
            | F::Decode
            | F::Escape
            | F::Unescape
            | F::Trim
            | F::Split
            | F::Join => self.text(),
            F::Abs
            | F::Ceiling
            | F::Exp
            | F::Floor
            | F::Ln
            | F::Log
            | F::Power
            | F::Round
            | F::Sqrt
            | F::Truncate
            | F::Sum
            | F::Min
            | F::Max
            | F::Avg => self.math(),
            F::LowBoundary
            | F::HighBoundary
            | F::Precision
            | F::Comparable
            | F::YearOf
            | F::MonthOf
            | F::DayOf
            | F::HourOf
            | F::MinuteOf
            | F::SecondOf
            | F::MillisecondOf
            | F::TimezoneOffsetOf
            | F::DateOf
            | F::TimeOf
            | F::Now
            | F::Today
            | F::TimeOfDay => self.time_part(),
            F::Extension
            | F::HasValue
            | F::GetValue
            | F::Resolve
            | F::ElementDefinition
            | F::Slice
            | F::CheckModifiers
            | F::ConformsTo
            | F::MemberOf
            | F::Subsumes
            | F::SubsumedBy
            | F::HtmlChecks => self.fhir(),
            _ => self.filter(),
        }
    }

    pub(super) fn fail<T>(&self, what: impl Into<String>) -> Result<T, EvaluationError> {
        self.run.fail(self.at, what)
    }

    /// The argument, evaluated on `$this`.
    pub(super) fn argument(&self, at: usize) -> Outcome<'a> {
        match self.arguments.get(at) {
            Some(argument) => self.run.eval(argument, self.focus),
            None => Ok(Items::None),
        }
    }

    /// The argument, evaluated on an item of the input.
    pub(super) fn argument_on(&self, at: usize, item: &Items<'a>, index: usize) -> Outcome<'a> {
        match self.arguments.get(at) {
            Some(argument) => self.run.eval(argument, Focus { input: item, index, ..self.focus }),
            None => Ok(Items::None),
        }
    }

    /// The argument as a text; `None` when it is empty.
    pub(super) fn text_argument(&self, at: usize) -> Result<Option<Cow<'a, str>>, EvaluationError> {
        let items = self.argument(at)?;
        match self.run.single(self.at, &items)?.map(Item::as_text) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text)),
            Some(None) => self.fail("expected a String as the argument"),
        }
    }

    /// The argument as a whole number; `None` when it is empty.
    pub(super) fn integer_argument(&self, at: usize) -> Result<Option<i32>, EvaluationError> {
        let items = self.argument(at)?;
        match self.run.single(self.at, &items)?.map(Item::system) {
            None => Ok(None),
            Some(Some(Item::Integer(value))) => Ok(Some(value)),
            Some(_) => self.fail("expected an Integer as the argument"),
        }
    }

    /// The argument as a number; `None` when it is empty.
    pub(super) fn decimal_argument(&self, at: usize) -> Result<Option<Decimal>, EvaluationError> {
        let items = self.argument(at)?;
        let Some(item) = self.run.single(self.at, &items)? else { return Ok(None) };
        match item.system().as_ref().and_then(crate::equal::decimal) {
            Some(value) => Ok(Some(value)),
            None => self.fail("expected a number as the argument"),
        }
    }

    /// The only value of the input, as FHIRPath sees it. `None`: there is none, or a primitive without a value.
    pub(super) fn value(&self) -> Result<Option<Item<'a>>, EvaluationError> {
        match self.run.single(self.at, &self.input)? {
            None => Ok(None),
            Some(Item::Node(node)) if node.object().is_some() && !node.kind.is_quantity() => {
                self.fail(format!("expected a single value, not a `{}`", node.kind))
            }
            Some(item) => Ok(item.system()),
        }
    }
}
