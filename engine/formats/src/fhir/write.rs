//! Writes a resource or a Bundle as JSON, or resources one a line.

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::document::{WriteError, Writer};
use hub_fhir::{Json, Object, ResourceType};

/// Writes one resource, a Bundle among them, in the order of its members; or, with `lines`, NDJSON: the resources of a Bundle one a line, a
/// resource of another type as the only line.
#[derive(Clone, Copy, Debug, Default)]
pub struct FhirWriter {
    /// NDJSON.
    pub lines: bool,
}

impl Writer for FhirWriter {
    fn write(&self, message: &Object) -> Result<Bytes, WriteError> {
        let kind = resource_type(message, "")?;
        let mut text = String::with_capacity(1024);
        if !self.lines || kind != "Bundle" {
            hub_fhir::json::write_object(message, &mut text);
            if self.lines {
                text.push('\n');
            }
            return Ok(Bytes::from(text));
        }
        let entries = message.get("entry").and_then(Json::as_array).unwrap_or_default();
        for (index, entry) in entries.iter().enumerate() {
            let place = format!("Bundle.entry[{}].resource", index + 1);
            let Some(resource) = entry.get("resource").and_then(Json::as_object) else {
                let what = "NDJSON has a resource on each line, and this entry has none".to_owned();
                return Err(WriteError { place, what });
            };
            resource_type(resource, &place)?;
            hub_fhir::json::write_object(resource, &mut text);
            text.push('\n');
        }
        Ok(Bytes::from(text))
    }

    fn content_type(&self) -> CompactString {
        CompactString::const_new(if self.lines { "application/fhir+ndjson" } else { "application/fhir+json" })
    }
}

fn resource_type<'a>(resource: &'a Object, place: &str) -> Result<&'a str, WriteError> {
    let kind = resource.get("resourceType").and_then(Json::as_str);
    kind.filter(|kind| ResourceType::from_name(kind).is_some()).ok_or_else(|| {
        let dot = if place.is_empty() { "" } else { "." };
        let what = "expected the name of a type of resource of FHIR R4B".to_owned();
        WriteError { place: format!("{place}{dot}resourceType"), what }
    })
}
