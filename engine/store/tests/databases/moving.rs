//! A data folder moves to PostgreSQL: everything, in its order, whatever changes meanwhile; or nothing is switched over.

use std::collections::BTreeMap;
use std::time::Duration;

use hub_core::attachment::AttachmentBook;
use hub_core::commit::{Change, Commit, Key};
use hub_core::deployments::Deployments;
use hub_core::destination::Delivered;
use hub_core::id::{DestinationId, MessageId};
use hub_core::store::{Cause, End, Journal, MessageQuery, Outbox, Resources, Searches, Settlement};
use hub_fhir::ResourceType;
use hub_fhir::search::parse;
use hub_store::{Move, MoveError, Moved, OpenError, Store, StoreOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use time::{Duration as Span, OffsetDateTime};

use crate::attachments;
use crate::conformance::{
    accounts, deployments, journal, message, outbox, parcel, pieces, resource, resources, search,
};
use crate::postgres;

fn nothing(_: hub_store::Progress) {}

async fn sqlite() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    (Store::open(StoreOptions::new(folder.path())).await.unwrap(), folder)
}

async fn on(url: &str) -> Store {
    Store::open(StoreOptions::postgres(url, std::env::temp_dir())).await.unwrap()
}

async fn finish(moving: Move) -> Result<Moved, MoveError> {
    let still = moving.hold().unwrap().expect("no hub has the folder");
    moving.finish(still, nothing).await
}

async fn sql(url: &str, words: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(words.to_owned())).execute(&mut connection).await.unwrap();
}

/// Everything of a kind that the conformance suite leaves behind.
async fn fill(store: &Store) {
    search::searches_find_what_the_search_rows_say(store).await;
    journal::a_second_copy_is_known_and_not_stored(store).await;
    journal::every_end_is_told_with_its_reason(store, store).await;
    journal::a_message_ends_once_until_it_is_opened_again(store, store).await;
    pieces::splitting_again_makes_no_piece_twice(store, store).await;
    pieces::pieces_are_read_back_in_the_place_of_their_message(store).await;
    pieces::what_a_sender_was_answered_is_noted(store).await;
    resources::a_put_makes_a_version_only_when_something_changed(store).await;
    resources::ensure_creates_once_and_delete_leaves_its_history(store).await;
    resources::one_commit_may_change_a_resource_twice(store).await;
    outbox::what_was_given_up_is_retried_in_its_place(store, store).await;
    outbox::an_answer_is_written_with_its_settlement(store, store).await;
    deployments::a_deployment_is_kept_whole_and_its_texts_once(store).await;
    attachments::the_same_bytes_are_kept_once_and_needed_by_each(store).await;
    let one = std::slice::from_ref(store);
    accounts::an_account_is_changed_and_told_as_it_is(store).await;
    accounts::a_client_is_told_as_it_was_registered(store).await;
    accounts::a_key_is_added_where_nobody_was_faster(one).await;
    accounts::what_must_happen_once_happens_once(one, "moved").await;
}

