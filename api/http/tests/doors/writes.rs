//! Create, update and delete, each also with a condition: every status and header.

use hub_fhir::ResourceType;
use hub_http::{Checks, FhirSettings, Validation};
use serde_json::{Value, json};

use crate::shelf::Shelf;

fn patient(number: &str) -> Value {
    json!({ "resourceType": "Patient", "identifier": [{ "system": "urn:mrn", "value": number }] })
}

fn with_id(mut resource: Value, id: &str) -> Value {
    resource["id"] = id.into();
    resource
}

#[tokio::test]
async fn a_resource_is_created_under_an_id_of_the_servers() {
    for shelf in Shelf::both().await {
        let answer = shelf.tell("POST /fhir/Patient", &with_id(patient("1"), "mine")).await;
        assert_eq!(answer.status, 201);
        let stored = answer.json();
        let id = stored["id"].as_str().unwrap();
        assert_ne!(id, "mine");
        assert_eq!(answer.header("location"), format!("http://hub/fhir/Patient/{id}/_history/1"));
        assert_eq!(answer.header("etag"), "W/\"1\"");
        assert!(answer.header("last-modified").ends_with("GMT"));
        assert_eq!(stored["meta"]["versionId"], "1");
        let read = shelf.send(&format!("GET /fhir/Patient/{id}"), &[], "").await;
        assert_eq!(read.body, answer.body);
        assert_eq!(read.header("last-modified"), answer.header("last-modified"));
    }
}

#[tokio::test]
async fn an_update_makes_or_changes_and_says_which() {
    for shelf in Shelf::both().await {
        let first = shelf.tell("PUT /fhir/Patient/p", &with_id(patient("1"), "p")).await;
        assert_eq!(first.status, 201);
        assert_eq!(first.header("location"), "http://hub/fhir/Patient/p/_history/1");
        let second = shelf.tell("PUT /fhir/Patient/p", &with_id(patient("2"), "p")).await;
        assert_eq!((second.status.as_u16(), second.header("etag")), (200, "W/\"2\""));
        assert_eq!(second.header("content-location"), "http://hub/fhir/Patient/p/_history/2");
        // What changes nothing makes no version.
        let same = shelf.tell("PUT /fhir/Patient/p", &with_id(patient("2"), "p")).await;
        assert_eq!((same.status.as_u16(), same.header("etag")), (200, "W/\"2\""));
        assert_eq!(same.json(), second.json());
    }
}

#[tokio::test]
async fn a_stale_version_is_412_and_writes_nothing() {
    let shelf = Shelf::sqlite().await;
    shelf.tell("PUT /fhir/Patient/p", &with_id(patient("1"), "p")).await;
    let body = with_id(patient("2"), "p").to_string();
    for (header, status) in [
        (("if-match", "W/\"2\""), 412),
        (("if-match", "W/\"x\""), 412),
        (("if-match", "1"), 400),
        (("if-none-match", "*"), 412),
        (("if-match", "W/\"1\""), 200),
        (("if-match", "*"), 200),
    ] {
        let answer = shelf.send("PUT /fhir/Patient/p", &[header], &body).await;
        assert_eq!(answer.status, status, "{header:?}");
    }
    let new = with_id(patient("3"), "new").to_string();
    for (header, status) in
        [(("if-match", "W/\"1\""), 412), (("if-match", "*"), 412), (("if-none-match", "*"), 201)]
    {
        assert_eq!(shelf.send("PUT /fhir/Patient/new", &[header], &new).await.status, status, "{header:?}");
    }
    let stale = shelf.send("DELETE /fhir/Patient/p", &[("if-match", "W/\"1\"")], "").await;
    assert_eq!(stale.status, 412);
    assert_eq!(shelf.send("DELETE /fhir/Patient/p", &[("if-match", "W/\"2\"")], "").await.status, 204);
}

