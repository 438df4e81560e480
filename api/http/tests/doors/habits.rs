//! What R4B does not say but clients are used to.

use serde_json::json;

use crate::shelf::Shelf;

#[tokio::test]
async fn a_create_with_parameters_looks_before_it_writes() {
    for shelf in Shelf::both().await {
        let body =
            json!({ "resourceType": "Patient", "identifier": [{ "system": "urn:mrn", "value": "7" }] });
        let first = shelf.tell("POST /fhir/Patient?identifier=urn:mrn|7", &body).await;
        assert_eq!(first.status, 201, "{}", first.text());
        let again = shelf.tell("POST /fhir/Patient?identifier=urn:mrn|7", &body).await;
        assert_eq!(again.status, 200);
        assert_eq!(again.json()["id"], first.json()["id"]);
        // What would find everything, or is said twice, is no condition.
        for line in ["POST /fhir/Patient?_count=1", "POST /fhir/Patient?nonsense=1"] {
            assert_eq!(shelf.tell(line, &body).await.status, 400, "{line}");
        }
        let headers = [("if-none-exist", "identifier=8")];
        let both = shelf.send("POST /fhir/Patient?identifier=7", &headers, &body.to_string()).await;
        assert_eq!(both.status, 400);
        assert_eq!(shelf.get("/fhir/Patient").await["total"], 1);
    }
}

#[tokio::test]
async fn a_plain_object_that_is_no_resource_is_a_merge_patch() {
    let shelf = Shelf::sqlite().await;
    let body = json!({ "resourceType": "Patient", "id": "p", "active": true, "gender": "male" });
    shelf.tell("PUT /fhir/Patient/p", &body).await;
    let plain = [("content-type", "application/json")];
    let patched = shelf.send("PATCH /fhir/Patient/p", &plain, r#"{"active":null,"gender":"other"}"#).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    assert_eq!((&patched.json()["active"], &patched.json()["gender"]), (&json!(null), &json!("other")));
    // FHIR's own media type has FHIR's own patch, and a resource is never merged by mistake.
    let refused = shelf.send("PATCH /fhir/Patient/p", &[], r#"{"gender":"male"}"#).await;
    assert_eq!(refused.status, 400);
    let resource = r#"{"resourceType":"Patient","gender":"male"}"#;
    assert_eq!(shelf.send("PATCH /fhir/Patient/p", &plain, resource).await.status, 400);
}
