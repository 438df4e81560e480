//! The mappings of the house, compiled, and messages run through them.

use std::fs;
use std::path::{Path, PathBuf};

use hub_core::commit::Change;
use hub_core::document::{Document, Parser};
use hub_core::fault::Fault;
use hub_formats::hl7v2::Hl7Parser;
use hub_mapping::{FileText, Files, Mapping, Run, Trace};

/// The project's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of the corpus. `None`, said aloud, where there is none.
pub fn corpus(folder: &str) -> Option<PathBuf> {
    let base =
        std::env::var_os("HUITONG_CORPUS").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let path = base.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    println!("NOT RUN: the corpus `{folder}` is not here (set HUITONG_CORPUS)");
    None
}

/// The files below `mappings/`.
struct House;

impl House {
    fn text(path: &str) -> Option<FileText> {
        let text = fs::read_to_string(root().join(path)).ok()?;
        Some(FileText { path: PathBuf::from(path), text })
    }
}

impl Files for House {
    fn mapping(&self, name: &str) -> Option<FileText> {
        Self::text(&format!("mappings/{name}.toml"))
    }

    fn code_table(&self, name: &str) -> Option<FileText> {
        Self::text(&format!("mappings/codes/{name}.toml"))
    }

    fn mapping_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn code_table_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The mapping of this name; every finding is shown.
pub fn mapping(name: &str) -> Mapping {
    hub_mapping::compile(name, &House).unwrap_or_else(|findings| {
        for finding in &findings {
            println!("{finding}\n");
        }
        panic!("{name}: {} findings", findings.len());
    })
}

/// The two mappings of incoming messages.
pub struct Mappings {
    pub adt: Mapping,
    pub oru: Mapping,
}

impl Mappings {
    pub fn of_the_house() -> Self {
        Self { adt: mapping("his/adt"), oru: mapping("lis/oru-r01") }
    }

    /// The one for a message type: `ADT`, `ORU`.
    pub fn for_type(&self, code: &str) -> Option<&Mapping> {
        match code {
            "ADT" => Some(&self.adt),
            "ORU" => Some(&self.oru),
            _ => None,
        }
    }
}

/// Reads one message as the channels do.
pub fn parse(bytes: &[u8]) -> Result<Box<dyn Document>, String> {
    Hl7Parser::default().parse(bytes).map_err(|error| format!("parse: {}", error.what))
}

/// A message that went through its mapping.
pub struct Mapped {
    pub document: Box<dyn Document>,
    pub run: Run,
    pub trace: Trace,
}

/// Runs one message; the fault says where it stopped.
pub fn run(mapping: &Mapping, bytes: &[u8]) -> Result<Mapped, Fault> {
    let document = parse(bytes).map_err(|reason| Fault {
        step: hub_core::fault::FaultStep::Parse,
        place: None,
        rule: None,
        reason,
    })?;
    let (run, trace) = mapping.run_traced(document.as_ref(), &hub_mapping::Found::default())?;
    for change in &run.changes {
        let Some(resource) = change.resource() else { continue };
        if let Some(issue) = hub_fhir::validate(resource.tree()).first() {
            return Err(Fault {
                step: hub_core::fault::FaultStep::Validate,
                place: Some(issue.path.clone()),
                rule: None,
                reason: issue.what.clone(),
            });
        }
    }
    Ok(Mapped { document, run, trace })
}

/// The resources of a run.
pub fn resources(run: &Run) -> impl Iterator<Item = &hub_fhir::Resource> {
    run.changes.iter().filter_map(Change::resource)
}

/// Every file below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read").flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The messages of a file: framing bytes and batch headers fall away, several messages are cut apart.
pub fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let plain: Vec<u8> = bytes.iter().copied().filter(|byte| !matches!(byte, 0x0b | 0x1c)).collect();
    let mut starts = Vec::new();
    for at in 0..plain.len() {
        let begins_line = at == 0 || matches!(plain[at - 1], b'\r' | b'\n');
        let after_mark = at == 3 && plain.starts_with(b"\xEF\xBB\xBF");
        if (begins_line || after_mark) && plain[at..].starts_with(b"MSH") {
            starts.push(at);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([plain.len()]);
    starts.iter().zip(ends).map(|(start, end)| plain[*start..end].to_vec()).collect()
}

/// MSH-9 of a message: `ADT^A01`.
pub fn message_type(message: &[u8]) -> String {
    let Some(&separator) = message.get(3) else { return String::new() };
    let component = message.get(4).copied().unwrap_or(b'^');
    let header = message.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let field = header.split(|byte| *byte == separator).nth(8).unwrap_or_default();
    let parts: Vec<_> = field.split(|byte| *byte == component).take(2).map(String::from_utf8_lossy).collect();
    parts.join("^")
}
