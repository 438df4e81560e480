//! `Appointment/$hold`: a slot is taken for a visit person, and the HIS is asked to lock it.

use hub_fhir::{Json, Object, Reference, tree};
use time::{Duration, OffsetDateTime};

use super::state::State;
use super::{HIS, fees};
use crate::calendar::{self, same_half_day};
use crate::command::Command;
use crate::consent;
use crate::decision::{Answer, Ask, Decided, Decision};
use crate::exclusive::is_kept_from;
use crate::facts::{Fact, Facts};
use crate::fhir::{self, escaped, extension, moment, number, pointed_at, points_at, system};
use crate::money::Money;
use crate::person::{acting_for, is_for_all};
use crate::refused::{Refused, Stop};

/// What a slot is, as far as it is booked by.
pub(super) struct Place<'f> {
    pub slot: &'f Fact,
    pub schedule: &'f Fact,
    pub start: OffsetDateTime,
    pub end: OffsetDateTime,
}

impl<'f> Place<'f> {
    pub fn of(slot: &'f Fact, facts: &'f Facts) -> Result<Self, Stop> {
        let schedule = points_at(slot.tree().get("schedule"));
        let unfit = |what: &str| Stop::Unfit(format!("`{}` has no {what}", slot.reference()));
        let schedule = facts.must(&schedule.ok_or_else(|| unfit("schedule"))?)?;
        let start = moment(slot.text(&["start"])).ok_or_else(|| unfit("start"))?;
        let end = moment(slot.text(&["end"])).ok_or_else(|| unfit("end"))?;
        Ok(Self { slot, schedule, start, end })
    }

    /// The doctors of the session.
    pub fn doctors(&self) -> Vec<Reference> {
        doctors(self.schedule.tree())
    }
}

/// The doctors of a Schedule, or of an Appointment.
pub(super) fn doctors(tree: &Object) -> Vec<Reference> {
    let mut found = pointed_at(tree, "participant", "actor", "Practitioner");
    let actors = tree.get("actor").map(Json::items).unwrap_or_default().iter();
    let actors = actors.filter_map(|actor| points_at(Some(actor)));
    found.extend(actors.filter(|actor| actor.kind.name() == "Practitioner"));
    found
}

pub(super) fn hold(command: &Command, facts: &Facts) -> Decided {
    let patient = command.need_reference("patient", "Patient")?;
    let slot = command.need_reference("slot", "Slot")?;
    let patient = acting_for(command, facts, &patient)?;
    let place = Place::of(facts.asked(&slot)?, facts)?;
    is_bookable(&place, facts)?;
    if is_kept_from(place.slot, &patient.reference()) {
        return Err(Refused::field("SLOT_TAKEN", "slot").into());
    }
    may_book(patient, &place, facts)?;
    consent::required(patient, facts)?;
    let price = fees(place.schedule)?;
    if let Some(shown) = command.object("price") {
        let shown = Money::of(Some(&Json::Object(shown.clone())));
        if shown != Some(price.total()) {
            return Err(Refused::field("PRICE_CHANGED", "price").with(price.total().text()).into());
        }
    }
    let ends = facts.policy.hold_ends(facts.now);
    let mut decision = Decision::default();
    let tree = appointment(command, patient, &place, facts.now, ends);
    let appointment = decision.create("Appointment", command.id("appointment"), tree)?;
    decision.update(place.slot, |slot| slot.set("status", "busy-tentative"));
    let ask = Ask {
        channel: HIS,
        act: "slot-lock",
        key: appointment.id.as_str(),
        focus: &appointment,
        patient: Some(patient.reference()),
        command: Some(&command.task()),
        inputs: &lock_inputs(&place, patient, facts)?,
    };
    decision.ask(facts.now, &ask)?;
    decision.raise(ends, "hold.expired", &appointment);
    Ok(decision.answered(Answer::Pending))
}

