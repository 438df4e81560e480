//! Every message of the corpus is read whole or refused with a place; nothing is lost in between.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that says what it found")]

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use hub_core::document::{Document, Parser};
use hub_core::path::Path;
use hub_formats::hl7v2::{Header, Hl7Parser};

fn corpus() -> Option<PathBuf> {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let corpus =
        std::env::var_os("HUITONG_CORPUS").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let folder = corpus.join("hl7v2");
    folder.is_dir().then_some(folder)
}

fn files(folder: &FilePath, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if !matches!(path.extension().and_then(|e| e.to_str()), Some("tsv" | "md")) {
            found.push(path);
        }
    }
}

/// Lines that are not blank, as a person counts them.
fn line_count(bytes: &[u8]) -> usize {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | 0x0B | 0x1C);
    bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.iter().all(blank)).count()
}

fn segment_count(document: &dyn Document) -> usize {
    let mut names = std::collections::BTreeSet::new();
    for leaf in document.leaves() {
        let place = document.place(leaf);
        names.insert(place.split('-').next().unwrap().to_owned());
    }
    names.len()
}

#[test]
fn every_file_is_read_whole_or_refused_with_a_place() {
    let Some(folder) = corpus() else {
        println!("The corpus is not here: this test did not run.");
        return;
    };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    paths.sort();
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut read = 0;
    for path in &paths {
        let bytes = std::fs::read(path).unwrap();
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let header = Header::read(&bytes);
        match Hl7Parser::default().read(&bytes) {
            Ok(document) => {
                read += 1;
                assert!(header.is_ok(), "{name}: read, but not its header");
                assert_eq!(document.segment_count(), line_count(&bytes), "{name}: a segment is missing");
                assert!(
                    segment_count(&document) <= document.segment_count(),
                    "{name}: more places than segments"
                );
                for path in
                    ["PID-3.1", "MSH-10", "PV1-3.4.1", "OBR-4.2", "PID-5"].map(|p| Path::parse(p).unwrap())
                {
                    let mut found = Vec::new();
                    document.select(document.root(), &path, &mut found);
                    let text = found.first().and_then(|node| document.text(*node));
                    let text = text.and_then(|text| text.value().map(|value| value.into_owned()));
                    assert_eq!(Hl7Parser::default().peek(&bytes, &path), text, "{name}: {path}");
                }
                let header = header.unwrap();
                if !header.control_id.is_empty() {
                    let peeked = Hl7Parser::default().peek(&bytes, &Path::parse("MSH-10").unwrap());
                    assert!(peeked.is_some(), "{name}: MSH-10");
                }
            }
            Err(error) => {
                assert!(error.at <= bytes.len(), "{name}: {error}");
                refused.entry(error.what).or_default().push(name);
            }
        }
    }
    println!("{read} of {} files are read; refused:", paths.len());
    for (what, names) in &refused {
        println!("{:4}  {what}: {}", names.len(), names[..names.len().min(6)].join(", "));
    }
    assert!(paths.len() < 1000 || read * 10 > paths.len() * 9, "fewer than nine of ten files are read");
}
