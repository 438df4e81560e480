//! Accounts' visit persons: ACC.

use hub_executor::Outcome;
use hub_fhir::{Json, Object, json, tree};
use hub_workflows::Command;

use crate::desk::Desk;
use crate::partner::Answer;

fn person(paper: (&str, &str), birth: &str, gender: &str) -> Object {
    tree! {
        "resourceType" => "Patient",
        "name" => [tree! { "use" => "official", "family" => "陈", "given" => ["思远"] }],
        "identifier" => [tree! { "system" => paper.0, "value" => paper.1 }],
        "birthDate" => birth,
        "gender" => gender,
        "telecom" => [tree! { "system" => "phone", "value" => "13800138000" }],
    }
}

const RESIDENT: &str = "urn:oid:2.16.156.10011.1.3";

fn chen() -> Object {
    person((RESIDENT, "440305198811120011"), "1988-11-12", "male")
}

fn add(desk: &Desk, person: Object) -> Command {
    let relation = tree! { "name" => "relation", "valueCode" => "self" };
    desk.ask(desk.patient(), "add", None, vec![tree! { "name" => "patient", "resource" => person }, relation])
}

async fn refused(desk: &Desk, person: Object) -> &'static str {
    desk.give(&add(desk, person)).await.unwrap_err()
}

async fn links(desk: &Desk) -> usize {
    desk.read("Person/r-me").await.get("link").map(Json::items).unwrap_or_default().len()
}

#[tokio::test]
async fn acc_1_the_eleventh_is_refused_and_a_place_that_is_free_again_is_taken() {
    let desk = Desk::open().await;
    let passports = (0..9).map(|n| {
        person(("http://hl7.org/fhir/sid/passport-GBR", &format!("92566541{n}")), "1980-01-01", "female")
    });
    let passports: Vec<Object> = passports.collect();
    // Three there are already.
    for passport in &passports[..7] {
        desk.give(&add(&desk, passport.clone())).await.unwrap();
    }
    assert_eq!(links(&desk).await, 10);
    assert_eq!(refused(&desk, passports[7].clone()).await, "VP_LIMIT");
    desk.give(&desk.ask(desk.patient(), "remove", Some("Patient/r-p2"), Vec::new())).await.unwrap();
    assert_eq!(desk.read("Patient/r-p2").await.get("active"), Some(&Json::Bool(false)), "it is kept");
    // Two at once for one place.
    let (one, two) = (add(&desk, passports[7].clone()), add(&desk, passports[8].clone()));
    let both = [desk.give(&one).await, desk.give(&two).await];
    let (one, two) = (add(&desk, passports[7].clone()), add(&desk, passports[8].clone()));
    assert_eq!(both.iter().filter(|came| came.is_ok()).count(), 1);
    let at_once = tokio::join!(desk.give(&one), desk.give(&two));
    assert!(at_once.0.is_err() && at_once.1.is_err());
    assert_eq!(links(&desk).await, 10);
}

#[tokio::test]
async fn acc_1_two_at_once_for_the_last_place() {
    let desk = Desk::open().await;
    let passport = |n: usize| {
        person(("http://hl7.org/fhir/sid/passport-GBR", &format!("92566541{n}")), "1980-01-01", "female")
    };
    for n in 0..6 {
        desk.give(&add(&desk, passport(n))).await.unwrap();
    }
    let (one, two) = (add(&desk, passport(7)), add(&desk, passport(8)));
    let (one, two) = tokio::join!(desk.give(&one), desk.give(&two));
    let came = [one, two];
    assert_eq!(came.iter().filter(|came| came.is_ok()).count(), 1, "{came:?}");
    assert!(came.iter().any(|came| matches!(came, Err("VP_LIMIT"))));
}

#[tokio::test]
async fn acc_2_what_the_paper_says_must_agree_and_the_field_is_named() {
    let desk = Desk::open().await;
    assert_eq!(
        refused(&desk, person((RESIDENT, "440305198811120012"), "1988-11-12", "male")).await,
        "ID_NUMBER"
    );
    assert_eq!(
        refused(&desk, person((RESIDENT, "440305198811120011"), "1988-11-13", "male")).await,
        "ID_BIRTH"
    );
    assert_eq!(
        refused(&desk, person((RESIDENT, "440305198811120011"), "1988-11-12", "female")).await,
        "ID_SEX"
    );
    assert_eq!(
        refused(&desk, person((RESIDENT, "440305198811120011"), "2088-11-12", "male")).await,
        "BIRTH_DATE"
    );
    for member in ["name", "identifier", "birthDate", "gender", "telecom"] {
        let mut without = chen();
        without.remove(member);
        assert_eq!(refused(&desk, without).await, "REQUIRED", "{member}");
    }
    let mut phone = chen();
    phone.put("telecom", [tree! { "system" => "phone", "value" => "12" }]);
    assert_eq!(refused(&desk, phone).await, "PHONE");
}

