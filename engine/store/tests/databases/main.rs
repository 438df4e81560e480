//! The conformance suite on both databases, and what is SQLite's own: one owner, one fsync for many, crashes, a full disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod archive;
mod archiving;
mod attachments;
mod conformance;
mod corpus;
mod crashes;
mod following;
mod killed;
mod model;
mod moving;
mod nodes;
mod own_parameters;
mod place;
#[path = "../../../../tests/harness/postgres.rs"]
mod postgres;
mod stretches;
mod updating;
mod upkeep;
mod writes;

use std::collections::HashSet;

use conformance::{
    accounts, contained, deployments, guards, journal, message, names, orders, outbox, pieces, replays,
    resources, search, texts, wakes,
};
use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Journal, Outbox, Received, Resources, Searches, StoreError, Upkeep};
use hub_fhir::ResourceType;
use hub_store::{OpenError, Store, StoreOptions};
use place::Place;
use tempfile::TempDir;

async fn open() -> (Store, TempDir) {
    let place = Place::sqlite();
    (place.open().await, place.folder)
}

#[tokio::test]
async fn the_journal_keeps_its_promises() {
    for place in Place::both() {
        let store = place.open().await;
        journal::a_second_copy_is_known_and_not_stored(&store).await;
        journal::a_message_comes_back_as_it_was_received(&store).await;
        journal::every_end_is_told_with_its_reason(&store, &store).await;
        journal::a_message_ends_once_until_it_is_opened_again(&store, &store).await;
        journal::messages_are_found_newest_first_page_by_page(&store).await;
        journal::old_messages_are_forgotten_but_not_what_is_owed(&store, &store, &store).await;
        pieces::a_message_that_holds_several_is_split_once(&store, &store).await;
        pieces::splitting_again_makes_no_piece_twice(&store, &store).await;
        pieces::pieces_are_read_back_in_the_place_of_their_message(&store).await;
        pieces::a_message_and_its_pieces_are_forgotten_together(&store, &store).await;
        pieces::what_a_sender_was_answered_is_noted(&store).await;
    }
}

