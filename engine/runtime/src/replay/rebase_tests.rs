//! Whatever was written in whatever order, a replay leaves what later messages have changed, and writes the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::commit::{Commit, Key};
use hub_core::envelope::{Envelope, Head, Label, Peer, Raw};
use hub_core::id::{Digest, MessageId};
use hub_core::operations::ReplayWhat;
use hub_core::replay::{
    Place, ReplayNumber, ReplayOrder, ReplayPage, ReplayRow, ReplayState, ReplaySum, ReplayTurn,
};
use hub_core::store::{Cause, ChangesQuery, Committed, End, Searches, StateName, VersionPlace};
use hub_fhir::search::{Page, Search};
use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;

/// The versions of one patient, each with the message that wrote it; `None`: nobody's.
#[derive(Default)]
struct Versions(Mutex<Vec<(Option<Object>, Option<i64>)>>);

impl Versions {
    fn push(&self, tree: Option<Object>, by: Option<i64>) {
        self.0.lock().unwrap().push((tree, by));
    }

    fn now(&self) -> Option<Object> {
        self.0.lock().unwrap().last().and_then(|(tree, _)| tree.clone())
    }

    fn stored(&self, version: u64) -> Option<Stored> {
        let versions = self.0.lock().unwrap();
        let (tree, _) = versions.get(usize::try_from(version).unwrap().checked_sub(1)?)?;
        let text = tree.clone().map(|tree| Json::Object(tree).to_text()).unwrap_or_default();
        let body = Bytes::from(text);
        let updated = OffsetDateTime::UNIX_EPOCH;
        Some(Stored { reference: patient(), version, updated, deleted: tree.is_none(), body })
    }
}

fn patient() -> Reference {
    Reference::parse("Patient/1").unwrap()
}

#[async_trait]
impl Searches for Versions {
    async fn search_across(&self, _searches: &[Search]) -> Result<Page, StoreError> {
        panic!("nothing is searched")
    }
}

#[async_trait]
impl Resources for Versions {
    async fn read(&self, _reference: &Reference) -> Result<Option<Stored>, StoreError> {
        let count = self.0.lock().unwrap().len() as u64;
        Ok(self.stored(count))
    }

    async fn vread(&self, _reference: &Reference, version: u64) -> Result<Option<Stored>, StoreError> {
        Ok(self.stored(version))
    }

    async fn history(
        &self,
        _reference: &Reference,
        before: Option<u64>,
        count: u32,
    ) -> Result<Vec<Stored>, StoreError> {
        let versions = (1..before.unwrap()).rev().take(count as usize);
        Ok(versions.filter_map(|version| self.stored(version)).collect())
    }

    async fn changes(&self, _query: &ChangesQuery) -> Result<Vec<(Stored, VersionPlace)>, StoreError> {
        panic!("not asked")
    }

    async fn commit(&self, _cause: Cause, _commit: Commit) -> Result<Committed, StoreError> {
        panic!("nothing is written here")
    }
}

#[async_trait]
impl Replays for Versions {
    async fn order(&self, _order: &ReplayOrder) -> Result<ReplayNumber, StoreError> {
        panic!("not asked")
    }
    async fn list(&self, _limit: u32) -> Result<Vec<ReplayRow>, StoreError> {
        panic!("not asked")
    }
    async fn look(&self, _number: ReplayNumber) -> Result<Option<ReplayRow>, StoreError> {
        panic!("not asked")
    }
    async fn running(&self) -> Result<Vec<ReplayNumber>, StoreError> {
        panic!("not asked")
    }
    async fn claim(&self, _number: ReplayNumber) -> Result<bool, StoreError> {
        panic!("not asked")
    }
    async fn step(
        &self,
        _number: ReplayNumber,
        _from: Place,
        _to: Place,
        _sum: &ReplaySum,
        _ends: bool,
    ) -> Result<Option<ReplayState>, StoreError> {
        panic!("not asked")
    }
    async fn turn(&self, _number: ReplayNumber, _turn: ReplayTurn) -> Result<bool, StoreError> {
        panic!("not asked")
    }
    async fn page(
        &self,
        _what: &ReplayWhat,
        _after: Place,
        _last: i64,
        _limit: u32,
    ) -> Result<ReplayPage, StoreError> {
        panic!("not asked")
    }
    async fn resolve(&self, _what: ReplayWhat) -> Result<(ReplayWhat, i64), StoreError> {
        panic!("not asked")
    }

