//! Search parameters of the server's own while things happen: writers on other nodes, restarts, nodes of an earlier version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hub_core::commit::Change;
use hub_core::store::{Searches, Upkeep};
use hub_fhir::Resource;
use hub_store::{Store, StoreOptions};
use sqlx::{Connection, PgConnection};

use crate::conformance::own_parameters::{
    a_parameter_goes_and_comes_back_as_another, definition, index_all,
    own_parameters_find_what_their_definitions_say, refused, search,
};
use crate::conformance::resource;
use crate::conformance::search::write;
use crate::place::Place;

const BEAT: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_the_servers_own_keep_their_promises() {
    for place in Place::both() {
        let store = place.open().await;
        own_parameters_find_what_their_definitions_say(&store, &store).await;
        a_parameter_goes_and_comes_back_as_another(&store, &store).await;
        store.close().await;
    }
}

fn basic(id: &str, n: usize) -> Resource {
    resource(&format!(
        r#"{{"resourceType":"Basic","id":"{id}","code":{{"text":"t"}},"extension":[{{"url":"urn:n","valueInteger":{n}}}]}}"#
    ))
}

fn numbered(round: usize, status: &str) -> Resource {
    let code = format!("n{round}");
    definition("Basic", &code, "number", "Basic.extension.where(url='urn:n').value", status)
}

/// How many resources are found by a parameter, once a search by it is answered.
async fn found(store: &Store, code: &str) -> usize {
    for _ in 0..400 {
        let asked = search(store, "Basic", &format!("{code}=ge0&_count=1000"));
        if let Ok(asked) = asked
            && let Ok(page) = store.search(&asked).await
        {
            return page.matches.len();
        }
        store.index_anew(300).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the search is never answered");
}

/// Writers write at these stores while a parameter comes into force at the first: none of what they write is missed.
async fn nothing_is_missed(stores: &[Store], round: usize) {
    let (is_over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = tokio::task::JoinSet::new();
    for (at, store) in stores.iter().enumerate() {
        for writer in 0..3 {
            let (store, is_over, count) = (store.clone(), is_over.clone(), count.clone());
            writers.spawn(async move {
                let mut n = 0;
                while !is_over.load(Ordering::Relaxed) {
                    write(&store, vec![Change::Put(basic(&format!("r{round}-{at}-{writer}-{n}"), n))]).await;
                    // One of before is written again, so that what is remembered of it is used.
                    write(
                        &store,
                        vec![Change::Put(basic(&format!("r{round}-{at}-{writer}-{}", n / 2), n + 1))],
                    )
                    .await;
                    count.fetch_add(1, Ordering::Relaxed);
                    n += 1;
                }
            });
        }
    }
    tokio::time::sleep(Duration::from_millis(60)).await;
    write(&stores[0], vec![Change::Put(numbered(round, "active"))]).await;
    // While it is indexed the writers go on; then it is whole and they still do.
    let during = found(&stores[0], &format!("n{round}")).await;
    assert!(during > 0);
    tokio::time::sleep(Duration::from_millis(40)).await;
    is_over.store(true, Ordering::Relaxed);
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let all = search(&stores[0], "Basic", "_count=1000").unwrap();
    let all = stores[0].search(&all).await.unwrap().matches.len();
    assert!(all >= count.load(Ordering::Relaxed).min(1000));
    for store in stores {
        assert_eq!(found(store, &format!("n{round}")).await, all, "round {round}");
    }
    let gone = search(&stores[0], "Basic", "_count=1000").unwrap();
    let gone = stores[0].search(&gone).await.unwrap().matches;
    let deletions = gone.into_iter().map(|stored| Change::Delete(stored.reference)).collect();
    write(&stores[0], deletions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_written_around_an_activation_is_missed() {
    for place in Place::both() {
        let store = place.open().await;
        for round in 0..4 {
            nothing_is_missed(std::slice::from_ref(&store), round).await;
        }
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_another_node_writes_around_an_activation_is_missed() {
    let place = Place::postgres();
    let url = place.url().unwrap();
    let node = async |name: &str| {
        let options = StoreOptions::postgres(url, place.folder.path());
        Store::open(StoreOptions { node: name.to_owned(), beat: BEAT, ..options }).await.unwrap()
    };
    let stores = [node("a").await, node("b").await];
    for round in 0..4 {
        nothing_is_missed(&stores, round).await;
    }
    for store in &stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn indexing_goes_on_after_a_restart_where_it_was() {
    for place in Place::both() {
        let store = place.open().await;
        for n in 0..50 {
            write(&store, vec![Change::Put(basic(&format!("b{n:02}"), n))]).await;
        }
        write(&store, vec![Change::Put(numbered(0, "active"))]).await;
        assert_eq!(store.index_anew(20).await.unwrap(), 20);
        store.close().await;
        drop(store);
        let store = place.open().await;
        let asked = search(&store, "Basic", "n0=7").unwrap();
        assert_eq!(refused(&store, &asked).await, Some(30));
        assert_eq!(index_all(&store, 20).await, 30);
        assert_eq!(store.search(&asked).await.unwrap().matches.len(), 1);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_for_whole_while_a_node_of_an_earlier_version_writes() {
    let place = Place::postgres();
    let store = place.open().await;
    write(&store, vec![Change::Put(basic("b", 7))]).await;
    let mut connection = PgConnection::connect(place.url().unwrap()).await.unwrap();
    let older = "INSERT INTO node (name, joined_us, beat, offers) VALUES ('older', 0, 0, '[]')";
    sqlx::raw_sql(older).execute(&mut connection).await.unwrap();
    write(&store, vec![Change::Put(numbered(0, "active"))]).await;
    let asked = search(&store, "Basic", "n0=7").unwrap();
    assert_eq!(store.index_anew(20).await.unwrap(), 0);
    assert_eq!(refused(&store, &asked).await, Some(1));
    sqlx::raw_sql("DELETE FROM node WHERE name = 'older'").execute(&mut connection).await.unwrap();
    assert_eq!(store.index_anew(20).await.unwrap(), 1);
    assert_eq!(store.search(&asked).await.unwrap().matches.len(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_parameter_that_went_are_cleared() {
    let place = Place::postgres();
    let store = place.open().await;
    for n in 0..5 {
        write(&store, vec![Change::Put(basic(&format!("b{n}"), n))]).await;
    }
    write(&store, vec![Change::Put(numbered(0, "active"))]).await;
    index_all(&store, 10).await;
    let mut connection = PgConnection::connect(place.url().unwrap()).await.unwrap();
    let rows =
        "SELECT count(*) FROM idx_number x JOIN word w ON w.number = x.param WHERE w.text = 'pBasic.n0'";
    let count = async |connection: &mut PgConnection| -> i64 {
        sqlx::query_scalar(rows).fetch_one(connection).await.unwrap()
    };
    assert_eq!(count(&mut connection).await, 5);
    write(&store, vec![Change::Put(numbered(0, "retired"))]).await;
    index_all(&store, 10).await;
    assert_eq!(count(&mut connection).await, 0);
    assert_eq!(store.unindexed().await.unwrap(), 0);
    store.close().await;
}
