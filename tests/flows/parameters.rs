//! Search parameters of a running hub: R4B's definitions are there to be read, and one's own are indexed by the hub itself.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Hub, Setup};

async fn total(hub: &Hub, search: &str) -> Option<u64> {
    let answer = reqwest::get(format!("{}/fhir/{search}", hub.http())).await.unwrap();
    let is_found = answer.status().is_success();
    let answer: serde_json::Value = answer.json().await.unwrap();
    if is_found { answer["total"].as_u64() } else { None }
}

async fn until(hub: &Hub, search: &str, wanted: u64) {
    for _ in 0..300 {
        if total(hub, search).await == Some(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("`{search}` never finds {wanted}");
}

#[tokio::test]
async fn definitions_are_found_and_ones_own_come_into_force_by_themselves() {
    let setup = Setup::default().set("fhir.definitions=true");
    let hub = Hub::start(&setup).await;
    until(&hub, "SearchParameter?base=Patient&code=birthdate", 1).await;
    let write = async |path: &str, body: serde_json::Value| {
        let client = reqwest::Client::new();
        let request = client.put(format!("{}/fhir/{path}", hub.http()));
        let request = request.header("content-type", "application/fhir+json").body(body.to_string());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(
        write("Location/l", json!({"resourceType": "Location", "id": "l", "alias": ["east"]})).await,
        201
    );
    // More than the small language takes.
    let own = json!({
        "resourceType": "SearchParameter", "id": "called", "url": "urn:called", "name": "called", "status": "active",
        "description": "x", "code": "called", "base": ["Location"], "type": "string", "expression": "alias.first().upper()",
    });
    assert_eq!(write("SearchParameter/called", own).await, 201);
    until(&hub, "Location?called:exact=EAST", 1).await;
    assert_eq!(hub.get("/ops/status").await["unindexed"], 0);
    // It is in force after a restart, and the definitions are not written again.
    let folder = hub.stop().await;
    let hub = Hub::start_in(folder, &setup).await;
    assert_eq!(total(&hub, "Location?called:exact=EAST").await, Some(1));
    let birthdate = hub.get("/fhir/SearchParameter/individual-birthdate").await;
    assert_eq!(birthdate["meta"]["versionId"], "1");
    hub.stop().await;
}