#[tokio::test]
async fn the_resources_keep_their_promises() {
    for place in Place::both() {
        let store = place.open().await;
        resources::a_put_makes_a_version_only_when_something_changed(&store).await;
        resources::a_put_from_another_version_fails_the_whole_commit(&store).await;
        resources::a_merge_keeps_what_it_does_not_carry(&store).await;
        resources::a_merge_says_some_things_of_new_resources_only(&store).await;
        resources::ensure_creates_once_and_delete_leaves_its_history(&store).await;
        resources::one_commit_may_change_a_resource_twice(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guards_keep_their_promises() {
    for place in Place::both() {
        let store = place.open().await;
        guards::a_commit_whose_search_finds_something_else_writes_nothing(&store).await;
        guards::a_delete_from_another_version_fails(&store).await;
        guards::a_commit_says_how_each_resource_stands(&store).await;
        guards::guarded_commits_share_transactions(&store).await;
        for round in ["1", "2", "3"] {
            guards::of_many_who_look_and_then_create_one_creates(std::slice::from_ref(&store), round).await;
        }
    }
}

#[tokio::test]
async fn the_replays_keep_their_promises() {
    for place in Place::both() {
        let store = place.open().await;
        replays::a_replay_goes_over_its_messages_in_the_order_of_arrival(&store, &store, &store).await;
        replays::large_messages_come_few_at_a_time(&store, &store).await;
        replays::a_replay_is_remembered_step_by_step(&store).await;
        replays::a_message_that_has_ended_ends_anew(&store, &store, &store).await;
        replays::a_version_knows_which_message_wrote_it(&store, &store, &store).await;
    }
}

#[tokio::test]
async fn the_outbox_keeps_its_promises() {
    for place in Place::both() {
        let store = place.open().await;
        outbox::one_parcel_of_a_key_is_out_at_a_time_and_in_order(&store, &store).await;
        outbox::a_lease_held_too_long_is_given_out_again(&store, &store).await;
        outbox::what_was_given_up_is_retried_in_its_place(&store, &store).await;
        outbox::a_queue_at_rest_wakes_when_something_is_due(&store, &store).await;
        outbox::an_answer_is_written_with_its_settlement(&store, &store).await;
        outbox::a_settlement_nobody_waits_for_counts_once(&store, &store).await;
        wakes::an_event_waits_for_its_time_and_has_its_effect_once(&store).await;
    }
}

#[tokio::test]
async fn the_deployments_keep_their_promises() {
    for place in Place::both() {
        deployments::a_deployment_is_kept_whole_and_its_texts_once(&place.open().await).await;
    }
    for place in Place::both() {
        deployments::a_deployment_ends_once_and_the_newest_applied_one_runs(&place.open().await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_keep_their_promises() {
    for place in Place::both() {
        let store = place.open().await;
        let one = std::slice::from_ref(&store);
        accounts::an_account_is_changed_and_told_as_it_is(&store).await;
        accounts::a_client_is_told_as_it_was_registered(&store).await;
        accounts::a_key_is_added_where_nobody_was_faster(one).await;
        for round in ["1", "2", "3"] {
            accounts::what_must_happen_once_happens_once(one, round).await;
        }
        accounts::what_is_over_is_forgotten_and_nothing_else(&store).await;
    }
}

#[tokio::test]
async fn searches_find_what_the_search_rows_say() {
    for place in Place::both() {
        let store = place.open().await;
        search::searches_find_what_the_search_rows_say(&store).await;
        names::chinese_names_are_found_as_they_are_spelt(&store).await;
        search::pages_neither_lose_nor_repeat_while_others_write(&store).await;
    }
}

#[tokio::test]
async fn what_is_sorted_by_what_it_is_searched_for_is_found_whole() {
    for place in Place::both() {
        orders::what_is_sorted_by_what_it_is_searched_for_is_found_whole(&place.open().await).await;
    }
}

#[tokio::test]
async fn what_resources_contain_is_found() {
    for place in Place::both() {
        contained::what_resources_contain_is_found(&place.open().await).await;
    }
}

#[tokio::test]
async fn texts_are_found_by_what_stands_in_them() {
    let report = ResourceType::from_name("DiagnosticReport").unwrap();
    for place in Place::both() {
        let options = StoreOptions { full_text: HashSet::from([report]), ..place.options() };
        let store = Store::open(options).await.unwrap();
        texts::texts_are_found_by_what_stands_in_them(&store).await;
    }
}

#[tokio::test]
async fn a_type_whose_texts_are_to_be_searched_from_now_on_is_indexed() {
    let basic = ResourceType::from_name("Basic").unwrap();
    let text = r#"{"resourceType":"Basic","id":"b1","text":{"status":"additional","div":"<div>高血压</div>"},"code":{}}"#;
    for place in Place::both() {
        let store = place.open().await;
        search::write(&store, vec![Change::Put(conformance::resource(text))]).await;
        let asked = search::search("Basic", "_text=血压");
        assert!(matches!(store.search(&asked).await, Err(StoreError::Invalid { .. })));
        store.close().await;
        drop(store);
        let store = place.open_with(HashSet::from([basic])).await;
        assert!(matches!(store.search(&asked).await, Err(StoreError::Unavailable(_))));
        assert_eq!(store.index_anew(10).await.unwrap(), 1);
        assert_eq!(store.search(&asked).await.unwrap().matches.len(), 1);
        store.close().await;
        drop(store);
        // Opened again with the same, nothing is to be done.
        let store = place.open_with(HashSet::from([basic])).await;
        assert_eq!(store.search(&asked).await.unwrap().matches.len(), 1);
        assert_eq!(place.archive().await.search(&asked).await.unwrap().matches.len(), 1);
        store.close().await;
    }
}

#[tokio::test]
async fn a_data_folder_has_one_owner() {
    let (store, folder) = open().await;
    let second = Store::open(StoreOptions::new(folder.path())).await;
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    store.close().await;
    let sent = message("closed", "1", "text");
    assert!(matches!(store.receive(&sent).await, Err(StoreError::Unavailable(_))));
    drop(store);
    Store::open(StoreOptions::new(folder.path())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_senders_share_an_fsync() {
    for place in Place::both() {
        let store = place.open().await;
        let mut senders = tokio::task::JoinSet::new();
        for sender in 0..32 {
            let store = store.clone();
            senders.spawn(async move {
                for n in 0..50 {
                    let sent = message("shared", &format!("{sender}-{n}"), "text");
                    assert_eq!(store.receive(&sent).await.unwrap(), Received::New);
                }
            });
        }
        while let Some(sender) = senders.join_next().await {
            sender.unwrap();
        }
        let stats = store.stats();
        assert_eq!(stats.works, 1_600);
        assert!(stats.transactions < 600, "{stats:?}");
        assert_eq!(journal::counts(&store, "shared").await, [1_600, 0, 0, 0, 0]);
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash() {
    for place in Place::both() {
        what_was_answered_is_there(&place).await;
    }
}

async fn what_was_answered_is_there(place: &Place) {
    let mut ids = HashSet::new();
    for round in 0..3_u128 {
        let store = place.open().await;
        let channel = "crash".into();
        let open = store.unfinished(&channel, &|_| false, 100).await.unwrap();
        assert_eq!(open.iter().map(|open| open.head.id).collect::<HashSet<_>>(), ids);
        for n in 0..5 {
            let sent = message("crash", &format!("{round}-{n}"), "text");
            store.receive(&sent).await.unwrap();
            ids.insert(sent.head.id);
        }
        let parcels = vec![conformance::parcel("crash/to", round + 1, Some("k"))];
        let done = Commit { parcels, ..Commit::default() };
        let first = *ids.iter().next().unwrap();
        ids.remove(&first);
        store.commit(Cause::Message(first), done).await.unwrap();
        // A delivery is under way when the process dies.
        let leased = store.lease(&"crash/to".into(), 9, std::time::Duration::from_secs(60)).await.unwrap();
        assert_eq!(leased.len(), 1);
        assert_eq!(leased[0].in_doubt, round > 0);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let expected = ids.len() as u64;
        assert_eq!(journal::counts(&store, "crash").await, [expected, round as u64 + 1, 0, 0, 0]);
        drop(store);
        // The writer's task ends by itself when nobody holds the store.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_full_database_refuses_and_recovers() {
    let folder = TempDir::new().unwrap();
    let options = StoreOptions { max_bytes: Some(2 << 20), ..StoreOptions::new(folder.path()) };
    let store = Store::open(options).await.unwrap();
    let text = "x".repeat(100_000);
    let mut stored = Vec::new();
    loop {
        let sent = message("full", &stored.len().to_string(), &text);
        match store.receive(&sent).await {
            Ok(_) => stored.push(sent.head.id),
            Err(StoreError::Unavailable(_)) => break,
            Err(other) => panic!("{other}"),
        }
        assert!(stored.len() < 100);
    }
    assert_eq!(journal::counts(&store, "full").await[0], stored.len() as u64);
    for id in &stored {
        store.commit(Cause::Message(*id), Commit::default()).await.unwrap();
    }
    let tomorrow = time::OffsetDateTime::now_utc() + time::Duration::days(1);
    assert_eq!(store.prune(tomorrow, 100).await.unwrap(), stored.len() as u64);
    assert_eq!(store.receive(&message("full", "again", &text)).await.unwrap(), Received::New);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_commit_does_not_harm_its_neighbours() {
    for place in Place::both() {
        let store = place.open().await;
        let mut commits = tokio::task::JoinSet::new();
        for n in 0..64_u64 {
            let store = store.clone();
            commits.spawn(async move {
                let text = format!(r#"{{"resourceType":"Patient","id":"n{n}"}}"#);
                let resource = conformance::resource(&text);
                // Every fourth expects a version that is not there.
                let version = if n % 4 == 0 { 9 } else { 0 };
                let commit =
                    Commit { changes: vec![Change::PutIf { resource, version }], ..Commit::default() };
                (n, store.commit(Cause::Timer { name: "test" }, commit).await)
            });
        }
        while let Some(done) = commits.join_next().await {
            let (n, done) = done.unwrap();
            assert_eq!(done.is_err(), n % 4 == 0);
        }
    }
}
