//! Searches of several types and of compartments, on a real store.

use serde_json::{Value, json};

use crate::shelf::Shelf;

/// A ward's worth: two patients, what was seen of them, and who treats them.
async fn fill(shelf: &Shelf) {
    let subject = |n: u8| json!({ "reference": format!("Patient/p{n}") });
    let mut entries = vec![json!({ "resourceType": "Organization", "id": "o", "name": "Ward" })];
    for n in 1..=2 {
        entries.push(json!({ "resourceType": "Patient", "id": format!("p{n}"), "gender": "male",
            "birthDate": format!("197{n}-01-01"), "meta": { "tag": [{ "code": "ward" }] } }));
        entries.push(json!({ "resourceType": "Encounter", "id": format!("e{n}"), "status": "finished",
            "class": { "code": "AMB" }, "subject": subject(n), "meta": { "tag": [{ "code": "ward" }] } }));
        for k in 1..=3 {
            entries.push(json!({ "resourceType": "Observation", "id": format!("k{n}{k}"), "status": "final",
                "code": { "coding": [{ "code": format!("c{k}") }] }, "subject": subject(n) }));
        }
    }
    // Seen by the first patient of another one's device: in both compartments.
    entries.push(
        json!({ "resourceType": "Observation", "id": "both", "status": "final", "code": { "text": "x" },
        "subject": subject(2), "performer": [{ "reference": "Patient/p1" }] }),
    );
    let entry = |resource: Value| {
        let url =
            format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
    };
    let entries: Vec<Value> = entries.into_iter().map(entry).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    let answer = shelf.tell("POST /fhir", &bundle).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn names(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let name = |entry: &Value| {
        let resource = &entry["resource"];
        format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
    };
    entries.map(name).collect()
}

/// All pages, by the links that the server gives.
async fn walk(shelf: &Shelf, target: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut target = target.to_owned();
    loop {
        let page = shelf.get(&target).await;
        found.extend(names(&page));
        let links = page["link"].as_array().unwrap();
        let next = links.iter().find(|link| link["relation"] == "next");
        match next {
            Some(next) => target = next["url"].as_str().unwrap().replace("http://hub", ""),
            None => return found,
        }
    }
}

#[tokio::test]
async fn several_types_are_searched_in_one_order() {
    for shelf in Shelf::both().await {
        fill(&shelf).await;
        let tagged = walk(&shelf, "/fhir?_tag=ward&_sort=_id&_count=3").await;
        assert_eq!(tagged, ["Encounter/e1", "Encounter/e2", "Patient/p1", "Patient/p2"]);
        let two = walk(&shelf, "/fhir?_type=Patient,Organization&_sort=-_id&_count=1").await;
        assert_eq!(two, ["Patient/p2", "Patient/p1", "Organization/o"]);
        // What both have.
        let named = walk(&shelf, "/fhir?_type=Observation,Encounter&patient=p1&_sort=_id&_count=2").await;
        assert_eq!(named, ["Encounter/e1", "Observation/k11", "Observation/k12", "Observation/k13"]);
        let all = shelf.get("/fhir?_summary=count").await;
        assert_eq!(all["total"], 12);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let posted = shelf.send("POST /fhir/_search", &form, "_id=o,p1&_sort=_id").await;
        assert_eq!(
            (posted.status.as_u16(), names(&posted.json())),
            (200, vec!["Organization/o".into(), "Patient/p1".into()])
        );
        let own = &posted.json()["link"][0]["url"];
        assert_eq!(own, "http://hub/fhir?_id=o%2Cp1&_sort=_id".replace("%2C", ",").as_str());
        let included =
            shelf.get("/fhir?_type=Encounter&_id=e1&_include=Encounter:subject&_revinclude=*").await;
        assert_eq!(names(&included), ["Encounter/e1", "Patient/p1"]);
    }
}

#[tokio::test]
async fn what_not_all_types_have_is_refused_with_the_type_that_has_it_not() {
    let shelf = Shelf::sqlite().await;
    for (target, why) in [
        ("/fhir?code=x", "has no search parameter `code`"),
        ("/fhir?_type=Observation,Patient&code=x", "`Patient` has no search parameter `code`"),
        ("/fhir?_type=Observatio", "did you mean `Observation`?"),
        ("/fhir?_type=", "no resource type"),
        ("/fhir/Patient?_type=Patient", "`_type` is not supported"),
    ] {
        let answer = shelf.send(&format!("GET {target}"), &[], "").await;
        assert_eq!(answer.status, 400, "{target}");
        assert!(answer.diagnostics().contains(why), "{target}: {}", answer.diagnostics());
    }
}

#[tokio::test]
async fn a_compartment_holds_what_points_at_its_resource() {
    for shelf in Shelf::both().await {
        fill(&shelf).await;
        let first = [
            "Observation/both",
            "Encounter/e1",
            "Observation/k11",
            "Observation/k12",
            "Observation/k13",
            "Patient/p1",
        ];
        assert_eq!(walk(&shelf, "/fhir/Patient/p1/*?_sort=_id&_count=2").await, first);
        assert_eq!(walk(&shelf, "/fhir/Patient/p1/Observation?code=c2").await, ["Observation/k12"]);
        assert_eq!(walk(&shelf, "/fhir/Patient/p1/*?_type=Encounter,Organization").await, ["Encounter/e1"]);
        assert_eq!(walk(&shelf, "/fhir/Patient/p1/Organization").await, Vec::<String>::new());
        assert_eq!(walk(&shelf, "/fhir/Patient/nobody/*").await, Vec::<String>::new());
        let seen = walk(
            &shelf,
            "/fhir/Patient/p2/Observation?_filter=code%20eq%20c1%20or%20performer%20pr%20true&_sort=_id",
        )
        .await;
        assert_eq!(seen, ["Observation/both", "Observation/k21"]);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let posted = shelf.send("POST /fhir/Patient/p1/Observation/_search", &form, "_summary=count").await;
        assert_eq!(posted.json()["total"], 4);
        let none = shelf.send("GET /fhir/Organization/o/Patient", &[], "").await;
        assert_eq!(none.status, 404);
        assert!(none.diagnostics().contains("has no compartment"), "{}", none.diagnostics());
    }
}

#[tokio::test]
async fn matches_are_sorted_by_what_they_point_at() {
    for shelf in Shelf::both().await {
        fill(&shelf).await;
        let sorted = walk(&shelf, "/fhir/Encounter?_sort=-patient.birthdate&_count=1").await;
        assert_eq!(sorted, ["Encounter/e2", "Encounter/e1"]);
        let page =
            shelf.get("/fhir/Observation?_sort=subject:Patient.birthdate,-code&_count=2&_summary=true").await;
        assert_eq!(names(&page), ["Observation/k13", "Observation/k12"]);
        assert_eq!(page["entry"][0]["resource"]["meta"]["tag"][0]["code"], "SUBSETTED");
    }
}

#[tokio::test]
async fn contained_resources_are_found_in_their_containers() {
    for shelf in Shelf::both().await {
        let ordered = |id: &str, codes: &[&str]| {
            let contained: Vec<Value> = codes.iter().enumerate()
                .map(|(nth, code)| json!({ "resourceType": "Medication", "id": format!("m{nth}"), "status": if nth == 0 { "active" } else { "inactive" },
                    "code": { "coding": [{ "system": "urn:drugs", "code": code }] } }))
                .collect();
            json!({ "resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order", "contained": contained,
                "medicationReference": { "reference": "#m0" }, "subject": { "reference": "Patient/p" } })
        };
        let put = async |resource: Value| {
            let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            let answer = shelf.tell(&format!("PUT /fhir/{kind}/{id}"), &resource).await;
            assert!(answer.status.is_success(), "{}", answer.text());
        };
        put(ordered("r1", &["aspirin", "ibuprofen"])).await;
        put(ordered("r2", &["ibuprofen"])).await;
        put(json!({ "resourceType": "Medication", "id": "own", "code": { "coding": [{ "system": "urn:drugs", "code": "aspirin" }] } })).await;
        let of =
            async |query: &str| walk(&shelf, &format!("/fhir/Medication?{query}&_sort=_id&_count=1")).await;
        assert_eq!(of("code=aspirin").await, ["Medication/own"]);
        assert_eq!(of("_contained=true&code=urn:drugs%7Caspirin").await, ["MedicationRequest/r1"]);
        assert_eq!(of("_contained=both&code=aspirin").await, ["Medication/own", "MedicationRequest/r1"]);
        assert_eq!(
            of("_contained=true&code=ibuprofen").await,
            ["MedicationRequest/r1", "MedicationRequest/r2"]
        );
        // In one contained resource, not one in each.
        assert_eq!(of("_contained=true&code=aspirin&status=inactive").await, Vec::<String>::new());
        assert_eq!(
            of("_contained=true&_filter=code%20eq%20ibuprofen%20and%20not%20(status%20eq%20active)").await,
            ["MedicationRequest/r1"]
        );
        assert_eq!(of("_contained=true&status:not=active").await, ["MedicationRequest/r1"]);
        let found = shelf.get("/fhir/Medication?_contained=true&_containedType=contained&code=ibuprofen&_sort=_id&_summary=true").await;
        let entries: Vec<(&Value, &Value)> = found["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (&entry["fullUrl"], &entry["resource"]["id"]))
            .collect();
        assert_eq!(
            entries,
            [
                (&json!("http://hub/fhir/MedicationRequest/r1#m1"), &json!("m1")),
                (&json!("http://hub/fhir/MedicationRequest/r2#m0"), &json!("m0")),
            ]
        );
        // What is no longer contained is not found, nor what is deleted.
        put(ordered("r1", &["paracetamol"])).await;
        assert_eq!(of("_contained=true&code=aspirin").await, Vec::<String>::new());
        assert_eq!(of("_contained=true&code=ibuprofen").await, ["MedicationRequest/r2"]);
        shelf.tell("DELETE /fhir/MedicationRequest/r2", &Value::Null).await;
        assert_eq!(of("_contained=true").await, ["MedicationRequest/r1"]);
        for target in [
            "/fhir/Medication?_contained=true&_lastUpdated=2026",
            "/fhir?_contained=true",
            "/fhir/Medication?_contained=some",
            "/fhir/Medication?_contained=true&_sort=code",
        ] {
            assert_eq!(shelf.send(&format!("GET {target}"), &[], "").await.status, 400, "{target}");
        }
    }
}
