//! The database server killed while messages come in: what was answered is there, and the store goes on by itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hub_core::commit::Commit;
use hub_core::id::MessageId;
use hub_core::store::{Cause, Journal, MessageState, Resources, StoreError};
use hub_store::{Store, StoreOptions};
use tempfile::TempDir;

use crate::conformance::{journal, message};
use crate::postgres::Server;

/// Sends and commits until told to stop; says what was answered, and how often it was not.
async fn send(store: Store, sender: usize, stop: Arc<AtomicBool>) -> (Vec<MessageId>, usize) {
    let (mut done, mut refused, mut nth) = (Vec::new(), 0, 0);
    while !stop.load(Ordering::Relaxed) {
        nth += 1;
        let sent = message("killed", &format!("{sender}-{nth}"), "text");
        let received = match store.receive(&sent).await {
            Ok(_) => store.commit(Cause::Message(sent.head.id), Commit::default()).await.map(|_| ()),
            Err(error) => Err(error),
        };
        match received {
            Ok(()) => done.push(sent.head.id),
            Err(StoreError::Unavailable(_)) => {
                refused += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (done, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_under_load_loses_nothing_that_was_answered() {
    let (server, folder) = (Server::start(false), TempDir::new().unwrap());
    let store = Store::open(StoreOptions::postgres(server.database(), folder.path())).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> =
        (0..8).map(|sender| tokio::spawn(send(store.clone(), sender, stop.clone()))).collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.start_again();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let (mut done, mut refused) = (HashSet::new(), 0);
    for sender in senders {
        let (ids, failures) = sender.await.unwrap();
        done.extend(ids);
        refused += failures;
    }
    assert!(refused > 0, "the kills were noticed");
    assert!(done.len() > 100, "it goes on by itself");
    for id in &done {
        assert!(matches!(store.state(*id).await.unwrap(), Some(MessageState::Committed)));
    }
    // A message whose answer was lost with the server may be there as well; the counts tell the truth about all of them.
    let counts = journal::counts(&store, "killed").await;
    let open = store.unfinished(&"killed".into(), &|_| false, 100_000).await.unwrap();
    assert_eq!(counts[0], open.len() as u64);
    assert!(counts[1] >= done.len() as u64);
}
