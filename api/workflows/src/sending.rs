//! Carries notices out (MSG): in which language, with which words filled in, by which way, and when. What is told is decided by those who
//! call [`crate::notice`]; a `CommunicationRequest` is what the app shows, a `Communication` is one way it was sent by.

use hub_core::commit::Wake;
use hub_fhir::{Id, Json, Object, Reference, tree};
use time::macros::offset;
use time::{Duration, OffsetDateTime};

use crate::act::Act;
use crate::booking::invoice_of;
use crate::command::Command;
use crate::decision::{Answered, Ask, Decided, Decision};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, code, moment, points_at};
use crate::money::Money;
use crate::refused::Stop;
use crate::{Workflow, calendar, notice};

/// WeChat's number of a person who has taken up with the house's account.
pub const OPENID: &str = "urn:impf:wechat:openid";
/// The ways of sending.
const WAY: &str = "urn:impf:cs:way";

/// What may stand in the words of a notice (MSG-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    /// When the visit is.
    Time,
    /// Where.
    Place,
    /// Who comes.
    Doctor,
    /// How much money.
    Amount,
}

/// An event that is sent, with what its words hold. Those that are not here stand in the app alone.
struct Kind {
    event: &'static str,
    variables: &'static [Variable],
    /// It is sent at night too (MSG-5).
    is_urgent: bool,
}

const KINDS: [Kind; 9] = {
    use Variable::{Amount, Doctor, Place, Time};
    [
        Kind { event: notice::BOOKED, variables: &[Time, Place], is_urgent: true },
        Kind { event: notice::CANCELLED, variables: &[Time], is_urgent: false },
        Kind { event: notice::STOPPED, variables: &[Time], is_urgent: true },
        Kind { event: notice::NOT_BOOKED, variables: &[Time, Amount], is_urgent: true },
        Kind { event: notice::REFUNDED, variables: &[Amount], is_urgent: true },
        Kind { event: notice::REMINDER, variables: &[Time, Place], is_urgent: false },
        Kind { event: notice::SUBSTITUTED, variables: &[Time, Doctor], is_urgent: false },
        Kind { event: notice::ROOM, variables: &[Time, Place], is_urgent: false },
        Kind { event: notice::TIME, variables: &[Time, Place], is_urgent: false },
    ]
};

/// A way to a person.
struct Way {
    name: &'static str,
    channel: &'static str,
    to: String,
}

/// The workflow of notices.
pub struct Sending;

impl Workflow for Sending {
    fn acts(&self) -> &'static [Act] {
        &[]
    }

    fn events(&self) -> &'static [&'static str] {
        &["notice.due", "notice.reported", "task.answered"]
    }

    fn command(&self, command: &Command, _facts: &Facts) -> Decided {
        Err(Stop::Unfit(format!("`{}` is no act of notices", command.act)))
    }

    fn event(&self, event: &Wake, facts: &Facts) -> Result<Option<Decision>, Stop> {
        let Some(subject) = facts.read(&event.subject)? else { return Ok(None) };
        match event.event.as_str() {
            "notice.due" => due(subject, facts).map(Some),
            "notice.reported" => reported(subject, facts).map(Some),
            _ => {
                let answered = Answered { task: subject };
                let is_ours = answered.act() == Some("notice-send");
                if is_ours { sent(&answered, facts).map(Some) } else { Ok(None) }
            }
        }
    }
}

/// A notice is to be sent by the next way that was not tried.
fn due(request: &Fact, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    let event = code(request.tree().get("category"), notice::EVENT).unwrap_or_default();
    let kind = KINDS.iter().find(|kind| kind.event == event);
    let (Some("active"), Some(kind)) = (request.text(&["status"]), kind) else { return Ok(decision) };
    let patient = points_at(request.tree().get("subject"));
    let patient = facts.must(&patient.ok_or_else(|| Stop::Unfit("a notice to nobody".to_owned()))?)?;
    if !kind.is_urgent
        && let Some(morning) = quiet_until(facts)
    {
        decision.raise(morning, "notice.due", &request.reference());
        return Ok(decision);
    }
    for way in ways(patient) {
        let number = number(request, way.name);
        let communication = communication(&number)?;
        if facts.read(&communication)?.is_some() {
            continue;
        }
        let language = language(patient);
        let mut inputs = vec![
            ("to", way.to),
            ("template", event.to_owned()),
            ("language", language.to_owned()),
            ("ref", number.clone()),
        ];
        inputs.extend(words(kind, request, language, facts)?);
        let tree = tree! {
            "basedOn" => [&request.reference()],
            "status" => "in-progress",
            "category" => request.tree().get("category").cloned(),
            "medium" => [fhir::concept(WAY, way.name)],
            "subject" => &patient.reference(),
            "recipient" => [&patient.reference()],
        };
        decision.create("Communication", communication.id.clone(), tree)?;
        let ask = Ask {
            channel: way.channel,
            act: "notice-send",
            key: &number,
            focus: &communication,
            patient: Some(patient.reference()),
            command: None,
            inputs: &inputs,
        };
        decision.ask(facts.now, &ask)?;
        return Ok(decision);
    }
    // It stands in the app, and nobody can be told otherwise.
    ended(&mut decision, request, "on-hold");
    Ok(decision)
}