#[tokio::test]
async fn what_is_deleted_is_gone_until_it_is_written_again() {
    for shelf in Shelf::both().await {
        let never = shelf.tell("DELETE /fhir/Patient/p", &Value::Null).await;
        assert_eq!((never.status.as_u16(), never.header("etag")), (204, ""));
        shelf.tell("PUT /fhir/Patient/p", &with_id(patient("1"), "p")).await;
        let deleted = shelf.tell("DELETE /fhir/Patient/p", &Value::Null).await;
        assert_eq!((deleted.status.as_u16(), deleted.header("etag")), (204, "W/\"2\""));
        assert_eq!(deleted.body.len(), 0);
        let again = shelf.tell("DELETE /fhir/Patient/p", &Value::Null).await;
        assert_eq!((again.status.as_u16(), again.header("etag")), (204, "W/\"2\""));
        assert_eq!(shelf.send("GET /fhir/Patient/p", &[], "").await.status, 410);
        assert_eq!(shelf.get("/fhir/Patient/p/_history/1").await["identifier"][0]["value"], "1");
        let back = shelf.tell("PUT /fhir/Patient/p", &with_id(patient("1"), "p")).await;
        assert_eq!((back.status.as_u16(), back.header("etag")), (201, "W/\"3\""));
    }
}

#[tokio::test]
async fn a_client_says_what_it_wants_back() {
    let shelf = Shelf::sqlite().await;
    let body = patient("1").to_string();
    let minimal = shelf.send("POST /fhir/Patient", &[("prefer", "return=minimal")], &body).await;
    assert_eq!((minimal.status.as_u16(), minimal.body.len()), (201, 0));
    assert!(minimal.header("location").starts_with("http://hub/fhir/Patient/"));
    let prefer = [("prefer", "handling=strict, return=OperationOutcome")];
    let told = shelf.send("POST /fhir/Patient", &prefer, &body).await;
    assert_eq!((told.status.as_u16(), told.diagnostics().as_str()), (201, "the resource was created"));
    let deleted = shelf.send("DELETE /fhir/Patient?identifier=1&_id=none", &prefer, "").await;
    assert_eq!(
        (deleted.status.as_u16(), deleted.diagnostics().as_str()),
        (200, "there was nothing to delete")
    );
    let pretty = shelf.send("POST /fhir/Patient?_pretty=true", &[], &body).await;
    assert!(pretty.text().contains("\n  \"identifier\""));
    let part = shelf.send("POST /fhir/Patient?_elements=active", &[], &body).await;
    assert!(part.json().get("identifier").is_none());
    assert_eq!(shelf.send("POST /fhir/Patient?_format=xml", &[], &body).await.status, 406);
}

