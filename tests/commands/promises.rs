//! A project of files of records: what the channel says of columns is checked, and what fails is not blessed.

use std::fs;

use tempfile::TempDir;

use crate::prompt::huitong_in;

const CHANNEL: &str = r#"name    = "exam/results"
version = 1
about   = "Results of the examination centre are stored."

[from]
connector = "file"
lane_by   = "row.person"
settings  = { folder = "inbox", pattern = "*.csv" }

[parse]
format = "csv"
split  = "messages"

[map]
mapping = "exam/results"
writes  = ["Observation"]

[keys]
patient = "row.person"

[[test]]
name   = "two results"
given  = "exam/results.csv"
pieces = 2
writes = "exam/results.bundle.json"
"#;

const MAPPING: &str = r#"name    = "exam/results"
version = 1
from    = "csv"

[source]
columns = ["person", "item", "value"]

[[resource]]
as   = "result"
type = "Observation"
id   = ["result", "row.person", "row.item"]
[resource.set]
status       = { value = "final" }
code         = { set = { text = { from = "row.item" } } }
valueInteger = { from = "row.value" }
"#;

fn project(channel: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (file, text) in [
        ("channels/exam/results.toml", channel),
        ("mappings/exam/results.toml", MAPPING),
        ("fixtures/exam/results.csv", "P1,pulse,61\nP2,pulse,72\n"),
        ("fixtures/exam/results.bundle.json", "promised\n"),
    ] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn a_channel_names_only_columns_that_its_mapping_s_layout_has() {
    assert_eq!(huitong_in(project(CHANNEL).path(), &["check"]).code, 0);
    for (right, wrong) in [
        ("lane_by   = \"row.person\"", "lane_by   = \"row.persn\""),
        ("patient = \"row.person\"", "patient = \"row.persn\""),
    ] {
        let said = huitong_in(project(&CHANNEL.replace(right, wrong)).path(), &["check"]);
        let told = said.out + &said.err;
        assert!(told.contains("`columns` of `[source]` does not name `persn`"), "{told}");
        assert!(told.contains("did you mean `person`?"), "{told}");
    }
}

#[test]
fn what_fails_otherwise_is_not_blessed() {
    let golden = |folder: &TempDir| {
        fs::read_to_string(folder.path().join("fixtures/exam/results.bundle.json")).unwrap()
    };
    let folder = project(&CHANNEL.replace("pieces = 2", "pieces = 3"));
    let said = huitong_in(folder.path(), &["test", "--bless"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("pieces: expected `3`, found `2`"), "{}", said.out);
    assert_eq!(golden(&folder), "promised\n");
    let folder = project(CHANNEL);
    assert_eq!(huitong_in(folder.path(), &["test", "--bless"]).code, 0);
    assert!(golden(&folder).contains("\"valueInteger\": 61"));
}

#[test]
fn nobody_is_answered_at_a_folder() {
    let channel = CHANNEL.replace("lane_by   =", "acknowledge = \"on_answered\"\nlane_by   =");
    let said = huitong_in(project(&channel).path(), &["check"]);
    let told = said.out + &said.err;
    assert!(told.contains("nobody waits for an answer at the connector `file`"), "{told}");
}

#[test]
fn a_frame_is_refused_for_its_kind_only_when_it_is_one_message() {
    let message = |number: u8| {
        format!(
            "MSH|^~\\&|HIS|T|HUB|H|2026112308150{number}||ADT^A01^ADT_A01|A{number}|P|2.5.1\rPID|1||{number}\r"
        )
    };
    let channel = r#"
name    = "exam/adt"
version = 1
about   = "Visits, several in a frame."
[from]
connector = "mllp"
settings  = { listen = "127.0.0.1:0" }
[parse]
format = "hl7v2"
split  = "messages"
accept = ["ADT^A08"]
[map]
mapping = "exam/adt"
writes  = ["Patient"]
[[test]]
name    = "another kind of message is refused"
given   = "exam/one.hl7"
receipt = "AR"
state   = "filtered"
[[test]]
name    = "of several each is looked at"
given   = "exam/two.hl7"
receipt = "AA"
state   = "filtered"
pieces  = 2
"#;
    let mapping = r#"
name    = "exam/adt"
version = 1
from    = "hl7v2"
[[resource]]
as   = "patient"
type = "Patient"
id   = ["patient", "PID-3.1"]
set  = { active = { value = true } }
"#;
    let folder = TempDir::new().unwrap();
    for (file, text) in [
        ("channels/exam/adt.toml", channel.to_owned()),
        ("mappings/exam/adt.toml", mapping.to_owned()),
        ("fixtures/exam/one.hl7", message(1)),
        ("fixtures/exam/two.hl7", message(1) + &message(2)),
    ] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let said = huitong_in(folder.path(), &["test"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}
