//! `huitong map explain`: at a terminal, as JSON, as a page.

use serde_json::Value;

use crate::prompt::{change, copy_of_the_files, golden, huitong, huitong_in};

const NORMAL: &str = "fixtures/lis/oru-r01/normal.hl7";

fn explained(message: &str) -> Value {
    huitong(&["map", "explain", "lis/oru-r01", message, "--json"]).json()
}

fn field<'v>(explained: &'v Value, place: &str) -> &'v Value {
    let fields = explained["source"].as_array().unwrap();
    fields.iter().find(|field| field["place"] == place).unwrap_or_else(|| panic!("no {place}"))
}

fn values<'v>(explained: &'v Value, name: &str) -> &'v Vec<Value> {
    let parts = explained["target"].as_array().unwrap();
    parts.iter().find(|part| part["name"] == name).unwrap()["values"].as_array().unwrap()
}

#[test]
fn each_field_is_told_with_what_became_of_it() {
    let explained = explained(NORMAL);
    let birth = field(&explained, "PID-7");
    assert_eq!(birth["became"], "written");
    assert_eq!(birth["value"], "19881112");
    assert_eq!(birth["to"][0]["target"], "Patient.birthDate");
    assert_eq!(birth["to"][0]["file"], "mappings/hl7v2/patient.toml");
    let line = usize::try_from(birth["to"][0]["line"].as_u64().unwrap()).unwrap();
    let mapping = std::fs::read_to_string(crate::prompt::root().join("mappings/hl7v2/patient.toml")).unwrap();
    assert!(mapping.lines().nth(line - 1).unwrap().contains("PID-7"));
    assert_eq!(field(&explained, "MSH-3")["became"], "on-purpose");
    assert!(field(&explained, "MSH-3")["reason"].is_string());
    assert_eq!(field(&explained, "OBX[1]-2")["became"], "read"); // it chooses the type of OBX-5
    assert_eq!(field(&explained, "ORC-9")["became"], "unread");
}

#[test]
fn each_value_is_told_with_its_source_and_its_line() {
    let explained = explained(NORMAL);
    for part in explained["target"].as_array().unwrap() {
        for value in part["values"].as_array().unwrap() {
            assert_ne!(value["from"].as_array().unwrap().len(), 0, "{} {}", part["name"], value["path"]);
        }
    }
    let quantity =
        values(&explained, "Observation(1)").iter().find(|value| value["path"] == "valueQuantity.value");
    let quantity = quantity.unwrap();
    assert_eq!(quantity["value"], "4.10"); // OBX-5, every digit
    assert_eq!(quantity["from"][0]["place"], "OBX[1]-5");
    let constant =
        values(&explained, "Observation(1)").iter().find(|value| value["value"] == "laboratory").unwrap();
    assert_eq!(constant["from"][0]["place"], Value::Null); // the mapping itself says so
}

#[test]
fn every_value_of_every_fixture_has_its_origin() {
    let mut looked_at = 0;
    for (mapping, folder) in [("lis/oru-r01", "fixtures/lis/oru-r01"), ("his/adt", "fixtures/his/adt")] {
        for entry in std::fs::read_dir(crate::prompt::root().join(folder)).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|suffix| suffix != "hl7") {
                continue;
            }
            let said = huitong(&["map", "explain", mapping, path.to_str().unwrap(), "--json"]);
            let Ok(explained) = serde_json::from_str::<Value>(&said.out) else {
                assert!(said.err.contains("cannot be read as"), "{}", said.err);
                continue;
            };
            looked_at += 1;
            for part in explained["target"].as_array().unwrap() {
                for value in part["values"].as_array().unwrap() {
                    let from = value["from"].as_array().unwrap();
                    assert!(!from.is_empty(), "{}: {} {}", path.display(), part["name"], value["path"]);
                }
            }
        }
    }
    assert!(looked_at > 40, "{looked_at}");
}

