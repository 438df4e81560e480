//! The rules of the house: who may use whom, and how files begin. The table is the one of ARCHITECTURE.md.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// crate, what of ours it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("hub-fhir", &[]),
    ("hub-transport", &[]),
    ("hub-fhirpath", &["hub-fhir"]),
    ("hub-r4b", &["hub-fhir"]),
    ("hub-core", &["hub-fhir"]),
    ("hub-formats", &["hub-core", "hub-fhir"]),
    ("hub-mapping", &["hub-core", "hub-fhir"]),
    ("hub-spec", &["hub-core", "hub-mapping"]),
    ("hub-store", &["hub-core", "hub-fhir"]),
    ("hub-attachments", &["hub-core"]),
    ("hub-runtime", &["hub-core", "hub-fhir", "hub-formats", "hub-mapping", "hub-spec"]),
    ("hub-connect", &["hub-core", "hub-formats", "hub-transport"]),
    ("hub-auth", &["hub-core", "hub-fhir"]),
    ("hub-papers", &["hub-core"]),
    ("hub-workflows", &["hub-core", "hub-fhir", "hub-papers"]),
    ("hub-executor", &["hub-core", "hub-fhir", "hub-workflows"]),
    ("hub-directory", &["hub-core", "hub-fhir"]),
    ("hub-http", &["hub-core", "hub-fhir", "hub-fhirpath", "hub-workflows", "hub-executor", "hub-directory"]),
    ("sim-kit", &[]),
];
/// Every connector may use these, and no other connector.
const CONNECTORS_MAY_USE: &[&str] = &["hub-core", "hub-connect", "hub-formats", "hub-transport", "sim-kit"];

/// Pure crates: what would bring them I/O, a clock of their own or chance.
const PURE: &[&str] =
    &["hub-fhir", "hub-fhirpath", "hub-r4b", "hub-formats", "hub-mapping", "hub-papers", "hub-workflows"];
const IMPURE: &[&str] = &["tokio", "reqwest", "sqlx", "rusqlite", "axum", "rand", "hyper", "async-trait"];
/// The only crate that may know the typed model, the only one that may know the database.
const ONLY_IN: &[(&str, &str)] = &[
    ("fhir-sdk", "hub-r4b"),
    ("sqlx", "hub-store"),
    ("rusqlite", "hub-store"),
    ("apalis", "hub-store"),
    ("apalis-sqlite", "hub-store"),
    ("apalis-cron", "hub-store"),
    ("hl7-parser", "hub-formats"),
    ("async-nats", "hub-connect"),
];
/// Longer files want a second look; none may be longer than this.
const MOST_LINES: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The workspace's packages and the names of their dependencies, those for tests and examples left out.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let names = dependencies
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (package["name"].as_str().unwrap().to_owned(), names.collect())
        })
        .collect()
}

fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["src", "engine", "connectors", "api", "tests"].iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 50, "the source files were not found");
    files
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn every_crate_uses_only_what_its_layer_may_use() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    let mut wrong = Vec::new();
    for (name, dependencies) in &packages {
        let allowed: &[&str] = if name.starts_with("connector-") {
            CONNECTORS_MAY_USE
        } else if name == "huitong" {
            continue;
        } else {
            let row = MAY_USE.iter().find(|(package, _)| package == name);
            row.unwrap_or_else(|| panic!("`{name}` has no row in the table of tests/architecture.rs")).1
        };
        for dependency in dependencies.iter().filter(|dependency| ours.contains(dependency.as_str())) {
            if !allowed.contains(&dependency.as_str()) {
                wrong.push(format!("`{name}` may not use `{dependency}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_of_the_table_is_a_crate() {
    let packages = packages();
    for (name, _) in MAY_USE {
        assert!(packages.contains_key(*name), "`{name}` is in the table but not in the workspace");
    }
}

#[test]
fn pure_crates_have_no_way_to_the_outside() {
    let packages = packages();
    for name in PURE {
        for impure in IMPURE {
            assert!(!packages[*name].contains(*impure), "`{name}` is pure and may not use `{impure}`");
        }
    }
}

#[test]
fn heavy_and_named_libraries_stay_behind_one_crate() {
    for (name, dependencies) in packages() {
        for (library, only) in ONLY_IN {
            assert!(
                !dependencies.contains(*library) || name == *only,
                "`{library}` belongs behind `{only}`, not in `{name}`"
            );
        }
    }
}

#[test]
fn pure_crates_do_not_read_files_or_clocks() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let path = shown(&file);
        let pure = [
            "engine/fhir/src",
            "engine/fhirpath/src",
            "engine/r4b/src",
            "engine/formats/src",
            "engine/mapping/src",
            "engine/core/src",
            "api/workflows/src",
        ];
        if !pure.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in [
            "std::fs",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "SystemTime::now",
            "Instant::now",
            "now_utc()",
            "now_local()",
        ] {
            if code.contains(word) {
                wrong.push(format!("{path} uses `{word}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_begins_by_saying_what_it_is_and_is_not_too_long() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let begins =
            text.lines().find(|line| !line.starts_with("#!") && !line.is_empty()).unwrap_or_default();
        if !begins.starts_with("//!") {
            wrong.push(format!("{} does not begin with `//!`", shown(&file)));
        }
        let lines = text.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{} has {lines} lines, more than {MOST_LINES}", shown(&file)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_panic_of_the_program_is_told_without_its_text() {
    let text = std::fs::read_to_string(root().join("src/main.rs")).unwrap();
    let hook = text.find("log::panics_without_content()").expect("the hook is set");
    let parse = text.find("Cli::parse()").expect("the command line is read");
    assert!(hook < parse, "the hook is set before anything else");
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    for file in rust_files() {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["utils", "util", "helpers", "helper", "common", "misc", "manager"].contains(&name.as_str()),
            "{}",
            shown(&file)
        );
    }
}

#[test]
fn every_crate_inherits_the_lints_and_versions_of_the_workspace() {
    let mut manifests = Vec::new();
    for folder in ["engine", "connectors", "api"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap().flatten() {
            manifests.push(entry.path().join("Cargo.toml"));
        }
    }
    for manifest in manifests {
        let text = std::fs::read_to_string(&manifest).unwrap();
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["lints"]["workspace"].as_bool(), Some(true), "{}", shown(&manifest));
        for section in ["dependencies", "dev-dependencies"] {
            for (name, value) in table.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(inherited, "{}: `{name}` does not come from the workspace's table", shown(&manifest));
            }
        }
    }
}

#[test]
fn every_connector_has_a_readme() {
    for entry in std::fs::read_dir(root().join("connectors")).unwrap().flatten() {
        assert!(entry.path().join("README.md").exists(), "{} has no README.md", shown(&entry.path()));
    }
}