/// What can be seen of a store from outside.
async fn seen(store: &Store) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut tally = store.tally().await.unwrap();
    tally.retain(|tally| tally.count > 0);
    tally.sort_by_key(|tally| format!("{tally:?}"));
    seen.insert("tally".to_owned(), format!("{tally:?}"));
    let mut destinations: Vec<_> =
        store.depth().await.unwrap().iter().map(|depth| format!("{depth:?}")).collect();
    destinations.sort();
    seen.insert("depths".to_owned(), format!("{destinations:?}"));
    let rows = store.find(&MessageQuery { limit: 10_000, ..MessageQuery::default() }).await.unwrap();
    seen.insert("order".to_owned(), format!("{:?}", rows.iter().map(|row| row.id).collect::<Vec<_>>()));
    for row in rows {
        let detail = store.message(row.id).await.unwrap().unwrap();
        let raw = &detail.raw.0;
        seen.insert(format!("message {}", row.id), format!("{detail:?} {raw:?}"));
    }
    for kind in ["Patient", "Observation"] {
        let kind = ResourceType::from_name(kind).unwrap();
        for query in [vec![], vec![("_lastUpdated".to_owned(), "ge2000".to_owned())]] {
            let query = parse(kind, &query).unwrap();
            let page = store.search(&query).await.unwrap();
            for found in page.matches {
                let history = store.history(&found.reference, None, 1_000).await.unwrap();
                let bodies: Vec<_> = history.iter().map(|version| &version.body).collect();
                seen.insert(
                    format!("{query:?} {}", found.reference),
                    format!("{found:?} {:?} {history:?} {bodies:?}", found.body),
                );
            }
        }
    }
    let kept = store.kept(attachments::stowed(1).content).await.unwrap();
    seen.insert("attachment".to_owned(), format!("{kept:?}"));
    seen.insert("accounts".to_owned(), accounts::seen(store).await);
    seen.insert("deployments".to_owned(), format!("{:?}", store.list(None, 1_000).await.unwrap()));
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_and_the_hub_goes_on_where_it_stopped() {
    let (store, folder) = sqlite().await;
    fill(&store).await;
    let url = postgres::shared().database();
    let mut moving = Move::begin(folder.path(), &url, None).await.unwrap();
    let first = moving.round(nothing).await.unwrap();
    assert!(first.rows > 200 && first.written == first.rows && first.deleted == 0, "{first:?}");
    assert!(moving.hold().unwrap().is_none(), "its hub runs");
    // Nothing has changed, and nothing is written again.
    let second = moving.round(nothing).await.unwrap();
    assert_eq!((second.rows, second.written, second.deleted), (first.rows, 0, 0));
    let before = seen(&store).await;
    store.close().await;
    let moved = finish(moving).await.unwrap();
    assert_eq!((moved.rounds, moved.replaced, moved.merged, moved.counters_mended), (3, 0, 0, 0));
    assert_eq!(moved.tables.iter().map(|table| table.rows).sum::<u64>(), first.rows);
    assert!(moved.tables.iter().filter(|table| table.rows > 0).count() >= 15, "{:?}", moved.tables);
    let store = on(&url).await;
    let after = seen(&store).await;
    for (what, before) in &before {
        assert_eq!(Some(before), after.get(what), "{what}");
    }
    assert_eq!(before.len(), after.len());
    // The suite goes on in it: numbers do not meet those that are there.
    journal::a_message_comes_back_as_it_was_received(&store).await;
    journal::messages_are_found_newest_first_page_by_page(&store).await;
    resources::a_merge_keeps_what_it_does_not_carry(&store).await;
    outbox::one_parcel_of_a_key_is_out_at_a_time_and_in_order(&store, &store).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_between_the_rounds_is_seen() {
    let (store, folder) = sqlite().await;
    let to = DestinationId::from("busy/to");
    let put = |n: u64, value: u64| {
        Change::Put(resource(&format!(
            r#"{{"resourceType":"Patient","id":"p{n}","identifier":[{{"system":"urn:id:HIS","value":"{value}"}}]}}"#
        )))
    };
    let mut ids: Vec<MessageId> = Vec::new();
    for n in 0..60_u64 {
        let sent = message("busy", &n.to_string(), &format!("text {n}"));
        store.receive(&sent).await.unwrap();
        let keys = vec![Key { name: "patient".into(), value: format!("p{n}").into() }];
        let owed = vec![parcel("busy/to", u128::from(n) + 1, Some(&format!("k{}", n % 3)))];
        let commit = Commit { changes: vec![put(n, n)], parcels: owed, keys, ..Commit::default() };
        if n < 50 {
            store.commit(Cause::Message(sent.head.id), commit).await.unwrap();
        }
        ids.push(sent.head.id);
    }
    let url = postgres::shared().database();
    let mut moving = Move::begin(folder.path(), &url, None).await.unwrap();
    moving.round(nothing).await.unwrap();
    // An end, a replay, a new version, a delivery, what is new, and retention.
    store.end(ids[55], End::Filtered { rule: "keep".into() }, Vec::new()).await.unwrap();
    assert!(store.reopen(ids[10]).await.unwrap());
    store
        .commit(Cause::Timer { name: "test" }, Commit { changes: vec![put(3, 999)], ..Commit::default() })
        .await
        .unwrap();
    for leased in store.lease(&to, 100, Duration::from_secs(60)).await.unwrap() {
        store.settle(&leased, Settlement::Delivered(Delivered { answer: None }, None)).await.unwrap();
    }
    store.receive(&message("busy", "new", "text")).await.unwrap();
    let later = OffsetDateTime::now_utc() + Span::days(1);
    assert!(store.prune(later, 100).await.unwrap() > 0);
    let round = moving.round(nothing).await.unwrap();
    assert!(round.written > 0 && round.deleted > 0, "{round:?}");
    let before = seen(&store).await;
    store.close().await;
    let moved = finish(moving).await.unwrap();
    assert_eq!((moved.last.deleted, moved.counters_mended), (0, 0));
    let store = on(&url).await;
    let after = seen(&store).await;
    for (what, before) in &before {
        assert_eq!(Some(before), after.get(what), "{what}");
    }
    // Each key goes on with its next parcel, in the order in which they were owed.
    let mut got: BTreeMap<String, Vec<u128>> = BTreeMap::new();
    loop {
        let leased = store.lease(&to, 100, Duration::from_secs(60)).await.unwrap();
        if leased.is_empty() {
            break;
        }
        for leased in leased {
            let key = leased.parcel.order_key.as_deref().unwrap_or_default().to_owned();
            got.entry(key).or_default().push(leased.parcel.id.0.as_u128());
            store.settle(&leased, Settlement::Delivered(Delivered { answer: None }, None)).await.unwrap();
        }
    }
    assert_eq!(got.len(), 3);
    assert!(got.values().all(|parcels| parcels.is_sorted() && parcels.len() > 10), "{got:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_dealt_out_to_stretches_in_their_order_and_retention_drops_the_old_ones() {
    let (store, folder) = sqlite().await;
    let mut sent = Vec::new();
    for day in [10, 10, 9, 3, 3, 0, 0] {
        let mut message = message("days", &sent.len().to_string(), "text");
        message.head.received_at = OffsetDateTime::now_utc() - Span::days(day);
        store.receive(&message).await.unwrap();
        store.end(message.head.id, End::Filtered { rule: "keep".into() }, Vec::new()).await.unwrap();
        sent.push(message.head.id);
    }
    store.close().await;
    let url = postgres::shared().database();
    finish(Move::begin(folder.path(), &url, None).await.unwrap()).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT seq, id FROM message ORDER BY seq").fetch_all(&mut connection).await.unwrap();
    let stretches: Vec<i64> = rows.iter().map(|(seq, _)| seq >> 32).collect();
    assert_eq!(stretches, [0, 0, 1, 2, 2, 3, 3]);
    let ids: Vec<_> = rows.iter().map(|(_, id)| id.as_slice()).collect();
    assert_eq!(ids, sent.iter().map(|id| id.0.as_bytes().as_slice()).collect::<Vec<_>>());
    // They ended, and were made, long ago.
    sql(
        &url,
        "UPDATE message SET ended_us = received_us;
         COMMENT ON TABLE message_0 IS '0'; COMMENT ON TABLE message_1 IS '0'; COMMENT ON TABLE message_2 IS '0'",
    )
    .await;
    let store = on(&url).await;
    // A stretch at a time.
    let mut pruned = 0;
    loop {
        match store.prune(OffsetDateTime::now_utc() - Span::days(5), 100).await.unwrap() {
            0 => break,
            count => pruned += count,
        }
    }
    assert_eq!(pruned, 3);
    let (left,): (bool,) =
        sqlx::query_as("SELECT to_regclass('message_1') IS NULL AND to_regclass('message_2') IS NOT NULL")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert!(left, "the two old stretches are gone, the others are there");
    store.receive(&message("days", "next", "text")).await.unwrap();
    let (last,): (i64,) =
        sqlx::query_as("SELECT max(seq) FROM message").fetch_one(&mut connection).await.unwrap();
    assert_eq!(last >> 32, 3, "what is new goes on in the last stretch");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_postgresql_cannot_hold_are_what_the_writer_makes_of_them() {
    let (store, folder) = sqlite().await;
    let values = ["a\0b", "a\u{FFFD}b", "a", "b", "\0", "z\0"];
    for (n, value) in values.iter().enumerate() {
        let sent = message("nul", &format!("{n}\0"), "text");
        store.receive(&sent).await.unwrap();
        let keys = ["patient", "order"].map(|name| Key { name: name.into(), value: (*value).into() });
        store.end(sent.head.id, End::Filtered { rule: "keep".into() }, keys.to_vec()).await.unwrap();
    }
    let sent = message("nul", "both", "text");
    store.receive(&sent).await.unwrap();
    let keys = ["x", "x\u{FFFD}"].map(|value| Key { name: "patient".into(), value: value.into() });
    store.end(sent.head.id, End::Filtered { rule: "keep".into() }, keys.to_vec()).await.unwrap();
    let text = r#"{"resourceType":"Patient","id":"nul","identifier":[{"system":"s","value":"v\u0000w"}],"name":[{"family":"N\u0000"}]}"#;
    let changes = vec![Change::Put(resource(text))];
    store.commit(Cause::Timer { name: "test" }, Commit { changes, ..Commit::default() }).await.unwrap();
    store.close().await;
    // Earlier hubs kept the NUL of a key. One message has the value both ways: on PostgreSQL it is one row.
    let database = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
    let words = "UPDATE message_key SET value = replace(value, char(65533), char(0)) WHERE value IN ('\u{FFFD}', 'z\u{FFFD}');
        UPDATE message_key SET value = 'x' || char(0) WHERE value = 'x'";
    database.execute_batch(words).unwrap();
    drop(database);
    let url = postgres::shared().database();
    let moving = Move::begin(folder.path(), &url, None).await.unwrap();
    let moved = finish(moving).await.unwrap();
    assert_eq!(moved.merged, 1);
    assert!(moved.replaced >= 11, "{}", moved.replaced);
    let store = on(&url).await;
    for (value, count) in [("a\u{FFFD}b", 2), ("\u{FFFD}", 1), ("z\u{FFFD}", 1), ("a", 1), ("x\u{FFFD}", 1)] {
        let key = Some((Some("patient".into()), value.into()));
        let query = MessageQuery { key, limit: 10, ..MessageQuery::default() };
        assert_eq!(store.find(&query).await.unwrap().len(), count, "{value:?}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hub_starts_on_a_database_that_is_not_whole_nor_on_a_folder_that_has_moved() {
    let (store, folder) = sqlite().await;
    fill(&store).await;
    let url = postgres::shared().database();
    let mut moving = Move::begin(folder.path(), &url, None).await.unwrap();
    assert!(matches!(Move::begin(folder.path(), &url, None).await.err(), Some(MoveError::TwoMoves)));
    moving.round(nothing).await.unwrap();
    // The move is cut short.
    drop(moving);
    let refused = Store::open(StoreOptions::postgres(&url, folder.path())).await.err();
    assert!(matches!(refused, Some(OpenError::HalfMoved)), "{refused:?}");
    let (other, other_folder) = sqlite().await;
    other.close().await;
    wait_until_free(&url).await;
    let refused = Move::begin(other_folder.path(), &url, None).await.err();
    assert!(matches!(refused, Some(MoveError::OtherSource)), "{refused:?}");
    // The hub has gone on; the move goes on, and writes only what is new.
    store.receive(&message("later", "1", "text")).await.unwrap();
    store.close().await;
    drop(store);
    wait_until_free(&url).await;
    let moving = Move::begin(folder.path(), &url, None).await.unwrap();
    let moved = finish(moving).await.unwrap();
    assert!((3..10).contains(&moved.last.written), "{:?}", moved.last);
    let refused = Store::open(StoreOptions::new(folder.path())).await.err();
    let Some(OpenError::Moved { to, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(to, url);
    wait_until_free(&url).await;
    let again = Move::begin(folder.path(), &url, None).await.err();
    assert!(matches!(again, Some(MoveError::AlreadyMoved { .. })), "{again:?}");
    wait_until_free(&url).await;
    let full = Move::begin(other_folder.path(), &url, None).await.err();
    assert!(matches!(full, Some(MoveError::NotEmpty)), "{full:?}");
    // Whoever gives the database up goes on in the folder.
    std::fs::remove_file(folder.path().join("hub.moved")).unwrap();
    let store = Store::open(StoreOptions::new(folder.path())).await.unwrap();
    assert_eq!(journal::counts(&store, "later").await, [1, 0, 0, 0, 0]);
    store.close().await;
}

/// A connection that was dropped holds its lock until the server has seen it.
async fn wait_until_free(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    for _ in 0..500 {
        let (others,): (i64,) = sqlx::query_as(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        if others == 0 {
            return connection.close().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("somebody stays connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_differs_on_the_other_side_is_found_and_nothing_is_switched_over() {
    for tamper in [
        "UPDATE message_body SET body = 'x' WHERE seq = (SELECT max(seq) FROM message_body)",
        "DELETE FROM idx_token WHERE rid = (SELECT max(rid) FROM idx_token)",
        "INSERT INTO audit (seq, at_us, cause, writes, parcels) OVERRIDING SYSTEM VALUE SELECT max(seq) + 5, 1, 3, 0, 0 FROM audit",
        "UPDATE resource SET rows = '{}' WHERE rid = (SELECT max(rid) FROM resource)",
        "UPDATE parcel SET due_us = 7 WHERE seq = (SELECT max(seq) FROM parcel)",
    ] {
        let (store, folder) = sqlite().await;
        fill(&store).await;
        store.close().await;
        drop(store);
        let url = postgres::shared().database();
        let mut moving = Move::begin(folder.path(), &url, None).await.unwrap();
        moving.round(nothing).await.unwrap();
        sql(&url, tamper).await;
        let refused = finish(moving).await.err();
        assert!(matches!(refused, Some(MoveError::Differs { .. })), "{tamper}: {refused:?}");
        let refused = Store::open(StoreOptions::postgres(&url, folder.path())).await.err();
        assert!(matches!(refused, Some(OpenError::HalfMoved)), "{tamper}: {refused:?}");
        let store = Store::open(StoreOptions::new(folder.path())).await.unwrap();
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_that_were_wrong_are_counted_anew() {
    let (store, folder) = sqlite().await;
    for n in 0..3 {
        store.receive(&message("wrong", &n.to_string(), "text")).await.unwrap();
    }
    store.close().await;
    let database = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
    database.execute("UPDATE tally SET count = 7", []).unwrap();
    drop(database);
    let url = postgres::shared().database();
    let moved = finish(Move::begin(folder.path(), &url, None).await.unwrap()).await.unwrap();
    assert_eq!(moved.counters_mended, 1);
    let store = on(&url).await;
    assert_eq!(journal::counts(&store, "wrong").await[0], 3);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_and_column_is_moved_or_the_move_refuses_to_begin() {
    // What this program has is known: a new column must be said of in moving/tables.rs.
    let (store, folder) = sqlite().await;
    store.close().await;
    drop(store);
    Move::begin(folder.path(), &postgres::shared().database(), None).await.unwrap();
    for change in ["CREATE TABLE novelty (a INTEGER)", "ALTER TABLE message ADD COLUMN novelty INTEGER"] {
        let (store, folder) = sqlite().await;
        store.close().await;
        drop(store);
        let database = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
        database.execute_batch(change).unwrap();
        drop(database);
        let refused = Move::begin(folder.path(), &postgres::shared().database(), None).await.err();
        assert!(matches!(refused, Some(MoveError::Unknown { .. })), "{change}: {refused:?}");
    }
}
