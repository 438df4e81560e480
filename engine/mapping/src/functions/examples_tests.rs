//! Every example holds, and every function has one.

use std::collections::HashMap;

use hub_core::document::Parser;
use hub_core::path::Path;
use hub_fhir::elements::{TypeDef, type_of};
use hub_fhir::primitive::Primitive;
use hub_formats::hl7v2::Hl7Parser;

use super::examples::*;
use crate::find::Found;
use crate::functions::{Context, FUNCTIONS, Makes, Outcome, function};
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
    outcome(example, None)
        .unwrap_or_else(|misfit| panic!("{} {}: {misfit:?}", example.function, example.field))
}

fn outcome(example: &Example, system: Option<&str>) -> Outcome {
    let (document, path) = document(example);
    let found = Found::default();
    let reader = Reader::new(&*document, &found);
    let mut nodes = Vec::new();
    document.select(document.root(), &Path::parse(&path).unwrap(), &mut nodes);
    let systems = HashMap::new();
    let context = Context { zone: "+08:00", systems: &systems, system, unit: None, units: None };
    let Some(first) = nodes.first() else { return Ok(None) };
    (function(example.function).unwrap().make)(Value::of_node(&reader, *first), &context)
}

#[test]
fn every_example_holds() {
    for example in EXAMPLES {
        let json = made(example).map_or_else(String::new, |json| json.to_text());
        assert_eq!(json, example.json, "{} of `{}`", example.function, example.field);
    }
}

/// What would be another value than the one that was sent is none.
#[test]
fn what_a_function_would_change_does_not_fit() {
    let misfit = |function, format, field, system| {
        let misfit = outcome(&Example { function, field, format, json: "" }, system).unwrap_err();
        misfit.expected.into_owned()
    };
    for (function, format, field, expected) in [
        ("TS[date]", "xml", r#"<birthTime value="1988-1112"/>"#, "expected a date: YYYY[MM[DD]]"),
        ("date", "hl7v2", "1988-1112", "expected a date: YYYY[MM[DD]]"),
        ("time", "hl7v2", "0815+0900", "expected a time in the mapping's zone, +08:00"),
        ("money_fen", "fhir", r#"{"value":12.50,"currency":"HKD"}"#, "expected an amount in CNY"),
        (
            "II[Identifier]",
            "xml",
            r#"<id root="HIS"/>"#,
            "expected an extension, or a root that is an OID or UUID",
        ),
    ] {
        assert_eq!(misfit(function, format, field, None), expected, "{function} of {field}");
    }
    let yuan = r#"{"value":12.50,"currency":"CNY"}"#;
    assert_eq!(misfit("money_fen", "fhir", yuan, Some("HKD")), "expected an amount in HKD");
    let example = |function, format, field| Example { function, field, format, json: "" };
    let cents = example("money_fen", "fhir", r#"{"value":12.50,"currency":"HKD"}"#);
    assert_eq!(outcome(&cents, Some("HKD")).unwrap().unwrap().to_text(), "1250");
    let named = made(&example("II[Identifier]", "xml", r#"<id root="HIS" extension="1"/>"#)).unwrap();
    assert_eq!(named.to_text(), r#"{"system":"urn:id:HIS","value":"1"}"#);
    let coded = made(&example("CD[Coding]", "xml", r#"<code code="K" codeSystem="LIS"/>"#)).unwrap();
    assert_eq!(coded.to_text(), r#"{"system":"urn:id:LIS","code":"K"}"#);
    let at_noon = made(&example("time", "hl7v2", "1200+0800")).unwrap();
    assert_eq!(at_noon.to_text(), r#""12:00:00""#);
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
