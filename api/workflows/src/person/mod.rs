//! Accounts' visit persons 就诊人 and addresses (rules ACC).

mod paper;
mod visit_person;

use hub_core::commit::Wake;
use hub_core::who::Role;
use hub_fhir::{Json, Reference};

pub(crate) use paper::Paper;
pub(crate) use visit_person::{ADULT_YEARS, RELATION, name, years};

use crate::Workflow;
use crate::act::{Act, On, Parameter};
use crate::command::Command;
use crate::decision::{Answered, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::points_at;
use crate::refused::{Refused, Stop};

const ACTS: &[Act] = &[
    Act {
        name: "add",
        kind: "Patient",
        on: On::Type,
        roles: &[Role::Patient],
        takes: &[
            Parameter::one(
                "patient",
                "Patient",
                "The person: name, paper, day of birth, sex, phone; a child's guardian as contact",
            ),
            Parameter::one(
                "relation",
                "code",
                "What the person is to the account's owner: `self`, `child`, `spouse`, `parent`, `other`",
            ),
        ],
        answers: "Patient",
        about: "Adds a visit person to the account, with a record at the hospital",
    },
    Act {
        name: "remove",
        kind: "Patient",
        on: On::Instance,
        roles: &[Role::Patient],
        takes: &[],
        answers: "Person",
        about: "Removes a visit person from the account; what was done for him stays",
    },
];

/// The workflow of accounts' visit persons.
pub struct Persons;

impl Workflow for Persons {
    fn acts(&self) -> &'static [Act] {
        ACTS
    }

    fn events(&self) -> &'static [&'static str] {
        &["task.answered"]
    }

    fn command(&self, command: &Command, facts: &Facts) -> Decided {
        match command.act {
            "add" => visit_person::add(command, facts),
            "remove" => visit_person::remove(command, facts),
            other => Err(Stop::Unfit(format!("`{other}` is no act of visit persons"))),
        }
    }

    fn event(&self, event: &Wake, facts: &Facts) -> Result<Option<Decision>, Stop> {
        let Some(task) = facts.read(&event.subject)? else { return Ok(None) };
        let answered = Answered { task };
        match answered.act() {
            Some("patient-create") => visit_person::archived(&answered, facts).map(Some),
            _ => Ok(None),
        }
    }
}

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
