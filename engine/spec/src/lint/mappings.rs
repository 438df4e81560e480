//! Mappings exist, compile, read what the source gives and write what the channel says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hub_core::finding::{Finding, FindingKind, nearest};
use hub_core::path::Path;
use hub_core::registry::{FormatUse, Registry, Settings};
use hub_mapping::{FileText, Files, Mapping, Target};

use crate::files::FolderFiles;
use crate::read::Draft;
use crate::sheet::{At, Sheet, Span};

/// The format of the resources that a channel writes.
const RESOURCES: &str = "fhir";

/// The mappings of a project, each compiled once.
pub(crate) struct Mappings<'a> {
    files: &'a FolderFiles,
    compiled: BTreeMap<String, Option<Compiled>>,
    /// What is wrong within the mappings that were compiled.
    pub findings: Vec<Finding>,
    /// The files that some mapping was made of.
    used: BTreeSet<PathBuf>,
}

/// A mapping that is right.
#[derive(Clone)]
pub(crate) struct Compiled {
    /// The mapping.
    pub mapping: Arc<Mapping>,
    /// Every file it is made of: its own, the parts it includes, the code tables it uses.
    pub files: BTreeMap<PathBuf, String>,
}

impl<'a> Mappings<'a> {
    /// The mappings of these files, none compiled yet.
    pub fn of(files: &'a FolderFiles) -> Self {
        Self { files, compiled: BTreeMap::new(), findings: Vec::new(), used: BTreeSet::new() }
    }

    /// The mapping of this name. `None` when it is missing or wrong; what is wrong within it is in `findings`.
    pub fn get(&mut self, name: &str) -> Option<Compiled> {
        if let Some(known) = self.compiled.get(name) {
            return known.clone();
        }
        let recorded = Recorded { files: self.files, read: Mutex::default() };
        let outcome = hub_mapping::compile(name, &recorded);
        let files = recorded.read.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.used.extend(files.keys().cloned());
        let compiled = match outcome {
            Ok(mapping) => Some(Compiled { mapping: Arc::new(mapping), files }),
            Err(findings) => {
                self.findings.extend(findings);
                None
            }
        };
        self.compiled.insert(name.to_owned(), compiled.clone());
        compiled
    }

    /// Warnings of the mappings and code tables that no channel uses.
    pub fn unused(&self) -> Vec<Finding> {
        let mappings = self.files.mapping_names().into_iter().filter_map(|name| self.files.mapping(&name));
        let tables =
            self.files.code_table_names().into_iter().filter_map(|name| self.files.code_table(&name));
        let mappings = mappings.map(|file| (file, "mapping"));
        let unused = mappings.chain(tables.map(|file| (file, "code table")));
        unused
            .filter(|(file, _)| !self.used.contains(&file.path))
            .map(|(file, what)| {
                let message = format!("no channel uses this {what}");
                Finding::of_file(FindingKind::Unused, file.path, message)
            })
            .collect()
    }
}

/// Files that remember which of them were read.
struct Recorded<'a> {
    files: &'a FolderFiles,
    read: Mutex<BTreeMap<PathBuf, String>>,
}

impl Recorded<'_> {
    fn record(&self, file: Option<FileText>) -> Option<FileText> {
        let file = file?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(file.path.clone(), file.text.clone());
        Some(file)
    }
}

impl Files for Recorded<'_> {
    fn mapping(&self, name: &str) -> Option<FileText> {
        self.record(self.files.mapping(name))
    }

    fn code_table(&self, name: &str) -> Option<FileText> {
        self.record(self.files.code_table(name))
    }

    fn mapping_names(&self) -> Vec<String> {
        self.files.mapping_names()
    }

    fn code_table_names(&self) -> Vec<String> {
        self.files.code_table_names()
    }
}

