//! The moment it is: behind a trait, so that tests can say.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A clock that differs by no more from the time that has passed was not set.
const DRIFT: Duration = Duration::from_secs(5);
/// So many settings of the clock are remembered.
const MOST_STEPS: usize = 64;

/// Notices when the clock is set forward, so that nobody's time is up by that alone.
///
/// It must be asked now and then; what it notices it has noticed between two questions.
#[derive(Debug, Default)]
pub struct ClockSteps {
    last: Option<(OffsetDateTime, Instant)>,
    /// Each time: the moment from which the clock was set, and by how much.
    forward: Vec<(OffsetDateTime, Duration)>,
}

impl ClockSteps {
    /// Looks at the clock. Says by how much it was set since the last look, forward or back, if it was.
    pub fn look(&mut self, now: OffsetDateTime) -> Option<time::Duration> {
        let at = Instant::now();
        let (last, last_at) = self.last.replace((now, at))?;
        let expected = last + at.saturating_duration_since(last_at);
        let step = now - expected;
        if step.abs() <= DRIFT {
            return None;
        }
        if let Ok(by) = Duration::try_from(step) {
            if self.forward.len() == MOST_STEPS {
                self.forward.remove(0);
            }
            self.forward.push((expected, by));
        }
        Some(step)
    }

    /// An earlier moment as it would have been, had the clock always shown what it shows now: time that has not passed does not
    /// count. Never later than `now`.
    pub fn since(&self, moment: OffsetDateTime, now: OffsetDateTime) -> OffsetDateTime {
        let mut since = moment;
        for (from, by) in &self.forward {
            if since <= *from {
                since += *by;
            }
        }
        since.min(now)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-23 08:00 UTC);
    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn time_that_has_not_passed_does_not_count() {
        let mut steps = ClockSteps::default();
        assert_eq!(steps.look(START), None);
        tokio::time::sleep(HOUR).await;
        assert_eq!(steps.look(START + HOUR), None);
        assert_eq!(steps.since(START, START + HOUR), START);
        // Five hours forward.
        assert_eq!(steps.look(START + 6 * HOUR), Some(time::Duration::hours(5)));
        assert_eq!(steps.since(START, START + 6 * HOUR), START + 5 * HOUR, "it is an hour old");
        tokio::time::sleep(HOUR).await;
        let later = START + 7 * HOUR;
        assert_eq!(steps.look(later), None);
        assert_eq!(steps.since(START + 6 * HOUR + HOUR / 2, later), START + 6 * HOUR + HOUR / 2);
        // And back.
        assert_eq!(steps.look(START + 2 * HOUR), Some(time::Duration::hours(-5)));
        assert!(steps.since(START, START + 2 * HOUR) <= START + 2 * HOUR, "nothing is of the future");
    }
}
