//! What must hold of every mapping and every fixture.

use std::collections::HashSet;
use std::fs;

use hub_core::commit::Change;
use hub_core::document::Text;
use hub_fhir::{Json, Reference};

use crate::house::{self, Mapped, Mappings, resources};

/// Every fixture that maps, with its name.
fn mapped() -> Vec<(String, Mapped)> {
    let mappings = Mappings::of_the_house();
    let mut all = Vec::new();
    for path in house::files(&house::root().join("fixtures")) {
        if path.extension().is_none_or(|extension| extension != "hl7") {
            continue;
        }
        let bytes = fs::read(&path).expect("a fixture can be read");
        let kind = house::message_type(&bytes);
        let Some(mapping) = mappings.for_type(kind.split('^').next().unwrap_or_default()) else { continue };
        let name =
            path.strip_prefix(house::root()).expect("fixtures are below the root").display().to_string();
        if let Ok(mapped) = house::run(mapping, &bytes) {
            let again = house::run(mapping, &bytes).expect("what was mapped once is mapped again");
            assert_eq!(
                texts(&mapped.run.changes),
                texts(&again.run.changes),
                "{name}: the same message gives the same result"
            );
            all.push((name, mapped));
        }
    }
    assert!(all.len() > 50, "only {} fixtures map", all.len());
    all
}

fn texts(changes: &[Change]) -> Vec<String> {
    let text = |change: &Change| {
        let body = change.resource().map(|resource| Json::from(resource.tree().clone()).to_text());
        format!("{} {}", change.reference(), body.unwrap_or_default())
    };
    changes.iter().map(text).collect()
}

#[test]
fn every_reference_points_at_a_resource_of_the_run() {
    for (name, mapped) in mapped() {
        let known: HashSet<String> =
            resources(&mapped.run).map(|resource| resource.reference().to_string()).collect();
        for resource in resources(&mapped.run) {
            let tree = Json::from(resource.tree().clone());
            let mut references = Vec::new();
            collect(&tree, &mut |member, value| {
                if member == "reference"
                    && let Some(text) = value.as_str()
                {
                    references.push(text.to_owned());
                }
            });
            for reference in references {
                Reference::parse(&reference)
                    .unwrap_or_else(|_| panic!("{name}: `{reference}` is no reference"));
                assert!(known.contains(&reference), "{name}: {:?} points at nothing", resource.kind());
            }
        }
    }
}

#[test]
fn no_resource_is_written_twice_and_none_is_empty() {
    for (name, mapped) in mapped() {
        let mut seen = HashSet::new();
        for resource in resources(&mapped.run) {
            assert!(seen.insert(resource.reference().to_string()), "{name}: {:?} twice", resource.kind());
            let is_empty = resource.tree().iter().all(|(member, _)| matches!(member, "resourceType" | "id"));
            assert!(!is_empty, "{name}: an empty {:?}", resource.kind());
        }
    }
}

#[test]
fn every_resource_is_r4b_for_the_typed_model_too() {
    for (name, mapped) in mapped() {
        for resource in resources(&mapped.run) {
            let text = Json::from(resource.tree().clone()).to_text();
            if let Err(problems) = hub_r4b::check(&text) {
                panic!("{name}: {:?}: {problems:?}", resource.kind());
            }
        }
    }
}

#[test]
fn every_value_knows_the_line_that_wrote_it() {
    for (name, mapped) in mapped() {
        assert!(!mapped.trace.lineage.is_empty(), "{name}: no lineage");
        for lineage in &mapped.trace.lineage {
            let file =
                fs::read_to_string(house::root().join(&lineage.file)).expect("the mapping's file is there");
            let line = file.lines().nth(lineage.line as usize - 1).unwrap_or_default();
            assert!(
                line.contains(['=', '{', '"']),
                "{name}: {} by {}:{}",
                lineage.target,
                lineage.file,
                lineage.line
            );
        }
    }
}

/// Normalised on the way are ids, references, dates, documents (base64 and their size), what is joined or cut, and a telephone
/// number's country (`+86`) and extension (`X8`); the extensions of FHIR that a function writes have their urls. Everything else
/// must occur as it stands.
#[test]
fn every_value_comes_from_the_message_a_code_table_or_the_mapping() {
    let written_by_hand = written_by_hand();
    for (name, mapped) in mapped() {
        let document = mapped.document.as_ref();
        let said: Vec<String> = document
            .leaves()
            .into_iter()
            .filter_map(|leaf| document.text(leaf).and_then(Text::value).map(|text| text.into_owned()))
            .collect();
        let whole = said.join("\n");
        for resource in resources(&mapped.run) {
            collect(&Json::from(resource.tree().clone()), &mut |member, value| {
                let text = match value {
                    Json::String(text) | Json::Number(text) => text.as_str(),
                    _ => return,
                };
                let known = member == "id"
                    || member == "reference"
                    || matches!(member, "data" | "size")
                    || is_moment(text)
                    || whole.contains(text)
                    || written_by_hand.contains(&format!("\"{text}\""))
                    || text
                        .split_whitespace()
                        .all(|word| whole.contains(word.trim_start_matches(['+', 'X'])))
                    || joined(text, &said)
                    || made_system(text, &whole)
                    || (member == "url" && text.starts_with("http://hl7.org/fhir/StructureDefinition/"))
                    || is_number_of(text, &said);
                assert!(known, "{name}: {:?}.{member} `{text}` comes from nowhere", resource.kind());
            });
        }
    }
}

