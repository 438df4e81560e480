//! What happens to visits that are booked: their session changes or stops, the day comes, the patient comes or does not.

use hub_fhir::{Json, Object, Reference};
use time::{Duration, OffsetDateTime};

use super::hold::Place;
use super::money::release;
use super::state::State;
use super::{HIS, patient_of, slot_of, state};
use crate::decision::{Answered, Ask, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, moment, number, points_at, system};
use crate::notice;
use crate::refused::Stop;

/// A visit is looked after so long: what the HIS has not said by then, it does not say any more.
const LOOKED_AFTER: Duration = Duration::hours(24);
/// How often the HIS is asked what became of a visit that is not over.
const LOOK_AGAIN: Duration = Duration::hours(1);
/// How long after a question without an answer it is asked again.
const ASK_AGAIN: Duration = Duration::minutes(5);

/// What is to be done about a visit later: who is to come is reminded the day before (BK-13), and then it is found out whether he came.
pub(super) fn look_after(decision: &mut Decision, appointment: &Fact, facts: &Facts) {
    let reference = appointment.reference();
    if let Some(start) = moment(appointment.text(&["start"])) {
        let remind = start - Duration::hours(facts.policy.remind_hours.into());
        // Who books for tomorrow has just been told.
        if remind > facts.now {
            decision.raise(remind, "visit.remind", &reference);
        }
    }
    if let Some(end) = moment(appointment.text(&["end"])) {
        decision.raise(end.max(facts.now), "visit.look", &reference);
    }
}

/// The day before: each visit once, and only one that is still to be.
pub(super) fn remind(appointment: &Reference, facts: &Facts) -> Decided {
    let appointment = facts.must(appointment)?;
    let mut decision = Decision::default();
    if state(appointment)? == State::Booked && moment(appointment.text(&["start"])) > Some(facts.now) {
        notice::send(&mut decision, notice::REMINDER, appointment, &patient_of(appointment)?, facts.now)?;
    }
    Ok(decision)
}

/// The roster of a session has been written anew.
pub(super) fn session_changed(schedule: &Reference, facts: &Facts) -> Decided {
    let schedule = facts.must(schedule)?;
    let is_stopped = schedule.tree().get("active") == Some(&Json::Bool(false));
    let of_session = fhir::escaped(&schedule.reference().to_string());
    let visits = facts.search(
        "Appointment",
        &[("slot:Slot.schedule", &of_session), ("status", "pending,booked,arrived")],
    )?;
    let mut decision = Decision::default();
    for visit in visits {
        // One that is no booking of ours is not ours to change.
        let Some(state) = State::of(visit.tree()) else { continue };
        match state {
            State::Held if is_stopped => {
                decision.update(visit, |tree| {
                    State::Releasing.write(tree);
                    tree.put("cancelationReason", fhir::concept(system::REFUSED, "DOCTOR_STOPPED"));
                });
                release(&mut decision, visit, facts)?;
            }
            State::Booked if is_stopped => {
                decision.update(visit, |tree| State::NeedsAction.write(tree));
                notice::send(&mut decision, notice::STOPPED, visit, &patient_of(visit)?, facts.now)?;
                let until = facts.now + Duration::hours(facts.policy.stopped_hours.into());
                decision.raise(until, "booking.stopped-long", &visit.reference());
            }
            State::Booked => moved(&mut decision, visit, schedule, facts)?,
            _ => {}
        }
    }
    Ok(decision)
}

/// Another doctor comes, it is in another room, or at another time: the visit says so, and the patient is told at once (BK-13).
fn moved(decision: &mut Decision, visit: &Fact, schedule: &Fact, facts: &Facts) -> Result<(), Stop> {
    let slot = slot_of(visit, facts)?;
    let place = Place::of(slot, facts)?;
    let mut tree = visit.tree().clone();
    let mut told = Vec::new();
    for (kind, event) in [("Practitioner", notice::SUBSTITUTED), ("Location", notice::ROOM)] {
        if actors(schedule.tree(), kind) != members(&tree, kind) && !actors(schedule.tree(), kind).is_empty()
        {
            told.push(event);
        }
    }
    if !told.is_empty() {
        let all = tree.get("participant").map(Json::items).unwrap_or_default();
        let is_kept = |one: &&Json| {
            points_at(one.get("actor"))
                .is_none_or(|actor| !["Practitioner", "Location"].contains(&actor.kind.name()))
        };
        let mut members: Vec<Json> = all.iter().filter(is_kept).cloned().collect();
        for kind in ["Practitioner", "Location"] {
            let come = actors(schedule.tree(), kind).into_iter();
            members.extend(
                come.map(|actor| hub_fhir::tree! { "actor" => &actor, "status" => "accepted" }.into()),
            );
        }
        tree.put("participant", members);
    }
    if moment(visit.text(&["start"])) != Some(place.start) {
        tree.put("start", slot.tree().get("start").cloned());
        tree.put("end", slot.tree().get("end").cloned());
        told.push(notice::TIME);
    }
    if told.is_empty() {
        return Ok(());
    }
    let patient = patient_of(visit)?;
    for event in told {
        notice::send_again(decision, event, visit, &patient, facts.now)?;
    }
    decision.update(visit, |stored| *stored = tree);
    Ok(())
}

