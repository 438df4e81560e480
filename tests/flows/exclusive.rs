//! A doctor without a roster: a patient asks, operations open a session in the HIS and keep a place, the patient books and pays it.

use serde_json::{Value, json};

use crate::booking::{Bank, Hospital, call, furnish, read, stands, token};
use crate::harness::{Hub, Setup};

/// What a search finds first, as soon as it finds something.
async fn first(hub: &Hub, search: &str) -> Value {
    for _ in 0..300 {
        let found = read(hub, search).await;
        if let Some(entry) = found["entry"].as_array().and_then(|entries| entries.first()) {
            return entry["resource"].clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("nothing is found by {search}: {}", read(hub, search).await);
}

fn parameters(parameter: Value) -> Value {
    json!({ "resourceType": "Parameters", "parameter": parameter })
}

fn of(name: &str, to: &str) -> Value {
    json!({ "name": name, "valueReference": { "reference": to } })
}

/// A doctor of rank 副高 whom no roster names.
async fn without_roster(hub: &Hub) -> Value {
    for _ in 0..100 {
        let found = read(hub, "PractitionerRole?role=urn:impf:cs:title|232&_count=100").await;
        let rosters =
            read(hub, "Schedule?_count=1&_summary=count").await["total"].as_u64().unwrap_or_default();
        for entry in found["entry"].as_array().into_iter().flatten().filter(|_| rosters > 100) {
            let doctor = entry["resource"]["practitioner"]["reference"].as_str().unwrap();
            if read(hub, &format!("Schedule?actor={doctor}&_summary=count")).await["total"] == 0 {
                return entry["resource"].clone();
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("every doctor has a roster");
}

#[tokio::test]
async fn a_doctor_without_roster_is_asked_for_gets_a_session_and_is_booked() {
    let (hospital, bank) = (Hospital::open().await, Bank::open(Vec::new()).await);
    let mut setup =
        Setup::default().set(format!("channels.\"his/errands\".to.his.url=\"{}\"", hospital.url()));
    for channel in ["rosters", "masters"] {
        setup = setup
            .set(format!("channels.\"his/{channel}\".settings.service.url=\"{}\"", hospital.url()))
            .set(format!("channels.\"his/{channel}\".settings.every_secs=1"));
    }
    let hub = Hub::start(&bank.known(setup)).await;
    furnish(&hub, &hospital).await;
    let role = without_roster(&hub).await;
    let (doctor, house) = (
        role["practitioner"]["reference"].as_str().unwrap(),
        role["organization"]["reference"].as_str().unwrap(),
    );
    let me = token(&hub, &["--role", "patient", "--for", "Person/me"]);
    let desk = token(&hub, &["--role", "operations"]);

    // The patient asks.
    let day = (time::OffsetDateTime::now_utc().to_offset(time::macros::offset!(+8))
        + time::Duration::days(5))
    .date();
    let wish = parameters(json!([
        of("patient", "Patient/p"), { "name": "type", "valueCode": "doctor" }, of("doctor", doctor),
        { "name": "period", "valuePeriod": { "start": format!("{day}T19:00:00+08:00"), "end": format!("{day}T20:00:00+08:00") } },
        { "name": "reason", "valueString": "a second opinion" }, { "name": "contact", "valueString": "+85261234567" } ]));
    let (status, request) = call(&hub, "Appointment/$request", &me, wish).await;
    assert_eq!(status, 200, "{request}");
    let request = format!("Appointment/{}", request["id"].as_str().unwrap());

    // Operations claim it and open a session, which the HIS takes; its slots come with the roster.
    let (status, claimed) =
        call(&hub, &format!("{request}/$claim"), &desk, json!({ "resourceType": "Parameters" })).await;
    assert_eq!(status, 200, "{claimed}");
    let fee =
        |name: &str, yuan: f64| json!({ "name": name, "valueMoney": { "value": yuan, "currency": "CNY" } });
    let session = parameters(json!([
        of("doctor", doctor), of("department", house),
        { "name": "start", "valueDateTime": format!("{day}T19:00:00+08:00") }, { "name": "end", "valueDateTime": format!("{day}T20:00:00+08:00") },
        { "name": "clinic", "valueCode": "international" }, { "name": "capacity", "valuePositiveInt": 3 },
        fee("registration-fee", 100.0), fee("consultation-fee", 900.0) ]));
    let (status, opened) = call(&hub, "Schedule/$open", &desk, session.clone()).await;
    assert_eq!(status, 200, "{opened}");
    assert_eq!(opened["planningHorizon"]["start"], format!("{day}T19:00:00+08:00"));
    let (status, clash) = call(&hub, "Schedule/$open", &desk, session).await;
    assert_eq!((status, &clash["issue"][0]["details"]["coding"][0]["code"]), (409, &json!("CLASH_DOCTOR")));
    let schedule = format!("Schedule/{}", opened["id"].as_str().unwrap());
    let slot = first(&hub, &format!("Slot?schedule={schedule}&status=free&_sort=start")).await;
    let slot = format!("Slot/{}", slot["id"].as_str().unwrap());
    let kept = read(&hub, &schedule).await;
    assert!(kept.to_string().contains("urn:impf:ext:temporary"), "the roster leaves it: {kept}");

    // A place is kept; the patient books and pays it, and the request is confirmed.
    let (status, scheduled) =
        call(&hub, &format!("{request}/$schedule"), &desk, parameters(json!([of("slot", &slot)]))).await;
    assert_eq!(status, 200, "{scheduled}");

    // Another number is sold at the hospital's window, and the roster is told anew: the place stays kept.
    let other = first(&hub, &format!("Slot?schedule={schedule}&status=free&_sort=-start")).await;
    let number = other["identifier"][0]["value"].as_str().unwrap();
    hospital.sell(number).await;
    first(&hub, &format!("Slot?_id={}&status=busy", other["id"].as_str().unwrap())).await;
    let kept = read(&hub, &slot).await;
    assert!(kept.to_string().contains("urn:impf:ext:kept-for"), "{kept}");
    let hold = parameters(json!([of("slot", &slot), of("patient", "Patient/p")]));
    let (status, held) = call(&hub, "Appointment/$hold", &me, hold).await;
    assert_eq!(status, 200, "{held}");
    let visit = format!("Appointment/{}", held["id"].as_str().unwrap());
    let how = parameters(json!([{ "name": "method", "valueCode": "h5" }]));
    let (_, order) = call(&hub, &format!("{visit}/$pay"), &me, how).await;
    bank.pay(order["identifier"][0]["value"].as_str().unwrap()).await;
    stands(&hub, &visit, "booked").await;
    stands(&hub, &request, "confirmed").await;
    let traces = read(&hub, &format!("Provenance?target={request}&_summary=count")).await;
    assert_eq!(traces["total"], 3, "who has done what with it (EX-10)");
    hub.stop().await;
}
