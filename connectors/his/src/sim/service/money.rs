//! Money: whole fen within, yuan with two decimals on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in fen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Fen(pub(super) i64);

impl Fen {
    /// Reads yuan with at most two decimals: `800`, `800.5`, `800.00`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (yuan, cents) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, most| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(yuan, 10) || !digits(cents, 2) {
            return None;
        }
        let cents: i64 = format!("{cents:0<2}").parse().ok()?;
        Some(Self(yuan.parse::<i64>().ok()? * 100 + cents))
    }
}

impl fmt::Display for Fen {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(to, "{sign}{}.{:02}", self.0.abs() / 100, self.0.abs() % 100)
    }
}

impl std::ops::Add for Fen {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::iter::Sum for Fen {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self(0), std::ops::Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_are_read_and_written_exactly() {
        for (text, fen) in [("800", 80_000), ("0.5", 50), ("12.34", 1_234), ("0", 0)] {
            assert_eq!(Fen::read(text), Some(Fen(fen)));
        }
        for wrong in ["", ".5", "1.", "1.234", "-1", "1e3", "１"] {
            assert_eq!(Fen::read(wrong), None, "{wrong}");
        }
        assert_eq!([Fen(5), Fen(-1_234)].map(|fen| fen.to_string()), ["0.05", "-12.34"]);
    }
}