fn actors(schedule: &Object, kind: &str) -> Vec<Reference> {
    let actors = schedule.get("actor").map(Json::items).unwrap_or_default().iter();
    sorted(actors.filter_map(|actor| points_at(Some(actor))), kind)
}

fn members(appointment: &Object, kind: &str) -> Vec<Reference> {
    sorted(fhir::pointed_at(appointment, "participant", "actor", kind).into_iter(), kind)
}

fn sorted(all: impl Iterator<Item = Reference>, kind: &str) -> Vec<Reference> {
    let mut found: Vec<Reference> = all.filter(|one| one.kind.name() == kind).collect();
    found.sort();
    found.dedup();
    found
}

/// The visit should be over: the HIS is asked what became of it (H307).
pub(super) fn look(appointment: &Reference, facts: &Facts) -> Decided {
    let appointment = facts.must(appointment)?;
    let mut decision = Decision::default();
    if !matches!(state(appointment)?, State::Booked | State::Arrived) {
        return Ok(decision);
    }
    let end = moment(appointment.text(&["end"]));
    // It was put off.
    if let Some(end) = end.filter(|end| *end > facts.now) {
        decision.raise(end, "visit.look", &appointment.reference());
        return Ok(decision);
    }
    let registration = number(appointment.tree(), system::HIS_REGISTRATION);
    let registration =
        registration.ok_or_else(|| Stop::Unfit("a booked visit without a registration".to_owned()))?;
    let ask = Ask {
        channel: HIS,
        act: "visit-query",
        // Each time it is another question.
        key: &format!("{registration}-{}", facts.now.unix_timestamp()),
        focus: &appointment.reference(),
        patient: Some(patient_of(appointment)?),
        command: None,
        inputs: &[("registration", registration.to_owned())],
    };
    decision.ask(facts.now, &ask)?;
    Ok(decision)
}

/// The HIS says what became of it: 1 booked, 2 arrived, 3 seen, 4 given back, 5 not come (H307).
pub(super) fn looked(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    let stands = state(appointment)?;
    let end = moment(appointment.text(&["end"])).unwrap_or(facts.now);
    let becomes = match answered.output("RegStatus").filter(|_| answered.is_done()) {
        Some("2") => Some(State::Arrived),
        Some("3") => Some(State::Fulfilled),
        Some("5") => Some(State::NoShow),
        // Who has not come by the end of the session does not come (BK-4).
        Some("1") if over(appointment, end, facts)? => Some(State::NoShow),
        _ => None,
    };
    if let Some(becomes) = becomes.filter(|becomes| *becomes != stands) {
        decision.update(appointment, |tree| becomes.write(tree));
    }
    let ends_here = matches!(becomes, Some(State::Fulfilled | State::NoShow));
    if !ends_here && facts.now < end + LOOKED_AFTER {
        let pause = if answered.is_done() { LOOK_AGAIN } else { ASK_AGAIN };
        decision.raise(facts.now + pause, "visit.look", &appointment.reference());
    }
    Ok(decision)
}

/// Whether the session of a visit is over: the last of its slots.
fn over(appointment: &Fact, end: OffsetDateTime, facts: &Facts) -> Result<bool, Stop> {
    let place = Place::of(slot_of(appointment, facts)?, facts)?;
    let of_session = fhir::escaped(&place.schedule.reference().to_string());
    let last = facts.search("Slot", &[("schedule", &of_session), ("_sort", "-start"), ("_count", "1000")])?;
    let ends = last.iter().filter_map(|slot| moment(slot.text(&["end"]))).max();
    Ok(facts.now >= ends.unwrap_or(end))
}