/// Checks the format, the mapping and the mappings of the destinations of one channel.
pub(crate) fn check(draft: &mut Draft, registry: &Registry, mappings: &mut Mappings<'_>) {
    let format = check_format(draft, registry);
    check_charset(draft, registry, format.as_deref());
    if format.as_deref() == Some(BINARY) {
        check_attachments(draft, registry);
    }
    let sheet = &mut draft.sheet;
    let mut layout = Settings::new();
    if let Some(map) = &draft.map {
        let compiled =
            map.mapping.as_ref().and_then(|name| find(sheet, name, mappings).map(|found| (name, found)));
        if let Some((name, compiled)) = compiled {
            check_ends(sheet, name, &compiled.mapping, format.as_deref());
            check_layouts(sheet, name, &compiled.mapping, registry);
            layout = compiled.mapping.source_layout().clone();
            if let Some(writes) = &map.writes {
                check_writes(sheet, name, &compiled.mapping, writes);
            }
        }
    }
    check_raise(draft, mappings);
    let sheet = &mut draft.sheet;
    if let Some(format) = format.as_deref() {
        let lane_by = draft.from.as_ref().and_then(|from| from.lane_by.as_ref());
        for path in lane_by.into_iter().chain(draft.keys.iter().map(|(_, path)| path)) {
            check_paths(sheet, (format, &layout), [&path.value], &path.span);
        }
        for condition in &draft.filter {
            check_paths(sheet, (format, &layout), condition.value.paths(), &condition.span);
        }
    }
    for route in &draft.to {
        let compiled = route.mapping.as_ref().and_then(|name| Some((name, find(sheet, name, mappings)?)));
        let reads = match &compiled {
            Some((_, compiled)) if compiled.mapping.from() == RESOURCES => Some(RESOURCES),
            Some(_) => format.as_deref(),
            // What it reads is known when its mapping is right.
            None if route.mapping.is_some() => None,
            None => format.as_deref(),
        };
        if let Some((name, compiled)) = compiled {
            check_route_ends(sheet, name, &compiled.mapping, format.as_deref());
            check_layouts(sheet, name, &compiled.mapping, registry);
            if let Some(connector) = &route.connector {
                check_sent(sheet, name, &compiled.mapping, connector, registry);
            }
        }
        if let Some(format) = reads {
            for path in [&route.each, &route.order_by].into_iter().flatten() {
                check_paths(sheet, (format, &layout), [&path.value], &path.span);
            }
            if let Some(when) = &route.when {
                check_paths(sheet, (format, &layout), when.value.paths(), &when.span);
            }
        }
        if let Some(name) = &route.answer
            && let Some(compiled) = find(sheet, name, mappings)
        {
            check_makes_resources(sheet, name, &compiled.mapping);
            check_layouts(sheet, name, &compiled.mapping, registry);
        }
    }
}

/// What raises an event is written by the channel's mapping, or made of an answer.
fn check_raise(draft: &mut Draft, mappings: &mut Mappings<'_>) {
    if draft.raise.is_empty() {
        return;
    }
    let own = draft.map.as_ref().and_then(|map| map.mapping.as_ref());
    let answers = draft.to.iter().filter_map(|route| route.answer.as_ref());
    let mut written = BTreeSet::new();
    for name in own.into_iter().chain(answers) {
        // One that cannot be found is told elsewhere.
        let Some(compiled) = mappings.get(&name.value) else { return };
        written.extend(compiled.mapping.types().into_iter().map(|kind| kind.to_string()));
    }
    for (kind, _) in &draft.raise {
        if !written.contains(&kind.value) {
            let message =
                format!("no mapping of the channel writes a `{}`, so it raises nothing", kind.value);
            let near = nearest(&kind.value, written.iter().map(String::as_str));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            draft.sheet.report_with(FindingKind::TypeNotInWrites, &kind.span, message, help);
        }
    }
}

/// The names in paths are those of the format they are read from.
fn check_paths<'p>(
    sheet: &mut Sheet,
    (format, layout): (&str, &Settings),
    paths: impl IntoIterator<Item = &'p Path>,
    span: &Span,
) {
    let wrong =
        paths.into_iter().find_map(|path| Some((path, hub_mapping::wrong_path(format, layout, path)?)));
    if let Some((path, (what, help))) = wrong {
        sheet.report_with(FindingKind::BadPath, span, format!("the path `{path}`: {what}"), help);
    }
}

