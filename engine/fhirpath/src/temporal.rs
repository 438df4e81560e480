//! Dates, times and moments of FHIRPath: each as exact as it was written (FHIRPath N1, "Date", "DateTime", "Time").

use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// How many milliseconds a day has.
const DAY: i64 = 86_400_000;

/// A date, a moment or a time of day. What is not known is `None`, and then everything finer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporal {
    /// Which of the three it is.
    pub sort: Sort,
    year: i32,
    month: Option<u8>,
    day: Option<u8>,
    hour: Option<u8>,
    minute: Option<u8>,
    /// Seconds and milliseconds are one precision: milliseconds of the minute, and whether digits of a fraction were written.
    millis: Option<(u32, bool)>,
    /// Minutes east of UTC, where they are said.
    offset: Option<i32>,
}

/// The three sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Sort {
    Date,
    DateTime,
    Time,
}

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CalendarUnit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Temporal {
    /// Reads `YYYY[-MM[-DD]]`.
    pub fn date(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let date = reader.date()?;
        reader.0.is_empty().then_some(date)
    }

    /// Reads a date, alone or before `T[hh[:mm[:ss[.f..]]]]` and then perhaps `Z` or an offset.
    pub fn date_time(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let mut moment = reader.date()?;
        moment.sort = Sort::DateTime;
        if reader.take(b'T') {
            // `@2026T` is a moment of which the year is known.
            if moment.day.is_some() && !reader.0.is_empty() {
                reader.time(&mut moment)?;
                moment.offset = reader.offset()?;
            }
        }
        reader.0.is_empty().then_some(moment)
    }

    /// Reads `hh[:mm[:ss[.f..]]]`.
    pub fn time(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let mut time = Self::empty(Sort::Time);
        reader.time(&mut time)?;
        reader.0.is_empty().then_some(time)
    }

    /// What stands behind the `@` of a literal.
    pub(crate) fn literal(text: &str) -> Option<Self> {
        match text.strip_prefix('T') {
            Some(time) => Self::time(time),
            None if text.contains('T') => Self::date_time(text),
            None => Self::date(text),
        }
    }

    fn empty(sort: Sort) -> Self {
        Self { sort, year: 0, month: None, day: None, hour: None, minute: None, millis: None, offset: None }
    }

    /// A moment, to the millisecond.
    pub fn of_moment(moment: time::OffsetDateTime) -> Self {
        Self {
            sort: Sort::DateTime,
            year: moment.year(),
            month: Some(u8::from(moment.month())),
            day: Some(moment.day()),
            hour: Some(moment.hour()),
            minute: Some(moment.minute()),
            millis: Some((u32::from(moment.second()) * 1000 + u32::from(moment.millisecond()), true)),
            offset: Some(i32::from(moment.offset().whole_minutes())),
        }
    }

    /// The same as a date: the time is left out. `None` for a time of day.
    pub fn to_date(self) -> Option<Self> {
        let date = Self { sort: Sort::Date, hour: None, minute: None, millis: None, offset: None, ..self };
        (self.sort != Sort::Time).then_some(date)
    }

    /// The time of day of a moment.
    pub(crate) fn to_time(self) -> Self {
        Self { sort: Sort::Time, year: 0, month: None, day: None, offset: None, ..self }
    }

    /// A date as a moment whose time is not known.
    pub(crate) fn to_date_time(self) -> Option<Self> {
        (self.sort != Sort::Time).then_some(Self { sort: Sort::DateTime, ..self })
    }

    /// How many digits it has (FHIRPath 3, `precision()`): 4, 6, 8, 10, 12, 14 or 17; a time of day 2, 4, 6 or 9.
    pub(crate) fn digits(self) -> i32 {
        let of_time = match (self.hour, self.minute, self.millis) {
            (None, ..) => 0,
            (_, None, _) => 2,
            (_, _, None) => 4,
            (_, _, Some((_, false))) => 6,
            (_, _, Some((_, true))) => 9,
        };
        let of_date = match (self.sort, self.month, self.day) {
            (Sort::Time, ..) => 0,
            (_, None, _) => 4,
            (_, _, None) => 6,
            _ => 8,
        };
        of_date + of_time
    }

    /// Which comes first; `None` where one is less exact than the other and what is known of both is the same.
    /// `zone`: minutes east of UTC for moments that do not say it.
    pub(crate) fn compare(self, other: Self, zone: i32) -> Option<Ordering> {
        let (one, other) = (self.in_utc(zone), other.in_utc(zone));
        let parts = one.parts().into_iter().zip(other.parts());
        for (of_one, of_other) in parts {
            match (of_one, of_other) {
                (Some(of_one), Some(of_other)) if of_one != of_other => return Some(of_one.cmp(&of_other)),
                (Some(_), Some(_)) => {}
                (None, None) => return Some(Ordering::Equal),
                _ => return None,
            }
        }
        Some(Ordering::Equal)
    }

    /// Equal and equally exact.
    pub(crate) fn equivalent(self, other: Self, zone: i32) -> bool {
        self.compare(other, zone) == Some(Ordering::Equal)
    }

    fn parts(self) -> [Option<i64>; 6] {
        let (month, day) = if self.sort == Sort::Time { (Some(0), Some(0)) } else { (self.month, self.day) };
        [
            Some(i64::from(self.year)),
            month.map(i64::from),
            day.map(i64::from),
            self.hour.map(i64::from),
            self.minute.map(i64::from),
            self.millis.map(|(millis, _)| i64::from(millis)),
        ]
    }

    /// The same moment in UTC; what has no minutes stays as it is, for then the shift is not known exactly.
    fn in_utc(self, zone: i32) -> Self {
        let (Sort::DateTime, Some(month), Some(day), Some(hour)) = (self.sort, self.month, self.day, self.hour) else {
            return self;
        };
        let offset = self.offset.unwrap_or(zone);
        let minute = self.minute.unwrap_or(0);
        let minutes = days(self.year, month, day) * 1440 + i64::from(hour) * 60 + i64::from(minute) - i64::from(offset);
        let (year, month, day) = civil(minutes.div_euclid(1440));
        let of_day = minutes.rem_euclid(1440);
        Self {
            year,
            month: Some(month),
            day: Some(day),
            hour: Some((of_day / 60) as u8),
            minute: self.minute.map(|_| (of_day % 60) as u8),
            ..self
        }
    }

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
        let of_day = i64::from(self.hour?) * 3_600_000 + i64::from(self.minute.unwrap_or(0)) * 60_000 + of_minute;
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
            made.offset = Some(self.offset.unwrap_or(if low { 14 * 60 } else { -12 * 60 }));
        }
        Some(made)
    }

    /// A part of it: year, month, day, hour, minute, second or millisecond.
    pub(crate) fn part(self, unit: CalendarUnit) -> Option<i32> {
        let is_time = self.sort == Sort::Time;
        match unit {
            CalendarUnit::Year if !is_time => Some(self.year),
            CalendarUnit::Month => self.month.map(i32::from),
            CalendarUnit::Day => self.day.map(i32::from),
            CalendarUnit::Hour => self.hour.map(i32::from),
            CalendarUnit::Minute => self.minute.map(i32::from),
            CalendarUnit::Second => self.millis.and_then(|(millis, _)| i32::try_from(millis / 1000).ok()),
            CalendarUnit::Millisecond => self.millis.and_then(|(millis, _)| i32::try_from(millis % 1000).ok()),
            CalendarUnit::Year | CalendarUnit::Week => None,
        }
    }

    /// Minutes east of UTC, where they are said.
    pub(crate) fn offset(self) -> Option<i32> {
        self.offset
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

fn fitting_year(year: i64) -> Option<i32> {
    (1..=9999).contains(&year).then_some(year as i32)
}

struct Reader<'t>(&'t [u8]);

