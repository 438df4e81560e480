//! Work for a person: what the program must not decide by itself. A Task that operations or finance see until it is settled.

use hub_fhir::{Id, Reference, tree};
use time::OffsetDateTime;

use crate::decision::{Decision, kind_of};
use crate::facts::Facts;
use crate::fhir::{concept, instant, reference, system};
use crate::refused::Stop;

/// What makes the id of the alarm of this kind about this resource: there is one at a time.
fn id(kind: &str, about: &Reference) -> Id {
    Id::of_parts(["alarm", kind, &about.to_string()])
}

/// Tells a person, once: `owner` is the role that is to act (`operations`, `finance`).
pub fn raise(
    decision: &mut Decision,
    kind: &'static str,
    about: &Reference,
    owner: &'static str,
    now: OffsetDateTime,
) -> Result<(), Stop> {
    let tree = tree! {
        "status" => "requested",
        "intent" => "order",
        "priority" => "urgent",
        "code" => concept(system::ACT, kind),
        "focus" => about,
        "authoredOn" => instant(now),
        "performerType" => [concept("urn:impf:cs:role", owner)],
    };
    decision.ensure("Task", id(kind, about), tree)?;
    Ok(())
}

/// It has settled itself.
pub fn settle(decision: &mut Decision, kind: &str, about: &Reference, facts: &Facts) -> Result<(), Stop> {
    let alarm = reference(kind_of("Task")?, id(kind, about));
    if let Some(alarm) = facts.read(&alarm)?
        && alarm.text(&["status"]) != Some("completed")
    {
        decision.update(alarm, |task| task.set("status", "completed"));
    }
    Ok(())
}