#[test]
fn a_message_that_is_set_aside_shows_the_place_the_line_and_the_reason() {
    let said = huitong(&["map", "explain", "lis/oru-r01", "fixtures/lis/oru-r01/unknown-result-status.hl7"]);
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("set aside at OBX-11: the code table `hl7-0085` does not have this code"),
        "{}",
        said.out
    );
    assert!(said.out.contains("by mappings/lis/oru-r01.toml:"), "{}", said.out);
    let explained = explained("fixtures/lis/oru-r01/unknown-result-status.hl7");
    assert_eq!(field(&explained, "OBX-11")["became"], "fault");
    assert_eq!(explained["target"].as_array().unwrap().len(), 0);
}

#[test]
fn columns_are_aligned_and_whole_where_nobody_looks() {
    let said = huitong(&["map", "explain", "channels/lis/oru-r01.toml", NORMAL]).well();
    golden("explain-normal.txt", &said);
}

#[test]
fn a_page_holds_everything_and_fetches_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("page.html");
    let said = huitong(&["map", "explain", "lis/oru-r01", NORMAL, "--html", file.to_str().unwrap()]).well();
    assert!(said.contains("patient data"), "{said}");
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("patient data: not to be passed on"));
    for tag in ["<link", "<img", "src=", "@import", "url("] {
        assert!(!page.contains(tag), "{tag}");
    }
    for told in ["PID-7", "19881112", "Patient.birthDate", "1988-11-12", "mappings/hl7v2/patient.toml:"] {
        assert!(page.contains(told), "{told}");
    }
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "only its owner reads it");
}

#[test]
fn what_a_sender_writes_cannot_break_out_of_the_page() {
    let folder = copy_of_the_files();
    let file = folder.path().join("evil.hl7");
    let message = std::fs::read_to_string(crate::prompt::root().join(NORMAL)).unwrap();
    std::fs::write(&file, message.replace("思远", "</script><script>alert(1)</script>")).unwrap();
    let page = huitong(&["map", "explain", "lis/oru-r01", file.to_str().unwrap(), "--html", "-"]).well();
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn json_and_fhir_sources_are_explained_too() {
    let folder = copy_of_the_files();
    let receipt = folder.path().join("receipt.json");
    let text = r#"{"id":"n1","received":"2026-11-20T10:00:00+08:00","patient":"Patient/p","observation":"o","extra":{"a":"b"}}"#;
    std::fs::write(&receipt, text).unwrap();
    let said = huitong(&["map", "explain", "notify/notice-receipt", receipt.to_str().unwrap(), "--json"]);
    let explained: Value = said.json();
    assert_eq!(field(&explained, "received")["to"][0]["target"], "Communication.received");
    assert_eq!(field(&explained, "extra.a")["became"], "unread");
}

#[test]
fn a_message_for_a_partner_is_explained_from_the_resources_or_from_the_message_they_were_made_of() {
    let given = "fixtures/lis/oru-r01/critical-potassium.hl7";
    let explained: Value = huitong(&["map", "explain", "notify/critical-result", given, "--json"]).json();
    let number = values(&explained, "message").iter().find(|value| value["path"] == "value.text").unwrap();
    assert_eq!(number["value"], "6.82"); // OBX-5
    assert_eq!(number["from"][0]["place"], "Observation[1].valueQuantity.value");
    let said = huitong(&["map", "explain", "notify/critical-result", given]).well();
    assert!(said.contains("Location[1]"), "{said}");
    // Nothing is sent of a message that is not critical.
    let said = huitong(&["map", "explain", "notify/critical-result", NORMAL]);
    assert!(said.err.contains("nothing is sent of this message"), "{}", said.err);
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let folder = copy_of_the_files();
    change(folder.path(), "mappings/hl7v2/patient.toml", "birthDate  ", "birthDat  ");
    let said = huitong_in(folder.path(), &["map", "explain", "lis/oru-r01", NORMAL]);
    assert_eq!(said.code, 64);
    assert!(said.err.contains("did you mean `birthDate`?"), "{}", said.err);
    let said = huitong(&["map", "explain", "lis/oru-r02", NORMAL]);
    assert_eq!(said.code, 64);
    assert!(said.err.contains("did you mean `lis/oru-r01`?"), "{}", said.err);
    let said = huitong(&["map", "explain", "lis/oru-r01", "README.md"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("cannot be read as hl7v2"), "{}", said.err);
    let said = huitong(&["map", "explain", "mappings/codes/hl7-0085.toml", NORMAL]);
    assert!(said.err.contains("is a code table"), "{}", said.err);
}
