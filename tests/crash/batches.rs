//! A file of many messages is taken whole or not at all, wherever the hub dies while it makes and carries its pieces.

use std::collections::BTreeMap;

use tempfile::TempDir;

use crate::harness::{Hub, PATIENCE, Setup, project};

const CHANNEL: &str = r#"
name    = "ward/notes"
version = 1
about   = "Notes of the ward, many in a file."
[from]
connector   = "http"
acknowledge = "on_committed"
settings    = { listen = "127.0.0.1:0" }
[parse]
format = "json"
split  = "notes"
[map]
mapping = "ward/notes"
writes  = ["DocumentReference"]
[[test]]
name   = "a note"
given  = "ward/notes.json"
"#;

const MAPPING: &str = r#"
name    = "ward/notes"
version = 1
from    = "json"
[[resource]]
as   = "note"
type = "DocumentReference"
id   = ["note", "notes.no"]
[resource.set]
status      = { value = "current" }
description = { from = "notes.title" }
content     = { set = { attachment = { set = { title = { from = "notes.title" } } } } }
"#;

const PIECES: u64 = 60;

fn notes() -> TempDir {
    project(&[
        ("channels/ward/notes.toml", CHANNEL),
        ("mappings/ward/notes.toml", MAPPING),
        ("fixtures/ward/notes.json", r#"{"notes":[{"no":1,"title":"a"}]}"#),
    ])
}

fn file(nth: u64) -> String {
    let notes: Vec<String> =
        (0..PIECES).map(|piece| format!(r#"{{"no":"{nth}-{piece}","title":"note {piece}"}}"#)).collect();
    format!(r#"{{"notes":[{}]}}"#, notes.join(","))
}

/// Sends a file; whether it was taken.
async fn send(hub: &Hub, nth: u64) -> bool {
    let url = format!("http://{}/", hub.channel("ward/notes"));
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    client.post(url).body(file(nth)).send().await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_once_with_all_its_pieces_wherever_the_hub_dies() {
    let files = notes();
    let setup = Setup::default().root(files.path()).set("log.level=error");
    let mut folder = TempDir::new().unwrap();
    let places = [
        "received:1",
        "journaled:1",
        "split:1",
        "expanded:1",
        "parsed:30",
        "mapped:1",
        "handed:2",
        "committed:1",
        "committed:2",
    ];
    for (nth, place) in places.iter().enumerate() {
        let mut hub = Hub::start_in(folder, &setup.clone().env("HUITONG_CRASH_AT", *place)).await;
        assert!(!send(&hub, nth as u64).await, "{place}: the hub died before it could answer");
        hub.dies().await;
        let hub = Hub::start_in(hub.kill(), &setup).await;
        assert!(
            send(&hub, nth as u64).await,
            "{place}: the file that was not answered is sent again, and taken"
        );
        hub.settled("ward/notes").await;
        folder = hub.stop().await;
    }
    let hub = Hub::start_in(folder, &setup).await;
    let mut versions = BTreeMap::new();
    let mut page = Some("/fhir/DocumentReference?_count=200".to_owned());
    while let Some(path) = page {
        let bundle = hub.get(&path).await;
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            *versions.entry(entry["resource"]["meta"]["versionId"].to_string()).or_insert(0) += 1;
        }
        let next = bundle["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next");
        page = next
            .map(|link| link["url"].as_str().unwrap().split_once("/fhir").unwrap().1.to_owned())
            .map(|rest| format!("/fhir{rest}"));
    }
    let all = PIECES * places.len() as u64;
    assert_eq!(versions, BTreeMap::from([("\"1\"".to_owned(), all)]), "each piece is written, and once");
    let committed = hub.count("ward/notes", "committed").await;
    assert_eq!(committed % PIECES, 0, "no file is taken in part");
    hub.stop().await;
}
