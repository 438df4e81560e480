//! Exclusive bookings: EX-1 to EX-5, EX-9, EX-10.

use hub_executor::{CommandError, Outcome};
use hub_fhir::{Json, Object, tree};
use hub_workflows::Command;
use time::Duration;

use crate::desk::{Desk, reference};
use crate::partner::Answer;

fn text(name: &str, value: &str) -> Object {
    tree! { "name" => name, "valueString" => value }
}

fn code(name: &str, value: &str) -> Object {
    tree! { "name" => name, "valueCode" => value }
}

/// A time that would suit, so many hours from now.
fn period(desk: &Desk, from: i64, to: i64) -> Object {
    let at = |hours: i64| hub_workflows::fhir::instant(desk.now() + Duration::hours(hours));
    tree! { "name" => "period", "valuePeriod" => tree! { "start" => at(from), "end" => at(to) } }
}

/// A wish for a doctor without a roster, all that is needed.
fn wish(desk: &Desk) -> Vec<Object> {
    vec![
        reference("patient", "Patient/r-p0"),
        code("type", "doctor"),
        reference("doctor", "Practitioner/none"),
        period(desk, 30, 32),
        text("reason", "a second opinion"),
        text("contact", "+85261234567"),
        code("language", "zh-Hant"),
    ]
}

