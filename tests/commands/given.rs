//! What a `map` command is given is taken as the channel takes it: apart, filtered, and with the facts of a message that came.

use std::path::Path;
use std::process::Stdio;

use bytes::Bytes;
use hub_core::envelope::{Envelope, Head, Label, Peer, Raw};
use hub_core::id::{CorrelationId, DedupeKey, Digest, MessageId, ParcelId};
use hub_core::store::Journal;
use hub_store::{Store, StoreOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::prompt::{Said, command, huitong, huitong_in};

const MAPPING: &str = r#"
name    = "exam/results"
version = 1
from    = "csv"
[[resource]]
as   = "result"
type = "Observation"
id   = ["result", "row.person", "row.item"]
[resource.set]
status      = { value = "final" }
code        = { set = { text = { from = "row.item" } } }
valueString = { from = "row.value" }
issued      = { from = "hub.time" }
identifier  = { set = { value = { from = "hub.message_id" } } }
"#;

const NOTICE: &str = r#"
name    = "exam/notice"
version = 1
from    = "fhir"
to      = "json"
[message.set]
value = { from = "Observation.valueString" }
id    = { from = "hub.control_id" }
"#;

const CHANNEL: &str = r#"
[parse]
format = "csv"
split  = "messages"
[filter]
keep = ['row.item != "TEST"']
[map]
mapping = "exam/results"
[[to]]
name    = "ward"
each    = "Observation"
mapping = "exam/notice"
"#;

const ROWS: &str = "person,item,value\nP1,K,4.1\nP2,Na,140\nP3,TEST,1\n";

fn project() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        ("mappings/exam/results.toml", MAPPING),
        ("mappings/exam/notice.toml", NOTICE),
        ("channels/exam/results.toml", CHANNEL),
        ("rows.csv", ROWS),
    ] {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    folder
}

fn explain(folder: &Path, arguments: &[&str]) -> Said {
    huitong_in(folder, &[&["map", "explain", "exam/results"], arguments].concat())
}

fn value<'v>(told: &'v Value, path: &str) -> &'v Value {
    let values =
        told["target"][0]["values"].as_array().unwrap_or_else(|| panic!("nothing is written: {told}"));
    &values.iter().find(|value| value["path"] == path).unwrap_or_else(|| panic!("no {path}: {told}"))["value"]
}

#[test]
fn a_file_is_taken_apart_as_the_channel_says() {
    let folder = project();
    let told: Value = explain(folder.path(), &["rows.csv", "--nth", "2", "--json"]).json();
    assert_eq!(told["message"], "rows.csv (message 2 of 3)");
    assert_eq!(value(&told, "valueString"), "140");
    let said = huitong_in(folder.path(), &["map", "try", "exam/results", "rows.csv", "--once"]).well();
    assert!(said.contains("rows.csv (1 of 3)") && said.contains("3 messages mapped"), "{said}");
    // A path goes the same way, and what cannot be taken apart is said.
    let change = |from: &str, to: &str| {
        std::fs::write(folder.path().join("channels/exam/results.toml"), CHANNEL.replace(from, to)).unwrap();
    };
    change("\"messages\"", "\"row\"");
    let told: Value = explain(folder.path(), &["rows.csv", "--nth", "2", "--json"]).json();
    assert_eq!(value(&told, "valueString"), "140");
    std::fs::write(folder.path().join("bad.csv"), "person,person\nP1,K\n").unwrap();
    let said = explain(folder.path(), &["bad.csv"]);
    assert!(said.err.contains("bad.csv cannot be taken apart as its channel does it: "), "{}", said.err);
    assert!(said.err.contains("the name of a column stands twice"), "{}", said.err);
    let said = huitong_in(folder.path(), &["map", "try", "exam/results", "bad.csv", "--once"]);
    assert!(said.code == 1 && said.out.contains("the name of a column stands twice"), "{}", said.out);
    // Where the channel takes nothing apart, the file is one message: two people, who are not made one.
    change("split  = \"messages\"\n", "");
    let told = explain(folder.path(), &["rows.csv", "--json"]);
    assert_eq!(told.code, 1);
    let reason = told.json()["fault"]["reason"].clone();
    assert!(reason.as_str().unwrap().starts_with("the id needs one value"), "{reason}");
    let said = explain(folder.path(), &["rows.csv", "--nth", "2"]);
    assert!(said.err.contains("rows.csv holds 1 message(s); there is no number 2"), "{}", said.err);
}

