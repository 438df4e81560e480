//! The outbox's promises.

use std::time::Duration;

use bytes::Bytes;
use hub_core::commit::{Change, Commit, Parcel};
use hub_core::destination::{Delivered, DeliveryError};
use hub_core::id::DestinationId;
use hub_core::store::{Cause, Leased, Outbox, QueueDepth, Resources, RetryWhich, Settlement};
use time::OffsetDateTime;

use super::{parcel, reference, resource};

const HOLD: Duration = Duration::from_secs(60);

async fn owe(resources: &dyn Resources, parcels: Vec<Parcel>) -> Vec<DestinationId> {
    let commit = Commit { parcels, ..Commit::default() };
    resources.commit(Cause::Timer { name: "test" }, commit).await.unwrap().owed
}

fn numbers(leased: &[Leased]) -> Vec<u128> {
    leased.iter().map(|leased| leased.parcel.id.0.as_u128()).collect()
}

fn done() -> Settlement {
    Settlement::Delivered(Delivered { answer: Some(Bytes::from_static(b"ok")) }, None)
}

fn later() -> DeliveryError {
    DeliveryError::Later { reason: "busy".into(), after: None }
}

async fn depth(outbox: &dyn Outbox, to: &DestinationId) -> [u64; 4] {
    let depth = outbox.depth().await.unwrap();
    let found: Option<QueueDepth> = depth.into_iter().find(|depth| depth.to == *to);
    found.map_or([0; 4], |depth| depth.counts)
}

pub async fn one_parcel_of_a_key_is_out_at_a_time_and_in_order(
    outbox: &dyn Outbox,
    resources: &dyn Resources,
) {
    let to = DestinationId::from("order/to");
    let parcels = [(1, "a"), (2, "a"), (3, "b"), (4, "a")].map(|(n, key)| parcel("order/to", n, Some(key)));
    let mut parcels = parcels.to_vec();
    parcels.push(parcel("order/to", 5, None));
    assert_eq!(owe(resources, parcels.clone()).await, std::slice::from_ref(&to));
    assert_eq!(owe(resources, parcels).await, [], "the same parcels are not owed twice");
    let mut first = outbox.lease(&to, 10, HOLD).await.unwrap();
    first.sort_by_key(|leased| leased.parcel.id);
    assert_eq!(numbers(&first), [1, 3, 5]);
    assert_eq!(first[0].parcel.body, "parcel 1");
    assert_eq!((first[0].attempt, first[0].in_doubt), (1, false));
    assert!(outbox.lease(&to, 10, HOLD).await.unwrap().is_empty());
    assert!(outbox.settle(&first[0], done()).await.unwrap());
    assert!(!outbox.settle(&first[0], done()).await.unwrap(), "a lease is settled once");
    let second = outbox.lease(&to, 10, HOLD).await.unwrap();
    assert_eq!(numbers(&second), [2]);
    // Tried again later: its key waits with it.
    let at = OffsetDateTime::now_utc() + time::Duration::milliseconds(150);
    outbox.settle(&second[0], Settlement::Again { at, error: later() }).await.unwrap();
    assert!(outbox.lease(&to, 10, HOLD).await.unwrap().is_empty());
    let due = outbox.next_due(&to).await.unwrap().unwrap();
    assert!((due - at).abs() < time::Duration::milliseconds(1));
    tokio::time::sleep(Duration::from_millis(170)).await;
    let third = outbox.lease(&to, 10, HOLD).await.unwrap();
    assert_eq!((numbers(&third), third[0].attempt), (vec![2], 2));
    outbox.settle(&third[0], Settlement::Untried).await.unwrap();
    let fourth = outbox.lease(&to, 10, HOLD).await.unwrap();
    assert_eq!((numbers(&fourth), fourth[0].attempt), (vec![2], 2), "an untried try does not count");
    assert_eq!(depth(outbox, &to).await, [4, 1, 0, 0]);
}

pub async fn a_lease_held_too_long_is_given_out_again(outbox: &dyn Outbox, resources: &dyn Resources) {
    let to = DestinationId::from("lapse/to");
    owe(resources, vec![parcel("lapse/to", 101, Some("k"))]).await;
    let slow = outbox.lease(&to, 1, Duration::from_millis(30)).await.unwrap().remove(0);
    assert!(outbox.lease(&to, 1, HOLD).await.unwrap().is_empty());
    tokio::time::sleep(Duration::from_millis(40)).await;
    let again = outbox.lease(&to, 1, HOLD).await.unwrap().remove(0);
    assert!(again.in_doubt, "the first try may have arrived");
    assert!(!outbox.settle(&slow, done()).await.unwrap());
    assert!(outbox.settle(&again, done()).await.unwrap());
    assert!(outbox.next_due(&to).await.unwrap().is_none());
}