async fn open() -> Desk {
    let desk = Desk::open().await;
    desk.put(r#"{"resourceType":"Practitioner","id":"none","active":true}"#).await;
    desk
}

async fn request(desk: &Desk) -> String {
    let command = desk.ask(desk.patient(), "request", None, wish(desk));
    match desk.give(&command).await.unwrap() {
        Outcome::Resource(made) => made.to_string(),
        other => panic!("{other:?}"),
    }
}

fn at_desk(desk: &Desk, act: &'static str, on: &str, input: Vec<Object>) -> Command {
    desk.ask(desk.operations(), act, Some(on), input)
}

#[tokio::test]
async fn ex_1_and_ex_2_a_request_needs_its_fields_and_each_is_named_that_is_wrong() {
    let desk = open().await;
    let without = |name: &str| -> Vec<Object> {
        wish(&desk).into_iter().filter(|one| one.get("name").and_then(Json::as_str) != Some(name)).collect()
    };
    for (name, refused) in [
        ("patient", "REQUIRED"),
        ("type", "REQUIRED"),
        ("doctor", "REQUIRED"),
        ("period", "PERIODS"),
        ("reason", "REQUIRED"),
        ("contact", "REQUIRED"),
    ] {
        let command = desk.ask(desk.patient(), "request", None, without(name));
        let Err(CommandError::Refused(why)) = desk.executor.command(&command).await else { panic!("{name}") };
        assert_eq!((why.code, why.field.as_deref()), (refused, Some(name)));
    }
    let with = |more: Vec<Object>, but: &str| [without(but), more].concat();
    for (input, refused) in [
        (with(vec![code("type", "bed")], "type"), "ONE_OF"),
        (with(vec![code("type", "examination")], "type"), "REQUIRED"),
        (with(vec![reference("doctor", "Practitioner/nobody")], "doctor"), "REFERENCE"),
        (with(vec![period(&desk, 3, 2)], "period"), "PERIODS"),
        (with(vec![period(&desk, -3, 2)], "period"), "PERIODS"),
        (with((1..=4).map(|n| period(&desk, n * 10, n * 10 + 1)).collect(), "period"), "PERIODS"),
        (with(vec![text("contact", "61234567")], "contact"), "PHONE"),
        (with(vec![reference("patient", "Patient/stranger")], "patient"), "NOT_FOUND"),
    ] {
        let command = desk.ask(desk.patient(), "request", None, input);
        assert_eq!(desk.give(&command).await.unwrap_err(), refused);
    }
    desk.change("Consent/r-c0", |tree| tree.set("status", "inactive")).await;
    let command = desk.ask(desk.patient(), "request", None, wish(&desk));
    assert_eq!(desk.give(&command).await.unwrap_err(), "CONSENT_REQUIRED"); // CON-1
}

#[tokio::test]
async fn ex_3_of_two_who_claim_at_once_one_is_told_that_he_is_late() {
    let desk = open().await;
    let request = request(&desk).await;
    assert_eq!(desk.state(&request).await, "requested");
    let other = || {
        let who =
            hub_core::who::Who { account: hub_fhir::Id::new("colleague").unwrap(), ..desk.operations() };
        desk.ask(who, "claim", Some(&request), Vec::new())
    };
    let (mine, theirs) = (at_desk(&desk, "claim", &request, Vec::new()), other());
    let (one, two) = tokio::join!(desk.give(&mine), desk.give(&theirs));
    let late = [&one, &two].into_iter().filter(|came| matches!(came, Err("CLAIMED"))).count();
    assert_eq!((late, desk.state(&request).await.as_str()), (1, "claimed"), "{one:?} {two:?}");
    let (winner, loser) =
        if one.is_ok() { (desk.operations(), other().who) } else { (other().who, desk.operations()) };
    desk.give(&desk.ask(winner, "claim", Some(&request), Vec::new())).await.unwrap();
    let fixed = vec![text("place", "x")];
    assert_eq!(desk.give(&desk.ask(loser, "schedule", Some(&request), fixed)).await.unwrap_err(), "CLAIMED");
}

#[tokio::test]
async fn ex_4_a_request_that_waits_two_hours_is_put_before_everybodys_eyes() {
    let desk = open().await;
    let waiting = request(&desk).await;
    desk.passes(Duration::minutes(119)).await;
    assert!(desk.alarms().await.is_empty());
    desk.passes(Duration::minutes(2)).await;
    assert_eq!(desk.alarms().await, ["exclusive-waits"]);
    desk.give(&at_desk(&desk, "claim", &waiting, Vec::new())).await.unwrap();
    assert!(desk.alarms().await.is_empty(), "somebody looks after it");
}

#[tokio::test]
async fn ex_5_with_a_slot_it_is_kept_for_the_patient_who_books_it_and_the_request_is_confirmed() {
    let desk = open().await;
    let request = request(&desk).await;
    let slot = || vec![reference("slot", "Slot/r-slot0")];
    assert_eq!(desk.give(&at_desk(&desk, "schedule", &request, slot())).await.unwrap_err(), "CLAIM_FIRST");
    desk.give(&at_desk(&desk, "claim", &request, Vec::new())).await.unwrap();
    desk.give(&at_desk(&desk, "schedule", &request, slot())).await.unwrap();
    assert_eq!(desk.state(&request).await, "scheduled");
    assert_eq!(desk.told(0).await, ["exclusive-scheduled"]);
    // Nobody else gets it.
    assert_eq!(desk.give(&desk.hold(0, 1)).await.unwrap_err(), "SLOT_TAKEN");
    assert_eq!(desk.give(&at_desk(&desk, "confirm", &request, Vec::new())).await.unwrap_err(), "PAY_FIRST");
    let (visit, _) = desk.booked(0, 0).await;
    assert_eq!(desk.state(&request).await, "confirmed");
    let supporting = desk.read(&request).await.get("supportingInformation").unwrap().items().to_vec();
    assert!(supporting.iter().any(|one| one.get("reference").and_then(Json::as_str) == Some(&visit)));
}

#[tokio::test]
async fn ex_5_what_is_agreed_by_phone_is_confirmed_told_and_reminded_of_the_day_before() {
    let desk = open().await;
    let request = request(&desk).await;
    desk.give(&at_desk(&desk, "claim", &request, Vec::new())).await.unwrap();
    let at = |hours: i64| hub_workflows::fhir::instant(desk.now() + Duration::hours(hours));
    let time = |name: &str, hours: i64| tree! { "name" => name, "valueDateTime" => at(hours) };
    let backwards = vec![time("start", 50), time("end", 49), text("place", "Tower 3")];
    assert_eq!(desk.give(&at_desk(&desk, "schedule", &request, backwards)).await.unwrap_err(), "TIMES");
    let fixed = vec![time("start", 50), time("end", 51), text("place", "Tower 3")];
    desk.give(&at_desk(&desk, "schedule", &request, fixed)).await.unwrap();
    desk.give(&at_desk(&desk, "confirm", &request, Vec::new())).await.unwrap();
    assert_eq!(desk.told(0).await, ["exclusive-confirmed", "exclusive-scheduled"]);
    desk.passes(Duration::hours(27)).await;
    assert_eq!(desk.told(0).await, ["exclusive-confirmed", "exclusive-reminder", "exclusive-scheduled"]);
    let done = vec![code("outcome", "done"), text("reason", "he came")];
    desk.give(&at_desk(&desk, "close", &request, done)).await.unwrap();
    assert_eq!(
        (desk.state(&request).await.as_str(), desk.text(&request, &["status"]).await.as_str()),
        ("done", "fulfilled")
    );
    assert_eq!(desk.give(&at_desk(&desk, "claim", &request, Vec::new())).await.unwrap_err(), "REQUEST_OVER");
}

#[tokio::test]
async fn ex_5_a_slot_that_was_kept_is_anybodys_again_when_another_time_is_fixed_or_the_request_ends() {
    let desk = open().await;
    let request = request(&desk).await;
    desk.give(&at_desk(&desk, "claim", &request, Vec::new())).await.unwrap();
    for slot in ["Slot/r-slot0", "Slot/r-slot1"] {
        desk.give(&at_desk(&desk, "schedule", &request, vec![reference("slot", slot)])).await.unwrap();
    }
    assert!(desk.give(&desk.hold(0, 1)).await.is_ok());
    desk.answer("slot-lock", Answer::refused("3001")).await;
    assert_eq!(desk.give(&desk.hold(1, 2)).await.unwrap_err(), "SLOT_TAKEN");
    let why = vec![code("outcome", "cancelled"), text("reason", "he is ill")];
    desk.give(&at_desk(&desk, "close", &request, why)).await.unwrap();
    assert!(desk.give(&desk.hold(1, 2)).await.is_ok());
    assert!(desk.told(0).await.contains(&"exclusive-cancelled".to_owned()));
}

#[tokio::test]
async fn ex_9_a_patient_withdraws_only_what_nobody_looks_after_yet() {
    let desk = open().await;
    let (first, second) = (request(&desk).await, request(&desk).await);
    let withdraw = |on: &str| desk.ask(desk.patient(), "withdraw", Some(on), Vec::new());
    desk.give(&withdraw(&first)).await.unwrap();
    assert_eq!(desk.text(&first, &["status"]).await, "cancelled");
    desk.give(&withdraw(&first)).await.unwrap();
    desk.give(&at_desk(&desk, "claim", &second, Vec::new())).await.unwrap();
    assert_eq!(desk.give(&withdraw(&second)).await.unwrap_err(), "CANCEL_TOO_LATE");
    let stranger = desk.ask(
        desk.who(&[hub_core::who::Role::Patient], Some("Person/other")),
        "withdraw",
        Some(&second),
        Vec::new(),
    );
    assert_eq!(desk.give(&stranger).await.unwrap_err(), "NOT_FOUND");
}

#[tokio::test]
async fn ex_10_each_change_says_who_when_from_what_and_to_what() {
    let desk = open().await;
    let request = request(&desk).await;
    desk.give(&at_desk(&desk, "claim", &request, Vec::new())).await.unwrap();
    let why = vec![code("outcome", "not-done"), text("reason", "no time was found")];
    desk.give(&at_desk(&desk, "close", &request, why)).await.unwrap();
    let mut steps = Vec::new();
    for trace in desk.find("Provenance", &[("target", &request), ("_count", "10")]).await {
        let tree = desk.read(&trace).await;
        let step = |name: &str| {
            let found = hub_workflows::fhir::extension(&tree, &format!("urn:impf:ext:{name}"));
            found.and_then(|one| one.get("valueCode")?.as_str()).unwrap_or("-").to_owned()
        };
        assert!(desk.text(&trace, &["recorded"]).await.ends_with("+08:00"));
        assert!(!desk.text(&trace, &["agent", "0", "who", "identifier", "value"]).await.is_empty());
        steps.push(format!("{} > {}", step("from"), step("to")));
    }
    steps.sort();
    assert_eq!(steps, ["- > requested", "claimed > not-done", "requested > claimed"]);
}
