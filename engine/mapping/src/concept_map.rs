//! Code tables as FHIR ConceptMaps, in both directions: `mappings/codes/NAME.json` is one, and every table can be shown as one.

use std::collections::{BTreeMap, HashMap};

use compact_str::CompactString;
use hub_core::finding::{Finding, FindingKind};
use hub_fhir::{Json, Object};

use crate::codes::{self, CodeTable, Coded, Other};
use crate::files::{FileText, Files};
use crate::reading::Log;

/// Reads a ConceptMap (R4B §4.10) as a code table. Of several targets of one code the first that is equal or equivalent counts, else
/// the first that is not unmatched.
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
    let mut table = CodeTable {
        name: name.into(),
        source: None,
        target: None,
        other: Other::Quarantine,
        codes: HashMap::new(),
        back: HashMap::new(),
        back_other: Other::Quarantine,
    };
    for group in groups {
        let (source, target) = (text(group, "source"), text(group, "target"));
        table.source = table.source.or(source);
        let of_table = table.target.get_or_insert_with(|| target.clone().unwrap_or_default()).clone();
        let elsewhere = target.filter(|target| *target != of_table);
        for element in group.get("element").map_or(&[][..], Json::items) {
            let Some(code) = text(element, "code") else { continue };
            let Some(chosen) = chosen(element) else { continue };
            let Some(target_code) = text(chosen, "code") else { continue };
            let coded =
                Coded { code: target_code, system: elsewhere.clone(), display: text(chosen, "display") };
            table.codes.insert(code, coded);
        }
        match unmapped(group, elsewhere) {
            Ok(Some(other)) => table.other = other,
            Ok(None) => {}
            Err(what) => return wrong(what),
        }
    }
    if table.codes.is_empty() {
        return wrong("the ConceptMap maps no code".to_owned());
    }
    table.target = table.target.filter(|target| !target.is_empty());
    Some(table)
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
            None => Err("ConceptMap.group.unmapped: `fixed` needs a `code`".to_owned()),
        },
        _ => Err("ConceptMap.group.unmapped: another map is not followed; list the codes here".to_owned()),
    }
}

/// The code table of this name as a ConceptMap resource. Findings when it is missing or wrong.
pub fn concept_map(name: &str, files: &dyn Files) -> Result<Json, Vec<Finding>> {
    let findings = codes::check_code_table(name, files);
    let log = Log::default();
    let table = codes::load(name, files, &log);
    match table {
        Some(table) if findings.is_empty() => Ok(written(&table)),
        _ => Err(findings),
    }
}

fn written(table: &CodeTable) -> Json {
    let mut groups: BTreeMap<Option<&CompactString>, BTreeMap<&CompactString, &Coded>> = BTreeMap::new();
    for (code, coded) in &table.codes {
        groups.entry(coded.system.as_ref().or(table.target.as_ref())).or_default().insert(code, coded);
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
    Json::Object(map)
}

fn put(object: &mut Object, name: &str, value: Option<&CompactString>) {
    if let Some(value) = value {
        object.set(name, Json::String(value.clone()));
    }
}
