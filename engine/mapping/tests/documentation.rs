//! `docs/mapping.md` lists exactly the functions there are, and its examples do what it says.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod files;
mod project_folder;

use std::fs;
use std::path::Path;

use hub_core::document::Parser;
use hub_fhir::Json;
use hub_formats::hl7v2::Hl7Parser;
use hub_mapping::{check_code_table, compile};
use project_folder::project;

fn documentation() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mapping.md")).unwrap()
}

/// The blocks of one language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let opening = format!("```{language}\n");
    let bodies = text.split(&opening).skip(1);
    bodies.map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// What a block calls itself, when it is a whole file.
fn name(block: &str) -> Option<&str> {
    let line = block.lines().find(|line| line.starts_with("name "))?;
    line.split('"').nth(1)
}

/// The table of all functions, each with its examples.
fn function_table() -> String {
    let mut table =
        "| function | reads | writes | what it does | example |\n|---|---|---|---|---|\n".to_owned();
    for function in hub_mapping::functions() {
        let examples = hub_mapping::EXAMPLES.iter().filter(|example| example.function == function.name);
        let shown: Vec<String> = examples
            .map(|example| {
                let gives = if example.json.is_empty() {
                    "nothing".to_owned()
                } else {
                    format!("`{}`", example.json)
                };
                format!("`{}` gives {gives}", example.field.replace('|', "\\|"))
            })
            .collect();
        let (name, reads, writes, about) = (function.name, function.reads, function.writes, function.about);
        table += &format!("| `{name}` | {reads} | {writes} | {about} | {} |\n", shown.join("; "));
    }
    table
}

/// With `HUITONG_BLESS` set the table is written, otherwise it must be there as it is.
#[test]
fn the_documentation_lists_every_function_with_its_examples() {
    let text = documentation();
    let table = function_table();
    let (before, rest) = text.split_once("| function | reads |").unwrap();
    let (old, after) = rest.split_once("\n\n").unwrap();
    if std::env::var_os("HUITONG_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mapping.md");
        fs::write(path, format!("{before}{}\n{after}", table)).unwrap();
        return;
    }
    let shown = format!("| function | reads |{old}\n");
    for (row, made) in shown.lines().zip(table.lines()) {
        assert_eq!(row, made, "run it with HUITONG_BLESS=1 and read the difference");
    }
    assert_eq!(shown.lines().count(), table.lines().count(), "run it with HUITONG_BLESS=1");
}

#[test]
fn every_file_shown_is_right() {
    let text = documentation();
    let named = |block: &&str| name(block).unwrap_or_else(|| panic!("not a whole file:\n{block}")).to_owned();
    let shown_blocks = blocks(&text, "toml");
    let mut folder = project();
    for block in &shown_blocks {
        let name = named(block);
        let is_table = block.contains("[codes]");
        folder = folder.with(&if is_table { format!("codes/{name}") } else { name }, block);
    }
    let mut shown = 0;
    for block in shown_blocks {
        let name = named(&block);
        let findings = if block.contains("[codes]") {
            check_code_table(&name, &folder)
        } else {
            compile(&name, &folder).err().unwrap_or_default()
        };
        assert!(findings.is_empty(), "{}", findings[0]);
        shown += 1;
    }
    assert!(shown >= 4, "only {shown} files are shown");
}

#[test]
fn the_example_writes_what_is_shown() {
    let text = documentation();
    let message = blocks(&text, "hl7")[0].replace('\n', "\r");
    let mapping = blocks(&text, "toml")[0];
    let shown = hub_fhir::json::parse(blocks(&text, "json")[0]).unwrap();
    let name = name(mapping).unwrap();
    let mapping = compile(name, &project().with(name, mapping)).unwrap();
    let run = mapping.run(&*Hl7Parser::default().parse(message.as_bytes()).unwrap()).unwrap();
    let written: Vec<Json> =
        run.changes.iter().map(|change| Json::from(change.resource().unwrap().tree().clone())).collect();
    assert_eq!(Json::from(written).to_text(), shown.to_text());
}
