//! The official examples of R4B and a patient of Synthea, through the door and back.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use hub_fhir::json::parse;
use hub_fhir::{Json, Object};
use serde_json::Value;

use crate::shelf::Shelf;

/// Where the corpus is, where there is one.
fn corpus(folder: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("HUITONG_CORPUS")?).join(folder);
    folder.is_dir().then_some(folder)
}

/// Examples that do not come back, with the reason.
const EXCEPTIONS: [(&str, &str); 1] = [(
    "devicemetric-example.json",
    "its `parent` points at a DeviceDefinition; R4B's own definition has Device alone",
)];

/// A tree without what is the server's: version, time and id.
fn without_the_servers(mut tree: Object) -> Object {
    tree.remove("id");
    if let Some(Json::Object(mut meta)) = tree.remove("meta") {
        for name in ["versionId", "lastUpdated", "_versionId", "_lastUpdated"] {
            meta.remove(name);
        }
        if !meta.is_empty() {
            tree.set("meta", meta);
        }
    }
    tree
}

/// Members by name, in any order; numbers by their characters.
fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => one == other,
    }
}

#[tokio::test]
async fn every_official_example_comes_back_as_it_was_sent() {
    let Some(folder) = corpus("fhir-examples/r4b") else { return };
    let shelf = Shelf::sqlite().await;
    let (mut seen, mut wrong) = (0, Vec::new());
    for (at, entry) in std::fs::read_dir(folder).unwrap().enumerate() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(Json::Object(mut sent)) = parse(&std::fs::read_to_string(&path).unwrap()) else { continue };
        seen += 1;
        let kind = sent.get("resourceType").and_then(Json::as_str).unwrap().to_owned();
        let id = format!("e{at}");
        sent.set("id", id.as_str());
        let target = format!("/fhir/{kind}/{id}");
        let put = shelf.send(&format!("PUT {target}"), &[], &Json::Object(sent.clone()).to_text()).await;
        let reason = EXCEPTIONS.iter().find(|(example, _)| *example == name);
        let read = shelf.send(&format!("GET {target}"), &[], "").await;
        let back = match parse(read.text()) {
            Ok(Json::Object(back)) if put.status == 201 => back,
            _ => {
                if reason.is_none() {
                    wrong.push(format!(
                        "{name}: {} {}",
                        put.status,
                        put.text().chars().take(400).collect::<String>()
                    ));
                }
                continue;
            }
        };
        if let Some((_, reason)) = reason {
            wrong.push(format!("{name} comes back, although {reason}"));
        }
        let is_same = same(&without_the_servers(sent).into(), &without_the_servers(back).into());
        if !is_same {
            wrong.push(format!("{name} comes back as something else"));
        }
    }
    assert!(seen > 300, "{seen} examples");
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_patient_of_synthea_is_one_transaction() {
    let Some(folder) = corpus("synthea") else { return };
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "gz")).collect();
    files.sort();
    for shelf in Shelf::both().await {
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(&files[0]).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        let bundle: Value = serde_json::from_str(&text).unwrap();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for entry in bundle["entry"].as_array().unwrap() {
            *counts.entry(entry["resource"]["resourceType"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let answer = shelf.send("POST /fhir", &[], &text).await;
        assert_eq!(answer.status, 200, "{}", answer.text().chars().take(2_000).collect::<String>());
        let answer = answer.json();
        let answers = answer["entry"].as_array().unwrap();
        assert_eq!(answers.len() as u64, counts.values().sum::<u64>());
        assert!(answers.iter().all(|entry| entry["response"]["status"] == "201 Created"));
        for (kind, count) in &counts {
            let total = shelf.get(&format!("/fhir/{kind}?_summary=count")).await["total"].as_u64();
            assert_eq!(total, Some(*count), "{kind}");
        }
        let observations = shelf.get("/fhir/Observation?_count=1000").await;
        let text = observations.to_string();
        assert!(!text.contains("urn:uuid:"), "a link was left");
        let patient =
            shelf.get("/fhir/Patient").await["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
        let of_patient = shelf.get(&format!("/fhir/Observation?patient={patient}&_summary=count")).await;
        assert_eq!(of_patient["total"].as_u64(), counts.get("Observation").copied());
    }
}
