//! Single values: ST, TX, FT, ID, NM, DT, TM, DTM; and those made of few of them: SN, CQ, ED.

use compact_str::{CompactString, format_compact};
use hub_fhir::Json;

use super::super::parts::Parts;
use super::super::{Context, Misfit, Outcome, dates, numbers, patterns};
use super::codes;
use crate::read::Value;

/// One line of text.
pub(in crate::functions) fn st(value: Value<'_>, _: &Context<'_>) -> Outcome {
    Ok(value.text().map(Json::string))
}

/// Text with its line breaks.
pub(in crate::functions) fn ft(value: Value<'_>, _: &Context<'_>) -> Outcome {
    Ok(value.raw().map(Json::string))
}

/// A code: of a Coding or CodeableConcept its first one; `true` and `false` become Y and N (table 0136).
pub(in crate::functions) fn id(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let coding = value.child("coding").unwrap_or(value);
    let Some(code) = coding.child_text("code").or_else(|| value.text()) else { return Ok(None) };
    Ok(Some(match code.as_ref() {
        "true" => "Y".into(),
        "false" => "N".into(),
        code => Json::string(code),
    }))
}

/// A number: of a Quantity or Money its value.
pub(in crate::functions) fn nm(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let number = value.child("value").unwrap_or(value);
    let Some(text) = number.text() else { return Ok(None) };
    match numbers::parse(&text) {
        Some(number) => Ok(Some(Json::Number(number))),
        None => Err(Misfit::new(number, "expected a number")),
    }
}

/// A Quantity with its comparator, a Range or a Ratio.
pub(in crate::functions) fn sn(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    let pair = [("low", "high", "-"), ("numerator", "denominator", ":")];
    for (first, second, sign) in pair {
        let (first, second) = (value.child(first), value.child(second));
        if first.is_none() && second.is_none() {
            continue;
        }
        match (first, second) {
            (None, Some(second)) => {
                parts.put(1, "<=");
                parts.put_some(2, nm(second, context)?);
            }
            (Some(first), None) => {
                parts.put(1, ">=");
                parts.put_some(2, nm(first, context)?);
            }
            (first, second) => {
                for (number, side) in [(2, first), (4, second)] {
                    let made = side.map_or(Ok(None), |side| nm(side, context))?;
                    parts.put_some(number, made);
                    if number == 2 {
                        parts.put(3, sign);
                    }
                }
            }
        }
        return parts.finish();
    }
    parts.text(1, value.child("comparator"));
    parts.put_some(2, nm(value, context)?);
    parts.finish()
}

/// A Quantity with its unit.
pub(in crate::functions) fn cq(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    parts.put_some(1, nm(value, context)?);
    parts.put_some(2, codes::unit(value, context)?);
    parts.finish()
}

/// A moment as precise as it is known, with its zone; of a Period its start.
pub(in crate::functions) fn dtm(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let at = value.child("start").unwrap_or(value);
    let Some(text) = at.text() else { return Ok(None) };
    match dates::compact(&text, context.zone) {
        Some(written) => Ok(Some(Json::String(written))),
        None => Err(Misfit::new(at, "expected a date or time")),
    }
}

pub(super) fn moment(value: Option<Value<'_>>, context: &Context<'_>) -> Outcome {
    value.map_or(Ok(None), |value| dtm(value, context))
}

/// A date; of a moment the day it is in the mapping's zone.
pub(in crate::functions) fn dt(value: Value<'_>, context: &Context<'_>) -> Outcome {
    patterns::compact_date(value, context)
}

/// A time of day.
pub(in crate::functions) fn tm(value: Value<'_>, context: &Context<'_>) -> Outcome {
    patterns::compact_time(value, context)
}

/// An Attachment with its data, or a pointer to it in the form of an RP.
pub(in crate::functions) fn ed(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    let media = value.child_text("contentType");
    let (kind, subtype) =
        media.as_deref().and_then(|media| media.split_once('/')).unwrap_or(("application", ""));
    let kind: CompactString = capital(kind);
    let subtype: Option<CompactString> = match subtype {
        "" => None,
        "pdf" | "jpeg" | "png" | "tiff" | "gif" | "xml" | "html" | "rtf" => {
            Some(subtype.to_uppercase().into())
        }
        other => Some(other.into()),
    };
    match (value.child("data"), value.child("url")) {
        (Some(data), _) => {
            parts.put(2, Json::String(kind));
            parts.put_some(3, subtype.map(Json::String));
            parts.put(4, "Base64");
            parts.text(5, Some(data));
        }
        (None, Some(url)) => {
            parts.text(1, Some(url));
            parts.put(3, Json::String(kind));
            parts.put_some(4, subtype.map(Json::String));
        }
        (None, None) => return Ok(None),
    }
    parts.finish()
}

/// HL7 table 0191 writes `Application`, `Image`, `Text`.
fn capital(word: &str) -> CompactString {
    let mut letters = word.chars();
    letters.next().map_or_else(CompactString::default, |first| {
        format_compact!("{}{}", first.to_uppercase(), letters.as_str())
    })
}
