//! `huitong init`: begins a project of somebody's own in a folder.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use rust_embed::RustEmbed;

use crate::cli::{Global, InitArguments};
use crate::schema;

/// The parts and code tables that every project may build on.
#[derive(RustEmbed)]
#[folder = "mappings"]
#[include = "hl7v2/*.toml"]
#[include = "codes/*.toml"]
struct Library;

const TAPLO: &str = include_str!("../.taplo.toml");
const SETTINGS: &str = "\
# What differs from the defaults. Some settings:
# http.listen, data_dir, retention.keep_days ...; an unknown one is refused with the nearest right word.
[http]
listen = \"127.0.0.1:8080\"         # FHIR at /fhir, operators' API at /ops, /health, /metrics
";
const IGNORED: &str = "# What the hub writes: messages and resources. It holds patient data and belongs in no repository.\n/data/\n";
const FOLDERS: [&str; 4] = ["channels", "mappings/codes", "fixtures", "config"];

/// Whether this file, relative to the root, is one that every project is given.
pub fn brings(file: &Path) -> bool {
    let name = file.strip_prefix("mappings").ok().and_then(Path::to_str);
    name.is_some_and(|name| Library::get(name).is_some())
}

/// Writes what is missing; nothing that is there is changed.
pub fn run(global: &Global, arguments: InitArguments) -> anyhow::Result<ExitCode> {
    let root = arguments.folder.unwrap_or_else(|| global.root.clone());
    for folder in FOLDERS {
        let path = root.join(folder);
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
    }
    let mut written = 0;
    let mut put = |file: &str, text: &str| -> anyhow::Result<()> {
        written += usize::from(write(&root, file, text)?);
        Ok(())
    };
    put("config/hub.toml", SETTINGS)?;
    put(".gitignore", IGNORED)?;
    put(".taplo.toml", TAPLO)?;
    for (file, text) in schema::files() {
        put(&file, &text)?;
    }
    if !arguments.bare {
        for name in Library::iter() {
            let Some(file) = Library::get(&name) else { continue };
            let text = std::str::from_utf8(&file.data).with_context(|| name.to_string())?;
            put(&format!("mappings/{name}"), text)?;
        }
    }
    println!("{written} files written below {}", root.display());
    println!("channels/ what flows, mappings/ how it is read, fixtures/ messages and what must come of them");
    println!("next: a message into fixtures/, a channel into channels/, then `huitong check`");
    Ok(ExitCode::SUCCESS)
}

/// Whether it was written: a file that is there stays.
fn write(root: &Path, file: &str, text: &str) -> anyhow::Result<bool> {
    let path = root.join(file);
    if path.exists() {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(true)
}