#[tokio::test]
async fn acc_4_a_record_is_made_or_found_and_never_doubled() {
    let desk = Desk::open().await;
    let command = add(&desk, chen());
    assert!(matches!(desk.give(&command).await.unwrap(), Outcome::Pending { .. }));
    let asked = desk.answer("patient-create", Answer::done(&[("PatientId", "1000007")])).await;
    assert_eq!((asked.inputs["id-type"].as_str(), asked.inputs["phone"].as_str()), ("01", "+8613800138000"));
    assert_eq!(asked.inputs["name"], "陈思远");
    let Outcome::Resource(patient) = desk.outcome(&command).await.unwrap() else { panic!("it is there") };
    let tree = desk.read(&patient.to_string()).await;
    assert_eq!(hub_workflows::fhir::number(&tree, "urn:impf:his:patient"), Some("1000007"));
    assert_eq!(refused(&desk, chen()).await, "VP_THERE");
    // Another account has the same person: a Patient of its own, and the one record (2002 tells its number).
    let mut other = add(&desk, chen());
    other.who = desk.who(&[hub_core::who::Role::Patient], Some("Person/other"));
    desk.give(&other).await.unwrap();
    desk.answer("patient-create", Answer::refused_with("2002", &[("PatientId", "1000007")])).await;
    let Outcome::Resource(second) = desk.outcome(&other).await.unwrap() else { panic!("it is there") };
    assert_ne!(second, patient);
    let tree = desk.read(&second.to_string()).await;
    assert_eq!(hub_workflows::fhir::number(&tree, "urn:impf:his:patient"), Some("1000007"));
}

#[tokio::test]
async fn acc_4_a_person_whom_the_hospital_knows_otherwise_is_not_added() {
    let desk = Desk::open().await;
    let command = add(&desk, chen());
    desk.give(&command).await.unwrap();
    assert_eq!(links(&desk).await, 4);
    desk.answer("patient-create", Answer::refused("2003")).await;
    assert_eq!(desk.outcome(&command).await.unwrap_err(), "ARCHIVE_DIFFERS");
    assert_eq!(links(&desk).await, 3);
}

#[tokio::test]
async fn acc_5_a_child_has_a_guardian() {
    let desk = Desk::open().await;
    // The day is in June 2026.
    let child = |birth: &str| person(("http://hl7.org/fhir/sid/passport-GBR", "925665416"), birth, "female");
    assert_eq!(refused(&desk, child("2015-01-01")).await, "GUARDIAN");
    assert_eq!(refused(&desk, child("2010-01-01")).await, "GUARDIAN");
    let phone = r#"[{"telecom":[{"system":"phone","value":"+8613800138001"}]}]"#;
    let with = |birth: &str, contact: &str| {
        let mut child = child(birth);
        child.set("contact", json::parse(contact).unwrap());
        child
    };
    assert_eq!(refused(&desk, with("2015-01-01", phone)).await, "GUARDIAN", "a name as well");
    assert!(desk.give(&add(&desk, with("2010-01-01", phone))).await.is_ok());
    let desk = Desk::open().await;
    let named = r#"[{"name":{"family":"陈","given":["明"]},"telecom":[{"system":"phone","value":"+8613800138001"}]}]"#;
    assert!(desk.give(&add(&desk, with("2015-01-01", named))).await.is_ok());
}

#[tokio::test]
async fn acc_7_while_something_is_open_nobody_is_removed() {
    let desk = Desk::open().await;
    let remove = || desk.ask(desk.patient(), "remove", Some("Patient/r-p0"), Vec::new());
    let appointment = desk.held(0, 0).await;
    assert_eq!(desk.give(&remove()).await.unwrap_err(), "VP_OPEN");
    desk.give(&desk.ask(desk.patient(), "cancel", Some(&appointment), Vec::new())).await.unwrap();
    desk.events().await;
    assert_eq!(desk.state(&appointment).await, "released");
    assert!(desk.give(&remove()).await.is_ok());
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "NOT_FOUND");
}
