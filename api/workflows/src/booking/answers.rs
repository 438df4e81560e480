//! What the HIS has answered: locked or not, registered or not, taken back or not.

use hub_fhir::{Json, Object, Reference, tree};
use time::{Duration, OffsetDateTime};

use super::cancel::ask_to_cancel;
use super::hold::{Place, lock_inputs};
use super::money::refund;
use super::state::State;
use super::{Fees, HIS, fees, invoice_of, patient_of, slot_of, state, visits};
use crate::decision::{Answered, Ask, Decided, Decision, Ending};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, extension, number, set_number, system};
use crate::money::Money;
use crate::refused::{Refused, Stop};
use crate::{alarm, notice, payment};

/// How long after a question without an answer the HIS is asked again.
const ASK_AGAIN: Duration = Duration::seconds(30);

pub(super) fn answered(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let focus = answered.focus().ok_or_else(|| Stop::Unfit("an errand about nothing".to_owned()))?;
    let appointment = facts.must(&focus)?;
    let state = state(appointment)?;
    match (answered.act().unwrap_or_default(), state) {
        ("slot-lock", State::Locking) if answered.is_done() => locked(answered, appointment, facts),
        ("slot-lock", State::Locking) => not_locked(answered, appointment, facts),
        // It was let go meanwhile.
        ("slot-lock", _) if answered.is_done() => {
            let mut decision = Decision::default();
            unlock(&mut decision, answered.output("LockId"), appointment, facts)?;
            Ok(decision)
        }
        ("slot-relock", State::Relocking) if answered.is_done() => relocked(answered, appointment, facts),
        ("slot-relock", State::Relocking) => give_back(appointment, "SLOT_TAKEN", facts),
        ("register-confirm", State::PaidConfirming) if is_current(answered, appointment, facts)? => {
            confirmed(answered, appointment, facts)
        }
        ("register-confirm", _) if answered.is_done() => registered_late(answered, appointment, facts),
        // Of a lock that it has not any more.
        ("register-query", State::PaidConfirming)
            if answered.input("lock-id") == number(appointment.tree(), system::HIS_LOCK) =>
        {
            found_out(answered, appointment, facts)
        }
        ("visit-query", State::Booked | State::Arrived) => visits::looked(answered, appointment, facts),
        ("register-check", State::Cancelling) => checked(answered, appointment, facts),
        ("register-cancel", State::Cancelling) => taken_back(answered, appointment, facts),
        // Twice, or of a step that is over.
        _ => Ok(Decision::nothing()),
    }
}

/// The slot is locked: the price is fixed, and it can be paid for.
fn locked(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    let slot = slot_of(appointment, facts)?;
    let place = Place::of(slot, facts)?;
    let fees = fees(place.schedule)?;
    let told = answered.output("TotalFee").and_then(Money::yuan);
    let mut decision = Decision::default();
    if told != Some(fees.total()) {
        let refused = Refused::field("PRICE_CHANGED", "price").with(told.unwrap_or(fees.total()).text());
        unlock(&mut decision, answered.output("LockId"), appointment, facts)?;
        return let_go(decision, appointment, slot, State::Cancelled, answered, refused);
    }
    let lock = answered.output("LockId").ok_or_else(|| Stop::Unfit("a lock without a number".to_owned()))?;
    // Whichever ends first, the HIS's or ours.
    let ends =
        appointment_ends(appointment).ok_or_else(|| Stop::Unfit("a hold without an end".to_owned()))?;
    let theirs = answered.output("ExpireTime").and_then(his_time);
    let ends = theirs.map_or(ends, |theirs| theirs.min(ends));
    let patient = patient_of(appointment)?;
    let invoice = bill(&mut decision, appointment, &patient, fees, facts.now)?;
    decision.update(appointment, |tree| {
        State::Held.write(tree);
        set_number(tree, system::HIS_LOCK, lock);
        fhir::set_extension(
            tree,
            fhir::extension::HOLD_EXPIRES,
            ("valueDateTime", fhir::instant(ends).into()),
        );
        tree.put("supportingInformation", [&invoice]);
    });
    decision.raise(ends, "hold.expired", &appointment.reference());
    if let Some(command) = answered.command() {
        decision.end(&command, &Ending::Resource(appointment.reference()));
    }
    Ok(decision)
}

