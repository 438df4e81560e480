//! Ranges, ratios and amounts of money: HL7 v2 NR, SN, MO, CP, and the same written as text.

use compact_str::CompactString;
use hub_fhir::Json;

use super::build::Build;
use super::quantity::{comparator, compared, made};
use super::{Context, Misfit, Outcome, numbers};
use crate::read::Value;

/// Two ends, one of which may be open.
type Ends = (Option<CompactString>, Option<CompactString>);

pub(super) fn range(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let Some((low, high)) = structured_ends(value).or_else(|| text_ends(&value.text()?)) else {
        return match value.text() {
            None if value.part_text(2).is_none() => Ok(None),
            _ => Err(Misfit::new(value, "expected two numbers: `3.5^9.5`, `^3.5^-^9.5` or `3.5-9.5`")),
        };
    };
    let mut built = Build::with_capacity(2);
    if let Some(low) = low {
        built.put_some("low", made(low, None, context.unit, context)?);
    }
    if let Some(high) = high {
        built.put_some("high", made(high, None, context.unit, context)?);
    }
    built.finish()
}

pub(super) fn low(value: Value<'_>, context: &Context<'_>) -> Outcome {
    match ends(value).and_then(|(low, _)| low) {
        Some(low) => made(low, None, context.unit, context),
        None => Ok(None),
    }
}

pub(super) fn high(value: Value<'_>, context: &Context<'_>) -> Outcome {
    match ends(value).and_then(|(_, high)| high) {
        Some(high) => made(high, None, context.unit, context),
        None => Ok(None),
    }
}

fn ends(value: Value<'_>) -> Option<Ends> {
    structured_ends(value).or_else(|| text_ends(&value.text()?))
}

/// NR: low ^ high. SN: ^ low ^ - ^ high.
fn structured_ends(value: Value<'_>) -> Option<Ends> {
    let number = |part: u16| value.part_text(part).as_deref().and_then(numbers::parse);
    if value.part_text(3).as_deref() == Some("-") {
        return Some((Some(number(2)?), Some(number(4)?)));
    }
    let second = value.part_text(2)?;
    let first = value.part_text(1);
    let low = match first {
        Some(text) => Some(numbers::parse(&text)?),
        None => None,
    };
    Some((low, Some(numbers::parse(&second)?)))
}

/// `3.5-9.5`, `3.5~9.5`, `<5.0`, `>=60`
fn text_ends(text: &str) -> Option<Ends> {
    if let Some((Some(sign), number)) = compared(text) {
        return Some(if sign.starts_with('<') { (None, Some(number)) } else { (Some(number), None) });
    }
    let separators = text.char_indices().skip(1).filter(|(_, c)| matches!(c, '-' | '~' | '–' | '—' | '～'));
    for (at, separator) in separators {
        let (low, high) = (&text[..at], &text[at + separator.len_utf8()..]);
        if let (Some(low), Some(high)) = (numbers::parse(low.trim()), numbers::parse(high.trim())) {
            return Some((Some(low), Some(high)));
        }
    }
    None
}

pub(super) fn ratio(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let structured = matches!(value.part_text(3).as_deref(), Some(":" | "/"));
    if structured {
        let sign = value.part_text(1);
        let comparator = comparator(sign.as_deref().unwrap_or_default()).flatten();
        let number = |part: u16| value.part_text(part).as_deref().and_then(numbers::parse);
        if let (Some(numerator), Some(denominator)) = (number(2), number(4)) {
            return ratio_of(comparator, numerator, denominator, context);
        }
        return Err(Misfit::new(value, "expected two numbers: `^1^:^128`"));
    }
    let Some(text) = value.text() else { return Ok(None) };
    match ratio_text(&text) {
        Some((comparator, numerator, denominator)) => ratio_of(comparator, numerator, denominator, context),
        None => Err(Misfit::new(value, "expected two numbers: `^1^:^128` or `1:128`")),
    }
}

/// `1:128`, `>1:640`
pub(super) fn ratio_text(text: &str) -> Option<(Option<&'static str>, CompactString, CompactString)> {
    let (numerator, denominator) = text.split_once([':', '：', '/'])?;
    let (comparator, numerator) = compared(numerator.trim())?;
    Some((comparator, numerator, numbers::parse(denominator.trim())?))
}

fn ratio_of(
    comparator: Option<&'static str>,
    numerator: CompactString,
    denominator: CompactString,
    context: &Context<'_>,
) -> Outcome {
    let mut built = Build::with_capacity(2);
    built.put_some("numerator", made(numerator, comparator, context.unit, context)?);
    built.put_some("denominator", made(denominator, None, context.unit, context)?);
    built.finish()
}

pub(super) fn sn_string(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let words: Vec<_> = (1..=4).filter_map(|part| value.part_text(part)).collect();
    if words.is_empty() {
        return Ok(None);
    }
    super::plain::readable(value, &words.join(" "), hub_fhir::primitive::Primitive::String)
}

/// MO: amount ^ currency. CP has an MO as its first component.
pub(super) fn money(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let Some(first) = value.part(1) else { return Ok(None) };
    let Some(amount) = first.part_text(1) else { return Ok(None) };
    let Some(number) = numbers::parse(&amount) else {
        return Err(Misfit::new(value, "expected an amount of money: a number and its currency"));
    };
    let is_currency = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let currency = first.part_text(2).or_else(|| value.part_text(2)).filter(|text| is_currency(text));
    let mut built = Build::with_capacity(2);
    built.put("value", Json::Number(number));
    built.put_some("currency", currency.map(Json::string));
    built.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_of(text: &str) -> Option<(String, String)> {
        let show = |end: Option<CompactString>| end.map_or_else(String::new, |end| end.to_string());
        text_ends(text).map(|(low, high)| (show(low), show(high)))
    }

    #[test]
    fn a_range_is_read_from_text() {
        for (text, low, high) in [
            ("3.5-9.5", "3.5", "9.5"),
            ("3.5 - 9.5", "3.5", "9.5"),
            ("3.5~9.5", "3.5", "9.5"),
            ("-1.5-2.0", "-1.5", "2.0"),
            ("-2--1", "-2", "-1"),
            ("<5.0", "", "5.0"),
            ("≤5.0", "", "5.0"),
            (">=60", "60", ""),
            ("0—10", "0", "10"),
        ] {
            assert_eq!(ends_of(text), Some((low.into(), high.into())), "{text}");
        }
        for text in ["阴性", "", "-", "5", "a-b", "1-2-3", "<"] {
            assert_eq!(ends_of(text), None, "{text}");
        }
    }
}
