//! Chance that can be had again: the same seed throws the same numbers.

use std::time::Duration;

/// Throws numbers (xorshift64*).
pub struct Dice(u64);

impl Dice {
    /// With the seed that the variable names, or one of this moment. It is told, so that a run can be had again as far as
    /// chance is ours.
    pub fn of(variable: &str) -> Self {
        let asked = std::env::var(variable).ok().and_then(|seed| seed.parse().ok());
        let seed = asked.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos()) << 20 ^ now.as_secs()
        });
        eprintln!("{variable}={seed}");
        Self::seeded(seed)
    }

    /// With this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below this one.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// One of these.
    pub fn one_of<'a, T>(&mut self, these: &'a [T]) -> &'a T {
        &these[usize::try_from(self.below(these.len() as u64)).unwrap()]
    }

    /// So many milliseconds, more or less.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}
