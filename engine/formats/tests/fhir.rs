//! What resources say when they are read as a document: types, choices, scopes, picks, places.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use hub_core::document::{Document, Node, Parser, Split, Writer};
use hub_core::path::Path;
use hub_fhir::{Json, Object};
use hub_formats::fhir::{FhirDocument, FhirParser, FhirWriter};

fn document() -> FhirDocument {
    let bundle = [
        r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"family":"Li","given":["A","B"]}],
           "identifier":[{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"}]}"#,
        r#"{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"code":"K","display":"Kalium"}]},
           "valueQuantity":{"value":6.10,"unit":"mmol/L"},"subject":{"reference":"Patient/p"},
           "component":[{"code":{"text":"c1"}},{"code":{"text":"c2"},"interpretation":[{"text":"high"}]}]}"#,
        r#"{"resourceType":"Observation","id":"o2","status":"preliminary"}"#,
    ];
    let trees: Vec<Json> = bundle.iter().map(|text| hub_fhir::json::parse(text).unwrap()).collect();
    FhirDocument::new(trees.iter().map(|tree| tree.as_object().unwrap()))
}

fn nodes(document: &FhirDocument, scope: Node, path: &str) -> Vec<Node> {
    let mut found = Vec::new();
    document.select(scope, &Path::parse(path).unwrap(), &mut found);
    found
}

fn texts(document: &FhirDocument, scope: Node, path: &str) -> Vec<String> {
    let found = nodes(document, scope, path);
    found.iter().filter_map(|node| Some(document.text(*node)?.value()?.into_owned())).collect()
}

#[test]
fn paths_start_at_resources_by_type() {
    let document = document();
    let root = document.root();
    assert_eq!(texts(&document, root, "Observation.status"), ["final", "preliminary"]);
    assert_eq!(texts(&document, root, "Observation(2).status"), ["preliminary"]);
    assert_eq!(texts(&document, root, "Observation.code.coding.display"), ["Kalium"]);
    assert_eq!(texts(&document, root, "Patient.name.given"), ["A", "B"]);
    assert_eq!(texts(&document, root, "Patient.identifier[system=urn:b].value"), ["2"]);
    assert_eq!(texts(&document, root, "Observation[code.coding.code=K].id"), ["o1"]);
    assert_eq!(texts(&document, root, "Patient.active"), ["true"]);
}

#[test]
fn a_choice_is_read_by_its_name_or_by_the_concrete_one() {
    let document = document();
    assert_eq!(texts(&document, document.root(), "Observation.value.value"), ["6.10"]);
    assert_eq!(texts(&document, document.root(), "Observation.valueQuantity.unit"), ["mmol/L"]);
}

#[test]
fn within_a_resource_its_own_elements_are_meant_and_others_are_found_from_the_root() {
    let document = document();
    let observations = nodes(&document, document.root(), "Observation");
    assert_eq!(observations.len(), 2);
    assert_eq!(texts(&document, observations[1], "Observation.status"), ["preliminary"]);
    assert_eq!(texts(&document, observations[0], "subject.reference"), ["Patient/p"]);
    assert_eq!(texts(&document, observations[0], "Patient.name.family"), ["Li"]);
    let components = nodes(&document, observations[0], "component");
    assert_eq!(texts(&document, components[1], "code.text"), ["c2"]);
    assert_eq!(texts(&document, components[1], "Observation.component.code.text"), ["c2"]);
    assert_eq!(texts(&document, components[1], "status"), ["final"]);
    assert!(texts(&document, components[0], "interpretation.text").is_empty()); // component may have its own
}

#[test]
fn places_name_what_repeats() {
    let document = document();
    let component = nodes(&document, document.root(), "Observation.component(2).code.text");
    assert_eq!(document.place(component[0]), "Observation[1].component[2].code.text");
    let name = nodes(&document, document.root(), "Patient.name.family");
    assert_eq!(document.place(name[0]), "Patient.name.family");
    assert!(document.contains(nodes(&document, document.root(), "Patient")[0], name[0]));
}

