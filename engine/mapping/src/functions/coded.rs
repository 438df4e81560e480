//! Codes: HL7 v2 CWE, CE, CNE, CF, IS and ID become Coding, CodeableConcept, code or string.

use compact_str::CompactString;
use hub_fhir::Json;
use hub_fhir::primitive::Primitive;

use super::build::{Build, text};
use super::systems::coding_system;
use super::{Context, Misfit, Outcome, plain};
use crate::read::Value;

/// Where a coding stands in CWE.
struct Triplet {
    code: u16,
    display: u16,
    system: u16,
    version: u16,
    system_oid: u16,
}

const TRIPLETS: [Triplet; 3] = [
    Triplet { code: 1, display: 2, system: 3, version: 7, system_oid: 14 },
    Triplet { code: 4, display: 5, system: 6, version: 8, system_oid: 17 },
    Triplet { code: 10, display: 11, system: 12, version: 13, system_oid: 20 },
];

pub(super) fn concept(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut codings = Vec::with_capacity(2);
    for (place, at) in TRIPLETS.iter().enumerate() {
        codings.extend(one(value, at, context, place == 0)?);
    }
    let original = match text(value.part(9))? {
        Some(original) => Some(original),
        // Text without a usable code is still what the sender said.
        None if codings.is_empty() => match text(value.part(2))? {
            Some(display) => Some(display),
            None => text(value.part(1))?,
        },
        None => None,
    };
    let mut built = Build::with_capacity(2);
    built.list("coding", codings);
    built.put_some("text", original);
    built.finish()
}

pub(super) fn text_concept(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let mut built = Build::with_capacity(1);
    built.text("text", Some(value))?;
    built.finish()
}

pub(super) fn coding(value: Value<'_>, context: &Context<'_>) -> Outcome {
    for (place, at) in TRIPLETS.iter().enumerate() {
        if let Some(coding) = one(value, at, context, place == 0)? {
            return Ok(Some(coding));
        }
    }
    Ok(None)
}

pub(super) fn string(value: Value<'_>, _: &Context<'_>) -> Outcome {
    for part in [9, 2, 1, 5, 4] {
        if let Some(found) = text(value.part(part))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(super) fn code(value: Value<'_>, context: &Context<'_>) -> Outcome {
    match [1, 4, 10].into_iter().find_map(|at| value.part(at).filter(|part| part.text().is_some())) {
        Some(part) => plain::code(part, context),
        None => Ok(None),
    }
}

/// The text of a part where it has the form of a code.
pub(super) fn as_code(part: Value<'_>) -> Option<CompactString> {
    let json = Json::string(part.text().filter(|text| !text.contains('\u{FFFD}'))?);
    match (Primitive::Code.check(&json), json) {
        (Ok(()), Json::String(code)) => Some(code),
        _ => None,
    }
}

fn one(value: Value<'_>, at: &Triplet, context: &Context<'_>, first: bool) -> Result<Option<Json>, Misfit> {
    let Some(code) = value.part(at.code).and_then(as_code) else { return Ok(None) };
    let named = value.part_text(at.system);
    let system = match (named.as_deref(), value.part_text(at.system_oid)) {
        (None, Some(oid)) => Some(compact_str::format_compact!("urn:oid:{oid}")),
        (None, None) if !first => None,
        (named, _) => coding_system(named, context),
    };
    let mut built = Build::with_capacity(4);
    built.put_some("system", system.map(Json::String));
    built.text("version", value.part(at.version))?;
    built.put("code", Json::String(code));
    built.text("display", value.part(at.display))?;
    Ok(Some(built.json()))
}
