//! What the invariants of a resource cost. Prints; run it by hand, optimised:
//! `cargo test --release -p hub-fhirpath --test speed -- --ignored --nocapture`.

#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "a measurement tells its numbers, and stops at what cannot be")]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use hub_fhir::{Object, json};
use hub_fhirpath::{Environment, check_invariants};
use time::macros::datetime;

fn example(name: &str) -> Option<Object> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let corpus = std::env::var("HUITONG_CORPUS").map_or_else(|_| root.join("../shared/data"), PathBuf::from);
    let text = std::fs::read_to_string(corpus.join("fhir-examples/r4b").join(name)).ok()?;
    Some(json::parse(&text).unwrap().as_object().unwrap().clone())
}

#[test]
#[ignore = "a measurement"]
fn the_invariants_of_three_resources() {
    let now = datetime!(2026-11-26 08:30 +08:00);
    for name in ["patient-example-xds.json", "observation-example-bloodpressure-cancel.json", "bundle-references.json", "bundle-lipids.json", "conceptmaps.json"] {
        let Some(tree) = example(name) else { continue };
        let environment = Environment::of(&tree, now);
        let start = Instant::now();
        let checked = check_invariants(&tree, &environment);
        let first = start.elapsed();
        let round = || {
            let start = Instant::now();
            for _ in 0..20 {
                black_box(check_invariants(&tree, &environment));
            }
            start.elapsed().as_secs_f64() * 1e6 / 20.0
        };
        let best = (0..10).map(|_| round()).fold(f64::INFINITY, f64::min);
        let structure = || {
            let start = Instant::now();
            for _ in 0..20 {
                black_box(hub_fhir::validate(&tree));
            }
            start.elapsed().as_secs_f64() * 1e6 / 20.0
        };
        let structure = (0..10).map(|_| structure()).fold(f64::INFINITY, f64::min);
        eprintln!(
            "{name}: {} bytes, {} rules, first {:.1} µs, then {best:.1} µs; structure alone {structure:.1} µs",
            hub_fhir::Json::Object(tree.clone()).to_text().len(),
            checked.looked_at,
            first.as_secs_f64() * 1e6
        );
    }
}
