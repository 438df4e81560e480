//! What `huitong map explain` and `try` do about what a mapping looks up in the store, and about replies.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::prompt::{Said, huitong, huitong_in};

const MAPPING: &str = r#"
name    = "ward/notes"
version = 1
from    = "json"
[[resource]]
as      = "patient"
type    = "Patient"
find    = { identifier = { from = "patient", system = "urn:id:HIS" } }
id      = ["patient", "patient"]
write   = "merge"
set     = { identifier = { from = "patient", as = "Identifier", system = "urn:id:HIS" } }
[[resource]]
as   = "note"
type = "DocumentReference"
id   = ["note", "hub.message_id"]
[resource.set]
status  = { value = "current" }
subject = { ref = "patient" }
content = { set = { attachment = { set = { title = { from = "title" } } } } }
"#;

/// A Patient of the number P1, one of P2, and two of P3: as NDJSON.
pub const PATIENTS: &str = r#"{"resourceType":"Patient","id":"one","identifier":[{"system":"urn:id:HIS","value":"P1"}]}
{"resourceType":"Patient","id":"two","identifier":[{"system":"urn:id:HIS","value":"P2"}]}
{"resourceType":"Patient","id":"three","identifier":[{"system":"urn:id:HIS","value":"P3"}]}
{"resourceType":"Patient","id":"four","identifier":[{"system":"urn:id:HIS","value":"P3"}]}
"#;

/// A project of one mapping, and messages of the patients P1 to P4.
pub fn project() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("mappings/ward")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("mappings/ward/notes.toml", MAPPING);
    write("patients.ndjson", PATIENTS);
    for number in 1..=4 {
        let text = format!(r#"{{"patient":"P{number}","title":"a"}}"#);
        write(&format!("{number}.json"), &text);
    }
    folder
}

fn explain(folder: &Path, arguments: &[&str]) -> Said {
    let mut all = vec!["map", "explain", "ward/notes"];
    all.extend(arguments);
    huitong_in(folder, &all)
}

