//! Informed consent: CON. What is signed is printed, so these are not run where there is no font.

use std::process::Command as Program;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_core::who::{Role, Who};
use hub_executor::Outcome;
use hub_fhir::{Json, Object, tree};
use hub_papers::Press;
use hub_workflows::Command;
use time::Duration;

use crate::desk::{Desk, reference};
use crate::partner::Answer;

const HANDWRITING: &[u8] = include_bytes!("../../../../papers/tests/data/handwriting.png");
const STROKES: &str = "[[[30,60,0],[60,40,80],[110,60,160]],[[120,65,400],[210,65,700]]]";
const CHINESE: &str = "本人已阅读并理解国际门诊的服务内容与收费标准。";
const ENGLISH: &str = "I have read what the international clinic offers and what it costs.";

#[expect(clippy::print_stderr, reason = "who runs the tests should know")]
fn press() -> Option<Press> {
    let font = |name| {
        let found = Program::new("fc-match").args(["-f", "%{file}", name]).output().ok()?;
        let path = String::from_utf8(found.stdout).ok().filter(|path| path.contains("CJK"))?;
        std::fs::read(path).ok()
    };
    match (font("Noto Sans CJK SC:regular"), font("Noto Sans CJK SC:bold")) {
        (Some(regular), Some(bold)) => Some(Press::new(regular, bold).unwrap()),
        _ => {
            eprintln!("not run: fonts-noto-cjk is not installed");
            None
        }
    }
}

/// A template with an English translation: text and a fee.
fn template(category: &str, version: &str, status: &str) -> String {
    let translated = |name: &str, chinese: &str, english: &str| {
        format!(
            r#""{name}":"{chinese}","_{name}":{{"extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/translation",
            "extension":[{{"url":"lang","valueCode":"en"}},{{"url":"content","valueString":"{english}"}}]}}]}}"#
        )
    };
    format!(
        r#"{{"resourceType":"Questionnaire","id":"consent-{category}-{version}","url":"urn:impf:consent:{category}","version":"{version}",
        "status":"{status}","date":"2026-02-0{version}","language":"zh-Hans","publisher":"国际医疗部",{},"item":[
        {{"linkId":"1","type":"display",{}}},
        {{"linkId":"2","type":"display","extension":[{{"url":"urn:impf:ext:fee","valueMoney":{{"value":400.00,"currency":"CNY"}}}}],{}}}]}}"#,
        translated("title", "国际门诊知情同意书", "Informed consent"),
        translated("text", CHINESE, ENGLISH),
        translated("text", "诊查费", "Consultation"),
    )
}

/// A desk with a press, the template `booking|2` in force, and visit persons that nobody has signed for: r-p0 is the account's owner,
/// r-p1 another adult, r-p2 a child.
async fn desk() -> Option<Desk> {
    let desk = Desk::printing(press()?).await;
    desk.put(&template("booking", "2", "active")).await;
    desk.change("Questionnaire/consent", |tree| tree.set("status", "retired")).await;
    for (person, birth, card) in [
        ("r-p0", "1980-05-06", "A1234563"),
        ("r-p1", "1950-01-02", "C6686689"),
        ("r-p2", "2015-03-04", "K1234501"),
    ] {
        desk.change(&format!("Patient/{person}"), |tree| {
            tree.put("name", [tree! { "text" => "陳大文" }]);
            tree.set("birthDate", birth);
            hub_workflows::fhir::set_number(tree, "urn:impf:id:hkic", card);
        })
        .await;
    }
    desk.change("Person/r-me", |tree| {
        let Some(Json::Array(links)) = tree.get_mut("link") else { return };
        for (link, relation) in
            links.iter_mut().filter_map(Json::as_object_mut).zip(["self", "parent", "child"])
        {
            link.put("extension", [tree! { "url" => "urn:impf:ext:relation", "valueCode" => relation }]);
        }
    })
    .await;
    Some(desk)
}

fn text(name: &str, value: &str) -> Object {
    tree! { "name" => name, "valueString" => value }
}

/// What goes along with a signature of a visit person.
fn input(person: u64) -> Vec<Object> {
    vec![
        reference("patient", &format!("Patient/r-p{person}")),
        text("template", "urn:impf:consent:booking|2"),
        text("language", "en"),
        text("handwriting", &STANDARD.encode(HANDWRITING)),
        text("strokes", STROKES),
        text("identity-method", "SMS"),
        text("identity-reference", "8F3A"),
        text("device", "a phone"),
    ]
}

