//! The promises of the FHIR store: commits and versions.

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Resources, StoreError};

use super::{reference, resource};

fn cause() -> Cause {
    Cause::Command { user: "nurse".into(), request: "r-1".into() }
}

async fn write(resources: &dyn Resources, changes: Vec<Change>) -> Result<Vec<(String, u64)>, StoreError> {
    let commit = Commit { changes, ..Commit::default() };
    let committed = resources.commit(cause(), commit).await?;
    Ok(committed.wrote.into_iter().map(|(reference, version)| (reference.to_string(), version)).collect())
}

fn patient(id: &str, rest: &str) -> hub_fhir::Resource {
    resource(&format!(r#"{{"resourceType":"Patient","id":"{id}"{rest}}}"#))
}

async fn text(resources: &dyn Resources, name: &str) -> String {
    let stored = resources.read(&reference(name)).await.unwrap().unwrap();
    String::from_utf8(stored.body.to_vec()).unwrap()
}

pub async fn a_put_makes_a_version_only_when_something_changed(resources: &dyn Resources) {
    let put = |rest: &str| vec![Change::Put(patient("put", rest))];
    let name = ("Patient/put".to_owned(), 1);
    assert_eq!(write(resources, put(r#","active":true"#)).await.unwrap(), [name]);
    assert_eq!(write(resources, put(r#","active":true"#)).await.unwrap(), []);
    assert_eq!(write(resources, put(r#","active":false"#)).await.unwrap()[0].1, 2);
    let text = text(resources, "Patient/put").await;
    assert!(text.contains(r#""versionId":"2""#) && text.contains(r#""active":false"#), "{text}");
    let first = resources.vread(&reference("Patient/put"), 1).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first.body).contains(r#""active":true"#));
    assert!(resources.vread(&reference("Patient/put"), 3).await.unwrap().is_none());
    let history = resources.history(&reference("Patient/put"), None, 10).await.unwrap();
    assert_eq!(history.iter().map(|stored| stored.version).collect::<Vec<_>>(), [2, 1]);
    let older = resources.history(&reference("Patient/put"), Some(2), 10).await.unwrap();
    assert_eq!(older.len(), 1);
    assert!(history[0].updated >= history[1].updated);
}

pub async fn a_put_from_another_version_fails_the_whole_commit(resources: &dyn Resources) {
    write(resources, vec![Change::Put(patient("lock", ""))]).await.unwrap();
    let stale = || {
        vec![
            Change::Put(patient("lock-other", "")),
            Change::PutIf { resource: patient("lock", r#","active":true"#), version: 2 },
        ]
    };
    match write(resources, stale()).await {
        Err(StoreError::Conflict { reference, expected, found }) => {
            assert_eq!((reference.as_str(), expected, found), ("Patient/lock", 2, 1));
        }
        other => panic!("{other:?}"),
    }
    assert!(resources.read(&reference("Patient/lock-other")).await.unwrap().is_none());
    let fresh = Change::PutIf { resource: patient("lock", r#","active":true"#), version: 1 };
    assert_eq!(write(resources, vec![fresh]).await.unwrap()[0].1, 2);
    let new = Change::PutIf { resource: patient("lock-new", ""), version: 0 };
    assert_eq!(write(resources, vec![new]).await.unwrap()[0].1, 1);
}

pub async fn a_merge_keeps_what_it_does_not_carry(resources: &dyn Resources) {
    let merge = |rest: &str, clear: &[&str]| {
        let clear = clear.iter().map(|name| (*name).into()).collect();
        vec![Change::Merge { resource: patient("merge", rest), clear, initial: vec![] }]
    };
    write(resources, merge(r#","active":true,"gender":"male""#, &[])).await.unwrap();
    assert_eq!(write(resources, merge(r#","birthDate":"1980-01-01""#, &["gender"])).await.unwrap()[0].1, 2);
    let text = text(resources, "Patient/merge").await;
    assert!(text.contains("birthDate") && text.contains("active") && !text.contains("gender"), "{text}");
    assert_eq!(write(resources, merge(r#","birthDate":"1980-01-01""#, &["gender"])).await.unwrap(), []);
}

/// What counts only for a new resource is written with it and never again, also not when the same merge is known to change nothing.
pub async fn a_merge_says_some_things_of_new_resources_only(resources: &dyn Resources) {
    let merge = |initial: &[&str]| {
        let initial = initial.iter().map(|name| (*name).into()).collect();
        let resource = patient("initial", r#","active":true,"gender":"male""#);
        vec![Change::Merge { resource, clear: vec![], initial }]
    };
    assert_eq!(write(resources, merge(&["active"])).await.unwrap()[0].1, 1);
    assert!(text(resources, "Patient/initial").await.contains("true"), "a new resource has it");
    let other = Change::Put(patient("initial", r#","active":false,"gender":"male""#));
    assert_eq!(write(resources, vec![other]).await.unwrap()[0].1, 2);
    assert_eq!(write(resources, merge(&["active"])).await.unwrap(), [], "a stored one keeps its own");
    assert_eq!(write(resources, merge(&["active"])).await.unwrap(), []);
    assert_eq!(write(resources, merge(&[])).await.unwrap()[0].1, 3, "said for good, it is written");
}

pub async fn ensure_creates_once_and_delete_leaves_its_history(resources: &dyn Resources) {
    let ensure = |rest: &str| vec![Change::Ensure(patient("ensure", rest))];
    assert_eq!(write(resources, ensure(r#","active":true"#)).await.unwrap()[0].1, 1);
    assert_eq!(write(resources, ensure(r#","active":false"#)).await.unwrap(), []);
    let delete = || vec![Change::Delete(reference("Patient/ensure"))];
    assert_eq!(write(resources, delete()).await.unwrap()[0].1, 2);
    assert_eq!(write(resources, delete()).await.unwrap(), []);
    let gone = resources.read(&reference("Patient/ensure")).await.unwrap().unwrap();
    assert!(gone.deleted && gone.body.is_empty() && gone.version == 2);
    assert_eq!(write(resources, ensure("")).await.unwrap()[0].1, 3);
    let history = resources.history(&reference("Patient/ensure"), None, 10).await.unwrap();
    assert_eq!(history.iter().map(|stored| stored.deleted).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(write(resources, vec![Change::Delete(reference("Patient/never"))]).await.unwrap(), []);
}

pub async fn one_commit_may_change_a_resource_twice(resources: &dyn Resources) {
    let changes = vec![
        Change::Put(patient("twice", r#","active":true"#)),
        Change::Merge { resource: patient("twice", r#","gender":"female""#), clear: vec![], initial: vec![] },
        Change::Put(patient("twice-other", "")),
        Change::Delete(reference("Patient/twice-other")),
    ];
    let wrote = write(resources, changes).await.unwrap();
    assert_eq!(wrote, [("Patient/twice".to_owned(), 2), ("Patient/twice-other".to_owned(), 2)]);
    let history = resources.history(&reference("Patient/twice"), None, 10).await.unwrap();
    assert_eq!(history.len(), 2);
    assert!(!String::from_utf8_lossy(&history[1].body).contains("gender"));
    assert!(text(resources, "Patient/twice").await.contains("gender"));
}