#[test]
fn lookups_that_nobody_answers_are_told_with_what_to_do() {
    let folder = project();
    let said = explain(folder.path(), &["1.json"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("1 lookup in the store was not answered"), "{}", said.out);
    assert!(said.out.contains("--stored FILE"), "{}", said.out);
    assert!(said.out.contains("no Patient with this identifier is stored"), "{}", said.out);
    let told: Value = explain(folder.path(), &["1.json", "--json"]).json();
    let asked = serde_json::json!([{ "question": "Patient?identifier=urn:id:HIS|P1", "found": null }]);
    assert_eq!(told["looked_up"], asked);
    assert!(told["notices"][0].as_str().unwrap().contains("--stored FILE"));
    let page = explain(folder.path(), &["1.json", "--html", "-"]).out;
    assert!(page.contains("1 lookup in the store was not answered"));
    let said = huitong_in(folder.path(), &["map", "try", "ward/notes", "1.json", "2.json", "--once"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("2 lookups in the store were not answered"), "{}", said.out);
    // A mapping that looks nothing up has nothing to say of it.
    let said = huitong(&["map", "explain", "lis/oru-r01", "fixtures/lis/oru-r01/normal.hl7", "--json"]);
    assert_eq!(said.json()["notices"], serde_json::json!([]));
}

#[test]
fn a_file_of_resources_answers_lookups() {
    let folder = project();
    let told: Value = explain(folder.path(), &["1.json", "--stored", "patients.ndjson", "--json"]).json();
    assert_eq!(told["target"][0]["reference"], "Patient/one");
    assert_eq!(told["looked_up"][0]["found"], serde_json::json!(["Patient/one"]));
    assert_eq!(told["notices"], serde_json::json!([]));
    let said = explain(folder.path(), &["1.json", "--stored", "patients.ndjson"]).well();
    assert!(said.contains("Patient?identifier=urn:id:HIS|P1  → Patient/one"), "{said}");
    assert!(!said.contains("not answered"), "{said}");
    let page = explain(folder.path(), &["1.json", "--stored", "patients.ndjson", "--html", "-"]).well();
    assert!(page.contains("Looked up in the store"));
    let said = explain(folder.path(), &["3.json", "--stored", "patients.ndjson"]);
    assert!(said.out.contains("which one is meant cannot be told"), "{}", said.out);
    let said = explain(folder.path(), &["4.json", "--stored", "patients.ndjson"]);
    assert!(said.out.contains("→ nothing is found"), "{}", said.out);
    let all = ["map", "try", "ward/notes", "1.json", "2.json", "--once", "--stored", "patients.ndjson"];
    let said = huitong_in(folder.path(), &all).well();
    assert!(said.contains("\"reference\": \"Patient/one\""), "{said}");
    assert!(said.contains("looked up Patient?identifier=urn:id:HIS|P2: Patient/two"), "{said}");
}

#[test]
fn a_file_that_holds_no_resources_is_told_with_its_place() {
    let folder = project();
    std::fs::write(folder.path().join("bad.ndjson"), PATIENTS.replacen("\"two\"", "\"t w o\"", 1)).unwrap();
    let said = explain(folder.path(), &["1.json", "--stored", "bad.ndjson"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("bad.ndjson: line 2: "), "{}", said.err);
    let said = explain(folder.path(), &["1.json", "--stored", "nowhere.json"]);
    assert!(said.err.contains("nowhere.json"), "{}", said.err);
}

const QUERY: &str = "fixtures/his/find-patients/by-number.hl7";
const FOUND: &str = "fixtures/his/find-patients/patients.bundle.json";
const CHANNEL: &str = "channels/his/find-patients.toml";

/// Where a value of the reply comes from.
fn origin<'v>(told: &'v Value, path: &str) -> (&'v Value, &'v Value) {
    let values = told["target"][0]["values"].as_array().unwrap();
    let value = values.iter().find(|value| value["path"] == path).unwrap_or_else(|| panic!("no {path}"));
    (&value["value"], &value["from"][0]["place"])
}

#[test]
fn a_reply_is_explained_from_the_request_and_from_what_is_found() {
    let told: Value =
        huitong(&["map", "explain", CHANNEL, QUERY, "--reply", "--stored", FOUND, "--json"]).json();
    assert_eq!(told["mapping"], "his/find-patients-answer");
    assert_eq!(told["request"], "hl7v2");
    assert_eq!(origin(&told, "MSA-2"), (&"Q1".into(), &"request.MSH-10".into()));
    assert_eq!(origin(&told, "PID-3(1).1"), (&"H0000123".into(), &"Patient.identifier.value".into()));
    assert_eq!(origin(&told, "MSH-7").1, "hub.time");
    for value in told["target"][0]["values"].as_array().unwrap() {
        assert_ne!(value["from"], serde_json::json!([]), "{}", value["path"]);
    }
    // By the reply's mapping it is the same.
    let by_mapping =
        ["map", "explain", "his/find-patients-answer", QUERY, "--reply", "--stored", FOUND, "--json"];
    assert_eq!(huitong(&by_mapping).json()["target"], told["target"]);
    // Nothing is stored: the answer says so, and the explanation why.
    let empty: Value = huitong(&["map", "explain", CHANNEL, QUERY, "--reply", "--json"]).json();
    assert_eq!(origin(&empty, "QAK-2").0, "NF");
    assert!(empty["notices"][0].as_str().unwrap().contains("--stored FILE"));
}

#[test]
fn a_reply_that_cannot_be_explained_so_says_how_it_can() {
    let said = huitong(&["map", "explain", "his/find-patients-answer", QUERY]);
    assert_eq!(said.code, 1);
    let advice = format!("`huitong map explain {CHANNEL} {QUERY} --reply --stored FILE`");
    assert!(said.err.contains(&advice), "{}", said.err);
    let said = huitong(&["map", "try", "his/find-patients-answer", QUERY, "--once"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains(&advice), "{}", said.out);
    // Resources are read, but then the request is missing.
    let said = huitong(&["map", "explain", "his/find-patients-answer", FOUND]).well();
    assert!(said.contains("the request is not given"), "{said}");
    let said = huitong(&["map", "explain", "lis/oru-r01", QUERY, "--reply"]);
    assert!(said.err.contains("has a [reply]"), "{}", said.err);
    let said = huitong(&["map", "explain", CHANNEL, "fixtures/his/find-patients/no-tag.hl7", "--reply"]);
    assert!(said.err.contains("the channel sets it aside: map at QPD-2"), "{}", said.err);
    let said = huitong(&["map", "explain", CHANNEL, "fixtures/lis/oru-r01/normal.hl7", "--reply"]);
    assert!(said.err.contains("the channel stops it by"), "{}", said.err);
}