/// What the HIS must know to lock a slot.
pub(super) fn lock_inputs(
    place: &Place<'_>,
    patient: &Fact,
    facts: &Facts,
) -> Result<[(&'static str, String); 3], Stop> {
    let slot = number(place.slot.tree(), system::HIS_SLOT);
    let slot = slot.ok_or_else(|| Stop::Unfit(format!("`{}` is not of the HIS", place.slot.reference())))?;
    // A slot of a period without numbers is the nth of its like: `4711#3` (interfaces §3.10).
    let slot = slot.split('#').next().unwrap_or(slot);
    let archive = number(patient.tree(), system::HIS_PATIENT).ok_or_else(|| Refused::of("NO_ARCHIVE"))?;
    let minutes = facts.policy.hold_minutes.clamp(5, 30).to_string();
    Ok([("slot-id", slot.to_owned()), ("patient-id", archive.to_owned()), ("minutes", minutes)])
}

/// BK-1, BK-2: within the window, free, and not about to begin.
fn is_bookable(place: &Place<'_>, facts: &Facts) -> Result<(), Stop> {
    if place.start >= calendar::window_ends(facts.now, facts.policy.window_days) {
        return Err(Refused::field("SLOT_NOT_YET", "slot").with(facts.policy.window_days).into());
    }
    let closes = place.start - Duration::minutes(facts.policy.closes_minutes.into());
    if facts.now >= closes {
        return Err(Refused::field("SLOT_CLOSED", "slot").with(facts.policy.closes_minutes).into());
    }
    if place.schedule.tree().get("active") == Some(&Json::Bool(false)) {
        return Err(Refused::field("DOCTOR_STOPPED", "slot").into());
    }
    match place.slot.text(&["status"]) {
        Some("free") => Ok(()),
        Some("busy-unavailable") => Err(Refused::field("DOCTOR_STOPPED", "slot").into()),
        _ => Err(Refused::field("SLOT_TAKEN", "slot").into()),
    }
}

/// ACC-6, BK-6, BK-9: the person has an archive, is not blocked, and has no other visit that this one is in the way of.
fn may_book(patient: &Fact, place: &Place<'_>, facts: &Facts) -> Result<(), Stop> {
    if patient.tree().get("active") == Some(&Json::Bool(false)) {
        return Err(Refused::of("NOT_FOUND").into());
    }
    if number(patient.tree(), system::HIS_PATIENT).is_none() {
        return Err(Refused::field("NO_ARCHIVE", "patient").into());
    }
    is_not_blocked(patient, facts)?;
    let reference = escaped(&patient.reference().to_string());
    let day = calendar::day(place.start);
    let (from, to) = (day.saturating_sub(Duration::days(6)), day.saturating_add(Duration::days(7)));
    let others = facts.search_guarded(
        "Appointment",
        &[
            ("patient", &reference),
            ("status", "pending,booked,arrived,fulfilled"),
            ("date", &format!("ge{}", fhir::instant(calendar::begins(from)))),
            ("date", &format!("lt{}", fhir::instant(calendar::begins(to)))),
        ],
    )?;
    let mut same_day = 0;
    let mut days = Vec::new();
    for other in others {
        let stretch = (moment(other.text(&["start"])), moment(other.text(&["end"])));
        let (Some(start), Some(end)) = stretch else { continue };
        if calendar::overlap((start, end), (place.start, place.end)) {
            return Err(Refused::field("OVERLAP", "slot").into());
        }
        let same_doctor = doctors(other.tree()).iter().any(|doctor| place.doctors().contains(doctor));
        if same_doctor && same_half_day(start, place.start) {
            return Err(Refused::field("SAME_DOCTOR", "slot").into());
        }
        same_day += u16::from(calendar::day(start) == day);
        days.push(calendar::day(start));
    }
    if same_day >= facts.policy.per_day {
        return Err(Refused::field("DAY_LIMIT", "slot").with(facts.policy.per_day).into());
    }
    // Any seven days in a row that the new one would be among.
    for first in 0..7 {
        let first = day - Duration::days(first);
        let within = days.iter().filter(|day| **day >= first && **day < first + Duration::days(7)).count();
        if within >= usize::from(facts.policy.per_week) {
            return Err(Refused::field("WEEK_LIMIT", "slot").with(facts.policy.per_week).into());
        }
    }
    Ok(())
}

/// The extension of a Patient that says from when on missed visits count: set when operations lift a block.
pub(super) const MISSED_SINCE: &str = "urn:impf:ext:missed-since";

/// BK-9: who has missed too many visits waits.
fn is_not_blocked(patient: &Fact, facts: &Facts) -> Result<(), Stop> {
    let policy = &facts.policy;
    let from = facts.now - Duration::days(policy.missed_days.into());
    let lifted = extension(patient.tree(), MISSED_SINCE)
        .and_then(|extension| moment(extension.get("valueDateTime")?.as_str()));
    let from = lifted.map_or(from, |lifted| lifted.max(from));
    let missed = facts.search(
        "Appointment",
        &[
            ("patient", &escaped(&patient.reference().to_string())),
            ("status", "noshow"),
            ("date", &format!("ge{}", fhir::instant(from))),
        ],
    )?;
    let last = missed.iter().filter_map(|visit| moment(visit.text(&["start"]))).max();
    if missed.len() < usize::from(policy.missed_most) {
        return Ok(());
    }
    let until = last.map(|last| last + Duration::days(policy.blocked_days.into()));
    match until.filter(|until| facts.now < *until) {
        Some(until) => Err(Refused::field("BLOCKED", "patient").with(calendar::day(until)).into()),
        None => Ok(()),
    }
}

fn appointment(
    command: &Command,
    patient: &Fact,
    place: &Place<'_>,
    now: OffsetDateTime,
    ends: OffsetDateTime,
) -> Object {
    let participant = |actor: &Reference| tree! { "actor" => actor, "status" => "accepted" };
    let mut participants = vec![participant(&patient.reference())];
    let actors = place.schedule.tree().get("actor").map(Json::items).unwrap_or_default().iter();
    participants.extend(actors.filter_map(|actor| points_at(Some(actor))).map(|actor| participant(&actor)));
    let mut tree = tree! {
        "extension" => [tree! { "url" => fhir::extension::HOLD_EXPIRES, "valueDateTime" => fhir::instant(ends) }],
        "status" => "pending",
        "serviceType" => place.schedule.tree().get("serviceType").cloned(),
        "specialty" => place.schedule.tree().get("specialty").cloned(),
        "start" => place.slot.tree().get("start").cloned(),
        "end" => place.slot.tree().get("end").cloned(),
        "slot" => [&place.slot.reference()],
        "created" => fhir::instant(now),
        "participant" => participants,
    };
    if let Some(channel) = command.text("channel").filter(|_| !is_for_all(command)) {
        // DIR-7: where the patient came from, by a scanned code or a forwarded link.
        fhir::set_extension(&mut tree, "urn:impf:ext:channel", ("valueString", channel.into()));
    }
    State::Locking.write(&mut tree);
    tree
}
