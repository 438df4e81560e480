//! Many clients at once: what one of them has looked at is what it writes on.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::shelf::Shelf;

fn patient(number: &str) -> Value {
    json!({ "resourceType": "Patient", "identifier": [{ "system": "urn:mrn", "value": number }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_conditional_creates_one_creates() {
    for shelves in Shelf::sites().await {
        let shelf = &shelves[0];
        for round in 0..3 {
            let mut clients = JoinSet::new();
            for client in 0..64 {
                let shelf = shelves[client % 2].clone();
                clients.spawn(async move {
                    let condition = format!("identifier=urn:mrn|{round}");
                    let body = patient(&round.to_string()).to_string();
                    let answer =
                        shelf.send("POST /fhir/Patient", &[("if-none-exist", &condition)], &body).await;
                    (answer.status.as_u16(), answer.json()["id"].as_str().unwrap().to_owned())
                });
            }
            let answers = clients.join_all().await;
            assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1);
            assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 63);
            assert_eq!(answers.iter().map(|(_, id)| id).collect::<BTreeSet<_>>().len(), 1);
        }
        assert_eq!(shelf.get("/fhir/Patient").await["total"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_conditional_updates_none_makes_a_second_resource() {
    for shelf in Shelf::both().await {
        let mut clients = JoinSet::new();
        for nth in 0..64 {
            let shelf = shelf.clone();
            clients.spawn(async move {
                let mut body = patient("u");
                body["multipleBirthInteger"] = nth.into();
                shelf.tell("PUT /fhir/Patient?identifier=urn:mrn|u", &body).await.status.as_u16()
            });
        }
        let answers = clients.join_all().await;
        assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1);
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 63);
        let found = shelf.get("/fhir/Patient").await;
        assert_eq!(found["total"], 1);
        assert_eq!(found["entry"][0]["resource"]["meta"]["versionId"], "64");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_updates_from_the_same_version_one_wins_and_none_is_lost() {
    for shelf in Shelf::both().await {
        let mut resource = patient("m");
        resource["id"] = "m".into();
        shelf.tell("PUT /fhir/Patient/m", &resource).await;
        for round in 1..=5 {
            let mut clients = JoinSet::new();
            for nth in 0..64 {
                let (shelf, mut resource) = (shelf.clone(), resource.clone());
                resource["multipleBirthInteger"] = (round * 100 + nth).into();
                clients.spawn(async move {
                    let tag = format!("W/\"{round}\"");
                    let answer =
                        shelf.send("PUT /fhir/Patient/m", &[("if-match", &tag)], &resource.to_string()).await;
                    (answer.status.as_u16(), resource["multipleBirthInteger"].clone())
                });
            }
            let answers = clients.join_all().await;
            let won: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
            assert_eq!(won.len(), 1);
            assert_eq!(answers.iter().filter(|(status, _)| *status == 412).count(), 63);
            let stored = shelf.get("/fhir/Patient/m").await;
            assert_eq!(stored["multipleBirthInteger"], won[0].1);
            assert_eq!(stored["meta"]["versionId"], (round + 1).to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_patches_at_once_none_is_lost() {
    for shelf in Shelf::both().await {
        let resource =
            json!({ "resourceType": "Patient", "id": "n", "generalPractitioner": [{ "display": "0" }] });
        shelf.tell("PUT /fhir/Patient/n", &resource).await;
        let mut clients = JoinSet::new();
        for nth in 1..=64 {
            let shelf = shelf.clone();
            clients.spawn(async move {
                let display = json!({ "display": nth.to_string() });
                let patch =
                    json!([{ "op": "add", "path": "/generalPractitioner/-", "value": display }]).to_string();
                let headers = [("content-type", "application/json-patch+json")];
                let mut tries = 0;
                // A client that is told so tries again.
                while shelf.send("PATCH /fhir/Patient/n", &headers, &patch).await.status == 409 {
                    tries += 1;
                }
                tries
            });
        }
        clients.join_all().await;
        let stored = shelf.get("/fhir/Patient/n").await;
        let all: BTreeSet<String> = stored["generalPractitioner"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["display"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(all.len(), 65);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_at_once_are_whole_and_create_each_patient_once() {
    for shelf in Shelf::both().await {
        let mut clients = JoinSet::new();
        for nth in 0..64 {
            let shelf = shelf.clone();
            clients.spawn(async move {
                let number = format!("t{}", nth % 8);
                let condition = format!("identifier=urn:mrn|{number}");
                let mut patient = patient(&number);
                patient["active"] = true.into();
                let observation = |code: &str| {
                    json!({ "fullUrl": format!("urn:uuid:{code}"), "request": { "method": "POST", "url": "Observation" },
                            "resource": { "resourceType": "Observation", "status": "final", "code": { "text": code },
                                          "identifier": [{ "value": nth.to_string() }], "subject": { "reference": "urn:uuid:p" } } })
                };
                // Every fourth has something wrong at its end.
                let last = if nth % 4 == 3 { "W/\"7\"" } else { "*" };
                let counter = json!({ "resourceType": "Basic", "id": format!("b{nth}"), "code": { "text": "x" } });
                let expects = if nth % 4 == 3 { "ifMatch" } else { "ifNoneMatch" };
                let entries = json!([
                    { "fullUrl": "urn:uuid:p", "resource": patient,
                      "request": { "method": "POST", "url": "Patient", "ifNoneExist": condition } },
                    observation("a"), observation("b"),
                    { "resource": counter, "request": { "method": "PUT", "url": format!("Basic/b{nth}"), expects: last } }
                ]);
                let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
                (nth, shelf.tell("POST /fhir", &bundle).await.status.as_u16())
            });
        }
        for (nth, status) in clients.join_all().await {
            assert_eq!(status, if nth % 4 == 3 { 412 } else { 200 }, "{nth}");
            let observations = shelf.get(&format!("/fhir/Observation?identifier={nth}")).await;
            let subjects: BTreeSet<_> = observations["entry"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| entry["resource"]["subject"]["reference"].to_string())
                .collect();
            let (count, links) = if nth % 4 == 3 { (0, 0) } else { (2, 1) };
            assert_eq!((observations["total"].as_u64(), subjects.len()), (Some(count), links), "{nth}");
        }
        // t3 and t7 are asked for by transactions alone that fail.
        assert_eq!(shelf.get("/fhir/Patient").await["total"], 6);
    }
}
