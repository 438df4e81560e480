//! Identifiers: HL7 v2 CX, EI, DLN, HD, and the numbers within XCN and XON.

use compact_str::CompactString;
use hub_fhir::Json;

use super::build::Build;
use super::systems::{Authority, IDENTIFIER_TYPES, authority};
use super::{Context, Misfit, Outcome, coded, period};
use crate::read::Value;

pub(super) fn cx(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let authority = authority(value.part(4), 1, context);
    let period = period::between(value.part(7), value.part(8), context)?;
    identifier(value.part(1), authority, value.part(5), period)
}

pub(super) fn ei(value: Value<'_>, context: &Context<'_>) -> Outcome {
    identifier(value.part(1), authority(Some(value), 2, context), None, None)
}

pub(super) fn xcn(value: Value<'_>, context: &Context<'_>) -> Outcome {
    identifier(value.part(1), authority(value.part(9), 1, context), value.part(13), None)
}

/// The identifier (component 10) is text; the older number (component 3) is read when it is not valued.
pub(super) fn xon(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let newer = value.part(10).filter(|part| part.text().is_some());
    identifier(newer.or(value.part(3)), authority(value.part(6), 1, context), value.part(7), None)
}

pub(super) fn dln(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let Some(number) = value.part(1).filter(|part| part.text().is_some()) else { return Ok(None) };
    let mut built = Build::with_capacity(4);
    built.put("type", typed("DL".into()));
    built.put_some("system", context.system);
    built.text("value", Some(number))?;
    built.put_some("period", period::between(None, value.part(3), context)?);
    let issuer = match value.part(2) {
        Some(issuer) => coded::string(issuer, context)?,
        None => None,
    };
    built.put_some("assigner", issuer.map(display));
    built.finish()
}

pub(super) fn hd_uri(value: Value<'_>, context: &Context<'_>) -> Outcome {
    Ok(authority(Some(value), 1, context).system.map(Json::String))
}

fn identifier(
    number: Option<Value<'_>>,
    authority: Authority<'_>,
    kind: Option<Value<'_>>,
    period: Option<Json>,
) -> Outcome {
    let Some(number) = number.filter(|number| number.text().is_some()) else { return Ok(None) };
    let mut built = Build::with_capacity(5);
    if let Some(kind) = kind
        && let Some(code) = coded::as_code(kind)
    {
        built.put("type", typed(code));
    }
    if let Some(system) = authority.system {
        if system.contains(char::is_whitespace) {
            return Err(Misfit::new(number, "expected an assigning authority without spaces in its id"));
        }
        built.put("system", Json::String(system));
    }
    built.text("value", Some(number))?;
    built.put_some("period", period);
    built.put_some("assigner", super::build::text(authority.name)?.map(display));
    built.finish()
}

fn typed(code: CompactString) -> Json {
    let mut coding = Build::with_capacity(2);
    coding.put("system", Json::String(CompactString::const_new(IDENTIFIER_TYPES)));
    coding.put("code", Json::String(code));
    let mut concept = Build::with_capacity(1);
    concept.put("coding", vec![coding.json()]);
    concept.json()
}

fn display(text: Json) -> Json {
    let mut built = Build::with_capacity(1);
    built.put("display", text);
    built.json()
}
