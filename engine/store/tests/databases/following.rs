//! Who follows a history by its times misses nothing, also when two nodes commit in another order than that of their times.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, ChangesOf, ChangesQuery, Resources};
use hub_fhir::ResourceType;
use hub_store::{Store, StoreOptions};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::task::JoinSet;

use crate::conformance::resource;
use crate::place::Place;
use crate::postgres;

/// Writes `size` resources at a time until it is told to stop; gives what it has written.
async fn write(store: Store, name: String, size: usize, stop: Arc<AtomicBool>) -> BTreeSet<String> {
    let mut wrote = BTreeSet::new();
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let ids: Vec<String> = (0..size).map(|nth| format!("{name}-{round}-{nth}")).collect();
        let put = |id: &String| {
            let text = format!(r#"{{"resourceType":"Basic","id":"{id}","code":{{"text":"x"}}}}"#);
            Change::Put(resource(&text))
        };
        let commit = Commit { changes: ids.iter().map(put).collect(), ..Commit::default() };
        store.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
        wrote.extend(ids);
    }
    wrote
}

/// What was written from a moment on, newest first, page by page.
async fn since(store: &Store, since: Option<OffsetDateTime>) -> Vec<(String, OffsetDateTime)> {
    let of = ChangesOf::Type(ResourceType::from_name("Basic").unwrap());
    let mut query = ChangesQuery { of, since, at: None, after: None, count: 50 };
    let mut found = Vec::new();
    loop {
        let page = store.changes(&query).await.unwrap();
        let Some((_, place)) = page.last() else { return found };
        query.after = Some(*place);
        found.extend(page.iter().map(|(stored, _)| (stored.reference.id.to_string(), stored.updated)));
    }
}

/// Follows as a client does: it asks for what came since the newest that it was told.
async fn follow(
    store: &Store,
    stop: &AtomicBool,
    seen: &mut BTreeSet<String>,
    newest: &mut Option<OffsetDateTime>,
) -> u32 {
    let mut looks = 0;
    loop {
        let is_last = stop.load(Ordering::Relaxed);
        let news = since(store, *newest).await;
        *newest = news.iter().map(|(_, at)| *at).max().or(*newest);
        seen.extend(news.into_iter().map(|(id, _)| id));
        looks += 1;
        if is_last {
            return looks;
        }
    }
}

async fn nothing_is_missed(nodes: &[Store]) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for (nth, store) in nodes.iter().enumerate() {
        // Large transactions take long from their time to their end, small ones do not.
        for size in [1, 150] {
            writers.spawn(write(store.clone(), format!("n{nth}s{size}"), size, stop.clone()));
        }
    }
    let (ended, follower) = (Arc::new(AtomicBool::new(false)), nodes[0].clone());
    let told = ended.clone();
    let following = tokio::spawn(async move {
        let (mut seen, mut newest) = (BTreeSet::new(), None);
        let looks = follow(&follower, &told, &mut seen, &mut newest).await;
        (seen, looks)
    });
    tokio::time::sleep(Duration::from_secs(6)).await;
    stop.store(true, Ordering::Relaxed);
    let wrote: BTreeSet<String> = writers.join_all().await.into_iter().flatten().collect();
    ended.store(true, Ordering::Relaxed);
    let (seen, looks) = following.await.unwrap();
    let missed: Vec<&String> = wrote.difference(&seen).collect();
    assert!(missed.is_empty(), "{} of {} in {looks} looks: {missed:?}", missed.len(), wrote.len());
    assert!(looks > 5 && wrote.len() > 300, "{looks} looks at {}", wrote.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_history_by_its_times_misses_nothing() {
    for place in Place::both() {
        nothing_is_missed(&[place.open().await]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_history_of_two_nodes_misses_nothing() {
    let (url, folder) = (postgres::shared().database(), TempDir::new().unwrap());
    let mut nodes = Vec::new();
    for name in ["a", "b"] {
        let options = StoreOptions::postgres(&url, folder.path());
        nodes.push(Store::open(StoreOptions { node: name.to_owned(), ..options }).await.unwrap());
    }
    nothing_is_missed(&nodes).await;
}
