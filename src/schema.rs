//! `huitong schema`: the JSON Schemas of the files people write, for editors that complete and underline.

mod channel;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hub_fhir::{Json, Object};

use crate::cli::{Global, SchemaArguments, SchemaKind};
use crate::paint;

/// Where they stand below the root.
const FOLDER: &str = "schemas";
/// Every kind, and its file.
const FILES: [(SchemaKind, &str); 3] = [
    (SchemaKind::Channel, "channel.schema.json"),
    (SchemaKind::Mapping, "mapping.schema.json"),
    (SchemaKind::CodeTable, "code-table.schema.json"),
];

/// Prints one, writes all, or says whether those written are up to date.
pub fn run(global: &Global, arguments: &SchemaArguments) -> anyhow::Result<ExitCode> {
    if let Some(kind) = arguments.kind {
        print!("{}", text_of(kind));
        return Ok(ExitCode::SUCCESS);
    }
    let folder = global.root.join(FOLDER);
    if arguments.write {
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let mut stale = 0;
    for (kind, name) in FILES {
        let path = folder.join(name);
        let shown = Path::new(FOLDER).join(name);
        let is_current = std::fs::read_to_string(&path).is_ok_and(|old| old == text_of(kind));
        if is_current {
            continue;
        }
        if arguments.write {
            std::fs::write(&path, text_of(kind)).with_context(|| path.display().to_string())?;
            println!("{} is written", shown.display());
        } else {
            stale += 1;
            println!("{} is not up to date: `huitong schema --write`", paint::warning(shown.display()));
        }
    }
    Ok(if stale == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every schema file, by its path below the root.
pub fn files() -> impl Iterator<Item = (String, String)> {
    FILES.iter().map(|(kind, name)| (format!("{FOLDER}/{name}"), text_of(*kind)))
}

/// The schema of a kind of file.
fn of(kind: SchemaKind) -> Object {
    match kind {
        SchemaKind::Channel => channel::schema(),
        SchemaKind::Mapping => hub_mapping::mapping_schema(hub_formats::FORMATS, hub_formats::WRITTEN),
        SchemaKind::CodeTable => hub_mapping::code_table_schema(),
    }
}

/// As it is written: one line for each key and each definition, so that a change shows as a few lines.
fn text_of(kind: SchemaKind) -> String {
    let mut text = String::new();
    outline(&of(kind), 0, &mut text);
    text.push('\n');
    text
}

fn outline(object: &Object, level: usize, text: &mut String) {
    text.push_str("{\n");
    for (place, (name, value)) in object.iter().enumerate() {
        if place > 0 {
            text.push_str(",\n");
        }
        text.push_str(&"  ".repeat(level + 1));
        text.push_str(&Json::from(name).to_text());
        text.push_str(": ");
        let is_outlined = matches!(name, "properties" | "definitions") && level == 0;
        match value {
            Json::Object(inner) if is_outlined => outline(inner, level + 1, text),
            other => text.push_str(&other.to_text()),
        }
    }
    text.push('\n');
    text.push_str(&"  ".repeat(level));
    text.push('}');
}
