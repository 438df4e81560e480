//! The promises of guards: what a search found is what is written on, whoever writes at the same time.

use hub_core::commit::{Change, Commit, Guard};
use hub_core::store::{Cause, Resources, Searches, StoreError};
use hub_fhir::search::parse;
use hub_fhir::{Id, ResourceType};
use hub_store::Store;
use tokio::task::JoinSet;

use super::{reference, resource};

fn cause() -> Cause {
    Cause::Command { user: "nurse".into(), request: "r-1".into() }
}

fn guard(name: &str, value: &str, finds: &[&str]) -> Guard {
    let kind = ResourceType::from_name("Patient").unwrap();
    let search = parse(kind, &[(name.to_owned(), value.to_owned())]).unwrap();
    Guard { search, finds: finds.iter().map(|id| Id::new(id).unwrap()).collect() }
}

fn numbered(id: &str, number: &str) -> Change {
    Change::Put(resource(&format!(
        r#"{{"resourceType":"Patient","id":"{id}","active":true,"identifier":[{{"system":"urn:mrn","value":"{number}"}}]}}"#
    )))
}

async fn write(store: &Store, changes: Vec<Change>, guards: Vec<Guard>) -> Result<u64, StoreError> {
    let commit = Commit { changes, guards, ..Commit::default() };
    Ok(store.commit(cause(), commit).await?.wrote.len() as u64)
}

pub async fn a_commit_whose_search_finds_something_else_writes_nothing(store: &Store) {
    let none = || guard("identifier", "urn:mrn|g1", &[]);
    let other = Change::Put(resource(r#"{"resourceType":"Patient","id":"g-other"}"#));
    assert_eq!(write(store, vec![numbered("g1", "g1")], vec![none()]).await.unwrap(), 1);
    let late = write(store, vec![numbered("g2", "g1"), other], vec![none()]).await;
    assert!(matches!(late, Err(StoreError::Overtaken)), "{late:?}");
    assert!(store.read(&reference("Patient/g2")).await.unwrap().is_none());
    assert!(store.read(&reference("Patient/g-other")).await.unwrap().is_none());
    let one = || guard("identifier", "urn:mrn|g1", &["g1"]);
    assert_eq!(write(store, vec![Change::Delete(reference("Patient/g1"))], vec![one()]).await.unwrap(), 1);
    let gone = write(store, vec![Change::Delete(reference("Patient/g1"))], vec![one()]).await;
    assert!(matches!(gone, Err(StoreError::Overtaken)), "{gone:?}");
    // Filters that an index does not lead to hold as well.
    let all = guard("active:missing", "false", &[]);
    assert_eq!(write(store, vec![], vec![all]).await.unwrap(), 0);
}

pub async fn a_delete_from_another_version_fails(store: &Store) {
    write(store, vec![numbered("d1", "d1")], vec![]).await.unwrap();
    let delete = |version| vec![Change::DeleteIf { reference: reference("Patient/d1"), version }];
    let stale = write(store, delete(2), vec![]).await;
    assert!(matches!(stale, Err(StoreError::Conflict { expected: 2, found: 1, .. })), "{stale:?}");
    assert_eq!(write(store, delete(1), vec![]).await.unwrap(), 1);
}

pub async fn a_commit_says_how_each_resource_stands(store: &Store) {
    let commit = |change| Commit { changes: vec![change], ..Commit::default() };
    let stands = async |change| store.commit(cause(), commit(change)).await.unwrap().stands.remove(0);
    assert!(stands(Change::Delete(reference("Patient/s1"))).await.is_none());
    let new = stands(numbered("s1", "s1")).await.unwrap();
    assert_eq!((new.version, new.was_there), (1, false));
    let same = stands(numbered("s1", "s1")).await.unwrap();
    assert_eq!((same.version, same.was_there, same.updated), (1, true, new.updated));
    let stored = store.read(&reference("Patient/s1")).await.unwrap().unwrap();
    assert_eq!((stored.updated, Some(stored.body)), (new.updated, new.body));
    let gone = stands(Change::Delete(reference("Patient/s1"))).await.unwrap();
    assert_eq!((gone.version, gone.was_there), (2, true));
}

/// Writers of one or several nodes, each of which looks and then writes what it has not found. `round` keeps rounds apart.
pub async fn of_many_who_look_and_then_create_one_creates(stores: &[Store], round: &str) {
    let mut writers = JoinSet::new();
    for nth in 0..64 {
        let store = stores[nth % stores.len()].clone();
        let number = format!("race-{round}");
        let id = format!("race-{round}-{nth}");
        writers.spawn(async move {
            let found = async || {
                let search = guard("identifier", &number, &[]).search;
                store.search(&search).await.unwrap().matches.len()
            };
            for _ in 0..100 {
                if found().await > 0 {
                    return 0;
                }
                let others =
                    Change::Put(resource(&format!(r#"{{"resourceType":"Patient","id":"{id}-beside"}}"#)));
                let none = guard("identifier", &number, &[]);
                match write(&store, vec![numbered(&id, &number), others], vec![none]).await {
                    Ok(_) => return 1,
                    Err(StoreError::Overtaken) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            panic!("it never came to an end");
        });
        // Writers without guards, who share the types.
        let store = stores[(nth + 1) % stores.len()].clone();
        let round = round.to_owned();
        writers.spawn(async move {
            let text = format!(r#"{{"resourceType":"Observation","id":"{round}-{nth}"}}"#);
            let changes =
                vec![numbered(&format!("plain-{round}-{nth}"), "plain"), Change::Put(resource(&text))];
            write(&store, changes, vec![]).await.unwrap();
            0
        });
    }
    let mut created = 0;
    while let Some(writer) = writers.join_next().await {
        created += writer.unwrap();
    }
    assert_eq!(created, 1, "of all who looked one creates");
    let search = guard("identifier", &format!("race-{round}"), &[]).search;
    assert_eq!(stores[0].search(&search).await.unwrap().matches.len(), 1);
}

/// Commits whose guards have nothing to do with each other share transactions, and each of those that have is decided for itself:
/// of 256 writers with 64 numbers one of each writes.
pub async fn guarded_commits_share_transactions(store: &Store) {
    let before = store.stats();
    let mut writers = JoinSet::new();
    for nth in 0..256 {
        let store = store.clone();
        let number = format!("shared-{}", nth % 64);
        writers.spawn(async move {
            let none = guard("identifier", &format!("urn:mrn|{number}"), &[]);
            let written = write(&store, vec![numbered(&format!("shared-{nth}"), &number)], vec![none]).await;
            match written {
                Ok(1) => Some(number),
                Err(StoreError::Overtaken) => None,
                other => panic!("{other:?}"),
            }
        });
    }
    let mut numbers: Vec<String> = writers.join_all().await.into_iter().flatten().collect();
    numbers.sort();
    let all = numbers.len();
    numbers.dedup();
    assert_eq!((all, numbers.len()), (64, 64), "one of each number");
    for number in numbers {
        let search = guard("identifier", &format!("urn:mrn|{number}"), &[]).search;
        assert_eq!(store.search(&search).await.unwrap().matches.len(), 1);
    }
    let transactions = store.stats().transactions - before.transactions;
    assert!(transactions < 128, "{transactions} transactions for 256 commits");
}
