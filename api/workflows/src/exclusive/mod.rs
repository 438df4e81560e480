//! Exclusive bookings 专属预约 (rules EX-1 to EX-5, EX-9, EX-10): a wish that the hospital's people make a visit of.
//!
//! A request is an Appointment that is `proposed`, without a time of its own but with those that would suit. It is claimed by one person,
//! who fixes a time: with a slot, which is then kept for this patient, who holds and pays it as any other; or without one, for what is
//! agreed by phone. Each change leaves a Provenance that says who, when, from what and to what (EX-10).

mod desk;
mod request;
mod state;

use hub_core::commit::Wake;
use hub_core::who::Role;
use hub_fhir::{Id, Json, Reference, tree};

use crate::act::{Act, On, Parameter};
use crate::command::Command;
use crate::decision::{Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, points_at};
use crate::refused::Stop;
use crate::{Workflow, alarm};

pub use state::State;

/// The code of such Appointments, as their `appointmentType`.
pub const TYPE: &str = "urn:impf:cs:exclusive";
/// The extension of a slot that says for whom it is kept.
pub const KEPT_FOR: &str = "urn:impf:ext:kept-for";
/// Who looks after a request.
const CLAIMED_BY: &str = "urn:impf:ext:claimed-by";

const DESK: &[Role] = &[Role::Operations, Role::Administrator];

const ACTS: &[Act] = &[
    Act {
        name: "request",
        kind: "Appointment",
        on: On::Type,
        roles: &[Role::Patient, Role::Operations, Role::Administrator],
        takes: &[
            Parameter::one("patient", "Reference", "The visit person"),
            Parameter::one("type", "code", "`doctor` without a roster, `outpatient`, or `examination`"),
            Parameter::maybe(
                "doctor",
                "Reference",
                "The doctor wanted; of the type `doctor` one must be named",
            ),
            Parameter::maybe("department", "Reference", "The department wanted"),
            Parameter::maybe(
                "package",
                "string",
                "The examination wanted; of the type `examination` it must be named",
            ),
            Parameter::some("period", "Period", "1 to 3 times that would suit"),
            Parameter::one("reason", "string", "What it is about"),
            Parameter::one("contact", "string", "A phone number to call, with its country"),
            Parameter::maybe("language", "code", "The language to speak: `zh-Hans`, `zh-Hant`, `en`"),
            Parameter::some("attachment", "Reference", "Papers that were brought along, DocumentReferences"),
        ],
        answers: "Appointment",
        about: "Asks for a visit that no slot offers",
    },
    Act {
        name: "claim",
        kind: "Appointment",
        on: On::Instance,
        roles: DESK,
        takes: &[],
        answers: "Appointment",
        about: "Takes a request on: nobody else looks after it from then on",
    },
    Act {
        name: "schedule",
        kind: "Appointment",
        on: On::Instance,
        roles: DESK,
        takes: &[
            Parameter::maybe("slot", "Reference", "A free slot, which is kept for the patient"),
            Parameter::maybe("start", "dateTime", "When, where there is no slot"),
            Parameter::maybe("end", "dateTime", "Until when"),
            Parameter::maybe("place", "string", "Where, where there is no slot"),
        ],
        answers: "Appointment",
        about: "Fixes the time of a request that was claimed, and tells the patient",
    },
    Act {
        name: "confirm",
        kind: "Appointment",
        on: On::Instance,
        roles: DESK,
        takes: &[],
        answers: "Appointment",
        about: "Says that a time which needs no payment here is agreed",
    },
    Act {
        name: "withdraw",
        kind: "Appointment",
        on: On::Instance,
        roles: &[Role::Patient],
        takes: &[],
        answers: "Appointment",
        about: "Takes a request back that nobody has claimed yet",
    },
    Act {
        name: "close",
        kind: "Appointment",
        on: On::Instance,
        roles: DESK,
        takes: &[
            Parameter::one("outcome", "code", "`done`, `cancelled` or `not-done`"),
            Parameter::one("reason", "string", "Why, or what came of it"),
        ],
        answers: "Appointment",
        about: "Ends a request: what became of it",
    },
];

