//! A gateway's clock: Beijing time, as fast as the real one or standing still; it can be set. Signatures go by the real time.

use std::time::Instant;

use sim_kit::SimError;
use sim_kit::clock::Clock as Start;
use time::macros::{format_description, offset};
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

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

    /// Goes on by so many seconds.
    pub(super) fn advance(&mut self, seconds: i64) {
        let now = self.now();
        let shown = now.checked_add(Duration::seconds(seconds)).unwrap_or(now);
        *self = Self { shown, since: Instant::now(), is_frozen: self.is_frozen };
    }

    /// Shows this time (`2026-03-02 08:00:00`) from now on; nothing where it is none.
    pub(super) fn set(&mut self, at: &str) -> Option<()> {
        let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        let shown = PrimitiveDateTime::parse(at, format).ok()?;
        *self = Self { shown, since: Instant::now(), is_frozen: self.is_frozen };
        Some(())
    }
}

/// `2026-03-02 08:00:00`.
pub(super) fn spaced(at: PrimitiveDateTime) -> String {
    format!("{} {:02}:{:02}:{:02}", at.date(), at.hour(), at.minute(), at.second())
}
