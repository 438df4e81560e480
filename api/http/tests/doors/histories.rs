//! The history of a resource, a type and the whole server, on a real store.

use serde_json::{Value, json};

use crate::shelf::Shelf;

async fn put(shelf: &Shelf, kind: &str, id: &str, language: &str) -> String {
    let mut resource = json!({ "resourceType": kind, "id": id, "language": language });
    if kind == "Basic" {
        resource["code"] = json!({ "text": "x" });
    }
    let answer = shelf.tell(&format!("PUT /fhir/{kind}/{id}"), &resource).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    // So that no two versions are of the same microsecond.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    answer.json()["meta"]["lastUpdated"].as_str().unwrap().to_owned()
}

/// `Patient/a 2`, for each entry.
fn versions(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let version = |entry: &Value| {
        let tag = entry["response"]["etag"].as_str().unwrap();
        format!("{} {}", entry["request"]["url"].as_str().unwrap(), tag.trim_matches(['W', '/', '"']))
    };
    entries.map(version).collect()
}

#[tokio::test]
async fn histories_hold_every_version_newest_first() {
    for shelf in Shelf::both().await {
        put(&shelf, "Patient", "a", "en").await;
        put(&shelf, "Basic", "b", "en").await;
        let second = put(&shelf, "Patient", "a", "de").await;
        put(&shelf, "Patient", "c", "en").await;
        shelf.tell("DELETE /fhir/Patient/a", &Value::Null).await;
        let last = put(&shelf, "Patient", "c", "de").await;

        let of_type = shelf.get("/fhir/Patient/_history").await;
        assert_eq!(
            versions(&of_type),
            ["Patient/c 2", "Patient/a 3", "Patient/c 1", "Patient/a 2", "Patient/a 1"]
        );
        assert_eq!((&of_type["type"], &of_type["total"]), (&json!("history"), &json!(5)));
        assert_eq!(of_type["entry"][1]["request"]["method"], "DELETE");
        assert!(of_type["entry"][1].get("resource").is_none());
        assert_eq!(of_type["entry"][3]["resource"]["language"], "de");
        let all = shelf.get("/fhir/_history").await;
        assert_eq!(versions(&all).len(), 6);
        assert_eq!(versions(&all)[4], "Basic/b 1");

        let since = shelf.get(&format!("/fhir/_history?_since={second}")).await;
        assert_eq!(versions(&since), ["Patient/c 2", "Patient/a 3", "Patient/c 1", "Patient/a 2"]);
        // What was current at that moment.
        let at = shelf.get(&format!("/fhir/_history?_at={second}")).await;
        assert_eq!(versions(&at), ["Patient/a 2", "Basic/b 1"]);
        let at = shelf.get(&format!("/fhir/Patient/a/_history?_at={second}")).await;
        assert_eq!(versions(&at), ["Patient/a 2"]);
        let at = shelf.get(&format!("/fhir/Patient/_history?_at={last}")).await;
        assert_eq!(versions(&at), ["Patient/c 2", "Patient/a 3"]);
        let before = shelf.get("/fhir/Patient/_history?_at=2020").await;
        assert_eq!(versions(&before), [""; 0]);
    }
}

#[tokio::test]
async fn pages_of_a_history_neither_lose_nor_repeat() {
    for shelf in Shelf::both().await {
        for round in 0..4 {
            for id in ["a", "b", "c"] {
                put(&shelf, "Patient", id, &format!("l{round}")).await;
            }
        }
        for whole in ["/fhir/_history", "/fhir/Patient/_history", "/fhir/Patient/b/_history"] {
            let expected = versions(&shelf.get(whole).await);
            let (mut target, mut seen) = (format!("{whole}?_count=5"), Vec::new());
            loop {
                let page = shelf.get(&target).await;
                seen.extend(versions(&page));
                let next = page["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next");
                let Some(next) = next else { break };
                assert_eq!(versions(&page).len(), 5);
                target = next["url"].as_str().unwrap().strip_prefix("http://hub").unwrap().to_owned();
            }
            assert_eq!(seen, expected, "{whole}");
        }
        for wrong in ["_at=x", "_since=2026", "_count=0", "_cursor=1.2", "_sort=_id"] {
            let answer = shelf.send(&format!("GET /fhir/_history?{wrong}"), &[], "").await;
            assert_eq!(answer.status, 400, "{wrong}");
        }
        assert_eq!(shelf.send("GET /fhir/Patient/none/_history", &[], "").await.status, 404);
    }
}
