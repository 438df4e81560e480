//! The official examples of R4B hold against the validator, the rows and the merge.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test says when it cannot run, and stops at what cannot be"
)]

use std::path::PathBuf;

use hub_fhir::{Json, Object, Prepared, Resource, json, merge, validate};

/// Every example of the corpus; empty, with a word about it, where the corpus is not at hand.
fn examples() -> Vec<(String, Object)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let corpus = std::env::var("HUITONG_CORPUS").map_or_else(|_| root.join("../shared/data"), PathBuf::from);
    let Ok(folder) = std::fs::read_dir(corpus.join("fhir-examples/r4b")) else {
        eprintln!("not run: there is no corpus; set HUITONG_CORPUS");
        return Vec::new();
    };
    let mut examples = Vec::new();
    for file in folder {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        match json::parse(&text) {
            Ok(Json::Object(tree)) => examples.push((name, tree)),
            other => panic!("{name}: {:?}", other.err()),
        }
    }
    examples.sort_by(|a, b| a.0.cmp(&b.0));
    examples
}

/// Examples that break a rule of R4B themselves: file, place, why.
const KNOWN: [(&str, &str, &str); 1] = [(
    "devicemetric-example.json",
    "DeviceMetric.parent",
    "the element takes a Device, the example points at a DeviceDefinition",
)];

#[test]
fn official_examples_have_no_issues() {
    let mut found = Vec::new();
    for (name, tree) in examples() {
        for issue in validate(&tree) {
            let is_known = KNOWN.iter().any(|(file, path, _)| *file == name && *path == issue.path);
            if !is_known {
                found.push(format!("{name}: {issue}"));
            }
        }
    }
    assert!(found.is_empty(), "{} issues:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_example_can_be_prepared_and_read_back() {
    for (name, tree) in examples() {
        let resource = Resource::from_tree(Json::Object(tree)).unwrap();
        let prepared = Prepared::of(&resource);
        let body = prepared.body(1, time::OffsetDateTime::UNIX_EPOCH);
        let again = Resource::from_tree(json::parse(std::str::from_utf8(&body).unwrap()).unwrap()).unwrap();
        let again = Prepared::of(&again);
        assert_eq!(again.digest, prepared.digest, "{name}");
        assert_eq!(again.rows, prepared.rows, "{name}");
        assert!(
            prepared.rows.is_sorted() && prepared.rows.windows(2).all(|pair| pair[0] != pair[1]),
            "{name}"
        );
    }
}

#[test]
fn an_example_merged_into_itself_stays_as_it_is() {
    for (name, tree) in examples() {
        let merged = merge(&tree, tree.clone(), &[]);
        assert_eq!(merged, tree, "{name}");
        assert_eq!(merge(&tree, Object::new(), &[]), tree, "{name}");
    }
}

#[test]
fn an_example_without_an_element_that_must_be_there_has_an_issue() {
    for (name, mut tree) in examples() {
        let kind = tree.get("resourceType").and_then(Json::as_str).unwrap().to_owned();
        let def = hub_fhir::elements::type_of(&kind).unwrap();
        for element in def.elements.iter().filter(|element| element.min > 0 && !element.is_choice()) {
            if tree.remove(element.name).is_some() {
                let path = format!("{kind}.{}", element.name);
                assert!(validate(&tree).iter().any(|issue| issue.path == path), "{name} without {path}");
            }
        }
    }
}
