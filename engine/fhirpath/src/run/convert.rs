//! Conversion (FHIRPath N1, 5.5): `toX()` is empty where `convertsToX()` is false.

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::{Call, Outcome};
use crate::functions::Function;
use crate::item::{Item, Items};
use crate::number;
use crate::quantity::{Quantity, Unit};
use crate::temporal::{CalendarUnit, Sort, Temporal};

impl<'a> Call<'_, 'a> {
    pub(super) fn convert(self) -> Outcome<'a> {
        let Some(item) = self.value()? else { return Ok(Items::None) };
        let (made, tests) = match self.function {
            Function::ToBoolean => (boolean(&item), false),
            Function::ConvertsToBoolean => (boolean(&item), true),
            Function::ToInteger => (whole(&item), false),
            Function::ConvertsToInteger => (whole(&item), true),
            Function::ToDecimal => (decimal(&item), false),
            Function::ConvertsToDecimal => (decimal(&item), true),
            Function::ToDate => (temporal(&item, Sort::Date), false),
            Function::ConvertsToDate => (temporal(&item, Sort::Date), true),
            Function::ToDateTime => (temporal(&item, Sort::DateTime), false),
            Function::ConvertsToDateTime => (temporal(&item, Sort::DateTime), true),
            Function::ToTime => (temporal(&item, Sort::Time), false),
            Function::ConvertsToTime => (temporal(&item, Sort::Time), true),
            Function::ToString => (text(&item), false),
            Function::ConvertsToString => (text(&item), true),
            Function::ToQuantity => (self.quantity(&item)?, false),
            _ => (self.quantity(&item)?, true),
        };
        Ok(if tests { made.is_some().into() } else { made.into() })
    }

    fn quantity(&self, item: &Item<'a>) -> Result<Option<Item<'a>>, crate::error::EvaluationError> {
        let wanted = self.text_argument(0)?;
        let made = match item {
            Item::Quantity(quantity) => Some((**quantity).clone()),
            Item::Integer(value) => Some(Quantity::of_number(Decimal::from(*value))),
            Item::Decimal(value) => Some(Quantity::of_number(*value)),
            Item::Boolean(value) => Some(Quantity::of_number(Decimal::from(u8::from(*value)))),
            Item::String(text) => Quantity::parse(text),
            _ => None,
        };
        let made = match (made, wanted) {
            (Some(quantity), Some(unit)) => {
                let word = CalendarUnit::from_word(&unit).map(Unit::Calendar);
                let unit = word.unwrap_or_else(|| Unit::Ucum(unit.as_ref().into()));
                quantity.in_unit(&unit)
            }
            (made, _) => made,
        };
        Ok(made.map(|quantity| Item::Quantity(Box::new(quantity))))
    }
}

fn boolean<'a>(item: &Item<'_>) -> Option<Item<'a>> {
    let truth = match item {
        Item::Boolean(value) => Some(*value),
        Item::Integer(1) => Some(true),
        Item::Integer(0) => Some(false),
        Item::Decimal(value) if *value == Decimal::ONE => Some(true),
        Item::Decimal(value) if value.is_zero() => Some(false),
        Item::String(text) => match text.to_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    truth.map(Item::Boolean)
}

fn whole<'a>(item: &Item<'_>) -> Option<Item<'a>> {
    let value = match item {
        Item::Integer(value) => Some(*value),
        Item::Boolean(value) => Some(i32::from(*value)),
        Item::String(text) if number::is_plain(text) && !text.contains('.') => text.parse().ok(),
        _ => None,
    };
    value.map(Item::Integer)
}

fn decimal<'a>(item: &Item<'_>) -> Option<Item<'a>> {
    let value = match item {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        Item::Boolean(value) => Some(Decimal::from(u8::from(*value))),
        Item::String(text) if number::is_plain(text) => number::decimal(text),
        _ => None,
    };
    value.map(Item::Decimal)
}

fn temporal<'a>(item: &Item<'_>, sort: Sort) -> Option<Item<'a>> {
    let made = match (item, sort) {
        (Item::Temporal(value), Sort::Date) => value.to_date(),
        (Item::Temporal(value), Sort::DateTime) => value.to_date_time(),
        (Item::Temporal(value), Sort::Time) => (value.sort == Sort::Time).then_some(*value),
        (Item::String(text), Sort::Date) => {
            Temporal::date(text).or_else(|| Temporal::date_time(text)?.to_date())
        }
        (Item::String(text), Sort::DateTime) => Temporal::date_time(text),
        (Item::String(text), Sort::Time) => Temporal::time(text.strip_prefix('T').unwrap_or(text)),
        _ => None,
    };
    made.map(Item::Temporal)
}

/// A value as text.
fn text<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    Some(Item::String(match item {
        Item::String(text) => text.clone(),
        Item::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Item::Integer(value) => Cow::Owned(value.to_string()),
        Item::Decimal(value) => Cow::Owned(value.to_string()),
        Item::Temporal(value) => Cow::Owned(value.to_string()),
        Item::Quantity(value) => Cow::Owned(value.to_string()),
        Item::Node(_) | Item::Type(_) => return None,
    }))
}
