//! Dates, times and moments of FHIRPath: each as exact as it was written (FHIRPath N1, "Date", "DateTime", "Time").

use std::cmp::Ordering;
use std::fmt;

use crate::temporal_read::Reader;

/// The offsets, in minutes east of UTC, between which all others are.
pub(crate) const EASTERNMOST: i32 = 14 * 60;
pub(crate) const WESTERNMOST: i32 = -12 * 60;

/// A date, a moment or a time of day. What is not known is `None`, and then everything finer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporal {
    /// Which of the three it is.
    pub sort: Sort,
    pub(crate) year: i32,
    pub(crate) month: Option<u8>,
    pub(crate) day: Option<u8>,
    pub(crate) hour: Option<u8>,
    pub(crate) minute: Option<u8>,
    /// Seconds and milliseconds are one precision: milliseconds of the minute, and whether digits of a fraction were written.
    pub(crate) millis: Option<(u32, bool)>,
    /// Minutes east of UTC, where they are said.
    pub(crate) offset: Option<i32>,
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

    pub(crate) fn empty(sort: Sort) -> Self {
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
    ///
    /// Moments are compared in UTC, but with a date as they are written. When only one of them says its offset, the answer
    /// must be the same for every offset there is, from +14:00 to -12:00.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        let with_time = self.hour.is_some() && other.hour.is_some();
        if !with_time || self.offset.is_some() == other.offset.is_some() {
            let (one, other) = if with_time { (self.in_utc(0), other.in_utc(0)) } else { (self, other) };
            return one.compare_parts(other);
        }
        let east = self.in_utc(EASTERNMOST).compare_parts(other.in_utc(EASTERNMOST));
        let west = self.in_utc(WESTERNMOST).compare_parts(other.in_utc(WESTERNMOST));
        if east == west { east } else { None }
    }

    fn compare_parts(self, other: Self) -> Option<Ordering> {
        for (of_one, of_other) in self.parts().into_iter().zip(other.parts()) {
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
    pub(crate) fn equivalent(self, other: Self) -> bool {
        self.compare(other) == Some(Ordering::Equal)
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

    /// The same moment in UTC, with `zone` where it says no offset; what has no minutes stays as it is, for then the shift is not known exactly.
    fn in_utc(self, zone: i32) -> Self {
        let (Sort::DateTime, Some(month), Some(day), Some(hour)) =
            (self.sort, self.month, self.day, self.hour)
        else {
            return self;
        };
        let offset = self.offset.unwrap_or(zone);
        let minute = self.minute.unwrap_or(0);
        let minutes =
            days(self.year, month, day) * 1440 + i64::from(hour) * 60 + i64::from(minute) - i64::from(offset);
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
            CalendarUnit::Millisecond => {
                self.millis.and_then(|(millis, _)| i32::try_from(millis % 1000).ok())
            }
            CalendarUnit::Year | CalendarUnit::Week => None,
        }
    }

    /// Minutes east of UTC, where they are said.
    pub(crate) fn offset(self) -> Option<i32> {
        self.offset
    }
}

pub(crate) fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of the proleptic Gregorian calendar (years count from March, eras of 400 years).
pub(crate) fn days(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The year, month and day that [`days`] counted.
pub(crate) fn civil(days: i64) -> (i32, u8, u8) {
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
