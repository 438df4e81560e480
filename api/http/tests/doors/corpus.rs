//! The official examples of R4B and the patients of Synthea, through the door and back.

use std::collections::{BTreeMap, BTreeSet};
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

/// A tree without what is the server's: version, time and id, and the place of `resourceType`.
fn without_the_servers(tree: &Object) -> Object {
    let mut tree = tree.clone();
    tree.remove("resourceType");
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

#[tokio::test]
async fn every_official_example_comes_back_as_it_was_sent() {
    let Some(folder) = corpus("fhir-examples/r4b") else { return };
    for shelf in Shelf::both().await {
        let (mut seen, mut wrong) = (0, Vec::new());
        for (at, entry) in std::fs::read_dir(&folder).unwrap().enumerate() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let Ok(Json::Object(sent)) = parse(&std::fs::read_to_string(&path).unwrap()) else { continue };
            seen += 1;
            let back = there_and_back(&shelf, &sent, &format!("e{at}")).await;
            match (back, EXCEPTIONS.iter().find(|(example, _)| *example == name)) {
                (Ok(_), Some((_, reason))) => wrong.push(format!("{name} comes back, although {reason}")),
                // Members in their order, numbers by their characters.
                (Ok(back), None) if without_the_servers(&sent) != without_the_servers(&back) => {
                    wrong.push(format!("{name} comes back as something else"));
                }
                (Err(refused), None) => wrong.push(format!("{name}: {refused}")),
                (Ok(_), None) | (Err(_), Some(_)) => {}
            }
        }
        assert!(seen > 300, "{seen} examples");
        assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// Stores a resource under this id and reads it; how it was refused otherwise.
async fn there_and_back(shelf: &Shelf, sent: &Object, id: &str) -> Result<Object, String> {
    let mut sent = sent.clone();
    let kind = sent.get("resourceType").and_then(Json::as_str).unwrap().to_owned();
    sent.set("id", id);
    let target = format!("/fhir/{kind}/{id}");
    let put = shelf.send(&format!("PUT {target}"), &[], &Json::Object(sent).to_text()).await;
    if put.status != 201 {
        return Err(format!("{} {}", put.status, put.text().chars().take(400).collect::<String>()));
    }
    let read = shelf.send(&format!("GET {target}"), &[], "").await;
    match parse(read.text()) {
        Ok(Json::Object(back)) => Ok(back),
        _ => Err(format!("read: {}", read.status)),
    }
}

/// The resources of all pages, each as its type and its id.
async fn walk(shelf: &Shelf, first: &str) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(target) = next {
        let page = shelf.get(&target).await;
        let entries = page["entry"].as_array().into_iter().flatten();
        found.extend(entries.map(|entry| entry["fullUrl"].as_str().unwrap().to_owned()));
        let links = page["link"].as_array().into_iter().flatten();
        let mut next_link = links.filter(|link| link["relation"] == "next");
        next = next_link.next().map(|link| link["url"].as_str().unwrap().replace("http://hub", ""));
    }
    found
}

#[tokio::test]
async fn every_patient_of_synthea_is_one_transaction() {
    let Some(folder) = corpus("synthea") else { return };
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "gz")).collect();
    files.sort();
    for shelf in Shelf::both().await {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for file in &files {
            let mut text = String::new();
            flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap())
                .read_to_string(&mut text)
                .unwrap();
            let bundle: Value = serde_json::from_str(&text).unwrap();
            let entries = bundle["entry"].as_array().unwrap();
            for entry in entries {
                *counts.entry(entry["resource"]["resourceType"].as_str().unwrap().to_owned()).or_default() +=
                    1;
            }
            let answer = shelf.send("POST /fhir", &[], &text).await;
            assert_eq!(answer.status, 200, "{}", answer.text().chars().take(2_000).collect::<String>());
            let answer = answer.json();
            let answers = answer["entry"].as_array().unwrap();
            assert_eq!(answers.len(), entries.len());
            assert!(answers.iter().all(|entry| entry["response"]["status"] == "201 Created"));
        }
        assert!(files.len() >= 10 && counts.len() > 10, "{} files", files.len());
        for (kind, count) in &counts {
            let total = shelf.get(&format!("/fhir/{kind}?_summary=count")).await["total"].as_u64();
            assert_eq!(total, Some(*count), "{kind}");
            let versions = walk(&shelf, &format!("/fhir/{kind}/_history?_count=500")).await;
            assert_eq!(versions.len() as u64, *count, "{kind}: its history");
            let found = walk(&shelf, &format!("/fhir/{kind}?_count=300")).await;
            let each: BTreeSet<&String> = found.iter().collect();
            assert_eq!((found.len() as u64, each.len()), (*count, found.len()), "{kind}: its pages");
        }
        let all = walk(&shelf, "/fhir/_history?_count=500").await;
        assert_eq!(all.len() as u64, counts.values().sum::<u64>());

        let observations = shelf.get("/fhir/Observation?_count=1000").await.to_string();
        assert!(!observations.contains("urn:uuid:"), "a link was left");
        let patients = shelf.get("/fhir/Patient").await;
        let mut of_patients = 0;
        for entry in patients["entry"].as_array().unwrap() {
            let patient = entry["resource"]["id"].as_str().unwrap();
            let found = shelf.get(&format!("/fhir/Observation?patient={patient}&_summary=count")).await;
            of_patients += found["total"].as_u64().unwrap();
        }
        assert_eq!(Some(&of_patients), counts.get("Observation"));
    }
}
