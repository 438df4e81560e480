//! The moment (FHIRPath N1, 5.9), boundaries, precision and parts of dates (FHIRPath 3).

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Call, Outcome};
use crate::equal::as_quantity;
use crate::functions::Function;
use crate::item::{Item, Items};
use crate::temporal::{CalendarUnit, Temporal};

/// The digits behind the point that the boundary of a decimal has when none are asked for (FHIRPath 3, `lowBoundary`).
const BOUNDARY_DIGITS: u32 = 8;
const MOST_DIGITS: u32 = 28;

impl<'a> Call<'_, 'a> {
    pub(super) fn time_part(self) -> Outcome<'a> {
        let now = Temporal::of_moment(self.run.environment.now);
        match self.function {
            Function::Now => return Ok(Item::Temporal(now).into()),
            Function::Today => return Ok(now.to_date().map(Item::Temporal).into()),
            Function::TimeOfDay => return Ok(Item::Temporal(now.to_time()).into()),
            Function::Comparable => return self.comparable(),
            _ => {}
        }
        let Some(item) = self.value()? else { return Ok(Items::None) };
        match (self.function, &item) {
            (Function::LowBoundary | Function::HighBoundary, item) => self.boundary(item),
            (Function::Precision, Item::Temporal(value)) => Ok(Item::Integer(value.digits()).into()),
            (Function::Precision, Item::Decimal(value)) => {
                Ok(i32::try_from(value.scale()).ok().map(Item::Integer).into())
            }
            (Function::Precision, Item::Integer(_)) => Ok(Item::Integer(0).into()),
            (_, Item::Temporal(value)) => Ok(self.part(*value).into()),
            _ => self.fail(format!("expected a date or time, not a `{}`", item.kind())),
        }
    }

    fn part(&self, value: Temporal) -> Option<Item<'a>> {
        let unit = match self.function {
            Function::YearOf => CalendarUnit::Year,
            Function::MonthOf => CalendarUnit::Month,
            Function::DayOf => CalendarUnit::Day,
            Function::HourOf => CalendarUnit::Hour,
            Function::MinuteOf => CalendarUnit::Minute,
            Function::SecondOf => CalendarUnit::Second,
            Function::MillisecondOf => CalendarUnit::Millisecond,
            Function::DateOf => return value.to_date().map(Item::Temporal),
            Function::TimeOf => {
                value.part(CalendarUnit::Hour)?;
                return Some(Item::Temporal(value.to_time()));
            }
            _ => {
                let hours = Decimal::from(value.offset()?).checked_div(Decimal::from(60))?;
                return Some(Item::Decimal(hours));
            }
        };
        value.part(unit).map(Item::Integer)
    }

    fn comparable(self) -> Outcome<'a> {
        let Some(one) = self.value()? else { return Ok(Items::None) };
        let other = self.argument(0)?;
        let Some(other) = self.run.single(self.at, &other)?.and_then(Item::system) else {
            return Ok(Items::None);
        };
        match (as_quantity(&one), as_quantity(&other)) {
            (Some(one), Some(other)) => Ok(one.is_comparable(&other).into()),
            _ => self.fail("expected Quantities to compare"),
        }
    }

    /// The least (or greatest) value that what is written may stand for.
    fn boundary(&self, item: &Item<'a>) -> Outcome<'a> {
        let low = self.function == Function::LowBoundary;
        let digits = self.integer_argument(0)?;
        let made = match item {
            Item::Temporal(value) => value.boundary(low, digits).map(Item::Temporal),
            Item::Integer(value) => decimal_boundary(Decimal::from(*value), low, digits).map(Item::Decimal),
            Item::Decimal(value) => decimal_boundary(*value, low, digits).map(Item::Decimal),
            Item::Quantity(quantity) => decimal_boundary(quantity.value, low, digits).map(|value| {
                let mut made = quantity.clone();
                made.value = value;
                Item::Quantity(made)
            }),
            other => return self.fail(format!("expected a number, date or time, not a `{}`", other.kind())),
        };
        Ok(made.into())
    }
}

/// Half a unit of the last digit below (or above), cut to the digits asked for, outwards.
fn decimal_boundary(value: Decimal, low: bool, digits: Option<i32>) -> Option<Decimal> {
    let digits = digits.map_or(Some(BOUNDARY_DIGITS), |digits| u32::try_from(digits).ok())?;
    if digits > MOST_DIGITS || value.scale() >= MOST_DIGITS {
        return None;
    }
    let half = Decimal::new(5, value.scale() + 1);
    let (edge, strategy) = if low {
        (value.checked_sub(half)?, RoundingStrategy::ToNegativeInfinity)
    } else {
        (value.checked_add(half)?, RoundingStrategy::ToPositiveInfinity)
    };
    let mut rounded = edge.round_dp_with_strategy(digits, strategy);
    rounded.rescale(digits);
    Some(rounded)
}
