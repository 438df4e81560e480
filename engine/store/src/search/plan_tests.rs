//! The database's own account of how it runs the searches that must be fast.

use hub_fhir::ResourceType;
use hub_fhir::search::{Search, parse};
use tempfile::TempDir;

use crate::clock;
use crate::open::{Store, StoreOptions};
use crate::search::filters::Compiler;
use crate::search::keys::{self, Way};
use crate::search::order::Order;

/// The plan of a page of a search, one step a line.
async fn plan(store: &Store, kind: &str, query: &str, walks: bool) -> String {
    let pairs: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let search: Search = parse(ResourceType::from_name(kind).unwrap(), &pairs).unwrap();
    let compiler = Compiler { words: &store.inner.words, now: clock::now(), kind: search.kind };
    let order = Order::of(&search.sort, &store.inner.words);
    let way = if walks {
        Way::Walk
    } else {
        store.searcher().choose_way(&search, &compiler, &order).await.unwrap()
    };
    let part = keys::parts(&way, &order, None)[0];
    let mut sql = store.inner.readers.sql("EXPLAIN QUERY PLAN ");
    keys::page(&mut sql, &search, &compiler, &order, part, 21);
    let rows = store.inner.readers.fetch_all(sql).await.unwrap();
    rows.iter().map(|row| row.get::<String>(3).unwrap()).collect::<Vec<_>>().join("\n")
}

async fn open() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    (Store::open(StoreOptions::new(folder.path())).await.unwrap(), folder)
}

fn scans_a_table(plan: &str) -> bool {
    plan.lines().any(|step| {
        step.starts_with("SCAN")
            && !["SCAN k", "SCAN j", "SCAN f", "SCAN g", "SCAN w", "SCAN CONSTANT"]
                .iter()
                .any(|ok| step.starts_with(ok))
    })
}

#[tokio::test]
async fn a_patient_is_found_by_identifier_through_the_token_tree() {
    let (store, _folder) = open().await;
    let plan = plan(&store, "Patient", "identifier=urn:mrn|17", false).await;
    assert!(plan.contains("SEARCH x USING PRIMARY KEY (param=? AND code=?)"), "{plan}");
    assert!(plan.contains("SEARCH r USING INTEGER PRIMARY KEY (rowid=?)"), "{plan}");
    assert!(!scans_a_table(&plan), "{plan}");
}

#[tokio::test]
async fn observations_of_a_patient_are_probed_for_their_code_and_sorted() {
    let (store, _folder) = open().await;
    let plan = plan(&store, "Observation", "patient=p1&code=718-7&_sort=-date", false).await;
    assert!(plan.contains("SEARCH x USING PRIMARY KEY (param=? AND target=?"), "{plan}");
    assert!(plan.contains("USING PRIMARY KEY (param=? AND code=? AND rid=?)"), "{plan}");
    assert!(!scans_a_table(&plan), "{plan}");
}

#[tokio::test]
async fn common_dates_are_walked_in_the_order_of_their_tree() {
    let (store, _folder) = open().await;
    let plan = plan(&store, "Appointment", "date=ge2024-05-01&_sort=date", true).await;
    assert!(plan.contains("SEARCH x USING PRIMARY KEY (param=? AND long=? AND low>? AND low<?)"), "{plan}");
    assert!(!scans_a_table(&plan), "{plan}");
}

#[tokio::test]
async fn the_newest_of_a_type_are_walked_by_their_time() {
    let (store, _folder) = open().await;
    let plan = plan(&store, "Patient", "gender:not=male", true).await;
    assert!(plan.contains("INDEX resource_updated (type=?)"), "{plan}");
    assert!(!scans_a_table(&plan), "{plan}");
}

#[tokio::test]
async fn numbers_are_looked_up_in_their_tree() {
    let (store, _folder) = open().await;
    for (query, walks) in [
        ("value-quantity=gt5|http://unitsofmeasure.org|mg", false),
        ("value-quantity=5.4", false),
        ("value-quantity=5||mg", false),
        ("code-value-quantity=x$gt5", false),
        ("_sort=-value-quantity&value-quantity=gt5", true),
    ] {
        let plan = plan(&store, "Observation", query, walks).await;
        let tree = if query.starts_with("code-") {
            "SEARCH x USING PRIMARY KEY (param=? AND code=?"
        } else {
            "SEARCH x USING PRIMARY KEY (param=? AND unit=? AND long=? AND low>? AND low<?)"
        };
        assert!(plan.contains(tree), "{query}:\n{plan}");
        assert!(!scans_a_table(&plan), "{query}:\n{plan}");
    }
}

#[tokio::test]
async fn what_is_looked_through_is_found_by_its_trees() {
    let (store, _folder) = open().await;
    for (kind, query, walks) in [
        ("Observation", "patient.identifier=urn:mrn|17", false),
        ("Observation", "patient.identifier=urn:mrn|17", true),
        ("Observation", "subject:Patient.family=wang&code=x&_sort=-date", false),
        ("Observation", "encounter.subject:Patient.identifier=1", false),
        ("Patient", "_has:Observation:patient:code=718-7", false),
        ("Patient", "_has:Observation:patient:code=718-7", true),
        ("Patient", "_has:Observation:patient:encounter.identifier=1", false),
        ("ValueSet", "url:below=http://a", false),
        ("Observation", "code:text=hem", false),
        ("Observation", "subject:identifier=urn:mrn|17", false),
        ("Patient", "identifier:of-type=urn:t|MR|17", false),
        ("Patient", "name=wang xm", false),
        ("Patient", "_list=17", false),
    ] {
        let plan = plan(&store, kind, query, walks).await;
        assert!(!scans_a_table(&plan), "{kind}?{query}:\n{plan}");
    }
}
