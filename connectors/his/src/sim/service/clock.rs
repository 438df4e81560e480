//! The HIS's clock: Beijing time, as fast as the real one or standing still, set by the settings or the control API.

use std::time::Instant;

use sim_kit::SimError;
use sim_kit::clock::Clock as Start;
use time::macros::{format_description, offset};
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time};

time::serde::format_description!(pub(super) stamp, PrimitiveDateTime, "[year]-[month]-[day] [hour]:[minute]:[second]");
time::serde::format_description!(pub(super) day, Date, "[year]-[month]-[day]");
time::serde::format_description!(pub(super) hour, Time, "[hour]:[minute]");

/// A clock that can be set.
pub(super) struct Clock {
    /// What it showed at this moment.
    shown: PrimitiveDateTime,
    since: Instant,
    is_frozen: bool,
    /// Whether it shows the real time, and so need not be remembered.
    is_real: bool,
}

impl Clock {
    /// A clock that shows `start` (`20260302080000`), or the real time in Beijing.
    pub(super) fn new(start: Option<&str>, is_frozen: bool) -> Result<Self, SimError> {
        let shown = match start {
            Some(start) => Start::at(start)?.now(),
            None => {
                let real = OffsetDateTime::now_utc().to_offset(offset!(+8));
                PrimitiveDateTime::new(real.date(), real.time())
            }
        };
        Ok(Self { shown, since: Instant::now(), is_frozen, is_real: start.is_none() && !is_frozen })
    }

    /// The time shown, to the second.
    pub(super) fn now(&self) -> PrimitiveDateTime {
        let passed = if self.is_frozen { 0 } else { self.since.elapsed().as_secs() };
        let passed = Duration::seconds(i64::try_from(passed).unwrap_or(0));
        let now = self.shown.checked_add(passed).unwrap_or(self.shown);
        now.replace_nanosecond(0).unwrap_or(now)
    }

    /// Shows this time from now on, and stands still or not.
    pub(super) fn set(&mut self, at: PrimitiveDateTime, is_frozen: bool) {
        *self = Self { shown: at, since: Instant::now(), is_frozen, is_real: false };
    }

    /// Whether it shows the real time.
    pub(super) fn is_real(&self) -> bool {
        self.is_real
    }

    /// Whether it stands still.
    pub(super) fn is_frozen(&self) -> bool {
        self.is_frozen
    }
}

/// `2026-03-02 08:00:00`, as the HIS writes a time.
pub(super) fn stamped(at: PrimitiveDateTime) -> String {
    format!("{} {:02}:{:02}:{:02}", at.date(), at.hour(), at.minute(), at.second())
}

/// `08:00`.
pub(super) fn hour_of(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// Reads `2026-03-02 08:00:00` or `20260302080000`.
pub(super) fn read_stamp(text: &str) -> Option<PrimitiveDateTime> {
    let long = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let short = format_description!("[year][month][day][hour][minute][second]");
    PrimitiveDateTime::parse(text, long).or_else(|_| PrimitiveDateTime::parse(text, short)).ok()
}

/// Reads `2026-03-02`.
pub(super) fn read_day(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// Reads `08:00`.
pub(super) fn read_hour(text: &str) -> Option<Time> {
    Time::parse(text, format_description!("[hour]:[minute]")).ok()
}
