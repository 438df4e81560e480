//! The bank's clock: Beijing time, as fast as the real one or standing still; it can be set. Signatures go by the real time.

use std::time::Instant;

use sim_kit::SimError;
use sim_kit::clock::Clock as Start;
use time::macros::{format_description, offset};
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime};

/// A clock that can be set.
pub(super) struct Clock {
    shown: PrimitiveDateTime,
    since: Instant,
    is_frozen: bool,
}

impl Clock {
    /// A clock that shows `start` (`20260302080000`), or the real time in Beijing.
    pub(super) fn new(start: Option<&str>, is_frozen: bool) -> Result<Self, SimError> {
        let real = OffsetDateTime::now_utc().to_offset(offset!(+8));
        let shown = match start {
            Some(start) => Start::at(start)?.now(),
            None => PrimitiveDateTime::new(real.date(), real.time()),
        };
        Ok(Self { shown, since: Instant::now(), is_frozen })
    }

    /// The time shown, to the second.
    pub(super) fn now(&self) -> PrimitiveDateTime {
        let passed = if self.is_frozen { 0 } else { self.since.elapsed().as_secs() };
        let passed = Duration::seconds(i64::try_from(passed).unwrap_or(0));
        let now = self.shown.checked_add(passed).unwrap_or(self.shown);
        now.replace_nanosecond(0).unwrap_or(now)
    }

    /// Shows this time from now on.
    pub(super) fn set(&mut self, at: PrimitiveDateTime) {
        *self = Self { shown: at, since: Instant::now(), is_frozen: self.is_frozen };
    }
}

/// `2026-03-02 08:00:00`.
pub(super) fn spaced(at: PrimitiveDateTime) -> String {
    format!("{} {:02}:{:02}:{:02}", at.date(), at.hour(), at.minute(), at.second())
}

/// `2026-03-02T08:00:00+08:00`.
pub(super) fn zoned(at: PrimitiveDateTime) -> String {
    format!("{}+08:00", spaced(at).replace(' ', "T"))
}

/// Reads `2026-03-02T08:00:00+08:00`; other zones are refused, as the bank's manual asks for this one.
pub(super) fn read_zoned(text: &str) -> Option<PrimitiveDateTime> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+08:00");
    PrimitiveDateTime::parse(text, format).ok()
}

/// Reads `2026-03-02`.
pub(super) fn read_day(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// `20260302080000`.
pub(super) fn digits(at: PrimitiveDateTime) -> String {
    spaced(at).chars().filter(char::is_ascii_digit).collect()
}

/// Reads `20260302080000`.
pub(super) fn read_digits(text: &str) -> Option<PrimitiveDateTime> {
    PrimitiveDateTime::parse(text, format_description!("[year][month][day][hour][minute][second]")).ok()
}
