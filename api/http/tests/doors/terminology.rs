//! `$expand`, `$validate-code`, `$lookup`, `$subsumes` and `$translate`, on both databases.

use serde_json::{Value, json};

use crate::shelf::Shelf;

/// A code system in three languages, value sets over it, and a map to another.
async fn with_terms() -> [Shelf; 2] {
    let words = |zh_hans: &str, zh_hant: &str| json!([{ "language": "zh-Hans", "value": zh_hans }, { "language": "zh-Hant", "value": zh_hant }]);
    let shelves = Shelf::both().await;
    for shelf in &shelves {
        for resource in [
            json!({ "resourceType": "CodeSystem", "id": "icd", "url": "http://h/icd", "version": "10", "name": "Icd", "status": "active",
                "content": "complete", "property": [{ "code": "chronic", "type": "boolean" }],
                "concept": [
                    { "code": "I10-I15", "display": "Hypertensive diseases", "concept": [
                        { "code": "I10", "display": "Essential hypertension", "definition": "High pressure without a known cause.",
                          "designation": words("原发性高血压", "原發性高血壓"),
                          "property": [{ "code": "chronic", "valueBoolean": true }] },
                        { "code": "I11", "display": "Hypertensive heart disease", "designation": words("高血压性心脏病", "高血壓性心臟病") }] },
                    { "code": "E11", "display": "Type 2 diabetes mellitus" }] }),
            json!({ "resourceType": "ValueSet", "id": "tension", "url": "http://h/tension", "name": "Tension", "status": "active",
                "compose": { "include": [
                    { "system": "http://h/icd", "filter": [{ "property": "concept", "op": "descendent-of", "value": "I10-I15" }] },
                    { "system": "http://h/local", "concept": [{ "code": "HT", "display": "Tension, as the wards say" }] }] } }),
            json!({ "resourceType": "ConceptMap", "id": "map", "url": "http://h/map", "status": "active", "group": [
                { "source": "http://h/icd", "target": "http://h/local", "element": [
                    { "code": "I10", "target": [{ "code": "HT", "display": "Tension", "equivalence": "wider" }] }] }] }),
        ] {
            let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            let answer = shelf.tell(&format!("PUT /fhir/{kind}/{id}"), &resource).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
    }
    shelves
}

/// `code display` of an expansion.
fn lines(set: &Value) -> Vec<String> {
    let contains = set["expansion"]["contains"].as_array().into_iter().flatten();
    let line =
        |one: &Value| format!("{} {}", one["code"].as_str().unwrap(), one["display"].as_str().unwrap_or("-"));
    contains.map(line).collect()
}

/// The value of a parameter, whatever its type.
fn told<'a>(parameters: &'a Value, name: &str) -> &'a Value {
    let all = parameters["parameter"].as_array().into_iter().flatten();
    let one = all.into_iter().find(|one| one["name"] == name);
    let value = one.and_then(|one| one.as_object()?.iter().find(|(name, _)| name.starts_with("value")));
    value.map_or(&Value::Null, |(_, value)| value)
}

