//! What a commit writes, as a Bundle for people and golden files to read.

use hub_core::commit::{Change, Commit};
use hub_fhir::{Json, Object};

/// The writes as a transaction Bundle: `PUT` for put, `PATCH` for merge, `PUT` with `ifNoneMatch` for ensure.
pub fn of(commit: &Commit) -> Json {
    let entries = commit.changes.iter().map(|change| Json::Object(entry(change))).collect::<Vec<_>>();
    let mut bundle = Object::new();
    bundle.set("resourceType", "Bundle");
    bundle.set("type", "transaction");
    bundle.set("entry", entries);
    Json::Object(bundle)
}

fn entry(change: &Change) -> Object {
    let reference = change.reference().to_string();
    let mut request = Object::new();
    let method = match change {
        Change::Put(_) | Change::PutIf { .. } | Change::Ensure(_) => "PUT",
        Change::Merge { .. } => "PATCH",
        Change::Delete(_) | Change::DeleteIf { .. } => "DELETE",
    };
    request.set("method", method);
    request.set("url", reference.as_str());
    match change {
        Change::Ensure(_) => request.set("ifNoneMatch", "*"),
        Change::PutIf { version, .. } | Change::DeleteIf { version, .. } => {
            request.set("ifMatch", format!("W/\"{version}\""))
        }
        _ => {}
    }
    let mut entry = Object::new();
    if let Some(resource) = change.resource() {
        entry.set("resource", resource.tree().clone());
    }
    if let Change::Merge { initial, .. } = change
        && !initial.is_empty()
    {
        // Not FHIR: shown so that a golden file says what counts only when the resource is new.
        entry.set("initial", initial.iter().map(|name| Json::String(name.clone())).collect::<Vec<_>>());
    }
    if let Change::Merge { clear, .. } = change
        && !clear.is_empty()
    {
        // Not FHIR: shown so that a golden file says what the HL7 null deletes.
        entry.set("clear", clear.iter().map(|name| Json::String(name.clone())).collect::<Vec<_>>());
    }
    entry.set("request", request);
    entry
}
