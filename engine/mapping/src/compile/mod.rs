//! Compiles a mapping file into a plan. Everything that can be wrong is found here, all at once.

mod extend;
mod find;
mod from;
mod include;
mod level;
mod line;
mod literal;
mod message;
mod paths;
mod resource;
mod set;

pub use paths::wrong_path;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use compact_str::CompactString;
use hub_core::finding::{Finding, FindingKind};
use hub_core::registry::Settings;
use hub_fhir::ResourceType;
use toml::de::DeValue;

use crate::codes::{self, CodeTable};
use crate::files::{FileText, Files, misplaced};
use crate::functions::is_zone;
use crate::keys;
use crate::mapping::{Mapping, Target};
use crate::plan::{Plan, ResourcePlan};
use crate::reading::{Log, Sheet, Table, Word, suggest};
use crate::told::Told;

/// The only version of the language so far.
const LANGUAGE_VERSIONS: std::ops::RangeInclusive<i64> = 1..=i64::MAX;
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
    request: Option<CompactString>,
    resources: Vec<Named>,
    /// Code tables read so far; `None`: not there, or wrong.
    tables: RefCell<HashMap<String, Option<Arc<CodeTable>>>>,
    /// The names of the paths read so far.
    told: RefCell<Told>,
    /// Some path leads to a fact.
    reads_facts: Cell<bool>,
    /// How the format read is laid out, and the message written.
    source_layout: Settings,
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
    let base = extend::read(name, &main, files);
    if base.is_none() && main.has("extends") {
        return None;
    }
    let base_sheet = base.as_ref().map(|base| Sheet { file: &base.file, number: 1, log });
    let base_parsed = base_sheet.as_ref().and_then(Sheet::parse);
    let base_table = base_sheet.zip(base_parsed.as_ref()).map(|(sheet, parsed)| Table {
        sheet,
        inner: parsed.get_ref(),
        span: 0..0,
    });
    let base_head = match (&base, &base_table) {
        (Some(base), Some(table)) => Some(extend::check_base(name, &base.name, table)?),
        // What is wrong with it is in the log.
        (Some(_), None) => return None,
        (None, _) => None,
    };
    let head = head(name, &main, base_head.as_ref())?;
    let of_base = match (&base, &base_table) {
        (Some(base), Some(table)) => include::read(&base.name, table, files),
        _ => Vec::new(),
    };
    let parts = include::read(name, &main, files);
    let first_part = if base.is_some() { 2 } else { 1 };
    let sheets: Vec<_> = of_base
        .iter()
        .chain(&parts)
        .zip(first_part..)
        .map(|(part, number)| Sheet { file: &part.file, number, log })
        .collect();
    let parsed_parts: Vec<_> = sheets.iter().map(Sheet::parse).collect();
    let mut part_tables = Vec::with_capacity(sheets.len());
    for ((part, sheet), parsed) in of_base.iter().chain(&parts).zip(&sheets).zip(&parsed_parts) {
        let Some(parsed) = parsed else { continue };
        let table = Table { sheet: *sheet, inner: parsed.get_ref(), span: 0..0 };
        include::check_part(&part.name, &table, &head.from);
        part_tables.push((table, Some(part)));
    }
    // In this order: the parts of the file that is extended, that file, the parts of this one, this one.
    let own_parts = part_tables.split_off(of_base.len().min(part_tables.len()));
    let mut tables: Vec<(Table<'_, '_>, Option<&include::Part>)> = part_tables;
    tables.extend(base_table.iter().map(|base| (base.clone(), None)));
    tables.extend(own_parts);
    tables.push((main.clone(), None));

    let mut compiler = Compiler {
        files,
        log,
        to: head.to,
        from: head.from.clone(),
        request: head.request.clone(),
        resources: Vec::new(),
        tables: RefCell::default(),
        told: RefCell::default(),
        reads_facts: Cell::new(false),
        source_layout: layout_of(&file, base.as_ref(), &["source"]),
        message_layout: layout_of(&file, base.as_ref(), &["message", "layout"]),
    };
    let last = tables.len() - 1;
    let with_parts: Vec<(Table<'_, '_>, Option<&include::Part>)> = tables[..last]
        .iter()
        .flat_map(|(table, part)| table.tables("resource").into_iter().map(|resource| (resource, *part)))
        .collect();
    let mut resource_tables: Vec<_> = with_parts.iter().map(|(table, _)| table.clone()).collect();
    let known = resource_tables.len();
    compiler.name_resources(&resource_tables);
    // Of this file's own resources those that the extended file has too change it; the others are new.
    let (changing, own): (Vec<_>, Vec<_>) = main
        .tables("resource")
        .into_iter()
        .partition(|table| base.is_some() && extend::changes(table, &compiler.resources));
    compiler.name_resources(&own);
    resource_tables.extend(own.iter().cloned());
    let mut resources: Vec<Option<ResourcePlan>> =
        with_parts.iter().map(|(table, part)| compiler.resource(table, *part)).collect();
    resources.extend(own.iter().map(|table| compiler.resource(table, None)));
    for table in &changing {
        compiler.change(table, &mut resources[..known]);
    }
    compiler.take_out(&main, &mut resources, base.is_some());
    let message = match &base_table {
        Some(base) => compiler.extended_message(base, &main),
        None => compiler.message(&main, !resource_tables.is_empty(), false),
    };
    let order = compiler.order(&resource_tables, &resources);
    let base_file = base.as_ref().map(|base| &base.file);
    let part_files = of_base.iter().chain(&parts).map(|part| &part.file);
    let file_names = std::iter::once(&file).chain(base_file).chain(part_files);
    let resources = resources.into_iter().collect::<Option<Vec<_>>>()?;
    let message = message?;
    Some(Plan {
        name: name.into(),
        version: head.version,
        from: head.from,
        to: head.to,
        zone: head.zone,
        systems: tables.iter().flat_map(|(table, _)| systems(table)).collect(),
        files: file_names.map(|file| file.path.display().to_string()).collect(),
        may_need: find::is_any(&resources),
        resources,
        order: order?,
        message,
        request: head.request,
        reads_facts: compiler.reads_facts.get(),
        told: compiler.told.into_inner(),
        source_layout: compiler.source_layout,
        message_layout: compiler.message_layout,
        on_purpose: tables.iter().rev().flat_map(|(table, _)| on_purpose(table)).collect(),
    })
}

