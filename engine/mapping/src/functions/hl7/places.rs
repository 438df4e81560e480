//! XAD, XTN, PL and XON (HL7 v2.5.1 §2.A.83, §2.A.91, §2.A.53, §2.A.88).

use hub_fhir::Json;

use super::super::address::{ADDRESS_USE, HOLIDAY_HOME};
use super::super::contact::NUMBER_PARTS;
use super::super::parts::Parts;
use super::super::{Context, Outcome};
use super::{identifiers, names};
use crate::read::Value;

pub(in crate::functions) fn xad(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    let lines = value.children("line");
    let elsewhere = ["city", "district", "state", "postalCode", "country"];
    match lines.first() {
        Some(first) => parts.text(1, Some(*first)),
        None if elsewhere.iter().any(|name| value.child(name).is_some()) => {}
        None => parts.text(1, value.child("text").or(Some(value))),
    }
    parts.words(2, lines.get(1..).unwrap_or_default());
    for (number, name) in [(3, "city"), (4, "state"), (5, "postalCode"), (6, "country")] {
        parts.text(number, value.child(name));
    }
    let usage = value.child_text("use");
    let kind = match (usage.as_deref(), value.child_text("type").as_deref()) {
        (Some("home"), _) => Some("H"),
        (Some("work"), _) => Some("B"),
        (Some("temp"), _) => Some("C"),
        (Some("old"), _) => Some("BA"),
        (Some("billing"), _) => Some("BI"),
        (_, Some("postal")) => Some("M"),
        _ => names::extension(value, ADDRESS_USE).filter(|code| code == HOLIDAY_HOME).map(|_| HOLIDAY_HOME),
    };
    parts.put_some(7, kind);
    parts.text(9, value.child("district"));
    parts.finish()
}

pub(in crate::functions) fn xtn(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    let Some(contact) = value.child("value").or(Some(value)).filter(|contact| contact.text().is_some())
    else {
        return Ok(None);
    };
    let usage = value.child_text("use");
    let usage = usage.as_deref();
    let (equipment, is_address) = match value.child_text("system").as_deref() {
        Some("email") => ("Internet", true),
        Some("url") => ("Internet", true),
        Some("fax") => ("FX", false),
        Some("pager") => ("BP", false),
        _ if usage == Some("mobile") => ("CP", false),
        _ => ("PH", false),
    };
    if is_address {
        parts.put(2, "NET");
        parts.put(3, equipment);
        parts.text(4, Some(contact));
        return parts.finish();
    }
    let usage = match usage {
        Some("home") => Some("PRN"),
        Some("work") => Some("WPN"),
        Some("mobile") => Some("PRS"),
        _ => None,
    };
    parts.put_some(2, usage);
    parts.put(3, equipment);
    for (component, url) in NUMBER_PARTS {
        parts.put_some(component, names::extension(value, url).map(Json::string));
    }
    parts.text(12, Some(contact));
    parts.text(18, value.child("rank"));
    parts.finish()
}

/// A place that FHIR knows by its words only: the description.
pub(in crate::functions) fn pl(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    let words = ["display", "name", "description"].iter().find_map(|name| value.child(name));
    parts.text(9, words.or(Some(value)));
    parts.finish()
}

/// An organization by name and number: a Reference, or an Organization.
pub(in crate::functions) fn xon(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    let identifier = value.child("identifier");
    let name = ["display", "name"].iter().find_map(|name| value.child(name));
    parts.text(1, name.or(identifier.is_none().then_some(value)));
    if let Some(identifier) = identifier {
        parts.put_some(6, identifiers::authority(identifier, context).map(Json::from));
        parts.put_some(7, identifiers::type_code(identifier));
        parts.text(10, identifier.child("value"));
    }
    parts.finish()
}
