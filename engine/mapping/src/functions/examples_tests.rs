//! Every example holds, and every function has one.

use std::collections::HashMap;

use hub_core::document::Parser;
use hub_core::path::Path;
use hub_fhir::elements::{TypeDef, type_of};
use hub_fhir::primitive::Primitive;
use hub_formats::hl7v2::Hl7Parser;

use super::examples::*;
use crate::find::Found;
use crate::functions::{Context, FUNCTIONS, Makes, function};
use crate::read::{Reader, Value};

fn document(example: &Example) -> (Box<dyn hub_core::document::Document>, String) {
    if example.format == "fhir" {
        let json = format!("{{\"value\":{}}}", example.field);
        return (
            hub_formats::json::JsonParser::default().parse(json.as_bytes()).unwrap(),
            "value".to_owned(),
        );
    }
    if example.format == "xml" {
        let parser = hub_formats::parser("xml", None, &hub_core::registry::Settings::new()).unwrap();
        let xml = format!("<x>{}</x>", example.field);
        let name = example.field[1..].split([' ', '>', '/']).next().unwrap();
        return (parser.parse(xml.as_bytes()).unwrap(), format!("x.{name}"));
    }
    let message =
        format!("MSH|^~\\&|A|B|C|D|20261120||ADT^A01|1|P|2.5.1|||||||UNICODE UTF-8\rZZZ|{}\r", example.field);
    (Hl7Parser::default().parse(message.as_bytes()).unwrap(), "ZZZ-1".to_owned())
}

fn made(example: &Example) -> Option<hub_fhir::Json> {
    let (document, path) = document(example);
    let found = Found::default();
    let reader = Reader::new(&*document, &found);
    let mut nodes = Vec::new();
    document.select(document.root(), &Path::parse(&path).unwrap(), &mut nodes);
    let systems = HashMap::new();
    let context = Context { zone: "+08:00", systems: &systems, system: None, unit: None, units: None };
    let value = Value::of_node(&reader, *nodes.first()?);
    (function(example.function).unwrap().make)(value, &context)
        .unwrap_or_else(|misfit| panic!("{} {}: {misfit:?}", example.function, example.field))
}

#[test]
fn every_example_holds() {
    for example in EXAMPLES {
        let json = made(example).map_or_else(String::new, |json| json.to_text());
        assert_eq!(json, example.json, "{} of `{}`", example.function, example.field);
    }
}

#[test]
fn every_function_has_an_example() {
    for function in FUNCTIONS {
        let has = EXAMPLES.iter().any(|example| example.function == function.name);
        assert!(has, "`{}` has no example", function.name);
    }
}

#[test]
fn what_a_function_makes_is_of_the_type_it_says() {
    for example in EXAMPLES.iter().filter(|example| !example.json.is_empty()) {
        let json = hub_fhir::json::parse(example.json).unwrap();
        let found = function(example.function).unwrap();
        let writes = found.writes;
        if found.makes() == Makes::Hl7 || type_of(writes).is_none() && Primitive::from_name(writes).is_none()
        {
            continue;
        }
        match Primitive::from_name(writes) {
            Some(primitive) => assert_eq!(primitive.check(&json), Ok(()), "{}", example.function),
            None => check_members(type_of(writes).unwrap(), &json),
        }
    }
}

fn check_members(def: &'static TypeDef, json: &hub_fhir::Json) {
    for (name, value) in json.as_object().unwrap().iter() {
        let Some(element) = def.element(name.trim_start_matches('_')) else {
            panic!("{} has no element {name}", def.name);
        };
        assert_eq!(element.is_list(), value.as_array().is_some(), "{}.{name}", def.name);
    }
}