/// A text that is several of the message's values one after the other, with or without blanks or line breaks.
fn joined(text: &str, said: &[String]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let longest = said
            .iter()
            .filter(|value| !value.is_empty() && rest.starts_with(value.trim_end()))
            .map(|value| value.trim_end().len())
            .max();
        match longest {
            Some(length) if length > 0 => {
                rest = rest[length..].trim_start_matches(|c: char| c.is_whitespace() || c == '~')
            }
            _ => return false,
        }
    }
    true
}

/// Systems the functions make of names: `urn:id:HIS`, `urn:oid:1.2`, a table of HL7, a well-known terminology.
fn made_system(text: &str, whole: &str) -> bool {
    let known = [
        "http://loinc.org",
        "http://snomed.info/sct",
        "http://unitsofmeasure.org",
        "http://hl7.org/fhir/sid/",
    ];
    known.iter().any(|system| text.starts_with(system))
        || text.starts_with("http://terminology.hl7.org/CodeSystem/v2-")
        || ["urn:id:", "urn:oid:", "urn:uuid:"]
            .iter()
            .filter_map(|prefix| text.strip_prefix(prefix))
            .any(|rest| whole.contains(rest) || rest.contains('%'))
}

/// Numbers lose their ornaments: `+5.0`, `.5`; those in text stand beside other signs: `<0.5`, `3.5-9.5`.
fn is_number_of(text: &str, said: &[String]) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'E'));
    let is_media_type = matches!(text, "application/pdf" | "text/plain");
    let bare = text.strip_prefix("0.").map_or(text, |_| &text[1..]);
    is_media_type || (is_number && said.iter().any(|value| value.contains(bare)))
}

fn is_moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    (digits(0..4) && (bytes.len() == 4 || bytes.get(4) == Some(&b'-')))
        || (digits(0..2) && bytes.get(2) == Some(&b':') && digits(3..5))
}

/// The mapping files and code tables, as text.
fn written_by_hand() -> String {
    let mut text = String::new();
    for path in house::files(&house::root().join("mappings")) {
        if path.extension().is_some_and(|extension| extension == "toml") {
            text += &fs::read_to_string(path).expect("a mapping can be read");
        }
    }
    // Words of the functions: what a name, a number or an address is for.
    text + r#""official" "usual" "maiden" "nickname" "anonymous" "temp" "old" "home" "work" "mobile" "billing" "postal" "physical" "both"
        "phone" "fax" "pager" "email" "url" "other" "sms" "<" "<=" ">=" ">" "DL" "ABC" "IDE" "SYL""#
}

