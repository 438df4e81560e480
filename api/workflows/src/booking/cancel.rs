//! `Appointment/$cancel` and what else ends a visit: the doctor who does not come.

use hub_fhir::Reference;
use time::Duration;

use super::hold::MISSED_SINCE;
use super::money::{refund, release};
use super::state::State;
use super::{HIS, patient_of, slot_of, state};
use crate::command::Command;
use crate::decision::{Answer, Ask, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, moment, number, set_extension, system};
use crate::notice;
use crate::person::{acting_for, is_for_all};
use crate::refused::{Refused, Stop};

pub(super) fn cancel(command: &Command, facts: &Facts) -> Decided {
    let appointment = facts.asked(command.subject()?)?;
    let state = State::of(appointment.tree()).ok_or_else(|| Refused::of("NOT_FOUND"))?;
    acting_for(command, facts, &patient_of(appointment)?)?;
    let reason = match command.text("reason") {
        None if is_for_all(command) => return Err(Refused::field("REQUIRED", "reason").into()),
        reason => reason,
    };
    let with_reason = |decision: &mut Decision, state: State| {
        decision.update(appointment, |tree| {
            state.write(tree);
            if let Some(reason) = reason {
                tree.set("comment", reason);
            }
            if state == State::Releasing {
                tree.put("cancelationReason", fhir::concept(system::REFUSED, "CANCELLED"));
            }
        });
    };
    let mut decision = Decision::default();
    match state {
        State::Held => {
            with_reason(&mut decision, State::Releasing);
            release(&mut decision, appointment, facts)?;
            Ok(decision.answered(Answer::Resource(appointment.reference())))
        }
        State::Booked | State::NeedsAction => {
            // BK-8: a patient himself until a day before; not where it is the doctor who does not come.
            if state == State::Booked && !is_for_all(command) {
                in_time(appointment, facts)?;
            }
            with_reason(&mut decision, State::Cancelling);
            ask_to_cancel(&mut decision, "register-check", appointment, Some(&command.task()), facts)?;
            Ok(decision.answered(Answer::Pending))
        }
        State::Released | State::Cancelled | State::Refunding | State::Refunded => {
            Ok(decision.answered(Answer::Resource(appointment.reference())))
        }
        State::Locking | State::Releasing | State::Relocking | State::PaidConfirming | State::Cancelling => {
            Err(Refused::of("UNDER_WAY").into())
        }
        State::Arrived | State::Fulfilled | State::NoShow => Err(Refused::of("CANCEL_TOO_LATE").into()),
    }
}

fn in_time(appointment: &Fact, facts: &Facts) -> Result<(), Refused> {
    let hours = facts.policy.cancel_hours;
    let start = moment(appointment.text(&["start"]));
    let is_in_time = start.is_some_and(|start| facts.now <= start - Duration::hours(hours.into()));
    if is_in_time { Ok(()) } else { Err(Refused::of("CANCEL_TOO_LATE")) }
}

/// Asks the HIS to take a registration back: whether it would (`register-check`), and to do so (`register-cancel`).
pub(super) fn ask_to_cancel(
    decision: &mut Decision,
    act: &'static str,
    appointment: &Fact,
    command: Option<&Reference>,
    facts: &Facts,
) -> Result<(), Stop> {
    let registration = number(appointment.tree(), system::HIS_REGISTRATION);
    let registration =
        registration.ok_or_else(|| Stop::Unfit("a booked visit without a registration".to_owned()))?;
    // A cancellation that was refused may be asked for again.
    let key = format!("{registration}-{}", command.map(Reference::to_string).unwrap_or_default());
    let ask = Ask {
        channel: HIS,
        act,
        key: &key,
        focus: &appointment.reference(),
        patient: Some(patient_of(appointment)?),
        command,
        inputs: &[("registration", registration.to_owned())],
    };
    decision.ask(facts.now, &ask)
}

/// Who was told that his doctor does not come and has not chosen gets his money back (BK-4).
pub(super) fn stopped_long(appointment: &Reference, facts: &Facts) -> Decided {
    let appointment = facts.must(appointment)?;
    let mut decision = Decision::default();
    if state(appointment)? != State::NeedsAction {
        return Ok(decision);
    }
    decision.update(slot_of(appointment, facts)?, |slot| slot.set("status", "busy-unavailable"));
    refund(&mut decision, appointment, "DOCTOR_STOPPED", facts)?;
    notice::send(&mut decision, notice::CANCELLED, appointment, &patient_of(appointment)?, facts.now)?;
    Ok(decision)
}

/// `Patient/$lift-block` (BK-9).
pub(super) fn lift_block(command: &Command, facts: &Facts) -> Decided {
    command.need_text("reason")?;
    let patient = facts.asked(command.subject()?)?;
    let mut decision = Decision::default();
    decision.update(patient, |tree| {
        set_extension(tree, MISSED_SINCE, ("valueDateTime", fhir::instant(facts.now).into()));
    });
    Ok(decision.answered(Answer::Resource(patient.reference())))
}
