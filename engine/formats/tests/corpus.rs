//! Every message of the corpus is read whole or refused with a place; nothing is lost in between.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that says what it found")]

#[path = "../fuzz/laws/hl7v2.rs"]
#[expect(dead_code, reason = "the fuzz targets hold the other laws")]
mod laws;

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use hub_core::document::{Document, Parser, Split, Text, Writer};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_formats::hl7v2::{Charset, Header, Hl7Document, Hl7Parser, Hl7Writer, Undeclared};

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

/// The files of the corpus with their names, in order; `None`: the corpus is not here.
fn corpus_files() -> Option<Vec<(String, Vec<u8>)>> {
    let Some(folder) = corpus() else {
        println!("The corpus is not here: this test did not run.");
        return None;
    };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    paths.sort();
    let named = |path: &PathBuf| path.strip_prefix(&folder).unwrap().display().to_string();
    Some(paths.iter().map(|path| (named(path), std::fs::read(path).unwrap())).collect())
}

/// The messages of the corpus: each file, and each piece of those that hold several.
fn messages() -> Option<Vec<(String, Bytes)>> {
    let mut messages = Vec::new();
    for (name, bytes) in corpus_files()? {
        let bytes = Bytes::from(bytes);
        match Hl7Parser::default().split(&bytes, &Split::Messages) {
            Ok(pieces) => messages.extend(
                pieces.iter().enumerate().map(|(nth, piece)| (format!("{name}#{nth}"), piece.bytes.clone())),
            ),
            Err(_) => messages.push((name, bytes)),
        }
    }
    Some(messages)
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
    let Some(paths) = corpus_files() else { return };
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut read = 0;
    for (name, bytes) in paths.clone() {
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

/// Place and value of every leaf that has one.
fn said(document: &Hl7Document) -> Vec<(String, Option<String>)> {
    let values = document.leaves().into_iter().filter_map(|leaf| {
        let value = match document.text(leaf)? {
            Text::Value(value) => Some(value.into_owned()),
            Text::Null => None,
        };
        Some((document.place(leaf), value))
    });
    values.collect()
}

#[test]
fn every_message_that_is_read_says_the_same_when_it_is_written_and_read_again() {
    let Some(messages) = messages() else { return };
    let layout = Settings::from_iter([("declare".to_owned(), false.into())]);
    let writer = Hl7Writer::new(&layout).unwrap();
    let (mut written, mut strict) = (0, 0);
    let mut refused = Vec::new();
    for (name, bytes) in &messages {
        let Ok(document) = Hl7Parser::default().read(bytes) else { continue };
        match writer.write(&document.tree()) {
            Ok(again) => {
                written += 1;
                let again = Hl7Parser::default().read(&again).unwrap();
                let every_leaf_has_a_value = said(&document).len() == document.leaves().len();
                if every_leaf_has_a_value {
                    strict += 1;
                    assert_eq!(said(&again), said(&document), "{name}");
                }
            }
            Err(error) => refused.push(format!("{name}: {error}")),
        }
        for separators in ["|^~\\&", "$%@!*#"] {
            let again = laws::written_again(&document, separators);
            assert!(again || !refused.is_empty(), "{name}");
        }
    }
    println!("{written} messages are written, {strict} of them with a value at every place; refused:");
    refused.iter().for_each(|refused| println!("      {refused}"));
    assert!(written > 1100 && strict * 100 > written * 98 && refused.len() < 10);
}

#[test]
fn the_laws_hold_for_every_file() {
    let Some(files) = corpus_files() else { return };
    for (name, bytes) in files {
        for law in [laws::parse, laws::split, laws::ack, laws::header] {
            let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| law(&bytes)));
            assert!(held.is_ok(), "{name}");
        }
    }
}

#[test]
fn what_declares_no_charset_is_detected_where_the_channel_says_so() {
    let Some(files) = corpus_files() else { return };
    let detect = Hl7Parser { undeclared: Undeclared::Detect };
    let gb18030 = Hl7Parser::with_charset(Charset::from_name("GB18030"));
    let mut detected = 0;
    for (name, bytes) in files {
        match (Hl7Parser::default().read(&bytes), detect.read(&bytes)) {
            (Ok(document), Ok(found)) => assert!(found.tree() == document.tree(), "{name}"),
            (Err(_), Ok(found)) => {
                assert_eq!(found.charset(), Charset::Gb18030, "{name}");
                assert!(found.tree() == gb18030.read(&bytes).unwrap().tree(), "{name}");
                detected += 1;
            }
            (Ok(_), Err(error)) => println!("{name}: {error}"),
            (Err(_), Err(_)) => {}
        }
    }
    assert!(detected >= 6);
}

#[test]
fn most_kinds_of_messages_have_a_group_structure() {
    let Some(messages) = messages() else { return };
    let mut kinds: BTreeMap<String, (u32, Option<&'static str>)> = BTreeMap::new();
    for (_, bytes) in &messages {
        let Ok(document) = Hl7Parser::default().read(bytes) else { continue };
        let kind = Header::read(bytes).unwrap().message_type().to_string();
        let entry = kinds.entry(kind).or_default();
        *entry = (entry.0 + 1, document.structure());
    }
    let with = |known: bool| {
        let wanted = kinds.iter().filter(move |(_, (_, structure))| structure.is_some() == known);
        wanted.map(|(kind, (count, structure))| (kind.as_str(), *count, *structure)).collect::<Vec<_>>()
    };
    let (known, flat) = (with(true), with(false));
    let sum = |kinds: &[(&str, u32, Option<&str>)]| kinds.iter().map(|(_, count, _)| count).sum::<u32>();
    println!("{} kinds of messages have a structure ({} messages):", known.len(), sum(&known));
    for (kind, count, structure) in &known {
        println!("{count:6}  {kind:10} {}", structure.unwrap_or_default());
    }
    println!("{} kinds end flat ({} messages):", flat.len(), sum(&flat));
    flat.iter().for_each(|(kind, count, _)| println!("{count:6}  {kind}"));
    // What ends flat names no kind, or one of its sender's own.
    let standard = |kind: &str| !kind.is_empty() && !["CUSTOM^PAT", "ZDT^Z01"].contains(&kind);
    assert!(flat.iter().all(|(kind, ..)| !standard(kind)), "{flat:?}");
}
