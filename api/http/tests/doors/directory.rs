//! Doctors are found while somebody types, by everybody; what is private of them only the house sees.

use std::time::{Duration, Instant};

use hub_fhir::{Json, Object, Resource, json as fhir_json, tree, validate};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::fake::Answer;
use crate::shelf::Shelf;

const PHONE: &str = "13800138000";

fn of(to: &str) -> Object {
    tree! { "reference" => to }
}

fn doctor(id: &str, name: &str, active: bool) -> Object {
    tree! {
        "resourceType" => "Practitioner", "id" => id, "active" => active, "birthDate" => "1980-05-05",
        "identifier" => [
            tree! { "system" => "urn:impf:his:staff", "value" => format!("N-{id}") },
            tree! { "system" => "urn:id", "value" => "440300198005050000" },
        ],
        "name" => [tree! { "text" => name }],
        "telecom" => [tree! { "system" => "phone", "value" => PHONE }],
        "address" => [tree! { "text" => "Lane 1" }],
    }
}

fn role(id: &str, title: &str) -> Object {
    let title = tree! { "coding" => [tree! { "system" => "urn:impf:cs:title", "code" => title }] };
    tree! {
        "resourceType" => "PractitionerRole", "id" => format!("role-{id}"), "practitioner" => of(&format!("Practitioner/{id}")),
        "organization" => of("Organization/card"), "code" => [title],
        "telecom" => [tree! { "system" => "phone", "value" => PHONE }],
    }
}

fn schedule(id: &str, doctor: &str, active: bool) -> Object {
    tree! { "resourceType" => "Schedule", "id" => id, "active" => active, "actor" => [of(&format!("Practitioner/{doctor}"))] }
}

fn slot(id: &str, schedule: &str, status: &str, hours: i64) -> Object {
    let start = OffsetDateTime::now_utc() + time::Duration::hours(hours);
    let instant = |at| hub_fhir::prepare::instant(at);
    tree! {
        "resourceType" => "Slot", "id" => id, "schedule" => of(&format!("Schedule/{schedule}")), "status" => status,
        "start" => instant(start), "end" => instant(start + time::Duration::minutes(10)),
    }
}

async fn put(shelf: &Shelf, all: impl IntoIterator<Item = Object>) {
    shelf.put(all.into_iter().map(|tree| Resource::from_tree(Json::Object(tree)).unwrap())).await;
}

async fn furnish(shelf: &Shelf) {
    let house = tree! { "resourceType" => "Organization", "id" => "card", "name" => "心内科" };
    let patient =
        tree! { "resourceType" => "Patient", "id" => "p", "generalPractitioner" => [of("Practitioner/a")] };
    let me =
        tree! { "resourceType" => "Person", "id" => "me", "link" => [tree! { "target" => of("Patient/p") }] };
    put(
        shelf,
        [house, doctor("a", "林知远", true), role("a", "231"), doctor("b", "王芳", true), role("b", "232")],
    )
    .await;
    put(shelf, [doctor("c", "李强", true), role("c", "234"), patient, me]).await;
    put(shelf, [schedule("s", "b", true), slot("later", "s", "free", 48), slot("sooner", "s", "free", 24)])
        .await;
    put(shelf, [schedule("stopped", "a", false), slot("no", "stopped", "free", 24)]).await;
}

/// Asks without a token, or as somebody.
async fn asks(shelf: &Shelf, who: Option<&str>, line: &str, body: &str) -> Answer {
    let token = who.map(|who| format!("Bearer {who}"));
    let headers: Vec<(&str, &str)> = token.iter().map(|token| ("authorization", token.as_str())).collect();
    shelf.send(line, &headers, body).await
}