/// The same with another value, or one more parameter.
fn with(mut input: Vec<Object>, parameter: Object) -> Vec<Object> {
    let name = parameter.get("name").cloned();
    input.retain(|one| one.get("name").cloned() != name);
    input.push(parameter);
    input
}

fn sign(desk: &Desk, input: Vec<Object>) -> Command {
    let mut command = desk.ask(desk.patient(), "sign", None, input);
    command.from = Some("203.0.113.7".to_owned());
    command
}

async fn refused(desk: &Desk, input: Vec<Object>) -> &'static str {
    desk.give(&sign(desk, input)).await.unwrap_err()
}

fn related(paper: &str) -> Object {
    let relationship =
        tree! { "coding" => [tree! { "system" => "urn:impf:cs:relation", "code" => "guardian" }] };
    let person = tree! {
        "resourceType" => "RelatedPerson",
        "name" => [tree! { "text" => "陳志明" }],
        "relationship" => [relationship],
        "identifier" => [tree! { "system" => "urn:impf:id:hkic", "value" => paper }],
    };
    tree! { "name" => "signer", "resource" => person }
}

/// What the service tells of a signed document.
fn signed() -> Answer {
    Answer::done(&[
        ("state", "SIGNED"),
        ("pdf", &STANDARD.encode("%PDF-1.7 signed")),
        ("fileHash", "0f"),
        ("evidenceNo", "EV0001"),
        ("identityCheck", "SMS 8F3A"),
        ("signedAt", "2026-05-29T10:01:00+08:00"),
    ])
}

/// A consent that is signed: itself and its document.
async fn in_force(desk: &Desk, input: Vec<Object>) -> (String, String) {
    let command = sign(desk, input);
    assert!(matches!(desk.give(&command).await.unwrap(), Outcome::Pending { .. }));
    desk.answer("consent-sign-task", Answer::done(&[("state", "OPEN"), ("taskId", "T1")])).await;
    desk.answer("consent-submit", signed()).await;
    let consent = format!("Consent/{}", command.id("consent"));
    let Outcome::Resource(reference) = desk.outcome(&command).await.unwrap() else { panic!() };
    assert_eq!(reference.to_string(), consent);
    (consent, format!("DocumentReference/{}", command.id("document")))
}

async fn told(desk: &Desk, input: Vec<Object>) -> Vec<Object> {
    match desk.give(&desk.ask(desk.patient(), "start", None, input)).await.unwrap() {
        Outcome::Parameters(told) => told,
        _ => panic!("parameters were expected"),
    }
}

fn value(told: &[Object], name: &str) -> Option<Json> {
    let found = told.iter().find(|one| one.get("name").and_then(Json::as_str) == Some(name))?;
    found.iter().find(|(key, _)| key.starts_with("value")).map(|(_, value)| value.clone())
}

#[tokio::test]
async fn con_4_the_text_is_told_in_the_language_asked_for_or_as_the_master_text() {
    let Some(desk) = desk().await else { return };
    let english = told(&desk, vec![text("language", "en"), reference("patient", "Patient/r-p1")]).await;
    assert_eq!(value(&english, "template"), Some("urn:impf:consent:booking|2".into()));
    assert_eq!(value(&english, "text"), Some(ENGLISH.into()));
    assert_eq!(value(&english, "in-force"), Some(Json::Bool(false)));
    let fee = english.iter().find(|one| one.get("name").and_then(Json::as_str) == Some("fee")).unwrap();
    assert_eq!(fee.get("part").unwrap().items()[0].get("valueString"), Some(&"Consultation".into()));
    let untranslated = told(&desk, vec![text("language", "zh-Hant")]).await;
    assert_eq!(value(&untranslated, "language"), Some("zh-Hans".into()));
    assert_eq!(value(&untranslated, "text"), Some(CHINESE.into()));
    let hant = with(input(0), text("language", "zh-Hant"));
    assert_eq!(refused(&desk, hant).await, "LANGUAGE", "what was not shown is not signed");
    assert_eq!(
        desk.give(&desk.ask(desk.patient(), "start", None, vec![text("category", "insurer")]))
            .await
            .unwrap_err(),
        "NOT_FOUND"
    );
}

#[tokio::test]
async fn con_1_a_signed_consent_lets_a_visit_be_held() {
    let Some(desk) = desk().await else { return };
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "CONSENT_REQUIRED");
    let command = sign(&desk, input(0));
    desk.give(&command).await.unwrap();
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "CONSENT_REQUIRED", "it is not signed yet");
    desk.answer("consent-sign-task", Answer::done(&[("taskId", "T1")])).await;
    desk.answer("consent-submit", signed()).await;
    assert!(desk.give(&desk.hold(0, 0)).await.is_ok());
    assert_eq!(
        desk.give(&desk.hold(1, 1)).await.unwrap_err(),
        "CONSENT_REQUIRED",
        "another person's is his own"
    );
}