    async fn later(&self, _reference: &Reference, than: Than, limit: u32) -> Result<Vec<u64>, StoreError> {
        let versions = self.0.lock().unwrap();
        let later = (1..).zip(versions.iter()).filter(|(_, (_, by))| by.is_none_or(|by| by > than.place.at));
        let mut later: Vec<u64> = later.map(|(version, _)| version).collect();
        later.reverse();
        later.truncate(limit as usize);
        Ok(later)
    }

    async fn end_again(&self, _id: MessageId, _end: End, _keys: Vec<Key>) -> Result<bool, StoreError> {
        panic!("not asked")
    }
}

/// A message at a place.
fn past(at: i64) -> Replayable {
    let head = Head {
        id: MessageId(uuid::Uuid::from_u128(at.unsigned_abs().into())),
        channel: "test/patient".into(),
        dedupe: "k".into(),
        digest: Digest([0; 16]),
        label: Label::default(),
        correlation: "c".into(),
        received_at: OffsetDateTime::UNIX_EPOCH,
        peer: Peer::default(),
        parent: None,
    };
    let message = Envelope { head, body: Raw(Bytes::new()) };
    Replayable { message, place: Place { at, nth: 0 }, state: StateName::Committed, wrote: Vec::new() }
}

fn resource(elements: &Elements) -> Resource {
    let mut tree = Object::new();
    for (name, value) in elements {
        match *name {
            "deceased[x]" if value % 2 == 0 => tree.set("deceasedBoolean", true),
            "deceased[x]" => {
                tree.set("deceasedDateTime", Json::string(format!("{}", 2_000 + u32::from(*value))))
            }
            name => tree.set(name, Json::string(format!("v{value}"))),
        }
    }
    let reference = patient();
    Resource::new(reference.kind, reference.id, tree)
}

/// What a message says: elements and their values.
type Elements = BTreeMap<&'static str, u8>;

fn change(elements: &Elements, is_put: bool) -> Change {
    let resource = resource(elements);
    if is_put {
        return Change::Put(resource);
    }
    Change::Merge { resource, clear: Vec::new(), initial: Vec::new() }
}

async fn rebased(versions: &Versions, at: i64, change: Change, newer: Newer) -> Touched {
    let touched = rebase(versions, versions, &past(at), &[change], newer).await.unwrap();
    touched.into_iter().next().unwrap()
}

#[tokio::test]
async fn what_a_later_message_has_deleted_is_not_there_again() {
    let versions = Versions::default();
    let elements = Elements::from([("language", 1)]);
    versions.push(Some(resource(&elements).into_tree()), Some(1));
    versions.push(None, Some(2));
    let held = rebased(&versions, 1, change(&elements, false), Newer::Protect).await;
    assert!(held.is_same() && !held.older.is_empty() && held.change().is_none());
    let again = rebased(&versions, 3, change(&elements, false), Newer::Protect).await;
    assert!(again.older.is_empty());
    assert!(matches!(again.change(), Some(Change::PutIf { version: 2, .. })));
}

#[tokio::test]
async fn what_a_later_message_has_made_is_not_deleted() {
    let versions = Versions::default();
    let elements = Elements::from([("language", 1)]);
    versions.push(Some(resource(&elements).into_tree()), Some(2));
    let held = rebased(&versions, 1, Change::Delete(patient()), Newer::Protect).await;
    assert!(held.change().is_none() && !held.older.is_empty());
    let deleted = rebased(&versions, 1, Change::Delete(patient()), Newer::Overwrite).await;
    assert!(deleted.after.is_none());
    let later = rebased(&versions, 3, Change::Delete(patient()), Newer::Protect).await;
    assert!(matches!(later.change(), Some(Change::Delete(_))));
}

