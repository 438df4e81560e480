//! The project's own mappings and code tables: each compiles and runs over the fixtures of its name.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod files;
mod project_folder;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hub_core::document::{Document, Parser};
use hub_core::finding::Finding;
use hub_formats::hl7v2::Hl7Parser;
use hub_mapping::{Files, Found, Mapping, Run, Target, check_code_table, compile};
use project_folder::project;

fn report(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

/// Every mapping that stands for itself: a part may need the resources of those that include it.
fn mappings() -> Vec<Mapping> {
    let folder = project();
    let compiled: Vec<_> =
        folder.mapping_names().into_iter().map(|name| (compile(&name, &folder), name)).collect();
    let parts: BTreeSet<_> = compiled
        .iter()
        .filter_map(|(mapping, _)| mapping.as_ref().ok())
        .flat_map(|mapping| mapping.files().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let own = compiled.into_iter().filter(|(_, name)| !parts.contains(&format!("mappings/{name}.toml")));
    own.map(|(mapping, _)| mapping.unwrap_or_else(|findings| panic!("{}", report(&findings)))).collect()
}

/// The fixtures of a mapping that can be read.
fn fixtures(name: &str) -> Vec<(String, Box<dyn Document>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|suffix| suffix == "hl7")
            && let Ok(document) = Hl7Parser::default().parse(&fs::read(&path).unwrap())
        {
            found.push((path.file_name().unwrap().display().to_string(), document));
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// What a hub tells of every message.
fn facts() -> Found {
    let mut facts = Found::default();
    facts.tell("message_id", "01940000-0000-7000-8000-000000000000");
    facts.tell("time", "2026-11-20T08:15:02.500+08:00");
    facts
}

fn text(run: &Run) -> String {
    let resources = run.changes.iter().filter_map(|change| change.resource());
    resources.map(|resource| hub_fhir::Json::Object(resource.tree().clone()).to_text()).collect()
}

#[test]
fn every_mapping_of_the_project_compiles() {
    for mapping in mappings() {
        assert!(mapping.to() != Target::Fhir || !mapping.types().is_empty(), "{}", mapping.name());
    }
}

#[test]
fn every_code_table_of_the_project_is_right() {
    let folder = project();
    let names = folder.code_table_names();
    let findings: Vec<_> = names.into_iter().flat_map(|name| check_code_table(&name, &folder)).collect();
    assert!(findings.is_empty(), "{}", report(&findings));
}

#[test]
fn what_a_mapping_writes_is_valid_and_the_same_each_time() {
    for mapping in mappings() {
        for (file, document) in fixtures(mapping.name()) {
            let Ok(run) = mapping.run_with(&*document, &facts()) else { continue };
            for resource in run.changes.iter().filter_map(|change| change.resource()) {
                let issues = hub_fhir::validate(resource.tree());
                assert!(issues.is_empty(), "{file}: {resource:?}: {issues:?}");
            }
            let (again, _) = mapping.run_traced(&*document, &facts()).unwrap();
            assert_eq!(text(&run), text(&again), "{file}");
        }
    }
}

#[test]
fn every_value_written_has_a_place_and_a_rule() {
    for mapping in mappings() {
        for (file, document) in fixtures(mapping.name()) {
            let Ok((_, trace)) = mapping.run_traced(&*document, &facts()) else {
                continue;
            };
            assert!(trace.lineage.iter().all(|line| line.line > 0 && line.target.contains('#')), "{file}");
            let sourced = trace.lineage.iter().any(|line| line.place.is_some());
            assert!(sourced || trace.lineage.is_empty(), "{file}");
        }
    }
}
