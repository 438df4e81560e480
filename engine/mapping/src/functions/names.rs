//! People's names: HL7 v2 XPN and the names within XCN and CNN.

use compact_str::CompactString;
use hub_fhir::{Json, Object};

use super::build::{Build, extension, text};
use super::{Context, Misfit, Outcome, period};
use crate::read::Value;

/// Where the parts of a name stand.
struct Columns {
    family: u16,
    given: u16,
    more_given: u16,
    suffix: u16,
    prefix: u16,
    degree: u16,
    kind: u16,
    representation: u16,
    range: u16,
    order: u16,
    start: u16,
    end: u16,
    professional_suffix: u16,
}

const XPN: Columns = Columns {
    family: 1,
    given: 2,
    more_given: 3,
    suffix: 4,
    prefix: 5,
    degree: 6,
    kind: 7,
    representation: 8,
    range: 10,
    order: 11,
    start: 12,
    end: 13,
    professional_suffix: 14,
};

const XCN: Columns = Columns {
    family: 2,
    given: 3,
    more_given: 4,
    suffix: 5,
    prefix: 6,
    degree: 7,
    kind: 10,
    representation: 15,
    range: 17,
    order: 18,
    start: 19,
    end: 20,
    professional_suffix: 21,
};

pub(super) const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
pub(super) const ASSEMBLY_ORDER: &str = "http://hl7.org/fhir/StructureDefinition/humanname-assembly-order";
/// The subcomponents of FN beside the surname, and the extensions of `family` that hold them.
pub(super) const SURNAME_PARTS: [(u16, &str); 4] = [
    (2, "http://hl7.org/fhir/StructureDefinition/humanname-own-prefix"),
    (3, "http://hl7.org/fhir/StructureDefinition/humanname-own-name"),
    (4, "http://hl7.org/fhir/StructureDefinition/humanname-partner-prefix"),
    (5, "http://hl7.org/fhir/StructureDefinition/humanname-partner-name"),
];

pub(super) fn xpn(value: Value<'_>, context: &Context<'_>) -> Outcome {
    name(value, context, &XPN)
}

pub(super) fn xcn(value: Value<'_>, context: &Context<'_>) -> Outcome {
    name(value, context, &XCN)
}

pub(super) fn xpn_string(value: Value<'_>, _: &Context<'_>) -> Outcome {
    one_line(value, &XPN)
}

pub(super) fn xcn_string(value: Value<'_>, _: &Context<'_>) -> Outcome {
    one_line(value, &XCN)
}

fn name(value: Value<'_>, context: &Context<'_>, at: &Columns) -> Outcome {
    let family = value.part(at.family);
    let surname = family.and_then(|family| family.part(1));
    let surname_text = text(surname)?;
    let mut given: Vec<Json> = text(value.part(at.given))?.into_iter().collect();
    if let Some(more) = value.part_text(at.more_given) {
        given.extend(more.split_whitespace().map(Json::string));
    }
    let mut suffixes = Vec::new();
    for part in [at.suffix, at.degree, at.professional_suffix] {
        suffixes.extend(text(value.part(part))?);
    }
    let prefix = text(value.part(at.prefix))?;
    if surname_text.is_none() && given.is_empty() && prefix.is_none() && suffixes.is_empty() {
        return Ok(None);
    }

    let mut built = Build::with_capacity(6);
    built.list("extension", extensions(value, at)?);
    built.put_some("use", value.part_text(at.kind).and_then(|kind| name_use(&kind)));
    // Partners write whole Chinese names where the family name belongs; nothing can split them safely.
    let whole = surname_text.as_ref().filter(|name| given.is_empty() && is_chinese(name)).cloned();
    built.put_some("text", whole);
    built.put_some("family", surname_text);
    if let Some(family) = family {
        let parts = surname_parts(family)?;
        if !parts.is_empty() {
            let mut beside = Object::with_capacity(1);
            beside.push(CompactString::const_new("extension"), Json::Array(parts));
            built.put("_family", beside);
        }
    }
    built.list("given", given);
    built.put_some("prefix", prefix.map(|prefix| vec![prefix]));
    built.list("suffix", suffixes);
    let period = period::between(value.part(at.start), value.part(at.end), context)?;
    let period = match period {
        Some(period) => Some(period),
        None => match value.part(at.range) {
            Some(range) => period::period(range, context)?,
            None => None,
        },
    };
    built.put_some("period", period);
    built.finish()
}

fn extensions(value: Value<'_>, at: &Columns) -> Result<Vec<Json>, Misfit> {
    let mut extensions = Vec::new();
    let representation = value.part_text(at.representation).and_then(|code| match code.as_ref() {
        "I" => Some("IDE"),
        "P" => Some("SYL"),
        "A" => Some("ABC"),
        _ => None,
    });
    if let Some(code) = representation {
        extensions.push(extension(REPRESENTATION, "valueCode", code.into()));
    }
    if let Some(order) = value.part_text(at.order).filter(|order| matches!(order.as_ref(), "G" | "F")) {
        extensions.push(extension(ASSEMBLY_ORDER, "valueCode", Json::string(order)));
    }
    Ok(extensions)
}

fn surname_parts(family: Value<'_>) -> Result<Vec<Json>, Misfit> {
    let mut parts = Vec::new();
    for (index, url) in SURNAME_PARTS {
        if let Some(part) = text(family.part(index))? {
            parts.push(extension(url, "valueString", part));
        }
    }
    Ok(parts)
}

/// HL7 table 0200, as the official map has it; other types have no use in FHIR.
fn name_use(kind: &str) -> Option<Json> {
    let code = match kind {
        "L" | "R" => "official",
        "D" => "usual",
        "M" => "maiden",
        "N" => "nickname",
        "S" | "MSK" => "anonymous",
        "TEMP" | "NAV" => "temp",
        "BAD" => "old",
        _ => return None,
    };
    Some(code.into())
}

fn is_chinese(name: &Json) -> bool {
    name.as_str().is_some_and(has_ideograph)
}

/// Whether there is a Han character in it.
pub(super) fn has_ideograph(text: &str) -> bool {
    text.chars()
        .any(|c| matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}'))
}

fn one_line(value: Value<'_>, at: &Columns) -> Outcome {
    let surname = value.part(at.family).and_then(|family| family.part_text(1));
    let given = value.part_text(at.given);
    let chinese =
        surname.as_deref().is_some_and(has_ideograph) || given.as_deref().is_some_and(has_ideograph);
    let order = if chinese {
        [surname, given, value.part_text(at.more_given), None, None]
    } else {
        let (prefix, suffix) = (value.part_text(at.prefix), value.part_text(at.suffix));
        [prefix, given, value.part_text(at.more_given), surname, suffix]
    };
    let words: Vec<_> = order.into_iter().flatten().collect();
    let line = words.join(if chinese { "" } else { " " });
    if line.is_empty() {
        return Ok(None);
    }
    super::plain::readable(value, &line, hub_fhir::primitive::Primitive::String)
}
