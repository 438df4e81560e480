//! Temporary sessions: EX-6 to EX-8.

use hub_core::who::Role;
use hub_executor::{CommandError, Outcome};
use hub_fhir::{Json, Object, tree};
use hub_workflows::Command;
use time::{Duration, OffsetDateTime};

use crate::desk::{Desk, reference};
use crate::partner::Answer;

/// The day after tomorrow, at an hour of the hospital.
fn at(desk: &Desk, hour: i64) -> OffsetDateTime {
    let day = hub_workflows::calendar::day(desk.now() + Duration::days(2));
    hub_workflows::calendar::begins(day) + Duration::hours(hour)
}

async fn open() -> Desk {
    let desk = Desk::open().await;
    for (kind, id, system) in [
        ("Practitioner", "doc", "staff"),
        ("Organization", "dept", "department"),
        ("Location", "room", "room"),
        ("Location", "far", "room"),
    ] {
        desk.put(&format!(
            r#"{{"resourceType":"{kind}","id":"{id}","identifier":[{{"system":"urn:impf:his:{system}","value":"{id}"}}]}}"#
        ))
        .await;
    }
    desk
}

/// A session that is there.
async fn session(desk: &Desk, id: &str, actors: &[&str], from: i64, to: i64, active: bool) {
    let actors: Vec<Json> = actors.iter().map(|actor| tree! { "reference" => *actor }.into()).collect();
    let horizon = tree! {
        "start" => hub_workflows::fhir::instant(at(desk, from)), "end" => hub_workflows::fhir::instant(at(desk, to))
    };
    let tree = tree! {
        "resourceType" => "Schedule", "id" => id, "active" => Json::Bool(active), "actor" => actors, "planningHorizon" => horizon,
        "identifier" => [tree! { "system" => "urn:impf:his:schedule", "value" => id }],
    };
    desk.put(&Json::Object(tree).to_text()).await;
}

fn wish(desk: &Desk, from: i64, to: i64) -> Vec<Object> {
    let time = |name: &str, hour: i64| {
        tree! { "name" => name, "valueDateTime" => hub_workflows::fhir::instant(at(desk, hour)) }
    };
    let fee = |name: &str, yuan: &str| {
        let money = tree! { "value" => Json::Number(yuan.into()), "currency" => "CNY" };
        tree! { "name" => name, "valueMoney" => money }
    };
    vec![
        reference("doctor", "Practitioner/doc"),
        reference("department", "Organization/dept"),
        reference("room", "Location/room"),
        time("start", from),
        time("end", to),
        tree! { "name" => "clinic", "valueCode" => "international" },
        tree! { "name" => "capacity", "valuePositiveInt" => 6_i64 },
        fee("registration-fee", "100.00"),
        fee("consultation-fee", "900.00"),
    ]
}

fn ask(desk: &Desk, input: Vec<Object>) -> Command {
    desk.ask(desk.operations(), "open", None, input)
}

#[tokio::test]
async fn ex_6_a_session_needs_its_fields() {
    let desk = open().await;
    for (name, given, refused) in [
        ("doctor", None, "REQUIRED"),
        ("doctor", Some(reference("doctor", "Practitioner/nobody")), "REFERENCE"),
        ("start", None, "REQUIRED"),
        ("clinic", Some(tree! { "name" => "clinic", "valueCode" => "night" }), "ONE_OF"),
        ("capacity", Some(tree! { "name" => "capacity", "valuePositiveInt" => 0_i64 }), "CAPACITY"),
        ("capacity", Some(tree! { "name" => "capacity", "valuePositiveInt" => 201_i64 }), "CAPACITY"),
        ("registration-fee", None, "REQUIRED"),
    ] {
        let mut input: Vec<Object> = wish(&desk, 13, 15);
        input.retain(|one| one.get("name").and_then(Json::as_str) != Some(name));
        input.extend(given);
        let Err(CommandError::Refused(why)) = desk.executor.command(&ask(&desk, input)).await else {
            panic!("{name}")
        };
        assert_eq!((why.code, why.field.as_deref()), (refused, Some(name)));
    }
    for (from, to) in [(15, 13), (13, 40), (-60, -58)] {
        assert_eq!(desk.give(&ask(&desk, wish(&desk, from, to))).await.unwrap_err(), "TIMES");
    }
}

#[tokio::test]
async fn ex_7_a_clash_is_told_with_the_session_and_the_times_that_are_free() {
    let desk = open().await;
    session(&desk, "morning", &["Practitioner/doc"], 8, 12, true).await;
    session(&desk, "other", &["Practitioner/x", "Location/room"], 13, 14, true).await;
    session(&desk, "stopped", &["Practitioner/doc"], 15, 17, false).await;
    for (from, to, code, with) in [(11, 13, "CLASH_DOCTOR", "morning"), (13, 15, "CLASH_ROOM", "other")] {
        let told = desk.executor.command(&ask(&desk, wish(&desk, from, to))).await;
        let Err(CommandError::Refused(why)) = told else { panic!("{from}") };
        assert_eq!((why.code, why.with[0].as_str()), (code, with));
        assert!(why.with[2].contains("14:00-16:00"), "{:?}", why.with);
        let text = why.text(hub_core::language::Language::English);
        assert!(text.contains(with) && text.contains("14:00-16:00") && text.contains("head"), "{text}");
    }
    assert!(!desk.is_asked("session-open").await, "the HIS is not asked");
    // What touches does not clash, nor what was stopped.
    assert!(desk.give(&ask(&desk, wish(&desk, 14, 16))).await.is_ok());
}

