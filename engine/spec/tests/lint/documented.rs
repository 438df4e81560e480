//! `docs/channels.md` tells of every key that is read, and of no other.

use hub_spec::{KEYS, Need, Takes};

/// A row of the document: the table's name, the key, the default, the meaning.
type Row = (String, String, String, String);

/// The rows of the tables of the document.
fn rows(document: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut table = None;
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let name = heading.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(name, _)| name);
            table = match name {
                Some("[keys]") | None => None,
                Some(name) => Some(name.trim_matches(['[', ']']).to_owned()),
            };
            if heading == "The top" {
                table = Some(String::new());
            }
        }
        let Some(row) = line.strip_prefix("| `") else { continue };
        let (Some(table), Some((key, rest))) = (&table, row.split_once('`')) else { continue };
        let default = rest.split('|').nth(1).unwrap_or_default().trim();
        let about = rest.splitn(3, '|').nth(2).unwrap_or_default().trim().trim_end_matches('|').trim();
        rows.push((table.clone(), key.to_owned(), default.to_owned(), about.to_owned()));
    }
    rows
}

#[test]
fn the_reference_tells_of_every_key_its_default_and_its_meaning() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/channels.md");
    let told = rows(&std::fs::read_to_string(path).unwrap());
    let read = KEYS.iter().map(|info| {
        let default = match info.need {
            Need::Required => "must be there",
            Need::Default(default) => default,
        };
        (info.table.to_owned(), info.key.to_owned(), default.to_owned(), info.about.to_owned())
    });
    assert_eq!(told, read.collect::<Vec<_>>());
}

#[test]
fn of_every_key_it_is_said_what_it_takes() {
    let unsaid: Vec<_> = KEYS.iter().filter(|info| info.takes == Takes::Unsaid).collect();
    assert_eq!(unsaid, Vec::<&hub_spec::KeyInfo>::new());
    let tables = KEYS.iter().filter_map(|info| match info.takes {
        Takes::Table(name) | Takes::Tables(name) => Some(name),
        _ => None,
    });
    for table in tables {
        assert!(KEYS.iter().any(|info| info.table == table), "{table} has keys");
    }
}
