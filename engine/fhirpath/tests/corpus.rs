//! Every search parameter and every invariant of R4B is read, and holds on the official examples.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test says when it cannot run, and stops at what cannot be"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use hub_fhir::{Json, Object, ResourceType, json};
use hub_fhirpath::{Environment, Expression, On, broken_invariants, invariants};
use time::macros::datetime;

/// The corpus; `None`, with a word about it, where it is not at hand.
fn corpus() -> Option<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let corpus = std::env::var("HUITONG_CORPUS").map_or_else(|_| root.join("../shared/data"), PathBuf::from);
    if corpus.is_dir() {
        return Some(corpus);
    }
    eprintln!("not run: there is no corpus; set HUITONG_CORPUS");
    None
}

/// The resources of a Bundle of definitions.
fn definitions(corpus: &std::path::Path, name: &str) -> Vec<Object> {
    let file = std::fs::File::open(corpus.join(format!("fhir-definitions/r4b-4.3.0/{name}.json.gz"))).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let bundle = json::parse(&text).unwrap();
    let entries = bundle.get("entry").unwrap().items().iter();
    entries.map(|entry| entry.get("resource").unwrap().as_object().unwrap().clone()).collect()
}

/// Every official example.
fn examples(corpus: &std::path::Path) -> Vec<(String, Object)> {
    let mut examples = Vec::new();
    for file in std::fs::read_dir(corpus.join("fhir-examples/r4b")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            let tree = json::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
            examples.push((name, tree.as_object().unwrap().clone()));
        }
    }
    examples.sort_by(|a, b| a.0.cmp(&b.0));
    examples
}

fn text<'a>(tree: &'a Object, name: &str) -> &'a str {
    tree.get(name).and_then(Json::as_str).unwrap_or_default()
}

#[test]
fn every_search_parameter_is_read_and_evaluated_on_every_example_of_its_type() {
    let Some(corpus) = corpus() else { return };
    let examples = examples(&corpus);
    let now = datetime!(2026-11-26 08:00 +08:00);
    let (mut compiled, mut evaluated, mut values) = (0, 0, 0);
    let mut wrong = Vec::new();
    for parameter in definitions(&corpus, "search-parameters") {
        let source = text(&parameter, "expression");
        if source.is_empty() {
            continue;
        }
        for base in parameter.get("base").unwrap().items() {
            let base = base.as_str().unwrap();
            let expression = match Expression::compile(source, &On::the(base).unwrap()) {
                Ok(expression) => expression,
                Err(error) => {
                    wrong.push(format!("{} on {base}: {error}", text(&parameter, "id")));
                    continue;
                }
            };
            compiled += 1;
            let is_of = |tree: &Object| base == "Resource" || base == "DomainResource" || text(tree, "resourceType") == base;
            for (name, tree) in examples.iter().filter(|(_, tree)| is_of(tree)) {
                match expression.evaluate_resource(tree, &Environment::of(tree, now)) {
                    Ok(items) => {
                        evaluated += 1;
                        values += items.len();
                    }
                    Err(error) => wrong.push(format!("{} on {name}: {error}", text(&parameter, "id"))),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("{compiled} expressions, {evaluated} evaluations, {values} values");
}

#[test]
fn every_invariant_is_read() {
    let wrong: Vec<String> = invariants::all()
        .iter()
        .filter_map(|rule| Some(format!("{} of {}: {}", rule.key, rule.owner, rule.compiled().err()?)))
        .collect();
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_invariants_hold_on_the_official_examples() {
    let Some(corpus) = corpus() else { return };
    let mut broken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, tree) in examples(&corpus) {
        for issue in broken_invariants(&tree, &Environment::of(&tree, datetime!(2026-11-26 08:00 +08:00))) {
            broken.entry(issue.what.clone()).or_default().insert(format!("{name} {}", issue.path));
        }
    }
    let shown: Vec<String> = broken.iter().map(|(what, places)| {
        format!("{what}: {} {:?}", places.len(), places.iter().take(3).collect::<Vec<_>>())
    }).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn the_table_of_invariants_is_that_of_the_definitions() {
    let Some(corpus) = corpus() else { return };
    let mut keys = BTreeSet::new();
    for definition in definitions(&corpus, "profiles-types").iter().chain(&definitions(&corpus, "profiles-resources")) {
        let Some(snapshot) = definition.get("snapshot") else { continue };
        for element in snapshot.get("element").unwrap().items() {
            for rule in element.get("constraint").map(Json::items).unwrap_or_default() {
                keys.insert(rule.get("key").unwrap().as_str().unwrap().to_owned());
            }
        }
    }
    let known: BTreeSet<String> = invariants::all().iter().map(|rule| rule.key.to_owned()).collect();
    assert_eq!(known, keys);
    assert!(ResourceType::all().count() > 100);
}
