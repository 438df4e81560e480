//! Numbers: HL7 v2 NM and SI become FHIR numbers that keep every digit.

use compact_str::CompactString;
use hub_fhir::Json;
use hub_fhir::primitive::Primitive;

use super::{Context, Misfit, Outcome};
use crate::read::Value;

/// Digits a number may have; more are no measurement.
const MOST_DIGITS: usize = 64;

pub(super) fn integer(value: Value<'_>, _: &Context<'_>) -> Outcome {
    whole(value, Primitive::Integer, "expected a whole number")
}

pub(super) fn unsigned_int(value: Value<'_>, _: &Context<'_>) -> Outcome {
    whole(value, Primitive::UnsignedInt, "expected a whole number from 0")
}

pub(super) fn positive_int(value: Value<'_>, _: &Context<'_>) -> Outcome {
    whole(value, Primitive::PositiveInt, "expected a whole number from 1")
}

fn whole(value: Value<'_>, primitive: Primitive, expected: &'static str) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    let number = parse(&text).map(Json::Number).filter(|number| primitive.check(number).is_ok());
    number.map(Some).ok_or_else(|| Misfit::new(value, expected))
}

pub(super) fn decimal(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    match parse(&text) {
        Some(number) => Ok(Some(Json::Number(number))),
        None => Err(Misfit::new(value, "expected a number")),
    }
}

/// The JSON form of a number as people write it: `+5.0` is `5.0`, `.5` is `0.5`, `007` is `7`, `5.` is `5`. Digits
/// after the point are kept: `1.10` says more than `1.1`.
pub(super) fn parse(text: &str) -> Option<CompactString> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && whole.len() + fraction.len() <= MOST_DIGITS;
    if !fits {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let is_zero = whole.is_empty() && fraction.bytes().all(|byte| byte == b'0');
    let mut number = CompactString::default();
    if negative && !is_zero {
        number.push('-');
    }
    number.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        number.push('.');
        number.push_str(fraction);
    }
    if let Some(exponent) = exponent {
        let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if power.is_empty() || power.len() > 2 || !digits(power) {
            return None;
        }
        number.push('E');
        number.push_str(exponent.strip_prefix('+').unwrap_or(exponent));
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_precision_and_loses_its_ornaments() {
        for (text, number) in [
            ("5", "5"),
            ("+5.0", "5.0"),
            (".5", "0.5"),
            ("5.", "5"),
            ("007.10", "7.10"),
            ("-0", "0"),
            ("-0.50", "-0.50"),
            ("1E3", "1E3"),
            ("1.5e-7", "1.5E-7"),
            ("0", "0"),
            ("00", "0"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", ".", "-", "5,6", "5 mg", "<5", "1E", "1E999", "--1", "１", "NaN", &"9".repeat(65)] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
