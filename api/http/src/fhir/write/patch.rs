//! Patches in their three forms (R4B §3.1.0.6): JSON Patch, merge patch and FHIRPath Patch.

use axum::http::StatusCode;
use hub_fhir::patch::{JsonPatch, PatchError, merge_patch};
use hub_fhir::{Id, Json, Object};
use hub_fhirpath::FhirPatch;
use time::OffsetDateTime;

use crate::fhir::body::tree;
use crate::fhir::problem::Problem;
use crate::fhir::wants::is_json;

/// The media types that patches are taken in, as `CapabilityStatement.patchFormat` lists them.
pub(crate) const FORMATS: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/fhir+json"];

/// A patch.
#[derive(Clone, Debug)]
pub(crate) enum Patch {
    /// RFC 6902
    Json(JsonPatch),
    /// RFC 7396
    Merge(Object),
    /// R4B, FHIRPath Patch
    Fhir(FhirPatch),
}

impl Patch {
    /// Reads a patch by the media type it was sent with.
    pub(crate) fn read(media: &str, body: &[u8]) -> Result<Self, Problem> {
        let bare = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let [json, merge, _] = FORMATS;
        if bare == json {
            return JsonPatch::read(&tree(body)?).map(Self::Json).map_err(unreadable);
        }
        if bare == merge {
            return match tree(body)? {
                Json::Object(patch) => Ok(Self::Merge(patch)),
                _ => Err(unreadable(PatchError::whole("a merge patch is a JSON object (RFC 7396)"))),
            };
        }
        if bare.contains('*') || !is_json(media) {
            let text = format!("a patch is one of {}", FORMATS.join(", "));
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text));
        }
        match tree(body)? {
            // What some clients (fhirpy) send as plain JSON; a resource it is not.
            Json::Object(patch) if bare == "application/json" && patch.get("resourceType").is_none() => {
                Ok(Self::Merge(patch))
            }
            Json::Object(parameters) => Self::of_parameters(&parameters),
            _ => Err(unreadable(PatchError::whole("a FHIRPath Patch is a resource `Parameters`"))),
        }
    }

    /// Reads a FHIRPath Patch.
    pub(crate) fn of_parameters(parameters: &Object) -> Result<Self, Problem> {
        FhirPatch::read(parameters).map(Self::Fhir).map_err(unreadable)
    }

    /// The resource after the patch. It stays the resource of its id.
    pub(crate) fn apply(&self, resource: &Object, id: &Id) -> Result<Object, Problem> {
        let patched = match self {
            Self::Json(patch) => patch.apply(resource).map_err(unfit)?,
            Self::Merge(patch) => merge_patch(resource, patch),
            Self::Fhir(patch) => patch.apply(resource, OffsetDateTime::now_utc()).map_err(unfit)?,
        };
        let is_same = ["resourceType", "id"].iter().all(|name| patched.get(name) == resource.get(name));
        if !is_same || patched.get("id").and_then(Json::as_str) != Some(id.as_str()) {
            return Err(unfit(PatchError::whole("a patch changes neither `resourceType` nor `id`")));
        }
        Ok(patched)
    }
}

fn unreadable(wrong: PatchError) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "structure", wrong.to_string())
}

/// R4B §3.1.0.6: a patch that cannot be done on what is stored.
fn unfit(wrong: PatchError) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "processing", wrong.to_string())
}
