//! What `docs/operations.md` says the hub does, and which test shows it: the tests are there.

use std::fs;
use std::path::Path;

use crate::prompt::root;

/// Every Rust file of the project's own code, by its name.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn what_is_said_to_be_shown_by_a_test_is() {
    let root = root();
    let page = fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let section = page.split("## What happens when").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut found = Vec::new();
    for folder in ["tests", "engine", "connectors"] {
        sources(&root.join(folder), &mut found);
    }
    let mut named = 0;
    for row in section.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let shown = row.trim_end_matches(" |").rsplit('|').next().unwrap();
        let names: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing shows it: {row}");
        for name in names {
            named += 1;
            let is_there = match name.split_once("::") {
                None => root.join(name).exists(),
                Some((file, test)) => {
                    let function = format!("fn {test}(");
                    found.iter().any(|(name, text)| name == file && text.contains(&function))
                }
            };
            assert!(is_there, "there is no `{name}`");
        }
    }
    assert!(named > 20, "{named}");
}