fn collect(json: &Json, visit: &mut dyn FnMut(&str, &Json)) {
    match json {
        Json::Object(object) => {
            for (member, value) in object.iter() {
                for item in value.items() {
                    visit(member, item);
                    collect(item, visit);
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect(item, visit)),
        _ => {}
    }
}

#[test]
fn the_rule_for_a_patients_number_is_one_rule() {
    let rules = |file: &str| -> Vec<(String, String)> {
        let text =
            fs::read_to_string(house::root().join("mappings").join(file)).expect("the mapping is there");
        let lines: Vec<&str> = text.lines().collect();
        let pairs = lines.windows(2).filter(|pair| pair[0].starts_with("known_by"));
        pairs.map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
    };
    let [part] = &rules("hl7v2/patient.toml")[..] else { panic!("one Patient in the part") };
    let [survivor, given_up] = &rules("his/adt.toml")[..] else { panic!("two Patients of a merge") };
    assert_eq!(survivor, part);
    assert_eq!(given_up.1, part.1, "authority");
    let of_pid = part.0.replace(" | PID-2 | PID-4", "");
    assert_eq!(given_up.0.replace("MRG-1", "PID-3"), of_pid, "number");
}

/// What a fixture makes of a stored patient.
fn merged_into(stored: &str, fixture: &str) -> Json {
    let mappings = Mappings::of_the_house();
    let path = house::root().join("fixtures/his/adt").join(fixture);
    let mapped = house::run(&mappings.adt, &fs::read(path).expect("the fixture is there")).expect("it maps");
    let stored = hub_fhir::json::parse(stored).expect("it is JSON").as_object().expect("an object").clone();
    let mut merges = mapped.run.changes.iter().filter_map(|change| match change {
        Change::Merge { resource, clear, .. } if resource.kind().name() == "Patient" => {
            Some(hub_fhir::merge(&stored, resource.tree().clone(), clear))
        }
        _ => None,
    });
    Json::from(merges.next_back().expect("the fixture merges a patient"))
}

#[test]
fn a_null_clears_the_element_of_the_patient() {
    let stored = r#"{"resourceType":"Patient","telecom":[{"system":"phone","value":"1"}],"maritalStatus":{"text":"M"},"active":true}"#;
    let patient = merged_into(stored, "a08-null-deletes-phone.hl7");
    assert!(patient.get("telecom").is_none()); // PID-13, PID-14
    assert!(patient.get("maritalStatus").is_none()); // PID-16
    assert!(patient.get("active").is_some(), "what the message does not speak of stays");
}

#[test]
fn a_null_clears_a_choice_under_all_its_names() {
    let dead = [
        r#"{"resourceType":"Patient","deceasedDateTime":"2026-11-19","_deceasedDateTime":{"id":"x"}}"#,
        r#"{"resourceType":"Patient","deceasedBoolean":true}"#,
    ];
    for stored in dead {
        let names = |patient: &Json| -> Vec<String> {
            let members = patient.as_object().into_iter().flat_map(|tree| tree.iter());
            members.map(|(name, _)| name.to_owned()).filter(|name| name.contains("deceased")).collect()
        };
        let taken_back = merged_into(stored, "a08-null-takes-back-a-death.hl7");
        assert!(names(&taken_back).is_empty(), "{stored}"); // PID-29, PID-30
        let alive = merged_into(stored, "a08-alive-after-all.hl7");
        assert_eq!(names(&alive), ["deceasedBoolean"], "{stored}");
        assert_eq!(alive.get("deceasedBoolean"), Some(&Json::Bool(false))); // PID-30
    }
}

#[test]
fn the_patients_of_two_merges_are_not_mixed() {
    let mappings = Mappings::of_the_house();
    let path = house::root().join("fixtures/his/adt/a40-two-merges.hl7");
    let mapped = house::run(&mappings.adt, &fs::read(path).expect("the fixture is there")).expect("it maps");
    let numbers = |resource: &hub_fhir::Resource| {
        resource.tree().get("identifier").map_or(0, |list| list.items().len())
    };
    assert_eq!(resources(&mapped.run).map(numbers).collect::<Vec<_>>(), [1, 1, 1, 1]);
}

#[test]
fn the_results_of_the_his_and_the_lis_meet_in_one_patient_and_one_visit() {
    let mappings = Mappings::of_the_house();
    let written = |mapping: &hub_mapping::Mapping, file: &str| -> HashSet<String> {
        let bytes = fs::read(house::root().join("fixtures").join(file)).expect("the fixture is there");
        let mapped = house::run(mapping, &bytes).expect("it maps");
        let kept = ["Patient/", "Encounter/"];
        let references = resources(&mapped.run).map(|resource| resource.reference().to_string());
        references.filter(|reference| kept.iter().any(|kind| reference.starts_with(kind))).collect()
    };
    let his = written(&mappings.adt, "his/adt/a01-admission.hl7");
    assert_eq!(his, written(&mappings.oru, "lis/oru-r01/normal.hl7"));
    assert_eq!(his.len(), 2);
    // Senders that leave out PID-3.4 and PV1-19.4.
    assert_eq!(his, written(&mappings.adt, "his/adt/no-authority.hl7"));
    assert_eq!(his, written(&mappings.oru, "lis/oru-r01/no-authority.hl7"));
}

#[test]
fn members_of_an_organism_are_found_from_it() {
    let mappings = Mappings::of_the_house();
    let path = house::root().join("fixtures/lis/oru-r01/microbiology.hl7");
    let mapped = house::run(&mappings.oru, &fs::read(path).expect("the fixture is there")).expect("it maps");
    let with_members: Vec<_> =
        resources(&mapped.run).filter(|resource| resource.tree().get("hasMember").is_some()).collect();
    assert_eq!(with_members.len(), 1);
    let organism = with_members[0].tree();
    assert_eq!(organism.get("hasMember").map(|members| members.items().len()), Some(3)); // OBR-26, OBR-29
    assert!(organism.get("valueCodeableConcept").is_some(), "the organism itself, not a stand-in");
}
