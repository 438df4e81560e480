//! What the pages for people say is true: commands work word for word, files and metrics that are named are there.

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::root;

const PAGES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/operations.md"];

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The shell block that follows a heading.
fn shell_block(page: &str, heading: &str) -> String {
    let section = page.split_once(heading).unwrap().1;
    let block = section.split_once("```sh\n").unwrap().1;
    block.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_first_commands_of_the_readme_work_word_for_word() {
    let folder = tempfile::TempDir::new().unwrap();
    let script = shell_block(&page("README.md"), "## Your first interface");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_huitong")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .env("PATH", path)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("no errors") && errors.is_empty(), "{said}\n{errors}");
}

#[test]
fn the_files_that_the_pages_name_are_there() {
    let tops = [
        "api/",
        "channels/",
        "config/",
        "connectors/",
        "docs/",
        "engine/",
        "fixtures/",
        "mappings/",
        "scripts/",
        "src/",
        "tests/",
    ];
    // Made by the reader, or by `huitong bench`; the last one is a connector's own.
    let not_yet = ["config/hub.toml", "docs/benchmarks.md", "tests/contract.rs"];
    let mut missing = BTreeSet::new();
    for name in PAGES {
        let page = page(name);
        let words = page.split(|c: char| !(c.is_ascii_alphanumeric() || "./_-".contains(c)));
        for word in words.map(|word| word.trim_end_matches(['.', '-'])) {
            let names_a_file = tops.iter().any(|top| word.starts_with(top));
            let stands_for_one = word.contains("SYSTEM") || not_yet.iter().any(|made| word.contains(made));
            // `docs/decisions/0002` is short for the one that begins so.
            let decision = word.starts_with("docs/decisions/0");
            if names_a_file && !stands_for_one && !decision && !root().join(word).exists() {
                missing.insert(format!("{name}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_page_of_operations_names_every_metric_and_no_other() {
    let names = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        words.filter(|word| word.starts_with("huitong_") && *word != "huitong_").map(str::to_owned).collect()
    };
    let source: String =
        ["engine/runtime/src/measure.rs", "engine/runtime/src/operate.rs", "api/http/src/observe.rs"]
            .map(page)
            .concat();
    assert_eq!(names(&page("docs/operations.md")), names(&source));
}