#[tokio::test]
async fn a_value_set_is_expanded_in_the_readers_language_and_while_it_is_typed() {
    for shelf in with_terms().await {
        let set = shelf.get("/fhir/ValueSet/$expand?url=http://h/tension").await;
        let english =
            ["I10 Essential hypertension", "I11 Hypertensive heart disease", "HT Tension, as the wards say"];
        assert_eq!(lines(&set), english);
        assert_eq!((&set["name"], &set["expansion"]["total"]), (&json!("Tension"), &json!(3)));
        let tree = hub_fhir::json::parse(&set.to_string()).unwrap();
        assert_eq!(hub_fhir::validate(tree.as_object().unwrap()), [], "{set}");
        let in_language = |language: &'static str| {
            let headers = [("accept-language", language)];
            let shelf = &shelf;
            async move { lines(&shelf.send("GET /fhir/ValueSet/tension/$expand", &headers, "").await.json()) }
        };
        assert_eq!(in_language("zh-CN").await[0], "I10 原发性高血压");
        assert_eq!(in_language("zh-HK").await[1], "I11 高血壓性心臟病");
        for (typed, expected) in
            [("gaoxueya", "I10 原发性高血压"), ("心臟", "I11 高血压性心脏病"), ("i11", "I11 高血压性心脏病")]
        {
            let set = shelf
                .get(&format!(
                    "/fhir/ValueSet/tension/$expand?filter={typed}&displayLanguage=zh-Hans&count=1"
                ))
                .await;
            assert_eq!(lines(&set), [expected], "{typed}");
        }
        let page = shelf.get("/fhir/ValueSet/tension/$expand?offset=1&count=1").await;
        assert_eq!((lines(&page), &page["expansion"]["total"]), (vec![english[1].to_owned()], &json!(3)));
        // One that is sent along, over one that is stored.
        let sent = json!({ "resourceType": "ValueSet", "status": "draft", "compose": { "include": [{ "valueSet": ["http://h/tension"] }],
            "exclude": [{ "system": "http://h/icd", "concept": [{ "code": "I11" }] }] } });
        let given = json!({ "resourceType": "Parameters", "parameter": [{ "name": "valueSet", "resource": sent.clone() }] });
        for body in [sent, given] {
            let set = shelf.tell("POST /fhir/ValueSet/$expand", &body).await.json();
            assert_eq!(lines(&set), [english[0], english[2]]);
        }
        let gender =
            shelf.get("/fhir/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender").await;
        assert_eq!(gender["expansion"]["total"], 4);
        for (target, status) in [
            ("/fhir/ValueSet/$expand?url=http://h/nowhere", 404),
            ("/fhir/ValueSet/none/$expand", 404),
            ("/fhir/ValueSet/$expand", 400),
            ("/fhir/ValueSet/tension/$expand?count=x", 400),
            ("/fhir/ValueSet/tension/$expand?fliter=x", 400),
        ] {
            assert_eq!(shelf.tell(&format!("GET {target}"), &Value::Null).await.status, status, "{target}");
        }
    }
}

#[tokio::test]
async fn codes_are_judged_by_value_sets_and_code_systems() {
    for shelf in with_terms().await {
        for (query, result, display) in [
            (
                "ValueSet/$validate-code?url=http://h/tension&system=http://h/icd&code=I10",
                true,
                json!("Essential hypertension"),
            ),
            ("ValueSet/tension/$validate-code?system=http://h/icd&code=E11", false, Value::Null),
            ("ValueSet/tension/$validate-code?code=HT", true, json!("Tension, as the wards say")),
            (
                "ValueSet/tension/$validate-code?code=I10&display=essential%20Hypertension",
                true,
                json!("Essential hypertension"),
            ),
            (
                "ValueSet/tension/$validate-code?code=I10&display=Diabetes",
                false,
                json!("Essential hypertension"),
            ),
            ("CodeSystem/$validate-code?url=http://h/icd&code=E11", true, json!("Type 2 diabetes mellitus")),
            ("CodeSystem/icd/$validate-code?code=E12", false, Value::Null),
        ] {
            let answer = shelf.get(&format!("/fhir/{query}")).await;
            assert_eq!(told(&answer, "result"), &json!(result), "{query}");
            assert_eq!(told(&answer, "display"), &display, "{query}");
            assert_eq!(told(&answer, "message").is_null(), result, "{query}");
        }
        let coding = |system: &str, code: &str| json!({ "system": system, "code": code });
        let concept = json!({ "coding": [coding("http://x", "1"), coding("http://h/icd", "I11")] });
        let given = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "url", "valueUri": "http://h/tension" }, { "name": "codeableConcept", "valueCodeableConcept": concept }] });
        let answer = shelf.tell("POST /fhir/ValueSet/$validate-code", &given).await.json();
        assert_eq!(told(&answer, "result"), &json!(true));
        let given = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "coding", "valueCoding": coding("http://h/icd", "I11") }] });
        let answer = shelf.tell("POST /fhir/CodeSystem/$validate-code", &given).await.json();
        assert_eq!(told(&answer, "result"), &json!(true));
        let answer = shelf.tell("GET /fhir/ValueSet/tension/$validate-code", &Value::Null).await;
        assert_eq!(answer.status, 400);
    }
}

