//! Sequences of commits against a model in memory: what the writer remembers of resources is what the database has.

use std::collections::BTreeMap;

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Resources, Searches};
use hub_fhir::json::{self, Json, Object};
use hub_fhir::merge::merge;
use hub_fhir::search::parse;
use hub_fhir::{Prepared, Resource, ResourceType};
use hub_store::Store;
use proptest::prelude::*;

use crate::conformance::{reference, resource};
use crate::model::block_on;
use crate::place::Place;

const BODIES: [&str; 4] = [
    r#""status":"active","name":"North""#,
    r#""name":"South","identifier":[{"system":"urn:ward","value":"7"}]"#,
    r#""identifier":[{"system":"urn:ward","value":"8"}],"status":"active""#,
    r#""status":"suspended""#,
];

#[derive(Clone, Debug)]
enum Act {
    Put(usize, usize),
    Merge(usize, usize, bool),
    Ensure(usize, usize),
    Delete(usize),
    /// From the version that is there, or from one that is not.
    PutIf(usize, usize, bool),
}

fn act() -> impl Strategy<Value = Act> {
    let (id, body) = (0..3_usize, 0..BODIES.len());
    prop_oneof![
        2 => (id.clone(), body.clone()).prop_map(|(id, body)| Act::Put(id, body)),
        6 => (id.clone(), body.clone(), any::<bool>()).prop_map(|(id, body, clear)| Act::Merge(id, body, clear)),
        1 => (id.clone(), body.clone()).prop_map(|(id, body)| Act::Ensure(id, body)),
        1 => id.clone().prop_map(Act::Delete),
        1 => (id, body, prop::bool::weighted(0.8)).prop_map(|(id, body, is)| Act::PutIf(id, body, is)),
    ]
}

fn location(id: usize, body: usize) -> Resource {
    resource(&format!(r#"{{"resourceType":"Location","id":"l{id}",{}}}"#, BODIES[body]))
}

/// All versions of a resource: what each says, `None` where it was deleted.
type Versions = Vec<Option<Object>>;
type Model = BTreeMap<usize, Versions>;

fn digest(tree: &Object) -> [u8; 16] {
    Prepared::of(&Resource::from_tree(Json::Object(tree.clone())).unwrap()).digest
}

/// What the act makes of the model; `false` when the commit must be refused.
fn apply(model: &mut Model, act: &Act) -> bool {
    let (id, next) = match act {
        Act::Put(id, body) | Act::PutIf(id, body, _) | Act::Ensure(id, body) | Act::Merge(id, body, _) => {
            (*id, Some(location(*id, *body).tree().clone()))
        }
        Act::Delete(id) => (*id, None),
    };
    if matches!(act, Act::PutIf(_, _, false)) {
        return false;
    }
    let versions = model.entry(id).or_default();
    let current = versions.last().cloned().flatten();
    let next = match (act, &current, next) {
        (Act::Ensure(..), Some(_), _) => return true,
        (Act::Merge(_, _, clear), Some(current), Some(part)) => Some(merge(current, part, &cleared(*clear))),
        (_, _, next) => next,
    };
    if current.as_ref().map(digest) != next.as_ref().map(digest) {
        versions.push(next);
    }
    true
}

fn cleared(is: bool) -> Vec<compact_str::CompactString> {
    if is { vec!["name".into()] } else { Vec::new() }
}

fn change(act: &Act, staged: &Model) -> Change {
    match act {
        Act::Put(id, body) => Change::Put(location(*id, *body)),
        Act::Merge(id, body, clear) => {
            Change::Merge { resource: location(*id, *body), clear: cleared(*clear), initial: vec![] }
        }
        Act::Ensure(id, body) => Change::Ensure(location(*id, *body)),
        Act::Delete(id) => Change::Delete(reference(&format!("Location/l{id}"))),
        Act::PutIf(id, body, is) => {
            let version = staged.get(id).map_or(0, Vec::len) as u64;
            Change::PutIf { resource: location(*id, *body), version: if *is { version } else { 99 } }
        }
    }
}

async fn search(store: &Store, name: &str, value: &str) -> Vec<String> {
    let pairs = [(name.to_owned(), value.to_owned())];
    let page =
        store.search(&parse(ResourceType::from_name("Location").unwrap(), &pairs).unwrap()).await.unwrap();
    let mut found: Vec<String> = page.matches.iter().map(|stored| stored.reference.id.to_string()).collect();
    found.sort();
    found
}

/// The resources of the model whose current text has this.
fn holding(model: &Model, text: &str) -> Vec<String> {
    let is_holding = |versions: &Versions| {
        versions.last().cloned().flatten().is_some_and(|tree| Json::Object(tree).to_text().contains(text))
    };
    model.iter().filter(|(_, versions)| is_holding(versions)).map(|(id, _)| format!("l{id}")).collect()
}

async fn check(store: &Store, model: &Model) {
    for (id, versions) in model {
        let history = store.history(&reference(&format!("Location/l{id}")), None, 1_000).await.unwrap();
        assert_eq!(history.len(), versions.len());
        for (stored, expected) in history.iter().rev().zip(versions) {
            assert_eq!(stored.deleted, expected.is_none());
            let Some(expected) = expected else { continue };
            let Ok(Json::Object(tree)) = json::parse(std::str::from_utf8(&stored.body).unwrap()) else {
                panic!()
            };
            assert_eq!(digest(&tree), digest(expected));
        }
    }
    assert_eq!(search(store, "identifier", "urn:ward|7").await, holding(model, "\"7\""));
    assert_eq!(search(store, "identifier", "urn:ward|8").await, holding(model, "\"8\""));
    assert_eq!(search(store, "name", "North").await, holding(model, "North"));
    assert_eq!(search(store, "name", "South").await, holding(model, "South"));
    assert_eq!(search(store, "status", "active").await, holding(model, "\"active\""));
}

/// Each round hands its commits over at once, so that several stand in one transaction; now and then the store is opened anew.
async fn run(place: &Place, rounds: Vec<(bool, Vec<Vec<Act>>)>) {
    let mut store = place.open().await;
    let mut model = Model::new();
    for (is_reopened, commits) in rounds {
        if is_reopened {
            store.close().await;
            drop(store);
            store = place.open().await;
        }
        let (mut handed, mut expected) = (Vec::new(), Vec::new());
        for acts in &commits {
            let mut staged = model.clone();
            let mut changes = Vec::new();
            let mut is_good = true;
            for act in acts {
                changes.push(change(act, &staged));
                is_good &= apply(&mut staged, act);
            }
            if is_good {
                model = staged;
            }
            expected.push(is_good);
            let commit = Commit { changes, ..Commit::default() };
            handed.push(store.commit(Cause::Timer { name: "model" }, commit));
        }
        let done = futures_util::future::join_all(handed).await;
        assert_eq!(done.iter().map(Result::is_ok).collect::<Vec<_>>(), expected);
        check(&store, &model).await;
    }
}

fn round() -> impl Strategy<Value = (bool, Vec<Vec<Act>>)> {
    let commits = prop::collection::vec(prop::collection::vec(act(), 1..4), 1..4);
    (prop::bool::weighted(0.1), commits)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn versions_and_searches_are_those_of_the_model(rounds in prop::collection::vec(round(), 1..12)) {
        Place::both().iter().for_each(|place| block_on(run(place, rounds.clone())));
    }
}
