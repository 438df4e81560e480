//! Patches in their three forms, well formed or not.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::resources::{Samples, mutated};
use crate::texts;

/// A patch, and the media type it is sent with.
pub fn patch(dice: &mut Dice, samples: &Samples) -> (&'static str, Vec<u8>) {
    let resource = samples.one(dice);
    let (media, text) = match dice.below(4) {
        0 => ("application/merge-patch+json", mutated(dice, &resource)),
        1 => ("application/fhir+json", fhir(dice).to_string()),
        2 => (
            "application/json",
            json!({ (texts::odd_name(dice)): texts::odd(dice), "active": null }).to_string(),
        ),
        _ => ("application/json-patch+json", json(dice)),
    };
    match dice.below(6) {
        0 => (media, texts::damaged(dice, &text)),
        _ => (media, text.into_bytes()),
    }
}

/// JSON Patch (RFC 6902).
fn json(dice: &mut Dice) -> String {
    let count = match dice.below(15) {
        0 => dice.below(3_000),
        _ => dice.below(4),
    };
    let operations: Vec<String> = (0..count).map(|_| operation(dice)).collect();
    format!("[{}]", operations.join(","))
}

fn operation(dice: &mut Dice) -> String {
    let op = *dice.one_of(&["add", "remove", "replace", "move", "copy", "test", "nonsense"]);
    let (path, from, value) = (pointer(dice), pointer(dice), texts::value(dice));
    let value = if dice.below(2) == 0 { "\"male\"".to_owned() } else { value };
    format!(
        "{{\"op\":\"{op}\",\"path\":{},\"from\":{},\"value\":{value}}}",
        texts::quoted(&path),
        texts::quoted(&from)
    )
}

fn pointer(dice: &mut Dice) -> String {
    let known = [
        "/active",
        "/gender",
        "/name",
        "/name/0",
        "/name/-",
        "/name/0/given/0",
        "/identifier/0/value",
        "",
        "/",
        "/id",
        "/resourceType",
        "/meta/versionId",
        "/name/99999999999999999999",
        "/name/-1",
        "/name/01",
        "/~0~1~2",
        "name",
        "/extension",
        "/contained/0",
    ];
    match dice.below(6) {
        0 => format!("/{}", texts::odd_name(dice)),
        1 => texts::many(dice, "/a", 500),
        _ => (*dice.one_of(&known)).to_owned(),
    }
}

/// FHIRPath Patch.
fn fhir(dice: &mut Dice) -> Value {
    let known = [
        "Patient.active",
        "Patient.name[0]",
        "Patient.name",
        "Patient",
        "Observation.value",
        "Patient.name.where(family = 'Wang')",
        "Patient.descendants()",
        "Patient.repeat(children())",
        "(((((",
        "Patient.name.given.join(',')",
        "1/0",
        "Patient.id",
        "iif(true, Patient.active)",
        "Patient.extension",
        "%resource",
        "Patient.name.select(given)[99999999999]",
        "'a'.matches('(a*)*b')",
    ];
    let parameters: Vec<Value> = (0..dice.below(4) + 1)
        .map(|_| {
            let kind = *dice.one_of(&["add", "insert", "delete", "replace", "move", "nonsense"]);
            let path = match dice.below(6) {
                0 => texts::odd(dice),
                1 => format!("Patient{}", texts::many(dice, ".children()", 300)),
                2 => texts::many(dice, "not(", 2_000),
                _ => (*dice.one_of(&known)).to_owned(),
            };
            let mut part = vec![
                json!({ "name": "type", "valueCode": kind }),
                json!({ "name": "path", "valueString": path }),
            ];
            let values = [
                json!({ "name": "value", "valueBoolean": false }),
                json!({ "name": "value", "valueString": texts::odd(dice) }),
                json!({ "name": "value", "valueHumanName": { "family": texts::odd(dice) } }),
                json!({ "name": "value", "part": [] }),
                json!({ "name": "name", "valueString": "active" }),
                json!({ "name": "index", "valueInteger": dice.below(9) }),
                json!({ "name": "source", "valueInteger": -1 }),
                json!({ "name": "destination", "valueInteger": 2_147_483_647 }),
            ];
            part.extend((0..dice.below(4)).map(|_| dice.one_of(&values).clone()));
            json!({ "name": "operation", "part": part })
        })
        .collect();
    json!({ "resourceType": "Parameters", "parameter": parameters })
}
