//! Outpatient booking 门诊预约 (rules BK): hold, pay, confirm, release, late money, cancel.
//!
//! The Appointment carries the state ([`State`]); the HIS is asked by errands whose answers come back as `task.answered`; the bank's
//! part is [`crate::payment`], which tells by `invoice.paid`, `invoice.closed` and `invoice.refunded`. A step that comes too late finds
//! another state and undoes what it brought: nothing ends paid and without a visit.

mod answers;
mod cancel;
mod hold;
mod money;
mod state;
mod visits;

use hub_core::commit::Wake;
use hub_core::who::Role;
use hub_fhir::{Json, Reference};

use crate::act::{Act, On, Parameter};
use crate::command::Command;
use crate::decision::{Answered, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{extension, points_at};
use crate::money::Money;
use crate::refused::Stop;
use crate::{Workflow, payment};

pub use state::State;

/// The channel that carries errands to the HIS.
const HIS: &str = "his/errands";
/// The extensions of a Schedule with its fees.
pub const REGISTRATION_FEE: &str = "urn:impf:ext:registration-fee";
/// The same: the fee of the consultation (诊查费).
pub const CONSULTATION_FEE: &str = "urn:impf:ext:consultation-fee";

const ACTS: &[Act] = &[
    Act {
        name: "hold",
        kind: "Appointment",
        on: On::Type,
        roles: &[Role::Patient, Role::Operations, Role::Administrator, Role::System],
        takes: &[
            Parameter::one("slot", "Reference", "The Slot"),
            Parameter::one("patient", "Reference", "The visit person: a Patient"),
            Parameter::maybe("price", "Money", "The price that was shown; another one is refused"),
            Parameter::maybe(
                "channel",
                "string",
                "Where the patient comes from: the code of a poster or a forwarded link",
            ),
        ],
        answers: "Appointment",
        about: "Holds a slot for a visit person until it is paid for",
    },
    Act {
        name: "pay",
        kind: "Appointment",
        on: On::Instance,
        roles: &[Role::Patient, Role::Operations, Role::Administrator, Role::System],
        takes: &[
            Parameter::one("method", "code", "How: `jsapi`, `h5`, `native` or `app`"),
            Parameter::maybe("payer", "string", "The payer's number at the bank, where the method needs it"),
        ],
        answers: "Task",
        about: "Opens an order at the bank for a visit that is held",
    },
    Act {
        name: "cancel",
        kind: "Appointment",
        on: On::Instance,
        roles: &[Role::Patient, Role::Operations, Role::Administrator, Role::System],
        takes: &[Parameter::maybe("reason", "string", "Why; the hospital's people must say it")],
        answers: "Appointment",
        about: "Cancels a visit that is held or booked, and gives the money back",
    },
    Act {
        name: "lift-block",
        kind: "Patient",
        on: On::Instance,
        roles: &[Role::Operations, Role::Administrator],
        takes: &[Parameter::one("reason", "string", "Why")],
        answers: "Patient",
        about: "Lets a person book again who has missed too many visits",
    },
];

/// The workflow of bookings.
pub struct Booking;

impl Workflow for Booking {
    fn acts(&self) -> &'static [Act] {
        ACTS
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "task.answered",
            "hold.expired",
            "invoice.paid",
            "invoice.closed",
            "invoice.refunded",
            "booking.ask",
            "booking.stopped-long",
            "schedule.changed",
            "visit.remind",
            "visit.look",
        ]
    }

    fn command(&self, command: &Command, facts: &Facts) -> Decided {
        match command.act {
            "hold" => hold::hold(command, facts),
            "pay" => money::pay(command, facts),
            "cancel" => cancel::cancel(command, facts),
            "lift-block" => cancel::lift_block(command, facts),
            other => Err(Stop::Unfit(format!("`{other}` is no act of bookings"))),
        }
    }

    fn event(&self, event: &Wake, facts: &Facts) -> Result<Option<Decision>, Stop> {
        match event.event.as_str() {
            "task.answered" => {
                let Some(task) = facts.read(&event.subject)? else { return Ok(None) };
                let answered = Answered { task };
                let is_ours = answered.act().is_some_and(|act| {
                    ["slot-", "register-", "visit-"].iter().any(|ours| act.starts_with(ours))
                });
                if is_ours { answers::answered(&answered, facts).map(Some) } else { Ok(None) }
            }
            "hold.expired" => money::expired(&event.subject, facts).map(Some),
            "booking.ask" => answers::ask_again(&event.subject, facts).map(Some),
            "booking.stopped-long" => cancel::stopped_long(&event.subject, facts).map(Some),
            "schedule.changed" => visits::session_changed(&event.subject, facts).map(Some),
            "visit.remind" => visits::remind(&event.subject, facts).map(Some),
            "visit.look" => visits::look(&event.subject, facts).map(Some),
            of_invoice => {
                let Some(invoice) = facts.read(&event.subject)? else { return Ok(None) };
                let about = payment::about(invoice).filter(|about| about.kind.name() == "Appointment");
                let Some(appointment) = about else { return Ok(None) };
                let appointment = facts.must(&appointment)?;
                match of_invoice {
                    "invoice.paid" => money::paid(appointment, invoice, facts),
                    "invoice.closed" => money::closed(appointment, facts),
                    _ => money::refunded(appointment, facts),
                }
                .map(Some)
            }
        }
    }
}

/// What a visit costs.
#[derive(Clone, Copy, Debug)]
pub struct Fees {
    /// 挂号费.
    pub registration: Money,
    /// 诊查费.
    pub consultation: Money,
}

impl Fees {
    /// Both together.
    pub fn total(self) -> Money {
        Money { fen: self.registration.fen + self.consultation.fen, ..self.registration }
    }
}

/// The fees of a roster.
pub fn fees(schedule: &Fact) -> Result<Fees, Stop> {
    let fee = |url| Money::of(extension(schedule.tree(), url)?.get("valueMoney"));
    match (fee(REGISTRATION_FEE), fee(CONSULTATION_FEE)) {
        (Some(registration), Some(consultation)) if registration.currency == consultation.currency => {
            Ok(Fees { registration, consultation })
        }
        _ => Err(Stop::Unfit(format!("`{}` has no fees", schedule.reference()))),
    }
}

/// The state of an Appointment of ours.
fn state(appointment: &Fact) -> Result<State, Stop> {
    State::of(appointment.tree())
        .ok_or_else(|| Stop::Unfit(format!("`{}` has no state", appointment.reference())))
}

/// Whom a visit is for.
fn patient_of(appointment: &Fact) -> Result<Reference, Stop> {
    let found = crate::fhir::pointed_at(appointment.tree(), "participant", "actor", "Patient");
    found.into_iter().next().ok_or_else(|| Stop::Unfit(format!("`{}` is nobody's", appointment.reference())))
}

/// The slot of a visit.
fn slot_of<'f>(appointment: &Fact, facts: &'f Facts) -> Result<&'f Fact, Stop> {
    let slots = appointment.tree().get("slot").map(Json::items).unwrap_or_default();
    let slot = slots.iter().find_map(|slot| points_at(Some(slot)));
    facts.must(&slot.ok_or_else(|| Stop::Unfit(format!("`{}` has no slot", appointment.reference())))?)
}

/// The invoice of a visit; none before it is locked.
pub(crate) fn invoice_of(appointment: &Fact) -> Option<Reference> {
    let all = appointment.tree().get("supportingInformation").map(Json::items).unwrap_or_default();
    all.iter().filter_map(|one| points_at(Some(one))).find(|one| one.kind.name() == "Invoice")
}