#[tokio::test]
async fn ex_6_another_campus_needs_time_to_travel() {
    let desk = open().await;
    for (room, campus) in [("room", "east"), ("far", "west")] {
        desk.change(&format!("Location/{room}"), |tree| {
            hub_workflows::fhir::set_extension(tree, "urn:impf:ext:campus", ("valueString", campus.into()));
        })
        .await;
    }
    session(&desk, "west", &["Practitioner/doc", "Location/far"], 8, 12, true).await;
    assert_eq!(desk.give(&ask(&desk, wish(&desk, 12, 13))).await.unwrap_err(), "CLASH_TRAVEL");
    assert!(desk.give(&ask(&desk, wish(&desk, 13, 14))).await.is_ok());
}

#[tokio::test]
async fn ex_7_a_leader_approves_this_session_and_no_other_and_the_his_decides() {
    let desk = open().await;
    session(&desk, "morning", &["Practitioner/doc"], 8, 12, true).await;
    let asked = || {
        [wish(&desk, 11, 13), vec![tree! { "name" => "ask-head", "valueBoolean" => Json::Bool(true) }]]
            .concat()
    };
    assert_eq!(desk.give(&ask(&desk, asked())).await.unwrap_err(), "REQUIRED", "a reason is needed");
    let why = |text: &str| tree! { "name" => "reason", "valueString" => text };
    let Outcome::Resource(task) =
        desk.give(&ask(&desk, [asked(), vec![why("a guest from abroad")]].concat())).await.unwrap()
    else {
        panic!()
    };
    let task = task.to_string();
    let with = |from: i64| [wish(&desk, from, 13), vec![reference("approval", &task)]].concat();
    assert_eq!(desk.give(&ask(&desk, with(11))).await.unwrap_err(), "APPROVAL", "nobody has approved it yet");
    let head = || desk.who(&[Role::Senior], Some("Practitioner/head"));
    desk.give(&desk.ask(head(), "approve", Some(&task), vec![why("yes")])).await.unwrap();
    assert_eq!(
        desk.give(&desk.ask(head(), "reject", Some(&task), vec![why("no")])).await.unwrap_err(),
        "REQUEST_OVER"
    );
    assert_eq!(desk.give(&ask(&desk, with(10))).await.unwrap_err(), "APPROVAL", "of another time it is none");
    let open = ask(&desk, with(11));
    desk.give(&open).await.unwrap();
    desk.answer("session-open", Answer::refused_with("3008", &[("ConflictScheduleId", "H7")])).await;
    assert_eq!(desk.outcome(&open).await.unwrap_err(), "CLASH_HIS");
    assert_eq!(desk.find("Schedule", &[("identifier", "urn:impf:his:schedule|H7")]).await.len(), 0);
}

#[tokio::test]
async fn ex_8_the_session_is_there_when_the_his_has_taken_it_and_not_before() {
    let desk = open().await;
    let open = ask(&desk, wish(&desk, 13, 15));
    assert!(matches!(desk.give(&open).await.unwrap(), Outcome::Pending { .. }));
    let before = desk.find("Schedule", &[("actor", "Practitioner/doc")]).await;
    assert!(before.is_empty(), "{before:?}");
    let asked = desk.answer("session-open", Answer::done(&[("ScheduleId", "T1")])).await;
    let told = |name: &str| asked.inputs[name].as_str();
    assert_eq!(
        (told("staff"), told("department"), told("room"), told("clinic"), told("capacity")),
        ("doc", "dept", "room", "1", "6")
    );
    assert_eq!((told("start"), told("end"), told("consultation-fee")), ("13:00", "15:00", "900.00"));
    let Outcome::Resource(schedule) = desk.outcome(&open).await.unwrap() else { panic!() };
    let tree = desk.read(&schedule.to_string()).await;
    assert_eq!(hub_workflows::fhir::number(&tree, "urn:impf:his:schedule"), Some("T1"));
    // It clashes with the next one from now on.
    assert_eq!(desk.give(&ask(&desk, wish(&desk, 14, 16))).await.unwrap_err(), "CLASH_DOCTOR");
}

#[tokio::test]
async fn ex_8_what_the_his_does_not_answer_leaves_no_session_and_a_person_finds_out() {
    let desk = open().await;
    let open = ask(&desk, wish(&desk, 13, 15));
    desk.give(&open).await.unwrap();
    desk.no_answer("session-open").await;
    assert_eq!(desk.outcome(&open).await.unwrap_err(), "PARTNER_DOWN");
    assert_eq!(desk.alarms().await, ["session-in-doubt"]);
    assert!(desk.find("Schedule", &[("actor", "Practitioner/doc")]).await.is_empty());
}
