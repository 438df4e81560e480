//! Compiles a mapping file into a plan. Everything that can be wrong is found here, all at once.

mod from;
mod include;
mod level;
mod line;
mod literal;
mod message;
mod paths;
mod resource;
mod set;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use compact_str::CompactString;
use hub_core::finding::{Finding, FindingKind};
use hub_core::registry::Settings;
use hub_fhir::ResourceType;
use toml::de::DeValue;

use crate::codes::{self, CodeTable};
use crate::files::Files;
use crate::functions::is_zone;
use crate::mapping::{Mapping, Target};
use crate::plan::Plan;
use crate::reading::{Log, Sheet, Table, Word, suggest};

/// The only version of the language so far.
const LANGUAGE_VERSIONS: std::ops::RangeInclusive<i64> = 1..=i64::MAX;
const KEYS: [&str; 13] = [
    "name", "version", "about", "from", "source", "to", "basis", "zone", "include", "systems", "resource",
    "message", "unread",
];
const DEFAULT_ZONE: &str = "+08:00";

/// Compiles the mapping of this name. All findings of the file, its parts and its code tables come at once.
pub fn compile(name: &str, files: &dyn Files) -> Result<Mapping, Vec<Finding>> {
    let log = Log::default();
    let plan = plan(name, files, &log);
    let findings = log.into_findings();
    match plan {
        Some(plan) if findings.is_empty() => Ok(Mapping::new(plan)),
        _ => Err(findings),
    }
}

/// What is known of a `[[resource]]` before its lines are read.
struct Named {
    name: CompactString,
    kind: Option<ResourceType>,
}

/// A compilation.
struct Compiler<'a> {
    files: &'a dyn Files,
    log: &'a Log,
    to: Target,
    from: CompactString,
    resources: Vec<Named>,
    /// Code tables read so far; `None`: not there, or wrong.
    tables: RefCell<HashMap<String, Option<Arc<CodeTable>>>>,
    /// How the message written is laid out.
    message_layout: Settings,
}

fn plan(name: &str, files: &dyn Files, log: &Log) -> Option<Plan> {
    let Some(file) = files.mapping(name) else {
        let names = files.mapping_names();
        let finding = Finding::of_file(
            FindingKind::MappingMissing,
            format!("mappings/{name}.toml"),
            format!("there is no mapping `{name}`"),
        );
        let help = suggest(name, names.iter().map(String::as_str));
        log.push(match help {
            Some(help) => finding.help(help),
            None => finding,
        });
        return None;
    };
    let sheet = Sheet { file: &file, number: 0, log };
    let parsed = sheet.parse()?;
    let main = Table { sheet, inner: parsed.get_ref(), span: 0..0 };
    let head = head(name, &main)?;
    let parts = include::read(name, &main, files);
    let sheets: Vec<_> =
        parts.iter().zip(1..).map(|(part, number)| Sheet { file: &part.file, number, log }).collect();
    let parsed_parts: Vec<_> = sheets.iter().map(Sheet::parse).collect();
    let mut tables: Vec<(Table<'_, '_>, Option<&include::Part>)> = Vec::with_capacity(parts.len() + 1);
    for ((part, sheet), parsed) in parts.iter().zip(&sheets).zip(&parsed_parts) {
        if let Some(parsed) = parsed {
            let table = Table { sheet: *sheet, inner: parsed.get_ref(), span: 0..0 };
            include::check_part(&part.name, &table, &head.from);
            tables.push((table, Some(part)));
        }
    }
    tables.push((main.clone(), None));

    let mut compiler = Compiler {
        files,
        log,
        to: head.to,
        from: head.from.clone(),
        resources: Vec::new(),
        tables: RefCell::default(),
        message_layout: layout(&file.text, &["message", "layout"]),
    };
    let with_parts: Vec<(Table<'_, '_>, Option<&include::Part>)> = tables
        .iter()
        .flat_map(|(table, part)| table.tables("resource").into_iter().map(|resource| (resource, *part)))
        .collect();
    let resource_tables: Vec<_> = with_parts.iter().map(|(table, _)| table.clone()).collect();
    compiler.name_resources(&resource_tables);
    let resources: Vec<_> = with_parts.iter().map(|(table, part)| compiler.resource(table, *part)).collect();
    let message = compiler.message(&main, !resource_tables.is_empty());
    let order = compiler.order(&resource_tables, &resources);
    let file_names = std::iter::once(&file).chain(parts.iter().map(|part| &part.file));
    Some(Plan {
        name: name.into(),
        version: head.version,
        from: head.from,
        to: head.to,
        zone: head.zone,
        systems: tables.iter().flat_map(|(table, _)| systems(table)).collect(),
        files: file_names.map(|file| file.path.display().to_string()).collect(),
        resources: resources.into_iter().collect::<Option<Vec<_>>>()?,
        order: order?,
        message: message?,
        source_layout: layout(&file.text, &["source"]),
        message_layout: compiler.message_layout,
        on_purpose: tables.iter().flat_map(|(table, _)| on_purpose(table)).collect(),
    })
}