#[tokio::test]
async fn con_2_a_new_version_and_a_year_end_a_consent_and_an_old_version_is_not_signed() {
    let Some(desk) = desk().await else { return };
    in_force(&desk, input(0)).await;
    let holds = async |desk: &Desk| {
        value(&told(desk, vec![reference("patient", "Patient/r-p0")]).await, "in-force")
            == Some(Json::Bool(true))
    };
    assert!(holds(&desk).await);
    desk.later(Duration::days(366));
    assert!(!holds(&desk).await, "twelve months");
    desk.later(Duration::days(-300));
    assert!(holds(&desk).await);
    desk.put(&template("booking", "3", "active")).await;
    desk.change("Questionnaire/consent-booking-2", |tree| tree.set("status", "retired")).await;
    assert!(!holds(&desk).await, "a new version");
    assert_eq!(refused(&desk, input(0)).await, "CONSENT_VERSION");
}

#[tokio::test]
async fn con_3_too_few_strokes_and_no_picture_are_no_signature() {
    let Some(desk) = desk().await else { return };
    for strokes in ["[]", "[[[1,2,0],[3,4,9]]]", "[[[1,2,0]],[[3,4,9]]]", "a name"] {
        assert_eq!(
            refused(&desk, with(input(0), text("strokes", strokes))).await,
            "HANDWRITING",
            "{strokes}"
        );
    }
    for picture in ["", "no picture", "JVBERi0xLjc="] {
        let code = refused(&desk, with(input(0), text("handwriting", picture))).await;
        assert!(matches!(code, "HANDWRITING" | "REQUIRED"), "{picture}");
    }
    let broken = STANDARD.encode([&HANDWRITING[..40], b"and no more"].concat());
    assert_eq!(refused(&desk, with(input(0), text("handwriting", &broken))).await, "HANDWRITING");
    assert!(!desk.is_asked("consent-sign-task").await);
}

#[tokio::test]
async fn con_3_everything_of_a_signature_is_kept() {
    let Some(desk) = desk().await else { return };
    let (consent, document) = in_force(&desk, input(0)).await;
    let attachment =
        async |nth: &str, member: &str| desk.text(&document, &["content", nth, "attachment", member]).await;
    assert_eq!(desk.text(&document, &["docStatus"]).await, "final");
    assert_eq!(STANDARD.decode(attachment("0", "data").await).unwrap(), b"%PDF-1.7 signed");
    assert_eq!(
        desk.text(&document, &["content", "0", "attachment", "extension", "0", "valueString"]).await,
        "0f"
    );
    assert_eq!(STANDARD.decode(attachment("1", "data").await).unwrap(), HANDWRITING);
    assert_eq!(STANDARD.decode(attachment("2", "data").await).unwrap(), STROKES.as_bytes());
    assert_eq!(attachment("0", "language").await, "en");
    let kept = desk.read(&consent).await;
    let extension = |name: &str| {
        let found = hub_workflows::fhir::extension(&kept, &format!("urn:impf:ext:{name}"));
        let found = found.and_then(Json::as_object).unwrap();
        found.iter().find(|(key, _)| key.starts_with("value")).and_then(|(_, value)| value.as_str()).unwrap()
    };
    assert_eq!(extension("network-address"), "203.0.113.7");
    assert_eq!(extension("device"), "a phone");
    assert_eq!(extension("language"), "en");
    assert_eq!(desk.text(&consent, &["status"]).await, "active");
    assert_eq!(desk.text(&consent, &["dateTime"]).await, "2026-05-29T10:01:00+08:00");
    // CON-6: the evidence names the check of the identity.
    assert_eq!(
        desk.text(&consent, &["verification", "0", "extension", "0", "valueString"]).await,
        "SMS 8F3A"
    );
    assert_eq!(desk.text(&document, &["identifier", "0", "value"]).await, "EV0001");
    assert_eq!(desk.find("Provenance", &[("target", &consent)]).await.len(), 1);
}

