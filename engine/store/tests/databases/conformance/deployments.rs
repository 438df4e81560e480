//! What is promised of deployments.

use std::collections::BTreeSet;

use hub_core::deployments::{
    DeploymentEnd, DeploymentKind, DeploymentResult, Deployments, Files, NewDeployment, TextDigest, digests,
};
use time::OffsetDateTime;
use time::macros::datetime;

const AT: OffsetDateTime = datetime!(2026-11-23 08:00:00.25 UTC);

fn files(pairs: &[(&str, &str)]) -> Files<String> {
    pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn new(kind: DeploymentKind, files: &Files<String>) -> NewDeployment {
    NewDeployment {
        at: AT,
        who: "anna".into(),
        why: "ticket 7".into(),
        node: "hub-1".into(),
        kind,
        files: files.clone(),
    }
}

fn end(result: DeploymentResult) -> DeploymentEnd {
    DeploymentEnd { at: AT + time::Duration::SECOND, result }
}

pub async fn a_deployment_is_kept_whole_and_its_texts_once(store: &dyn Deployments) {
    assert!(store.applied().await.unwrap().is_none());
    assert!(store.list(None, 10).await.unwrap().is_empty());
    let first = files(&[("channels/a.toml", "one\r\n"), ("mappings/a.toml", ""), ("mappings/b.toml", "é\0")]);
    assert_eq!(store.record(new(DeploymentKind::Start, &first)).await.unwrap(), 1);
    let second = files(&[("channels/a.toml", "two"), ("mappings/z.toml", "")]);
    assert_eq!(store.record(new(DeploymentKind::Rollback { to: 1 }, &second)).await.unwrap(), 2);
    let one = store.read(1).await.unwrap().unwrap();
    assert_eq!(one.files, digests(&first));
    assert_eq!((one.row.who.as_str(), one.row.why.as_str(), one.row.at), ("anna", "ticket 7", AT));
    assert_eq!(one.row.node, "hub-1");
    assert_eq!((one.row.kind, one.row.end, one.row.files), (DeploymentKind::Start, None, 3));
    let two = store.read(2).await.unwrap().unwrap();
    assert_eq!((two.row.kind, two.files), (DeploymentKind::Rollback { to: 1 }, digests(&second)));
    assert!(store.read(3).await.unwrap().is_none());
    let all: BTreeSet<TextDigest> =
        digests(&first).into_values().chain(digests(&second).into_values()).collect();
    assert_eq!(all.len(), 4, "the empty text is there once");
    let texts = store.texts(&all).await.unwrap();
    assert_eq!(texts.len(), 4);
    for text in first.values().chain(second.values()) {
        assert_eq!(&texts[&TextDigest::of(text)], text);
    }
    let unknown = BTreeSet::from([TextDigest::of("never kept"), TextDigest::of("two")]);
    assert_eq!(store.texts(&unknown).await.unwrap().len(), 1);
}

pub async fn a_deployment_ends_once_and_the_newest_applied_one_runs(store: &dyn Deployments) {
    let set = files(&[("channels/a.toml", "one")]);
    for _ in 0..4 {
        store.record(new(DeploymentKind::Deploy, &set)).await.unwrap();
    }
    let failed = end(DeploymentResult::Failed { reason: "a port is taken".into() });
    assert!(store.finish(1, end(DeploymentResult::Applied)).await.unwrap());
    assert!(store.finish(2, end(DeploymentResult::Applied)).await.unwrap());
    assert!(store.finish(3, failed.clone()).await.unwrap());
    assert!(!store.finish(3, end(DeploymentResult::Applied)).await.unwrap(), "it has ended");
    assert!(!store.finish(9, end(DeploymentResult::Applied)).await.unwrap(), "there is none");
    assert_eq!(store.applied().await.unwrap().unwrap().row.number, 2);
    let rows = store.list(None, 10).await.unwrap();
    let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
    assert_eq!(rows[0].end, None);
    assert_eq!(rows[1].end, Some(failed));
    let page: Vec<u64> = store.list(Some(3), 1).await.unwrap().iter().map(|row| row.number).collect();
    assert_eq!(page, [2]);
}
