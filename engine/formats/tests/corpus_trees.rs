//! Every clinical document, resource and table of the corpus is read, written and read again; nothing is lost on the way.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that says what it found")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use hub_core::document::{Document, Parser, Split, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_formats::csv::{CsvParser, CsvWriter};
use hub_formats::fhir::{FhirParser, FhirWriter};
use hub_formats::xml::{XmlDocument, XmlParser, XmlWriter};

/// The files of these folders of the corpus with this suffix.
fn files(folders: &[&str], suffix: &str) -> Vec<PathBuf> {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let corpus =
        std::env::var_os("HUITONG_CORPUS").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| corpus.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        println!("The corpus is not here: this test did not run.");
    }
    found
}

fn name(path: &FilePath) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// What stands in a document, place by place.
fn values(document: &XmlDocument) -> BTreeMap<String, String> {
    let value = |leaf| document.text(leaf).and_then(|text| text.value()).unwrap_or_default().into_owned();
    document.leaves().into_iter().map(|leaf| (document.place(leaf), value(leaf))).collect()
}

#[test]
fn every_well_formed_clinical_document_is_read_and_written_again() {
    let paths = files(&["cda", "ccda-to-fhir-pairs"], "xml");
    let well_formed: BTreeSet<String> = files(&["cda"], "tsv")
        .iter()
        .flat_map(|index| {
            let tab =
                Settings::from_iter([("delimiter".to_owned(), "\t".into()), ("quote".to_owned(), "".into())]);
            let index =
                CsvParser::new(&tab, None).unwrap().read(&std::fs::read(index).unwrap()).unwrap().message();
            let rows = index.get("rows").unwrap().as_array().unwrap().to_vec();
            let is_well_formed =
                rows.into_iter().filter(|row| row.get("well_formed_alone").unwrap().as_str() == Some("yes"));
            is_well_formed
                .map(|row| row.get("file").unwrap().as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let mut refused: BTreeMap<String, u32> = BTreeMap::new();
    let (mut read, mut leaves, mut pieces) = (0, 0, 0);
    for path in &paths {
        let bytes = std::fs::read(path).unwrap();
        let document = match XmlParser::default().read(&bytes) {
            Ok(document) => document,
            Err(error) => {
                // What a system before the hub has lost is said, and never guessed at: also in a comment.
                let has_lost = error.what.contains("U+FFFD");
                assert!(has_lost || !well_formed.contains(&name(path)), "{}: {error}", path.display());
                assert!(path.to_string_lossy().contains("hl7-ccda-examples"), "{}: {error}", path.display());
                *refused.entry(error.what).or_default() += 1;
                continue;
            }
        };
        read += 1;
        let message = document.message();
        let written = XmlWriter::new(&Settings::new()).unwrap().write(&message).unwrap();
        let again = XmlParser::default().read(&written).unwrap();
        assert!(again.message() == message, "{}: written as another one", path.display());
        let (before, after) = (values(&document), values(&again));
        leaves += before.len();
        // Texts among elements are put together when a tree is made of them; all other values stand where they stood.
        let is_mixed = |place: &&String| place.contains("text") || place.contains("#");
        let lost: Vec<_> =
            before.keys().filter(|place| !after.contains_key(*place) && !is_mixed(place)).collect();
        assert!(lost.is_empty(), "{}: {lost:?}", path.display());
        let entries = Path::parse("/ClinicalDocument/component/structuredBody/component").unwrap();
        let split = XmlParser::default().split(&Bytes::from(bytes), &Split::At(entries)).unwrap();
        for piece in &split {
            XmlParser::default().read(&piece.bytes).unwrap();
        }
        pieces += split.len();
    }
    println!(
        "{read} of {} documents are read, {leaves} values; {pieces} pieces; refused: {refused:?}",
        paths.len()
    );
    assert!(paths.is_empty() || (read >= 155 && pieces > read), "fewer are read than are well-formed");
}

#[test]
fn every_example_resource_is_read_and_written_again() {
    let paths = files(&["fhir-examples", "ccda-to-fhir-pairs"], "json");
    let mut read = 0;
    for path in &paths {
        let bytes = std::fs::read(path).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let tree = hub_fhir::json::parse(text).unwrap();
        let Ok(document) = FhirParser::default().read(&bytes) else {
            assert!(tree.get("resourceType").is_none(), "{}", path.display());
            continue;
        };
        read += 1;
        let resource = document.resources().remove(0);
        assert!(Some(&resource) == tree.as_object(), "{}: read as another one", path.display());
        let written = FhirWriter::default().write(&resource).unwrap();
        assert!(
            FhirParser::default().read(&written).unwrap().resources() == [resource],
            "{}",
            path.display()
        );
        for leaf in document.leaves() {
            assert!(document.text(leaf).is_some() && !document.place(leaf).is_empty());
        }
        for piece in FhirParser::default().split(&Bytes::from(bytes), &Split::Messages).unwrap() {
            FhirParser::default().read(&piece.bytes).unwrap();
        }
    }
    println!("{read} of {} resources are read", paths.len());
    assert!(paths.is_empty() || read > 300, "fewer resources than the corpus has");
}

#[test]
fn every_table_is_read_and_written_again() {
    let mut read = 0;
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (commas, tabs) =
        (files(&["v2-to-fhir-maps", "cda", "codes"], "csv"), files(&["codes", "hl7v2"], "tsv"));
    for (path, delimiter) in commas.iter().map(|path| (path, ",")).chain(tabs.iter().map(|path| (path, "\t")))
    {
        let bytes = std::fs::read(path).unwrap();
        // The columns of these tables have no names of their own, or the same twice: they are numbered.
        let widest = if delimiter == "," { 40 } else { 20 };
        let columns: Vec<String> = (1..=widest).map(|number| number.to_string()).collect();
        let quote = if delimiter == "\t" { "quote = ''" } else { "" };
        let text = format!("delimiter = {delimiter:?}\ncolumns = {columns:?}\nragged = 'pad'\n{quote}");
        let layout: Settings = text.parse().unwrap();
        let parser = CsvParser::new(&layout, None).unwrap();
        let document = match parser.read(&bytes) {
            Ok(document) => document,
            Err(error) => {
                refused.entry(error.what).or_default().push(name(path));
                continue;
            }
        };
        read += 1;
        let message = document.message();
        let written = CsvWriter::new(&layout).unwrap().write(&message).unwrap();
        assert!(parser.read(&written).unwrap().message() == message, "{}", path.display());
        let pieces = parser.split(&Bytes::from(bytes), &Split::Messages).unwrap();
        assert_eq!(
            pieces.len(),
            message.get("rows").unwrap().as_array().unwrap().len(),
            "{}",
            path.display()
        );
    }
    println!("{read} of {} tables are read; refused: {refused:?}", commas.len() + tabs.len());
    assert!(commas.is_empty() || refused.is_empty(), "{refused:?}");
}
