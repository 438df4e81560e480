//! SearchParameter resources through the door: those of R4B are there to be read, one's own come into force and are searched by.

use hub_fhir::described;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::shelf::Shelf;

fn definition(id: &str, code: &str, kind: &str, expression: &str) -> Value {
    json!({
        "resourceType": "SearchParameter", "id": id, "url": format!("http://h.example/{code}"), "name": code,
        "status": "active", "description": "of the house", "code": code, "base": ["Patient"], "type": kind,
        "expression": expression,
    })
}

fn patient(id: &str, ward: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id, "name": [{ "family": "Wang", "given": ["Li"] }],
        "extension": [{ "url": "http://h.example/ward", "valueCode": ward }],
    })
}

const WARD: &str = "Patient.extension.where(url='http://h.example/ward').value";

/// What the CapabilityStatement says of a parameter of patients.
async fn listed(shelf: &Shelf, code: &str) -> Option<Value> {
    let statement = shelf.get("/fhir/metadata").await;
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    let patient = resources.iter().find(|resource| resource["type"] == "Patient").unwrap();
    patient["searchParam"].as_array().unwrap().iter().find(|param| param["name"] == code).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_of_ones_own_is_searched_by_when_all_are_indexed() {
    for shelf in Shelf::both().await {
        shelf.tell("PUT /fhir/Patient/a", &patient("a", "icu")).await;
        assert_eq!(shelf.send("GET /fhir/Patient?ward=icu", &[], "").await.status, 400);
        let tag = shelf.send("GET /fhir/metadata", &[], "").await.header("etag").to_owned();
        let made =
            shelf.tell("PUT /fhir/SearchParameter/ward", &definition("ward", "ward", "token", WARD)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let waits = shelf.send("GET /fhir/Patient?ward=icu", &[], "").await;
        assert_eq!((waits.status.as_u16(), waits.header("retry-after")), (503, "5"));
        assert!(waits.diagnostics().contains("1 are left"), "{}", waits.text());
        shelf.tell("PUT /fhir/Patient/b", &patient("b", "icu")).await;
        shelf.index().await;
        assert_eq!(shelf.get("/fhir/Patient?ward=icu").await["total"], 2);
        assert_eq!(shelf.get("/fhir/Patient?ward:not=icu").await["total"], 0);
        assert_eq!(listed(&shelf, "ward").await.unwrap()["definition"], "http://h.example/ward");
        assert_ne!(shelf.send("GET /fhir/metadata", &[], "").await.header("etag"), tag);
        // The whole of FHIRPath, and a condition on it that a create is made by.
        let whole = definition("full", "full", "string", "name.given.first() + ' ' + name.family.first()");
        assert_eq!(shelf.tell("PUT /fhir/SearchParameter/full", &whole).await.status, 201);
        shelf.index().await;
        assert_eq!(shelf.get("/fhir/Patient?full:exact=Li%20Wang&_sort=-ward").await["total"], 2);
        for status in [201, 200] {
            let body = patient("c", "er").to_string();
            let made = shelf.send("POST /fhir/Patient", &[("if-none-exist", "ward=er")], &body).await;
            assert_eq!(made.status, status);
        }
        // It goes, and is unknown at once; who is lenient is told that it was left out.
        assert_eq!(shelf.tell("DELETE /fhir/SearchParameter/ward", &Value::Null).await.status, 204);
        assert_eq!(shelf.send("GET /fhir/Patient?ward=icu", &[], "").await.status, 400);
        let lenient = shelf.send("GET /fhir/Patient?ward=icu", &[("prefer", "handling=lenient")], "").await;
        assert_eq!(lenient.status, 200);
        assert!(listed(&shelf, "ward").await.is_none() && listed(&shelf, "full").await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_in_force_is_refused_and_told_why() {
    let shelf = Shelf::sqlite().await;
    let refused = async |change: &dyn Fn(&mut Value), element: &str| {
        let mut tree = definition("w", "ward", "token", WARD);
        change(&mut tree);
        let answer = shelf.tell("PUT /fhir/SearchParameter/w", &tree).await;
        assert_eq!(answer.status, 422, "{element}: {}", answer.text());
        assert_eq!(answer.json()["issue"][0]["expression"][0], format!("SearchParameter.{element}"));
    };
    refused(&|tree| tree["expression"] = "Patient.nmae".into(), "expression").await;
    refused(&|tree| tree["expression"] = "Patient.name".into(), "expression").await;
    refused(&|tree| tree["expression"] = "Observation.code".into(), "expression").await;
    refused(&|tree| tree["expression"] = "Patient.birthDate < today()".into(), "expression").await;
    refused(&|tree| drop(tree.as_object_mut().unwrap().remove("expression")), "expression").await;
    refused(&|tree| tree["code"] = "birthdate".into(), "code").await;
    refused(&|tree| tree["code"] = "_sort".into(), "code").await;
    refused(&|tree| tree["base"] = json!(["Resource"]), "base").await;
    refused(&|tree| tree["type"] = "special".into(), "type").await;
    refused(&|tree| tree["type"] = "composite".into(), "component").await;
    let birthdate = "http://hl7.org/fhir/SearchParameter/individual-birthdate";
    refused(&|tree| tree["url"] = birthdate.into(), "url").await;
    // A draft may be anything; it is not in force.
    let mut draft = definition("w", "ward", "token", "Patient.nmae");
    draft["status"] = "draft".into();
    assert_eq!(shelf.tell("PUT /fhir/SearchParameter/w", &draft).await.status, 201);
    assert!(listed(&shelf, "ward").await.is_none());
    // Another that says the same, by its URL or by its code.
    assert_eq!(
        shelf.tell("PUT /fhir/SearchParameter/w", &definition("w", "ward", "token", WARD)).await.status,
        200
    );
    refused_beside(&shelf, "http://h.example/ward", "other", "url").await;
    refused_beside(&shelf, "http://h.example/other", "ward", "code").await;
    assert_eq!(
        shelf.tell("PUT /fhir/SearchParameter/w", &definition("w", "ward", "string", WARD)).await.status,
        200
    );
}

async fn refused_beside(shelf: &Shelf, url: &str, code: &str, element: &str) {
    let mut other = definition("v", code, "token", WARD);
    other["url"] = url.into();
    let answer = shelf.tell("PUT /fhir/SearchParameter/v", &other).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(answer.json()["issue"][0]["expression"][0], format!("SearchParameter.{element}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_define_the_same_one_does() {
    for shelf in Shelf::both().await {
        let mut clients = JoinSet::new();
        for n in 0..12 {
            let shelf = shelf.clone();
            clients.spawn(async move {
                let (id, mut tree) = (format!("w{n}"), definition(&format!("w{n}"), "ward", "token", WARD));
                tree["url"] = format!("http://h.example/{n}").into();
                shelf.tell(&format!("PUT /fhir/SearchParameter/{id}"), &tree).await.status.as_u16()
            });
        }
        let answers = clients.join_all().await;
        assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
        assert!(answers.iter().all(|status| matches!(status, 201 | 422 | 409)), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_definitions_of_r4b_are_found_and_nobody_else_writes_them() {
    let shelf = Shelf::sqlite().await;
    shelf.put(described::all()).await;
    let found = shelf.get("/fhir/SearchParameter?base=Patient&code=birthdate").await;
    assert_eq!(found["total"], 1);
    let birthdate = shelf.get("/fhir/SearchParameter/individual-birthdate").await;
    assert_eq!(found["entry"][0]["resource"], birthdate);
    assert_eq!(listed(&shelf, "birthdate").await.unwrap()["definition"], birthdate["url"]);
    // They are no definitions of one's own: nothing more is in force.
    assert_eq!(
        listed(&shelf, "_id").await.unwrap()["definition"],
        "http://hl7.org/fhir/SearchParameter/Resource-id"
    );
    let change = shelf.tell("PUT /fhir/SearchParameter/individual-birthdate", &birthdate).await;
    assert_eq!(change.status, 422, "{}", change.text());
    let removed = shelf.tell("DELETE /fhir/SearchParameter/individual-birthdate", &Value::Null).await;
    assert_eq!(removed.status, 422);
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        { "request": { "method": "DELETE", "url": "SearchParameter/individual-birthdate" } }
    ] });
    assert_eq!(shelf.tell("POST /fhir", &bundle).await.status, 422);
}
