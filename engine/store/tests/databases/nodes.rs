//! Several nodes on one database: each share has one owner, a dead one's are taken over, and what it writes late is refused.

use std::sync::Arc;
use std::time::Duration;

use hub_core::cluster::{Cluster, News, Share, Stand};
use hub_core::commit::{Change, Commit};
use hub_core::destination::Delivered;
use hub_core::id::DestinationId;
use hub_core::store::{Cause, Journal, MessageState, Outbox, Received, Resources, Settlement, StoreError};
use hub_store::{Store, StoreOptions};
use tempfile::TempDir;

use crate::conformance::{accounts, guards, journal, message, parcel, reference, resource};
use crate::postgres;

const BEAT: Duration = Duration::from_millis(100);

/// Nodes of one new database.
struct Hospital {
    url: String,
    folder: TempDir,
}

impl Hospital {
    fn new() -> Self {
        Self { url: postgres::shared().database(), folder: TempDir::new().unwrap() }
    }

    async fn node(&self, name: &str) -> Store {
        let options = StoreOptions::postgres(&self.url, self.folder.path());
        Store::open(StoreOptions { node: name.to_owned(), beat: BEAT, ..options }).await.unwrap()
    }
}

fn shares(count: usize) -> Vec<Share> {
    (0..count).map(|nth| Share::channel(&format!("his/c{nth}").as_str().into())).collect()
}

fn mine(cluster: &Arc<dyn Cluster>, shares: &[Share]) -> Vec<Share> {
    shares.iter().filter(|share| cluster.stand(share) == Stand::Mine).cloned().collect()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never came to it that {what}");
}

