//! Decimals: 28 digits, exact (FHIRPath N1, "Decimal").

use rust_decimal::{Decimal, RoundingStrategy};

/// Reads `[+-]digits[.digits]`, also with an exponent as JSON writes it. `None`: it is none, or has more digits.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let fits = text.len() <= 64
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'))
        && !text.ends_with('.')
        && !text.starts_with('.');
    if !fits {
        return None;
    }
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    Decimal::from_str_exact(text.strip_prefix('+').unwrap_or(text)).ok()
}

/// Whether the text is a number as FHIRPath writes one: no exponent.
pub(crate) fn is_plain(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The same within the digits after the point that both have (FHIRPath N1, "Equivalence").
pub(crate) fn equivalent(one: Decimal, other: Decimal) -> bool {
    let digits = one.normalize().scale().min(other.normalize().scale());
    let rounded =
        |value: Decimal| value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    rounded(one) == rounded(other)
}
