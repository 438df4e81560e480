//! `Schedule/$open`, and what the HIS says to it.

use hub_fhir::{Id, Json, Object, Reference, tree};
use time::{Duration, OffsetDateTime};

use super::HIS;
use super::clash::{Session, Why};
use crate::calendar;
use crate::command::Command;
use crate::decision::{Answer, Answered, Ask, Decided, Decision, Ending};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, extension, moment, number, points_at, system};
use crate::money::Money;
use crate::refused::{Refused, Stop};
use crate::{alarm, booking};

/// The kinds of clinics, as the HIS numbers them (interfaces §3.5).
const CLINICS: [&str; 4] = ["ordinary", "international", "vip", "online"];
/// The extension of a Location with its campus.
const CAMPUS: &str = "urn:impf:ext:campus";
/// A session has so many places at most.
const MOST: i64 = 200;

/// What is wanted, checked.
struct Wanted<'f> {
    session: Session,
    doctor: &'f Fact,
    department: &'f Fact,
    room: Option<&'f Fact>,
    clinic: usize,
    capacity: i64,
    fees: [Money; 2],
}

pub(super) fn open(command: &Command, facts: &Facts) -> Decided {
    let wanted = wanted(command, facts)?;
    let travel = Duration::minutes(facts.policy.travel_minutes.into());
    let others = around(&wanted.session, travel, facts)?;
    let clash =
        others.iter().find_map(|(at, other)| Some((*at, other, wanted.session.clashes(other, travel)?)));
    if let Some((with, other, why)) = clash
        && !is_approved(command, facts)?
    {
        if command.is("ask-head") {
            return ask_head(command, with, facts);
        }
        let all: Vec<&Session> = others.iter().map(|(_, other)| other).collect();
        let free = wanted.session.free_times(&all, travel);
        return Err(clashed(with, other, why, &free).into());
    }
    let at = |moment: OffsetDateTime| {
        let moment = moment.to_offset(time::macros::offset!(+8));
        format!("{:02}:{:02}", moment.hour(), moment.minute())
    };
    let of = |fact: &Fact, kind: &str| number(fact.tree(), kind).map(str::to_owned);
    let missing = |field: &'static str| Refused::field("REFERENCE", field);
    let Session { start, end, .. } = wanted.session;
    let inputs = [
        ("staff", of(wanted.doctor, system::HIS_STAFF).ok_or_else(|| missing("doctor"))?),
        ("department", of(wanted.department, system::HIS_DEPARTMENT).ok_or_else(|| missing("department"))?),
        (
            "room",
            wanted
                .room
                .map(|room| of(room, system::HIS_ROOM).ok_or_else(|| missing("room")))
                .transpose()?
                .unwrap_or_default(),
        ),
        ("date", calendar::day(start).to_string()),
        ("start", at(start)),
        ("end", at(end)),
        ("clinic", wanted.clinic.to_string()),
        ("capacity", wanted.capacity.to_string()),
        ("registration-fee", wanted.fees[0].text()),
        ("consultation-fee", wanted.fees[1].text()),
    ];
    let mut decision = Decision::default();
    let ask = Ask {
        channel: HIS,
        act: "session-open",
        key: &command.number,
        focus: &wanted.doctor.reference(),
        patient: None,
        command: Some(&command.task()),
        inputs: &inputs,
    };
    decision.ask(facts.now, &ask)?;
    Ok(decision.answered(Answer::Pending))
}

/// Reads and checks what is wanted.
fn wanted<'f>(command: &Command, facts: &'f Facts) -> Result<Wanted<'f>, Stop> {
    let known = |name: &'static str, kind: &str| -> Result<&'f Fact, Stop> {
        let reference = command.need_reference(name, kind)?;
        Ok(facts.read(&reference)?.ok_or_else(|| Refused::field("REFERENCE", name))?)
    };
    let (doctor, department) = (known("doctor", "Practitioner")?, known("department", "Organization")?);
    let room = match command.reference("room", "Location")? {
        Some(_) => Some(known("room", "Location")?),
        None => None,
    };
    let times = moment(Some(command.need_text("start")?)).zip(moment(Some(command.need_text("end")?)));
    let fits = |(start, end): &(OffsetDateTime, OffsetDateTime)| {
        start < end && *start > facts.now && calendar::day(*start) == calendar::day(*end - Duration::SECOND)
    };
    let (start, end) = times.filter(fits).ok_or_else(|| Refused::field("TIMES", "start"))?;
    let clinic = command.need_text("clinic")?;
    let clinic = CLINICS.iter().position(|known| *known == clinic);
    let clinic = clinic.ok_or_else(|| Refused::field("ONE_OF", "clinic").with(CLINICS.join(", ")))?;
    let capacity = command.number_of("capacity").filter(|capacity| (1..=MOST).contains(capacity));
    let capacity = capacity.ok_or_else(|| Refused::field("CAPACITY", "capacity").with(MOST))?;
    let fee = |name: &'static str| {
        let money = command.object(name).ok_or_else(|| Refused::field("REQUIRED", name))?;
        Money::of(Some(&Json::Object(money.clone())))
            .filter(|fee| fee.fen >= 0)
            .ok_or_else(|| Refused::field("FEE", name))
    };
    let fees = [fee("registration-fee")?, fee("consultation-fee")?];
    let session = Session {
        doctor: Some(doctor.reference()),
        room: room.map(Fact::reference),
        campus: room.and_then(campus),
        start,
        end,
    };
    Ok(Wanted { session, doctor, department, room, clinic, capacity, fees })
}