#[tokio::test]
async fn code_systems_tell_what_a_code_is_and_what_it_is_a_kind_of() {
    for shelf in with_terms().await {
        let answer =
            shelf.get("/fhir/CodeSystem/$lookup?system=http://h/icd&code=I10&displayLanguage=zh-Hant").await;
        assert_eq!(told(&answer, "name"), "Icd");
        assert_eq!(told(&answer, "version"), "10");
        assert_eq!(told(&answer, "display"), "原發性高血壓");
        assert_eq!(told(&answer, "definition"), "High pressure without a known cause.");
        let all = answer["parameter"].as_array().unwrap();
        let properties: Vec<String> = all
            .iter()
            .filter(|one| one["name"] == "property")
            .map(|one| {
                format!(
                    "{}={}",
                    one["part"][0]["valueCode"],
                    one["part"][1].as_object().unwrap().values().next_back().unwrap()
                )
            })
            .collect();
        assert_eq!(properties, [r#""parent"="I10-I15""#, r#""chronic"=true"#]);
        assert_eq!(all.iter().filter(|one| one["name"] == "designation").count(), 2);
        let only =
            shelf.get("/fhir/CodeSystem/$lookup?system=http://h/icd&code=I10-I15&property=child").await;
        let children =
            only["parameter"].as_array().unwrap().iter().filter(|one| one["name"] == "property").count();
        assert_eq!(children, 2);
        for (query, outcome) in [
            ("system=http://h/icd&codeA=I10-I15&codeB=I10", "subsumes"),
            ("system=http://h/icd&codeA=I10&codeB=I10-I15", "subsumed-by"),
            ("system=http://h/icd&codeA=I10&codeB=I10", "equivalent"),
            ("system=http://h/icd&version=10&codeA=I10&codeB=E11", "not-subsumed"),
        ] {
            let answer = shelf.get(&format!("/fhir/CodeSystem/$subsumes?{query}")).await;
            assert_eq!(told(&answer, "outcome"), outcome, "{query}");
        }
        for (query, status) in [
            ("$lookup?system=http://h/icd&code=Z99", 404),
            ("$lookup?system=http://h/none&code=Z99", 404),
            ("$lookup?code=I10", 400),
            ("$subsumes?system=http://h/icd&codeA=I10&codeB=Z", 404),
            ("$subsumes?codeA=I10&codeB=I11", 400),
            ("icd/$lookup?code=I10", 404),
        ] {
            let answer = shelf.tell(&format!("GET /fhir/CodeSystem/{query}"), &Value::Null).await;
            assert_eq!(answer.status, status, "{query}");
        }
    }
}

#[tokio::test]
async fn concept_maps_translate() {
    for shelf in with_terms().await {
        for target in ["$translate?url=http://h/map&", "map/$translate?"] {
            let answer = shelf
                .get(&format!(
                    "/fhir/ConceptMap/{target}system=http://h/icd&code=I10&targetsystem=http://h/local"
                ))
                .await;
            assert_eq!(told(&answer, "result"), &json!(true));
            let found =
                answer["parameter"].as_array().unwrap().iter().find(|one| one["name"] == "match").unwrap();
            assert_eq!(found["part"][0]["valueCode"], "wider");
            let coding = json!({ "system": "http://h/local", "code": "HT", "display": "Tension" });
            assert_eq!(found["part"][1]["valueCoding"], coding);
        }
        let none = shelf.get("/fhir/ConceptMap/map/$translate?system=http://h/icd&code=E11").await;
        assert_eq!(told(&none, "result"), &json!(false));
        let missing = shelf
            .tell("GET /fhir/ConceptMap/$translate?url=http://h/none&system=s&code=c", &Value::Null)
            .await;
        assert_eq!(missing.status, 404);
    }
}

#[tokio::test]
async fn a_lenient_client_that_names_no_code_is_told_so() {
    let shelf = Shelf::sqlite().await;
    let concept = json!({ "name": "codeableConcept", "valueCodeableConcept": { "text": "x" } });
    let given = json!({ "resourceType": "Parameters", "parameter": [concept] }).to_string();
    for line in [
        "POST /fhir/CodeSystem/$lookup",
        "POST /fhir/CodeSystem/$subsumes",
        "POST /fhir/ValueSet/$validate-code",
    ] {
        let answer = shelf.send(line, &[("prefer", "handling=lenient")], &given).await;
        assert_eq!(answer.status, 400, "{line}: {}", answer.text());
    }
}
