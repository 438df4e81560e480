//! What was sent, held against what is stored, what the partners have got, and what the hubs say of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::partners::Received;
use crate::load::{FIRST_PATIENT, Sent};
use crate::site::{ADT, EXAMS, NOTES, ORU, STEADY, Site};

/// Fails when anything is lost, doubled or out of order, or a counter is wrong; tells what there was.
pub async fn judge(site: &Site, sent: &Sent) -> String {
    let (visits, results): (u64, u64) = (sent.patients.iter().sum(), sent.examined.iter().sum());
    counters(site, sent, visits, results).await;
    metrics(site, visits, results).await;
    let forwarded = visits_of(&site.lis.received);
    assert_eq!(forwarded.len(), sent.patients.len(), "the LIS has heard of each patient");
    for (person, count) in (0..).zip(&sent.patients) {
        let expected: Vec<u64> = (0..*count).collect();
        assert_eq!(forwarded[&person], expected, "the LIS has each visit once and in order");
        patient(site, person, *count).await;
    }
    let told = values_of(&site.ward.received);
    let mut counts: Vec<u64> = told.values().map(|values| values.len() as u64).collect();
    let mut expected = sent.examined.clone();
    counts.sort_unstable();
    expected.sort_unstable();
    assert_eq!(counts, expected, "the ward has each notice of each person once");
    for values in told.values() {
        let expected: Vec<u64> = (0..values.len() as u64).collect();
        assert_eq!(*values, expected, "and in order");
    }
    all_once(site, "Observation?code=K", results).await;
    all_once(site, "DocumentReference?", sent.notes).await;
    all_once(site, "Observation?identifier=urn:exam%7C", sent.rows()).await;
    let lines = files_in(&site.out());
    assert_eq!(lines as u64, sent.rows(), "each row lies in the archive once");
    assert_eq!(files_in(&site.inbox()), 0, "every file was fetched");
    assert_eq!(files_in(&site.inbox().join("done")) as u64, sent.files, "and none twice");
    format!(
        "{visits} visits, {results} results, {} notes and {} files of {} rows, each stored once, sent on once and in the order of its \
         person ({} messages to the LIS and {} notices to the ward, repetitions under the same id included), after a kill of \
         both nodes all counters equal to that; {} searches, none of which showed anything older than the one before, and {} not \
         answered",
        sent.notes,
        sent.files,
        sent.rows(),
        site.lis.received.times(),
        site.ward.received.times(),
        sent.searches,
        sent.unanswered
    )
}

/// What the hub counts is what was said.
async fn counters(site: &Site, sent: &Sent, visits: u64, results: u64) {
    let status = site.nodes.get("/ops/status").await;
    let channel = |id: &str| -> &Value {
        let channels = status["channels"].as_array().unwrap();
        &channels.iter().find(|channel| channel["id"] == id).unwrap()["messages"]
    };
    for (id, committed, split) in
        [(ADT, visits, 0), (ORU, results, 0), (NOTES, sent.notes, 0), (EXAMS, sent.rows(), sent.files)]
    {
        let counted = channel(id);
        assert_eq!(counted["committed"], committed, "{id}: {counted}");
        assert_eq!(counted["split"], split, "{id}: {counted}");
        for none in ["received", "quarantined", "filtered"] {
            assert_eq!(counted[none], 0, "{id}: {counted}");
        }
    }
    for (id, delivered) in [
        ("his/adt/lis-feed", visits),
        ("lis/oru-r01/ward-notice", results),
        ("exam/results/archive", sent.rows()),
    ] {
        let to = status["destinations"].as_array().unwrap().iter().find(|to| to["id"] == id).unwrap();
        let parcels: BTreeMap<String, u64> = serde_json::from_value(to["parcels"].clone()).unwrap();
        let expected = BTreeMap::from([("delivered".to_owned(), delivered)]);
        let there: BTreeMap<String, u64> = parcels.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(there, expected, "{id}");
    }
}

/// So do the metrics.
async fn metrics(site: &Site, visits: u64, results: u64) {
    let url = format!("http://{}/metrics", site.nodes.http[STEADY]);
    let text = site.http.get(url).send().await.unwrap().text().await.unwrap();
    for (id, committed) in [(ADT, visits), (ORU, results)] {
        let begins = format!("huitong_messages{{channel=\"{id}\",state=\"committed\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&begins));
        assert_eq!(line, Some(committed.to_string().as_str()), "the metric of {id}");
    }
}

/// The patient is there once, says what was said last, and has one version for each message.
async fn patient(site: &Site, person: u64, count: u64) {
    let found = site.nodes.get(&format!("/fhir/Patient?identifier={}", FIRST_PATIENT + person)).await;
    let entries = found["entry"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    let patient = &entries[0]["resource"];
    assert_eq!(patient["name"][0]["given"][0], format!("N{}", count - 1), "the last word counts");
    assert_eq!(patient["meta"]["versionId"], count.to_string(), "and each was written once");
}

/// So many resources are found, all of them in their first version.
async fn all_once(site: &Site, query: &str, expected: u64) {
    let mut ids = BTreeSet::new();
    let mut next = Some(format!("/fhir/{query}&_count=500").replace("?&", "?"));
    while let Some(path) = next {
        let bundle = site.nodes.get(&path).await;
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            let resource = &entry["resource"];
            assert_eq!(resource["meta"]["versionId"], "1", "{query}: written once");
            assert!(ids.insert(resource["id"].to_string()), "{query}: shown once");
        }
        let links = bundle["link"].as_array().unwrap();
        let url = links.iter().find(|link| link["relation"] == "next").map(|link| &link["url"]);
        next = url
            .map(|url| url.as_str().unwrap().split_once("/fhir").unwrap().1)
            .map(|rest| format!("/fhir{rest}"));
    }
    assert_eq!(ids.len() as u64, expected, "{query}");
}

/// What the LIS got of each patient, each message when it came first.
fn visits_of(lis: &Received) -> BTreeMap<u64, Vec<u64>> {
    let mut found = BTreeMap::<u64, Vec<u64>>::new();
    for id in lis.keys() {
        let (person, nth) = id.strip_prefix('P').and_then(|id| id.split_once('-')).unwrap();
        found.entry(person.parse().unwrap()).or_default().push(nth.parse().unwrap());
    }
    found
}

/// The values the ward was told of each person, each notice when it came first.
fn values_of(ward: &Received) -> BTreeMap<String, Vec<u64>> {
    let mut found = BTreeMap::<String, Vec<u64>>::new();
    for body in ward.bodies() {
        let notice: Value = serde_json::from_slice(&body).unwrap();
        let value = &notice["value"]["text"];
        let value = value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap();
        found.entry(notice["patient"].to_string()).or_default().push(value);
    }
    found
}

/// How many files lie in a folder. What is hidden is not for partners: it may be what was being written when the hub was killed.
fn files_in(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let (hidden, seen): (Vec<_>, Vec<_>) = entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .partition(|name| name.starts_with('.'));
    if !hidden.is_empty() {
        println!("left behind in {}: {hidden:?}", folder.display());
    }
    seen.len()
}