fn campus(room: &Fact) -> Option<String> {
    extension(room.tree(), CAMPUS)?.get("valueString")?.as_str().map(str::to_owned)
}

/// The sessions of the doctor and of the room on that day.
fn around<'f>(
    wanted: &Session,
    travel: Duration,
    facts: &'f Facts,
) -> Result<Vec<(&'f Fact, Session)>, Stop> {
    let day = calendar::begins(calendar::day(wanted.start));
    let (from, to) = (fhir::instant(day - travel), fhir::instant(day + Duration::DAY + travel));
    let mut found: Vec<(&Fact, Session)> = Vec::new();
    for actor in [&wanted.doctor, &wanted.room].into_iter().flatten() {
        let actor = fhir::escaped(&actor.to_string());
        let query = [("actor", actor.as_str()), ("date", &format!("gt{from}")), ("date", &format!("lt{to}"))];
        for schedule in facts.search("Schedule", &query)? {
            let is_there = found.iter().any(|(known, _)| known.reference() == schedule.reference());
            let is_stopped = schedule.tree().get("active") == Some(&Json::Bool(false));
            if !is_there
                && !is_stopped
                && let Some(session) = session_of(schedule, facts)?
            {
                found.push((schedule, session));
            }
        }
    }
    Ok(found)
}

/// A session that is known; `None`: it has no times.
fn session_of(schedule: &Fact, facts: &Facts) -> Result<Option<Session>, Stop> {
    let horizon = schedule.tree().get("planningHorizon");
    let at = |name: &str| moment(horizon.and_then(|horizon| horizon.get(name)?.as_str()));
    let Some((start, end)) = at("start").zip(at("end")) else { return Ok(None) };
    let actors = schedule.tree().get("actor").map(Json::items).unwrap_or_default().iter();
    let actors: Vec<Reference> = actors.filter_map(|actor| points_at(Some(actor))).collect();
    let of = |kind: &str| actors.iter().find(|actor| actor.kind.name() == kind).cloned();
    let (doctor, room) = (of("Practitioner"), of("Location"));
    let campus = match &room {
        Some(room) => facts.read(room)?.and_then(campus),
        None => None,
    };
    Ok(Some(Session { doctor, room, campus, start, end }))
}

/// What it clashes with, and when it would be free (EX-7).
fn clashed(with: &Fact, other: &Session, why: Why, free: &[(OffsetDateTime, OffsetDateTime)]) -> Refused {
    let at = |(start, end): &(OffsetDateTime, OffsetDateTime)| {
        let hour = |at: &OffsetDateTime| {
            let at = at.to_offset(time::macros::offset!(+8));
            format!("{:02}:{:02}", at.hour(), at.minute())
        };
        format!("{}-{}", hour(start), hour(end))
    };
    let refused = match why {
        Why::Doctor => Refused::field("CLASH_DOCTOR", "start"),
        Why::Room => Refused::field("CLASH_ROOM", "start"),
        Why::Travel => Refused::field("CLASH_TRAVEL", "start"),
    };
    let free: Vec<String> = free.iter().take(3).map(at).collect();
    let free = if free.is_empty() { "-".to_owned() } else { free.join(", ") };
    let number = number(with.tree(), system::HIS_SCHEDULE).unwrap_or(with.id().as_str()).to_owned();
    refused.with(number).with(at(&(other.start, other.end))).with(free)
}

/// What makes an approval one of this session and no other.
fn digest(command: &Command) -> String {
    let told = ["start", "end", "clinic"].map(|name| command.text(name).unwrap_or_default().to_owned());
    let pointed = ["doctor", "room"].map(|name| {
        command.object(name).and_then(|one| one.get("reference")?.as_str()).unwrap_or_default().to_owned()
    });
    Id::of_parts(told.into_iter().chain(pointed)).to_string()
}

/// A leader of the department is asked.
fn ask_head(command: &Command, with: &Fact, facts: &Facts) -> Decided {
    let reason = command.need_text("reason")?;
    let input = |name: &str, value: &str| -> Json {
        tree! { "type" => fhir::concept(system::VALUE, name), "valueString" => value }.into()
    };
    let mut decision = Decision::default();
    let tree = tree! {
        "status" => "requested",
        "intent" => "order",
        "priority" => "urgent",
        "code" => fhir::concept(system::ACT, "session-approval"),
        "description" => reason,
        "focus" => &with.reference(),
        "authoredOn" => fhir::instant(facts.now),
        "requester" => command.agent().filter(|agent| agent.kind.name() == "Practitioner"),
        "performerType" => [fhir::concept("urn:impf:cs:role", "senior")],
        "input" => vec![
            input("digest", &digest(command)),
            input("start", command.text("start").unwrap_or_default()),
            input("end", command.text("end").unwrap_or_default()),
        ],
    };
    let task = decision.create("Task", command.id("session-approval"), tree)?;
    Ok(decision.answered(Answer::Resource(task)))
}

