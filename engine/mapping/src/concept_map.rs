//! Code tables as FHIR ConceptMaps, in both directions: `mappings/codes/NAME.json` is one, and every table can be shown as one.

use std::collections::{BTreeMap, HashMap};

use compact_str::CompactString;
use hub_core::finding::{Finding, FindingKind};
use hub_fhir::{Json, Object};

use crate::codes::{self, CodeTable, Coded, Other};
use crate::files::{FileText, Files};
use crate::json_places::{Step, place};
use crate::reading::Log;

/// Reads a ConceptMap (R4B §4.10) as a code table. Of several targets of one code the first that is equal or equivalent counts, else
/// the first that is not unmatched. What a code table cannot say as the ConceptMap says it is told, each with its line.
pub(crate) fn read(name: &str, file: &FileText, log: &Log) -> Option<CodeTable> {
    let wrong = |message: String| {
        log.push(Finding::of_file(FindingKind::Unreadable, &file.path, message));
        None
    };
    let map = match hub_fhir::json::parse(&file.text) {
        Ok(map) => map,
        Err(bad) => {
            return wrong(format!("this is not JSON: line {} column {}: {}", bad.line, bad.column, bad.what));
        }
    };
    if map.get("resourceType").and_then(Json::as_str) != Some("ConceptMap") {
        return wrong("a code table in JSON is a ConceptMap: `\"resourceType\": \"ConceptMap\"`".to_owned());
    }
    if let Some(object) = map.as_object()
        && let Some(issue) = hub_fhir::validate::validate(object).into_iter().next()
    {
        return wrong(format!("{}: {}", issue.path, issue.what));
    }
    let groups = map.get("group").map_or(&[][..], Json::items);
    let mut reading = Reading {
        file,
        findings: Vec::new(),
        table: CodeTable {
            name: name.into(),
            source: groups.first().and_then(|group| text(group, "source")),
            target: groups.first().and_then(|group| text(group, "target")),
            other: Other::Quarantine,
            codes: HashMap::new(),
            back: HashMap::new(),
            back_other: Other::Quarantine,
        },
        seen: HashMap::new(),
        unmatched: Vec::new(),
        unmapped: None,
    };
    for (place, group) in groups.iter().enumerate() {
        reading.group(place, group);
    }
    reading.check_unmatched();
    let Reading { findings, table, .. } = reading;
    if !findings.is_empty() {
        findings.into_iter().for_each(|finding| log.push(finding));
        return None;
    }
    if table.codes.is_empty() {
        return wrong("the ConceptMap maps no code".to_owned());
    }
    Some(table)
}

/// A ConceptMap being read.
struct Reading<'a> {
    file: &'a FileText,
    findings: Vec<Finding>,
    table: CodeTable,
    /// The group and element in which a code stands first.
    seen: HashMap<CompactString, (usize, usize)>,
    /// The codes that are said to have no target, and where they stand.
    unmatched: Vec<(CompactString, usize, usize)>,
    /// The first group that says what becomes of other codes.
    unmapped: Option<usize>,
}

