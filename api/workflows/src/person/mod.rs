//! Accounts' visit persons 就诊人 and addresses (rules ACC).

use hub_core::who::Role;
use hub_fhir::{Json, Reference};

use crate::command::Command;
use crate::facts::{Fact, Facts};
use crate::fhir::points_at;
use crate::refused::{Refused, Stop};

/// The visit persons of an account: what its Person links to.
pub fn visit_persons(person: &Fact) -> Vec<Reference> {
    let links = person.tree().get("link").map(Json::items).unwrap_or_default();
    let found = links.iter().filter_map(|link| points_at(link.get("target")));
    found.filter(|target| target.kind.name() == "Patient").collect()
}

/// The patient that somebody acts for: one of his own visit persons, or anybody where the hospital's people act. Whose it is not does
/// not learn that it is there.
pub fn acting_for<'f>(command: &Command, facts: &'f Facts, patient: &Reference) -> Result<&'f Fact, Stop> {
    let found = facts.read(patient)?;
    if !is_for_all(command) {
        let own = command.agent().filter(|agent| agent.kind.name() == "Person");
        let person = own.map(|own| facts.read(own)).transpose()?.flatten();
        if !person.is_some_and(|person| visit_persons(person).contains(patient)) {
            return Err(Refused::of("NOT_FOUND").into());
        }
    }
    found.ok_or_else(|| Refused::of("NOT_FOUND").into())
}

/// Whether it is the hospital's people who act, for whomever.
pub fn is_for_all(command: &Command) -> bool {
    [Role::Operations, Role::Administrator, Role::System].into_iter().any(|role| command.who.has(role))
}
