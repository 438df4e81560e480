//! Bulk exports, on both databases.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::shelf::Shelf;

const LATER: [(&str, &str); 1] = [("prefer", "respond-async")];

/// Asks for an export; the address of its status.
async fn order(shelf: &Shelf, target: &str) -> String {
    let answer = shelf.send(&format!("GET /fhir/{target}"), &LATER, "").await;
    assert_eq!(answer.status, 202, "{target}: {}", answer.text());
    answer.header("content-location").replace("http://hub", "")
}

/// The manifest, and the ids of each file's resources by type.
async fn exported(shelf: &Shelf, target: &str) -> (Value, BTreeMap<String, Vec<String>>) {
    let manifest = shelf.get(&order(shelf, target).await).await;
    let mut files = BTreeMap::new();
    for file in manifest["output"].as_array().unwrap() {
        let address = file["url"].as_str().unwrap().replace("http://hub", "");
        let answer = shelf.tell(&format!("GET {address}"), &Value::Null).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/fhir+ndjson"));
        let lines = answer.text().lines().map(|line| {
            let resource: Value = serde_json::from_str(line).unwrap();
            assert_eq!(resource["resourceType"], file["type"]);
            assert!(resource["meta"]["lastUpdated"].is_string());
            resource["id"].as_str().unwrap().to_owned()
        });
        files.insert(file["type"].as_str().unwrap().to_owned(), lines.collect());
    }
    (manifest, files)
}

async fn filled(shelf: &Shelf) {
    let patient = |id: &str| json!({ "resourceType": "Patient", "id": id });
    let observation = |id: &str, subject: Value| {
        json!({ "resourceType": "Observation", "id": id, "status": "final",
        "code": { "text": "x" }, "subject": subject })
    };
    let of = |reference: &str| json!({ "reference": reference });
    let group = json!({ "resourceType": "Group", "id": "g", "type": "person", "actual": true,
        "member": [{ "entity": of("Patient/p1") }, { "entity": of("Patient/p3") }, { "entity": of("Patient/p2"), "inactive": true }, { "entity": of("Practitioner/d") }] });
    let visit = json!({ "resourceType": "Encounter", "id": "e", "status": "finished", "class": { "code": "AMB" },
        "subject": of("Patient/p1") });
    // Of two patients at once.
    let shared = json!({ "resourceType": "Appointment", "id": "a", "status": "booked", "participant": [
        { "actor": of("Patient/p1"), "status": "accepted" }, { "actor": of("Patient/p3"), "status": "accepted" }] });
    for resource in [
        patient("p1"),
        patient("p2"),
        patient("p3"),
        group,
        visit,
        shared,
        observation("o1", of("Patient/p1")),
        observation("o2", of("Patient/p2")),
        observation("o3", of("Group/g")),
        json!({ "resourceType": "Practitioner", "id": "d" }),
    ] {
        let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let answer = shelf.tell(&format!("PUT /fhir/{kind}/{id}"), &resource).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
}

fn ids(files: &BTreeMap<String, Vec<String>>, kind: &str) -> String {
    files.get(kind).map_or_else(String::new, |ids| ids.join(" "))
}

#[tokio::test]
async fn all_there_is_comes_as_one_resource_a_line() {
    for shelf in Shelf::both().await {
        filled(&shelf).await;
        let status = order(&shelf, "$export").await;
        let status = shelf.tell(&format!("GET {status}"), &Value::Null).await;
        assert_eq!(status.header("content-type"), "application/json");
        let (manifest, files) = exported(&shelf, "$export").await;
        assert_eq!(manifest["request"], "http://hub/fhir/$export");
        assert!(manifest["transactionTime"].is_string() && manifest["error"].as_array().unwrap().is_empty());
        assert_eq!(
            files.keys().map(String::as_str).collect::<Vec<_>>(),
            ["Appointment", "Encounter", "Group", "Observation", "Patient", "Practitioner"]
        );
        assert_eq!(
            (ids(&files, "Patient"), ids(&files, "Observation")),
            ("p1 p2 p3".into(), "o1 o2 o3".into())
        );
        for file in manifest["output"].as_array().unwrap() {
            assert_eq!(file["count"], files[file["type"].as_str().unwrap()].len());
        }
        let (manifest, files) =
            exported(&shelf, "$export?_type=Patient,Group&_since=2020-01-01T00:00:00Z").await;
        assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), ["Group", "Patient"]);
        assert_eq!(
            manifest["request"],
            "http://hub/fhir/$export?_type=Patient,Group&_since=2020-01-01T00:00:00Z"
        );
        let (_, files) = exported(&shelf, "$export?_since=2999-01-01T00:00:00%2B08:00").await;
        assert!(files.is_empty());
    }
}