/// The charge items and the invoice of a visit (interfaces §3.10).
fn bill(
    decision: &mut Decision,
    appointment: &Fact,
    patient: &Reference,
    fees: Fees,
    now: OffsetDateTime,
) -> Result<Reference, Stop> {
    let mut lines = Vec::new();
    for (kind, fee) in [("registration", fees.registration), ("consultation", fees.consultation)] {
        let item = tree! {
            "status" => "billable",
            "code" => fhir::concept("urn:impf:cs:fee", kind),
            "subject" => patient,
            "occurrenceDateTime" => appointment.tree().get("start").cloned(),
            "priceOverride" => fee.element(),
            "supportingInformation" => [&appointment.reference()],
        };
        let item =
            decision.create("ChargeItem", hub_fhir::Id::of_parts([kind, appointment.id().as_str()]), item)?;
        lines.push(tree! {
            "chargeItemReference" => &item,
            "priceComponent" => [tree! { "type" => "base", "amount" => fee.element() }],
        });
    }
    payment::invoice(decision, &appointment.reference(), patient, lines, fees.total(), now)
}

/// The HIS has not locked it, or has not answered.
fn not_locked(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    let slot = slot_of(appointment, facts)?;
    let refused = refusal(answered.why());
    let decision = Decision::default();
    let_go(decision, appointment, slot, State::Cancelled, answered, refused)
}

/// Ends a hold that did not come about, and tells who waits.
fn let_go(
    mut decision: Decision,
    appointment: &Fact,
    slot: &Fact,
    state: State,
    answered: &Answered<'_>,
    refused: Refused,
) -> Decided {
    let becomes = match refused.code {
        "SLOT_TAKEN" => "busy",
        "DOCTOR_STOPPED" => "busy-unavailable",
        _ => "free",
    };
    decision.update(slot, |slot| slot.set("status", becomes));
    decision.update(appointment, |tree| {
        state.write(tree);
        tree.put("cancelationReason", fhir::concept(system::REFUSED, refused.code));
    });
    if let Some(command) = answered.command() {
        decision.end(&command, &Ending::Refused(refused));
    }
    Ok(decision)
}

/// What a result code of the HIS means to a patient (interfaces §3.2).
fn refusal(code: Option<&str>) -> Refused {
    match code.unwrap_or_default() {
        "2001" => Refused::of("NO_ARCHIVE"),
        "3001" | "3002" => Refused::of("SLOT_TAKEN"),
        "3003" => Refused::of("HOLD_EXPIRED"),
        "3004" => Refused::of("DOCTOR_STOPPED"),
        "3005" => Refused::of("SAME_DOCTOR"),
        "3006" => Refused::of("CANCEL_TOO_LATE"),
        "3007" => Refused::of("BLOCKED_BY_HIS"),
        "5001" | "5003" => Refused::of("PRICE_CHANGED").with("-"),
        _ => Refused::of("PARTNER_DOWN"),
    }
}

/// The slot is locked once more, for money that came late.
fn relocked(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    let lock = answered.output("LockId").ok_or_else(|| Stop::Unfit("a lock without a number".to_owned()))?;
    let mut decision = Decision::default();
    let mut tree = appointment.tree().clone();
    set_number(&mut tree, system::HIS_LOCK, lock);
    confirm(&mut decision, appointment, &mut tree, true, facts)?;
    decision.update(appointment, |stored| *stored = tree);
    Ok(decision)
}

