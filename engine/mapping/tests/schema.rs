//! The JSON Schemas know the keys that the compiler takes, and no others.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod files;

use std::collections::BTreeSet;

use files::Folder;
use hub_fhir::{Json, Object};
use hub_mapping::{check_code_table, code_table_schema, compile, mapping_schema};

/// A key that is near no other: the help of the finding then tells all that are known.
const NO_KEY: &str = "qqqqqqqqqqqqqqqqqqqqqqqqqqqq";

/// What the findings about [`NO_KEY`] say is known.
fn known(findings: &[hub_core::finding::Finding]) -> BTreeSet<String> {
    let finding = findings.iter().find(|finding| finding.message.contains(NO_KEY));
    let help = finding.unwrap_or_else(|| panic!("{findings:?}")).help.clone().unwrap();
    help.strip_prefix("known here: ").unwrap().split(", ").map(str::to_owned).collect()
}

fn of_mapping(text: &str) -> BTreeSet<String> {
    known(&compile("x", &Folder::default().with("x", text)).unwrap_err())
}

fn of_table(text: &str) -> BTreeSet<String> {
    known(&check_code_table("x", &Folder::default().with("codes/x", text)))
}

/// The keys of the schema at these steps.
fn told(schema: &Object, steps: &[&str]) -> BTreeSet<String> {
    let mut at = Json::Object(schema.clone());
    for step in steps {
        at = match step.parse::<usize>() {
            Ok(place) => at.items()[place].clone(),
            Err(_) => at.get(step).unwrap_or_else(|| panic!("no {step}")).clone(),
        };
    }
    at.get("properties").unwrap().as_object().unwrap().iter().map(|(name, _)| name.to_owned()).collect()
}

fn mapping() -> Object {
    mapping_schema(&["hl7v2", "json"], &["json"])
}

#[test]
fn a_mapping_file_has_the_keys_that_are_read() {
    let head = "name = \"x\"\nversion = 1\nfrom = \"hl7v2\"\n";
    assert_eq!(of_mapping(&format!("{NO_KEY} = 1\n{head}")), told(&mapping(), &[]));
    let resource =
        format!("{head}[[resource]]\n{NO_KEY} = 1\nas = \"a\"\ntype = \"Patient\"\nid = [\"a\"]\n");
    let with_changes = told(&mapping(), &["definitions", "resource"]);
    let of_changes = BTreeSet::from(["without".to_owned()]);
    assert_eq!(of_mapping(&resource), &with_changes - &of_changes);
    let include = format!("{head}include = [{{ part = \"y\", {NO_KEY} = 1 }}]\n");
    assert_eq!(of_mapping(&include), told(&mapping(), &["properties", "include", "items", "anyOf", "1"]));
    let unread = format!("{head}[unread]\n{NO_KEY} = 1\n");
    assert_eq!(of_mapping(&unread), told(&mapping(), &["properties", "unread"]));
    let head = |to: &str| format!("name = \"x\"\nversion = 1\nfrom = \"fhir\"\nto = \"{to}\"\n");
    let of_message = |to: &str| of_mapping(&format!("{}[message]\n{NO_KEY} = 1\n", head(to)));
    let messages = ["json", "xml", "csv", "hl7v2"].into_iter().flat_map(of_message);
    assert_eq!(messages.collect::<BTreeSet<String>>(), told(&mapping(), &["properties", "message"]));
    let segment = format!("{}[[message.segment]]\n{NO_KEY} = 1\n", head("hl7v2"));
    assert_eq!(of_mapping(&segment), told(&mapping(), &["definitions", "segment"]));
    let json = head("json");
    // A line of a partner's message has all keys that a line can have.
    let line = format!("{json}[message.set]\na = {{ value = 1, {NO_KEY} = 1 }}\n");
    assert_eq!(of_mapping(&line), told(&mapping(), &["definitions", "line"]));
}

#[test]
fn a_code_table_has_the_keys_that_are_read() {
    let schema = code_table_schema();
    let table = "name = \"x\"\nother = \"keep\"\n[codes]\nA = \"a\"\n";
    assert_eq!(of_table(&format!("{NO_KEY} = 1\n{table}")), told(&schema, &[]));
    let code = format!("{table}B = {{ code = \"b\", {NO_KEY} = 1 }}\n");
    let of_a_code = ["properties", "codes", "additionalProperties", "anyOf", "1"];
    assert_eq!(of_table(&code), told(&schema, &of_a_code));
    let other = format!("name = \"x\"\nother = {{ value = \"a\", {NO_KEY} = 1 }}\n[codes]\nA = \"a\"\n");
    assert_eq!(of_table(&other), told(&schema, &["properties", "other", "anyOf", "1"]));
}

#[test]
fn the_elements_of_a_resource_are_those_of_r4b() {
    let patient = told(&mapping(), &["definitions", "Patient"]);
    for name in ["birthDate", "deceased[x]", "deceasedDateTime", "contact"] {
        assert!(patient.contains(name), "{name}");
    }
    assert!(!patient.contains("id") && !patient.contains("resourceType"));
    assert!(told(&mapping(), &["definitions", "Patient.contact"]).contains("relationship"));
}

#[test]
fn every_function_and_format_is_offered() {
    let schema = Json::Object(mapping());
    let offered = schema.at(&["definitions", "function", "anyOf"]).unwrap().items()[0].clone();
    let offered: Vec<&str> = offered.get("enum").unwrap().items().iter().filter_map(Json::as_str).collect();
    assert_eq!(offered, hub_mapping::functions().map(|function| function.name).collect::<Vec<_>>());
    let to = schema.at(&["properties", "to", "enum"]).unwrap().items().iter().filter_map(Json::as_str);
    assert_eq!(to.collect::<Vec<_>>(), ["json", "fhir"]);
}