impl Reading<'_> {
    fn group(&mut self, place: usize, group: &Json) {
        if text(group, "source") != self.table.source {
            let message = format!(
                "this group reads codes of another system than the one on line {}: a code table reads those of one `source`",
                self.line(&[Step::Name("group"), Step::Item(0)])
            );
            self.find(FindingKind::WrongType, &of_group(place, "source"), message);
        }
        let target = text(group, "target");
        if target.is_none() && self.table.target.is_some() {
            let message =
                "this group does not say in which system its codes are written, as the first one does";
            self.find(FindingKind::MissingKey, &of_group(place, "target"), message.to_owned());
        }
        let elsewhere = target.filter(|target| self.table.target.as_ref() != Some(target));
        for (nth, element) in group.get("element").map_or(&[][..], Json::items).iter().enumerate() {
            self.element(place, nth, element, elsewhere.as_ref());
        }
        match unmapped(group, elsewhere) {
            Ok(None) => {}
            Ok(Some(other)) => self.other(place, other),
            Err(message) => self.find(FindingKind::WrongType, &of_group(place, "unmapped"), message),
        }
    }

    fn element(&mut self, group: usize, nth: usize, element: &Json, elsewhere: Option<&CompactString>) {
        let here = of_element(group, nth);
        let Some(code) = text(element, "code") else {
            return self.find(FindingKind::MissingKey, &here, "this element has no `code`".to_owned());
        };
        if let Some((group, nth)) = self.seen.get(&code).copied() {
            let message = format!(
                "`{code}` stands twice, first on line {}: a code table writes one code for it",
                self.line(&of_element(group, nth))
            );
            return self.find(FindingKind::DuplicateName, &here, message);
        }
        self.seen.insert(code.clone(), (group, nth));
        let Some(chosen) = chosen(element) else {
            return self.unmatched.push((code, group, nth));
        };
        let Some(target) = text(chosen, "code") else {
            let message = format!("the target of `{code}` has no `code`");
            return self.find(FindingKind::MissingKey, &here, message);
        };
        let coded = Coded { code: target, system: elsewhere.cloned(), display: text(chosen, "display") };
        self.table.codes.insert(code, coded);
    }

    /// What a group says of codes that are not listed: one that says nothing agrees with the others.
    fn other(&mut self, place: usize, other: Other) {
        match self.unmapped {
            None => (self.unmapped, self.table.other) = (Some(place), other),
            Some(_) if other == self.table.other => {}
            Some(first) => {
                let message = format!(
                    "says another thing of codes that are not listed than the group on line {}: a code table has one `other`",
                    self.line(&[Step::Name("group"), Step::Item(first)])
                );
                self.find(FindingKind::WrongType, &of_group(place, "unmapped"), message);
            }
        }
    }

    /// A code without a target is not listed in a code table: `unmapped`, which the ConceptMap means for others, would give it one.
    fn check_unmatched(&mut self) {
        if self.table.other == Other::Quarantine {
            return;
        }
        for (code, group, nth) in std::mem::take(&mut self.unmatched) {
            let message = format!("`{code}` has no target, and `unmapped` would give it one in a code table");
            self.find(FindingKind::WrongType, &of_element(group, nth), message);
        }
    }

    fn find(&mut self, kind: FindingKind, steps: &[Step<'_>], message: String) {
        let span = place(&self.file.text, steps);
        self.findings.push(Finding::at(kind, &self.file.path, &self.file.text, span, message));
    }

    fn line(&self, steps: &[Step<'_>]) -> usize {
        let at = place(&self.file.text, steps).start;
        self.file.text[..at].matches('\n').count() + 1
    }
}

fn of_group(group: usize, member: &str) -> [Step<'_>; 3] {
    [Step::Name("group"), Step::Item(group), Step::Name(member)]
}

fn of_element(group: usize, nth: usize) -> [Step<'static>; 4] {
    [Step::Name("group"), Step::Item(group), Step::Name("element"), Step::Item(nth)]
}

fn text(json: &Json, name: &str) -> Option<CompactString> {
    json.get(name).and_then(Json::as_str).map(CompactString::new)
}

fn chosen(element: &Json) -> Option<&Json> {
    let targets = element.get("target").map_or(&[][..], Json::items);
    let is = |target: &Json, words: &[&str]| {
        words.contains(&target.get("equivalence").and_then(Json::as_str).unwrap_or("equivalent"))
    };
    let same = targets.iter().find(|target| is(target, &["equal", "equivalent"]));
    same.or_else(|| targets.iter().find(|target| !is(target, &["unmatched", "disjoint"])))
}

fn unmapped(group: &Json, system: Option<CompactString>) -> Result<Option<Other>, String> {
    let Some(unmapped) = group.get("unmapped") else { return Ok(None) };
    match text(unmapped, "mode").as_deref() {
        Some("provided") => Ok(Some(Other::Keep)),
        Some("fixed") => match text(unmapped, "code") {
            Some(code) => Ok(Some(Other::Value(Coded { code, system, display: text(unmapped, "display") }))),
            None => Err("`fixed` needs a `code`".to_owned()),
        },
        _ => Err("another map is not followed: list its codes here".to_owned()),
    }
}

/// The code table of this name as a ConceptMap resource. Findings when it is missing or wrong.
pub fn concept_map(name: &str, files: &dyn Files) -> Result<Json, Vec<Finding>> {
    let findings = codes::check_code_table(name, files);
    let log = Log::default();
    let table = codes::load(name, files, &log);
    let Some(table) = table.filter(|_| findings.is_empty()) else { return Err(findings) };
    written(&table).ok_or_else(|| {
        let path = files.code_table(name).map(|file| file.path).unwrap_or_default();
        let message = "a ConceptMap cannot say what is written for other codes, as no listed code is written in that system";
        vec![Finding::of_file(FindingKind::WrongType, path, message)]
    })
}

/// `None` where the code for those that are not listed has no group to stand in.
fn written(table: &CodeTable) -> Option<Json> {
    let mut groups: BTreeMap<Option<&CompactString>, BTreeMap<&CompactString, &Coded>> = BTreeMap::new();
    for (code, coded) in &table.codes {
        groups.entry(coded.system.as_ref().or(table.target.as_ref())).or_default().insert(code, coded);
    }
    let of_other = match &table.other {
        Other::Value(coded) => Some(coded.system.as_ref().or(table.target.as_ref())),
        _ => None,
    };
    if of_other.is_some_and(|target| !groups.contains_key(&target)) {
        return None;
    }
    let groups = groups.into_iter().map(|(target, codes)| {
        let mut group = Object::new();
        put(&mut group, "source", table.source.as_ref());
        put(&mut group, "target", target);
        let elements = codes.into_iter().map(|(code, coded)| {
            let mut mapped = Object::new();
            put(&mut mapped, "code", Some(&coded.code));
            put(&mut mapped, "display", coded.display.as_ref());
            mapped.set("equivalence", "equivalent");
            let mut element = Object::new();
            put(&mut element, "code", Some(code));
            element.set("target", vec![Json::Object(mapped)]);
            Json::Object(element)
        });
        group.set("element", elements.collect::<Vec<Json>>());
        let mut unmapped = Object::new();
        match &table.other {
            Other::Keep => unmapped.set("mode", "provided"),
            // The code is of the group's target.
            Other::Value(_) if of_other != Some(target) => {}
            Other::Value(coded) => {
                unmapped.set("mode", "fixed");
                put(&mut unmapped, "code", Some(&coded.code));
                put(&mut unmapped, "display", coded.display.as_ref());
            }
            // What stops a message, or is left out, is the hub's way and no code.
            Other::Quarantine | Other::Drop => {}
        }
        if !unmapped.is_empty() {
            group.set("unmapped", Json::Object(unmapped));
        }
        Json::Object(group)
    });
    let groups: Vec<Json> = groups.collect();
    let mut map = Object::new();
    map.set("resourceType", "ConceptMap");
    map.set("id", table.name.as_str());
    map.set("name", table.name.as_str());
    map.set("status", "active");
    map.set("group", groups);
    Some(Json::Object(map))
}

fn put(object: &mut Object, name: &str, value: Option<&CompactString>) {
    if let Some(value) = value {
        object.set(name, Json::String(value.clone()));
    }
}
