//! What keeps a store small: SQLite's file gives space back, the audit trail and old versions go when their time is up.

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, End, Journal, Resources, Upkeep};
use hub_store::{Store, StoreOptions, vacuum};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::conformance::{message, reference, resource};
use crate::place::Place;

fn tomorrow() -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::days(1)
}

/// Messages of half a megabyte, received, ended and pruned.
async fn filled_and_pruned(store: &Store, count: usize) {
    let text = "x".repeat(500_000);
    for n in 0..count {
        let one = message("upkeep/large", &format!("{n}-{}", uuid::Uuid::new_v4()), &text);
        store.receive(&one).await.unwrap();
        store.end(one.head.id, End::Filtered { rule: "r".into() }, vec![]).await.unwrap();
    }
    while store.prune(tomorrow(), 10).await.unwrap() > 0 {}
}

/// The size of the file when everything is in it.
async fn size_after_closing(store: Store, folder: &TempDir) -> u64 {
    store.close().await;
    std::fs::metadata(folder.path().join("hub.db")).unwrap().len()
}

#[tokio::test]
async fn what_is_deleted_makes_the_file_smaller_while_the_hub_goes_on() {
    let place = Place::sqlite();
    let store = place.open().await;
    filled_and_pruned(&store, 60).await;
    let kept = message("upkeep/kept", "1", "text");
    let (given, received) = tokio::join!(store.shrink(), store.receive(&kept));
    received.unwrap();
    let given = given.unwrap();
    assert!(given > 20 << 20, "{given} bytes were given back");
    assert_eq!(store.shrink().await.unwrap(), 0, "what is left is for what comes");
    let size = size_after_closing(store, &place.folder).await;
    assert!(size < 6 << 20, "{size}");
    let store = place.open().await;
    assert_eq!(store.message(kept.head.id).await.unwrap().unwrap().raw.0, kept.body.0);
    store.close().await;
}

#[tokio::test]
async fn a_little_that_is_free_stays_for_what_comes() {
    let place = Place::sqlite();
    let store = place.open().await;
    filled_and_pruned(&store, 6).await;
    assert_eq!(store.shrink().await.unwrap(), 0);
    store.close().await;
}

#[tokio::test]
async fn an_old_database_keeps_its_mode_until_it_is_vacuumed() {
    let folder = TempDir::new().unwrap();
    let old = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
    old.execute_batch("PRAGMA auto_vacuum = NONE; PRAGMA journal_mode = WAL; CREATE TABLE before_us (a)")
        .unwrap();
    drop(old);
    let open = || async { Store::open(StoreOptions::new(folder.path())).await.unwrap() };
    let store = open().await;
    filled_and_pruned(&store, 60).await;
    assert_eq!(store.shrink().await.unwrap(), 0);
    assert!(vacuum(folder.path()).is_err(), "a hub uses it");
    store.close().await;
    drop(store);
    let done = vacuum(folder.path()).unwrap();
    assert!(done.before > 25 << 20 && done.after < 2 << 20, "{done:?}");
    let store = open().await;
    filled_and_pruned(&store, 60).await;
    assert!(store.shrink().await.unwrap() > 20 << 20);
    store.close().await;
}

#[tokio::test]
async fn a_folder_without_a_database_is_not_vacuumed() {
    let folder = TempDir::new().unwrap();
    assert!(vacuum(folder.path()).is_err());
    assert!(!folder.path().join("hub.db").exists());
}

#[tokio::test]
async fn old_versions_go_when_they_were_superseded_long_ago_and_the_current_one_stays() {
    for place in Place::both() {
        let store = place.open().await;
        for gender in ["male", "female", "other"] {
            let text = format!(r#"{{"resourceType":"Patient","id":"p","gender":"{gender}"}}"#);
            let changes = vec![Change::Put(resource(&text))];
            store.commit(Cause::Timer { name: "t" }, Commit { changes, ..Commit::default() }).await.unwrap();
        }
        let patient = reference("Patient/p");
        let superseded = |version| {
            let (store, patient) = (store.clone(), patient.clone());
            async move { store.vread(&patient, version).await.unwrap().unwrap().updated }
        };
        // The first was superseded when the second was written.
        let second = superseded(2).await;
        assert_eq!(store.forget_history(second).await.unwrap(), 0);
        assert_eq!(store.forget_history(second + time::Duration::microseconds(1)).await.unwrap(), 1);
        assert!(store.vread(&patient, 1).await.unwrap().is_none());
        assert!(store.vread(&patient, 2).await.unwrap().is_some());
        assert_eq!(store.forget_history(tomorrow()).await.unwrap(), 1);
        assert_eq!(store.forget_history(tomorrow()).await.unwrap(), 0);
        assert!(store.read(&patient).await.unwrap().is_some());
        let left = store.history(&patient, None, 10).await.unwrap();
        assert_eq!(left.iter().map(|stored| stored.version).collect::<Vec<_>>(), [3]);
        store.close().await;
    }
}

#[tokio::test]
async fn the_audit_trail_goes_from_its_old_end_a_slice_at_a_time() {
    for place in Place::both() {
        let store = place.open().await;
        for _ in 0..5 {
            store.commit(Cause::Timer { name: "t" }, Commit::default()).await.unwrap();
        }
        let long_ago = OffsetDateTime::now_utc() - time::Duration::days(1);
        assert_eq!(store.forget_audit(long_ago, 10).await.unwrap(), 0);
        assert_eq!(store.forget_audit(tomorrow(), 3).await.unwrap(), 3);
        assert_eq!(store.forget_audit(tomorrow(), 3).await.unwrap(), 2);
        assert_eq!(store.forget_audit(tomorrow(), 3).await.unwrap(), 0);
        store.close().await;
    }
}