/// Asks the HIS to register a visit that has been paid for.
pub(super) fn confirm(
    decision: &mut Decision,
    appointment: &Fact,
    tree: &mut Object,
    again: bool,
    facts: &Facts,
) -> Result<(), Stop> {
    let invoice =
        invoice_of(appointment).ok_or_else(|| Stop::Unfit("a visit without an invoice".to_owned()))?;
    let paid = payment::paid_by(facts.must(&invoice)?, facts)?;
    let patient = facts.must(&patient_of(appointment)?)?;
    let missing = |what: &str| Stop::Unfit(format!("a visit without {what}"));
    let inputs = [
        ("lock-id", number(tree, system::HIS_LOCK).ok_or_else(|| missing("a lock"))?.to_owned()),
        (
            "patient-id",
            number(patient.tree(), system::HIS_PATIENT).ok_or_else(|| missing("an archive"))?.to_owned(),
        ),
        ("pay-mode", paid.mode),
        ("amount", paid.amount.text()),
        ("pay-time", paid.at),
        ("order-no", paid.order),
        ("trade-no", paid.trade),
    ];
    State::PaidConfirming.write(tree);
    tree.remove("cancelationReason");
    let ask = Ask {
        channel: HIS,
        act: "register-confirm",
        key: &confirmation(appointment, again),
        focus: &appointment.reference(),
        patient: Some(patient.reference()),
        command: None,
        inputs: &inputs,
    };
    decision.ask(facts.now, &ask)?;
    let late = facts.now + Duration::minutes(facts.policy.unconfirmed_minutes.into());
    decision.raise(late, "booking.ask", &appointment.reference());
    Ok(())
}

/// How a confirmation is called: a slot that was locked once more is confirmed once more.
fn confirmation(appointment: &Fact, again: bool) -> String {
    format!("{}-{}", appointment.id(), if again { "again" } else { "first" })
}

