//! Dates and times moved along the calendar, and the first and last moment they may mean.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::temporal::{CalendarUnit, EASTERNMOST, Sort, Temporal, WESTERNMOST, civil, days, days_in_month};

/// How many milliseconds a day has.
const DAY: i64 = 86_400_000;

impl Temporal {
    /// Later by `amount` of a unit; the fraction of an amount of days or more is left out, as is what is finer than
    /// the moment itself (FHIRPath N1, "Date/Time Arithmetic"). `None` beyond the years 1 to 9999.
    pub(crate) fn plus(self, amount: Decimal, unit: CalendarUnit) -> Option<Self> {
        let whole = amount.trunc().to_i64()?;
        if self.sort == Sort::Time {
            return self.time_plus(amount, unit);
        }
        match unit {
            CalendarUnit::Year => self.plus_months(whole.checked_mul(12)?),
            CalendarUnit::Month => self.plus_months(whole),
            _ => {
                let millis = span(amount, unit)?;
                self.plus_millis(millis)
            }
        }
    }

    fn plus_months(self, months: i64) -> Option<Self> {
        let Some(month) = self.month else {
            let year = i64::from(self.year).checked_add(months / 12)?;
            return Some(Self { year: fitting_year(year)?, ..self });
        };
        let total = (i64::from(self.year) * 12 + i64::from(month) - 1).checked_add(months)?;
        let year = fitting_year(total.div_euclid(12))?;
        let month = (total.rem_euclid(12) + 1) as u8;
        let day = self.day.map(|day| day.min(days_in_month(year, month)));
        Some(Self { year, month: Some(month), day, ..self })
    }

    /// Adds as much of `millis` as the precision can say: to a month, whole months of 30 days; to a year, of 365.
    fn plus_millis(self, millis: i64) -> Option<Self> {
        let whole_days = millis / DAY;
        let Some(month) = self.month else {
            return Some(Self { year: fitting_year(i64::from(self.year) + whole_days / 365)?, ..self });
        };
        let Some(day) = self.day else { return self.plus_months(whole_days / 30) };
        let first = days(self.year, month, day);
        let Some(hour) = self.hour else { return self.at_day(first.checked_add(whole_days)?) };
        let unit = match (self.minute, self.millis) {
            (None, _) => 3_600_000,
            (_, None) => 60_000,
            _ => 1,
        };
        let of_minute = self.millis.map_or(0, |(millis, _)| i64::from(millis));
        let of_day = i64::from(hour) * 3_600_000 + i64::from(self.minute.unwrap_or(0)) * 60_000 + of_minute;
        let total = first.checked_mul(DAY)?.checked_add(of_day)?.checked_add(millis / unit * unit)?;
        let date = self.at_day(total.div_euclid(DAY))?;
        Some(date.at_millis(total.rem_euclid(DAY), millis % 1000 != 0))
    }

    fn at_day(self, day: i64) -> Option<Self> {
        if !(-719_162..=2_932_896).contains(&day) {
            return None;
        }
        let (year, month, day) = civil(day);
        Some(Self { year, month: Some(month), day: Some(day), ..self })
    }

    fn at_millis(self, of_day: i64, with_fraction: bool) -> Self {
        Self {
            hour: Some((of_day / 3_600_000) as u8),
            minute: self.minute.map(|_| (of_day / 60_000 % 60) as u8),
            millis: self.millis.map(|(_, had)| ((of_day % 60_000) as u32, had || with_fraction)),
            ..self
        }
    }

    /// A time of day goes round at midnight.
    fn time_plus(self, amount: Decimal, unit: CalendarUnit) -> Option<Self> {
        if unit < CalendarUnit::Hour {
            return None;
        }
        let millis = span(amount, unit)?;
        let of_minute = self.millis.map_or(0, |(millis, _)| i64::from(millis));
        let of_day =
            i64::from(self.hour?) * 3_600_000 + i64::from(self.minute.unwrap_or(0)) * 60_000 + of_minute;
        let precision = match (self.minute, self.millis) {
            (None, _) => 3_600_000,
            (_, None) => 60_000,
            _ => 1,
        };
        let total = (of_day + (millis % DAY) / precision * precision).rem_euclid(DAY);
        Some(self.at_millis(total, millis % 1000 != 0))
    }

    /// The first (or last) moment it may mean, with `digits` digits at most as `precision()` counts them. Offsets that
    /// are not said become the easternmost (or westernmost) there is: +14:00 and -12:00.
    pub(crate) fn boundary(self, low: bool, digits: Option<i32>) -> Option<Self> {
        let most = match self.sort {
            Sort::Date => 8,
            Sort::DateTime => 17,
            Sort::Time => 9,
        };
        let digits = digits.unwrap_or(most);
        let fits = match self.sort {
            Sort::Date => matches!(digits, 4 | 6 | 8),
            Sort::DateTime => matches!(digits, 4 | 6 | 8 | 10 | 12 | 14 | 17),
            Sort::Time => matches!(digits, 2 | 4 | 6 | 9),
        };
        if !fits {
            return None;
        }
        let of_time = if self.sort == Sort::Time { digits } else { digits - 8 };
        let pick = |low_value: u8, high_value: u8| if low { low_value } else { high_value };
        let mut made = self;
        if self.sort != Sort::Time {
            made.month = (digits >= 6).then(|| self.month.unwrap_or(pick(1, 12)));
            let last = made.month.map_or(31, |month| days_in_month(self.year, month));
            made.day = (digits >= 8).then(|| self.day.unwrap_or(pick(1, last)));
        }
        if self.sort == Sort::Date {
            return Some(made);
        }
        made.hour = (of_time >= 2).then(|| self.hour.unwrap_or(pick(0, 23)));
        made.minute = (of_time >= 4).then(|| self.minute.unwrap_or(pick(0, 59)));
        made.millis = match (of_time >= 6, self.millis) {
            (false, _) => None,
            (true, None) => Some((if low { 0 } else { 59_999 }, of_time >= 9)),
            (true, Some((millis, false))) => Some((millis + if low { 0 } else { 999 }, of_time >= 9)),
            (true, Some((millis, true))) => Some((millis, of_time >= 9)),
        };
        if self.sort == Sort::DateTime && of_time > 0 {
            made.offset = Some(self.offset.unwrap_or(if low { EASTERNMOST } else { WESTERNMOST }));
        }
        Some(made)
    }
}

fn span(amount: Decimal, unit: CalendarUnit) -> Option<i64> {
    let millis = match unit {
        CalendarUnit::Year => 365 * DAY,
        CalendarUnit::Month => 30 * DAY,
        CalendarUnit::Week => 7 * DAY,
        CalendarUnit::Day => DAY,
        CalendarUnit::Hour => 3_600_000,
        CalendarUnit::Minute => 60_000,
        CalendarUnit::Second => 1000,
        CalendarUnit::Millisecond => 1,
    };
    let amount = if unit >= CalendarUnit::Second { amount } else { amount.trunc() };
    amount.checked_mul(Decimal::from(millis))?.trunc().to_i64()
}

pub(crate) fn fitting_year(year: i64) -> Option<i32> {
    (1..=9999).contains(&year).then_some(year as i32)
}