/// The formats can be read and written as the mapping lays them out.
pub(crate) fn check_layouts(sheet: &mut Sheet, name: &At<String>, mapping: &Mapping, registry: &Registry) {
    let reads = FormatUse { written: false, charset: None, layout: mapping.source_layout() };
    let writes = FormatUse { written: true, charset: None, layout: mapping.message_layout() };
    let read = (mapping.from(), reads, "[source]");
    let written = (mapping.to().name(), writes, "[message.layout]");
    let ends = [Some(read), (mapping.to() != Target::Fhir).then_some(written)];
    for (format, how, table) in ends.into_iter().flatten() {
        if let Err(what) = registry.check_format(format, &how) {
            let message = format!("{table} of the mapping `{}`: {what}", name.value);
            let help = Some(format!("docs/formats.md tells every key of `{format}`"));
            sheet.report_with(FindingKind::WrongSettings, &name.span, message, help);
        }
    }
}

/// A destination is given what it sends.
fn check_sent(
    sheet: &mut Sheet,
    name: &At<String>,
    mapping: &Mapping,
    connector: &At<String>,
    registry: &Registry,
) {
    let to = mapping.to().name();
    if let Some(sent) = registry.destination_format(&connector.value).filter(|sent| *sent != to) {
        let message = format!(
            "the mapping `{}` writes `{to}`, the connector `{}` sends `{sent}`",
            name.value, connector.value
        );
        let help = Some(format!("write to = \"{sent}\" in the mapping, or choose another connector"));
        sheet.report_with(FindingKind::FormatDiffers, &name.span, message, help);
    }
}

/// The format is that of the connector's messages. Answers with the format that the channel has, or should have.
fn check_format(draft: &mut Draft, registry: &Registry) -> Option<String> {
    let format = draft.parse.as_ref().and_then(|parse| parse.format.as_ref());
    let connector = draft.from.as_ref().and_then(|from| from.connector.as_ref());
    let given = connector.and_then(|connector| registry.source_format(&connector.value));
    let (Some(connector), Some(given)) = (connector, given) else {
        return format.map(|format| format.value.clone());
    };
    if let Some(format) = format.filter(|format| format.value != given) {
        let message = format!("the connector `{}` gives `{given}`, not `{}`", connector.value, format.value);
        let help = Some(format!("write format = \"{given}\""));
        draft.sheet.report_with(FindingKind::FormatDiffers, &format.span, message, help);
    }
    Some(given.to_owned())
}

/// The format of payloads that are not read.
const BINARY: &str = "binary";

/// Payloads that are not read come in and go out as attachments, and are not split.
fn check_attachments(draft: &mut Draft, registry: &Registry) {
    let connector = draft.from.as_ref().and_then(|from| from.connector.as_ref());
    if let Some(connector) = connector.filter(|connector| !registry.source_attaches(&connector.value)) {
        let message = format!(
            "the connector `{}` cannot take attachments, which the format `binary` makes of messages",
            connector.value
        );
        let help = Some("receive them by `http` or `file`".to_owned());
        draft.sheet.report_with(FindingKind::FormatDiffers, &connector.span, message, help);
    }
    if let Some(split) = draft.parse.as_ref().and_then(|parse| parse.split.as_ref()) {
        let message = "a payload of the format `binary` is not read, so it cannot be split".to_owned();
        draft.sheet.report(FindingKind::WrongSettings, &split.span, message);
    }
    for route in draft.to.iter().filter(|route| route.mapping.is_none()) {
        let Some(connector) = &route.connector else { continue };
        if !registry.destination_attaches(&connector.value) {
            let message = format!("the connector `{}` cannot deliver attachments", connector.value);
            let help = Some("send them by `http` or `file`, or give the destination a mapping".to_owned());
            draft.sheet.report_with(FindingKind::FormatDiffers, &connector.span, message, help);
        }
    }
}

/// The format can be read in the character set.
fn check_charset(draft: &mut Draft, registry: &Registry, format: Option<&str>) {
    let charset = draft.parse.as_ref().and_then(|parse| parse.charset.as_ref());
    let (Some(format), Some(charset)) = (format, charset) else { return };
    let how = FormatUse { written: false, charset: Some(&charset.value), layout: &Settings::new() };
    if let Err(what) = registry.check_format(format, &how) {
        let help = Some("for example: charset = \"GB18030\"".to_owned());
        draft.sheet.report_with(FindingKind::WrongSettings, &charset.span, what, help);
    }
}

