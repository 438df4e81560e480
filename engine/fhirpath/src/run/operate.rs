//! Operators with two operands (FHIRPath N1, chapter 6).

use std::borrow::Cow;

use super::{Focus, Outcome, Run};
use crate::arithmetic::compute;
use crate::equal::{compare, equal, equivalent, item_equal};
use crate::error::EvaluationError;
use crate::item::{Item, Items};
use crate::tree::{Expr, Operator};

impl<'a> Run<'_, 'a> {
    pub(super) fn binary(
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
        match operator {
            Operator::Equal | Operator::NotEqual => {
                let found = equal(left.as_slice(), right.as_slice(), &self.steps);
                self.charge(at, left.len() as u64)?;
                Ok(found.map(|equal| equal == (operator == Operator::Equal)))
            }
            Operator::Equivalent | Operator::NotEquivalent => {
                let found = equivalent(left.as_slice(), right.as_slice(), &self.steps);
                self.charge(at, 1)?;
                Ok(Some(found == (operator == Operator::Equivalent)))
            }
            Operator::In | Operator::Contains => {
                let (one, among) = if operator == Operator::In { (&left, &right) } else { (&right, &left) };
                let Some(one) = self.single(at, one)? else { return Ok(None) };
                let is_among = among.iter().any(|item| item_equal(item, one, &self.steps) == Some(true));
                self.charge(at, among.len() as u64)?;
                Ok(Some(is_among))
            }
            _ => {
                let (Some(one), Some(other)) = (self.single(at, &left)?, self.single(at, &right)?) else {
                    return Ok(None);
                };
                let order = match compare(one, other) {
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
}
