//! Every official example of R4B is found by every search parameter that its content fills, on both databases.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use hub_core::commit::Change;
use hub_core::store::Searches;
use hub_fhir::index::{Aspect, IndexRow, IndexValue, ParamId};
use hub_fhir::params::{Param, by_id};
use hub_fhir::search::{Counted, Filter, FilterOn, Prefix, Search, StringTest, Test, parse};
use hub_fhir::{Prepared, Resource, json};
use hub_store::Store;

use crate::conformance::search::write;
use crate::place::Place;

/// A parameter is asked for with the values of so many examples.
const EXAMPLES_EACH: usize = 2;

/// The examples by name; empty, with a word about it, where the corpus is not at hand.
#[expect(clippy::print_stderr, reason = "a test says when it cannot run")]
fn examples() -> BTreeMap<String, Resource> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let corpus = std::env::var("HUITONG_CORPUS").map_or_else(|_| root.join("../shared/data"), PathBuf::from);
    let Ok(folder) = std::fs::read_dir(corpus.join("fhir-examples/r4b")) else {
        eprintln!("not run: there is no corpus; set HUITONG_CORPUS");
        return BTreeMap::new();
    };
    let files =
        folder.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let resource = Resource::from_tree(json::parse(&text).unwrap()).ok()?;
        Some((resource.reference().to_string(), resource))
    };
    files.filter_map(read).collect()
}

/// What is asked for to find a row.
fn test_of(row: &IndexRow) -> Test {
    match (row.aspect, &row.value) {
        (Aspect::Value, value) => test_of_value(value),
        // What people read has no exact form.
        (aspect, IndexValue::String { normal, .. }) => {
            Test::Of(aspect, Box::new(Test::String(StringTest::Starts, normal.clone())))
        }
        (aspect, value) => Test::Of(aspect, Box::new(test_of_value(value))),
    }
}

fn test_of_value(value: &IndexValue) -> Test {
    match value {
        IndexValue::Token { system, code } => {
            Test::Token { system: Some(system.clone()), code: Some(code.clone()) }
        }
        IndexValue::String { exact, .. } => Test::String(StringTest::Exact, exact.clone()),
        IndexValue::Reference { kind, id } => Test::Reference { kind: *kind, id: id.clone() },
        IndexValue::Date { low, high } => Test::Date { prefix: Prefix::Eq, low: *low, high: *high },
        IndexValue::Number { low, high } => number(*low, *high, Counted::Anything),
        IndexValue::Measure { unit, low, high } => number(*low, *high, Counted::Unit(unit.clone())),
        IndexValue::Named { name, low, high } => number(*low, *high, Counted::Named(name.clone())),
        IndexValue::Group(_) => panic!("a group is asked for by its components"),
    }
}

fn number(low: i64, high: i64, of: Counted) -> Test {
    Test::Number { prefix: Prefix::Eq, low, high, of }
}

/// What is asked for to find a resource by a composite: a value of each component, in one element where there are several.
fn together(param: &Param, rows: &[IndexRow]) -> Option<Test> {
    let components = &hub_fhir::composite::of(param)?.components;
    let groups =
        rows.iter().filter(|row| row.param == param.id && row.aspect == Aspect::Value).filter_map(|row| {
            match &row.value {
                IndexValue::Group(group) => Some(group),
                _ => None,
            }
        });
    let groups: Vec<_> = groups.collect();
    let first = |id: ParamId| {
        rows.iter().find(|row| row.param == id && row.aspect == Aspect::Value).map(|row| &row.value)
    };
    let values: Vec<&IndexValue> = match groups
        .iter()
        .find(|group| group.iter().all(|values| !values.is_empty()))
    {
        Some(group) => group.iter().filter_map(|values| values.first()).collect(),
        None if groups.is_empty() => components.iter().map(|part| first(part.id)).collect::<Option<_>>()?,
        None => return None,
    };
    Some(Test::Together(
        components.iter().zip(values).map(|(part, value)| (part.id, test_of_value(value))).collect(),
    ))
}

async fn finds(store: &Store, resource: &Resource, param: &Param, test: Test) {
    let mut search: Search = parse(resource.kind(), &[]).unwrap();
    search.filters = vec![Filter { on: FilterOn::Param(param.id), any: vec![test], not: false }];
    search.count = 1_000;
    let reference = resource.reference();
    let page = store.search(&search).await.unwrap();
    let is_found = page.matches.iter().any(|stored| stored.reference == reference);
    assert!(is_found, "{reference} by {} {}", param.code, param.kind.name());
    // Beside another parameter it is compared and not looked up.
    search.filters.push(Filter {
        on: FilterOn::Id,
        any: vec![Test::Id(reference.id.as_str().into())],
        not: false,
    });
    assert_eq!(store.search(&search).await.unwrap().matches.len(), 1, "{reference} by {}", param.code);
    if !matches!(search.filters[0].any[0], Test::Of(..)) {
        search.filters[0].any = vec![Test::Missing(true)];
        assert!(store.search(&search).await.unwrap().matches.is_empty(), "{reference} by {}", param.code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_official_example_is_found_by_every_parameter_it_fills() {
    let examples = examples();
    for place in Place::both() {
        let store = place.open().await;
        let all: Vec<Change> = examples.values().cloned().map(Change::Put).collect();
        for changes in all.chunks(50) {
            write(&store, changes.to_vec()).await;
        }
        let mut asked: HashMap<(ParamId, Aspect), usize> = HashMap::new();
        for resource in examples.values() {
            let rows = Prepared::of(resource).rows;
            let mut found: Vec<(&Param, Aspect, Test)> = Vec::new();
            for row in &rows {
                let is_group = matches!(row.value, IndexValue::Group(_));
                if let (Some(param), false) = (by_id(row.param), is_group) {
                    found.push((param, row.aspect, test_of(row)));
                }
            }
            for param in hub_fhir::params::params_of(resource.kind()) {
                found.extend(together(param, &rows).map(|test| (param, Aspect::Value, test)));
            }
            found.dedup_by_key(|(param, aspect, _)| (param.id, *aspect));
            for (param, aspect, test) in found {
                let times = asked.entry((param.id, aspect)).or_default();
                if *times < EXAMPLES_EACH {
                    *times += 1;
                    finds(&store, resource, param, test).await;
                }
            }
        }
        assert!(examples.is_empty() || asked.len() > 500, "{} parameters are filled", asked.len());
        store.close().await;
    }
}
