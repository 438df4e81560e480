//! Batches and transactions whose entries are odd, alone or together.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::questions;
use crate::resources::{Samples, kind, mutated};
use crate::texts;

/// A Bundle as text; need not be JSON.
pub fn bundle(dice: &mut Dice, samples: &Samples) -> String {
    let of = *dice.one_of(&["transaction", "transaction", "batch", "batch", "collection", "nonsense"]);
    let count = match dice.below(25) {
        0 => 2_500,
        _ => dice.below(6),
    };
    let entries: Vec<Value> = (0..count).map(|_| entry(dice, samples)).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": of, "entry": entries });
    match dice.below(5) {
        0 if count < 10 => mutated(dice, &bundle),
        _ => bundle.to_string(),
    }
}

fn entry(dice: &mut Dice, samples: &Samples) -> Value {
    let method = *dice
        .one_of(&["GET", "HEAD", "POST", "POST", "PUT", "PUT", "PATCH", "DELETE", "OPTIONS", "nonsense"]);
    let mut resource = samples.one(dice);
    let whose = resource["resourceType"].as_str().unwrap_or("Patient").to_owned();
    let id = resource["id"].as_str().unwrap_or("p").to_owned();
    if dice.below(3) == 0 {
        resource = serde_json::from_str(&mutated(dice, &resource)).unwrap_or(Value::Null);
    }
    let other = kind(dice);
    let query = questions::query(dice, other);
    let addresses = [
        whose.clone(),
        format!("{whose}/{id}"),
        format!("{whose}/{id}"),
        format!("{whose}/{id}/_history"),
        format!("{whose}?{query}"),
        format!("{other}/{id}"),
        format!("{other}?{query}"),
        "".to_owned(),
        "/".to_owned(),
        "metadata".to_owned(),
        "..".to_owned(),
        "http://elsewhere/fhir/Patient/1".to_owned(),
        format!("http://hub/fhir/{whose}/{id}"),
        texts::odd(dice),
        format!("{whose}/$validate"),
        "$export".to_owned(),
        "$export-status/1_-_system_".to_owned(),
        "$export-file/1_-_system_/Patient".to_owned(),
        "ValueSet/v2/$expand".to_owned(),
        "CodeSystem/$lookup?system=urn:cs&code=a".to_owned(),
    ];
    let full =
        ["urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "urn:uuid:x", "http://hub/fhir/Patient/p", "", "x"];
    let mut entry =
        json!({ "request": { "method": method, "url": dice.one_of(&addresses) }, "resource": resource });
    if dice.below(2) == 0 {
        entry["fullUrl"] = (*dice.one_of(&full)).into();
    }
    for name in ["ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"] {
        if dice.below(8) == 0 {
            let values = ["W/\"1\"", "*", "identifier=urn:mrn|1", "2026-01-01T00:00:00Z", "nonsense", ""];
            entry["request"][name] = (*dice.one_of(&values)).into();
        }
    }
    if dice.below(4) == 0 && entry["resource"].is_object() {
        let links = [
            "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",
            "Patient?identifier=urn:mrn|1",
            "Patient?",
            "Patient?_sort=x",
            "#in",
        ];
        entry["resource"]["subject"] = json!({ "reference": dice.one_of(&links) });
    }
    entry
}