#[test]
fn a_message_that_the_channel_filters_is_told_as_such() {
    let folder = project();
    let why =
        "`row.item != \"TEST\"` of channel `exam/results` does not hold, so that the hub does not map it";
    let told: Value = explain(folder.path(), &["rows.csv", "--nth", "3", "--json"]).json();
    assert_eq!(told["filtered"], why);
    assert_eq!(value(&told, "valueString"), "1"); // and what the mapping would make of it
    let said = explain(folder.path(), &["rows.csv", "--nth", "3"]).well();
    assert!(said.contains(&format!("filtered: {why}")), "{said}");
    let page = explain(folder.path(), &["rows.csv", "--nth", "3", "--html", "-"]).well();
    assert!(page.contains("<b>Filtered</b>"));
    assert!(explain(folder.path(), &["rows.csv", "--json"]).json().get("filtered").is_none());
    let said = huitong_in(folder.path(), &["map", "try", "exam/results", "rows.csv", "--once"]).well();
    assert_eq!(said.matches("filtered: ").count(), 1, "{said}");
    // A destination's mapping gets nothing of it either.
    let all = ["map", "explain", "exam/notice", "rows.csv", "--nth", "3", "--json"];
    assert_eq!(huitong_in(folder.path(), &all).json()["filtered"], why);
}

#[test]
fn resources_are_one_message_for_the_mapping_of_a_destination() {
    let bundle = "fixtures/lis/oru-r01/critical-potassium.bundle.json";
    let told: Value = huitong(&["map", "explain", "notify/critical-result", bundle, "--json"]).json();
    assert_eq!(told["message"], bundle); // not one of its entries
    assert_eq!(value(&told, "value.text"), "6.82");
    let said = huitong(&["map", "try", "notify/critical-result", bundle, "--once"]).well();
    assert!(said.contains("critical-result") && said.contains("1 message mapped"), "{said}");
}

#[test]
fn the_channel_that_is_named_is_the_one_that_is_meant() {
    let folder = project();
    // Its name stands in the other's.
    let other = CHANNEL.replace("split  = \"messages\"\n", "");
    std::fs::create_dir_all(folder.path().join("channels/exam/results")).unwrap();
    std::fs::write(folder.path().join("channels/exam/results/whole.toml"), other.replace("TEST", "NONE"))
        .unwrap();
    let filtered = |channel: &str| {
        let file = format!("channels/{channel}.toml");
        let told = huitong_in(folder.path(), &["map", "explain", &file, "one.csv", "--json"]).json();
        told["filtered"].as_str().map(str::to_owned).unwrap_or_default()
    };
    std::fs::write(folder.path().join("one.csv"), "person,item,value\nP1,NONE,4.1\n").unwrap();
    assert!(filtered("exam/results/whole").contains("channel `exam/results/whole`"));
    assert_eq!(filtered("exam/results"), "");
}

#[test]
fn what_has_no_end_is_not_read_for_ever() {
    let folder = project();
    let said = explain(folder.path(), &["/dev/zero"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("/dev/zero is longer than 256 MiB, which no format reads"), "{}", said.err);
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let mut given = command(folder.path(), &["map", "explain", "exam/results", "-"]);
    let output = given.stdin(Stdio::from(zero)).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("standard input is longer than 256 MiB"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_the_hub_has_its_own_facts() {
    let (folder, data) = (project(), TempDir::new().unwrap());
    let store = Store::open(StoreOptions::new(data.path())).await.unwrap();
    let received_at = OffsetDateTime::from_unix_timestamp(1_795_133_700).unwrap();
    let body = Bytes::from_static(b"person,item,value\nP1,K,4.1\n");
    let head = Head {
        id: MessageId::new(received_at),
        channel: "exam/results".into(),
        dedupe: DedupeKey::from("1"),
        digest: Digest::of(&body),
        label: Label::default(),
        correlation: CorrelationId::from("1"),
        received_at,
        peer: Peer::default(),
        parent: None,
    };
    let id = head.id;
    store.receive(&Envelope { head, body: Raw(body) }).await.unwrap();
    let data = data.path().to_str().unwrap();
    let named = id.to_string();
    let told: Value = explain(folder.path(), &[&named, "--data", data, "--json"]).json();
    assert_eq!(value(&told, "identifier[0].value"), &json!(named));
    assert_eq!(value(&told, "issued"), &json!(received_at.format(&Rfc3339).unwrap()));
    // Of a parcel the control id is that of the parcel.
    let all = ["map", "explain", "exam/notice", &named, "--data", data, "--json"];
    let parcel = ParcelId::of(id, &"exam/results/ward".into(), 0);
    assert_eq!(value(&huitong_in(folder.path(), &all).json(), "id"), &json!(parcel.control_id().as_str()));
    // A file never came.
    let told: Value = explain(folder.path(), &["rows.csv", "--json"]).json();
    assert_eq!(value(&told, "issued"), "1970-01-01T00:00:00Z");
    // Both sides of a comparison are told the same facts, and these are the ones shown.
    let old = folder.path().join("old.toml");
    std::fs::write(&old, MAPPING.replace("issued      = { from = \"hub.time\" }\n", "")).unwrap();
    let all = ["map", "diff", "exam/results", "--data", data, "--json", "--old", old.to_str().unwrap()];
    let report: Value = huitong_in(folder.path(), &all).json();
    let field = &report["fields"][0];
    assert_eq!((&field["field"], &field["added"]), (&json!("Observation.issued"), &json!(1)));
    assert_eq!(field["samples"][0]["new"], json!(received_at.format(&Rfc3339).unwrap()));
    store.close().await;
}
