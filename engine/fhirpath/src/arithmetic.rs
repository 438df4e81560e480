//! `+ - * / div mod &` on single values (FHIRPath N1, "Math"). What overflows, and division by nothing, is empty.

use std::borrow::Cow;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::equal::{as_quantity, decimal};
use crate::item::Item;
use crate::quantity::Quantity;
use crate::temporal::Temporal;
use crate::tree::{Operator, RANKS};

/// The result, `None` for empty; the error says what does not go together.
pub(crate) fn compute<'a>(
    operator: Operator,
    one: &Item<'a>,
    other: &Item<'a>,
) -> Result<Option<Item<'a>>, String> {
    let (Some(left), Some(right)) = (one.system(), other.system()) else {
        return if is_simple(one) && is_simple(other) { Ok(None) } else { Err(wrong(operator, one, other)) };
    };
    let made = match (operator, &left, &right) {
        (Operator::Add, Item::String(one), Item::String(other)) => {
            Some(Item::String(Cow::Owned(format!("{one}{other}"))))
        }
        (Operator::Add | Operator::Subtract, Item::Temporal(moment), Item::Quantity(amount)) => {
            return shifted(*moment, amount, operator == Operator::Subtract);
        }
        (_, Item::Integer(one), Item::Integer(other)) if operator != Operator::Divide => {
            integers(operator, *one, *other).map(Item::Integer)
        }
        _ => match (decimal(&left), decimal(&right)) {
            (Some(one), Some(other)) => decimals(operator, one, other),
            _ => match (as_quantity(&left), as_quantity(&right)) {
                (Some(one), Some(other)) => quantities(operator, &one, &other)
                    .ok_or_else(|| wrong(operator, &left, &right))?
                    .map(|made| Item::Quantity(Box::new(made))),
                _ => return Err(wrong(operator, one, other)),
            },
        },
    };
    Ok(made)
}

fn is_simple(item: &Item<'_>) -> bool {
    item.node().is_none_or(|node| node.object().is_none() || item.kind().is_quantity())
}

fn wrong(operator: Operator, one: &Item<'_>, other: &Item<'_>) -> String {
    let sign = RANKS.iter().flat_map(|(_, rank)| rank.iter()).find(|(_, known)| *known == operator);
    let sign = sign.map_or("", |(sign, _)| *sign);
    format!("`{sign}` does not go with `{}` and `{}`", one.kind(), other.kind())
}

fn integers(operator: Operator, one: i32, other: i32) -> Option<i32> {
    match operator {
        Operator::Add => one.checked_add(other),
        Operator::Subtract => one.checked_sub(other),
        Operator::Multiply => one.checked_mul(other),
        Operator::Div => one.checked_div(other),
        Operator::Mod => one.checked_rem(other),
        _ => None,
    }
}

fn decimals(operator: Operator, one: Decimal, other: Decimal) -> Option<Item<'static>> {
    let made = match operator {
        Operator::Add => one.checked_add(other),
        Operator::Subtract => one.checked_sub(other),
        Operator::Multiply => one.checked_mul(other),
        Operator::Divide => one.checked_div(other).map(|made| made.normalize()),
        Operator::Mod => one.checked_rem(other),
        Operator::Div => return one.checked_div(other)?.trunc().to_i32().map(Item::Integer),
        _ => None,
    };
    made.map(Item::Decimal)
}

/// `None`: the operator is not for quantities.
fn quantities(operator: Operator, one: &Quantity, other: &Quantity) -> Option<Option<Quantity>> {
    let negated = || Quantity { value: -other.value, unit: other.unit.clone() };
    Some(match operator {
        Operator::Add => one.plus(other),
        Operator::Subtract => one.plus(&negated()),
        Operator::Multiply => one.times(other, false),
        Operator::Divide => one.times(other, true),
        _ => return None,
    })
}

fn shifted<'a>(moment: Temporal, amount: &Quantity, back: bool) -> Result<Option<Item<'a>>, String> {
    let Some(unit) = amount.unit.as_calendar() else {
        return Err(
            "expected a unit of the calendar: year, month, week, day, hour, minute, second".to_owned()
        );
    };
    let value = if back { -amount.value } else { amount.value };
    Ok(moment.plus(value, unit).map(Item::Temporal))
}
