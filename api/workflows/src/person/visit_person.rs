//! `Patient/$add` and `Patient/$remove`: the visit persons of an account, each with its record at the hospital (ACC-1 to ACC-7).

use hub_fhir::{Id, Json, Object, Reference, tree};
use time::{Date, Duration, OffsetDateTime};

use super::paper::Paper;
use super::{acting_for, visit_persons};
use crate::booking::State;
use crate::calendar;
use crate::command::Command;
use crate::decision::{Answer, Answered, Ask, Decided, Decision, Ending, kind_of};
use crate::facts::{Fact, Facts};
use crate::fhir::{self, escaped, set_number, system};
use crate::refused::{Refused, Stop};

/// The channel that carries errands to the HIS.
const HIS: &str = "his/errands";
/// The extension of a link that says what the person is to the account: `self`, `child`, `spouse` ...
pub(crate) const RELATION: &str = "urn:impf:ext:relation";
/// The nationality (HL7's extension of Patient).
const NATIONALITY: &str = "http://hl7.org/fhir/StructureDefinition/patient-nationality";
/// Identity levels as R4B's assurance of a link: L1, the paper has the right form; L2, the hospital has a record of it (ACC-6).
const FORM_CHECKED: &str = "level2";
const VERIFIED: &str = "level3";
/// Below this a person has a guardian who consents; below the next one a guardian's phone (ACC-5).
const CHILD_YEARS: i32 = 14;
/// From this age on a person signs for himself.
pub(crate) const ADULT_YEARS: i32 = 18;

/// What a person is known by, checked.
struct Known {
    paper: Paper,
    system: String,
    number: String,
    name: String,
    birth: Date,
    gender: &'static str,
    phone: String,
    nationality: String,
}

pub(super) fn add(command: &Command, facts: &Facts) -> Decided {
    let own = command.agent().filter(|agent| agent.kind.name() == "Person");
    let own = own.ok_or_else(|| Refused::of("ROLE"))?;
    let given = command.need_resource("patient", "Patient")?;
    let relation = command.need_text("relation")?;
    let known = known(given, facts.now)?;
    guardian(given, &known, facts.now)?;
    let person = facts.read(own)?;
    let links = person.map(visit_persons).unwrap_or_default();
    let id = Id::of_parts(["visit-person", own.id.as_str(), &known.system, &known.number]);
    let patient = fhir::reference(kind_of("Patient")?, id.clone());
    if links.contains(&patient) {
        return Err(Refused::of("VP_THERE").into());
    }
    if links.len() >= usize::from(facts.policy.visit_persons) {
        return Err(Refused::of("VP_LIMIT").with(facts.policy.visit_persons).into());
    }
    let mut decision = Decision::default();
    let tree = patient_of(given, &known);
    match facts.read(&patient)? {
        // Removed before, and back again.
        Some(earlier) => decision.update(earlier, |stored| *stored = tree),
        None => drop(decision.create("Patient", id, tree)?),
    }
    let link = tree! {
        "extension" => [tree! { "url" => RELATION, "valueCode" => relation }],
        "target" => &patient,
        "assurance" => FORM_CHECKED,
    };
    match person {
        Some(person) => decision.update(person, |tree| {
            let mut links = tree.get("link").map(Json::items).unwrap_or_default().to_vec();
            links.push(link.into());
            tree.put("link", links);
        }),
        None => drop(decision.create("Person", own.id.clone(), tree! { "link" => [link] })?),
    }
    archive(&mut decision, command, &patient, &known, facts.now)?;
    Ok(decision.answered(Answer::Pending))
}

/// Asks the HIS for a record of the person: a new one, or the one that there is (ACC-4).
fn archive(
    decision: &mut Decision,
    command: &Command,
    patient: &Reference,
    known: &Known,
    now: OffsetDateTime,
) -> Result<(), Stop> {
    let sex = match known.gender {
        "male" => "1",
        "female" => "2",
        _ => "0",
    };
    let ask = Ask {
        channel: HIS,
        act: "patient-create",
        key: &command.number,
        focus: patient,
        patient: Some(patient.clone()),
        command: Some(&command.task()),
        inputs: &[
            ("name", known.name.clone()),
            ("sex", sex.to_owned()),
            ("birth-date", known.birth.to_string()),
            ("id-type", known.paper.his_code().to_owned()),
            ("id-no", known.number.clone()),
            ("phone", known.phone.clone()),
            ("nationality", known.nationality.clone()),
            ("account", command.agent().map(Reference::to_string).unwrap_or_default()),
        ],
    };
    decision.ask(now, &ask)
}

