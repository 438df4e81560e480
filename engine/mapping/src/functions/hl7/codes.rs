//! CWE (HL7 v2.5.1 §2.A.13): codings with their systems, and the original text.

use hub_fhir::Json;

use super::super::parts::Parts;
use super::super::systems::coding_system_name;
use super::super::{Context, Outcome};
use crate::read::Value;

/// A CodeableConcept, a Coding, or a text that is a code.
pub(in crate::functions) fn cwe(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    let mut codings = value.children("coding");
    let text = value.child("text");
    if codings.is_empty() && value.child("code").is_some() {
        codings.push(value);
    }
    if codings.is_empty() && text.is_none() {
        parts.text(1, Some(value));
        return parts.finish();
    }
    for (coding, (first, version)) in codings.iter().zip([(1, 7), (4, 8)]) {
        parts.text(first, coding.child("code"));
        parts.text(first + 1, coding.child("display"));
        let system = coding.child_text("system");
        parts.put_some(first + 2, system.map(|uri| Json::String(coding_system_name(&uri, context))));
        parts.text(version, coding.child("version"));
    }
    parts.text(9, text);
    parts.finish()
}

/// The unit of a Quantity: its code with UCUM, or as it is printed.
pub(in crate::functions) fn unit(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut parts = Parts::default();
    match value.child("code") {
        Some(code) => {
            parts.text(1, Some(code));
            parts.text(2, value.child("unit"));
            let system = value.child_text("system");
            parts.put_some(3, system.map(|uri| Json::String(coding_system_name(&uri, context))));
        }
        None => parts.text(1, value.child("unit")),
    }
    parts.finish()
}