pub(crate) fn find(sheet: &mut Sheet, name: &At<String>, mappings: &mut Mappings<'_>) -> Option<Compiled> {
    if mappings.files.mapping(&name.value).is_some() {
        return mappings.get(&name.value);
    }
    let known = mappings.files.mapping_names();
    let message = format!("there is no mapping `{}`", name.value);
    let near = nearest(&name.value, known.iter().map(String::as_str));
    let help = match (hub_mapping::misplaced(&name.value, mappings.files), near) {
        (Some(file), _) => {
            format!("{} is named so: move it to mappings/{}.toml", file.display(), name.value)
        }
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("write it to mappings/{}.toml", name.value),
    };
    sheet.report_with(FindingKind::MappingMissing, &name.span, message, Some(help));
    None
}

/// The channel's mapping reads the source's format and writes resources.
fn check_ends(sheet: &mut Sheet, name: &At<String>, mapping: &Mapping, format: Option<&str>) {
    if let Some(format) = format.filter(|format| *format != mapping.from()) {
        let message =
            format!("the mapping `{}` reads `{}`, the channel gives `{format}`", name.value, mapping.from());
        sheet.report(FindingKind::FormatDiffers, &name.span, message);
    }
    check_makes_resources(sheet, name, mapping);
}

fn check_makes_resources(sheet: &mut Sheet, name: &At<String>, mapping: &Mapping) {
    if mapping.to() != Target::Fhir {
        let message = format!("the mapping `{}` makes a message, not resources", name.value);
        let help = Some("a mapping that makes a message is the `mapping` of a [[to]]".to_owned());
        sheet.report_with(FindingKind::FormatDiffers, &name.span, message, help);
    }
}

/// A destination's mapping reads the resources or the message, and makes a message.
fn check_route_ends(sheet: &mut Sheet, name: &At<String>, mapping: &Mapping, format: Option<&str>) {
    let from = mapping.from();
    if let Some(format) = format.filter(|format| from != RESOURCES && from != *format) {
        let message = format!(
            "the mapping `{}` reads `{from}`; there are `{RESOURCES}` and `{format}` here",
            name.value
        );
        sheet.report(FindingKind::FormatDiffers, &name.span, message);
    }
    if mapping.may_need() {
        let message = format!(
            "the mapping `{}` looks something up (`find`), and nothing is looked up for a destination",
            name.value
        );
        let help =
            Some("let the channel's own mapping find it, and read it here from the resources".to_owned());
        sheet.report_with(FindingKind::FormatDiffers, &name.span, message, help);
    }
}

/// The types the mapping writes are the types the channel says, no more and no fewer.
fn check_writes(sheet: &mut Sheet, name: &At<String>, mapping: &Mapping, writes: &At<Vec<At<String>>>) {
    let types: BTreeSet<String> = mapping.types().into_iter().map(|name| name.to_string()).collect();
    let listed: BTreeSet<&str> = writes.value.iter().map(|text| text.value.as_str()).collect();
    let left_out: Vec<&str> =
        types.iter().map(String::as_str).filter(|name| !listed.contains(name)).collect();
    if !left_out.is_empty() {
        let message = format!(
            "the mapping `{}` writes {}, which `writes` does not list",
            name.value,
            quoted(&left_out)
        );
        let help = Some(format!(
            "add {}",
            left_out.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        ));
        sheet.report_with(FindingKind::TypeNotInWrites, &writes.span, message, help);
    }
    for (nth, listed) in writes.value.iter().enumerate() {
        let is_twice = writes.value[..nth].iter().any(|earlier| earlier.value == listed.value);
        if is_twice {
            let message = format!("`{}` is listed twice", listed.value);
            sheet.report(FindingKind::DuplicateName, &listed.span, message);
        } else if !types.contains(&listed.value) {
            let message = format!("the mapping `{}` writes no `{}`", name.value, listed.value);
            let near = nearest(&listed.value, left_out.iter().copied());
            let help =
                near.map_or("take it off the list".to_owned(), |near| format!("did you mean `{near}`?"));
            sheet.report_with(FindingKind::TypeNotInWrites, &listed.span, message, Some(help));
        }
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
