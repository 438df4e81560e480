//! II: the instance identifier (HL7 V3 data types §2.14).

use compact_str::CompactString;
use hub_fhir::Json;

use super::super::build::Build;
use super::super::systems::{root_uri, urn};
use super::super::{Context, Misfit, Outcome};
use crate::read::Value;

/// A root alone is itself the number: an OID or UUID is globally unique, and nothing else is.
const GLOBAL: &str = "urn:ietf:rfc:3986";

pub(in crate::functions) fn ii(value: Value<'_>, context: &Context<'_>) -> Outcome {
    if super::is_null(value) {
        return Ok(None);
    }
    let root = value.child_text("@root");
    let extension = value.child("@extension").filter(|extension| extension.text().is_some());
    let mut built = Build::with_capacity(3);
    match (root, extension) {
        (None, None) => return Ok(None),
        (Some(root), None) => {
            let Some(number) = known(&root, context) else {
                return Err(Misfit::new(value, "expected an extension, or a root that is an OID or UUID"));
            };
            built.put("system", GLOBAL);
            built.put("value", Json::String(number));
        }
        (root, Some(extension)) => {
            let root = root.map(|root| system(&root, context));
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

/// The URI of a root; one that is no OID and no UUID is the sender's own name. The mapping's `[systems]` may give it another.
pub(super) fn system(root: &str, context: &Context<'_>) -> CompactString {
    known(root, context).unwrap_or_else(|| urn(root))
}

fn known(root: &str, context: &Context<'_>) -> Option<CompactString> {
    context.systems.get(root).cloned().or_else(|| root_uri(root))
}
