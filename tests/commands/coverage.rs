//! `huitong map coverage`: the official maps, what of them is covered, and the page that tells of it.

use std::path::PathBuf;

use serde_json::Value;

use crate::prompt::{change, copy_of_the_files, huitong, huitong_in, root};

#[test]
fn the_page_about_coverage_is_up_to_date() {
    let made = huitong(&["map", "coverage", "--markdown", "-"]).well();
    let page = std::fs::read_to_string(root().join("docs/v2-to-fhir-coverage.md")).unwrap();
    assert!(made == page, "run `huitong map coverage --markdown` and read the difference");
}

#[test]
fn no_row_of_what_the_mappings_read_is_undecided() {
    let said = huitong(&["map", "coverage", "--missing", "--fail-missing"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let report: Value = huitong(&["map", "coverage", "--json"]).json();
    let rows = report["rows"].as_array().unwrap();
    let undecided: Vec<&Value> = rows.iter().filter(|row| row["state"] == "missing").collect();
    assert_eq!(undecided, Vec::<&Value>::new());
    assert_eq!(report["unused"], serde_json::json!([]));
    for (kind, at_least) in [("message", 200), ("segment", 700), ("data type", 150)] {
        let there = rows.iter().filter(|row| row["kind"] == kind).count();
        assert!(there >= at_least, "{there} rows of {kind}s");
    }
}

#[test]
fn a_covered_row_names_a_line_that_reads_its_field() {
    let report: Value = huitong(&["map", "coverage", "--segment", "PID", "--json"]).json();
    let mut looked_at = 0;
    for row in report["rows"].as_array().unwrap().iter().filter(|row| row["state"] == "covered") {
        let (file, line) = row["by"].as_str().unwrap().rsplit_once(':').unwrap();
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        assert!(text.lines().nth(line.parse::<usize>().unwrap() - 1).is_some(), "{}", row["by"]);
        looked_at += 1;
    }
    assert!(looked_at > 40, "{looked_at}");
}

#[test]
fn a_line_that_is_taken_away_is_missed_at_once() {
    let folder = copy_of_the_files();
    let fails = |folder: &std::path::Path| {
        huitong_in(folder, &["map", "coverage", "--segment", "PID", "--fail-missing"])
    };
    assert_eq!(fails(folder.path()).code, 0);
    change(folder.path(), "mappings/hl7v2/patient.toml", "{ from = \"PID-16\"", "{ from = \"PID-99\"");
    let said = fails(folder.path());
    assert_eq!(said.code, 1);
    assert!(said.out.contains("PID-16 Marital Status"), "{}", said.out);
    let missing = huitong_in(folder.path(), &["map", "coverage", "--missing"]).out;
    assert!(missing.contains("maritalStatus"), "{missing}");
}

#[test]
fn a_reason_for_a_row_that_is_not_there_is_told() {
    let folder = copy_of_the_files();
    change(folder.path(), "mappings/left-out.tsv", "PID[Account]\t*", "PID[Acount]\t*");
    let said = huitong_in(folder.path(), &["map", "coverage", "--segment", "PID", "--fail-missing"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("PID[Acount] *  names a row that is not there"), "{}", said.out);
}

#[test]
fn the_facts_that_are_carried_are_those_of_the_official_sheets() {
    let corpus =
        std::env::var_os("HUITONG_CORPUS").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let maps = corpus.join("v2-to-fhir-maps");
    if !maps.is_dir() {
        eprintln!("NOT RUN: the corpus is not here; HUITONG_CORPUS names it");
        return;
    }
    let said = huitong(&["map", "coverage", "--maps", maps.to_str().unwrap(), "--write-facts", "-"]).well();
    let carried = std::fs::read_to_string(root().join("src/map/coverage/official.tsv")).unwrap();
    assert!(
        said == carried,
        "run `huitong map coverage --maps FOLDER --write-facts src/map/coverage/official.tsv`"
    );
}
