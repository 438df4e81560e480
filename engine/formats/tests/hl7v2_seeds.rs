//! The laws that the fuzz targets look for, held without a fuzzer: over every seed, every fixture, and some thousand inputs
//! made from them by chance with a fixed seed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "../fuzz/laws/hl7v2.rs"]
mod laws;
#[path = "../fuzz/laws/mutate.rs"]
mod mutate;

type Law = (&'static str, fn(&[u8]));
const LAWS: [Law; 5] = [
    ("parse", laws::parse),
    ("split", laws::split),
    ("round_trip", laws::round_trip),
    ("ack", laws::ack),
    ("header", laws::header),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The seeds of all targets and the messages of `fixtures/`, in the order of their names.
fn inputs() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    LAWS.iter().for_each(|(target, _)| files(&root.join("fuzz/seeds").join(target), &mut paths));
    assert!(paths.len() > 10, "the seeds are not where they should be");
    let mut fixtures = Vec::new();
    files(&root.join("../../fixtures"), &mut fixtures);
    fixtures.retain(|path| path.extension().is_some_and(|end| end == "hl7"));
    assert!(fixtures.len() > 50, "the fixtures are not where they should be");
    paths.extend(fixtures);
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn every_law_holds_for_every_seed_and_fixture() {
    for (name, bytes) in inputs() {
        for (law, hold) in LAWS {
            assert!(
                catch_unwind(AssertUnwindSafe(|| hold(&bytes))).is_ok(),
                "{law} does not hold for {name}"
            );
        }
    }
}

#[test]
fn every_law_holds_for_inputs_made_by_chance() {
    let inputs: Vec<Vec<u8>> = inputs().into_iter().map(|(_, bytes)| bytes).collect();
    let mut chance = mutate::Chance(0x4855_4954_4F4E_4721);
    for nth in 0..3000 {
        let bytes = mutate::mutated(&inputs, &mut chance);
        for (law, hold) in LAWS {
            let holds = catch_unwind(AssertUnwindSafe(|| hold(&bytes))).is_ok();
            assert!(holds, "{law} does not hold for input {nth}: {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}