async fn find(shelf: &Shelf, query: &str) -> Value {
    let answer = asks(shelf, None, &format!("GET /fhir/PractitionerRole/$find?{query}"), "").await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let text = answer.text().to_owned();
    let tree = fhir_json::parse(&text).unwrap();
    assert_eq!(validate(tree.as_object().unwrap()), [], "{query}");
    assert!(!text.contains(PHONE) && !text.contains("1980-05-05") && !text.contains("4403001980"), "{text}");
    answer.json()
}

/// Who was found, and whether a visit can be booked.
fn listed(bundle: &Value) -> Vec<(String, bool)> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.iter().filter(|entry| entry["search"]["mode"] == "match");
    let told = |entry: &Value| {
        let bookable =
            entry["extension"].as_array().unwrap().iter().find(|one| one["url"] == "urn:impf:ext:bookable");
        (
            entry["resource"]["id"].as_str().unwrap().to_owned(),
            bookable.unwrap()["valueBoolean"].as_bool().unwrap(),
        )
    };
    matches.map(told).collect()
}

/// Finds until it is as wanted, for five seconds and what a busy machine takes.
async fn until(shelf: &Shelf, query: &str, wanted: &[(&str, bool)]) {
    let begun = Instant::now();
    loop {
        let answer = asks(shelf, None, &format!("GET /fhir/PractitionerRole/$find?{query}"), "").await;
        let found = if answer.status == 200 { listed(&answer.json()) } else { Vec::new() };
        if found.iter().map(|(id, bookable)| (id.as_str(), *bookable)).eq(wanted.iter().copied()) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{query}: {found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn dir_3_each_doctor_found_says_whether_a_visit_can_be_booked_and_the_directory_follows_the_store() {
    for shelf in Shelf::guarded().await.map(Shelf::keeping) {
        furnish(&shelf).await;
        until(&shelf, "", &[("role-b", true), ("role-a", false)]).await;
        let free =
            |bundle: &Value| bundle["entry"][0]["extension"][1]["valueInstant"].as_str().unwrap().to_owned();
        let next = free(&find(&shelf, "").await);
        let expected = hub_fhir::prepare::instant(OffsetDateTime::now_utc() + time::Duration::hours(24));
        assert_eq!(next[..10], expected[..10], "the sooner of two");
        // Somebody takes the slot; then the other one.
        put(&shelf, [slot("sooner", "s", "busy", 24)]).await;
        let begun = Instant::now();
        while free(&find(&shelf, "").await) == next {
            assert!(begun.elapsed() < Duration::from_secs(20), "the slot is taken");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        put(&shelf, [slot("later", "s", "busy", 48)]).await;
        until(&shelf, "", &[("role-a", false), ("role-b", false)]).await;
        // A session is given to another doctor, who is listed while there is a slot (DIR-2).
        put(&shelf, [slot("later", "s", "free", 48)]).await;
        until(&shelf, "", &[("role-b", true), ("role-a", false)]).await;
        put(&shelf, [schedule("s", "c", true)]).await;
        until(&shelf, "", &[("role-c", true), ("role-a", false), ("role-b", false)]).await;
        // A slot is deleted, and is there again.
        let deleted = asks(&shelf, Some("system.s"), "DELETE /fhir/Slot/later", "").await;
        assert!(deleted.status.is_success(), "{}", deleted.text());
        until(&shelf, "", &[("role-a", false), ("role-b", false)]).await;
        put(&shelf, [slot("later", "s", "free", 48)]).await;
        until(&shelf, "", &[("role-c", true), ("role-a", false), ("role-b", false)]).await;
        // DIR-6: who is stopped in the HIS is gone, and a session that is stopped is too.
        put(&shelf, [doctor("a", "林知远", false), schedule("s", "c", false)]).await;
        until(&shelf, "", &[("role-b", false)]).await;
    }
}

#[tokio::test]
async fn doctors_are_found_by_get_and_post_page_by_page_in_the_language_asked_for() {
    for shelf in Shelf::guarded().await.map(Shelf::keeping) {
        furnish(&shelf).await;
        until(&shelf, "", &[("role-b", true), ("role-a", false)]).await;
        for text in ["%E6%9E%97%E7%9F%A5%E9%81%A0", "lin", "lzy", "xinneike+linzhiyuan"] {
            assert_eq!(
                listed(&find(&shelf, &format!("text={text}")).await),
                [("role-a".to_owned(), false)],
                "{text}"
            );
        }
        let bundle = find(&shelf, "department=card&_count=1&language=en").await;
        assert_eq!((&bundle["total"], bundle["link"][1]["relation"].as_str()), (&json!(2), Some("next")));
        let next = bundle["link"][1]["url"].as_str().unwrap().split('?').nth(1).unwrap();
        let second = find(&shelf, next).await;
        assert_eq!(listed(&second), [("role-a".to_owned(), false)]);
        assert_eq!(second["link"].as_array().unwrap().len(), 1);
        let included: Vec<&str> = second["entry"]
            .as_array()
            .unwrap()
            .iter()
            .skip(1)
            .map(|entry| entry["fullUrl"].as_str().unwrap())
            .collect();
        assert!(
            included[0].ends_with("/fhir/Practitioner/a") && included[1].ends_with("/fhir/Organization/card")
        );
        // There is no English text: the Chinese one says that it is.
        let shown = json!({ "url": "urn:impf:ext:shown", "extension": [
            { "url": "of", "valueCode": "department" }, { "url": "text", "valueString": "心内科" },
            { "url": "language", "valueCode": "zh-Hans" }] });
        assert!(second["entry"][0]["extension"].as_array().unwrap().contains(&shown), "DIR-5: {second}");
        let given =
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "text", "valueString": "王芳" }] });
        let posted = asks(&shelf, None, "POST /fhir/PractitionerRole/$find", &given.to_string()).await;
        assert_eq!(listed(&posted.json()), [("role-b".to_owned(), true)]);
        for (query, status) in [("txt=a", 400), ("_count=x", 400), ("language=fr", 400), ("_offset=-1", 400)]
        {
            let answer = asks(&shelf, None, &format!("GET /fhir/PractitionerRole/$find?{query}"), "").await;
            assert_eq!(answer.status, status, "{query}");
        }
        assert_eq!(asks(&shelf, Some("nonsense"), "GET /fhir/PractitionerRole/$find", "").await.status, 401);
        assert_eq!(
            asks(&shelf, Some("patient.me"), "GET /fhir/PractitionerRole/$find", "").await.status,
            200
        );
        // What is offered is said.
        let statement = shelf.get("/fhir/metadata").await;
        assert!(statement.to_string().contains("urn:impf:operation:PractitionerRole-find"));
        let published =
            asks(&shelf, Some("patient.me"), "GET /fhir/OperationDefinition/PractitionerRole-find", "").await;
        assert_eq!(published.json()["affectsState"], false);
    }
}

