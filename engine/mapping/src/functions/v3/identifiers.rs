//! II: the instance identifier (HL7 V3 data types §2.14).

use compact_str::{CompactString, format_compact};
use hub_fhir::Json;

use super::super::build::Build;
use super::super::{Context, Outcome};
use crate::read::Value;

/// A root alone is itself the number: it is globally unique.
const GLOBAL: &str = "urn:ietf:rfc:3986";

pub(in crate::functions) fn ii(value: Value<'_>, context: &Context<'_>) -> Outcome {
    if super::is_null(value) {
        return Ok(None);
    }
    let root = value.child_text("@root").map(|root| system(&root, context));
    let extension = value.child("@extension").filter(|extension| extension.text().is_some());
    let mut built = Build::with_capacity(3);
    match (root, extension) {
        (None, None) => return Ok(None),
        (Some(root), None) => {
            built.put("system", GLOBAL);
            built.put("value", Json::String(root));
        }
        (root, Some(extension)) => {
            built.put_some("system", root.or_else(|| context.system.map(Into::into)).map(Json::String));
            built.text("value", Some(extension))?;
        }
    }
    if let Some(name) = value.child_text("@assigningAuthorityName") {
        let mut assigner = Build::with_capacity(1);
        assigner.put("display", Json::string(name));
        built.put("assigner", assigner.json());
    }
    built.finish()
}

/// The URI of an OID or UUID; the mapping's `[systems]` may give it another.
pub(super) fn system(root: &str, context: &Context<'_>) -> CompactString {
    if let Some(known) = context.systems.get(root) {
        return known.clone();
    }
    let is_oid = root.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_oid {
        format_compact!("urn:oid:{root}")
    } else {
        format_compact!("urn:uuid:{}", root.to_ascii_lowercase())
    }
}
