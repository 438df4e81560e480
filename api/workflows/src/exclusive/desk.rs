//! What the hospital's people do with a request.

use hub_fhir::{Json, Reference};
use time::Duration;

use super::state::State;
use super::{CLAIMED_BY, KEPT_FOR, is_kept_from, kept_for, patient_of, slot_of, trace};
use crate::command::Command;
use crate::decision::{Answer, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, extension, moment, set_extension};
use crate::refused::{Refused, Stop};
use crate::sending::PLACE;
use crate::{alarm, booking, notice};

/// A request and where it stands.
fn asked<'f>(command: &Command, facts: &'f Facts) -> Result<(&'f Fact, State), Stop> {
    let request = facts.asked(command.subject()?)?;
    let state = State::of(request.tree()).ok_or_else(|| Refused::of("NOT_FOUND"))?;
    Ok((request, state))
}

/// Who looks after a request: his account.
fn claimed_by(request: &Fact) -> Option<&str> {
    extension(request.tree(), CLAIMED_BY)?.at(&["valueIdentifier", "value"])?.as_str()
}

/// `$claim`: of two at once one gets it, and the other is told (EX-3).
pub(super) fn claim(command: &Command, facts: &Facts) -> Decided {
    let (request, state) = asked(command, facts)?;
    let me = command.who.account.as_str();
    let mut decision = Decision::default();
    match state {
        State::Requested => {
            decision.update(request, |tree| {
                State::Claimed.write(tree);
                let account = fhir::identifier("urn:impf:id:account", me);
                set_extension(tree, CLAIMED_BY, ("valueIdentifier", account.into()));
            });
            trace(&mut decision, command, &request.reference(), Some(state), State::Claimed, facts)?;
            alarm::settle(&mut decision, "exclusive-waits", &request.reference(), facts)?;
        }
        State::Claimed if claimed_by(request) == Some(me) => {}
        State::Claimed | State::Scheduled | State::Confirmed => return Err(Refused::of("CLAIMED").into()),
        State::Done | State::Withdrawn | State::NotDone => return Err(Refused::of("REQUEST_OVER").into()),
    }
    Ok(decision.answered(Answer::Resource(request.reference())))
}

/// Only who has claimed it goes on with it.
fn is_mine(command: &Command, request: &Fact, state: State) -> Result<(), Refused> {
    match state {
        State::Requested => Err(Refused::of("CLAIM_FIRST")),
        _ if state.is_over() => Err(Refused::of("REQUEST_OVER")),
        _ if claimed_by(request) == Some(command.who.account.as_str()) => Ok(()),
        _ => Err(Refused::of("CLAIMED")),
    }
}

/// `$schedule` (EX-5): the time is fixed, or fixed anew while it is not confirmed.
pub(super) fn schedule(command: &Command, facts: &Facts) -> Decided {
    let (request, state) = asked(command, facts)?;
    is_mine(command, request, state)?;
    if state == State::Confirmed {
        return Err(Refused::of("REQUEST_OVER").into());
    }
    let patient = patient_of(request)?;
    let slot = command.reference("slot", "Slot")?;
    let mut decision = Decision::default();
    // A slot that was kept before is anybody's again.
    if let Some(before) = slot_of(request).filter(|before| Some(before) != slot.as_ref()) {
        give_back(&mut decision, facts.must(&before)?);
    }
    let (start, end, place, slot) = match &slot {
        Some(slot) => {
            let slot = facts.read(slot)?.ok_or_else(|| Refused::field("REFERENCE", "slot"))?;
            if slot.text(&["status"]) != Some("free") || is_kept_from(slot, &patient) {
                return Err(Refused::field("SLOT_TAKEN", "slot").into());
            }
            let kept: Json = kept_for(&slot.reference(), &patient).into();
            decision.update(slot, |tree| set_extension(tree, KEPT_FOR, ("valueString", kept)));
            (slot.text(&["start"]), slot.text(&["end"]), None, Some(slot.reference()))
        }
        None => {
            let (start, end) = (command.need_text("start")?, command.need_text("end")?);
            (Some(start), Some(end), Some(command.need_text("place")?), None)
        }
    };
    let times = moment(start).zip(moment(end));
    let (begins, _) = times
        .filter(|(start, end)| start < end && *start > facts.now)
        .ok_or_else(|| Refused::field("TIMES", "start"))?;
    let (start, end) = (start.map(str::to_owned), end.map(str::to_owned));
    decision.update(request, |tree| {
        State::Scheduled.write(tree);
        tree.put("start", start);
        tree.put("end", end);
        tree.put("slot", slot.as_ref().map(|slot| Json::Array(vec![slot.into()])));
        if let Some(place) = place {
            set_extension(tree, PLACE, ("valueString", place.into()));
        }
    });
    trace(&mut decision, command, &request.reference(), Some(state), State::Scheduled, facts)?;
    notice::send_again(&mut decision, notice::EXCLUSIVE_SCHEDULED, request, &patient, facts.now)?;
    let remind = begins - Duration::hours(facts.policy.remind_hours.into());
    if slot.is_none() && remind > facts.now {
        decision.raise(remind, "exclusive.remind", &request.reference());
    }
    Ok(decision.answered(Answer::Resource(request.reference())))
}

