//! `Consent/$revoke` (CON-7): each consent is taken back by itself; from then on nothing is permitted by it, and it is on record.

use super::answers::record;
use crate::command::Command;
use crate::decision::{Answer, Decided, Decision};
use crate::facts::Facts;
use crate::fhir::{instant, points_at};
use crate::person::acting_for;
use crate::refused::{Refused, Stop};

pub(super) fn revoke(command: &Command, facts: &Facts) -> Decided {
    let consent = facts.asked(command.subject()?)?;
    let patient = points_at(consent.tree().get("patient"));
    let patient = patient.ok_or_else(|| Stop::Unfit(format!("`{}` is nobody's", consent.reference())))?;
    acting_for(command, facts, &patient)?;
    if consent.text(&["status"]) != Some("active") {
        return Err(Refused::of("NOT_ACTIVE").into());
    }
    let mut decision = Decision::default();
    decision.update(consent, |tree| {
        tree.set("status", "inactive");
        if let Some(period) = tree
            .get_mut("provision")
            .and_then(|provision| provision.as_object_mut())
            .and_then(|provision| provision.get_mut("period"))
            .and_then(|period| period.as_object_mut())
        {
            period.set("end", instant(facts.now));
        }
    });
    record(&mut decision, command, &consent.reference(), "revoke", facts)?;
    Ok(decision.answered(Answer::Resource(consent.reference())))
}