pub async fn what_was_given_up_is_retried_in_its_place(outbox: &dyn Outbox, resources: &dyn Resources) {
    let to = DestinationId::from("retry/to");
    owe(resources, (201..=203).map(|n| parcel("retry/to", n, Some("k"))).collect()).await;
    let first = outbox.lease(&to, 9, HOLD).await.unwrap().remove(0);
    let never = DeliveryError::Never { reason: "refused".into() };
    outbox.settle(&first, Settlement::GiveUp(never, None)).await.unwrap();
    assert_eq!(depth(outbox, &to).await, [2, 0, 1, 0]);
    // The next of the key is under way when the first is put back.
    let second = outbox.lease(&to, 9, HOLD).await.unwrap().remove(0);
    assert_eq!(outbox.retry(&RetryWhich::Parcel(first.parcel.id)).await.unwrap(), 1);
    assert_eq!(outbox.retry(&RetryWhich::Parcel(first.parcel.id)).await.unwrap(), 0);
    assert!(outbox.lease(&to, 9, HOLD).await.unwrap().is_empty());
    let error = DeliveryError::InDoubt { reason: "no answer".into() };
    let at = OffsetDateTime::now_utc();
    outbox.settle(&second, Settlement::Again { at, error }).await.unwrap();
    for (expected, in_doubt) in [(201, false), (202, true), (203, false)] {
        let next = outbox.lease(&to, 9, HOLD).await.unwrap();
        assert_eq!(numbers(&next), [expected]);
        assert_eq!(next[0].in_doubt, in_doubt);
        outbox.settle(&next[0], done()).await.unwrap();
    }
    assert_eq!(depth(outbox, &to).await, [0, 3, 0, 0]);
}

pub async fn an_answer_is_written_with_its_settlement(outbox: &dyn Outbox, resources: &dyn Resources) {
    let to = DestinationId::from("answer/to");
    owe(resources, vec![parcel("answer/to", 301, None), parcel("answer/to", 302, None)]).await;
    let mut leased = outbox.lease(&to, 2, HOLD).await.unwrap();
    let (second, first) = (leased.pop().unwrap(), leased.pop().unwrap());
    let answered = |version: u64| {
        let resource = resource(r#"{"resourceType":"Patient","id":"answer"}"#);
        let commit = Commit { changes: vec![Change::PutIf { resource, version }], ..Commit::default() };
        Settlement::Delivered(Delivered { answer: None }, Some(Box::new(commit)))
    };
    assert!(outbox.settle(&first, answered(7)).await.is_err(), "a commit that conflicts settles nothing");
    assert_eq!(depth(outbox, &to).await, [2, 0, 0, 0]);
    assert!(outbox.settle(&first, answered(0)).await.unwrap());
    assert!(resources.read(&reference("Patient/answer")).await.unwrap().is_some());
    let doubt = Settlement::Doubt(DeliveryError::InDoubt { reason: "no answer".into() }, None);
    assert!(outbox.settle(&second, doubt).await.unwrap());
    assert_eq!(depth(outbox, &to).await, [0, 1, 0, 1]);
    assert_eq!(outbox.retry(&RetryWhich::Destination(to.clone())).await.unwrap(), 1);
    let again = outbox.lease(&to, 1, HOLD).await.unwrap();
    assert!(!again[0].in_doubt, "who retries a parcel in doubt has looked whether it arrived");
    assert_eq!(again[0].attempt, 1, "and it is tried as if it were new");
}

/// A queue at rest is not asked again, but nothing that becomes due is overlooked: not a new parcel, not one whose time has
/// come, not one whose lease lapses.
pub async fn a_queue_at_rest_wakes_when_something_is_due(outbox: &dyn Outbox, resources: &dyn Resources) {
    let to = DestinationId::from("rest/to");
    let lease = || outbox.lease(&to, 8, HOLD);
    assert_eq!(outbox.next_due(&to).await.unwrap(), None);
    owe(resources, vec![parcel("rest/to", 901, None)]).await;
    let first = lease().await.unwrap();
    assert_eq!(numbers(&first), [901]);
    let at = OffsetDateTime::now_utc() + Duration::from_millis(200);
    assert!(outbox.settle(&first[0], Settlement::Again { at, error: later() }).await.unwrap());
    for _ in 0..3 {
        assert!(lease().await.unwrap().is_empty());
        let next = outbox.next_due(&to).await.unwrap().unwrap();
        assert!((next - at).abs() < Duration::from_millis(1));
    }
    owe(resources, vec![parcel("rest/to", 902, Some("k")), parcel("rest/to", 903, Some("k"))]).await;
    let second = outbox.lease(&to, 8, Duration::from_millis(50)).await.unwrap();
    assert_eq!(numbers(&second), [902]);
    assert!(lease().await.unwrap().is_empty());
    tokio::time::sleep(Duration::from_millis(80)).await;
    let again = lease().await.unwrap();
    assert_eq!(numbers(&again), [902]);
    assert!(again[0].in_doubt);
    assert!(lease().await.unwrap().is_empty());
    assert!(outbox.settle(&again[0], done()).await.unwrap());
    let third = lease().await.unwrap();
    assert_eq!(numbers(&third), [903]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let late = lease().await.unwrap();
    assert_eq!(numbers(&late), [901]);
    assert!(outbox.settle(&third[0], done()).await.unwrap());
    assert!(outbox.settle(&late[0], done()).await.unwrap());
    assert!(lease().await.unwrap().is_empty());
    assert_eq!(outbox.next_due(&to).await.unwrap(), None);
}

pub async fn a_settlement_nobody_waits_for_counts_once(outbox: &dyn Outbox, resources: &dyn Resources) {
    let to = DestinationId::from("gone/to");
    owe(resources, vec![parcel("gone/to", 701, Some("k"))]).await;
    let leased = outbox.lease(&to, 1, HOLD).await.unwrap();
    let mut first = outbox.settle(&leased[0], done());
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    drop(first);
    outbox.settle(&leased[0], done()).await.unwrap();
    assert_eq!(depth(outbox, &to).await, [0, 1, 0, 0]);
}
