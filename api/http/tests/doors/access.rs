//! Who is let in, and what each role sees, in every way of asking.

use hub_fhir::{Json, Resource, json as fhir_json, tree};
use serde_json::{Value, json};

use crate::fake::Answer;
use crate::shelf::Shelf;

/// Two patients with all that is theirs: `p` is a visit person of the account `me`, `q` of `you`.
async fn furnish(shelf: &Shelf) {
    let of = |to: &str| tree! { "reference" => to };
    let code = |code: &str| tree! { "coding" => [tree! { "system" => "urn:c", "code" => code }] };
    let mut all = vec![
        tree! { "resourceType" => "Organization", "id" => "o", "name" => "House" },
        tree! { "resourceType" => "Practitioner", "id" => "d", "name" => [tree! { "family" => "Doctor" }] },
        tree! { "resourceType" => "Schedule", "id" => "sch", "actor" => [of("Practitioner/d")] },
        tree! { "resourceType" => "ValueSet", "id" => "v", "url" => "urn:v", "status" => "active" },
    ];
    for (account, patient) in [("me", "p"), ("you", "q")] {
        let (subject, id) = (of(&format!("Patient/{patient}")), |kind: &str| format!("{kind}-{patient}"));
        let member = tree! { "actor" => subject.clone(), "status" => "accepted" };
        let doctor = tree! { "actor" => of("Practitioner/d"), "status" => "accepted" };
        all.extend([
            tree! { "resourceType" => "Person", "id" => account, "link" => [tree! { "target" => subject.clone() }] },
            tree! { "resourceType" => "Patient", "id" => patient, "name" => [tree! { "family" => format!("Family{patient}") }] },
            tree! { "resourceType" => "Slot", "id" => id("s"), "schedule" => of("Schedule/sch"), "status" => "busy",
            "start" => "2026-03-02T09:00:00+08:00", "end" => "2026-03-02T09:10:00+08:00" },
            tree! { "resourceType" => "Appointment", "id" => id("a"), "status" => "booked", "slot" => [of(&format!("Slot/s-{patient}"))],
            "participant" => vec![Json::from(member), Json::from(doctor)] },
            tree! { "resourceType" => "Observation", "id" => id("ob"), "status" => "final", "code" => code("x"), "subject" => subject.clone(),
            "performer" => [of("Practitioner/d")] },
            tree! { "resourceType" => "Encounter", "id" => id("e"), "status" => "finished", "class" => tree! { "code" => "AMB" }, "subject" => subject.clone() },
            tree! { "resourceType" => "Invoice", "id" => id("i"), "status" => "issued", "subject" => subject.clone() },
            tree! { "resourceType" => "Task", "id" => id("t"), "status" => "requested", "intent" => "order", "for" => subject.clone() },
            tree! { "resourceType" => "Binary", "id" => id("b"), "contentType" => "text/plain", "securityContext" => subject },
        ]);
    }
    shelf.put(all.into_iter().map(|tree| Resource::from_tree(Json::Object(tree)).unwrap())).await;
}

/// Asks as somebody.
async fn asks(shelf: &Shelf, who: &str, line: &str, body: &Value) -> Answer {
    let token = format!("Bearer {who}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    shelf.send(line, &[("authorization", &token)], &body).await
}

async fn gets(shelf: &Shelf, who: &str, path: &str) -> Answer {
    asks(shelf, who, &format!("GET /fhir/{path}"), &Value::Null).await
}

/// What a search gives, sorted: `Observation/ob-p`.
async fn finds(shelf: &Shelf, who: &str, path: &str) -> Vec<String> {
    let answer = gets(shelf, who, path).await;
    assert_eq!(answer.status, 200, "{who} {path}: {}", answer.text());
    found(&answer.json())
}

fn found(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let name = |entry: &Value| {
        let resource = &entry["resource"];
        format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
    };
    let mut names: Vec<String> = entries.iter().map(name).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn without_a_token_only_what_the_server_is_and_what_is_public_can_be_read() {
    for shelf in Shelf::guarded().await {
        furnish(&shelf).await;
        assert_eq!(shelf.send("GET /fhir/metadata", &[], "").await.status, 200);
        assert_eq!(shelf.send("GET /health/live", &[], "").await.status, 200);
        for line in [
            "GET /fhir/Patient/p",
            "GET /fhir/Patient",
            "GET /fhir",
            "POST /fhir/Patient/_search",
            "GET /ops/status",
            "GET /ops/messages",
            "GET /fhir/_history",
            "DELETE /fhir/Patient/p",
            "GET /fhir/$export",
        ] {
            let answer = shelf.send(line, &[], "").await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("www-authenticate")),
                (401, "Bearer"),
                "{line}"
            );
            assert!(!answer.text().contains("Family"), "{line}");
        }
        let disabled = gets(&shelf, "disabled.x", "Patient/p").await;
        assert_eq!(disabled.status, 403);
        assert_eq!(gets(&shelf, "nonsense", "Patient/p").await.status, 401);
    }
}