/// The gateway has taken a notice, or has not: then the next way is tried (MSG-4).
fn sent(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let focus = answered.focus().ok_or_else(|| Stop::Unfit("an errand about nothing".to_owned()))?;
    let communication = facts.must(&focus)?;
    let mut decision = Decision::default();
    if communication.text(&["status"]) != Some("in-progress") {
        return Ok(decision);
    }
    let request = request_of(communication, facts)?;
    let is_taken = answered.is_done() && answered.output("state") == Some("accepted");
    // Whether it was sent nobody knows: it is not sent twice.
    let is_unknown = answered.why() == Some("in-doubt");
    decision.update(communication, |tree| {
        if is_taken {
            tree.set("sent", fhir::instant(facts.now));
            tree.set("status", "completed");
        } else {
            tree.set("status", if is_unknown { "unknown" } else { "not-done" });
            let why = answered.output("code").or(answered.why()).unwrap_or("refused");
            tree.put("statusReason", fhir::concept(WAY, why));
        }
    });
    if is_taken || is_unknown {
        ended(&mut decision, request, "completed");
    } else {
        decision.raise(facts.now, "notice.due", &request.reference());
    }
    Ok(decision)
}

/// The gateway tells that a notice has not arrived: the next way is tried.
fn reported(communication: &Fact, facts: &Facts) -> Decided {
    let mut decision = Decision::default();
    if communication.text(&["status"]) != Some("not-done") {
        return Ok(decision);
    }
    let request = request_of(communication, facts)?;
    ended(&mut decision, request, "active");
    decision.raise(facts.now, "notice.due", &request.reference());
    Ok(decision)
}

fn ended(decision: &mut Decision, request: &Fact, status: &'static str) {
    if request.text(&["status"]) != Some(status) {
        decision.update(request, |tree| tree.set("status", status));
    }
}

fn request_of<'f>(communication: &Fact, facts: &'f Facts) -> Result<&'f Fact, Stop> {
    let based = communication.tree().get("basedOn").map(Json::items).unwrap_or_default();
    let request = based.iter().find_map(|one| points_at(Some(one)));
    facts.must(&request.ok_or_else(|| Stop::Unfit("a notice that nobody asked for".to_owned()))?)
}

/// The number of a notice by one way: the gateways know it by that.
fn number(request: &Fact, way: &str) -> String {
    format!("notice-{}", Id::of_parts([request.id().as_str(), way]))
}

/// Its Communication: a mapping of a report comes to the same by `id = ["communication", "ref"]`.
fn communication(number: &str) -> Result<Reference, Stop> {
    let kind = crate::decision::kind_of("Communication")?;
    Ok(Reference { kind, id: Id::of_parts(["communication", number]) })
}

/// The ways to a patient, the first to be tried first.
fn ways(patient: &Fact) -> Vec<Way> {
    let openid = fhir::number(patient.tree(), OPENID).map(str::to_owned);
    let telecom = patient.tree().get("telecom").map(Json::items).unwrap_or_default().iter();
    let is = |one: &Json, name: &str, value: &str| one.get(name).and_then(Json::as_str) == Some(value);
    let mut phones = telecom.filter(|one| is(one, "system", "phone") && !is(one, "use", "old"));
    let phone = phones.find_map(|one| one.get("value")?.as_str()).map(e164);
    let wechat = openid.map(|to| Way { name: "wechat", channel: "wechat/notices", to });
    let sms = phone.map(|to| Way { name: "sms", channel: "sms/notices", to });
    wechat.into_iter().chain(sms).collect()
}

/// A number with its country; one without is of the Chinese mainland.
fn e164(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    match phone.trim_start().starts_with('+') {
        true => format!("+{digits}"),
        false => format!("+86{digits}"),
    }
}

