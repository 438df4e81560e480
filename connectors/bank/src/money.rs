//! Money: whole fen, and yuan as bank files write them. No fraction is ever rounded.

use serde::{Deserialize, Deserializer};

/// Reads `12.34`, `12.3` or `12` yuan; a minus is allowed, and noughts behind (`0.06000`). `None` where it is not whole fen.
pub(crate) fn fen_of_yuan(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let part = match part.get(2..) {
        Some(rest) if rest.bytes().all(|byte| byte == b'0') => &part[..2],
        _ => part,
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 2 {
        return None;
    }
    let part: i64 = format!("{part:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(part)?.checked_mul(sign)
}

/// Reads fen that came as a number or as its digits: mappings write texts.
pub(crate) fn fen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    let wrong = || serde::de::Error::custom("expected whole fen");
    match Option::<Either>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Either::Number(fen)) => Ok(Some(fen)),
        Some(Either::Text(text)) => text.parse().map(Some).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_become_fen_exactly_or_not_at_all() {
        for (yuan, fen) in
            [("0.01", 1), ("12.3", 1230), ("12", 1200), ("-500.00", -50_000), ("0.06000", 6), ("7.000", 700)]
        {
            assert_eq!(fen_of_yuan(yuan), Some(fen), "{yuan}");
        }
        for wrong in ["", "1.234", "1,200.00", "1.", ".5", "1e2", "99999999999999999.00"] {
            assert_eq!(fen_of_yuan(wrong), None, "{wrong}");
        }
    }
}