/// Whether a leader has approved this very session.
fn is_approved(command: &Command, facts: &Facts) -> Result<bool, Stop> {
    let Some(approval) = command.reference("approval", "Task")? else { return Ok(false) };
    let task = facts.read(&approval)?.ok_or_else(|| Refused::field("REFERENCE", "approval"))?;
    let is_one = fhir::code(task.tree().get("code"), system::ACT) == Some("session-approval");
    let is_given = task.text(&["status"]) == Some("accepted");
    let is_of_this = Answered { task }.input("digest") == Some(digest(command).as_str());
    if is_one && is_given && is_of_this {
        Ok(true)
    } else {
        Err(Refused::field("APPROVAL", "approval").into())
    }
}

/// `Task/[id]/$approve` and `$reject`.
pub(super) fn decide(command: &Command, becomes: &'static str, facts: &Facts) -> Decided {
    let task = facts.asked(command.subject()?)?;
    if fhir::code(task.tree().get("code"), system::ACT) != Some("session-approval") {
        return Err(Refused::of("NOT_FOUND").into());
    }
    let reason = command.need_text("reason")?;
    let mut decision = Decision::default();
    match task.text(&["status"]) {
        Some("requested") => decision.update(task, |tree| {
            tree.set("status", becomes);
            tree.put("statusReason", tree! { "text" => reason });
            let owner = command.agent().filter(|agent| agent.kind.name() == "Practitioner");
            tree.put("owner", owner.map(Json::from));
        }),
        Some(stands) if stands == becomes => {}
        _ => return Err(Refused::of("REQUEST_OVER").into()),
    }
    Ok(decision.answered(Answer::Resource(task.reference())))
}

/// The HIS has taken it, or has not (EX-8).
pub(super) fn answered(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    let command =
        answered.command().ok_or_else(|| Stop::Unfit("a session that nobody asked for".to_owned()))?;
    if !answered.is_done() {
        let refused = match answered.why() {
            Some("3008") => {
                Refused::of("CLASH_HIS").with(answered.output("ConflictScheduleId").unwrap_or("-"))
            }
            Some(code) if code.bytes().all(|byte| byte.is_ascii_digit()) => {
                Refused::of("SESSION_REFUSED").with(code)
            }
            // Nobody knows whether it is there: a person finds out. What the HIS has comes with its rosters.
            _ => {
                let doctor =
                    answered.focus().ok_or_else(|| Stop::Unfit("an errand about nothing".to_owned()))?;
                alarm::raise(&mut decision, "session-in-doubt", &doctor, "operations", facts.now)?;
                Refused::of("PARTNER_DOWN")
            }
        };
        decision.end(&command, &Ending::Refused(refused));
        return Ok(decision);
    }
    let id =
        answered.output("ScheduleId").ok_or_else(|| Stop::Unfit("a session without a number".to_owned()))?;
    let schedule = decision.ensure("Schedule", Id::of_parts(["schedule", id]), schedule(answered, id)?)?;
    decision.end(&command, &Ending::Resource(schedule));
    Ok(decision)
}

/// The session as its roster will tell it; its slots come with that.
fn schedule(answered: &Answered<'_>, id: &str) -> Result<Object, Stop> {
    let doctor = answered.focus().ok_or_else(|| Stop::Unfit("a session of nobody".to_owned()))?;
    let input = |name: &str| answered.input(name).unwrap_or_default();
    let at = |hour: &str| format!("{}T{hour}:00+08:00", input("date"));
    let fee = |url: &str, name: &str| -> Result<Json, Stop> {
        let fee =
            Money::yuan(input(name)).ok_or_else(|| Stop::Unfit("a session without a fee".to_owned()))?;
        Ok(tree! { "url" => url, "valueMoney" => fee.element() }.into())
    };
    let clinic = input("clinic").parse::<usize>().ok().and_then(|at| CLINICS.get(at)).copied();
    Ok(tree! {
        "extension" => vec![
            fee(booking::REGISTRATION_FEE, "registration-fee")?,
            fee(booking::CONSULTATION_FEE, "consultation-fee")?,
            tree! { "url" => fhir::extension::TEMPORARY, "valueBoolean" => Json::Bool(true) }.into(),
        ],
        "identifier" => [fhir::identifier(system::HIS_SCHEDULE, id)],
        "active" => Json::Bool(true),
        "serviceType" => clinic.map(|clinic| Json::Array(vec![fhir::concept(system::CLINIC, clinic).into()])),
        "actor" => [&doctor],
        "planningHorizon" => tree! { "start" => at(input("start")), "end" => at(input("end")) },
    })
}