/// Whether it is the confirmation that is waited for, and not the one before.
fn is_current(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Result<bool, Stop> {
    let key = confirmation(appointment, has_relocked(appointment, facts)?);
    Ok(answered.task.reference() == Decision::errand("register-confirm", &key)?)
}

/// The HIS has registered what is not waited for any more: it takes it back.
fn registered_late(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    let Some(registration) = answered.output("RegNo") else { return Ok(decision) };
    if number(appointment.tree(), system::HIS_REGISTRATION) == Some(registration) {
        return Ok(decision);
    }
    let ask = Ask {
        channel: HIS,
        act: "register-cancel",
        key: registration,
        focus: &appointment.reference(),
        patient: Some(patient_of(appointment)?),
        command: None,
        inputs: &[("registration", registration.to_owned())],
    };
    decision.ask(facts.now, &ask)?;
    Ok(decision)
}

/// The HIS has registered it, or has not, or has not answered.
fn confirmed(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    if answered.is_done() {
        return booked(answered, appointment, facts);
    }
    match answered.why() {
        // Its lock was over: the money came in the last moment. The same slot is asked for once (BK-5).
        Some("3003") if !has_relocked(appointment, facts)? => relock(appointment, facts),
        Some(code) if code.bytes().all(|byte| byte.is_ascii_digit()) => {
            let refused = refusal(Some(code));
            give_back(appointment, refused.code, facts)
        }
        // Nobody knows whether it was registered. The HIS is asked; nothing is sent twice (BK-4).
        _ => ask_again(&appointment.reference(), facts),
    }
}

/// Asks the HIS whether a visit has been registered.
pub(super) fn ask_again(appointment: &Reference, facts: &Facts) -> Decided {
    let appointment = facts.must(appointment)?;
    let mut decision = Decision::default();
    if state(appointment)? != State::PaidConfirming {
        return Ok(decision);
    }
    let lock = number(appointment.tree(), system::HIS_LOCK).unwrap_or_default().to_owned();
    let invoice =
        invoice_of(appointment).ok_or_else(|| Stop::Unfit("a visit without an invoice".to_owned()))?;
    let paid = payment::paid_by(facts.must(&invoice)?, facts)?;
    let patient = patient_of(appointment)?;
    let archive = number(facts.must(&patient)?.tree(), system::HIS_PATIENT).unwrap_or_default().to_owned();
    let ask = Ask {
        channel: HIS,
        act: "register-query",
        // Each time it is another question.
        key: &format!("{}-{}", appointment.id(), facts.now.unix_timestamp()),
        focus: &appointment.reference(),
        patient: Some(patient),
        command: None,
        inputs: &[("lock-id", lock), ("patient-id", archive), ("order-no", paid.order)],
    };
    decision.ask(facts.now, &ask)?;
    alarm::raise(&mut decision, "unconfirmed", &appointment.reference(), "operations", facts.now)?;
    Ok(decision)
}

/// The HIS says whether it has been registered.
fn found_out(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    match (answered.is_done(), answered.output("RegNo")) {
        (true, Some(_)) => booked(answered, appointment, facts),
        (true, None) => give_back(appointment, "NOT_REGISTERED", facts),
        // No answer to the question either.
        (false, _) => {
            let mut decision = Decision::default();
            decision.raise(facts.now + ASK_AGAIN, "booking.ask", &appointment.reference());
            Ok(decision)
        }
    }
}

fn booked(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    let registration = answered.output("RegNo");
    let registration =
        registration.ok_or_else(|| Stop::Unfit("a registration without a number".to_owned()))?;
    let mut decision = Decision::default();
    decision.update(slot_of(appointment, facts)?, |slot| slot.set("status", "busy"));
    decision.update(appointment, |tree| {
        State::Booked.write(tree);
        set_number(tree, system::HIS_REGISTRATION, registration);
        if let Some(visit) = answered.output("VisitNo") {
            set_number(tree, system::HIS_VISIT, visit);
        }
        if let Some(place) = answered.output("SeqNo") {
            fhir::set_extension(tree, "urn:impf:ext:sequence", ("valueString", place.into()));
        }
        let ext = fhir::extension::HOLD_EXPIRES;
        remove_extension(tree, ext);
    });
    for kind in ["registration", "consultation"] {
        let item = fhir::reference(
            crate::decision::kind_of("ChargeItem")?,
            hub_fhir::Id::of_parts([kind, appointment.id().as_str()]),
        );
        decision.update(facts.must(&item)?, |item| item.set("status", "billed"));
    }
    alarm::settle(&mut decision, "unconfirmed", &appointment.reference(), facts)?;
    visits::look_after(&mut decision, appointment, facts);
    notice::send(&mut decision, notice::BOOKED, appointment, &patient_of(appointment)?, facts.now)?;
    Ok(decision)
}

fn remove_extension(tree: &mut Object, url: &str) {
    let kept = tree.get("extension").map(Json::items).unwrap_or_default().iter();
    let kept = kept.filter(|one| one.get("url").and_then(Json::as_str) != Some(url)).cloned();
    let kept: Vec<Json> = kept.collect();
    tree.put("extension", kept);
}

/// The same slot is asked for once more.
pub(super) fn relock(appointment: &Fact, facts: &Facts) -> Decided {
    let slot = slot_of(appointment, facts)?;
    let place = Place::of(slot, facts)?;
    let patient = facts.must(&patient_of(appointment)?)?;
    let is_free = match state(appointment)? {
        // It has let the slot go; another one may have it.
        State::Released => slot.text(&["status"]) == Some("free"),
        _ => true,
    };
    if !is_free || facts.now >= place.start {
        return give_back(appointment, "SLOT_TAKEN", facts);
    }
    let mut decision = Decision::default();
    decision.update(slot, |slot| slot.set("status", "busy-tentative"));
    decision.update(appointment, |tree| {
        State::Relocking.write(tree);
        tree.remove("cancelationReason");
    });
    let ask = Ask {
        channel: HIS,
        act: "slot-relock",
        key: appointment.id().as_str(),
        focus: &appointment.reference(),
        patient: Some(patient.reference()),
        command: None,
        inputs: &lock_inputs(&place, patient, facts)?,
    };
    decision.ask(facts.now, &ask)?;
    Ok(decision)
}

/// Whether the slot was asked for again already.
fn has_relocked(appointment: &Fact, facts: &Facts) -> Result<bool, Stop> {
    let task = Decision::errand("slot-relock", appointment.id().as_str())?;
    Ok(facts.read(&task)?.is_some())
}

/// A paid visit that cannot be: the slot is let go and the money goes back.
fn give_back(appointment: &Fact, why: &'static str, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    if state(appointment)? != State::Released {
        let becomes = match why {
            "SLOT_TAKEN" => "busy",
            "DOCTOR_STOPPED" => "busy-unavailable",
            _ => "free",
        };
        decision.update(slot_of(appointment, facts)?, |slot| slot.set("status", becomes));
        unlock(&mut decision, number(appointment.tree(), system::HIS_LOCK), appointment, facts)?;
    }
    refund(&mut decision, appointment, why, facts)?;
    notice::send(&mut decision, notice::NOT_BOOKED, appointment, &patient_of(appointment)?, facts.now)?;
    alarm::settle(&mut decision, "unconfirmed", &appointment.reference(), facts)?;
    Ok(decision)
}

