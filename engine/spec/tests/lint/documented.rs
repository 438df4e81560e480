//! `docs/channels.md` tells of every key that is read, and of no other.

use hub_spec::{KEYS, Need};

/// The rows of the tables of the document: the table's name, the key, the default.
fn rows(document: &str) -> Vec<(String, String, String)> {
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
        rows.push((table.clone(), key.to_owned(), default.to_owned()));
    }
    rows
}

#[test]
fn the_reference_tells_of_every_key_and_its_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/channels.md");
    let told = rows(&std::fs::read_to_string(path).unwrap());
    let read = KEYS.iter().map(|info| {
        let default = match info.need {
            Need::Required => "must be there",
            Need::Default(default) => default,
        };
        (info.table.to_owned(), info.key.to_owned(), default.to_owned())
    });
    assert_eq!(told, read.collect::<Vec<_>>());
}
