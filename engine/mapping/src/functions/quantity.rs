//! Quantities: HL7 v2 NM, CQ, SN, and numbers written as text with a comparator.

use hub_fhir::{Json, Object};

use super::build::{Build, text};
use super::numbers;
use super::systems::{UCUM, coding_system};
use super::{Context, Misfit, Outcome};
use crate::codes::Found;
use crate::read::Value;

const EXPECTED: &str = "expected a number, also with `<`, `<=`, `>=` or `>` before it";

pub(super) fn quantity(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let second = value.part_text(2);
    let first = value.part_text(1);
    let structured = second.as_deref().and_then(numbers::parse);
    // SN: comparator ^ number. A CQ has its unit there, which is no number.
    if let Some(number) = structured
        && first.as_deref().is_none_or(|first| comparator(first).is_some())
    {
        if value.part_text(3).is_some() || value.part_text(4).is_some() {
            return Err(Misfit::new(value, "expected one number, not two"));
        }
        let comparator = first.as_deref().and_then(comparator).flatten();
        return made(number, comparator, context.unit, context);
    }
    let Some(first) = first else { return Ok(None) };
    let Some((comparator, number)) = compared(&first) else {
        return Err(Misfit::new(value, EXPECTED));
    };
    let own_unit = value.part(2).filter(|unit| unit.text().is_some());
    made(number, comparator, own_unit.or(context.unit), context)
}

/// A number with the comparator before it: `<0.5`, `>= 100`, `≤3`.
pub(super) fn compared(text: &str) -> Option<(Option<&'static str>, compact_str::CompactString)> {
    let length = text.find(|c: char| !matches!(c, '<' | '>' | '=' | '≤' | '≥' | '＜' | '＞'))?;
    let (sign, number) = text.split_at(length);
    Some((comparator(sign)?, numbers::parse(number.trim_start())?))
}

/// FHIR's word for a comparator; `None` within for "equals". `None`: it is no comparator.
pub(super) fn comparator(sign: &str) -> Option<Option<&'static str>> {
    Some(match sign {
        "" | "=" => None,
        "<" | "＜" => Some("<"),
        ">" | "＞" => Some(">"),
        "<=" | "=<" | "≤" => Some("<="),
        ">=" | "=>" | "≥" => Some(">="),
        _ => return None,
    })
}

/// A Quantity of a number, its comparator and its unit.
pub(super) fn made(
    number: compact_str::CompactString,
    comparator: Option<&'static str>,
    unit: Option<Value<'_>>,
    context: &Context<'_>,
) -> Outcome {
    let mut built = Build::with_capacity(5);
    built.put("value", Json::Number(number));
    built.put_some("comparator", comparator);
    let mut object = match built.json() {
        Json::Object(object) => object,
        other => return Ok(Some(other)),
    };
    if let Some(unit) = unit {
        add_unit(&mut object, unit, context)?;
    }
    Ok(Some(Json::Object(object)))
}

/// The unit as printed; system and code where the sender or the line's `units` table gives them.
fn add_unit(object: &mut Object, unit: Value<'_>, context: &Context<'_>) -> Result<(), Misfit> {
    let code = unit.part_text(1);
    let printed = match text(unit.part(2))? {
        Some(printed) => Some(printed),
        None => text(unit.part(1))?,
    };
    if let Some(printed) = printed {
        object.set("unit", printed);
    }
    if let (Some(table), Some(code)) = (context.units, code.as_deref()) {
        match table.find(code) {
            Found::Listed(coded) => {
                object.set("system", coded.system.as_deref().or(table.target.as_deref()).unwrap_or(UCUM));
                object.set("code", coded.code.as_str());
                return Ok(());
            }
            Found::Kept | Found::Dropped => {}
            Found::Unknown => {
                let reason = format!("the code table `{}` has no such unit", table.name);
                return Err(Misfit::new(unit, reason));
            }
        }
    }
    for (code_at, system_at) in [(1, 3), (4, 6)] {
        let (Some(code), Some(system)) = (unit.part_text(code_at), unit.part_text(system_at)) else {
            continue;
        };
        // The line's `system` is not the unit's: only what the unit itself names is meant here.
        let unit_context = Context { system: None, unit: None, ..*context };
        if let Some(system) = coding_system(Some(&system), &unit_context) {
            object.set("system", Json::String(system));
            object.set("code", Json::string(code));
            break;
        }
    }
    Ok(())
}
