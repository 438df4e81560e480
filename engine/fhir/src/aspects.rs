//! What of an element can be searched besides its value: what the modifiers of R4B §3.1.1.4 look at.

use compact_str::{CompactString, format_compact};

use crate::fhirpath::{Item, Value};
use crate::index::IndexValue;
use crate::index_rows::{entries, text, type_name};
use crate::json::{Json, Object};
use crate::normal::normal;
use crate::params::{Param, ParamKind};
use crate::spelling::spellings;

/// What of an element a search row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aspect {
    /// The value itself.
    Value,
    /// What people read beside a code: `:text`. A string that is not found by `:exact`.
    Text,
    /// The identifier within a reference: `:identifier`. A token.
    Identifier,
    /// The value of an identifier beside its type: `:of-type`. A token whose system is the type, `system|code`.
    OfType,
    /// How a Chinese name is spelt, in Latin letters: a string that is not found by `:exact`.
    Spelling,
}

/// The system of a token of [`Aspect::OfType`].
pub(crate) fn type_of_identifier(system: &str, code: &str) -> CompactString {
    format_compact!("{system}|{code}")
}

type Put<'f> = &'f mut dyn FnMut(Aspect, IndexValue);

/// What one element is found by besides its value.
pub(crate) fn aspects(param: &Param, item: Item<'_>, put: Put<'_>) {
    let Value::Json(json) = item.value else { return };
    if let Json::String(name) = json {
        if has_spelling(param) {
            spelling(name, param.code == "family", put);
        }
        return;
    }
    let Json::Object(object) = json else { return };
    match (param.kind, type_name(item)) {
        (ParamKind::String, "HumanName") => whole_name(object, put),
        (ParamKind::Token, "Coding") => words(text(object, "display"), put),
        (ParamKind::Token, "CodeableConcept") => concept(object, put),
        (ParamKind::Token, "CodeableReference") => {
            if let Some(inner) = object.get("concept").and_then(Json::as_object) {
                concept(inner, put);
            }
        }
        (ParamKind::Token, "Identifier") => identifier(object, put),
        (ParamKind::Reference, "Reference") => logical(object, put),
        (ParamKind::Reference, "CodeableReference") => {
            if let Some(inner) = object.get("reference").and_then(Json::as_object) {
                logical(inner, put);
            }
        }
        _ => {}
    }
}

/// Whether a parameter is one of names that are also found as they are spelt.
pub(crate) fn has_spelling(param: &Param) -> bool {
    let is_name = matches!(param.code, "name" | "family" | "given");
    let of_names = [
        "Patient",
        "Practitioner",
        "Person",
        "RelatedPerson",
        "Organization",
        "Location",
        "HealthcareService",
    ];
    param.kind == ParamKind::String && is_name && of_names.contains(&param.base.name())
}

fn spelling(name: &str, begins_with_surname: bool, put: Put<'_>) {
    if name.is_ascii() {
        return;
    }
    for normal in spellings(name, begins_with_surname) {
        put(Aspect::Spelling, IndexValue::String { normal, exact: CompactString::const_new("") });
    }
}

/// The whole name, as it is put together and as it stands; and the given names.
fn whole_name(name: &Object, put: Put<'_>) {
    let given = || entries(name, "given").iter().filter_map(Json::as_str);
    let whole: String = text(name, "family").into_iter().chain(given()).collect();
    spelling(&whole, text(name, "family").is_some(), put);
    if let Some(text) = text(name, "text").filter(|text| *text != whole) {
        spelling(text, true, put);
    }
    if text(name, "family").is_some() {
        given().for_each(|given| spelling(given, false, put));
    }
}

/// Adds what people read.
fn words(text: Option<&str>, put: Put<'_>) {
    let normal = text.map(normal).unwrap_or_default();
    if !normal.is_empty() {
        put(Aspect::Text, IndexValue::String { normal, exact: CompactString::const_new("") });
    }
}

fn concept(concept: &Object, put: Put<'_>) {
    words(text(concept, "text"), put);
    for coding in entries(concept, "coding").iter().filter_map(Json::as_object) {
        words(text(coding, "display"), put);
    }
}

fn identifier(identifier: &Object, put: Put<'_>) {
    let Some(of) = identifier.get("type").and_then(Json::as_object) else { return };
    words(text(of, "text"), put);
    let Some(value) = text(identifier, "value") else { return };
    for coding in entries(of, "coding").iter().filter_map(Json::as_object) {
        if let (Some(system), Some(code)) = (text(coding, "system"), text(coding, "code")) {
            let system = type_of_identifier(system, code);
            put(Aspect::OfType, IndexValue::Token { system, code: value.into() });
        }
    }
}

/// The identifier by which a reference points at something wherever it may be.
fn logical(reference: &Object, put: Put<'_>) {
    let Some(identifier) = reference.get("identifier").and_then(Json::as_object) else { return };
    if let Some(value) = text(identifier, "value") {
        let system = text(identifier, "system").unwrap_or_default();
        put(Aspect::Identifier, IndexValue::Token { system: system.into(), code: value.into() });
    }
}
