//! Batches and transactions: order, links between entries, conditions, and what is refused whole.

use hub_http::FhirSettings;
use serde_json::{Value, json};

use crate::shelf::Shelf;

fn patient(number: &str) -> Value {
    json!({ "resourceType": "Patient", "identifier": [{ "system": "urn:mrn", "value": number }] })
}

fn bundle(sort: &str, entries: Vec<Value>) -> Value {
    json!({ "resourceType": "Bundle", "type": sort, "entry": entries })
}

fn entry(method: &str, url: &str, resource: Value) -> Value {
    let mut entry = json!({ "request": { "method": method, "url": url } });
    if !resource.is_null() {
        entry["resource"] = resource;
    }
    entry
}

fn called(mut entry: Value, full_url: &str) -> Value {
    entry["fullUrl"] = full_url.into();
    entry
}

fn with(mut entry: Value, name: &str, value: &str) -> Value {
    entry["request"][name] = value.into();
    entry
}

fn observation(subject: &str) -> Value {
    json!({ "resourceType": "Observation", "status": "final", "code": { "text": "K" }, "subject": { "reference": subject } })
}

/// The id in the `location` of an entry of an answer.
fn id(answer: &Value, at: usize) -> String {
    let location = answer["entry"][at]["response"]["location"].as_str().unwrap();
    location.split('/').rev().nth(2).unwrap().to_owned()
}

fn statuses(answer: &Value) -> Vec<String> {
    let entries = answer["entry"].as_array().unwrap();
    entries.iter().map(|entry| entry["response"]["status"].as_str().unwrap()[..3].to_owned()).collect()
}

#[tokio::test]
async fn a_transaction_writes_all_and_links_its_entries() {
    for shelf in Shelf::both().await {
        let mut subject = observation("urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a");
        subject["text"] = json!({ "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a\">x</a></div>" });
        subject["extension"] =
            json!([{ "url": "http://x", "valueUri": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a" }]);
        let entries = vec![
            entry("GET", "Patient?identifier=urn:mrn|t1", Value::Null),
            entry("POST", "Observation", subject),
            called(entry("POST", "Patient", patient("t1")), "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"),
            // Relative to the full URL, as the standard has it.
            called(
                entry(
                    "POST",
                    "Encounter",
                    json!({ "resourceType": "Encounter", "status": "finished", "class": { "code": "AMB" }, "subject": { "reference": "Patient/other" } }),
                ),
                "http://elsewhere/fhir/Encounter/e",
            ),
            called(entry("POST", "Patient", patient("t2")), "http://elsewhere/fhir/Patient/other"),
            entry("PUT", "Basic/b", json!({ "resourceType": "Basic", "id": "b", "code": { "text": "x" } })),
        ];
        let answer = shelf.tell("POST /fhir", &bundle("transaction", entries)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["type"], "transaction-response");
        assert_eq!(statuses(&answer), ["200", "201", "201", "201", "201", "201"]);
        // What reads comes last and sees what was written.
        assert_eq!(answer["entry"][0]["resource"]["total"], 1);
        let patient = format!("Patient/{}", id(&answer, 2));
        let stored = shelf.get(&format!("/fhir/Observation/{}", id(&answer, 1))).await;
        assert_eq!(stored["subject"]["reference"], patient.as_str());
        assert_eq!(stored["extension"][0]["valueUri"], patient.as_str());
        assert!(stored["text"]["div"].as_str().unwrap().contains(&format!("href=\"{patient}\"")));
        let encounter = shelf.get(&format!("/fhir/Encounter/{}", id(&answer, 3))).await;
        assert_eq!(encounter["subject"]["reference"], format!("Patient/{}", id(&answer, 4)));
        assert_eq!(answer["entry"][2]["response"]["etag"], "W/\"1\"");
        assert!(
            answer["entry"][2]["response"]["lastModified"].is_string()
                && answer["entry"][2]["resource"].is_null()
        );
        let found = shelf.get(&format!("/fhir/Observation?patient={patient}")).await;
        assert_eq!(found["total"], 1);
    }
}

#[tokio::test]
async fn every_verb_is_done_in_its_turn() {
    for shelf in Shelf::both().await {
        for id in ["old", "kept", "patched", "binary"] {
            let mut resource = patient(id);
            resource["id"] = id.into();
            shelf.tell(&format!("PUT /fhir/Patient/{id}"), &resource).await;
        }
        let parameters = json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
            { "name": "type", "valueCode": "add" },
            { "name": "path", "valueString": "Patient" },
            { "name": "name", "valueString": "gender" },
            { "name": "value", "valueCode": "male" }
        ] }] });
        // [{"op":"add","path":"/active","value":true}]
        let binary = json!({ "resourceType": "Binary", "contentType": "application/json-patch+json", "data": "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2FjdGl2ZSIsInZhbHVlIjp0cnVlfV0=" });
        let mut kept = patient("kept");
        (kept["id"], kept["active"]) = ("kept".into(), false.into());
        let entries = vec![
            entry("GET", "Patient/old", Value::Null),
            entry("PATCH", "Patient/patched", parameters),
            entry("PATCH", "Patient/binary", binary),
            with(entry("PUT", "Patient/kept", kept), "ifMatch", "W/\"1\""),
            entry("PUT", "Patient?identifier=urn:mrn|new", patient("new")),
            with(entry("POST", "Patient", patient("kept")), "ifNoneExist", "identifier=urn:mrn|other"),
            entry("DELETE", "Patient?identifier=urn:mrn|nobody", Value::Null),
            entry("DELETE", "Patient/old", Value::Null),
            entry("GET", "Patient/kept", Value::Null),
        ];
        let prefer = [("prefer", "return=representation")];
        let answer = shelf.send("POST /fhir", &prefer, &bundle("transaction", entries).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!(statuses(&answer), ["410", "200", "200", "200", "201", "201", "204", "204", "200"]);
        assert_eq!(answer["entry"][1]["resource"]["gender"], "male");
        assert_eq!(answer["entry"][2]["resource"]["active"], true);
        assert_eq!(answer["entry"][8]["resource"]["active"], false);
        assert_eq!(answer["entry"][0]["response"]["outcome"]["issue"][0]["code"], "deleted");
    }
}

