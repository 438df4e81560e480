//! The database's own account of how it runs the searches that must be fast.

use hub_fhir::ResourceType;
use hub_fhir::parameters::Parameters;
use hub_fhir::search::{Search, parse_across};
use hub_fhir::{Reference, compartments};
use tempfile::TempDir;

use crate::open::{Store, StoreOptions};
use crate::search::keys::{self, Leg, Way};

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn searches(kinds: &str, query: &str) -> Vec<Search> {
    let kinds: Vec<ResourceType> = kinds.split(',').filter_map(ResourceType::from_name).collect();
    parse_across(&kinds, &pairs(query), None, Parameters::of_r4b()).unwrap()
}

/// The plan of a page of a search, one step a line.
async fn plan(store: &Store, kinds: &str, query: &str, walks: bool) -> String {
    plan_of(store, &searches(kinds, query), walks).await
}

async fn plan_of(store: &Store, searches: &[Search], walks: bool) -> String {
    let searcher = store.searcher();
    let mut legs = searcher.legs(&searches.iter().collect::<Vec<_>>()).await.unwrap();
    if walks {
        legs.iter_mut().for_each(|leg| leg.way = Way::Walk);
    }
    let parts: Vec<_> = legs.iter().map(|leg: &Leg<'_>| (leg, leg.parts()[0])).collect();
    let mut sql = store.inner.readers.sql("EXPLAIN QUERY PLAN ");
    keys::page(&mut sql, &parts, 21);
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
            && ![
                "SCAN k",
                "SCAN j",
                "SCAN a",
                "SCAN l",
                "SCAN u",
                "SCAN f",
                "SCAN g",
                "SCAN w",
                "SCAN CONSTANT",
            ]
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

#[tokio::test]
async fn several_types_are_walked_in_one_order() {
    let (store, _folder) = open().await;
    for (query, walks) in [("_tag=x", false), ("_sort=-_lastUpdated", true), ("_sort=_id", true)] {
        let plan = plan(&store, "Patient,Observation,Encounter", query, walks).await;
        assert!(!scans_a_table(&plan), "{query}:\n{plan}");
    }
}

#[tokio::test]
async fn what_is_in_a_compartment_is_looked_up_by_its_references() {
    let (store, _folder) = open().await;
    let focus = Reference::parse("Patient/1").unwrap();
    for query in ["code=x&_sort=-date", "_filter=code eq x or status eq final", "_sort=encounter.date"] {
        let mut searches = searches("Observation", query);
        let filter = compartments::filter(&focus, searches[0].kind).unwrap();
        searches[0].filters.push(filter);
        let plan = plan_of(&store, &searches, false).await;
        assert!(plan.contains("SEARCH x USING PRIMARY KEY (param=? AND target=?"), "{query}:\n{plan}");
        assert!(!scans_a_table(&plan), "{query}:\n{plan}");
    }
}
