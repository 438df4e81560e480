//! `huitong init`: a project in an empty folder.

use std::fs;

use tempfile::TempDir;

use crate::prompt::huitong_in;

#[test]
fn a_new_project_is_right_and_brings_what_editors_and_mappings_build_on() {
    let folder = TempDir::new().unwrap();
    huitong_in(folder.path(), &["init", "my-hub"]).well();
    let root = folder.path().join("my-hub");
    for file in [
        "config/hub.toml",
        ".gitignore",
        ".taplo.toml",
        "schemas/channel.schema.json",
        "mappings/hl7v2/patient.toml",
        "mappings/codes/hl7-0085.toml",
        "channels",
        "fixtures",
    ] {
        assert!(root.join(file).exists(), "{file}");
    }
    huitong_in(&root, &["check"]).well();
    let schema = fs::read_to_string(root.join("schemas/mapping.schema.json")).unwrap();
    assert_eq!(schema, huitong_in(&root, &["schema", "mapping"]).well());
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(".gitignore"), "mine").unwrap();
    huitong_in(folder.path(), &["init", "--bare"]).well();
    assert_eq!(fs::read_to_string(folder.path().join(".gitignore")).unwrap(), "mine");
    assert!(!folder.path().join("mappings/hl7v2").exists());
    let again = huitong_in(folder.path(), &["init", "--bare"]).well();
    assert!(again.starts_with("0 files written"), "{again}");
}
