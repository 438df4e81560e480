//! `by OBX-2`: the type the sender names picks the function.

use hub_fhir::Json;

use super::table::function;
use super::{Context, Function, Misfit, numbers, quantity, quantity_forms};
use crate::read::Value;

/// What was made, and its FHIR type.
pub(crate) type Made = Option<(&'static str, Json)>;

/// Makes a value of the HL7 v2 type `kind`; `allowed` are the types the element may have.
pub(crate) fn make(
    kind: Option<&str>,
    value: Value<'_>,
    context: &Context<'_>,
    allowed: &[&'static str],
) -> Result<Made, Misfit> {
    let Some(kind) = kind else {
        return Err(Misfit::new(value, "the sender names no type for this value"));
    };
    let names: &[&str] = match kind {
        "NM" | "SI" => return number(value, context, allowed),
        "SN" => sn(value),
        "ST" => short_text(value, context, allowed),
        "TX" | "FT" => &["string", "markdown", "Annotation", "ST[CodeableConcept]"],
        "CE" | "CWE" | "CNE" | "CF" | "IS" | "ID" => {
            &["CodeableConcept", "Coding", "CWE[code]", "CWE[string]"]
        }
        "DT" | "DTM" | "TS" => &["dateTime", "date", "instant", "string"],
        "TM" => &["time", "string"],
        "DR" => &["Period", "string"],
        "NR" => &["Range", "SN[string]"],
        "VR" => &["SN[string]"],
        "CQ" => &["Quantity", "string"],
        "MO" | "CP" => &["Money", "string"],
        "ED" | "RP" => &["Attachment"],
        "CX" => &["Identifier", "string"],
        "EI" => &["EI[Identifier]", "string"],
        "XPN" => &["HumanName", "XPN[string]"],
        "XCN" | "CNN" => &["Reference", "XCN[HumanName]", "XCN[string]"],
        "XAD" => &["Address", "XAD[string]"],
        "XTN" => &["ContactPoint", "XTN[string]"],
        "XON" => &["XON[Reference]", "string"],
        "PL" => &["PL[Reference]", "PL[string]"],
        "HD" => &["HD[uri]", "string"],
        _ => return Err(Misfit::new(value, "the sender names a type that no function reads")),
    };
    let fitting =
        names.iter().filter_map(|name| function(name)).find(|found| allowed.contains(&found.writes));
    match fitting {
        Some(found) => made(found, value, context),
        None => Err(Misfit::new(value, format!("a value of type {kind} does not fit this element"))),
    }
}

fn made(function: &'static Function, value: Value<'_>, context: &Context<'_>) -> Result<Made, Misfit> {
    Ok((function.make)(value, context)?.map(|json| (function.writes, json)))
}

/// NM: a number, a number with a comparator, a titre; laboratories also write words there.
fn number(value: Value<'_>, context: &Context<'_>, allowed: &[&'static str]) -> Result<Made, Misfit> {
    let Some(text) = value.text() else { return Ok(None) };
    let fits = |kind: &str| allowed.contains(&kind);
    let name = match quantity::compared(&text) {
        Some(_) if fits("Quantity") => "Quantity",
        Some((None, _)) if fits("decimal") => "decimal",
        Some((None, number)) if fits("integer") && !number.contains('.') => "integer",
        None if fits("Ratio") && is_titre(&text) => "Ratio",
        _ if fits("string") => "string",
        _ => return Err(Misfit::new(value, "expected a number")),
    };
    function(name).map_or(Ok(None), |found| made(found, value, context))
}

/// ST: text, unless it is a number with a comparator, a number that has a unit, or a titre.
fn short_text(value: Value<'_>, context: &Context<'_>, allowed: &[&'static str]) -> &'static [&'static str] {
    const TEXT: &[&str] = &["string", "markdown", "Annotation", "ST[CodeableConcept]"];
    let Some(text) = value.text() else { return TEXT };
    let has_unit = context.unit.is_some_and(|unit| unit.text().is_some());
    match quantity::compared(&text) {
        Some((comparator, _)) if (comparator.is_some() || has_unit) && allowed.contains(&"Quantity") => {
            &["Quantity"]
        }
        None if is_titre(&text) && allowed.contains(&"Ratio") => &["Ratio"],
        _ => TEXT,
    }
}

/// `1:320`, not `12:30`.
fn is_titre(text: &str) -> bool {
    quantity_forms::ratio_text(text).is_some_and(|(_, numerator, _)| numerator == "1") && !text.contains('/')
}

/// SN by its separator, as the official map of OBX-5 has it.
fn sn(value: Value<'_>) -> &'static [&'static str] {
    let number = |part: u16| value.part_text(part).as_deref().and_then(numbers::parse).is_some();
    let unequal = value.part_text(1).as_deref() == Some("<>");
    match value.part_text(3).as_deref() {
        Some(":" | "/") if !unequal && number(2) && number(4) => &["Ratio", "SN[string]"],
        Some("-") if !unequal && number(2) && number(4) => &["Range", "SN[string]"],
        None if !unequal && number(2) => &["Quantity", "SN[string]"],
        _ => &["SN[string]"],
    }
}