#[tokio::test]
async fn every_digit_and_every_member_comes_back_as_it_was_sent() {
    let shelf = Shelf::sqlite().await;
    let sent = r#"{"status":"final","resourceType":"Observation","id":"k","code":{"text":"K"},"valueQuantity":{"value":1.50,"unit":"mmol/l"},"component":[{"code":{"text":"x"},"valueQuantity":{"value":123456789012345678.1230}}]}"#;
    let answer = shelf.send("PUT /fhir/Observation/k", &[], sent).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let text = answer.text();
    let rest = &sent[sent.find(r#""code""#).unwrap()..];
    assert!(text.ends_with(&format!(r#""status":"final",{rest}"#)), "{text}");
}

#[tokio::test]
async fn all_types_of_r4b_are_written_and_read() {
    let shelf = Shelf::sqlite().await;
    let basic = json!({ "resourceType": "Basic", "id": "b", "code": { "text": "x" } });
    assert_eq!(shelf.tell("PUT /fhir/Basic/b", &basic).await.status, 201);
    let binary = json!({ "resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "eA==" });
    assert_eq!(shelf.tell("PUT /fhir/Binary/b", &binary).await.status, 201);
    let parameters = json!({ "resourceType": "Parameters", "id": "b" });
    assert_eq!(shelf.tell("PUT /fhir/Parameters/b", &parameters).await.status, 201);
    assert_eq!(shelf.get("/fhir/Basic?code:missing=false").await["total"], 0);
    assert_eq!(shelf.get("/fhir/Basic").await["total"], 1);
}

#[tokio::test]
async fn a_condition_creates_only_where_it_finds_nothing() {
    for shelf in Shelf::both().await {
        let condition = [("if-none-exist", "identifier=urn:mrn|7")];
        let body = patient("7").to_string();
        let first = shelf.send("POST /fhir/Patient", &condition, &body).await;
        assert_eq!(first.status, 201);
        let second =
            shelf.send("POST /fhir/Patient", &[("if-none-exist", "?identifier=urn:mrn%7C7")], &body).await;
        assert_eq!(second.status, 200);
        assert_eq!(second.header("content-location"), first.header("location"));
        assert_eq!(second.body, first.body);
        shelf.tell("POST /fhir/Patient", &patient("7")).await;
        let third = shelf.send("POST /fhir/Patient", &condition, &body).await;
        assert_eq!(
            (third.status.as_u16(), third.json()["issue"][0]["code"].as_str()),
            (412, Some("multiple-matches"))
        );
        assert_eq!(shelf.get("/fhir/Patient?identifier=7").await["total"], 2);
    }
}

#[tokio::test]
async fn a_conditional_update_goes_by_what_it_finds() {
    for shelf in Shelf::both().await {
        let target = "PUT /fhir/Patient?identifier=urn:mrn|8";
        let made = shelf.tell(target, &patient("8")).await;
        assert_eq!(made.status, 201);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let mut changed = patient("8");
        changed["active"] = true.into();
        let updated = shelf.tell(target, &changed).await;
        assert_eq!((updated.status.as_u16(), updated.header("etag")), (200, "W/\"2\""));
        assert_eq!(updated.json()["id"], id.as_str());
        assert_eq!(shelf.tell(target, &with_id(patient("8"), &id)).await.status, 200);
        assert_eq!(shelf.tell(target, &with_id(patient("8"), "other")).await.status, 400);
        let stale = shelf.send(target, &[("if-match", "W/\"1\"")], &patient("8").to_string()).await;
        assert_eq!(stale.status, 412);
        // Nothing is found, and it brings an id of its own.
        let own = shelf.tell("PUT /fhir/Patient?identifier=urn:mrn|9", &with_id(patient("9"), "nine")).await;
        assert_eq!(
            (own.status.as_u16(), own.header("location")),
            (201, "http://hub/fhir/Patient/nine/_history/1")
        );
        let taken =
            shelf.tell("PUT /fhir/Patient?identifier=urn:mrn|10", &with_id(patient("10"), "nine")).await;
        assert_eq!(taken.status, 409);
        shelf.tell("POST /fhir/Patient", &patient("8")).await;
        assert_eq!(shelf.tell(target, &patient("8")).await.status, 412);
    }
}

#[tokio::test]
async fn a_conditional_delete_takes_one_unless_several_are_granted() {
    for several in [false, true] {
        let shelf = Shelf::with(FhirSettings { delete_several: several, ..FhirSettings::default() }).await;
        let target = "DELETE /fhir/Patient?identifier=urn:mrn|5";
        assert_eq!(shelf.tell(target, &Value::Null).await.status, 204);
        shelf.tell("POST /fhir/Patient", &patient("5")).await;
        assert_eq!(shelf.tell(target, &Value::Null).await.status, 204);
        assert_eq!(shelf.get("/fhir/Patient?identifier=5").await["total"], 0);
        for _ in 0..3 {
            shelf.tell("POST /fhir/Patient", &patient("5")).await;
        }
        let all = shelf.tell(target, &Value::Null).await;
        assert_eq!(all.status, if several { 204 } else { 412 });
        let left = shelf.get("/fhir/Patient?identifier=5").await["total"].clone();
        assert_eq!(left, if several { 0 } else { 3 });
    }
}

#[tokio::test]
async fn a_condition_that_would_find_more_than_was_meant_is_refused() {
    let shelf = Shelf::sqlite().await;
    shelf.tell("POST /fhir/Patient", &patient("1")).await;
    let lenient = [("prefer", "handling=lenient")];
    for line in [
        "DELETE /fhir/Patient",
        "DELETE /fhir/Patient?shoesize=44",
        "DELETE /fhir/Patient?_count=1",
        "DELETE /fhir/Patient?identifier=1&_sort=_id",
        "PUT /fhir/Patient",
        "PUT /fhir/Patient?_include=Patient:organization",
    ] {
        let answer = shelf.send(line, &lenient, &patient("1").to_string()).await;
        assert_eq!(answer.status, 400, "{line}: {}", answer.text());
    }
    let empty = shelf.send("POST /fhir/Patient", &[("if-none-exist", "")], &patient("1").to_string()).await;
    assert_eq!(empty.status, 400);
    assert_eq!(shelf.get("/fhir/Patient").await["total"], 1);
}

#[tokio::test]
async fn every_bad_body_is_answered_with_where_and_what_was_expected() {
    let shelf = Shelf::with(FhirSettings { body_bytes: 10_000, ..FhirSettings::default() }).await;
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let large = format!("{{\"resourceType\":\"Patient\",\"language\":\"{}\"}}", "x".repeat(20_000));
    for (body, status, said) in [
        ("", 400, "the body is empty"),
        ("{", 400, "line 1, column 2"),
        ("[]", 400, "must be a JSON object"),
        ("{}", 400, "`resourceType` is `Patient`"),
        (r#"{"resourceType":"Observation"}"#, 400, "`resourceType` is `Patient`"),
        (r#"{"resourceType":"Patient","active":true,"active":true}"#, 400, "line 1"),
        (r#"{"resourceType":"Patient","name":"x"}"#, 422, "expected an array"),
        (r#"{"resourceType":"Patient","birthDate":"SECRET"}"#, 422, "expected"),
        (r#"{"resourceType":"Patient","gender":"SECRET"}"#, 422, "administrative-gender"),
        (&deep, 400, "64 levels"),
        (&large, 413, "10000 bytes"),
    ] {
        let answer =
            shelf.send("POST /fhir/Patient", &[("content-type", "application/fhir+json")], body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let told = answer.diagnostics();
        assert!(told.contains(said) && !told.contains("SECRET"), "{told}");
    }
    let several = r#"{"resourceType":"Patient","gender":"m","birthDate":"x"}"#;
    let issues = shelf.send("POST /fhir/Patient", &[], several).await.json();
    let places: Vec<_> = issues["issue"].as_array().unwrap().iter().map(|i| &i["expression"][0]).collect();
    assert_eq!(places, ["Patient.gender", "Patient.birthDate"]);
    for (media, status) in [
        ("text/plain", 415),
        ("application/xml", 415),
        ("*/*", 415),
        ("application/fhir+json; fhirVersion=5.0", 415),
        ("application/json; charset=utf-8", 201),
    ] {
        let answer =
            shelf.send("POST /fhir/Patient", &[("content-type", media)], &patient("1").to_string()).await;
        assert_eq!(answer.status, status, "{media}");
    }
    assert_eq!(shelf.tell("PUT /fhir/Patient/p", &patient("1")).await.status, 400); // no id
    assert_eq!(shelf.tell("PUT /fhir/Patient/p", &with_id(patient("1"), "q")).await.status, 400);
    assert_eq!(shelf.tell("PUT /fhir/Patient/a_b", &with_id(patient("1"), "a_b")).await.status, 400);
}

#[tokio::test]
async fn every_write_leaves_its_row_in_the_audit_trail() {
    let shelf = Shelf::sqlite().await;
    let named = [("x-request-id", "r-77")];
    shelf.send("POST /fhir/Patient", &named, &patient("1").to_string()).await;
    shelf.tell("DELETE /fhir/Patient?identifier=1", &Value::Null).await;
    let rows = shelf.audit().await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], ("anonymous".to_owned(), "r-77".to_owned(), 1));
    assert_eq!((rows[1].0.as_str(), rows[1].1.len(), rows[1].2), ("anonymous", 36, 1));
}

#[tokio::test]
async fn a_patch_in_each_of_its_forms_makes_a_version() {
    for shelf in Shelf::both().await {
        shelf.tell("PUT /fhir/Patient/p", &with_id(patient("1"), "p")).await;
        let fhir = json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
            { "name": "type", "valueCode": "replace" },
            { "name": "path", "valueString": "Patient.active" },
            { "name": "value", "valueBoolean": false }
        ] }] });
        for (version, (media, body)) in (2..).zip([
            ("application/json-patch+json", json!([{ "op": "add", "path": "/birthDate", "value": "1970" }])),
            ("application/merge-patch+json", json!({ "active": true, "birthDate": null })),
            ("application/fhir+json", fhir.clone()),
        ]) {
            let answer =
                shelf.send("PATCH /fhir/Patient/p", &[("content-type", media)], &body.to_string()).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.header("etag"), format!("W/\"{version}\""));
        }
        let stored = shelf.get("/fhir/Patient/p").await;
        assert_eq!((&stored["active"], stored.get("birthDate")), (&json!(false), None));
        // Of what a condition finds.
        let merge = [("content-type", "application/merge-patch+json")];
        let found = shelf.send("PATCH /fhir/Patient?identifier=1", &merge, r#"{"gender":"female"}"#).await;
        assert_eq!((found.status.as_u16(), found.json()["gender"].as_str()), (200, Some("female")));
        let none = shelf.send("PATCH /fhir/Patient?identifier=2", &merge, r#"{"gender":"female"}"#).await;
        assert_eq!(none.status, 404);
    }
}

#[tokio::test]
async fn a_patch_that_does_not_fit_changes_nothing() {
    let shelf = Shelf::sqlite().await;
    shelf.tell("PUT /fhir/Patient/p", &with_id(patient("1"), "p")).await;
    shelf.tell("PUT /fhir/Patient/gone", &with_id(patient("2"), "gone")).await;
    shelf.tell("DELETE /fhir/Patient/gone", &Value::Null).await;
    let (json, merge) = ("application/json-patch+json", "application/merge-patch+json");
    for (line, media, body, status, said) in [
        (
            "PATCH /fhir/Patient/p",
            json,
            r#"[{"op":"test","path":"/active","value":true}]"#,
            422,
            "operation 1 (`test` at `/active`)",
        ),
        ("PATCH /fhir/Patient/p", json, r#"[{"op":"replace","path":"/id","value":"q"}]"#, 422, "neither"),
        (
            "PATCH /fhir/Patient/p",
            json,
            r#"[{"op":"add","path":"/gender","value":"m"}]"#,
            422,
            "administrative-gender",
        ),
        ("PATCH /fhir/Patient/p", json, "{}", 400, "array of operations"),
        ("PATCH /fhir/Patient/p", merge, r#"{"resourceType":"Group"}"#, 422, "neither"),
        ("PATCH /fhir/Patient/p", merge, "[]", 400, "JSON object"),
        (
            "PATCH /fhir/Patient/p",
            "application/fhir+json",
            r#"{"resourceType":"Patient"}"#,
            400,
            "`Parameters`",
        ),
        ("PATCH /fhir/Patient/p", "application/xml-patch+xml", "<x/>", 415, "application/json-patch+json"),
        ("PATCH /fhir/Patient/none", merge, "{}", 404, "no such resource"),
        ("PATCH /fhir/Patient/gone", merge, "{}", 410, "deleted"),
    ] {
        let answer = shelf.send(line, &[("content-type", media)], body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.diagnostics().contains(said), "{}", answer.text());
    }
    let stale = [("content-type", merge), ("if-match", "W/\"2\"")];
    assert_eq!(shelf.send("PATCH /fhir/Patient/p", &stale, r#"{"active":true}"#).await.status, 412);
    assert_eq!(shelf.get("/fhir/Patient/p").await["meta"]["versionId"], "1");
}

#[tokio::test]
async fn what_is_looked_at_is_set_for_each_type() {
    let loose = Checks { structure: false, invariants: false, references: false };
    let strict = Checks { structure: true, invariants: true, references: true };
    let kind = |name| ResourceType::from_name(name).unwrap();
    let types = [(kind("Patient"), strict), (kind("Basic"), loose)].into_iter().collect();
    let validate = Validation { all: Checks::default(), types };
    let shelf = Shelf::with(FhirSettings { validate, ..FhirSettings::default() }).await;
    let contact = json!({ "resourceType": "Patient", "contact": [{ "gender": "male" }] });
    let answer = shelf.tell("POST /fhir/Patient", &contact).await; // pat-1
    assert_eq!(
        (answer.status.as_u16(), answer.json()["issue"][0]["code"].as_str()),
        (422, Some("invariant"))
    );
    assert_eq!(answer.json()["issue"][0]["expression"][0], "Patient.contact[0]");
    let here = |reference: &str| json!({ "resourceType": "Patient", "id": "p", "active": true, "managingOrganization": { "reference": reference } });
    for (reference, status) in [
        ("Organization/none", 422),
        ("http://hub/fhir/Organization/none/_history/2", 422),
        ("http://elsewhere/Organization/1", 201),
        ("urn:uuid:5d4b9df1-93ae-3bc9-b680-03249990e558", 200),
    ] {
        let answer = shelf.tell("PUT /fhir/Patient/p", &here(reference)).await;
        assert_eq!(answer.status, status, "{reference}: {}", answer.text());
        assert!(!answer.text().contains("Organization/none"));
    }
    // What the same transaction makes is there.
    let organization = json!({ "resourceType": "Organization", "id": "o", "name": "x" });
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        { "resource": here("Organization/o"), "request": { "method": "PUT", "url": "Patient/p" } },
        { "resource": organization, "request": { "method": "PUT", "url": "Organization/o" } }
    ] });
    assert_eq!(shelf.tell("POST /fhir", &bundle).await.status, 200);
    let odd = json!({ "resourceType": "Basic", "what": "ever" });
    assert_eq!(shelf.tell("POST /fhir/Basic", &odd).await.status, 201);
    let mut organization =
        json!({ "resourceType": "Organization", "partOf": { "reference": "Organization/none" } });
    assert_eq!(shelf.tell("POST /fhir/Organization", &organization).await.status, 201);
    organization["gender"] = "x".into();
    assert_eq!(shelf.tell("POST /fhir/Organization", &organization).await.status, 422);
}

#[tokio::test]
async fn an_outcome_is_told_in_the_readers_language() {
    let shelf = Shelf::sqlite().await;
    let body = r#"{"resourceType":"Patient","gender":"m"}"#;
    for (language, text) in [
        ("zh-Hans", json!("应为值集 `administrative-gender` 中的代码")),
        ("zh-Hant-HK, en;q=0.5", json!("應為值集 `administrative-gender` 中的代碼")),
        ("en", Value::Null),
    ] {
        let answer = shelf.send("POST /fhir/Patient", &[("accept-language", language)], body).await;
        assert_eq!(answer.json()["issue"][0]["details"]["text"], text, "{language}");
        assert!(answer.diagnostics().contains("administrative-gender"));
    }
    let answer = shelf.send("GET /fhir/Patient/none", &[("accept-language", "zh-CN")], "").await;
    assert_eq!(answer.json()["issue"][0]["details"]["text"], "没有这个资源");
    // What has no sentence of its own is told by its sort.
    let answer = shelf.send("GET /fhir/Patient?birthdate=x", &[("accept-language", "zh-CN")], "").await;
    assert_eq!(answer.json()["issue"][0]["details"]["text"], "内容无效");
}
