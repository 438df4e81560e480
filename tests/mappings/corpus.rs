//! Every ADT and ORU message of the corpus: the share that maps, and why the others do not.

use std::collections::BTreeMap;
use std::fs;

use crate::house::{self, Mappings};

/// The messages of one kind and what became of them.
#[derive(Default)]
struct Tally {
    messages: usize,
    mapped: usize,
    faults: BTreeMap<String, Vec<String>>,
}

#[test]
fn the_corpus_maps_or_says_why_not() {
    let folders: Vec<_> = ["hl7v2", "v2-to-fhir-pairs"].into_iter().filter_map(house::corpus).collect();
    if folders.is_empty() {
        return;
    }
    let mappings = Mappings::of_the_house();
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for path in folders.iter().flat_map(|folder| house::files(folder)) {
        if path.extension().is_none_or(|extension| extension != "hl7") {
            continue;
        }
        let bytes = fs::read(&path).expect("a file of the corpus can be read");
        for message in house::messages(&bytes) {
            let kind = house::message_type(&message);
            let code = if kind.starts_with("ADT^") { "ADT" } else { "ORU" };
            if !(code == "ADT" && accepted(&kind) || kind == "ORU^R01") {
                continue;
            }
            let tally = tallies.entry(code).or_default();
            tally.messages += 1;
            let mapping = mappings.for_type(code).expect("both kinds have a mapping");
            match house::run(mapping, &message) {
                Ok(_) => tally.mapped += 1,
                Err(fault) => {
                    let rule = fault.rule.as_deref().unwrap_or("");
                    let group = format!("{}: {} ({rule})", fault.step.name(), fault.reason);
                    let place = fault.place.unwrap_or_default();
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    tally.faults.entry(group).or_default().push(format!("{name} {place}"));
                }
            }
        }
    }
    for (code, tally) in &tallies {
        println!("{code}: {} of {} messages map", tally.mapped, tally.messages);
        let mut faults: Vec<_> = tally.faults.iter().collect();
        faults.sort_by_key(|(_, files)| std::cmp::Reverse(files.len()));
        for (group, files) in faults {
            println!("  {:4} {group}", files.len());
            for file in files.iter().take(if std::env::var_os("HUITONG_SHOW").is_some() { 400 } else { 3 }) {
                println!("         {file}");
            }
        }
        // Nothing but a mapping fault with its reason is allowed, and most messages have nothing wrong.
        assert!(tally.mapped * 2 > tally.messages, "{code}: too few messages map");
    }
}

/// The events `channels/his/adt.toml` accepts.
pub fn accepted(kind: &str) -> bool {
    let events =
        ["A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A11", "A12", "A13", "A28", "A31", "A40"];
    kind.strip_prefix("ADT^").is_some_and(|event| events.contains(&event))
}