/// The workflow of exclusive bookings.
pub struct Exclusive;

impl Workflow for Exclusive {
    fn acts(&self) -> &'static [Act] {
        ACTS
    }

    fn events(&self) -> &'static [&'static str] {
        &["exclusive.waits", "exclusive.remind", "visit.booked"]
    }

    fn command(&self, command: &Command, facts: &Facts) -> Decided {
        match command.act {
            "request" => request::request(command, facts),
            "withdraw" => request::withdraw(command, facts),
            "claim" => desk::claim(command, facts),
            "schedule" => desk::schedule(command, facts),
            "confirm" => desk::confirm(command, facts),
            "close" => desk::close(command, facts),
            other => Err(Stop::Unfit(format!("`{other}` is no act of exclusive bookings"))),
        }
    }

    fn event(&self, event: &Wake, facts: &Facts) -> Result<Option<Decision>, Stop> {
        let Some(subject) = facts.read(&event.subject)? else { return Ok(None) };
        match event.event.as_str() {
            "exclusive.waits" => waits(subject, facts).map(Some),
            "exclusive.remind" => desk::remind(subject, facts).map(Some),
            _ => desk::booked(subject, facts).map(Some),
        }
    }
}

/// Nobody has claimed it for so long: it is put before everybody's eyes (EX-4).
fn waits(request: &Fact, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    if State::of(request.tree()) == Some(State::Requested) {
        alarm::raise(&mut decision, "exclusive-waits", &request.reference(), "operations", facts.now)?;
    }
    Ok(decision)
}

/// Whom a request is for.
fn patient_of(request: &Fact) -> Result<Reference, Stop> {
    let found = fhir::pointed_at(request.tree(), "participant", "actor", "Patient");
    found.into_iter().next().ok_or_else(|| Stop::Unfit(format!("`{}` is nobody's", request.reference())))
}

/// The slot that is kept for a request.
fn slot_of(request: &Fact) -> Option<Reference> {
    let slots = request.tree().get("slot").map(Json::items).unwrap_or_default();
    slots.iter().find_map(|slot| points_at(Some(slot)))
}

/// How a slot says for whom it is kept: everybody may read slots, so it names nobody.
fn kept_for(slot: &Reference, patient: &Reference) -> String {
    Id::of_parts([slot.to_string(), patient.to_string()]).to_string()
}

/// Whether a slot is kept for somebody else.
pub(crate) fn is_kept_from(slot: &Fact, patient: &Reference) -> bool {
    let kept = fhir::extension(slot.tree(), KEPT_FOR).and_then(|kept| kept.get("valueString")?.as_str());
    kept.is_some_and(|kept| kept != kept_for(&slot.reference(), patient))
}

/// Who has changed a request, when, from what and to what (EX-10).
fn trace(
    decision: &mut Decision,
    command: &Command,
    request: &Reference,
    from: Option<State>,
    to: State,
    facts: &Facts,
) -> Result<(), Stop> {
    let account = fhir::identifier("urn:impf:id:account", command.who.account.as_str());
    let agent = command.agent().filter(|agent| agent.kind.name() == "Practitioner");
    let step = |name: &str, state: State| tree! { "url" => format!("urn:impf:ext:{name}"), "valueCode" => state.name() };
    let mut steps: Vec<Json> = from.map(|from| step("from", from).into()).into_iter().collect();
    steps.push(step("to", to).into());
    let tree = tree! {
        "extension" => steps,
        "target" => [request],
        "recorded" => fhir::instant(facts.now),
        "activity" => fhir::concept(fhir::system::ACT, command.act),
        "reason" => command.text("reason").map(|reason| Json::Array(vec![tree! { "text" => reason }.into()])),
        "agent" => [tree! { "who" => tree! { "reference" => agent.map(Reference::to_string), "identifier" => account } }],
    };
    decision.create("Provenance", Id::of_parts(["trace", &command.number]), tree)?;
    Ok(())
}
