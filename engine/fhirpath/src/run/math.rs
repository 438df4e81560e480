//! Math (FHIRPath N1, 5.7) and the aggregates of FHIRPath 3: exact, or to 28 digits where no exact result exists.

use std::cmp::Ordering;

use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use super::{Call, Outcome, integer};
use crate::arithmetic::compute;
use crate::equal::{compare, decimal};
use crate::functions::Function;
use crate::item::{Item, Items};
use crate::tree::Operator;

/// The digits `round()` may be asked for.
const MOST_DIGITS: i32 = 28;

impl<'a> Call<'_, 'a> {
    pub(super) fn math(self) -> Outcome<'a> {
        match self.function {
            Function::Sum | Function::Avg => return self.sum(),
            Function::Min | Function::Max => return self.extreme(),
            _ => {}
        }
        let Some(item) = self.value()? else { return Ok(Items::None) };
        if let (Function::Abs, Item::Quantity(quantity)) = (self.function, &item) {
            let mut positive = quantity.clone();
            positive.value = positive.value.abs();
            return Ok(Item::Quantity(positive).into());
        }
        let Some(value) = decimal(&item) else {
            return self.fail(format!("expected a number, not a `{}`", item.kind()));
        };
        let is_whole = matches!(item, Item::Integer(_));
        let made = match self.function {
            Function::Abs if is_whole => integer(value.abs()),
            Function::Abs => Some(Item::Decimal(value.abs())),
            Function::Ceiling => integer(value.ceil()),
            Function::Floor => integer(value.floor()),
            Function::Truncate => integer(value.trunc()),
            Function::Exp => value.checked_exp().map(Item::Decimal),
            Function::Ln => value.checked_ln().map(Item::Decimal),
            Function::Sqrt => value.sqrt().map(|root| Item::Decimal(root.normalize())),
            Function::Log => self.decimal_argument(0)?.and_then(|base| log(value, base)).map(Item::Decimal),
            Function::Power => {
                self.decimal_argument(0)?.and_then(|exponent| power(value, exponent, is_whole))
            }
            _ => {
                let digits = self.integer_argument(0)?.unwrap_or(0);
                let Some(digits) = u32::try_from(digits).ok().filter(|_| digits <= MOST_DIGITS) else {
                    return self.fail("expected 0 to 28 digits to round to");
                };
                let rounded = value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
                Some(Item::Decimal(rounded))
            }
        };
        Ok(made.into())
    }

    /// Numbers or quantities added up; `avg()` divides by how many there are.
    fn sum(self) -> Outcome<'a> {
        let mut sum: Option<Item<'a>> = None;
        for item in self.input.iter() {
            sum = match sum {
                None => item.system(),
                Some(so_far) => match compute(Operator::Add, &so_far, item) {
                    Ok(Some(more)) => Some(more),
                    Ok(None) => return Ok(Items::None),
                    Err(what) => return self.fail(what),
                },
            };
        }
        let Some(sum) = sum else { return Ok(Items::None) };
        if !matches!(sum, Item::Integer(_) | Item::Decimal(_) | Item::Quantity(_)) {
            return self.fail(format!("expected numbers or Quantities, not a `{}`", sum.kind()));
        }
        if self.function == Function::Sum {
            return Ok(sum.into());
        }
        let count = Item::Decimal(Decimal::from(self.input.len()));
        match compute(Operator::Divide, &sum, &count) {
            Ok(made) => Ok(made.into()),
            Err(what) => self.fail(what),
        }
    }

    fn extreme(self) -> Outcome<'a> {
        let wanted = if self.function == Function::Min { Ordering::Less } else { Ordering::Greater };
        let mut found: Option<&Item<'a>> = None;
        for item in self.input.iter() {
            let Some(so_far) = found else {
                found = Some(item);
                continue;
            };
            match compare(item, so_far) {
                Ok(Some(order)) if order == wanted => found = Some(item),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Items::None),
                Err(what) => return self.fail(what),
            }
        }
        Ok(found.cloned().into())
    }
}

fn log(value: Decimal, base: Decimal) -> Option<Decimal> {
    let (of_value, of_base) = (value.checked_ln()?, base.checked_ln()?);
    of_value.checked_div(of_base).map(|made| made.round_dp(20).normalize())
}

/// Whole exponents are exact. Integers with one that is not negative stay Integers.
fn power<'a>(value: Decimal, exponent: Decimal, is_whole: bool) -> Option<Item<'a>> {
    if value.is_zero() && exponent.is_sign_negative() {
        return None;
    }
    if value.is_sign_negative() && !exponent.fract().is_zero() {
        return None;
    }
    let made = value.checked_powd(exponent)?;
    if is_whole && exponent.fract().is_zero() && !exponent.is_sign_negative() {
        return integer(made);
    }
    Some(Item::Decimal(made.normalize()))
}