/// What stands above the resources.
struct Head {
    version: u32,
    from: CompactString,
    to: Target,
    zone: CompactString,
    request: Option<CompactString>,
}

/// `base`: the head of the file that this one extends, whose words hold where this one has none.
fn head(name: &str, table: &Table<'_, '_>, base: Option<&Head>) -> Option<Head> {
    table.only_keys(keys::FILE);
    check_name(name, table);
    let version = version(table);
    table.text("about");
    table.text("basis");
    let from = match base {
        Some(base) if !table.has("from") => Some(base.from.clone()),
        _ => {
            let word = table.must_text("from", "say which format is read: `from = \"hl7v2\"`");
            same_as_base(table, word.as_ref(), base.map(|base| base.from.as_str()), "from");
            word.map(|word| word.text.into())
        }
    };
    same_as_base(table, table.text("to").as_ref(), base.map(|base| base.to.name()), "to");
    let to = match table.text("to") {
        None => base.map_or(Target::Fhir, |base| base.to),
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
        None => base.map_or(CompactString::const_new(DEFAULT_ZONE), |base| base.zone.clone()),
    };
    let request = table.text("request").map(|word| word.text.into());
    let request = request.or_else(|| base.and_then(|base| base.request.clone()));
    Some(Head { version: version.unwrap_or(0), from: from.unwrap_or_default(), to, zone, request })
}

fn same_as_base(table: &Table<'_, '_>, word: Option<&Word<'_>>, base: Option<&str>, key: &str) {
    if let (Some(word), Some(base)) = (word, base)
        && word.text != base
    {
        let message = format!("`{key}` is `{}`, but the mapping that is extended has `{base}`", word.text);
        table.sheet.find(FindingKind::FormatDiffers, word.span.clone(), message);
    }
}

/// A file's layout, or else that of the file it extends.
fn layout_of(file: &FileText, base: Option<&extend::Base>, keys: &[&str]) -> Settings {
    let own = layout(&file.text, keys);
    match base {
        Some(base) if own.is_empty() => layout(&base.file.text, keys),
        _ => own,
    }
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
        let file = format!("mappings/codes/{}.toml", word.text);
        let help =
            match (misplaced(word.text, self.files), suggest(word.text, names.iter().map(String::as_str))) {
                (Some(found), _) => format!("{} is named so: move it to {file}", found.display()),
                (None, Some(near)) if near.starts_with("did you") => near,
                (None, Some(known)) => format!("{known}; or write it to {file}"),
                (None, None) => format!("write it to {file}"),
            };
        let message = format!("there is no code table `{}`", word.text);
        sheet.find_help(FindingKind::CodeTableMissing, word.span.clone(), message, Some(help));
    }
}