#[tokio::test]
async fn what_was_set_aside_fills_in_what_later_messages_say_nothing_of() {
    let versions = Versions::default();
    versions.push(Some(resource(&Elements::from([("language", 2)])).into_tree()), Some(2));
    let old = Elements::from([("language", 1), ("gender", 1)]);
    let touched = rebased(&versions, 1, change(&old, false), Newer::Protect).await;
    let after = touched.after.unwrap();
    assert_eq!(after.get("language").and_then(Json::as_str), Some("v2"));
    assert_eq!(after.get("gender").and_then(Json::as_str), Some("v1"));
}

#[tokio::test]
async fn two_changes_of_one_message_are_one_write() {
    let versions = Versions::default();
    let (one, two) = (Elements::from([("language", 1)]), Elements::from([("gender", 2)]));
    let changes = [change(&one, false), change(&two, false)];
    let touched = rebase(&versions, &versions, &past(1), &changes, Newer::Protect).await.unwrap();
    assert_eq!(touched.len(), 1);
    let Some(Change::PutIf { resource, version: 0 }) = touched[0].change() else { panic!("one write") };
    assert!(resource.tree().get("language").is_some() && resource.tree().get("gender").is_some());
}

#[tokio::test]
async fn what_too_many_versions_leave_undecided_counts_as_newer() {
    let versions = Versions::default();
    versions.push(Some(resource(&Elements::from([("language", 1)])).into_tree()), Some(1));
    for nth in 0..=u64::from(MOST_VERSIONS) {
        let mut tree = versions.now().unwrap();
        tree.set("gender", Json::string(nth.to_string()));
        versions.push(Some(tree), Some(2));
    }
    let touched =
        rebased(&versions, 1, change(&Elements::from([("language", 9)]), false), Newer::Protect).await;
    assert!(touched.older.contains("language"), "nobody has looked so far back");
}

fn elements() -> impl Strategy<Value = Elements> {
    let names = prop::sample::select(vec!["language", "gender", "birthDate", "deceased[x]"]);
    prop::collection::btree_map(names, 0..4_u8, 0..4)
}

proptest! {
    /// The oracle remembers of each element which messages have ever changed it, by looking at every version as it is made.
    #[test]
    fn a_replay_leaves_what_later_messages_have_changed_and_writes_the_rest(
        live in prop::collection::vec((elements(), any::<bool>()), 1..6),
        replays in prop::collection::vec((0..6_usize, elements(), any::<bool>()), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let versions = Versions::default();
            let mut changed: BTreeSet<(String, i64)> = BTreeSet::new();
            let kind = patient().kind;
            let mut write = |versions: &Versions, after: Object, by: i64| {
                let before = versions.now().unwrap_or_default();
                let names = differing(kind, &before, &after);
                if names.is_empty() && versions.now().is_some() {
                    return;
                }
                changed.extend(names.iter().map(|name| (name.to_string(), by)));
                versions.push(Some(after), Some(by));
            };
            for (at, (elements, is_put)) in (1..).zip(&live) {
                let after = change(elements, *is_put).onto(versions.now().as_ref()).unwrap();
                write(&versions, after, at);
            }
            let mut oracle = changed;
            for (which, elements, is_put) in &replays {
                // 0: it was set aside before any of them came.
                let at = i64::try_from(which % (live.len() + 1)).unwrap();
                let before = versions.now().unwrap();
                let change = change(elements, *is_put);
                let wanted = change.onto(Some(&before)).unwrap();
                let touched = rebased(&versions, at, change, Newer::Protect).await;
                let after = touched.after.unwrap();
                let moved = differing(kind, &before, &after);
                for name in differing(kind, &before, &wanted) {
                    let is_newer = oracle.iter().any(|(changed, by)| *changed == name && *by > at);
                    assert_eq!(touched.older.contains(&name), is_newer, "{name}");
                    assert_eq!(moved.contains(&name), !is_newer, "{name}");
                }
                assert!(moved.is_subset(&differing(kind, &before, &wanted)), "nothing else moves");
                if !moved.is_empty() {
                    oracle.extend(moved.iter().map(|name| (name.to_string(), at)));
                    versions.push(Some(after), Some(at));
                }
            }
        });
    }
}
