//! Whole resources, and what becomes of them when something in them is another thing.

use hub_fhir::ResourceType;
use hub_fhir::elements::{Max, of_resource};
use serde_json::Value;

use crate::dice::Dice;
use crate::texts::{self, SECRET};

/// Whole resources.
pub struct Samples(Vec<Value>);

impl Samples {
    /// Some of our own, and the official examples where they are.
    pub fn load() -> Self {
        let own = [
            r#"{"resourceType":"Patient","id":"p","active":true,"identifier":[{"system":"urn:mrn","value":"1"}],"name":[{"family":"Wang","given":["Li"]}],"gender":"female","birthDate":"1980-02-11","multipleBirthInteger":2,"generalPractitioner":[{"reference":"Practitioner/d"}],"link":[{"other":{"reference":"Patient/p"},"type":"seealso"}]}"#,
            r#"{"resourceType":"Practitioner","id":"d","name":[{"family":"Doc"}]}"#,
            r#"{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-01-01T10:00:00+08:00","valueQuantity":{"value":13.50,"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"},"component":[{"code":{"coding":[{"code":"a"}]},"valueQuantity":{"value":1e2}}]}"#,
            r#"{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p"},"period":{"start":"2026-01-01","end":"2026-01-02"},"partOf":{"reference":"Encounter/e"}}"#,
            r#"{"resourceType":"Basic","id":"b","code":{"text":"x"},"subject":{"reference":"Patient/p"},"created":"2026-01-01"}"#,
            // Terms that go round in a circle.
            r##"{"resourceType":"CodeSystem","id":"cs","url":"urn:cs","status":"draft","content":"complete","concept":[{"code":"a","display":"高血压","property":[{"code":"parent","valueCode":"c"}],"concept":[{"code":"b","concept":[{"code":"c"}]}]}]}"##,
            r##"{"resourceType":"ValueSet","id":"v2","url":"urn:set","status":"draft","compose":{"include":[{"system":"urn:cs","filter":[{"property":"concept","op":"is-a","value":"b"}]},{"valueSet":["http://a/b"]}],"exclude":[{"valueSet":["urn:set"]}]}}"##,
            r##"{"resourceType":"ConceptMap","id":"map","url":"urn:map","status":"draft","group":[{"source":"urn:cs","target":"urn:x","element":[{"code":"a","target":[{"code":"x","equivalence":"equal"}]}],"unmapped":{"mode":"provided"}}]}"##,
            r##"{"resourceType":"ValueSet","id":"v","url":"http://a/b","status":"draft","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"},"contained":[{"resourceType":"Patient","id":"in"}],"extension":[{"url":"http://x","valueReference":{"reference":"#in"}}]}"##,
            r#"{"resourceType":"RiskAssessment","id":"r","status":"final","subject":{"reference":"Patient/p"},"prediction":[{"probabilityDecimal":0.123}]}"#,
        ];
        let mut all: Vec<Value> = own.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        if let Some(corpus) = std::env::var_os("HUITONG_CORPUS") {
            let folder = std::path::PathBuf::from(corpus).join("fhir-examples/r4b");
            let mut files: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            for file in files.iter().filter(|file| file.metadata().unwrap().len() < 20_000).step_by(4) {
                let tree: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
                all.extend(tree["id"].is_string().then_some(tree));
            }
        }
        Self(all)
    }

    pub fn all(&self) -> &[Value] {
        &self.0
    }

    pub fn one(&self, dice: &mut Dice) -> Value {
        dice.one_of(&self.0).clone()
    }
}

/// A type of R4B.
pub fn kind(dice: &mut Dice) -> ResourceType {
    let kinds: Vec<ResourceType> = ResourceType::all().collect();
    // Those that are stored are asked for more often.
    let known = ["Patient", "Observation", "Encounter", "Basic", "ValueSet", "RiskAssessment"];
    match dice.below(2) {
        0 => ResourceType::from_name(dice.one_of::<&str>(&known)).unwrap(),
        _ => *dice.one_of(&kinds),
    }
}

/// Changes something in a resource, anywhere; what comes out need not be JSON.
pub fn mutated(dice: &mut Dice, resource: &Value) -> String {
    let mut tree = resource.clone();
    let mark = "\u{1}mark\u{1}";
    for _ in 0..dice.below(3) + 1 {
        let steps = dice.below(6);
        mutate(dice, &mut tree, steps, mark);
    }
    let mut text = tree.to_string();
    let quoted = texts::quoted(mark);
    while let Some(at) = text.find(&quoted) {
        let value = texts::value(dice);
        text.replace_range(at..at + quoted.len(), &value);
    }
    text
}

fn mutate(dice: &mut Dice, tree: &mut Value, steps: u64, mark: &str) {
    match tree {
        Value::Object(members) if !members.is_empty() => {
            let names: Vec<String> = members.keys().filter(|name| *name != "resourceType").cloned().collect();
            if names.is_empty() {
                return;
            }
            let name = dice.one_of(&names).clone();
            match (steps, dice.below(6)) {
                (0, 0) => drop(members.remove(&name)),
                (0, 1) => drop(members.insert(element(dice), mark.into())),
                (0, 2) => drop(members.insert(format!("_{name}"), mark.into())),
                (0, 3) => {
                    let value = members[&name].clone();
                    members.insert(name, Value::Array(vec![value.clone(), value]));
                }
                (0, _) => drop(members.insert(name, mark.into())),
                (_, _) => mutate(dice, &mut members[&name], steps - 1, mark),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = dice.below(items.len() as u64) as usize;
            match (steps, dice.below(4)) {
                (0, 0) => drop(items.remove(at)),
                (0, 1) => items.push(items[at].clone()),
                (0, _) => items[at] = mark.into(),
                (_, _) => mutate(dice, &mut items[at], steps - 1, mark),
            }
        }
        Value::String(text) if dice.below(3) == 0 => {
            let other = texts::odd(dice);
            *text =
                dice.one_of(&[other, SECRET.to_owned(), format!("{text}{SECRET}"), String::new()]).clone();
        }
        leaf => *leaf = mark.into(),
    }
}

/// The name of an element, of some type.
fn element(dice: &mut Dice) -> String {
    let def = of_resource(kind(dice));
    let names: Vec<&str> = def.names().collect();
    let name = *dice.one_of(&names);
    let odd = texts::odd_name(dice);
    let is_list = def.element(name).is_some_and(|element| element.max == Max::Many);
    dice.one_of(&[name.to_owned(), format!("{name}{}", if is_list { "s" } else { "String" }), odd]).clone()
}