#[tokio::test]
async fn dir_4_a_doctors_page_opens_without_a_token_and_shows_nothing_private() {
    for shelf in Shelf::guarded().await {
        furnish(&shelf).await;
        for path in [
            "Practitioner/a",
            "Practitioner?name=%E6%9E%97",
            "Practitioner?identifier=urn:impf:his:staff|N-a",
            "PractitionerRole/role-a",
            "PractitionerRole?practitioner=Practitioner/a&_include=PractitionerRole:practitioner",
            "PractitionerRole?practitioner.name=%E6%9E%97",
            "Schedule?actor=Practitioner/b&_include=Schedule:actor",
            "Slot?schedule.actor=Practitioner/b&status=free",
            "Organization/card",
        ] {
            for who in [None, Some("patient.me"), Some("enterprise.x")] {
                let answer = asks(&shelf, who, &format!("GET /fhir/{path}"), "").await;
                let text = answer.text().to_owned();
                assert_eq!(answer.status, 200, "{who:?} {path}: {text}");
                assert!(!path.contains('?') || answer.json()["total"] != 0, "{who:?} {path}");
                for private in [PHONE, "1980-05-05", "Lane 1", "440300"] {
                    assert!(!text.contains(private), "{who:?} {path}: {text}");
                }
            }
        }
        let known = asks(&shelf, Some("operations.o"), "GET /fhir/Practitioner/a", "").await;
        assert!(known.text().contains(PHONE), "the house knows its own");
        // What may not be seen may not be looked for either.
        for path in [
            format!("Practitioner?phone={PHONE}"),
            format!("Practitioner?telecom={PHONE}"),
            "Practitioner?address=Lane".to_owned(),
            "Practitioner?identifier=440300198005050000".to_owned(),
            "Practitioner?identifier=urn:id|440300198005050000".to_owned(),
            "Practitioner?_sort=phone".to_owned(),
            format!("Practitioner?_filter=phone+eq+%22{PHONE}%22"),
            format!("PractitionerRole?phone={PHONE}"),
            format!("PractitionerRole?practitioner.phone={PHONE}"),
            format!("Schedule?actor:Practitioner.phone={PHONE}"),
            format!("Organization?_has:PractitionerRole:organization:phone={PHONE}"),
        ] {
            for who in [None, Some("patient.me")] {
                let answer = asks(&shelf, who, &format!("GET /fhir/{path}"), "").await;
                assert!(
                    answer.status.is_client_error(),
                    "{who:?} {path}: {} {}",
                    answer.status,
                    answer.text()
                );
            }
            let known = asks(&shelf, Some("operations.o"), &format!("GET /fhir/{path}"), "").await;
            assert_eq!(known.status, 200, "{path}: {}", known.text());
        }
        let patients = format!("GET /fhir/Patient?general-practitioner:Practitioner.phone={PHONE}");
        assert_eq!(asks(&shelf, Some("patient.me"), &patients, "").await.status, 403);
        // Nothing of patients is found through what is public.
        for path in [
            "Practitioner?_has:Patient:general-practitioner:_id=p",
            "Practitioner?_has:Patient:general-practitioner:_id=p&_revinclude=Patient:general-practitioner",
        ] {
            let answer = asks(&shelf, None, &format!("GET /fhir/{path}"), "").await;
            assert_eq!(answer.json()["total"], 0, "{path}");
            let known = asks(&shelf, Some("operations.o"), &format!("GET /fhir/{path}"), "").await;
            assert_eq!(known.json()["total"], 1, "{path}");
        }
        let doctors = "GET /fhir/Practitioner?_id=a&_revinclude=Patient:general-practitioner";
        let doctors = asks(&shelf, None, doctors, "").await.json();
        assert_eq!(doctors["entry"].as_array().unwrap().len(), 1);
        // Versions, and what is asked for in a batch.
        for line in [
            "GET /fhir/Practitioner/a/_history",
            "GET /fhir/Practitioner/a/_history/1",
            "GET /fhir/Practitioner/_history",
        ] {
            assert_eq!(asks(&shelf, None, line, "").await.status, 401, "{line}");
            let seen = asks(&shelf, Some("patient.me"), line, "").await;
            assert!(seen.status == 200 && !seen.text().contains(PHONE), "{line}: {}", seen.text());
        }
        let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
            { "request": { "method": "GET", "url": "Practitioner/a" } },
            { "request": { "method": "GET", "url": format!("Practitioner?phone={PHONE}") } }] });
        assert_eq!(asks(&shelf, None, "POST /fhir", &batch.to_string()).await.status, 401);
        let answer = asks(&shelf, Some("patient.me"), "POST /fhir", &batch.to_string()).await;
        assert!(answer.text().contains("N-a") && !answer.text().contains("1980-05-05"), "{}", answer.text());
        assert!(answer.json()["entry"][1]["response"]["status"].as_str().unwrap().starts_with('4'));
    }
}