#[tokio::test]
async fn patients_and_groups_bring_what_is_in_their_compartments() {
    for shelf in Shelf::both().await {
        filled(&shelf).await;
        let (_, files) = exported(&shelf, "Patient/$export").await;
        assert_eq!((ids(&files, "Patient"), ids(&files, "Observation")), ("p1 p2 p3".into(), "o1 o2".into()));
        assert_eq!((ids(&files, "Appointment"), ids(&files, "Encounter")), ("a".into(), "e".into()));
        assert!(!files.contains_key("Practitioner"));
        let (_, files) = exported(&shelf, "Group/g/$export?_type=Patient,Observation,Appointment").await;
        assert_eq!((ids(&files, "Patient"), ids(&files, "Observation")), ("p1 p3".into(), "o1".into()));
        assert_eq!(ids(&files, "Appointment"), "a", "once, though it is of both");
    }
}

#[tokio::test]
async fn a_file_of_many_pages_is_whole_and_what_is_written_meanwhile_harms_nothing() {
    for shelf in Shelf::both().await {
        for from in [0, 600] {
            let entry = |nth: usize| {
                json!({ "request": { "method": "PUT", "url": format!("Basic/b{nth:04}") },
                "resource": { "resourceType": "Basic", "id": format!("b{nth:04}"), "code": { "text": "x" } } })
            };
            let entries: Vec<Value> = (from..from + 600).map(entry).collect();
            let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
            assert_eq!(shelf.tell("POST /fhir", &bundle).await.status, 200);
        }
        let status = order(&shelf, "$export?_type=Basic").await;
        let manifest = shelf.get(&status).await;
        assert_eq!(manifest["output"][0]["count"], 1200);
        let file = manifest["output"][0]["url"].as_str().unwrap().replace("http://hub", "");
        let changed = json!({ "resourceType": "Basic", "id": "b0007", "code": { "text": "y" } });
        assert_eq!(shelf.tell("PUT /fhir/Basic/b0007", &changed).await.status, 200);
        assert_eq!(shelf.tell("DELETE /fhir/Basic/b0008", &Value::Null).await.status, 204);
        let answer = shelf.tell(&format!("GET {file}"), &Value::Null).await;
        let lines: Vec<Value> =
            answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1199);
        assert_eq!(lines[7]["code"]["text"], "y");
        assert!(lines.is_sorted_by_key(|line| line["id"].as_str().unwrap().to_owned()));
        assert!(shelf.tell(&format!("HEAD {file}"), &Value::Null).await.body.is_empty());
        assert_eq!(shelf.tell(&format!("DELETE {status}"), &Value::Null).await.status, 202);
    }
}

#[tokio::test]
async fn what_cannot_be_exported_is_told() {
    let shelf = Shelf::sqlite().await;
    filled(&shelf).await;
    let status = order(&shelf, "$export").await;
    for (line, expected) in [
        ("GET /fhir/$export?_outputFormat=csv".to_owned(), 400),
        ("GET /fhir/$export?_since=yesterday".to_owned(), 400),
        ("GET /fhir/$export?_type=Patients".to_owned(), 400),
        ("GET /fhir/$export?_typeFilter=Patient%3Factive=true".to_owned(), 400),
        ("GET /fhir/Group/none/$export".to_owned(), 404),
        ("GET /fhir/Observation/$export".to_owned(), 404),
        ("GET /fhir/$export-status/1_2_3".to_owned(), 404),
        (format!("{}/Patient", status.replace("/fhir/$export-status", "GET /fhir/$export-file")), 200),
        (format!("{}/Basic", status.replace("/fhir/$export-status", "GET /fhir/$export-file")), 200),
        (format!("{}/Patients", status.replace("/fhir/$export-status", "GET /fhir/$export-file")), 404),
        (format!("POST {status}"), 405),
        (format!("GET {status}"), 200),
        ("POST /fhir/$export?_outputFormat=application/fhir%2Bndjson".to_owned(), 202),
        ("GET /fhir/$export?_outputFormat=application/fhir+ndjson&_type=Patient".to_owned(), 202),
    ] {
        assert_eq!(shelf.send(&line, &LATER, "").await.status, expected, "{line}");
    }
    let now = shelf.tell("GET /fhir/$export", &Value::Null).await;
    assert_eq!(now.status, 400);
    assert!(now.diagnostics().contains("Prefer: respond-async"));
}

#[tokio::test]
async fn an_export_is_not_given_within_a_bundle() {
    let shelf = Shelf::sqlite().await;
    filled(&shelf).await;
    for target in ["$export-file/1_-_system_/Patient", "$export-status/1_-_system_", "$export"] {
        let entry = json!({ "request": { "method": "GET", "url": target } });
        let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": [entry] });
        let answer = shelf.tell("POST /fhir", &bundle).await;
        let status = answer.json()["entry"][0]["response"]["status"].as_str().unwrap_or_default().to_owned();
        assert!(status.starts_with("400"), "{target}: {}", answer.text());
    }
}
