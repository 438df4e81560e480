//! Searches by value sets, by what stands above and below a code, and by lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::shelf::Shelf;

/// The ids a search finds.
async fn found(shelf: &Shelf, query: &str) -> Vec<String> {
    let bundle = shelf.get(&format!("/fhir/{query}")).await;
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let ids: BTreeSet<String> =
        entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect();
    ids.into_iter().collect()
}

async fn put(shelf: &Shelf, resource: Value) {
    let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    let answer = shelf.tell(&format!("PUT /fhir/{kind}/{id}"), &resource).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

async fn diagnosed(shelf: &Shelf, id: &str, system: &str, code: &str) {
    let code = json!({ "coding": [{ "system": system, "code": code }] });
    let subject = json!({ "reference": "Patient/p1" });
    put(shelf, json!({ "resourceType": "Condition", "id": id, "subject": subject, "code": code })).await;
}

/// A code system with a hierarchy, value sets over it, and conditions.
async fn with_terms() -> [Shelf; 2] {
    let shelves = Shelf::both().await;
    for shelf in &shelves {
        put(shelf, json!({ "resourceType": "CodeSystem", "id": "cs", "url": "urn:cs", "status": "active", "content": "complete",
            "concept": [{ "code": "I10-I15", "concept": [{ "code": "I10" }, { "code": "I11", "concept": [{ "code": "I11.0" }] }] },
                        { "code": "E11" }] })).await;
        let filter = json!([{ "property": "concept", "op": "is-a", "value": "I10-I15" }]);
        put(shelf, json!({ "resourceType": "ValueSet", "id": "vs", "url": "http://v/tension", "version": "1", "status": "active",
            "compose": { "include": [{ "system": "urn:cs", "filter": filter }],
                         "exclude": [{ "system": "urn:cs", "concept": [{ "code": "I11.0" }] }] } })).await;
        put(
            shelf,
            json!({ "resourceType": "ValueSet", "id": "out", "url": "http://v/out", "status": "active",
            "compose": { "include": [{ "valueSet": ["http://v/nowhere"] }] } }),
        )
        .await;
        for (id, code) in [("a", "I10"), ("b", "I11"), ("c", "I11.0"), ("d", "E11")] {
            diagnosed(shelf, id, "urn:cs", code).await;
        }
        diagnosed(shelf, "e", "urn:other", "I10").await;
    }
    shelves
}

#[tokio::test]
async fn codes_are_found_by_value_sets_and_hierarchies() {
    for shelf in with_terms().await {
        for (query, expected) in [
            ("Condition?code:in=http://v/tension", vec!["a", "b"]),
            ("Condition?code:in=http://v/tension%7C1&_sort=-_lastUpdated", vec!["a", "b"]),
            ("Condition?code:in=ValueSet/vs", vec!["a", "b"]),
            ("Condition?code:in=http://hub/fhir/ValueSet/vs&_id=b,d", vec!["b"]),
            ("Condition?code:not-in=http://v/tension", vec!["c", "d", "e"]),
            ("Condition?code:below=urn:cs%7CI11", vec!["b", "c"]),
            ("Condition?code:below=urn:cs%7CI11,urn:cs%7CE11&_sort=_id", vec!["b", "c", "d"]),
            ("Condition?code:above=urn:cs%7CI11.0", vec!["b", "c"]),
            ("Patient?_has:Condition:patient:code:below=urn:cs%7CI11", vec![]),
        ] {
            assert_eq!(found(&shelf, query).await, expected, "{query}");
        }
        put(&shelf, json!({ "resourceType": "Patient", "id": "p1", "gender": "male" })).await;
        assert_eq!(found(&shelf, "Patient?_has:Condition:patient:code:below=urn:cs%7CI11").await, ["p1"]);
        let gender = "Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender";
        assert_eq!(found(&shelf, gender).await, ["p1"]);
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let [shelf, _] = with_terms().await;
    for (query, named) in [
        ("Condition?code:in=http://v/unknown", "`http://v/unknown`"),
        ("Condition?code:in=http://v/tension%7C2", "`http://v/tension|2`"),
        ("Condition?code:in=ValueSet/none", "`ValueSet/none`"),
        ("Condition?code:in=http://v/out", "`http://v/nowhere`"),
        ("Condition?code:below=urn:none%7CI10", "`urn:none`"),
        ("Condition?code:below=urn:cs%7CZ99", "`urn:cs`"),
    ] {
        let answer = shelf.send(&format!("GET /fhir/{query}"), &[], "").await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(named), "{query}: {}", answer.text());
    }
    for query in
        ["Condition?code:in=wang4711", "Condition?code:below=wang4711%7CI10", "ValueSet/$expand?url=wang4711"]
    {
        let answer = shelf.send(&format!("GET /fhir/{query}"), &[], "").await;
        assert!(answer.status.is_client_error(), "{query}");
        assert!(!answer.text().contains("wang4711"), "what is no name is not repeated: {}", answer.text());
    }
    // What a condition finds is looked for again by the writer, who reads no value sets.
    let answer = shelf.send("DELETE /fhir/Condition?code:in=http://v/tension", &[], "").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[tokio::test]
async fn what_a_list_names_is_found() {
    for shelf in with_terms().await {
        let item = |id: &str| json!({ "item": { "reference": format!("Condition/{id}") } });
        put(
            &shelf,
            json!({ "resourceType": "List", "id": "l", "status": "current", "mode": "working",
            "entry": [item("a"), item("d"), { "item": { "reference": "Patient/b" } }] }),
        )
        .await;
        assert_eq!(found(&shelf, "Condition?_list=l").await, ["a", "d"]);
        assert_eq!(found(&shelf, "Condition?_list=List/l&code=E11").await, ["d"]);
        assert_eq!(found(&shelf, "Condition?_list=other").await, [""; 0]);
        assert_eq!(shelf.send("GET /fhir/Condition?_list=$current-problems", &[], "").await.status, 400);
    }
}