/// The language a patient is told in: the one he likes best, else the simplified script (MSG-3).
fn language(patient: &Fact) -> &'static str {
    let spoken = patient.tree().get("communication").map(Json::items).unwrap_or_default();
    let is_preferred = |one: &&Json| one.get("preferred") == Some(&Json::Bool(true));
    let tag = |one: &Json| {
        let coded = one.at(&["language", "coding"]).map(Json::items).unwrap_or_default();
        coded.iter().find_map(|coding| hub_core::language::Language::of_tag(coding.get("code")?.as_str()?))
    };
    let preferred = spoken.iter().find(is_preferred).and_then(tag);
    preferred.or_else(|| spoken.iter().find_map(tag)).map_or("zh-Hans", |language| language.tag())
}

/// Until when nobody is disturbed with what can wait, where that is now: from ten to eight (MSG-5), by the hospital's clock.
fn quiet_until(facts: &Facts) -> Option<OffsetDateTime> {
    let (from, to) = (facts.policy.quiet_from, facts.policy.quiet_to);
    let hour = u16::from(facts.now.to_offset(offset!(+8)).hour());
    let today = calendar::begins(calendar::day(facts.now));
    let morning = today + Duration::hours(to.into());
    let is_over_midnight = from > to;
    let is_late = hour >= from;
    let is_early = hour < to;
    match (is_over_midnight, is_late, is_early) {
        (true, true, _) => Some(morning + Duration::days(1)),
        (true, false, true) | (false, true, true) => Some(morning),
        _ => None,
    }
}

/// What the words hold, as the person reads it.
fn words(
    kind: &Kind,
    request: &Fact,
    language: &str,
    facts: &Facts,
) -> Result<Vec<(&'static str, String)>, Stop> {
    let about = request.tree().get("about").map(Json::items).unwrap_or_default();
    let about = about.iter().find_map(|one| points_at(Some(one)));
    let about = facts.must(&about.ok_or_else(|| Stop::Unfit("a notice about nothing".to_owned()))?)?;
    let mut words = Vec::new();
    for variable in kind.variables {
        words.push(match variable {
            Variable::Time => ("time", time_of(about, language)?),
            Variable::Place => ("place", named(about, "Location", language, facts)?),
            Variable::Doctor => ("doctor", named(about, "Practitioner", language, facts)?),
            Variable::Amount => ("amount", amount(about, facts)?),
        });
    }
    Ok(words)
}

/// `3月4日 09:00`; `4 Mar 09:00 (Beijing)`.
fn time_of(visit: &Fact, language: &str) -> Result<String, Stop> {
    let start =
        moment(visit.text(&["start"])).ok_or_else(|| Stop::Unfit("a visit without a time".to_owned()))?;
    let start = start.to_offset(offset!(+8));
    let (month, day, hour, minute) = (start.month(), start.day(), start.hour(), start.minute());
    Ok(match language {
        "en" => format!("{day} {} {hour:02}:{minute:02} (Beijing)", &month.to_string()[..3]),
        _ => format!("{}月{day}日 {hour:02}:{minute:02}", u8::from(month)),
    })
}

/// The name of who or what takes part in a visit; without one its number in the HIS.
fn named(visit: &Fact, kind: &str, language: &str, facts: &Facts) -> Result<String, Stop> {
    let found = fhir::pointed_at(visit.tree(), "participant", "actor", kind);
    let found = facts.read_all(&found)?;
    let Some(one) = found.first() else { return Ok(unknown(language)) };
    let name = match kind {
        "Location" => one.text(&["name"]).map(str::to_owned),
        _ => name_of(one.tree()),
    };
    let number = || one.text(&["identifier", "0", "value"]).map(str::to_owned);
    Ok(name.or_else(number).unwrap_or_else(|| unknown(language)))
}

fn name_of(person: &Object) -> Option<String> {
    let names = person.get("name").map(Json::items).unwrap_or_default();
    names.iter().find_map(|name| name.get("text")?.as_str()).map(str::to_owned)
}

/// What is not known is asked for at the hospital.
fn unknown(language: &str) -> String {
    match language {
        "en" => "see the app",
        "zh-Hant" => "請見應用程式",
        _ => "请见应用",
    }
    .to_owned()
}

/// What a visit has cost.
fn amount(visit: &Fact, facts: &Facts) -> Result<String, Stop> {
    let invoice = invoice_of(visit).ok_or_else(|| Stop::Unfit("a visit without an invoice".to_owned()))?;
    let total = Money::of(facts.must(&invoice)?.tree().get("totalGross"));
    total.map(Money::text).ok_or_else(|| Stop::Unfit("an invoice without a sum".to_owned()))
}
