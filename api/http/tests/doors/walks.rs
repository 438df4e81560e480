//! Pages walked while others write: what is there all the time is found exactly once, whatever the order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::shelf::Shelf;

/// Nobody touches these.
const STILL: usize = 60;
/// These are written again and again, but for what is sorted by.
const TOUCHED: usize = 60;
/// These come, go and change their keys.
const RESTLESS: usize = 40;

const SORTS: [&str; 12] = [
    "_lastUpdated",
    "-_lastUpdated",
    "_id",
    "-_id",
    "birthdate",
    "-birthdate",
    "family",
    "-family",
    "gender",
    "-gender",
    "gender,-birthdate",
    "-family,_lastUpdated",
];

/// A patient; many share a key, some lack it.
fn patient(group: &str, nth: usize, key: usize, counter: u64) -> Value {
    let mut patient = json!({
        "resourceType": "Patient", "id": format!("{group}-{nth}"), "multipleBirthInteger": counter,
        "identifier": [{ "system": "urn:group", "value": group }],
    });
    if !key.is_multiple_of(5) {
        patient["birthDate"] = format!("19{:02}-0{}-11", key % 7 + 70, key % 3 + 1).into();
    }
    if !key.is_multiple_of(4) {
        let family = ["Wang", "Wáng", "Müller", "Li"][key % 4];
        patient["name"] = json!([{ "family": family }]);
    }
    if !key.is_multiple_of(3) {
        patient["gender"] = ["male", "female", "other"][key % 3].into();
    }
    patient
}

async fn put(shelf: &Shelf, patient: &Value) {
    let line = format!("PUT /fhir/Patient/{}", patient["id"].as_str().unwrap());
    let answer = shelf.tell(&line, patient).await;
    assert!(answer.status.is_success(), "{line}: {}", answer.text());
}

async fn filled(shelf: &Shelf) {
    for (group, count) in [("still", STILL), ("touched", TOUCHED), ("restless", RESTLESS)] {
        for nth in 0..count {
            put(shelf, &patient(group, nth, nth, 0)).await;
        }
    }
}

/// Two who write until they are told to stop.
fn writers(shelves: &[Shelf; 2], stop: &Arc<AtomicBool>) -> JoinSet<u64> {
    let mut writers = JoinSet::new();
    for (writer, shelf) in shelves.iter().enumerate() {
        let (shelf, stop) = (shelf.clone(), stop.clone());
        writers.spawn(async move {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                let step = usize::try_from(round).unwrap();
                let nth = (step * 2 + writer) % TOUCHED;
                put(&shelf, &patient("touched", nth, nth, round)).await;
                let nth = (step * 7 + writer) % RESTLESS;
                match step % 3 {
                    0 => {
                        drop(shelf.tell(&format!("DELETE /fhir/Patient/restless-{nth}"), &Value::Null).await)
                    }
                    _ => put(&shelf, &patient("restless", nth, step * 11, round)).await,
                }
                let new = patient("new", 0, step, round);
                shelf.tell("POST /fhir/Patient", &new).await;
                // So that what is walked does not grow faster than it is walked.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            round
        });
    }
    writers
}

/// The entries of all pages.
async fn walk(shelf: &Shelf, first: &str) -> Vec<Value> {
    let (mut found, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(target) = next {
        let page = shelf.get(&target).await;
        found.extend(page["entry"].as_array().into_iter().flatten().cloned());
        let links = page["link"].as_array().into_iter().flatten();
        let link = links.filter(|link| link["relation"] == "next").map(|link| link["url"].as_str().unwrap());
        next = link.map(|url| url.replace("http://hub", "")).next();
    }
    found
}

/// How often each resource of a group is among them.
fn counts(found: &[Value], group: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in found {
        let id = entry["resource"]["id"].as_str().unwrap();
        if id.starts_with(&format!("{group}-")) {
            *counts.entry(id.to_owned()).or_default() += 1;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_all_the_time_is_found_exactly_once_while_two_write() {
    for shelves in Shelf::sites().await {
        let shelf = &shelves[0];
        filled(shelf).await;
        let stop = Arc::new(AtomicBool::new(false));
        let writers = writers(&shelves, &stop);
        for sort in SORTS {
            for filter in ["", "&identifier=urn:group|still,urn:group|touched,urn:group|restless"] {
                let first = format!("/fhir/Patient?_count=9&_sort={sort}{filter}");
                let found = walk(shelf, &first).await;
                let once = |group: &str, count: usize| {
                    let counts = counts(&found, group);
                    let is_once = counts.values().all(|times| *times == 1);
                    assert!(is_once && counts.len() == count, "{first}: of {count} `{group}`: {counts:?}");
                };
                once("still", STILL);
                // Whatever is written moves in the order of time.
                if !sort.contains("_lastUpdated") {
                    once("touched", TOUCHED);
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        let rounds: u64 = writers.join_all().await.into_iter().sum();
        assert!(rounds > 20, "{rounds} rounds were written meanwhile");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_has_each_version_exactly_once_while_two_write() {
    for shelves in Shelf::sites().await {
        let shelf = &shelves[0];
        filled(shelf).await;
        let name = |entry: &Value| {
            entry["resource"]["meta"]["versionId"]
                .as_str()
                .map(|version| format!("{}/{version}", entry["resource"]["id"].as_str().unwrap()))
        };
        let stop = Arc::new(AtomicBool::new(false));
        let writers = writers(&shelves, &stop);
        let mut before: BTreeSet<String> = BTreeSet::new();
        for round in 0..2 {
            for address in ["/fhir/Patient/_history?_count=17", "/fhir/_history?_count=23"] {
                let versions: Vec<String> = walk(shelf, address).await.iter().filter_map(name).collect();
                let each: BTreeSet<String> = versions.iter().cloned().collect();
                assert_eq!(versions.len(), each.len(), "{address}: a version is told twice");
                assert!(
                    each.len() >= STILL + TOUCHED + RESTLESS,
                    "{address}: {} in round {round}",
                    each.len()
                );
                // A version that was told once is told ever after.
                let lost: Vec<&String> = before.difference(&each).collect();
                assert!(lost.is_empty(), "{address} has lost {lost:?}");
                before = each;
            }
        }
        stop.store(true, Ordering::Relaxed);
        writers.join_all().await;
    }
}