/// ACC-2: name, paper, day of birth, sex, phone; and what the paper's number says of them.
fn known(given: &Object, now: OffsetDateTime) -> Result<Known, Refused> {
    let text = |path: &[&str]| crate::facts::at(given, path).and_then(Json::as_str);
    let required = |field: &'static str| Refused::field("REQUIRED", field);
    let name = name(given).ok_or_else(|| required("patient.name"))?;
    let papers = given.get("identifier").map(Json::items).unwrap_or_default();
    let paper = papers.iter().find_map(|one| {
        let system = one.get("system")?.as_str()?;
        Some((Paper::of_system(system)?, system.to_owned(), one.get("value")?.as_str()?))
    });
    let (paper, system, value) = paper.ok_or_else(|| required("patient.identifier"))?;
    let number = paper.number(value).ok_or_else(|| Refused::field("ID_NUMBER", "patient.identifier"))?;
    let birth = text(&["birthDate"]).ok_or_else(|| required("patient.birthDate"))?;
    let birth = calendar::read_day(birth).ok_or_else(|| Refused::field("BIRTH_DATE", "patient.birthDate"))?;
    if birth > calendar::day(now) {
        return Err(Refused::field("BIRTH_DATE", "patient.birthDate"));
    }
    let gender = match text(&["gender"]) {
        Some("male") => "male",
        Some("female") => "female",
        Some("other") => "other",
        Some("unknown") => "unknown",
        _ => return Err(required("patient.gender")),
    };
    if let Some((says_birth, says_gender)) = paper.says(&number) {
        if says_birth != birth {
            return Err(Refused::field("ID_BIRTH", "patient.birthDate"));
        }
        if says_gender != gender {
            return Err(Refused::field("ID_SEX", "patient.gender"));
        }
    }
    let phones = given.get("telecom").map(Json::items).unwrap_or_default();
    let phone = phones.iter().find(|one| one.get("system").and_then(Json::as_str) == Some("phone"));
    let phone =
        phone.and_then(|one| one.get("value")?.as_str()).ok_or_else(|| required("patient.telecom"))?;
    let phone = e164(phone).ok_or_else(|| Refused::field("PHONE", "patient.telecom"))?;
    let nationality = match paper {
        Paper::Passport(country) => String::from_utf8_lossy(&country).into_owned(),
        Paper::PermanentResidence => nationality(given).ok_or_else(|| required("patient.extension"))?,
        _ => nationality(given).unwrap_or_else(|| "CHN".to_owned()),
    };
    Ok(Known { paper, system, number, name, birth, gender, phone, nationality })
}

/// The official name of a Patient, or the name of a contact, whole.
pub(crate) fn name(given: &Object) -> Option<String> {
    let names = given.get("name")?.items();
    let name = names
        .iter()
        .find(|one| one.get("use").and_then(Json::as_str) == Some("official"))
        .or(names.first())?;
    if let Some(text) = name.get("text").and_then(Json::as_str) {
        return Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    }
    let family = name.get("family").and_then(Json::as_str).unwrap_or_default();
    let given: Vec<&str> =
        name.get("given").map(Json::items).unwrap_or_default().iter().filter_map(Json::as_str).collect();
    let is_chinese = !family.is_ascii();
    let whole = if is_chinese {
        format!("{family}{}", given.concat())
    } else {
        format!("{} {family}", given.join(" "))
    };
    Some(whole.trim().to_owned()).filter(|whole| !whole.is_empty())
}

fn nationality(given: &Object) -> Option<String> {
    let extension = fhir::extension(given, NATIONALITY)?;
    let code = extension.at(&["extension", "0", "valueCodeableConcept", "coding", "0", "code"])?.as_str()?;
    let is_alpha_3 = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    is_alpha_3.then(|| code.to_owned())
}