#[tokio::test]
async fn con_5_who_may_sign() {
    let Some(desk) = desk().await else { return };
    assert_eq!(refused(&desk, input(1)).await, "SIGNER", "the account's owner for another adult");
    assert_eq!(
        refused(&desk, with(input(1), related("A1234563"))).await,
        "SIGNER",
        "without a power of attorney"
    );
    assert_eq!(refused(&desk, input(2)).await, "SIGNER", "a child");
    assert_eq!(refused(&desk, with(input(2), related("A1234564"))).await, "ID_NUMBER", "a guardian's paper");
    let mut unrelated = related("A1234563");
    unrelated.get_mut("resource").and_then(Json::as_object_mut).unwrap().remove("relationship");
    assert_eq!(refused(&desk, with(input(2), unrelated)).await, "REQUIRED", "a guardian's relation");
    let other = desk.ask(desk.who(&[Role::Patient], Some("Person/other")), "sign", None, input(0));
    assert_eq!(desk.give(&other).await.unwrap_err(), "NOT_FOUND", "another account");

    // The adult himself, by his face.
    let face = with(input(1), text("identity-method", "FACE"));
    assert!(matches!(desk.give(&sign(&desk, face)).await.unwrap(), Outcome::Pending { .. }));
    desk.answer("consent-sign-task", Answer::refused("1005")).await;
    // A child's guardian.
    let guardian = sign(&desk, with(input(2), related("A1234563")));
    desk.give(&guardian).await.unwrap();
    let asked = desk.answer("consent-sign-task", Answer::done(&[("taskId", "T2")])).await;
    assert_eq!(
        (asked.inputs["signer-name"].as_str(), asked.inputs["relation"].as_str()),
        ("陳志明", "guardian")
    );
    let performer =
        desk.text(&format!("Consent/{}", guardian.id("consent")), &["performer", "0", "reference"]).await;
    assert_eq!(desk.text(&performer, &["identifier", "0", "value"]).await, "A1234563");
    desk.answer("consent-submit", signed()).await;
    // An agent with a power of attorney, of this person and no other.
    for (subject, may) in [("Patient/r-p0", false), ("Patient/r-p1", true)] {
        desk.put(&format!(
            r#"{{"resourceType":"DocumentReference","id":"power","status":"current","subject":{{"reference":"{subject}"}},
            "type":{{"coding":[{{"system":"urn:impf:cs:document","code":"power-of-attorney"}}]}},"content":[{{"attachment":{{"title":"授权委托书"}}}}]}}"#
        ))
        .await;
        let agent =
            with(with(input(1), related("A1234563")), reference("authorization", "DocumentReference/power"));
        assert_eq!(desk.give(&sign(&desk, agent)).await.is_ok(), may, "{subject}");
    }
}

#[tokio::test]
async fn con_6_what_the_service_refuses_is_no_consent() {
    for (answer, code) in [
        ("1005", "IDENTITY"),
        ("1006", "SIGN_EXPIRED"),
        ("1001", "SIGN_REFUSED"),
        ("given-up", "PARTNER_DOWN"),
    ] {
        let Some(desk) = desk().await else { return };
        let command = sign(&desk, input(0));
        desk.give(&command).await.unwrap();
        desk.answer("consent-sign-task", Answer::done(&[("taskId", "T1")])).await;
        desk.answer("consent-submit", Answer::refused(answer)).await;
        assert_eq!(desk.outcome(&command).await.unwrap_err(), code, "{answer}");
        assert_eq!(desk.text(&format!("Consent/{}", command.id("consent")), &["status"]).await, "rejected");
        assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "CONSENT_REQUIRED");
    }
}

#[tokio::test]
async fn con_7_each_consent_is_taken_back_by_itself_and_it_is_on_record() {
    let Some(desk) = desk().await else { return };
    for category in ["insurer", "cross-border"] {
        desk.put(&template(category, "1", "active")).await;
    }
    let of = |category: &str| with(input(0), text("template", &format!("urn:impf:consent:{category}|1")));
    let (insurer, _) = in_force(&desk, of("insurer")).await;
    in_force(&desk, of("cross-border")).await;
    let holds = async |category: &str| {
        let asked = vec![reference("patient", "Patient/r-p0"), text("category", category)];
        value(&told(&desk, asked).await, "in-force").unwrap()
    };
    assert_eq!((holds("insurer").await, holds("cross-border").await), (Json::Bool(true), Json::Bool(true)));
    assert_eq!(holds("booking").await, Json::Bool(false), "they are separate");

    let stranger = desk.who(&[Role::Patient], Some("Person/other"));
    assert_eq!(
        desk.give(&desk.ask(stranger, "revoke", Some(&insurer), Vec::new())).await.unwrap_err(),
        "NOT_FOUND"
    );
    let revoke = desk.ask(desk.patient(), "revoke", Some(&insurer), vec![text("reason", "no more")]);
    desk.give(&revoke).await.unwrap();
    assert_eq!((holds("insurer").await, holds("cross-border").await), (Json::Bool(false), Json::Bool(true)));
    assert_eq!(desk.text(&insurer, &["status"]).await, "inactive");
    let record = format!("Provenance/{}", revoke.id("revoke"));
    assert_eq!(desk.text(&record, &["agent", "0", "who", "reference"]).await, "Person/r-me");
    assert_eq!(desk.text(&record, &["reason", "0", "text"]).await, "no more");
    let again = desk.ask(desk.patient(), "revoke", Some(&insurer), Vec::new());
    assert_eq!(desk.give(&again).await.unwrap_err(), "NOT_ACTIVE");
}

