//! A booking and its money: what is paid, what is not paid in time, what comes late, what goes back.

use hub_fhir::Reference;

use super::answers::{appointment_ends, confirm, relock, unlock};
use super::state::State;
use super::{invoice_of, patient_of, slot_of, state};
use crate::command::Command;
use crate::decision::{Answer, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{concept, number, system};
use crate::person::acting_for;
use crate::refused::{Refused, Stop};
use crate::{notice, payment};

/// `Appointment/$pay`: an order at the bank, for what is held.
pub(super) fn pay(command: &Command, facts: &Facts) -> Decided {
    let appointment = facts.asked(command.subject()?)?;
    let state = State::of(appointment.tree()).ok_or_else(|| Refused::of("NOT_FOUND"))?;
    acting_for(command, facts, &patient_of(appointment)?)?;
    match state {
        State::Held => {}
        State::PaidConfirming | State::Booked => return Err(Refused::of("PAID_ALREADY").into()),
        _ => return Err(Refused::of("HOLD_EXPIRED").into()),
    }
    let ends = appointment_ends(appointment).map(|ends| facts.policy.order_ends(ends));
    let ends = ends.filter(|ends| facts.now < *ends).ok_or_else(|| Refused::of("HOLD_EXPIRED"))?;
    let invoice =
        invoice_of(appointment).ok_or_else(|| Stop::Unfit("a held visit without an invoice".to_owned()))?;
    payment::order(command, facts.must(&invoice)?, ends, facts)
}

/// The time to pay is over.
pub(super) fn expired(appointment: &Reference, facts: &Facts) -> Decided {
    let appointment = facts.must(appointment)?;
    let mut decision = Decision::default();
    match state(appointment)? {
        State::Held if appointment_ends(appointment).is_none_or(|ends| facts.now >= ends) => {
            decision.update(appointment, |tree| State::Releasing.write(tree));
            release(&mut decision, appointment, facts)?;
        }
        // The HIS has not answered in all this time. Should it have locked the slot, its answer undoes that.
        State::Locking => {
            decision.update(slot_of(appointment, facts)?, |slot| slot.set("status", "free"));
            decision.update(appointment, |tree| {
                State::Cancelled.write(tree);
                tree.put("cancelationReason", concept(system::REFUSED, "PARTNER_DOWN"));
            });
        }
        _ => {}
    }
    Ok(decision)
}

/// Has the orders of a hold closed at the bank; then its slot is let go (PAY-5).
pub(super) fn release(decision: &mut Decision, appointment: &Fact, facts: &Facts) -> Result<(), Stop> {
    let invoice =
        invoice_of(appointment).ok_or_else(|| Stop::Unfit("a held visit without an invoice".to_owned()))?;
    decision.raise(facts.now, "invoice.close", &invoice);
    Ok(())
}

/// All orders are closed and none was paid: the slot is let go.
pub(super) fn closed(appointment: &Fact, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    if state(appointment)? != State::Releasing {
        return Ok(decision);
    }
    decision.update(slot_of(appointment, facts)?, |slot| slot.set("status", "free"));
    decision.update(appointment, |tree| {
        State::Released.write(tree);
        if tree.get("cancelationReason").is_none() {
            tree.put("cancelationReason", concept(system::REFUSED, "HOLD_EXPIRED"));
        }
    });
    unlock(&mut decision, number(appointment.tree(), system::HIS_LOCK), appointment, facts)?;
    Ok(decision)
}

/// It is paid: in time, in the last moment, or late (BK-5).
pub(super) fn paid(appointment: &Fact, _invoice: &Fact, facts: &Facts) -> Decided {
    match state(appointment)? {
        State::Held | State::Releasing => {
            let mut decision = Decision::default();
            let mut tree = appointment.tree().clone();
            confirm(&mut decision, appointment, &mut tree, false, facts)?;
            decision.update(appointment, |stored| *stored = tree);
            Ok(decision)
        }
        State::Released => relock(appointment, facts),
        State::Cancelled => {
            let mut decision = Decision::default();
            refund(&mut decision, appointment, "HOLD_EXPIRED", facts)?;
            notice::send(
                &mut decision,
                notice::NOT_BOOKED,
                appointment,
                &patient_of(appointment)?,
                facts.now,
            )?;
            Ok(decision)
        }
        // Told once more.
        _ => Ok(Decision::nothing()),
    }
}

/// Has the money go back.
pub(super) fn refund(
    decision: &mut Decision,
    appointment: &Fact,
    why: &'static str,
    facts: &Facts,
) -> Result<(), Stop> {
    let invoice =
        invoice_of(appointment).ok_or_else(|| Stop::Unfit("a paid visit without an invoice".to_owned()))?;
    decision.update(appointment, |tree| {
        State::Refunding.write(tree);
        tree.put("cancelationReason", concept(system::REFUSED, why));
    });
    decision.raise(facts.now, "invoice.refund", &invoice);
    Ok(())
}

/// The money is back.
pub(super) fn refunded(appointment: &Fact, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    if state(appointment)? == State::Refunding {
        decision.update(appointment, |tree| State::Refunded.write(tree));
        notice::send(&mut decision, notice::REFUNDED, appointment, &patient_of(appointment)?, facts.now)?;
    }
    Ok(decision.answered(Answer::Done))
}
