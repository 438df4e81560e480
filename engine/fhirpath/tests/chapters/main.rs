//! FHIRPath N1 and the additions of R4B, chapter by chapter and function by function: an expression and what it yields.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod aggregates;
mod combining;
mod conversion;
mod dates;
mod existence;
mod fhir;
mod filtering;
mod lexical;
mod limits;
mod math;
mod names;
mod navigation;
mod operators;
mod patching;
mod strings;
mod subsetting;
mod types;
mod utility;
mod validation;

use std::fmt::Write;

use hub_fhir::{Object, json};
use hub_fhirpath::{Environment, Expression, Item, Items, On};
use time::macros::datetime;

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p1","active":true,
"contained":[{"resourceType":"Organization","id":"o1","name":"Ward 7"}],
"extension":[{"url":"urn:x","valueCode":"a"},{"url":"urn:y","valueInteger":3}],
"name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"usual","given":["Jim"]}],
"telecom":[{"system":"phone","value":"1","rank":2},{"system":"email","value":"2","rank":1}],
"gender":"male","_gender":{"extension":[{"url":"urn:why","valueString":"said"}]},
"birthDate":"1974-12-25","_birthDate":{"id":"b","extension":[{"url":"urn:time","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
"deceasedBoolean":false,"multipleBirthInteger":2,
"contact":[{"name":{"_family":{"extension":[{"url":"urn:prefix","valueString":"du"}]}}}],
"managingOrganization":{"reference":"#o1"},"generalPractitioner":[{"reference":"Practitioner/7"}]}"##;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"w","status":"final",
"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">weight</div>"},
"code":{"coding":[{"system":"http://loinc.org","code":"29463-7"},{"system":"urn:x","code":"w"}],"text":"Weight"},
"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-11-26T08:30:00+08:00",
"valueQuantity":{"value":185.50,"unit":"lbs","system":"http://unitsofmeasure.org","code":"[lb_av]"},
"component":[{"code":{"text":"a"},"valueString":"x"},{"code":{"text":"b"},"valueQuantity":{"value":3,"system":"http://unitsofmeasure.org","code":"d"}}]}"#;

fn tree(text: &str) -> Object {
    json::parse(text).unwrap().as_object().unwrap().clone()
}

/// What an expression yields, in the words of FHIRPath; what is wrong with it otherwise.
fn answer(expression: &str, resource: &Object) -> String {
    let kind = resource.get("resourceType").unwrap().as_str().unwrap();
    let on = On::the(kind).unwrap().with("given").with("absent");
    let compiled = match Expression::compile(expression, &on) {
        Ok(compiled) => compiled,
        Err(error) => return format!("refused at {error}"),
    };
    let mut environment = Environment::of(resource, datetime!(2026-11-26 08:30:15.250 +08:00));
    environment.variables.push(("given".into(), Item::Integer(7).into()));
    match compiled.evaluate_resource(resource, &environment) {
        Ok(items) => shown(&items),
        Err(error) => format!("error at {error}"),
    }
}

fn shown(items: &Items<'_>) -> String {
    let mut text = String::new();
    for item in items.iter() {
        if !text.is_empty() {
            text.push_str(", ");
        }
        match item.system() {
            Some(Item::Boolean(value)) => write!(text, "{value}"),
            Some(Item::Integer(value)) => write!(text, "{value}"),
            Some(Item::Decimal(value)) => write!(text, "{value}"),
            Some(Item::String(value)) => write!(text, "'{value}'"),
            Some(Item::Temporal(value)) => write!(text, "@{value}"),
            Some(Item::Quantity(value)) => write!(text, "{value}"),
            Some(Item::Type(kind)) => write!(text, "{kind}"),
            Some(Item::Node(_)) | None => write!(text, "<{}>", item.kind().name().1),
        }
        .unwrap();
    }
    if text.is_empty() { "{}".to_owned() } else { text }
}

fn check(resource: &str, cases: &[(&str, &str)]) {
    let resource = tree(resource);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(expression, expected)| {
            let found = answer(expression, &resource);
            (found != *expected).then(|| format!("{expression}\n   expected {expected}\n   found    {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// On the patient.
fn patient(cases: &[(&str, &str)]) {
    check(PATIENT, cases);
}

/// On the observation.
fn observation(cases: &[(&str, &str)]) {
    check(OBSERVATION, cases);
}
