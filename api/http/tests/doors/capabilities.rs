//! The CapabilityStatement says what holds, and all of it: it is held against the tables and against the parser.

use std::collections::BTreeSet;

use crate::fake::*;
use crate::shelf::Shelf;
use hub_fhir::ResourceType;
use hub_fhir::params::{Param, ParamKind, find, params_of, supported};
use hub_fhir::search::parse;
use serde_json::Value;

async fn resources() -> Vec<Value> {
    let answer = get(&Fake::new(), "/fhir/metadata").await;
    assert_eq!(answer.status, 200);
    answer.json()["rest"][0]["resource"].as_array().unwrap().clone()
}

fn texts(values: &Value) -> BTreeSet<String> {
    values.as_array().into_iter().flatten().map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn it_lists_all_types_and_their_interactions() {
    let resources = resources().await;
    let types: Vec<&str> = resources.iter().map(|resource| resource["type"].as_str().unwrap()).collect();
    assert_eq!(types, ResourceType::all().map(ResourceType::name).collect::<Vec<_>>());
    for resource in &resources {
        let codes: Vec<&Value> =
            resource["interaction"].as_array().unwrap().iter().map(|i| &i["code"]).collect();
        assert_eq!(codes, ["read", "vread", "history-instance", "history-type", "search-type"]);
    }
}

#[tokio::test]
async fn every_parameter_listed_is_searched_by_and_every_other_is_refused() {
    for resource in resources().await {
        let kind = kind(resource["type"].as_str().unwrap());
        let listed: BTreeSet<(String, String)> = resource["searchParam"]
            .as_array()
            .unwrap()
            .iter()
            .map(|param| {
                assert!(
                    param["definition"].as_str().unwrap().starts_with("http://hl7.org/fhir/SearchParameter/")
                );
                (param["name"].as_str().unwrap().to_owned(), param["type"].as_str().unwrap().to_owned())
            })
            .collect();
        let own = params_of(kind).iter().filter(|param| supported(param));
        let mut expected: BTreeSet<(String, String)> =
            own.map(|param| (param.code.to_owned(), param.kind.name().to_owned())).collect();
        expected.insert(("_id".into(), "token".into()));
        expected.insert(("_lastUpdated".into(), "date".into()));
        expected.insert(("_filter".into(), "token".into()));
        expected.insert(("_list".into(), "string".into()));
        assert_eq!(listed, expected);
        for (name, sort) in &listed {
            let value = match (name.as_str(), sort.as_str()) {
                ("_filter", _) => "_id eq 1",
                (_, "date") => "2026",
                _ => "1",
            };
            // A composite takes a value for each of its components.
            let param = params_of(kind).iter().find(|param| param.code == name);
            let count = param.map_or(1, |param| param.components.len().max(1));
            let is_date = |code: &&str| find(kind, code).is_some_and(|part| part.kind == ParamKind::Date);
            let of = |code: &&str| if is_date(code) { "2026" } else { "1" };
            let value = match param {
                Some(param) if count > 1 => param.components.iter().map(of).collect::<Vec<_>>().join("$"),
                _ => value.to_owned(),
            };
            let read = parse(kind, &[(name.clone(), value)]);
            assert!(read.is_ok(), "{kind} {name}: {read:?}");
        }
        // Whether texts are searched the store knows.
        let is_refused =
            |param: &&Param| !supported(param) && !matches!(param.code, "_text" | "_content" | "_list");
        for param in params_of(kind).iter().filter(is_refused) {
            assert!(parse(kind, &[(param.code.into(), "1".into())]).is_err(), "{kind} {}", param.code);
        }
    }
}

#[tokio::test]
async fn what_all_types_together_are_searched_by_is_listed() {
    let shelf = Shelf::sqlite().await;
    let rest = shelf.get("/fhir/metadata").await["rest"][0].clone();
    let names = |values: &Value| {
        let values = values.as_array().into_iter().flatten();
        values.map(|param| param["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let listed = names(&rest["searchParam"]);
    for name in &listed {
        let value = match name.as_str() {
            "_lastUpdated" => "2026",
            "_filter" => "_id eq 1",
            "_type" => "Patient,Basic",
            _ => "1",
        };
        shelf.get(&format!("/fhir?{name}={}", value.replace(' ', "%20"))).await;
    }
    for name in names(&rest["resource"][0]["searchParam"]).difference(&listed) {
        assert_eq!(shelf.send(&format!("GET /fhir?{name}=1"), &[], "").await.status, 400, "{name}");
    }
    assert_eq!(rest["compartment"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn every_include_listed_can_be_asked_for() {
    for resource in resources().await {
        let kind = kind(resource["type"].as_str().unwrap());
        let includes = texts(&resource["searchInclude"]);
        let revincludes = texts(&resource["searchRevInclude"]);
        for (name, values) in [("_include", &includes), ("_revinclude", &revincludes)] {
            for value in values {
                assert!(parse(kind, &[(name.into(), value.clone())]).is_ok(), "{kind} {name}={value}");
            }
        }
        let references = params_of(kind)
            .iter()
            .filter(|param| supported(param) && param.kind == ParamKind::Reference)
            .map(|param| format!("{kind}:{}", param.code));
        let mut expected: BTreeSet<String> = references.collect();
        if !expected.is_empty() {
            expected.insert(format!("{kind}:*"));
        }
        assert_eq!(includes, expected);
    }
    let all = resources().await;
    let patient = all.iter().find(|resource| resource["type"] == "Patient").unwrap();
    let revincludes = texts(&patient["searchRevInclude"]);
    assert!(revincludes.contains("Observation:patient") && revincludes.contains("Encounter:subject"));
    assert!(!revincludes.contains("Observation:encounter"));
}

#[tokio::test]
async fn a_client_asks_for_it_once() {
    let fake = Fake::new();
    // Each call makes a new router, whose statement carries its own start; so only the header's form is seen here.
    let first = get(&fake, "/fhir/metadata").await;
    assert!(first.header("etag").starts_with("W/\"") && !first.header("last-modified").is_empty());
    let again = send(&fake, "GET /fhir/metadata", &[("if-none-match", "*")], "").await;
    assert_eq!(again.status, 304);
    assert_eq!(first.json()["fhirVersion"], "4.3.0");
    assert_eq!(get(&fake, "/fhir/metadata?mode=terminology").await.status, 400);
}