/// What stands above the resources.
struct Head {
    version: u32,
    from: CompactString,
    to: Target,
    zone: CompactString,
}

fn head(name: &str, table: &Table<'_, '_>) -> Option<Head> {
    table.only(&KEYS);
    check_name(name, table);
    let version = version(table);
    table.text("about");
    table.text("basis");
    let from = table.must_text("from", "say which format is read: `from = \"hl7v2\"`").map(|word| word.text);
    let to = match table.text("to") {
        None => Target::Fhir,
        Some(word) => {
            let Some(to) = Target::from_name(word.text) else {
                let names = Target::ALL.map(Target::name);
                let message =
                    format!("`to` is `{}`, but a mapping writes one of: {}", word.text, names.join(", "));
                table.sheet.find_help(FindingKind::WrongType, word.span, message, suggest(word.text, names));
                return None;
            };
            to
        }
    };
    let zone = match table.text("zone") {
        Some(word) if is_zone(word.text) => word.text.into(),
        Some(word) => {
            let message = format!("`{}` is no zone: expected `+08:00`, `-05:00` or `Z`", word.text);
            table.sheet.find(FindingKind::WrongType, word.span, message);
            DEFAULT_ZONE.into()
        }
        None => DEFAULT_ZONE.into(),
    };
    Some(Head { version: version.unwrap_or(0), from: from.unwrap_or_default().into(), to, zone })
}

/// The table at these keys as it stands; empty when it is not there. What its format makes of it, the format says.
fn layout(text: &str, keys: &[&str]) -> Settings {
    let mut table: Settings = text.parse().unwrap_or_default();
    for key in keys {
        table = match table.remove(*key) {
            Some(toml::Value::Table(inner)) => inner,
            _ => return Settings::new(),
        };
    }
    table
}

fn check_name(name: &str, table: &Table<'_, '_>) {
    if let Some(word) =
        table.must_text("name", "every mapping starts with its `name`, the path below `mappings/`")
        && word.text != name
    {
        let message = format!("`name` is `{}`, but the path of the file says `{name}`", word.text);
        table.sheet.find(FindingKind::NameDiffersFromPath, word.span, message);
    }
}

fn version(table: &Table<'_, '_>) -> Option<u32> {
    if !table.has("version") {
        table.missing("version", "every mapping carries a version: `version = 1`");
        return None;
    }
    let (number, span) = table.integer("version")?;
    match u32::try_from(number) {
        Ok(version) if LANGUAGE_VERSIONS.contains(&number) => Some(version),
        _ => {
            let message = format!("`version` is {number}, but versions count from 1");
            table.sheet.find(FindingKind::UnknownVersion, span, message);
            None
        }
    }
}

fn systems(table: &Table<'_, '_>) -> Vec<(CompactString, CompactString)> {
    text_pairs(table, "systems", "a URI")
}

fn on_purpose(table: &Table<'_, '_>) -> Vec<(CompactString, String)> {
    let Some(unread) = table.value("unread").and_then(|_| table.table("unread")) else { return Vec::new() };
    unread.only(&["on_purpose"]);
    let pairs = text_pairs(&unread, "on_purpose", "the reason");
    pairs.into_iter().map(|(path, reason)| (path, reason.into())).collect()
}

fn text_pairs(table: &Table<'_, '_>, key: &str, expected: &str) -> Vec<(CompactString, CompactString)> {
    if !table.has(key) {
        return Vec::new();
    }
    let Some(inner) = table.table(key) else { return Vec::new() };
    let pairs = inner.entries().filter_map(|(name, value)| match value.get_ref() {
        DeValue::String(text) => Some((name.text.into(), text.as_ref().into())),
        _ => {
            inner.wrong(name.text, value, expected);
            None
        }
    });
    pairs.collect()
}

impl Compiler<'_> {
    /// A code table, read once. A finding when it is not there; its own findings when it is wrong.
    fn code_table(&self, sheet: &Sheet<'_>, word: &Word<'_>) -> Option<Arc<CodeTable>> {
        if let Some(known) = self.tables.borrow().get(word.text) {
            if known.is_none() && self.files.code_table(word.text).is_none() {
                self.missing_table(sheet, word);
            }
            return known.clone();
        }
        let table = codes::load(word.text, self.files, self.log).map(Arc::new);
        if table.is_none() && self.files.code_table(word.text).is_none() {
            self.missing_table(sheet, word);
        }
        self.tables.borrow_mut().insert(word.text.to_owned(), table.clone());
        table
    }

    fn missing_table(&self, sheet: &Sheet<'_>, word: &Word<'_>) {
        let names = self.files.code_table_names();
        let help = suggest(word.text, names.iter().map(String::as_str));
        let message = format!("there is no code table `{}`", word.text);
        sheet.find_help(FindingKind::CodeTableMissing, word.span.clone(), message, help);
    }
}
