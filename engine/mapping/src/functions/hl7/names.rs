//! XPN and XCN (HL7 v2.5.1 §2.A.89, §2.A.86).

use hub_fhir::Json;

use super::super::names::{ASSEMBLY_ORDER, REPRESENTATION, SURNAME_PARTS};
use super::super::parts::Parts;
use super::super::{Context, Outcome};
use super::identifiers;
use super::values::moment;
use crate::read::Value;

pub(in crate::functions) fn xpn(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    put_name(&mut parts, value, 1);
    if is_name(value) {
        parts.put_some(7, value.child_text("use").and_then(|usage| type_of_use(&usage)));
        parts.put_some(8, extension(value, REPRESENTATION).and_then(|code| representation(&code)));
        parts.put_some(11, extension(value, ASSEMBLY_ORDER).map(Json::string));
        if let Some(period) = value.child("period") {
            parts.put_some(12, moment(period.child("start"), context)?);
            parts.put_some(13, moment(period.child("end"), context)?);
        }
    }
    parts.finish()
}

/// A person with a number: a Reference with identifier and display, or a Practitioner, Patient or RelatedPerson.
pub(in crate::functions) fn xcn(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    let identifier = value.child("identifier");
    match identifier {
        Some(identifier) => parts.text(1, identifier.child("value")),
        None if value.child("display").is_none() && value.child("name").is_none() => {
            parts.text(1, Some(value))
        }
        None => {}
    }
    let name = value.child("name").or_else(|| value.child("display"));
    if let Some(name) = name {
        put_name(&mut parts, name, 2);
    }
    if let Some(identifier) = identifier {
        parts.put_some(9, identifiers::authority(identifier, context));
        parts.put_some(13, identifiers::type_code(identifier));
    }
    parts.finish()
}

fn is_name(value: Value<'_>) -> bool {
    ["family", "given", "text"].iter().any(|name| value.child(name).is_some())
}

/// Family, given, further given names, suffixes and prefixes stand side by side in XPN and XCN.
fn put_name(parts: &mut Parts, value: Value<'_>, first: u16) {
    if !is_name(value) {
        parts.text(first, Some(value));
        return;
    }
    let given = value.children("given");
    match value.child("family") {
        Some(family) => parts.put_some(first, surname(value, family)),
        // A name of which only the whole is known stands whole in the family component, as Chinese senders write it.
        None if given.is_empty() => parts.text(first, value.child("text")),
        None => {}
    }
    parts.text(first + 1, given.first().copied());
    parts.words(first + 2, given.get(1..).unwrap_or_default());
    parts.words(first + 3, &value.children("suffix"));
    parts.words(first + 4, &value.children("prefix"));
}

/// FN: the surname, and its parts where FHIR's extensions give them.
fn surname(name: Value<'_>, family: Value<'_>) -> Option<Json> {
    let whole = family.text().map(Json::string)?;
    let mut inner = Parts::default();
    if let Some(beside) = name.child("_family") {
        for (number, url) in SURNAME_PARTS {
            inner.put_some(number, extension(beside, url).map(Json::string));
        }
    }
    let Some(inner) = inner.some() else { return Some(whole) };
    let mut parts = Parts::default();
    parts.put(1, whole);
    parts.splice(1, Some(inner));
    Some(parts.into())
}

/// The value of an extension that holds a code or a string.
pub(super) fn extension(value: Value<'_>, url: &str) -> Option<String> {
    let wanted =
        value.children("extension").into_iter().find(|it| it.child_text("url").as_deref() == Some(url))?;
    let text = wanted.child_text("valueCode").or_else(|| wanted.child_text("valueString"))?;
    Some(text.into_owned())
}

/// HL7 table 0200.
fn type_of_use(usage: &str) -> Option<Json> {
    let code = match usage {
        "official" => "L",
        "usual" => "D",
        "maiden" => "M",
        "nickname" => "N",
        "anonymous" => "S",
        "temp" => "TEMP",
        "old" => "BAD",
        _ => return None,
    };
    Some(code.into())
}

/// HL7 table 0465.
fn representation(code: &str) -> Option<Json> {
    let code = match code {
        "IDE" => "I",
        "SYL" => "P",
        "ABC" => "A",
        _ => return None,
    };
    Some(code.into())
}