#[test]
fn a_bundle_is_read_with_its_entries_beside_it() {
    let bundle = br#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"x"}}]}"#;
    let document = FhirParser::default().parse(bundle).unwrap();
    let mut found = Vec::new();
    document.select(document.root(), &Path::parse("Patient.id").unwrap(), &mut found);
    assert_eq!(document.text(found[0]).unwrap().value().unwrap(), "x");
    for bad in [&b"{}"[..], b"[]", b"{", b"\xFF", b"", "{\"a\":\"\u{FFFD}\"}".as_bytes()] {
        assert!(FhirParser::default().parse(bad).is_err());
    }
}

fn fixture(name: &str) -> Bytes {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats/fhir");
    Bytes::from(std::fs::read(folder.join(name)).unwrap())
}

#[test]
fn a_bundle_is_split_into_bundles_of_one_entry() {
    let bytes = fixture("two-results.bundle.json");
    let pieces = FhirParser::default().split(&bytes, &Split::Messages).unwrap();
    assert_eq!(pieces.len(), 3);
    let read: Vec<FhirDocument> =
        pieces.iter().map(|piece| FhirParser::default().read(&piece.bytes).unwrap()).collect();
    assert_eq!(texts(&read[1], read[1].root(), "Observation.value.value"), ["6.10"]);
    assert!(texts(&read[1], read[1].root(), "Patient.id").is_empty());
    assert_eq!(texts(&read[2], read[2].root(), "Bundle.type"), ["collection"]); // what is the whole's stays
    let observations = Split::At(Path::parse("Observation").unwrap());
    let pieces = FhirParser::default().split(&bytes, &observations).unwrap();
    assert_eq!(pieces.len(), 2);
    let second = FhirParser::default().read(&pieces[1].bytes).unwrap();
    assert_eq!(texts(&second, second.root(), "Observation.id"), ["o2"]);
    assert_eq!(texts(&second, second.root(), "Patient.id"), ["p1"]); // not one of several
    let single = Bytes::from_static(br#"{"resourceType": "Patient","id":"x"}"#);
    let pieces = FhirParser::default().split(&single, &Split::Messages).unwrap();
    assert_eq!((pieces.len(), &pieces[0].bytes), (1, &single));
    assert_eq!(pieces[0].label.message_type.as_deref(), Some("Patient"));
}

#[test]
fn a_resource_a_line_is_read_split_and_written() {
    let bytes = fixture("two-results.ndjson");
    let lines = FhirParser { lines: true };
    let document = lines.read(&bytes).unwrap();
    assert_eq!(texts(&document, document.root(), "Observation.status"), ["final"]);
    assert_eq!(texts(&document, document.root(), "Patient.name.family"), ["陈"]);
    let pieces = lines.split(&bytes, &Split::Messages).unwrap();
    assert_eq!(pieces.iter().map(|piece| piece.bytes.len() + 1).sum::<usize>(), bytes.len());
    assert_eq!(pieces[1].label.control_id.as_deref(), Some("o1"));
    assert_eq!(
        lines.read(b"{\"resourceType\":\"Patient\"}\n{}\n").unwrap_err().place.as_deref(),
        Some("line 2")
    );
    let entries = document
        .resources()
        .into_iter()
        .map(|resource| Json::Object(Object::from_iter([("resource", Json::Object(resource))])));
    let mut bundle = Object::from_iter([("resourceType", Json::from("Bundle"))]);
    bundle.set("entry", Json::Array(entries.collect()));
    let writer = FhirWriter { lines: true };
    assert_eq!(writer.write(&bundle).unwrap(), bytes);
    assert_eq!(writer.content_type(), "application/fhir+ndjson");
    let plain = FhirWriter::default();
    assert_eq!(FhirParser::default().read(&plain.write(&bundle).unwrap()).unwrap().resources(), [bundle]);
    let wrong = Object::from_iter([("resourceType", Json::from("Patiant"))]);
    assert_eq!(
        plain.write(&wrong).unwrap_err().to_string(),
        "resourceType: expected the name of a type of resource of FHIR R4B"
    );
}
