//! The service's clock: the real time or one that was set, running or standing still. What is signed for HOSP-SIGN goes by the real time.

use std::time::Instant;

use sim_kit::SimError;
use sim_kit::clock::Clock as Start;
use time::format_description::well_known::Rfc3339;
use time::macros::offset;
use time::{Duration, OffsetDateTime};

/// A clock that can be moved.
pub(super) struct Clock {
    shown: OffsetDateTime,
    since: Instant,
    is_frozen: bool,
}

impl Clock {
    /// A clock that shows `start` (`20260302080000`, Beijing), or the real time.
    pub fn new(start: Option<&str>, is_frozen: bool) -> Result<Self, SimError> {
        let shown = match start {
            Some(start) => Start::at(start)?.now().assume_offset(offset!(+8)),
            None => OffsetDateTime::now_utc(),
        };
        Ok(Self { shown, since: Instant::now(), is_frozen })
    }

    /// The time shown, to the second.
    pub fn now(&self) -> OffsetDateTime {
        let passed = if self.is_frozen { 0 } else { self.since.elapsed().as_secs() };
        let passed = Duration::seconds(i64::try_from(passed).unwrap_or(0));
        let now = self.shown.checked_add(passed).unwrap_or(self.shown);
        now.replace_nanosecond(0).unwrap_or(now)
    }

    /// Moves it on.
    pub fn advance(&mut self, secs: i64) {
        self.shown = self.shown.checked_add(Duration::seconds(secs)).unwrap_or(self.shown);
    }
}

/// `2026-03-02T08:00:00+08:00`
pub(super) fn written(at: OffsetDateTime) -> String {
    at.to_offset(offset!(+8)).format(&Rfc3339).unwrap_or_default()
}
