//! Transactions at once: nobody ever sees a part of one, those that lock in opposite orders end, and conditions are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::shelf::Shelf;

/// Far above what any of it takes.
const PATIENCE: Duration = Duration::from_secs(120);

fn basic(id: &str, text: &str) -> Value {
    json!({ "resourceType": "Basic", "id": id, "code": { "text": text }, "identifier": [{ "system": "urn:w", "value": text }] })
}

fn transaction(resources: impl IntoIterator<Item = Value>) -> Value {
    let put = |resource: Value| {
        let url =
            format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
    };
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": resources.into_iter().map(put).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_all_the_time_never_sees_a_part_of_a_transaction() {
    for shelves in Shelf::sites().await {
        let shelf = &shelves[0];
        let ids = ["a", "b", "c", "d", "e"];
        shelf.tell("POST /fhir", &transaction(ids.map(|id| basic(id, "0")))).await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut lookers = JoinSet::new();
        for shelf in &shelves {
            let (shelf, stop) = (shelf.clone(), stop.clone());
            lookers.spawn(async move {
                let mut looks = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let found = shelf.get("/fhir/Basic?_id=a,b,c,d,e").await;
                    let texts: Vec<&Value> = found["entry"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|entry| &entry["resource"]["code"]["text"])
                        .collect();
                    assert!(texts.len() == 5 && texts.iter().all(|text| *text == texts[0]), "{texts:?}");
                    looks += 1;
                }
                looks
            });
        }
        let mut writers = JoinSet::new();
        for writer in 0..3 {
            let shelf = shelves[writer % 2].clone();
            writers.spawn(async move {
                for nth in 0..25 {
                    let mut all = ids.map(|id| basic(id, &format!("{writer}-{nth}")));
                    if writer % 2 == 1 {
                        all.reverse();
                    }
                    // Every fifth ends with something that cannot be.
                    let mut bundle = transaction(all);
                    if nth % 5 == 4 {
                        bundle["entry"][4]["request"]["ifMatch"] = "W/\"999999\"".into();
                    }
                    let status = shelf.tell("POST /fhir", &bundle).await.status.as_u16();
                    assert_eq!(status, if nth % 5 == 4 { 412 } else { 200 });
                }
            });
        }
        timeout(PATIENCE, writers.join_all()).await.expect("opposite orders come to an end");
        stop.store(true, Ordering::Relaxed);
        assert!(lookers.join_all().await.into_iter().all(|looks| looks > 5));
        let stored = shelf.get("/fhir/Basic/a").await;
        // 3 times 20 that could be, after the first.
        assert_eq!(stored["meta"]["versionId"], "61");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_patches_and_deletes_at_once_do_each_what_they_say() {
    for shelves in Shelf::sites().await {
        let shelf = &shelves[0];
        for nth in 0..8 {
            shelf
                .tell(&format!("PUT /fhir/Basic/x{nth}"), &basic(&format!("x{nth}"), &format!("t{nth}")))
                .await;
        }
        let mut clients = JoinSet::new();
        for client in 0..64 {
            let (shelf, nth) = (shelves[client / 8 % 2].clone(), client % 8);
            clients.spawn(async move {
                let target = format!("/fhir/Basic?identifier=urn:w|t{nth}");
                let headers = [("content-type", "application/json-patch+json")];
                let patch = r#"[{"op":"add","path":"/identifier/-","value":{"system":"urn:n","value":"N"}}]"#
                    .replace('N', &client.to_string());
                let is_delete = client >= 56;
                loop {
                    let answer = match is_delete {
                        true => shelf.tell(&format!("DELETE {target}"), &Value::Null).await,
                        false => shelf.send(&format!("PATCH {target}"), &headers, &patch).await,
                    };
                    // A client that is told that others were in the way tries again.
                    if answer.status != 409 {
                        return (client, answer.status.as_u16());
                    }
                }
            });
        }
        let answers = timeout(PATIENCE, clients.join_all()).await.expect("all are answered");
        let mut patched = [0_usize; 8];
        for (client, status) in answers {
            match client >= 56 {
                true => assert_eq!(status, 204, "delete {client}"),
                // Either it was there, or it was deleted before.
                false => {
                    assert!(matches!(status, 200 | 404 | 410), "patch {client}: {status}");
                    patched[client % 8] += usize::from(status == 200);
                }
            }
        }
        for (nth, patched) in patched.into_iter().enumerate() {
            assert_eq!(shelf.send(&format!("GET /fhir/Basic/x{nth}"), &[], "").await.status, 410);
            // Every patch that was said to be done is in the last version, and no other.
            let last = shelf.get(&format!("/fhir/Basic/x{nth}/_history/{}", patched + 1)).await;
            assert_eq!(last["identifier"].as_array().unwrap().len(), patched + 1, "{last}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_in_opposite_directions_lose_nothing() {
    for shelves in Shelf::sites().await {
        let shelf = &shelves[0];
        let ids = ["p", "q", "r", "s"];
        let account = |id: &str, value: i64| json!({ "resourceType": "Patient", "id": id, "multipleBirthInteger": value });
        shelf.tell("POST /fhir", &transaction(ids.map(|id| account(id, 100)))).await;
        let mut clients = JoinSet::new();
        for client in 0..8_usize {
            let shelf = shelves[client % 2].clone();
            clients.spawn(async move {
                let (from, to) = (ids[client % 4], ids[(client + 1 + client / 4) % 4]);
                for _ in 0..6 {
                    loop {
                        // Both are read, and written under the versions that were read.
                        let read = [from, to].map(|id| format!("/fhir/Patient/{id}"));
                        let (one, other) = (shelf.get(&read[0]).await, shelf.get(&read[1]).await);
                        let value = |patient: &Value| patient["multipleBirthInteger"].as_i64().unwrap();
                        let mut bundle =
                            transaction([account(from, value(&one) - 1), account(to, value(&other) + 1)]);
                        for (at, read) in [&one, &other].into_iter().enumerate() {
                            let tag = format!("W/\"{}\"", read["meta"]["versionId"].as_str().unwrap());
                            bundle["entry"][at]["request"]["ifMatch"] = tag.into();
                        }
                        match shelf.tell("POST /fhir", &bundle).await.status.as_u16() {
                            200 => break,
                            412 | 409 => {}
                            other => panic!("{other}"),
                        }
                    }
                }
            });
        }
        timeout(PATIENCE, clients.join_all()).await.expect("nobody waits for ever");
        let (mut sum, mut versions) = (0, 0);
        for id in ids {
            let stored = shelf.get(&format!("/fhir/Patient/{id}")).await;
            sum += stored["multipleBirthInteger"].as_i64().unwrap();
            versions += stored["meta"]["versionId"].as_str().unwrap().parse::<i64>().unwrap();
        }
        assert_eq!((sum, versions), (400, 4 + 8 * 6 * 2));
    }
}
