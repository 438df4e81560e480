//! `$validate` and `$everything`, on a real store.

use serde_json::{Value, json};

use crate::shelf::Shelf;

fn places(outcome: &Value) -> Vec<(String, String)> {
    let issues = outcome["issue"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    issues.map(|issue| (text(&issue["severity"]), text(&issue["expression"][0]))).collect()
}

#[tokio::test]
async fn validating_says_what_is_wrong_and_writes_nothing() {
    let shelf = Shelf::sqlite().await;
    let bad = json!({ "resourceType": "Patient", "gender": "m", "name": [{ "famly": "x" }] });
    let answer = shelf.tell("POST /fhir/Patient/$validate", &bad).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let error = |place: &str| ("error".to_owned(), place.to_owned());
    assert_eq!(places(&answer.json()), [error("Patient.gender"), error("Patient.name[0].famly")]);
    // What breaks a rule of R4B, and points at nobody.
    let rule = json!({ "resourceType": "Patient", "contact": [{ "gender": "male" }],
        "managingOrganization": { "reference": "Organization/none" } });
    let given = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "mode", "valueCode": "create" }, { "name": "resource", "resource": rule }] });
    let answer = shelf.tell("POST /fhir/Patient/$validate", &given).await.json();
    let warning = ("warning".to_owned(), "Patient".to_owned());
    // A resource should have a narrative, says R4B; the last is the reference that leads nowhere.
    assert_eq!(places(&answer), [warning.clone(), error("Patient.contact[0]"), warning]);
    let good = json!({ "resourceType": "Patient", "id": "p", "active": true, "text": { "status": "generated",
        "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">A person.</div>" } });
    let headers = [("accept-language", "zh-CN")];
    let answer =
        shelf.send("POST /fhir/Patient/$validate?mode=create", &headers, &good.to_string()).await.json();
    assert_eq!(
        (&answer["issue"][0]["severity"], &answer["issue"][0]["details"]["text"]),
        (&json!("information"), &json!("没有问题"))
    );
    assert_eq!(shelf.get("/fhir?_summary=count").await["total"], 0);
    // Of what is stored.
    shelf.tell("PUT /fhir/Patient/p", &good).await;
    assert_eq!(shelf.get("/fhir/Patient/p/$validate").await["issue"][0]["severity"], "information");
    assert_eq!(
        shelf.get("/fhir/Patient/p/$validate?mode=delete").await["issue"][0]["severity"],
        "information"
    );
    for (line, body, status) in [
        ("GET /fhir/Patient/none/$validate", Value::Null, 404),
        ("POST /fhir/Patient/$validate", Value::Null, 400),
        ("POST /fhir/Patient/$validate", json!({ "resourceType": "Basic" }), 400),
        ("POST /fhir/Patient/$validate?mode=x", good.clone(), 400),
        ("POST /fhir/Patient/$validate?profile=http://x", good.clone(), 400),
        ("POST /fhir/Patient/other/$validate?mode=update", good, 400),
        ("GET /fhir/Patient/$validate", Value::Null, 405),
        ("POST /fhir/Patient/$nothing", Value::Null, 404),
    ] {
        assert_eq!(shelf.tell(line, &body).await.status, status, "{line}");
    }
}

#[tokio::test]
async fn everything_of_a_patient_comes_in_pages_with_what_it_points_at() {
    for shelf in Shelf::both().await {
        let put = async |kind: &str, id: &str, mut resource: Value| {
            resource["resourceType"] = json!(kind);
            resource["id"] = json!(id);
            let answer = shelf.tell(&format!("PUT /fhir/{kind}/{id}"), &resource).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
        };
        let subject = json!({ "reference": "Patient/p" });
        put("Organization", "o", json!({ "name": "x" })).await;
        put("Organization", "unrelated", json!({ "name": "x" })).await;
        put("Patient", "p", json!({ "managingOrganization": { "reference": "Organization/o" } })).await;
        put("Patient", "q", json!({})).await;
        for (id, day) in [("k1", "2024-01-01"), ("k2", "2025-01-01"), ("k3", "2026-01-01")] {
            let seen = json!({ "status": "final", "code": { "text": "x" }, "subject": subject, "effectiveDateTime": day });
            put("Observation", id, seen).await;
        }
        put("Coverage", "c", json!({ "status": "active", "beneficiary": subject, "payor": [{ "reference": "Organization/o" }] })).await;
        let mut found = Vec::new();
        let mut target = "/fhir/Patient/p/$everything?_count=2".to_owned();
        loop {
            let page = shelf.get(&target).await;
            for entry in page["entry"].as_array().into_iter().flatten() {
                let resource = &entry["resource"];
                let name = format!(
                    "{}/{}",
                    resource["resourceType"].as_str().unwrap(),
                    resource["id"].as_str().unwrap()
                );
                found.push((entry["search"]["mode"].as_str().unwrap().to_owned(), name));
            }
            let next =
                page["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next").cloned();
            match next {
                Some(next) => target = next["url"].as_str().unwrap().replace("http://hub", ""),
                None => break,
            }
        }
        let of = |mode: &str| {
            found.iter().filter(|(given, _)| given == mode).map(|(_, name)| name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(
            of("match"),
            ["Coverage/c", "Observation/k1", "Observation/k2", "Observation/k3", "Patient/p"]
        );
        assert!(
            of("include").contains(&"Organization/o") && !of("include").contains(&"Organization/unrelated")
        );
        let some = shelf
            .get("/fhir/Patient/p/$everything?start=2024-06&end=2025-06&_type=Observation,Coverage")
            .await;
        let some: Vec<&str> = some["entry"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["search"]["mode"] == "match")
            .map(|entry| entry["resource"]["id"].as_str().unwrap())
            .collect();
        assert_eq!(some, ["c", "k2"]);
        let given = json!({ "resourceType": "Parameters", "parameter": [{ "name": "_type", "valueCode": "Patient" }] });
        let posted = shelf.tell("POST /fhir/Patient/p/$everything", &given).await.json();
        assert_eq!(posted["total"], 1);
        assert_eq!(shelf.tell("GET /fhir/Patient/none/$everything", &Value::Null).await.status, 404);
        assert_eq!(shelf.tell("GET /fhir/Patient/p/$everything?_sort=x", &Value::Null).await.status, 400);
    }
}