#[tokio::test]
async fn a_patient_sees_what_is_about_the_own_visit_persons_in_every_way_of_asking() {
    for shelf in Shelf::guarded().await {
        furnish(&shelf).await;
        let me = "patient.me";
        // By address.
        for own in [
            "Patient/p",
            "Person/me",
            "Appointment/a-p",
            "Observation/ob-p",
            "Invoice/i-p",
            "Task/t-p",
            "Binary/b-p",
        ] {
            assert_eq!(gets(&shelf, me, own).await.status, 200, "{own}");
            let other = own.replace("-p", "-q").replace("/p", "/q").replace("/me", "/you");
            for path in [other.clone(), format!("{other}/_history"), format!("{other}/_history/1")] {
                let answer = gets(&shelf, me, &path).await;
                let is_empty = answer.status == 200 && found(&answer.json()).is_empty();
                assert!(answer.status == 404 || is_empty, "{path}: {} {}", answer.status, answer.text());
            }
            assert_eq!(found(&gets(&shelf, me, &format!("{own}/_history")).await.json()).len(), 1, "{own}");
        }
        // What is everybody's.
        for all in ["Practitioner/d", "Slot/s-q", "Organization/o", "ValueSet/v"] {
            assert_eq!(gets(&shelf, me, all).await.status, 200, "{all}");
        }
        // By search.
        for (path, expected) in [
            ("Patient", vec!["Patient/p"]),
            ("Patient?name=Family", vec!["Patient/p"]),
            ("Patient?_id=p,q", vec!["Patient/p"]),
            ("Person", vec!["Person/me"]),
            ("Observation?code=x", vec!["Observation/ob-p"]),
            ("Observation?subject=Patient/q", vec![]),
            ("Observation?code:not=y", vec!["Observation/ob-p"]),
            ("Observation?_filter=code%20eq%20x", vec!["Observation/ob-p"]),
            ("Observation?subject:Patient.name=Familyq", vec![]),
            ("Observation?subject:Patient.name=Family", vec!["Observation/ob-p"]),
            ("Patient/q/Observation", vec![]),
            ("Patient/p/*?_type=Observation,Invoice", vec!["Invoice/i-p", "Observation/ob-p"]),
            ("?_type=Patient,Observation,Task", vec!["Observation/ob-p", "Patient/p", "Task/t-p"]),
            ("Slot?_has:Appointment:slot:status=booked", vec!["Slot/s-p"]),
            ("Practitioner?_has:Observation:performer:subject=Patient/q", vec![]),
            ("Practitioner?_has:Observation:performer:subject=Patient/p", vec!["Practitioner/d"]),
            ("Practitioner?_has:Appointment:practitioner:patient.name=Familyq", vec![]),
            ("Slot?_filter=status%20eq%20busy%20and%20_id%20eq%20s-q", vec!["Slot/s-q"]),
            ("Slot?_id=s-q&_revinclude=Appointment:slot", vec!["Slot/s-q"]),
            ("Slot?_id=s-p&_revinclude=Appointment:slot", vec!["Appointment/a-p", "Slot/s-p"]),
            ("Practitioner?_revinclude=Observation:performer", vec!["Observation/ob-p", "Practitioner/d"]),
            (
                "Practitioner?_revinclude=Appointment:practitioner&_include:iterate=Appointment:patient",
                vec!["Appointment/a-p", "Patient/p", "Practitioner/d"],
            ),
            (
                "Appointment?_include=Appointment:patient&_include=*",
                vec!["Appointment/a-p", "Patient/p", "Practitioner/d", "Slot/s-p"],
            ),
            ("Observation?_sort=subject:Patient.name", vec!["Observation/ob-p"]),
            (
                "Patient/p/$everything?_type=Observation,Encounter",
                vec!["Encounter/e-p", "Observation/ob-p", "Patient/p", "Practitioner/d"],
            ),
        ] {
            assert_eq!(finds(&shelf, me, path).await, expected, "{path}");
        }
        // What is not seen is not counted either.
        let total = |answer: Answer| answer.json()["total"].as_u64();
        assert_eq!(total(gets(&shelf, me, "Observation?_summary=count").await), Some(1));
        assert_eq!(total(gets(&shelf, me, "Observation?_count=0&subject=Patient/q").await), Some(0));
        assert_eq!(total(gets(&shelf, me, "Group?_summary=count").await), Some(0));
        let form = shelf
            .send(
                "POST /fhir/Patient/_search",
                &[
                    ("authorization", "Bearer patient.me"),
                    ("content-type", "application/x-www-form-urlencoded"),
                ],
                "name=Family",
            )
            .await;
        assert_eq!(found(&form.json()), ["Patient/p"]);
        assert_eq!(gets(&shelf, me, "Patient/q/$everything").await.status, 404);
        // The versions of all, and all of them.
        for path in ["_history", "Observation/_history", "Patient/_history"] {
            assert_eq!(gets(&shelf, me, path).await.status, 403, "{path}");
        }
        assert_eq!(found(&gets(&shelf, me, "Slot/_history").await.json()).len(), 2);
        // In bundles.
        for kind in ["batch", "transaction"] {
            let get = |url: &str| json!({ "request": { "method": "GET", "url": url } });
            let bundle = json!({ "resourceType": "Bundle", "type": kind,
                "entry": [get("Patient/p"), get("Patient/q"), get("Observation?code=x")] });
            let answer = asks(&shelf, me, "POST /fhir", &bundle).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(
                answer.text().contains("Familyp") && !answer.text().contains("Familyq"),
                "{}",
                answer.text()
            );
            assert!(!answer.text().contains("ob-q"));
        }
        // A file of an export has no more.
        let order = asks(&shelf, me, "GET /fhir/$export?_type=Observation", &Value::Null).await;
        assert_eq!(order.status, 400, "it must be asked for later");
        let order = shelf
            .send(
                "GET /fhir/$export?_type=Observation,Patient",
                &[("authorization", "Bearer patient.me"), ("prefer", "respond-async")],
                "",
            )
            .await;
        let status = order.header("content-location").trim_start_matches("http://hub").to_owned();
        let manifest = asks(&shelf, me, &format!("GET {status}"), &Value::Null).await.json();
        assert_eq!(manifest["requiresAccessToken"], true);
        let files = manifest["output"].as_array().unwrap();
        assert_eq!(files.len(), 2, "{manifest}");
        for file in files {
            let url = file["url"].as_str().unwrap().trim_start_matches("http://hub");
            let lines = asks(&shelf, me, &format!("GET {url}"), &Value::Null).await;
            assert_eq!(lines.text().lines().count(), 1, "{}", lines.text());
            assert_eq!(shelf.send(&format!("GET {url}"), &[], "").await.status, 401);
        }
    }
}

