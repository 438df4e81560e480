//! Telephone numbers and e-mail addresses: HL7 v2 XTN, in its old form (component 1) and its new one (components 4 to 12).

use hub_fhir::Json;
use hub_fhir::primitive::Primitive;

use super::build::{Build, extension, text};
use super::{Context, Misfit, Outcome, numbers, period, plain};
use crate::read::Value;

/// The components of a telephone number, and the extensions that hold them beside the whole number.
pub(super) const NUMBER_PARTS: [(u16, &str); 4] = [
    (5, "http://hl7.org/fhir/StructureDefinition/contactpoint-country"),
    (6, "http://hl7.org/fhir/StructureDefinition/contactpoint-area"),
    (7, "http://hl7.org/fhir/StructureDefinition/contactpoint-local"),
    (8, "http://hl7.org/fhir/StructureDefinition/contactpoint-extension"),
];

/// The number or address, and where it stands.
struct Contact {
    text: String,
    is_address: bool,
    /// Whether it is put together of the components that say what each part is.
    is_of_parts: bool,
}

pub(super) fn xtn(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let Some(contact) = contact(value) else { return Ok(None) };
    let equipment = value.part_text(3);
    let equipment = equipment.as_deref().unwrap_or_default();
    let system = match equipment {
        _ if contact.is_address && contact.text.starts_with("http") => "url",
        _ if contact.is_address => "email",
        "FX" => "fax",
        "BP" => "pager",
        "MD" | "TDD" | "TTY" | "SAT" => "other",
        "PH" | "CP" => "phone",
        _ => context.system.unwrap_or("phone"),
    };
    let usage = match (equipment, value.part_text(2).as_deref()) {
        ("CP", _) | (_, Some("PRS")) => Some("mobile"),
        (_, Some("PRN")) => Some("home"),
        (_, Some("WPN")) => Some("work"),
        _ => None,
    };
    let mut built = Build::with_capacity(5);
    if contact.is_of_parts {
        built.list("extension", number_parts(value)?);
    }
    built.put("system", Json::string(system));
    built.put_some("value", plain::readable(value, &contact.text, Primitive::String)?);
    built.put_some("use", usage);
    if let Some(rank) = value.part(18) {
        built.put_some("rank", numbers::positive_int(rank, context)?);
    }
    built.put_some("period", period::between(value.part(13), value.part(14), context)?);
    built.finish()
}

pub(super) fn xtn_string(value: Value<'_>, _: &Context<'_>) -> Outcome {
    match contact(value) {
        Some(contact) => plain::readable(value, &contact.text, Primitive::String),
        None => Ok(None),
    }
}

/// What country, area, local number and extension are; nothing of a number that has only one of them, which is the value itself.
fn number_parts(value: Value<'_>) -> Result<Vec<Json>, Misfit> {
    let mut parts = Vec::new();
    for (component, url) in NUMBER_PARTS {
        if let Some(part) = text(value.part(component))? {
            parts.push(extension(url, "valueString", part));
        }
    }
    if parts.len() < 2 {
        parts.clear();
    }
    Ok(parts)
}

fn contact(value: Value<'_>) -> Option<Contact> {
    let equipment = value.part_text(3);
    let said_internet = matches!(equipment.as_deref(), Some("Internet" | "X.400"))
        || (equipment.is_none() && value.part_text(2).as_deref() == Some("NET"));
    let plain_number = value.part_text(1);
    let address = value.part_text(4);
    if said_internet {
        let text = address.or(plain_number)?;
        return Some(Contact { text: text.into_owned(), is_address: true, is_of_parts: false });
    }
    if let Some(local) = value.part_text(7) {
        let mut text = String::new();
        if let Some(country) = value.part_text(5) {
            text.push('+');
            text.push_str(country.trim_start_matches('+'));
            text.push(' ');
        }
        if let Some(area) = value.part_text(6) {
            text.push_str(&area);
            text.push(' ');
        }
        text.push_str(&local);
        if let Some(extension) = value.part_text(8) {
            text.push_str(" X");
            text.push_str(&extension);
        }
        return Some(Contact { text, is_address: false, is_of_parts: true });
    }
    if let Some(number) = value.part_text(12).or(plain_number) {
        let is_address = equipment.is_none() && number.contains('@');
        return Some(Contact { text: number.into_owned(), is_address, is_of_parts: false });
    }
    // Some senders write the area where the country belongs, and the number where the area belongs.
    if let Some(number) = value.part_text(6) {
        let area = value.part_text(5).map_or_else(String::new, |area| format!("{area} "));
        return Some(Contact { text: format!("{area}{number}"), is_address: false, is_of_parts: false });
    }
    let text = address?.into_owned();
    Some(Contact { text, is_address: true, is_of_parts: false })
}
