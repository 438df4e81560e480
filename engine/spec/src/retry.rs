//! When a parcel that was not taken is tried again.

use std::time::Duration;

use time::OffsetDateTime;

/// Waits grow by this factor: 1 s, 5 s, 25 s, about 2 min, 10 min.
const FACTOR: u32 = 5;

/// The share of a wait that chance may take off, so that parcels that failed together do not come back together.
const JITTER: f64 = 0.2;

/// How long to wait between tries, and when to stop trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after the first try.
    pub first: Duration,
    /// No wait is longer, unless the receiver asks for it.
    pub max: Duration,
    /// A parcel owed for so long is given up.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(600),
            give_up_after: Duration::from_secs(24 * 3600),
        }
    }
}

impl RetryPolicy {
    /// When to try again after try number `attempt` (from 1) has failed at `now`; `None`: the parcel, owed since
    /// `owed_since`, is given up.
    ///
    /// The wait is `first`, five times longer after each try, at most `max`; `jitter` (0 to 1, chance) takes up to a fifth off.
    /// `after` is the receiver's own word on when to come again: no try is made earlier. The last try is at the very end
    /// of the time, so that a parcel is never given up with time left.
    pub fn next_attempt_at(
        &self,
        attempt: u32,
        owed_since: OffsetDateTime,
        now: OffsetDateTime,
        jitter: f64,
        after: Option<Duration>,
    ) -> Option<OffsetDateTime> {
        let end = later(owed_since, self.give_up_after);
        if now >= end {
            return None;
        }
        let wait = self.wait(attempt, jitter).max(after.unwrap_or_default());
        Some(later(now, wait).min(end))
    }

    /// The wait after try number `attempt`, without the receiver's word.
    fn wait(&self, attempt: u32, jitter: f64) -> Duration {
        let growth = FACTOR.saturating_pow(attempt.saturating_sub(1));
        let whole = self.first.saturating_mul(growth).min(self.max);
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
        whole.mul_f64(1.0 - JITTER * jitter)
    }
}

/// The moment so much later; the last moment there is when that is too far away to be written.
fn later(moment: OffsetDateTime, wait: Duration) -> OffsetDateTime {
    let wait = time::Duration::try_from(wait).unwrap_or(time::Duration::MAX);
    let last = time::PrimitiveDateTime::MAX.assume_utc();
    moment.checked_add(wait).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 08:00 UTC);

    fn waits(policy: RetryPolicy, tries: u32) -> Vec<i64> {
        (1..=tries)
            .map(|attempt| policy.next_attempt_at(attempt, NOW, NOW, 0.0, None).unwrap())
            .map(|at| (at - NOW).whole_seconds())
            .collect()
    }

    #[test]
    fn waits_grow_to_the_longest_one() {
        assert_eq!(waits(RetryPolicy::default(), 7), [1, 5, 25, 125, 600, 600, 600]);
    }

    #[test]
    fn the_receivers_word_counts_even_when_it_is_longer() {
        let hour = Duration::from_secs(3600);
        let at = RetryPolicy::default().next_attempt_at(1, NOW, NOW, 0.0, Some(hour));
        assert_eq!(at, Some(NOW + hour));
    }

    #[test]
    fn the_last_try_is_at_the_end_of_the_time_and_then_the_parcel_is_given_up() {
        let policy = RetryPolicy::default();
        let end = NOW + policy.give_up_after;
        let just_before = end - Duration::from_secs(1);
        assert_eq!(policy.next_attempt_at(99, NOW, just_before, 0.0, None), Some(end));
        assert_eq!(policy.next_attempt_at(100, NOW, end, 0.0, None), None);
    }

    prop_compose! {
        fn policies()(first in 1u64..=86_400, longer in 0u64..=86_400, hours in 1u64..=8760) -> RetryPolicy {
            RetryPolicy {
                first: Duration::from_secs(first),
                max: Duration::from_secs(first + longer),
                give_up_after: Duration::from_secs(hours * 3600),
            }
        }
    }

    proptest! {
        #[test]
        fn later_tries_never_wait_less(policy in policies(), attempt in 1u32..100, jitter in 0.0..=1.0) {
            prop_assert!(policy.wait(attempt, jitter) <= policy.wait(attempt + 1, jitter));
        }

        #[test]
        fn no_wait_is_longer_than_the_longest_or_less_than_four_fifths_of_the_first(
            policy in policies(), attempt in any::<u32>(), jitter in any::<f64>(),
        ) {
            let wait = policy.wait(attempt, jitter);
            prop_assert!(wait <= policy.max);
            prop_assert!(wait >= policy.first.mul_f64(0.79));
        }

        #[test]
        fn every_parcel_is_given_up_in_the_end_and_never_tried_after_its_time(
            policy in policies(), jitter in 0.0..=1.0, after in proptest::option::of(any::<u32>()),
        ) {
            let after = after.map(|secs| Duration::from_secs(secs.into()));
            let end = NOW + policy.give_up_after;
            let (mut now, mut attempt) = (NOW, 1);
            while let Some(at) = policy.next_attempt_at(attempt, NOW, now, jitter, after) {
                prop_assert!(at > now && at <= end);
                // Most of the way is walked in one step: a year of ten-minute waits proves no more than a few.
                now = if attempt == 50 { end.max(at) } else { at };
                attempt += 1;
            }
            prop_assert_eq!(now, end);
        }
    }
}