fn give_back(decision: &mut Decision, slot: &Fact) {
    decision.update(slot, |tree| fhir::remove_extension(tree, KEPT_FOR));
}

/// `$confirm`: what was agreed by phone, and is not paid for here.
pub(super) fn confirm(command: &Command, facts: &Facts) -> Decided {
    let (request, state) = asked(command, facts)?;
    is_mine(command, request, state)?;
    let mut decision = Decision::default();
    match state {
        State::Confirmed => {}
        State::Scheduled if slot_of(request).is_none() => {
            decision.update(request, |tree| State::Confirmed.write(tree));
            trace(&mut decision, command, &request.reference(), Some(state), State::Confirmed, facts)?;
            let patient = patient_of(request)?;
            notice::send(&mut decision, notice::EXCLUSIVE_CONFIRMED, request, &patient, facts.now)?;
        }
        // With a slot it is confirmed by the booking that the patient pays for.
        _ => return Err(Refused::of("PAY_FIRST").into()),
    }
    Ok(decision.answered(Answer::Resource(request.reference())))
}

/// `$close`: what became of it.
pub(super) fn close(command: &Command, facts: &Facts) -> Decided {
    let (request, state) = asked(command, facts)?;
    let outcome = match command.need_text("outcome")? {
        "done" => State::Done,
        "cancelled" => State::Withdrawn,
        "not-done" => State::NotDone,
        _ => return Err(Refused::field("ONE_OF", "outcome").with("done, cancelled, not-done").into()),
    };
    command.need_text("reason")?;
    is_mine(command, request, state)?;
    let mut decision = Decision::default();
    decision.update(request, |tree| outcome.write(tree));
    if let Some(slot) = slot_of(request) {
        give_back(&mut decision, facts.must(&slot)?);
    }
    trace(&mut decision, command, &request.reference(), Some(state), outcome, facts)?;
    if outcome == State::Withdrawn {
        notice::send(&mut decision, notice::EXCLUSIVE_CANCELLED, request, &patient_of(request)?, facts.now)?;
    }
    Ok(decision.answered(Answer::Resource(request.reference())))
}

/// The day before (EX-5), of what has no booking of its own.
pub(super) fn remind(request: &Fact, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    let stands = State::of(request.tree());
    let is_near = moment(request.text(&["start"])).is_some_and(|start| {
        start > facts.now && start <= facts.now + Duration::hours(facts.policy.remind_hours.into())
    });
    if stands == Some(State::Confirmed) && is_near {
        notice::send(&mut decision, notice::EXCLUSIVE_REMINDER, request, &patient_of(request)?, facts.now)?;
    }
    Ok(decision)
}

/// A visit was booked: where its slot was kept for a request, that is confirmed by it.
pub(super) fn booked(visit: &Fact, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    if booking::State::of(visit.tree()) != Some(booking::State::Booked) {
        return Ok(decision);
    }
    let Some(slot) = slot_of(visit) else { return Ok(decision) };
    let slot = fhir::escaped(&slot.to_string());
    let requests = facts.search("Appointment", &[("slot", &slot), ("status", "proposed")])?;
    let patient = patient_of(visit)?;
    for request in requests {
        if State::of(request.tree()) == Some(State::Scheduled) && patient_of(request)? == patient {
            let visit: &Reference = &visit.reference();
            decision.update(request, |tree| {
                State::Confirmed.write(tree);
                let mut supporting =
                    tree.get("supportingInformation").map(Json::items).unwrap_or_default().to_vec();
                supporting.push(visit.into());
                tree.put("supportingInformation", supporting);
            });
        }
    }
    Ok(decision)
}