#[tokio::test]
async fn a_reference_that_is_a_search_leads_to_the_one_it_finds() {
    for shelf in Shelf::both().await {
        let made = shelf.tell("POST /fhir/Patient", &patient("c1")).await.json();
        let asked = |number: &str| {
            vec![entry("POST", "Observation", observation(&format!("Patient?identifier=urn:mrn|{number}")))]
        };
        let answer = shelf.tell("POST /fhir", &bundle("transaction", asked("c1"))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let stored = shelf.get(&format!("/fhir/Observation/{}", id(&answer.json(), 0))).await;
        assert_eq!(stored["subject"]["reference"], format!("Patient/{}", made["id"].as_str().unwrap()));
        assert_eq!(shelf.tell("POST /fhir", &bundle("transaction", asked("none"))).await.status, 412);
        shelf.tell("POST /fhir/Patient", &patient("c1")).await;
        let several = shelf.tell("POST /fhir", &bundle("transaction", asked("c1"))).await;
        assert_eq!(several.status, 412);
        assert_eq!(several.json()["issue"][0]["expression"][0], "Bundle.entry[0]");
    }
}

#[tokio::test]
async fn a_conditional_create_that_finds_one_is_linked_to_it() {
    let shelf = Shelf::sqlite().await;
    let there = shelf.tell("POST /fhir/Patient", &patient("d1")).await.json();
    let entries = vec![
        called(
            with(entry("POST", "Patient", patient("d1")), "ifNoneExist", "identifier=urn:mrn|d1"),
            "urn:uuid:p",
        ),
        entry("POST", "Observation", observation("urn:uuid:p")),
    ];
    let answer = shelf.tell("POST /fhir", &bundle("transaction", entries)).await.json();
    assert_eq!(statuses(&answer), ["200", "201"]);
    let stored = shelf.get(&format!("/fhir/Observation/{}", id(&answer, 1))).await;
    assert_eq!(stored["subject"]["reference"], format!("Patient/{}", there["id"].as_str().unwrap()));
}

#[tokio::test]
async fn a_transaction_with_something_wrong_writes_nothing() {
    let shelf = Shelf::with(FhirSettings { bundle_entries: 5, ..FhirSettings::default() }).await;
    let good = || entry("POST", "Patient", patient("x"));
    let put = |id: &str| {
        let mut resource = patient("x");
        resource["id"] = id.into();
        entry("PUT", &format!("Patient/{id}"), resource)
    };
    let wrong_gender = json!({ "resourceType": "Patient", "gender": "SECRET" });
    for (entries, status, place) in [
        (vec![good(), entry("POST", "Patient", wrong_gender)], 422, "Bundle.entry[1].resource.gender"),
        (vec![good(), with(put("a"), "ifMatch", "W/\"3\"")], 412, "Bundle.entry[1]"),
        (vec![good(), put("a"), put("a")], 400, "Bundle.entry[2]"),
        (vec![put("a"), entry("DELETE", "Patient/a", Value::Null)], 400, "Bundle.entry[0]"),
        (
            vec![with(good(), "ifNoneExist", "identifier=1"), with(good(), "ifNoneExist", "identifier=1")],
            400,
            "Bundle.entry[1]",
        ),
        (vec![called(good(), "urn:uuid:1"), called(good(), "urn:uuid:1")], 400, "Bundle.entry[1]"),
        (vec![good(), entry("POST", "Patient/1", patient("x"))], 405, "Bundle.entry[1]"),
        (
            vec![good(), entry("PATCH", "Patient/none", json!({ "resourceType": "Parameters" }))],
            404,
            "Bundle.entry[1]",
        ),
        (vec![good(), entry("PATCH", "Patient/none", patient("x"))], 400, "Bundle.entry[1]"),
        (vec![good(), entry("POST", "Patient", Value::Null)], 400, "Bundle.entry[1]"),
        (vec![good(), entry("POST", "http://elsewhere/Patient", patient("x"))], 400, "Bundle.entry[1]"),
        (vec![good(), entry("MOVE", "Patient", patient("x"))], 400, "Bundle.entry[1]"),
        (vec![good(), entry("POST", "Pateint", patient("x"))], 404, "Bundle.entry[1]"),
        (vec![good(), json!({ "resource": patient("x") })], 400, "Bundle.entry[1]"),
        (vec![good(), json!("x")], 400, "Bundle.entry[1]"),
    ] {
        let shown = format!("{entries:?}");
        let answer = shelf.tell("POST /fhir", &bundle("transaction", entries)).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        assert_eq!(answer.json()["issue"][0]["expression"][0], place, "{shown}");
        assert!(!answer.text().contains("SECRET"));
    }
    let six = vec![good(); 6];
    assert_eq!(shelf.tell("POST /fhir", &bundle("transaction", six)).await.status, 413);
    for sort in ["collection", "history", ""] {
        assert_eq!(shelf.tell("POST /fhir", &bundle(sort, vec![good()])).await.status, 400);
    }
    let not_a_list = json!({ "resourceType": "Bundle", "type": "batch", "entry": {} });
    assert_eq!(shelf.tell("POST /fhir", &not_a_list).await.status, 400);
    assert_eq!(shelf.tell("POST /fhir", &patient("x")).await.status, 400);
    assert_eq!(shelf.get("/fhir/Patient").await["total"], 0);
    assert_eq!(shelf.audit().await, []);
    let empty = shelf.tell("POST /fhir", &json!({ "resourceType": "Bundle", "type": "transaction" })).await;
    assert_eq!(empty.status, 200);
}

#[tokio::test]
async fn each_entry_of_a_batch_is_for_itself() {
    for shelf in Shelf::both().await {
        let entries = vec![
            entry("POST", "Patient", patient("b1")),
            entry("POST", "Patient", json!({ "resourceType": "Patient", "gender": "m" })),
            entry("GET", "Patient/none", Value::Null),
            entry("GET", "Patient?identifier=b1", Value::Null),
            json!({}),
            entry("DELETE", "Patient/none", Value::Null),
            entry("GET", "metadata", Value::Null),
            with(entry("GET", "Patient?_count=x", Value::Null), "ifNoneMatch", "W/\"1\""),
        ];
        let answer = shelf.tell("POST /fhir/", &bundle("batch", entries)).await;
        assert_eq!(answer.status, 200);
        let answer = answer.json();
        assert_eq!(answer["type"], "batch-response");
        assert_eq!(statuses(&answer), ["201", "422", "404", "200", "400", "204", "200", "400"]);
        assert_eq!(answer["entry"][1]["response"]["outcome"]["issue"][0]["expression"][0], "Patient.gender");
        assert_eq!(answer["entry"][3]["resource"]["total"], 1);
    }
}

#[tokio::test]
async fn a_transaction_leaves_one_row_in_the_audit_trail() {
    let shelf = Shelf::sqlite().await;
    let entries = vec![entry("POST", "Patient", patient("1")), entry("POST", "Patient", patient("2"))];
    shelf.send("POST /fhir", &[("x-request-id", "t-1")], &bundle("transaction", entries).to_string()).await;
    assert_eq!(shelf.audit().await, [("anonymous".to_owned(), "t-1".to_owned(), 2)]);
}