/// A phone number with its country (E.164); one of the mainland may be without.
fn e164(text: &str) -> Option<String> {
    let number: String = text.chars().filter(|letter| !matches!(letter, ' ' | '-' | '(' | ')')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match number.starts_with('+') {
        true => (8..=15).contains(&digits.len()).then_some(number),
        false => (digits.len() == 11 && digits.starts_with('1')).then(|| format!("+86{digits}")),
    }
}

/// How old somebody is.
pub(crate) fn years(birth: Date, now: OffsetDateTime) -> i32 {
    let today = calendar::day(now);
    let had_birthday = (today.month() as u8, today.day()) >= (birth.month() as u8, birth.day());
    today.year() - birth.year() - i32::from(!had_birthday)
}

/// ACC-5: a child's guardian with a name; under age a guardian's phone.
fn guardian(given: &Object, known: &Known, now: OffsetDateTime) -> Result<(), Refused> {
    let age = years(known.birth, now);
    if age >= ADULT_YEARS {
        return Ok(());
    }
    let contacts = given.get("contact").map(Json::items).unwrap_or_default();
    let phone = contacts.iter().find_map(|one| one.at(&["telecom", "0", "value"])?.as_str());
    if phone.and_then(e164).is_none() {
        return Err(Refused::field("GUARDIAN", "patient.contact"));
    }
    let named = contacts.iter().filter_map(Json::as_object).any(|contact| name(contact).is_some());
    if age < CHILD_YEARS && !named {
        return Err(Refused::field("GUARDIAN", "patient.contact"));
    }
    Ok(())
}

/// The Patient as it is stored: what was given of a person, and the number in its one form.
fn patient_of(given: &Object, known: &Known) -> Object {
    let mut tree = Object::new();
    for member in ["extension", "name", "contact", "communication", "address"] {
        if let Some(value) = given.get(member) {
            tree.set(member, value.clone());
        }
    }
    tree.set("active", true);
    tree.set("gender", known.gender);
    tree.set("birthDate", known.birth.to_string());
    tree.put("telecom", [tree! { "system" => "phone", "value" => known.phone.as_str(), "use" => "mobile" }]);
    set_number(&mut tree, &known.system, &known.number);
    tree
}

/// What the HIS says of a new visit person.
pub(super) fn archived(answered: &Answered<'_>, facts: &Facts) -> Decided {
    let patient = answered.focus().ok_or_else(|| Stop::Unfit("an errand about nothing".to_owned()))?;
    let patient = facts.must(&patient)?;
    let account = answered.input("account").and_then(|account| Reference::parse(account).ok());
    let account = account.ok_or_else(|| Stop::Unfit("a visit person of no account".to_owned()))?;
    let person = facts.must(&account)?;
    let mut decision = Decision::default();
    let number = answered.output("PatientId");
    // 2002: there is a record of this paper already, and it is his (ACC-4).
    let ending = match (answered.is_done() || answered.why() == Some("2002"), number) {
        (true, Some(number)) => {
            decision.update(patient, |tree| set_number(tree, system::HIS_PATIENT, number));
            decision.update(person, |tree| assure(tree, &patient.reference(), VERIFIED));
            Ending::Resource(patient.reference())
        }
        _ => {
            drop_person(&mut decision, person, patient);
            Ending::Refused(match answered.why() {
                Some("2003") => Refused::of("ARCHIVE_DIFFERS"),
                Some("refused") => Refused::of("ARCHIVE_REFUSED"),
                _ => Refused::of("PARTNER_DOWN"),
            })
        }
    };
    if let Some(command) = answered.command() {
        decision.end(&command, &ending);
    }
    Ok(decision)
}

fn assure(person: &mut Object, patient: &Reference, level: &str) {
    let Some(Json::Array(links)) = person.get_mut("link") else { return };
    for link in links.iter_mut().filter_map(Json::as_object_mut) {
        if fhir::points_at(link.get("target")).as_ref() == Some(patient) {
            link.set("assurance", level);
        }
    }
}

/// A visit person is none any more; the Patient stays, for what was done for him stays (ACC-13).
fn drop_person(decision: &mut Decision, person: &Fact, patient: &Fact) {
    let reference = patient.reference();
    decision.update(person, |tree| {
        let links = tree.get("link").map(Json::items).unwrap_or_default().iter();
        let kept = links.filter(|link| fhir::points_at(link.get("target")).as_ref() != Some(&reference));
        let kept: Vec<Json> = kept.cloned().collect();
        tree.put("link", kept);
    });
    decision.update(patient, |tree| tree.set("active", false));
}

/// ACC-1, ACC-7: a place is free again; not while something is open.
pub(super) fn remove(command: &Command, facts: &Facts) -> Decided {
    let patient = acting_for(command, facts, command.subject()?)?;
    let own =
        command.agent().filter(|agent| agent.kind.name() == "Person").ok_or_else(|| Refused::of("ROLE"))?;
    let person = facts.must(own)?;
    let from = facts.now - Duration::days(1);
    let open = facts.search_guarded(
        "Appointment",
        &[
            ("patient", &escaped(&patient.reference().to_string())),
            ("date", &format!("ge{}", fhir::instant(from))),
            ("status", "proposed,pending,booked,arrived"),
        ],
    )?;
    let is_open = |visit: &&Fact| State::of(visit.tree()).is_none_or(State::takes_a_slot);
    if open.iter().any(is_open) {
        return Err(Refused::of("VP_OPEN").into());
    }
    let mut decision = Decision::default();
    drop_person(&mut decision, person, patient);
    Ok(decision.answered(Answer::Resource(person.reference())))
}
