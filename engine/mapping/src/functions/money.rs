//! Money between yuan with a decimal point, as FHIR and hospitals write it, and whole fen, as banks do. Integer arithmetic on the
//! digits only: no amount passes through a binary fraction.

use compact_str::{CompactString, format_compact};
use hub_fhir::Json;

use super::build::Build;
use super::{Context, Misfit, Outcome, numbers};
use crate::read::Value;

/// What an amount is in, where the line's `system` names no other currency.
const YUAN: &str = "CNY";

/// Yuan to fen: `12.50` and a Money of that value become 1250. A fraction of a fen does not fit, nor does another currency.
pub(super) fn fen(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let amount = value.child("value").unwrap_or(value);
    let Some(text) = amount.text() else { return Ok(None) };
    let expected = context.system.unwrap_or(YUAN);
    if let Some(currency) = value.child("currency")
        && currency.text().is_some_and(|said| said != expected)
    {
        return Err(Misfit::new(currency, format!("expected an amount in {expected}")));
    }
    match to_fen(&text) {
        Some(fen) => Ok(Some(Json::Number(fen))),
        None => Err(Misfit::new(amount, "expected an amount with at most two digits after the point")),
    }
}

/// Fen to yuan with two decimals: `1250` becomes 12.50.
pub(super) fn yuan(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    match to_yuan(&text) {
        Some(yuan) => Ok(Some(Json::Number(yuan))),
        None => Err(Misfit::new(value, "expected an amount in whole fen")),
    }
}

/// Fen to a FHIR Money; its currency is the line's `system` where it names one, else CNY.
pub(super) fn money_of_fen(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let Some(yuan) = yuan(value, context)? else { return Ok(None) };
    let mut built = Build::with_capacity(2);
    built.put("value", yuan);
    built.put("currency", Json::string(context.system.unwrap_or(YUAN)));
    built.finish()
}

fn to_fen(text: &str) -> Option<CompactString> {
    let number = numbers::parse(text).filter(|number| !number.contains(['e', 'E']))?;
    let (sign, digits) = number.strip_prefix('-').map_or(("", number.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (kept, beyond) = fraction.split_at(fraction.len().min(2));
    if beyond.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let fen = format_compact!("{whole}{kept:0<2}");
    let fen = fen.trim_start_matches('0');
    Some(if fen.is_empty() { CompactString::const_new("0") } else { format_compact!("{sign}{fen}") })
}

fn to_yuan(text: &str) -> Option<CompactString> {
    let number = numbers::parse(text).filter(|number| !number.contains(['.', 'e', 'E']))?;
    let (sign, digits) = number.strip_prefix('-').map_or(("", number.as_str()), |digits| ("-", digits));
    let padded = format_compact!("{digits:0>3}");
    let (whole, fraction) = padded.split_at(padded.len() - 2);
    Some(format_compact!("{sign}{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_become_fen_and_back_without_losing_one() {
        for (yuan, fen) in [
            ("12.50", "1250"),
            ("0.01", "1"),
            ("0", "0"),
            ("-3.2", "-320"),
            ("100", "10000"),
            ("1.1000", "110"),
            ("99999999999999999.99", "9999999999999999999"),
        ] {
            assert_eq!(to_fen(yuan).as_deref(), Some(fen), "{yuan}");
        }
        for (fen, yuan) in
            [("1250", "12.50"), ("1", "0.01"), ("0", "0.00"), ("-320", "-3.20"), ("007", "0.07")]
        {
            assert_eq!(to_yuan(fen).as_deref(), Some(yuan), "{fen}");
        }
    }

    #[test]
    fn a_fraction_of_a_fen_is_refused() {
        assert_eq!(to_fen("0.001"), None);
        assert_eq!(to_fen("1e3"), None);
        assert_eq!(to_fen("twelve"), None);
        assert_eq!(to_yuan("12.5"), None);
    }
}