/// Lets go of what is to be let go, as a runtime does when nothing of it is under way.
fn obedient(cluster: &Arc<dyn Cluster>, shares: &[Share]) -> tokio::task::JoinHandle<()> {
    let (cluster, shares) = (cluster.clone(), shares.to_vec());
    tokio::spawn(async move {
        let mut changes = cluster.changes();
        while changes.changed().await.is_ok() {
            for share in shares.iter().filter(|share| cluster.stand(share) == Stand::Leaving) {
                cluster.let_go(share).await.unwrap();
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_share_has_one_owner_also_when_nodes_come_and_go_and_die() {
    let hospital = Hospital::new();
    let all = shares(24);
    let stores = [hospital.node("a").await, hospital.node("b").await, hospital.node("c").await];
    let clusters: Vec<Arc<dyn Cluster>> = stores.iter().map(Store::cluster).collect();
    clusters[0].offer(all.clone());
    until("the only one that offers them has all", || mine(&clusters[0], &all).len() == all.len()).await;
    let _tasks: Vec<_> = clusters.iter().map(|cluster| obedient(cluster, &all)).collect();
    clusters[1].offer(all.clone());
    clusters[2].offer(all.clone());
    let counts = || clusters.iter().map(|cluster| mine(cluster, &all).len()).collect::<Vec<_>>();
    until("each has some", || {
        counts().iter().all(|count| *count > 0) && counts().iter().sum::<usize>() == all.len()
    })
    .await;
    let told = clusters[0].nodes().await.unwrap();
    assert_eq!(told.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(told.iter().map(|node| node.shares.len()).sum::<usize>(), all.len());
    let [first, second, third] = stores;
    // One dies without a word, one says goodbye.
    drop(first);
    until("the dead one's are taken over", || {
        mine(&clusters[1], &all).len() + mine(&clusters[2], &all).len() == all.len()
    })
    .await;
    second.close().await;
    until("the last has all", || mine(&clusters[2], &all).len() == all.len()).await;
    third.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_taken_for_dead_writes_nothing_more() {
    let hospital = Hospital::new();
    let (frozen, other) = (hospital.node("frozen").await, hospital.node("other").await);
    let sent = message("his/adt", "1", "text");
    frozen.receive(&sent).await.unwrap();
    // As if it were frozen: it does not beat, but would write when it thaws.
    let cluster = frozen.cluster();
    sqlx::query("DELETE FROM node WHERE name = 'frozen'").execute(&pool(&hospital.url).await).await.unwrap();
    let late = frozen.commit(Cause::Message(sent.head.id), Commit::default()).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    let late = frozen.receive(&message("his/adt", "2", "text")).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    tokio::time::timeout(Duration::from_secs(10), cluster.lost()).await.unwrap();
    assert_eq!(cluster.stand(&Share::jobs()), Stand::Others);
    other.commit(Cause::Message(sent.head.id), Commit::default()).await.unwrap();
    assert!(matches!(other.state(sent.head.id).await.unwrap(), Some(MessageState::Committed)));
    assert_eq!(journal::counts(&other, "his/adt").await, [0, 1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_has_looked_for_no_other_writes_before_it() {
    let hospital = Hospital::new();
    let stores = [hospital.node("one").await, hospital.node("two").await, hospital.node("three").await];
    for round in ["1", "2", "3", "4", "5"] {
        guards::of_many_who_look_and_then_create_one_creates(&stores, round).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_that_use_one_code_or_token_one_succeeds() {
    let hospital = Hospital::new();
    let stores = [hospital.node("one").await, hospital.node("two").await, hospital.node("three").await];
    accounts::a_key_is_added_where_nobody_was_faster(&stores).await;
    for round in ["1", "2", "3", "4", "5"] {
        accounts::what_must_happen_once_happens_once(&stores, round).await;
    }
}

async fn pool(url: &str) -> sqlx::PgPool {
    sqlx::PgPool::connect(url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_heard_by_the_others() {
    let hospital = Hospital::new();
    let (one, two) = (hospital.node("one").await, hospital.node("two").await);
    let share = Share::channel(&"his/adt".into());
    let mut news = two.cluster().news();
    // It begins to listen when it is there.
    for _ in 0..100 {
        one.cluster().tell(&share);
        if let Ok(Ok(News::Of(told))) = tokio::time::timeout(Duration::from_millis(100), news.recv()).await {
            assert_eq!(told, share);
            return;
        }
    }
    panic!("nothing was heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_to_two_nodes_at_once_is_stored_once() {
    let hospital = Hospital::new();
    let (one, two) = (hospital.node("one").await, hospital.node("two").await);
    for nth in 0..100 {
        let (a, b) =
            (message("his/adt", &nth.to_string(), "text"), message("his/adt", &nth.to_string(), "text"));
        let (a, b) = tokio::join!(one.receive(&a), two.receive(&b));
        let new = [a.unwrap(), b.unwrap()].iter().filter(|received| **received == Received::New).count();
        assert_eq!(new, 1);
    }
    assert_eq!(journal::counts(&one, "his/adt").await, [100, 0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_write_the_same_resources_lose_no_write_and_do_not_stand_in_each_others_way() {
    const ROUNDS: usize = 60;
    let hospital = Hospital::new();
    let (one, two) = (hospital.node("one").await, hospital.node("two").await);
    let write = |store: Store, who: &'static str| {
        tokio::spawn(async move {
            for nth in 0..ROUNDS {
                // In opposite orders, each with members of its own; and one that both make anew.
                let ids = if who == "alias" { ["x", "y"] } else { ["y", "x"] };
                let part = |id: &str| {
                    resource(&format!(r#"{{"resourceType":"Location","id":"{id}","{who}":["{nth}"]}}"#))
                };
                let mut changes: Vec<Change> = ids
                    .into_iter()
                    .map(|id| Change::Merge { resource: part(id), clear: vec![], initial: vec![] })
                    .collect();
                changes.push(Change::Ensure(part(&format!("new-{nth}"))));
                let commit = Commit { changes, ..Commit::default() };
                store.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
            }
        })
    };
    let (a, b) = (write(one.clone(), "alias"), write(two.clone(), "extra"));
    a.await.unwrap();
    b.await.unwrap();
    for id in ["Location/x", "Location/y"] {
        let stored = one.read(&reference(id)).await.unwrap().unwrap();
        let text = String::from_utf8(stored.body.to_vec()).unwrap();
        let last = ROUNDS - 1;
        assert!(
            text.contains(&format!(r#""alias":["{last}"]"#))
                && text.contains(&format!(r#""extra":["{last}"]"#))
        );
        assert_eq!(stored.version, 2 * ROUNDS as u64, "every write made its version");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_owed_by_one_node_while_another_settles_the_one_before_it_is_not_forgotten() {
    let hospital = Hospital::new();
    let (owes, sends) = (hospital.node("owes").await, hospital.node("sends").await);
    let to = DestinationId::from("his/adt/lis");
    let owe =
        |number| Commit { parcels: vec![parcel("his/adt/lis", number, Some("k"))], ..Commit::default() };
    owes.commit(Cause::Timer { name: "test" }, owe(1)).await.unwrap();
    for number in 1..60_u128 {
        let mut leased = Vec::new();
        for _ in 0..200 {
            leased = sends.lease(&to, 5, Duration::from_secs(60)).await.unwrap();
            if !leased.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(leased.len(), 1, "the next one is due");
        assert_eq!(leased[0].parcel.id.0.as_u128(), number);
        let done = Settlement::Delivered(Delivered { answer: None }, None);
        let (owed, settled) = tokio::join!(
            owes.commit(Cause::Timer { name: "test" }, owe(number + 1)),
            sends.settle(&leased[0], done)
        );
        owed.unwrap();
        assert!(settled.unwrap());
        owes.cluster().tell(&Share::destination(&to));
    }
}
