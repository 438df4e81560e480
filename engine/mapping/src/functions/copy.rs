//! HL7 v2 to HL7 v2: a field, component or subcomponent as it stands, with all its parts.

use compact_str::ToCompactString;
use hub_fhir::{Json, Object};

use super::{Context, Outcome};
use crate::read::Value;

/// No data type of HL7 v2 has more components.
const MOST_PARTS: u16 = 64;

pub(super) fn copy(value: Value<'_>, _: &Context<'_>) -> Outcome {
    Ok(copied(value))
}

fn copied(value: Value<'_>) -> Option<Json> {
    if value.is_leaf() {
        return value.raw().map(Json::string);
    }
    let mut parts = Object::new();
    for number in 1..=MOST_PARTS {
        if let Some(part) = value.part(number).and_then(copied) {
            parts.push(number.to_compact_string(), part);
        }
    }
    (!parts.is_empty()).then_some(Json::Object(parts))
}