/// Lets the HIS's lock go, where there is one. A lock that is gone already is no fault (H304).
pub(super) fn unlock(
    decision: &mut Decision,
    lock: Option<&str>,
    appointment: &Fact,
    facts: &Facts,
) -> Result<(), Stop> {
    let Some(lock) = lock else { return Ok(()) };
    let ask = Ask {
        channel: HIS,
        act: "slot-unlock",
        key: lock,
        focus: &appointment.reference(),
        patient: None,
        command: None,
        inputs: &[("lock-id", lock.to_owned())],
    };
    decision.ask(facts.now, &ask)
}

/// H306 `CHECK`: whether the HIS would take it back.
fn checked(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    if answered.is_done() && answered.output("RefundAllowed") == Some("1") {
        let mut decision = Decision::default();
        ask_to_cancel(&mut decision, "register-cancel", appointment, answered.command().as_ref(), facts)?;
        return Ok(decision);
    }
    let refused = if answered.is_done() { Refused::of("CANCEL_TOO_LATE") } else { refusal(answered.why()) };
    stays(answered, appointment, refused)
}

/// H306 `DO`: the HIS has taken it back, or has not.
fn taken_back(answered: &Answered<'_>, appointment: &Fact, facts: &Facts) -> Decided {
    if !answered.is_done() {
        let is_word = answered.why().is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        if is_word {
            return stays(answered, appointment, refusal(answered.why()));
        }
        // Nobody knows: a person must find out, and nothing is given back before.
        let mut decision = Decision::default();
        alarm::raise(&mut decision, "cancel-in-doubt", &appointment.reference(), "operations", facts.now)?;
        if let Some(command) = answered.command() {
            decision.end(&command, &Ending::Refused(Refused::of("PARTNER_DOWN")));
        }
        return Ok(decision);
    }
    let mut decision = Decision::default();
    decision.update(slot_of(appointment, facts)?, |slot| slot.set("status", "free"));
    refund(&mut decision, appointment, "CANCELLED", facts)?;
    notice::send(&mut decision, notice::CANCELLED, appointment, &patient_of(appointment)?, facts.now)?;
    if let Some(command) = answered.command() {
        decision.end(&command, &Ending::Resource(appointment.reference()));
    }
    Ok(decision)
}

/// It stays booked.
fn stays(answered: &Answered<'_>, appointment: &Fact, refused: Refused) -> Decided {
    let mut decision = Decision::default();
    decision.update(appointment, |tree| State::Booked.write(tree));
    if let Some(command) = answered.command() {
        decision.end(&command, &Ending::Refused(refused));
    }
    Ok(decision)
}

/// When a hold ends.
pub(super) fn appointment_ends(appointment: &Fact) -> Option<OffsetDateTime> {
    let ends = extension(appointment.tree(), fhir::extension::HOLD_EXPIRES)?;
    fhir::moment(ends.get("valueDateTime")?.as_str())
}

/// A moment as the HIS writes it: `2026-11-26 10:30:00` or `20261126103000`, Beijing time without a zone (interfaces §0.4).
fn his_time(text: &str) -> Option<OffsetDateTime> {
    use time::macros::format_description;
    let spaced = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let packed = format_description!("[year][month][day][hour][minute][second]");
    let parsed = time::PrimitiveDateTime::parse(text, spaced)
        .or_else(|_| time::PrimitiveDateTime::parse(text, packed));
    Some(parsed.ok()?.assume_offset(time::macros::offset!(+8)))
}
