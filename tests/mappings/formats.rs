//! The mapping language over every format, in both directions: samples of `fixtures/formats` through the mappings beside them. What must
//! come of each is kept in `fixtures/formats/expected` (`HUITONG_BLESS=1` writes it; read the difference).

use std::fs;
use std::path::PathBuf;

use hub_core::document::Document;
use hub_core::fault::Fault;
use hub_fhir::{Json, Object};
use hub_mapping::{Found, Mapping, Target};

use crate::house;

/// A mapping, the sample it reads, and the suffix of what comes of it.
const CASES: &[(&str, &str, &str)] = &[
    ("wst500-outpatient", "xml/wst500-outpatient.xml", "json"),
    ("hip-register", "xml/hip-message.xml", "json"),
    ("hip-register", "xml/hip-message-escaped.xml", "json"),
    ("prescription", "json/prescription.json", "json"),
    ("his-bank", "csv/his-bank.txt", "json"),
    ("wechat-bill", "csv/wechat-bill.csv", "json"),
    ("oru-out", "fhir/two-results.bundle.json", "hl7"),
    ("results-out", "fhir/two-results.bundle.json", "txt"),
    ("report-out", "fhir/two-results.bundle.json", "xml"),
    ("notice-out", "fhir/two-results.bundle.json", "json"),
    ("adt-forward", "../his/adt/a01-admission.hl7", "hl7"),
];

fn folder() -> PathBuf {
    house::root().join("fixtures/formats")
}

fn mapping(name: &str) -> Mapping {
    let (files, findings) = hub_spec::FolderFiles::read(&folder());
    assert!(findings.is_empty(), "{}", findings[0]);
    hub_mapping::compile(&format!("formats/{name}"), &files)
        .unwrap_or_else(|findings| panic!("{}", findings[0]))
}

fn read(mapping: &Mapping, sample: &str) -> Box<dyn Document> {
    let bytes = fs::read(folder().join(sample)).expect("the sample is there");
    let parser =
        hub_formats::parser(mapping.from(), None, mapping.source_layout()).expect("the layout is right");
    parser.parse(&bytes).unwrap_or_else(|error| panic!("{sample}: {error}"))
}

fn facts() -> Found {
    let mut found = Found::default();
    found.tell("control_id", "C0001");
    found.tell("time", "2026-11-21T08:15:00+08:00");
    found
}

/// The bytes that come of a sample: what a partner is sent, or the resources as a Bundle.
fn made(mapping: &Mapping, document: &dyn Document) -> Result<Vec<u8>, Fault> {
    let rendered = mapping.render_with(document, document.root(), &facts())?;
    if mapping.to() == Target::Fhir {
        check_resources(&rendered.tree);
        return Ok(pretty(&rendered.tree).into_bytes());
    }
    let writer =
        hub_formats::writer(mapping.to().name(), mapping.message_layout()).expect("the layout is right");
    let bytes = writer.write(&rendered.tree).unwrap_or_else(|error| panic!("{}: {error}", mapping.name()));
    Ok(bytes.to_vec())
}

/// Every resource is right by the tables of R4B and survives the typed model.
fn check_resources(bundle: &Object) {
    for entry in bundle.get("entry").map_or(&[][..], Json::items) {
        let Some(Json::Object(resource)) = entry.get("resource") else { continue };
        assert_eq!(hub_fhir::validate(resource), []);
        hub_r4b::check(&Json::Object(resource.clone()).to_text()).expect("the typed model takes it");
    }
}

/// One line a resource.
fn pretty(bundle: &Object) -> String {
    let entries = bundle.get("entry").map_or(&[][..], Json::items);
    let resources = entries.iter().filter_map(|entry| entry.get("resource"));
    resources.map(|resource| resource.to_text() + "\n").collect()
}

#[test]
fn a_sample_of_every_format_becomes_what_is_expected_of_it() {
    for (name, sample, suffix) in CASES {
        let mapping = mapping(name);
        let document = read(&mapping, sample);
        let bytes = made(&mapping, &*document).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let again = made(&mapping, &*read(&mapping, sample)).expect("what was made once is made again");
        assert_eq!(bytes, again, "{name}: the same message gives the same result");
        let path = folder().join(format!("expected/{name}.{suffix}"));
        if std::env::var_os("HUITONG_BLESS").is_some() {
            fs::create_dir_all(path.parent().expect("it stands in a folder")).expect("it can be made");
            fs::write(&path, &bytes).expect("it can be written");
            continue;
        }
        let expected = fs::read(&path).unwrap_or_default();
        let shown = String::from_utf8_lossy(&bytes);
        assert_eq!(shown, String::from_utf8_lossy(&expected), "{name}: run it with HUITONG_BLESS=1");
    }
}

#[test]
fn what_is_sent_can_be_read_again_in_its_format() {
    for (name, sample, _) in CASES {
        let mapping = mapping(name);
        if mapping.to() == Target::Fhir {
            continue;
        }
        let bytes = made(&mapping, &*read(&mapping, sample)).expect("it is made");
        let mut layout = mapping.message_layout().clone();
        // What only writing, and only reading, has to be told.
        if layout.remove("declaration").is_some() {
            layout.insert("nested".to_owned(), vec!["/HIPMessageServer/message"].into());
        }
        let parser =
            hub_formats::parser(mapping.to().name(), None, &layout).expect("the layout serves both ways");
        let document = parser.parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(document.leaves().len() > 3, "{name}");
    }
}

#[test]
fn every_value_of_every_format_knows_the_line_and_the_place_it_comes_from() {
    for (name, sample, _) in CASES {
        let mapping = mapping(name);
        let document = read(&mapping, sample);
        let (_, trace) = mapping.render_traced(&*document, document.root(), &facts()).expect("it is made");
        assert!(trace.lineage.len() > 3, "{name}");
        let places: Vec<String> = document.leaves().into_iter().map(|leaf| document.place(leaf)).collect();
        for line in &trace.lineage {
            assert!(line.line > 0 && line.file.ends_with(".toml"), "{name}: {line:?}");
            let Some(place) = &line.place else { continue };
            let is_there = place.starts_with("hub.")
                || places.iter().any(|leaf| leaf == place || leaf.starts_with(place.as_str()));
            assert!(is_there, "{name}: {} comes from {place}, which no leaf is", line.target);
        }
    }
}