impl Reader<'_> {
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.0.first() == Some(&byte);
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let digits = self.0.get(..count)?;
        let value = digits.iter().try_fold(0, |value: u32, digit| {
            digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0'))
        })?;
        self.0 = &self.0[count..];
        Some(value)
    }

    fn two(&mut self, least: u8, most: u8) -> Option<u8> {
        let value = u8::try_from(self.digits(2)?).ok()?;
        (least..=most).contains(&value).then_some(value)
    }

    fn date(&mut self) -> Option<Temporal> {
        let mut date = Temporal::empty(Sort::Date);
        date.year = fitting_year(i64::from(self.digits(4)?))?;
        if self.take(b'-') {
            let month = self.two(1, 12)?;
            date.month = Some(month);
            if self.take(b'-') {
                date.day = Some(self.two(1, days_in_month(date.year, month))?);
            }
        }
        Some(date)
    }

    fn time(&mut self, into: &mut Temporal) -> Option<()> {
        into.hour = Some(self.two(0, 23)?);
        if !self.take(b':') {
            return Some(());
        }
        into.minute = Some(self.two(0, 59)?);
        if !self.take(b':') {
            return Some(());
        }
        // A leap second counts as the one before it.
        let second = self.two(0, 60)?.min(59);
        let mut millis = 0;
        let has_fraction = self.take(b'.');
        if has_fraction {
            let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if count == 0 {
                return None;
            }
            let digits = (0..3).map(|at| if at < count { u32::from(self.0[at] - b'0') } else { 0 });
            millis = digits.fold(0, |value, digit| value * 10 + digit);
            self.0 = &self.0[count..];
        }
        into.millis = Some((u32::from(second) * 1000 + millis, has_fraction));
        Some(())
    }

    fn offset(&mut self) -> Option<Option<i32>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.take(b'Z') {
            return Some(Some(0));
        }
        let sign = if self.take(b'+') { 1 } else { self.take(b'-').then_some(-1)? };
        let hours = self.two(0, 14)?;
        let minutes = if self.take(b':') { self.two(0, 59)? } else { return None };
        Some(Some(sign * (i32::from(hours) * 60 + i32::from(minutes))))
    }
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of the proleptic Gregorian calendar (years count from March, eras of 400 years).
fn days(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The year, month and day that [`days`] counted.
fn civil(days: i64) -> (i32, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * from_march + 2) / 5 + 1) as u8;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 } as u8;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month, day)
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sort != Sort::Time {
            write!(f, "{:04}", self.year)?;
            for part in [self.month, self.day].into_iter().flatten() {
                write!(f, "-{part:02}")?;
            }
        }
        if let Some(hour) = self.hour {
            write!(f, "{}{hour:02}", if self.sort == Sort::Time { "" } else { "T" })?;
        }
        if let Some(minute) = self.minute {
            write!(f, ":{minute:02}")?;
        }
        if let Some((millis, has_fraction)) = self.millis {
            write!(f, ":{:02}", millis / 1000)?;
            if has_fraction {
                write!(f, ".{:03}", millis % 1000)?;
            }
        }
        match self.offset {
            Some(0) => f.write_str("Z"),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
            None => Ok(()),
        }
    }
}
