//! What a patient does: asks, and takes the wish back.

use hub_fhir::{Json, Object, Reference, tree};
use time::{Duration, OffsetDateTime};

use super::state::State;
use super::{TYPE, patient_of, trace};
use crate::command::Command;
use crate::consent;
use crate::decision::{Answer, Decided, Decision};
use crate::facts::Facts;
use crate::fhir::{self, moment};
use crate::person::acting_for;
use crate::refused::{Refused, Stop};

/// The kinds of requests (EX-1).
const KINDS: [&str; 3] = ["doctor", "outpatient", "examination"];
/// So many times that would suit (EX-2).
const MOST_PERIODS: usize = 3;

/// `Appointment/$request`.
pub(super) fn request(command: &Command, facts: &Facts) -> Decided {
    let patient = command.need_reference("patient", "Patient")?;
    let patient = acting_for(command, facts, &patient)?;
    let kind = command.need_text("type")?;
    let kind = KINDS.into_iter().find(|known| *known == kind);
    let kind = kind.ok_or_else(|| Refused::field("ONE_OF", "type").with(KINDS.join(", ")))?;
    let doctor = match kind {
        "doctor" => Some(command.need_reference("doctor", "Practitioner")?),
        _ => command.reference("doctor", "Practitioner")?,
    };
    if let Some(doctor) = &doctor {
        facts.read(doctor)?.ok_or_else(|| Refused::field("REFERENCE", "doctor"))?;
    }
    if kind == "examination" {
        command.need_text("package")?;
    }
    let department = command.reference("department", "Organization")?;
    let periods = periods(command, facts)?;
    let contact = command.need_text("contact")?;
    let digits = contact.strip_prefix('+').unwrap_or_default();
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Refused::field("PHONE", "contact").into());
    }
    let reason = command.need_text("reason")?;
    consent::required(patient, facts)?;

    let mut decision = Decision::default();
    let member =
        |actor: &Reference, status: &str| -> Json { tree! { "actor" => actor, "status" => status }.into() };
    let mut members = vec![member(&patient.reference(), "accepted")];
    members.extend(doctor.as_ref().map(|doctor| member(doctor, "needs-action")));
    let extension = |name: &str, value: &str| -> Json {
        tree! { "url" => format!("urn:impf:ext:{name}"), "valueString" => value }.into()
    };
    let mut extensions = vec![extension("contact", contact)];
    for name in ["language", "package"] {
        extensions.extend(command.text(name).map(|value| extension(name, value)));
    }
    let attachments: Vec<Json> = command.objects("attachment").map(|one| Json::Object(one.clone())).collect();
    let mut supporting = attachments;
    supporting.extend(department.as_ref().map(Json::from));
    let mut tree = tree! {
        "extension" => extensions,
        "appointmentType" => fhir::concept(TYPE, kind),
        "description" => reason,
        "created" => fhir::instant(facts.now),
        "requestedPeriod" => periods,
        "supportingInformation" => supporting,
        "participant" => members,
    };
    State::Requested.write(&mut tree);
    let made = decision.create("Appointment", command.id("exclusive"), tree)?;
    trace(&mut decision, command, &made, None, State::Requested, facts)?;
    let hours = Duration::hours(facts.policy.exclusive_hours.into());
    decision.raise(facts.now + hours, "exclusive.waits", &made);
    Ok(decision.answered(Answer::Resource(made)))
}

/// 1 to 3 times, each to come and with an end after its start.
fn periods(command: &Command, facts: &Facts) -> Result<Vec<Object>, Refused> {
    let periods: Vec<&Object> = command.objects("period").collect();
    if !(1..=MOST_PERIODS).contains(&periods.len()) {
        return Err(Refused::field("PERIODS", "period").with(MOST_PERIODS));
    }
    let at = |period: &Object, name: &str| -> Option<OffsetDateTime> { moment(period.get(name)?.as_str()) };
    let fits = |period: &&Object| {
        let (start, end) = (at(period, "start"), at(period, "end"));
        start.zip(end).is_some_and(|(start, end)| start < end && start > facts.now)
    };
    match periods.iter().all(fits) {
        true => Ok(periods.into_iter().cloned().collect()),
        false => Err(Refused::field("PERIODS", "period").with(MOST_PERIODS)),
    }
}

/// `Appointment/[id]/$withdraw` (EX-9): only while nobody looks after it.
pub(super) fn withdraw(command: &Command, facts: &Facts) -> Decided {
    let request = facts.asked(command.subject()?)?;
    let state = State::of(request.tree()).ok_or_else(|| Refused::of("NOT_FOUND"))?;
    acting_for(command, facts, &patient_of(request)?)?;
    let mut decision = Decision::default();
    match state {
        State::Withdrawn => {}
        State::Requested => {
            decision.update(request, |tree| State::Withdrawn.write(tree));
            trace(&mut decision, command, &request.reference(), Some(state), State::Withdrawn, facts)?;
        }
        _ => return Err(Stop::from(Refused::of("CANCEL_TOO_LATE"))),
    }
    Ok(decision.answered(Answer::Resource(request.reference())))
}
