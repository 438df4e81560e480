//! The promises about events that wait: each has its effect once.

use hub_core::commit::{Change, Commit, Wake};
use hub_core::store::{Cause, Resources, StoreError};
use hub_core::wakes::{Waiting, Wakes};
use time::{Duration, OffsetDateTime};

use super::{reference, resource};

fn wake(event: &str, at: OffsetDateTime) -> Wake {
    Wake { at, event: event.into(), subject: reference("Patient/wake") }
}

async fn raise(resources: &dyn Resources, wakes: Vec<Wake>) {
    let commit = Commit { wakes, ..Commit::default() };
    resources.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
}

fn patient(number: u64) -> hub_fhir::Resource {
    resource(&format!(r#"{{"resourceType":"Patient","id":"wake","multipleBirthInteger":{number}}}"#))
}

fn names(waiting: &[Waiting]) -> Vec<&str> {
    waiting.iter().map(|waiting| waiting.wake.event.as_str()).collect()
}

pub async fn an_event_waits_for_its_time_and_has_its_effect_once<S: Wakes + Resources>(store: &S) {
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    let minute = Duration::MINUTE;
    let told = store.raised();
    raise(store, vec![wake("second", now), wake("first", now - minute), wake("later", now + minute)]).await;
    tokio::time::timeout(std::time::Duration::from_secs(5), told.notified()).await.expect("it is told");
    let due = store.due(now, &[], 10).await.unwrap();
    assert_eq!(names(&due), ["first", "second"]);
    assert_eq!(due[0].wake, wake("first", now - minute));
    assert_eq!(names(&store.due(now, &[due[0].number], 1).await.unwrap()), ["second"]);
    assert_eq!(store.next(now).await.unwrap(), Some(now + minute));

    // A commit that fails leaves it.
    let stale = Change::PutIf { resource: patient(1), version: 9 };
    let commit = Commit { changes: vec![stale], ..Commit::default() };
    let failed = store.commit(Cause::Wake(due[0].clone()), commit).await;
    assert!(matches!(failed, Err(StoreError::Conflict { .. })));
    assert_eq!(names(&store.due(now, &[], 10).await.unwrap()), ["first", "second"]);

    // Of many who act on the same one wins.
    let act = |number| {
        let commit = Commit { changes: vec![Change::Put(patient(number))], ..Commit::default() };
        store.commit(Cause::Wake(due[0].clone()), commit)
    };
    let acted = futures_util::future::join_all((1..=8).map(act)).await;
    assert_eq!(acted.iter().filter(|acted| acted.is_ok()).count(), 1);
    assert!(acted.iter().all(|acted| matches!(acted, Ok(_) | Err(StoreError::Overtaken))));
    assert_eq!(store.read(&reference("Patient/wake")).await.unwrap().unwrap().version, 1);
    assert_eq!(names(&store.due(now, &[], 10).await.unwrap()), ["second"]);

    // Another event that has got the number of one that is gone is not taken for it.
    let second = store.due(now, &[], 1).await.unwrap().remove(0);
    store.commit(Cause::Wake(second.clone()), Commit::default()).await.unwrap();
    raise(store, vec![wake("other", now)]).await;
    let late = store.commit(Cause::Wake(second), Commit::default()).await;
    assert!(matches!(late, Err(StoreError::Overtaken)));
    let other = store.due(now, &[], 10).await.unwrap();
    assert_eq!(names(&other), ["other"]);

    // One that acts raises the next.
    let commit = Commit { wakes: vec![wake("next", now)], ..Commit::default() };
    store.commit(Cause::Wake(other[0].clone()), commit).await.unwrap();
    let next = store.due(now, &[], 10).await.unwrap();
    assert_eq!(names(&next), ["next"]);
    store.commit(Cause::Wake(next[0].clone()), Commit::default()).await.unwrap();
    assert!(store.due(now, &[], 10).await.unwrap().is_empty());
}
