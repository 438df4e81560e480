//! The stretches that PostgreSQL keeps messages in: turned by time, dropped whole, kept while something in them is needed.

use std::time::Duration;

use hub_core::commit::Commit;
use hub_core::destination::Delivered;
use hub_core::id::{DestinationId, MessageId};
use hub_core::store::{Cause, End, Journal, Outbox, Resources, Settlement};
use hub_store::{Store, StoreOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use time::OffsetDateTime;

use crate::conformance::{journal, message, parcel};
use crate::place::Place;

const CHANNEL: &str = "stretch/a";
const TO: &str = "stretch/to";

pub async fn ask(place: &Place, words: &str) -> i64 {
    let mut connection = PgConnection::connect(place.url().unwrap()).await.unwrap();
    let found = sqlx::query_scalar(AssertSqlSafe(words)).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    found
}

pub async fn run(place: &Place, words: &str) {
    let mut connection = PgConnection::connect(place.url().unwrap()).await.unwrap();
    sqlx::query(AssertSqlSafe(words)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Makes a stretch look as if it had been taken into use two hours ago: what came before it may go.
pub async fn long_in_use(place: &Place, number: i64) {
    let at = (OffsetDateTime::now_utc() - time::Duration::hours(2)).unix_timestamp() * 1_000_000;
    run(place, &format!("COMMENT ON TABLE message_{number} IS '{at}'")).await;
}

async fn is_there(place: &Place, number: i64) -> bool {
    let words = format!("SELECT count(*) FROM pg_class WHERE relname = 'message_{number}'");
    ask(place, &words).await == 1
}

/// Messages that ended with a parcel each, which was delivered.
async fn done(store: &Store, count: u128, text: &str) -> Vec<MessageId> {
    let to = DestinationId::from(TO);
    let mut ids = Vec::new();
    for _ in 0..count {
        let number = uuid::Uuid::new_v4().as_u128();
        let one = message(CHANNEL, &number.to_string(), text);
        store.receive(&one).await.unwrap();
        let owing = Commit { parcels: vec![parcel(TO, number, None)], ..Commit::default() };
        store.commit(Cause::Message(one.head.id), owing).await.unwrap();
        ids.push(one.head.id);
    }
    loop {
        let leased = store.lease(&to, 100, Duration::from_secs(60)).await.unwrap();
        if leased.is_empty() {
            return ids;
        }
        for leased in leased {
            let taken = Settlement::Delivered(Delivered { answer: Some("ok".into()) }, None);
            assert!(store.settle(&leased, taken).await.unwrap());
        }
    }
}

/// What counters say, and what is there: they must be the same.
async fn counted(store: &Store, place: &Place) -> u64 {
    let told: u64 = store.tally().await.unwrap().iter().map(|tally| tally.count).sum();
    assert_eq!(ask(place, "SELECT count(*) FROM message").await, told as i64);
    let told: u64 = store.depth().await.unwrap().iter().flat_map(|depth| depth.counts).sum();
    assert_eq!(ask(place, "SELECT count(*) FROM parcel").await, told as i64);
    assert_eq!(ask(place, "SELECT count(*) FROM parcel_body").await, told as i64);
    ask(place, "SELECT count(*) FROM message").await.unsigned_abs()
}

fn tomorrow() -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::days(1)
}

fn long_ago() -> OffsetDateTime {
    OffsetDateTime::now_utc() - time::Duration::days(400)
}

#[tokio::test]
async fn an_old_stretch_is_dropped_whole_and_its_space_comes_back() {
    let place = Place::postgres();
    let store = place.open().await;
    // Of a text that does not compress.
    let text: String = (0..600).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
    done(&store, 150, &text).await;
    assert_eq!(
        store.prune(long_ago(), 100).await.unwrap(),
        0,
        "nothing is old, but the next stretch is begun"
    );
    let late = done(&store, 1, "text").await;
    assert_eq!(ask(&place, "SELECT count(*) FROM message_0").await, 150);
    assert_eq!(ask(&place, "SELECT count(*) FROM message_1").await, 1);
    assert!(is_there(&place, 2).await, "the one after it is there before it is needed");
    let size =
        "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c WHERE c.relname LIKE 'message%'
                AND c.relkind = 'r'";
    let before = ask(&place, size).await;
    assert_eq!(store.prune(long_ago(), 100).await.unwrap(), 0, "its messages are young");
    assert!(is_there(&place, 0).await);
    let hour = Duration::from_secs(60 * 60);
    let other = Store::open(StoreOptions { stretch: hour, ..place.options() }).await.unwrap();
    let soon = OffsetDateTime::now_utc() + time::Duration::minutes(5);
    assert_eq!(
        other.prune(soon, 100).await.unwrap(),
        0,
        "a batch that took its numbers before may still come"
    );
    assert!(is_there(&place, 0).await);
    other.close().await;
    assert_eq!(store.prune(tomorrow(), 100).await.unwrap(), 150, "more than a slice: all at once");
    assert!(!is_there(&place, 0).await);
    let after = ask(&place, size).await;
    assert!(after < before / 2, "{before} bytes before, {after} after");
    assert_eq!(counted(&store, &place).await, 1);
    assert!(store.message(late[0]).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn what_is_open_or_owed_keeps_its_stretch_and_the_rest_of_it_goes() {
    let place = Place::postgres();
    let store = place.open().await;
    done(&store, 5, "text").await;
    let open = message(CHANNEL, "open", "text");
    store.receive(&open).await.unwrap();
    let owing = message(CHANNEL, "owing", "text");
    store.receive(&owing).await.unwrap();
    let commit = Commit { parcels: vec![parcel("stretch/held", 9, None)], ..Commit::default() };
    store.commit(Cause::Message(owing.head.id), commit).await.unwrap();
    store.prune(long_ago(), 100).await.unwrap();
    done(&store, 1, "text").await;
    long_in_use(&place, 1).await;
    let mut pruned = 0;
    while let forgotten @ 1.. = store.prune(tomorrow(), 3).await.unwrap() {
        pruned += forgotten;
    }
    assert_eq!(pruned, 6);
    assert!(is_there(&place, 0).await);
    assert_eq!(counted(&store, &place).await, 2);
    store.end(open.head.id, End::Filtered { rule: "r".into() }, vec![]).await.unwrap();
    let leased = store.lease(&"stretch/held".into(), 1, Duration::from_secs(60)).await.unwrap();
    let taken = Settlement::Delivered(Delivered { answer: None }, None);
    assert!(store.settle(&leased[0], taken).await.unwrap());
    while store.prune(tomorrow(), 3).await.unwrap() > 0 {}
    assert!(!is_there(&place, 0).await);
    assert_eq!(counted(&store, &place).await, 0);
    store.close().await;
}

#[tokio::test]
async fn messages_wait_for_their_stretch_but_not_for_ever() {
    let place = Place::postgres();
    let day = Duration::from_secs(24 * 60 * 60);
    let store = Store::open(StoreOptions { stretch: day, ..place.options() }).await.unwrap();
    done(&store, 3, "text").await;
    let hours = |hours| OffsetDateTime::now_utc() + time::Duration::hours(hours);
    assert_eq!(store.prune(hours(29), 100).await.unwrap(), 0, "their stretch is still in use");
    assert_eq!(store.prune(hours(31), 100).await.unwrap(), 3);
    assert_eq!(counted(&store, &place).await, 0);
    assert!(!is_there(&place, 2).await, "no stretch was begun: it has not lasted a day");
    store.close().await;
}

#[tokio::test]
async fn a_message_whose_piece_is_needed_keeps_its_stretch() {
    use crate::conformance::pieces::pieces_of;
    let place = Place::postgres();
    let store = place.open().await;
    let whole = message(CHANNEL, "whole", "a+b");
    store.receive(&whole).await.unwrap();
    store.prune(long_ago(), 100).await.unwrap();
    let pieces = pieces_of(&whole.head, &["a", "b"]);
    store.expand(whole.head.id, pieces.clone()).await.unwrap();
    long_in_use(&place, 1).await;
    assert_eq!(store.prune(tomorrow(), 100).await.unwrap(), 0);
    assert!(is_there(&place, 0).await);
    for piece in &pieces {
        store.commit(Cause::Message(piece.head.id), Commit::default()).await.unwrap();
    }
    let mut pruned = 0;
    while let forgotten @ 1.. = store.prune(tomorrow(), 100).await.unwrap() {
        pruned += forgotten;
    }
    assert_eq!(pruned, 3, "the pieces are not left behind");
    assert_eq!(counted(&store, &place).await, 0);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_prune_at_once_while_both_write_and_the_counts_are_right() {
    let place = Place::postgres();
    let first = place.open().await;
    for channel in ["stretch/b", "stretch/c"] {
        first.receive(&message(channel, "first", "text")).await.unwrap();
    }
    done(&first, 1, "text").await;
    let second = place.open().await;
    for _ in 0..3 {
        let (one, two) = tokio::join!(done(&first, 20, "text"), async {
            let mut ids = Vec::new();
            for n in 0..20 {
                let one = message("stretch/b", &format!("{n}-{}", uuid::Uuid::new_v4()), "text");
                second.receive(&one).await.unwrap();
                second.end(one.head.id, End::Filtered { rule: "r".into() }, vec![]).await.unwrap();
                ids.push(one.head.id);
            }
            ids
        });
        assert_eq!(one.len() + two.len(), 40);
        first.prune(long_ago(), 100).await.unwrap();
        let newest = ask(&place, "SELECT last_value >> 32 FROM message_seq").await;
        long_in_use(&place, newest).await;
    }
    let writing = async {
        for n in 0..30 {
            second.receive(&message("stretch/c", &n.to_string(), "text")).await.unwrap();
        }
    };
    let pruning = |store: Store| async move {
        // A round finds nothing where the other node is at the same messages, or has to look at all of them again.
        let (mut pruned, mut idle) = (0, 0);
        while idle < 20 {
            let some = store.prune(tomorrow(), 7).await.unwrap();
            idle = if some == 0 { idle + 1 } else { 0 };
            pruned += some;
        }
        pruned
    };
    let (by_first, by_second, ()) = tokio::join!(pruning(first.clone()), pruning(second.clone()), writing);
    assert_eq!(by_first + by_second, 121, "each once");
    assert_eq!(counted(&first, &place).await, 32);
    assert_eq!(journal::counts(&second, "stretch/c").await, [31, 0, 0, 0, 0]);
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_reads_holds_up_the_drop_and_not_who_writes() {
    let place = Place::postgres();
    let store = place.open().await;
    done(&store, 10, "text").await;
    store.prune(long_ago(), 100).await.unwrap();
    long_in_use(&place, 1).await;
    let mut backup = PgConnection::connect(place.url().unwrap()).await.unwrap();
    let mut reading = backup.begin().await.unwrap();
    let _: i64 = sqlx::query_scalar("SELECT count(*) FROM message").fetch_one(&mut *reading).await.unwrap();
    let writing = async {
        for n in 0..20 {
            store.receive(&message("stretch/b", &n.to_string(), "text")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // As long as the stretch is there, its rows go one by one.
    let day = Duration::from_secs(24 * 60 * 60);
    let other = Store::open(StoreOptions { stretch: day, ..place.options() }).await.unwrap();
    let before = OffsetDateTime::now_utc() + time::Duration::hours(1);
    let (pruned, ()) = tokio::join!(other.prune(before, 100), writing);
    assert_eq!(pruned.unwrap(), 0);
    assert!(is_there(&place, 0).await);
    reading.commit().await.unwrap();
    assert_eq!(other.prune(before, 100).await.unwrap(), 10);
    assert!(!is_there(&place, 0).await);
    assert_eq!(counted(&store, &place).await, 20);
    other.close().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_that_is_held_up_by_a_few_gives_the_space_of_the_others_back() {
    let place = Place::postgres();
    let store = place.open().await;
    let held = message(CHANNEL, "held", "text");
    store.receive(&held).await.unwrap();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..32 {
        let store = store.clone();
        senders.spawn(async move {
            for n in 0..160 {
                let one = message(CHANNEL, &format!("{sender}-{n}"), "text");
                store.receive(&one).await.unwrap();
                store.end(one.head.id, End::Filtered { rule: "r".into() }, vec![]).await.unwrap();
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    let size = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
                WHERE c.relname IN ('message_0', 'message_body_0', 'message_trace_0', 'message_key_0')";
    let before = ask(&place, size).await;
    store.prune(long_ago(), 100).await.unwrap();
    let mut pruned = 0;
    while let forgotten @ 1.. = store.prune(tomorrow(), 2_000).await.unwrap() {
        pruned += forgotten;
    }
    assert_eq!(pruned, 32 * 160);
    let after = ask(&place, size).await;
    assert!(after < before / 4, "{before} bytes before, {after} after");
    // It is as it was, and ends as any other.
    assert_eq!(store.message(held.head.id).await.unwrap().unwrap().raw.0, held.body.0);
    assert_eq!(ask(&place, "SELECT count(*) FROM message_0").await, 1);
    store.end(held.head.id, End::Filtered { rule: "r".into() }, vec![]).await.unwrap();
    assert_eq!(store.prune(tomorrow(), 1).await.unwrap(), 1);
    assert!(!is_there(&place, 0).await);
    assert_eq!(counted(&store, &place).await, 0);
    store.close().await;
}
