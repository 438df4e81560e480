//! What becomes of the task of a workflow whose parcel comes to nothing.

use hub_core::commit::{Change, Commit};
use hub_core::errands;
use hub_core::id::CorrelationId;
use hub_fhir::{Resource, ResourceType, tree};

/// The code system of why a delivery came to nothing.
const WHY: &str = "urn:impf:cs:delivery";

/// The task with this number has failed.
pub(super) fn task_failed(number: &CorrelationId, why: &'static str) -> Commit {
    let Some(kind) = ResourceType::from_name("Task") else { return Commit::default() };
    let task = tree! {
        "status" => "failed",
        "intent" => "order",
        "statusReason" => tree! { "coding" => [tree! { "system" => WHY, "code" => why }] },
    };
    let resource = Resource::new(kind, errands::task_id(&number.0), task);
    let merge = Change::Merge { resource, clear: Vec::new(), initial: Vec::new() };
    Commit { changes: vec![merge], ..Commit::default() }
}