#[tokio::test]
async fn a_patient_writes_nothing_and_no_condition_tells_of_others() {
    for shelf in Shelf::guarded().await {
        furnish(&shelf).await;
        let me = "patient.me";
        let patient = json!({ "resourceType": "Patient", "id": "p", "gender": "male" });
        let other = json!({ "resourceType": "Patient", "id": "q", "gender": "male" });
        for (line, body) in [
            ("PUT /fhir/Patient/p", &patient),
            ("PUT /fhir/Patient/q", &other),
            ("POST /fhir/Patient", &patient),
            ("DELETE /fhir/Patient/p", &Value::Null),
            ("DELETE /fhir/Observation?code=x", &Value::Null),
        ] {
            let answer = asks(&shelf, me, line, body).await;
            assert_eq!(answer.status, 403, "{line}: {}", answer.text());
        }
        let missing = asks(&shelf, me, "DELETE /fhir/Patient/q", &Value::Null).await;
        let nothing = asks(&shelf, me, "DELETE /fhir/Patient/zz", &Value::Null).await;
        assert_eq!(
            (missing.status, missing.text()),
            (nothing.status, nothing.text()),
            "as if it were not there"
        );
        let entry = json!({ "resource": patient, "request": { "method": "PUT", "url": "Patient/p" } });
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [entry] });
        assert_eq!(asks(&shelf, me, "POST /fhir", &bundle).await.status, 403);
        let read = gets(&shelf, "system.s", "Patient/p").await.json();
        assert_eq!(read["meta"]["versionId"], "1", "nothing was written");
    }
}

