//! `docs/formats.md` tells of every key of every layout, and whether it is read, written or both.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hub_core::registry::Settings;
use hub_formats::{FORMATS, parser, writer};

/// The keys that a format knows, by what it says of one that it does not.
fn known(said: &str) -> BTreeSet<String> {
    let Some((_, words)) = said.split_once("expected ") else { return BTreeSet::new() };
    words.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn of(format: &str, written: bool) -> BTreeSet<String> {
    let unknown: Settings = "no_such_key = 1".parse().unwrap();
    let said = if written {
        writer(format, &unknown).err().unwrap().to_string()
    } else {
        parser(format, None, &unknown).err().unwrap().to_string()
    };
    known(&said)
}

/// The keys told of a format that are read, or written.
fn told(page: &str, format: &str, written: bool) -> BTreeSet<String> {
    let chapter = page.split(&format!("\n## {format}\n")).nth(1).unwrap();
    let chapter = chapter.split("\n## ").next().unwrap();
    let rows = chapter.lines().filter(|line| line.starts_with("| `"));
    let is_yes = |row: &&str| {
        let cells: Vec<&str> = row.split(" | ").map(str::trim).collect();
        // A separator may stand in the second cell: the marks are counted from the end.
        let from_end = if written { 2 } else { 3 };
        cells[cells.len() - from_end].trim_matches('|').trim() == "yes"
    };
    rows.filter(is_yes).map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn the_page_of_formats_tells_of_every_key_there_is() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md")).unwrap();
    for format in FORMATS {
        for written in [false, true] {
            assert_eq!(told(&page, format, written), of(format, written), "{format}, written: {written}");
        }
    }
}
