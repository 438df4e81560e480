//! Addresses: HL7 v2 XAD, with SAD within.

use hub_fhir::Json;
use hub_fhir::primitive::Primitive;

use super::build::{Build, extension, text};
use super::{Context, Outcome, coded, period, plain};
use crate::read::Value;

/// The extension that holds what an address is used for where `use` has no word for it.
pub(super) const ADDRESS_USE: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-AD-use";
/// HL7's code, in table 0190 and in that extension, for the address of a holiday home.
pub(super) const HOLIDAY_HOME: &str = "HV";

pub(super) fn xad(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut lines = Vec::new();
    if let Some(street) = value.part(1) {
        for part in 1..=3 {
            lines.extend(text(street.part(part))?);
        }
    }
    for part in [2, 19] {
        lines.extend(text(value.part(part))?);
    }
    let district = match value.part(9) {
        Some(county) => coded::string(county, context)?,
        None => None,
    };
    let elsewhere = [3, 4, 5, 6].iter().any(|part| value.part_text(*part).is_some());
    // A whole address in one part is kept as text too: its parts are not known.
    let whole = match lines.as_slice() {
        [only] if !elsewhere && district.is_none() => Some(only.clone()),
        _ => None,
    };
    if lines.is_empty() && !elsewhere && district.is_none() {
        return Ok(None);
    }

    let mut built = Build::with_capacity(8);
    if let Some(kind) = value.part_text(7) {
        if kind == HOLIDAY_HOME {
            built.list("extension", vec![extension(ADDRESS_USE, "valueCode", HOLIDAY_HOME.into())]);
        }
        built.put_some("use", address_use(&kind));
        built.put_some("type", matches!(kind.as_ref(), "M" | "SH").then_some("postal"));
    }
    built.put_some("text", whole);
    built.list("line", lines);
    built.text("city", value.part(3))?;
    built.put_some("district", district);
    built.text("state", value.part(4))?;
    built.text("postalCode", value.part(5))?;
    built.text("country", value.part(6))?;
    let period = match period::between(value.part(13), value.part(14), context)? {
        Some(period) => Some(period),
        None => match value.part(12) {
            Some(range) => period::period(range, context)?,
            None => None,
        },
    };
    built.put_some("period", period);
    built.finish()
}

/// HL7 table 0190, as the official map has it; other types have no use in FHIR.
fn address_use(kind: &str) -> Option<Json> {
    let code = match kind {
        "H" => "home",
        "B" | "O" => "work",
        "C" => "temp",
        "BA" => "old",
        "BI" => "billing",
        _ => return None,
    };
    Some(code.into())
}

pub(super) fn xad_string(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let mut words = Vec::new();
    if let Some(street) = value.part(1) {
        words.extend((1..=3).filter_map(|part| street.part_text(part)));
    }
    words.extend([2, 3, 4, 5, 6].iter().filter_map(|part| value.part_text(*part)));
    if words.is_empty() {
        return Ok(None);
    }
    plain::readable(value, &words.join(", "), Primitive::String)
}