#[tokio::test]
async fn each_role_reads_its_types_and_no_others() {
    for shelf in Shelf::guarded().await {
        furnish(&shelf).await;
        for (who, sees, not) in [
            ("doctor.d", "Observation/ob-q Patient/q Appointment/a-q Slot/s-q", "Invoice/i-p Person/me"),
            ("health-manager.d", "Observation/ob-q Patient/q", "Invoice/i-p Person/me"),
            ("senior.d", "Observation/ob-q Patient/q", "Invoice/i-p Person/me"),
            ("pharmacist.d", "Observation/ob-q Patient/q", "Invoice/i-p Appointment/a-q"),
            (
                "operations.d",
                "Patient/q Appointment/a-q Invoice/i-p Task/t-p",
                "Observation/ob-q Encounter/e-p Person/me",
            ),
            ("finance.d", "Patient/q Invoice/i-p", "Observation/ob-q Encounter/e-p Person/me Binary/b-p"),
            ("reviewer.d", "Patient/q Binary/b-p", "Observation/ob-q Invoice/i-p"),
            (
                "administrator.d",
                "Practitioner/d ValueSet/v",
                "Patient/q Observation/ob-q Invoice/i-p Task/t-p",
            ),
            ("enterprise.d", "Practitioner/d ValueSet/v", "Patient/q Observation/ob-q Invoice/i-p Task/t-p"),
            ("system.d", "Patient/q Observation/ob-q Invoice/i-p Person/me Task/t-q", ""),
        ] {
            for path in sees.split_whitespace() {
                assert_eq!(gets(&shelf, who, path).await.status, 200, "{who} {path}");
            }
            for path in not.split_whitespace() {
                assert_eq!(gets(&shelf, who, path).await.status, 404, "{who} {path}");
                let kind = path.split('/').next().unwrap();
                assert_eq!(finds(&shelf, who, kind).await, Vec::<String>::new(), "{who} {kind}");
                assert_eq!(gets(&shelf, who, &format!("{kind}/_history")).await.status, 403, "{who} {kind}");
            }
            let performers = finds(&shelf, who, "Practitioner?_has:Observation:performer:code=x").await;
            let sees_results = sees.contains("Observation");
            assert_eq!(
                performers.len(),
                usize::from(sees_results),
                "{who}: what is looked through is narrowed"
            );
        }
        let valueset = json!({ "resourceType": "ValueSet", "id": "w", "url": "urn:w", "status": "draft" });
        for (who, status) in [("administrator.d", 201), ("doctor.d", 403), ("system.d", 200)] {
            let written = asks(&shelf, who, "PUT /fhir/ValueSet/w", &valueset).await;
            assert_eq!(written.status, status, "{who}: {}", written.text());
        }
        for (who, status) in
            [("administrator.d", 200), ("system.d", 200), ("operations.d", 403), ("patient.me", 403)]
        {
            assert_eq!(asks(&shelf, who, "GET /ops/status", &Value::Null).await.status, status, "{who}");
        }
    }
}

