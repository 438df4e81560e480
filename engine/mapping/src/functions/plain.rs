//! Primitives that are text, and booleans.

use compact_str::CompactString;
use hub_fhir::Json;
use hub_fhir::primitive::Primitive;

use super::{Context, Misfit, Outcome};
use crate::read::Value;

/// Makes a primitive of text, when the text has the form of the primitive.
fn checked(value: Value<'_>, text: impl Into<CompactString>, primitive: Primitive) -> Outcome {
    let text = text.into();
    // A character that could not be decoded must not reach a resource.
    if text.contains('\u{FFFD}') {
        return Err(Misfit::new(value, "expected text in the character set the message declares"));
    }
    let json = Json::String(text);
    match primitive.check(&json) {
        Ok(()) => Ok(Some(json)),
        Err(expected) => Err(Misfit::new(value, expected)),
    }
}

/// The same for text that is not the value itself but made of its parts.
pub(super) fn readable(value: Value<'_>, text: &str, primitive: Primitive) -> Outcome {
    checked(value, text, primitive)
}

pub(super) fn string(value: Value<'_>, _: &Context<'_>) -> Outcome {
    match value.text() {
        Some(text) => readable(value, &text, Primitive::String),
        None => Ok(None),
    }
}

pub(super) fn markdown(value: Value<'_>, _: &Context<'_>) -> Outcome {
    match value.raw() {
        Some(text) if !text.trim().is_empty() => readable(value, text.trim_end(), Primitive::Markdown),
        _ => Ok(None),
    }
}

pub(super) fn code(value: Value<'_>, _: &Context<'_>) -> Outcome {
    simple(value, Primitive::Code)
}

pub(super) fn id(value: Value<'_>, _: &Context<'_>) -> Outcome {
    simple(value, Primitive::Id)
}

pub(super) fn uri(value: Value<'_>, _: &Context<'_>) -> Outcome {
    simple(value, Primitive::Uri)
}

pub(super) fn url(value: Value<'_>, _: &Context<'_>) -> Outcome {
    simple(value, Primitive::Url)
}

pub(super) fn canonical(value: Value<'_>, _: &Context<'_>) -> Outcome {
    simple(value, Primitive::Canonical)
}

fn simple(value: Value<'_>, primitive: Primitive) -> Outcome {
    match value.text() {
        Some(text) => checked(value, text.as_ref(), primitive),
        None => Ok(None),
    }
}

pub(super) fn oid(value: Value<'_>, _: &Context<'_>) -> Outcome {
    prefixed(value, "urn:oid:", Primitive::Oid)
}

pub(super) fn uuid(value: Value<'_>, _: &Context<'_>) -> Outcome {
    prefixed(value, "urn:uuid:", Primitive::Uuid)
}

fn prefixed(value: Value<'_>, prefix: &str, primitive: Primitive) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_prefix(prefix).unwrap_or(&lower);
    checked(value, compact_str::format_compact!("{prefix}{bare}"), primitive)
}

pub(super) fn boolean(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    let truth = match text.as_ref() {
        "Y" | "y" | "1" => true,
        "N" | "n" | "0" => false,
        word if word.eq_ignore_ascii_case("true") => true,
        word if word.eq_ignore_ascii_case("false") => false,
        _ => return Err(Misfit::new(value, "expected `Y`, `N`, `true`, `false`, `1` or `0`")),
    };
    Ok(Some(Json::Bool(truth)))
}

pub(super) fn base64_binary(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let Some(text) = value.text() else { return Ok(None) };
    let packed: CompactString = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    checked(value, packed, Primitive::Base64Binary)
}