#[tokio::test]
async fn con_8_a_template_is_published_by_its_author_and_a_legal_reviewer() {
    let Some(desk) = desk().await else { return };
    desk.put(&template("booking", "3", "draft")).await;
    let draft = "Questionnaire/consent-booking-3";
    let administrator = |who: &str| desk.who(&[Role::Operations, Role::Administrator], Some(who));
    let publish = async |who: Who, role: &str| {
        desk.give(&desk.ask(who, "publish", Some(draft), vec![text("as", role)])).await
    };
    assert_eq!(publish(desk.operations(), "legal").await.unwrap_err(), "ROLE");
    publish(administrator("Practitioner/a"), "author").await.unwrap();
    assert_eq!(desk.text(draft, &["status"]).await, "draft", "one is not enough");
    assert_eq!(publish(administrator("Practitioner/a"), "legal").await.unwrap_err(), "TWO_PEOPLE");
    publish(administrator("Practitioner/b"), "legal").await.unwrap();
    assert_eq!(desk.text(draft, &["status"]).await, "active");
    assert_eq!(desk.text("Questionnaire/consent-booking-2", &["status"]).await, "retired");
    assert_eq!(
        publish(administrator("Practitioner/b"), "legal").await.unwrap_err(),
        "TEMPLATE",
        "it is no draft"
    );
    assert_eq!(desk.find("Provenance", &[("target", draft)]).await.len(), 2);
    // A text without its Chinese is none.
    desk.put(r#"{"resourceType":"Questionnaire","id":"bare","url":"urn:impf:consent:booking","version":"4","status":"draft"}"#).await;
    let bare = desk.ask(
        administrator("Practitioner/a"),
        "publish",
        Some("Questionnaire/bare"),
        vec![text("as", "author")],
    );
    assert_eq!(desk.give(&bare).await.unwrap_err(), "TEMPLATE");
}

#[tokio::test]
async fn what_the_service_tells_by_itself_counts_once_and_also_when_its_answer_was_lost() {
    let Some(desk) = desk().await else { return };
    let command = sign(&desk, input(0));
    desk.give(&command).await.unwrap();
    desk.answer("consent-sign-task", Answer::done(&[("taskId", "T1")])).await;
    // The notice is there before the answer.
    desk.reported("T1", "SIGNED").await;
    desk.answer("consent-submit", signed()).await;
    assert!(matches!(desk.outcome(&command).await.unwrap(), Outcome::Resource(_)));
    desk.answer("consent-query", signed()).await;
    assert!(matches!(desk.outcome(&command).await.unwrap(), Outcome::Resource(_)));

    let lost = sign(&desk, input(0));
    desk.give(&lost).await.unwrap();
    desk.answer("consent-sign-task", Answer::done(&[("taskId", "T3")])).await;
    desk.no_answer("consent-submit").await;
    assert_eq!(desk.outcome(&lost).await.unwrap_err(), "PARTNER_DOWN");
    desk.reported("T3", "SIGNED").await;
    desk.answer("consent-query", signed()).await;
    assert_eq!(desk.text(&format!("Consent/{}", lost.id("consent")), &["status"]).await, "active");

    let other = sign(&desk, input(0));
    desk.give(&other).await.unwrap();
    desk.answer("consent-sign-task", Answer::done(&[("taskId", "T2")])).await;
    desk.reported("T2", "EXPIRED").await;
    assert_eq!(desk.outcome(&other).await.unwrap_err(), "SIGN_REFUSED");
}

#[tokio::test]
async fn the_same_signature_sent_twice_is_one() {
    let Some(desk) = desk().await else { return };
    let command = sign(&desk, input(0));
    desk.give(&command).await.unwrap();
    desk.give(&command).await.unwrap();
    assert_eq!(desk.find("Consent", &[("patient", "Patient/r-p0"), ("status", "proposed")]).await.len(), 1);
    desk.answer("consent-sign-task", Answer::done(&[("taskId", "T1")])).await;
    assert!(!desk.is_asked("consent-sign-task").await);
}
