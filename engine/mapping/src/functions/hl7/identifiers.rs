//! CX, EI and HD (HL7 v2.5.1 §2.A.14, §2.A.28, §2.A.33).

use hub_fhir::Json;

use super::super::parts::Parts;
use super::super::{Context, Outcome};
use super::values::moment;
use crate::read::Value;

pub(in crate::functions) fn cx(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    match value.child("value") {
        Some(number) => parts.text(1, Some(number)),
        None => parts.text(1, Some(value)),
    }
    parts.put_some(4, authority(value, context));
    parts.put_some(5, type_code(value));
    if let Some(period) = value.child("period") {
        parts.put_some(7, moment(period.child("start"), context)?);
        parts.put_some(8, moment(period.child("end"), context)?);
    }
    parts.finish()
}

pub(in crate::functions) fn ei(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    match value.child("value") {
        Some(number) => parts.text(1, Some(number)),
        None => parts.text(1, Some(value)),
    }
    parts.splice(2, authority(value, context));
    parts.finish()
}

/// A system's URI.
pub(in crate::functions) fn hd(value: Value<'_>, context: &Context<'_>) -> Outcome {
    match value.text() {
        Some(uri) => hd_of(&uri, None, context).map_or(Ok(None), Parts::finish),
        None => Ok(None),
    }
}

/// The authority of an Identifier: its system, and what the assigner is called.
pub(super) fn authority(identifier: Value<'_>, context: &Context<'_>) -> Option<Parts> {
    let name = identifier.child("assigner").and_then(|assigner| assigner.child_text("display"));
    match identifier.child_text("system") {
        Some(uri) => hd_of(&uri, name.as_deref(), context),
        None => {
            let mut parts = Parts::default();
            parts.put_some(1, name.map(Json::string));
            parts.some()
        }
    }
}

/// HL7 table 0203: what sort of number it is.
pub(super) fn type_code(identifier: Value<'_>) -> Option<Json> {
    identifier.child("type")?.child("coding")?.child_text("code").map(Json::string)
}

/// A URI as namespace, universal id and its type (HL7 table 0301).
fn hd_of(uri: &str, name: Option<&str>, context: &Context<'_>) -> Option<Parts> {
    let known =
        context.systems.iter().filter(|(_, system)| *system == uri).map(|(name, _)| name.as_str()).min();
    let namespace = uri.strip_prefix("urn:id:");
    let universal = match uri {
        _ if namespace.is_some() => None,
        _ if uri.starts_with("urn:oid:") => Some((&uri["urn:oid:".len()..], "ISO")),
        _ if uri.starts_with("urn:uuid:") => Some((&uri["urn:uuid:".len()..], "UUID")),
        _ if uri.starts_with("dns:") => Some((&uri["dns:".len()..], "DNS")),
        _ => Some((uri, "URI")),
    };
    let mut parts = Parts::default();
    parts.put_some(1, known.or(name).or(namespace).map(Json::string));
    // A name of the mapping's own says all that its receiver knows.
    if let Some((id, kind)) = universal.filter(|_| known.is_none()) {
        parts.put(2, Json::string(id));
        parts.put(3, kind);
    }
    parts.some()
}