#[tokio::test]
async fn who_is_no_visit_person_any_more_is_not_seen_any_more() {
    for shelf in Shelf::guarded().await {
        furnish(&shelf).await;
        assert_eq!(finds(&shelf, "patient.me", "Observation").await.len(), 1);
        let person = tree! { "resourceType" => "Person", "id" => "me" };
        shelf.put([Resource::from_tree(Json::Object(person)).unwrap()]).await;
        assert_eq!(finds(&shelf, "patient.me", "Observation").await.len(), 0);
        assert_eq!(gets(&shelf, "patient.me", "Patient/p").await.status, 404);
        assert_eq!(
            finds(&shelf, "patient.nobody", "Observation").await.len(),
            0,
            "an account without a Person"
        );
    }
}

#[tokio::test]
async fn each_access_leaves_an_event_and_what_is_done_to_one_is_found_out() {
    for shelf in Shelf::guarded().await {
        furnish(&shelf).await;
        assert_eq!(finds(&shelf, "doctor.d", "Observation?subject=Patient/p").await.len(), 1);
        assert_eq!(gets(&shelf, "doctor.d", "Patient/p").await.status, 200);
        assert_eq!(gets(&shelf, "patient.you", "Patient/p").await.status, 404);
        // The patient sees who has looked.
        let trail = gets(&shelf, "patient.me", "AuditEvent?_sort=_lastUpdated").await.json();
        let events: Vec<&Value> =
            trail["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).collect();
        assert_eq!(events.len(), 2, "who was not let see it, has seen nothing of this patient: {trail}");
        let [search, read] = [events[0], events[1]];
        assert_eq!(search["subtype"][0]["code"], "search-type");
        assert_eq!(read["subtype"][0]["code"], "read");
        for event in [search, read] {
            assert_eq!(event["agent"][0]["role"][0]["coding"][0]["code"], "doctor");
            assert_eq!(event["agent"][0]["who"]["identifier"]["value"], "d");
            assert_eq!((&event["action"], &event["outcome"]), (&json!("R"), &json!("0")));
            let about = event["entity"].as_array().unwrap();
            assert!(about.iter().any(|entity| entity["what"]["reference"] == "Patient/p"), "{event}");
        }
        assert!(search["entity"].to_string().contains("Observation/ob-p"));
        let all =
            gets(&shelf, "system.s", "AuditEvent?_summary=count").await.json()["total"].as_u64().unwrap();
        assert!(all >= 4, "{all}");
        // Nobody writes it.
        let id = read["id"].as_str().unwrap().to_owned();
        let mut forged = read.clone();
        forged["outcome"] = json!("8");
        for who in ["system.s", "administrator.a"] {
            let answer = asks(&shelf, who, &format!("PUT /fhir/AuditEvent/{id}"), &forged).await;
            assert_eq!(answer.status, 403, "{who}: {}", answer.text());
            let answer = asks(&shelf, who, &format!("DELETE /fhir/AuditEvent/{id}"), &Value::Null).await;
            assert_eq!(answer.status, 403, "{who}: {}", answer.text());
        }
        let report = asks(&shelf, "administrator.a", "GET /ops/audit", &Value::Null).await.json();
        assert_eq!((&report["wrong"], &report["chains"]), (&json!(0), &json!(1)), "{report}");
        assert!(report["events"].as_u64().unwrap() >= 9, "{report}");
        // Whoever gets at the database is found out.
        let forged = Resource::from_tree(fhir_json::parse(&forged.to_string()).unwrap()).unwrap();
        shelf.put([forged]).await;
        let report = asks(&shelf, "administrator.a", "GET /ops/audit", &Value::Null).await.json();
        assert!(
            report["wrong"].as_u64().unwrap() >= 2,
            "it is changed, and the link after it does not hold: {report}"
        );
    }
}

#[tokio::test]
async fn the_stores_own_trail_names_the_account_that_wrote() {
    let [shelf, _] = Shelf::guarded().await;
    let valueset = json!({ "resourceType": "ValueSet", "id": "w", "url": "urn:w", "status": "draft" });
    assert_eq!(asks(&shelf, "administrator.anna", "PUT /fhir/ValueSet/w", &valueset).await.status, 201);
    let trail = shelf.audit().await;
    assert_eq!(trail.len(), 1, "{trail:?}");
    assert_eq!((trail[0].0.as_str(), trail[0].2), ("anna", 1));
}
