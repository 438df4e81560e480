//! Messages are in an archive before they are deleted, and come back from it as they were: once.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use bytes::Bytes;
use hub_core::commit::{Change, Commit, Key, Note};
use hub_core::destination::Delivered;
use hub_core::envelope::{Envelope, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::MessageId;
use hub_core::store::{
    AnswerName, Answered, Cause, End, Imported, Journal, MessageDetail, MessageQuery, Outbox, ParcelState,
    Resources, Settlement, StoreError, Upkeep,
};
use hub_store::{ArchiveError, ArchiveFile, ArchiveKey, ArchiveOptions, Entry, Store, StoreOptions};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::conformance::pieces::pieces_of;
use crate::conformance::{journal, message, parcel, resource};
use crate::place::Place;

fn key() -> ArchiveKey {
    ArchiveKey::of("archive", &"5a".repeat(32)).unwrap()
}

fn options(place: &Place, folder: &Path) -> StoreOptions {
    let archive = ArchiveOptions { folder: folder.to_owned(), key: key() };
    StoreOptions { archive: Some(archive), ..place.options() }
}

fn tomorrow() -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::days(1)
}

/// The files of a folder that are finished.
fn files(folder: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|found| found.path());
    let mut files: Vec<PathBuf> =
        found.filter(|path| path.extension().is_some_and(|end| end == "archive")).collect();
    files.sort();
    files
}

fn read(file: &Path) -> Result<Vec<Entry>, ArchiveError> {
    let mut entries = Vec::new();
    ArchiveFile::open(file)?.read(&key(), |entry| {
        entries.push(entry);
        Ok::<_, ArchiveError>(())
    })?;
    Ok(entries)
}

fn packed(entries: &[Entry]) -> Bytes {
    let mut bytes = Vec::new();
    entries.iter().for_each(|entry| entry.write(&mut bytes).unwrap());
    bytes.into()
}

async fn prune_all(store: &Store) -> u64 {
    let mut pruned = 0;
    while let forgotten @ 1.. = store.prune(tomorrow(), 3).await.unwrap() {
        pruned += forgotten;
    }
    pruned
}

/// One of each: committed with a parcel and an answer, set aside, filtered, split into two.
async fn some(store: &Store) -> Vec<Envelope<Raw>> {
    let sent: Vec<_> =
        (0..4).map(|n| message("keep/a", &format!("k{n}"), &format!("text of {n}, 病人"))).collect();
    for one in &sent {
        store.receive(one).await.unwrap();
    }
    let patient = resource(r#"{"resourceType":"Patient","id":"kept","gender":"male"}"#);
    let commit = Commit {
        changes: vec![Change::Put(patient)],
        parcels: vec![parcel("keep/to", 4_711, Some("p")), parcel("keep/to", 4_712, None)],
        keys: vec![Key { name: "patient".into(), value: "1000001".into() }],
        notes: vec![Note { place: "PID-8".to_owned(), reason: "left out".to_owned() }],
        ..Commit::default()
    };
    store.commit(Cause::Message(sent[0].head.id), commit).await.unwrap();
    for leased in store.lease(&"keep/to".into(), 9, Duration::from_secs(60)).await.unwrap() {
        let answer = (leased.parcel.order_key.is_some()).then(|| Bytes::from_static(b"MSA|AA"));
        let taken = Settlement::Delivered(Delivered { answer }, None);
        assert!(store.settle(&leased, taken).await.unwrap());
    }
    let fault = Fault {
        step: FaultStep::Map,
        place: Some("PID-3".into()),
        rule: Some("r".into()),
        reason: "no".into(),
    };
    store.end(sent[1].head.id, End::Quarantined(fault), vec![]).await.unwrap();
    store.end(sent[2].head.id, End::Filtered { rule: "P only".into() }, vec![]).await.unwrap();
    let at = OffsetDateTime::now_utc();
    store.answered(sent[2].head.id, Answered { kind: AnswerName::Busy, at }).await.unwrap();
    let pieces = pieces_of(&sent[3].head, &["a", "b"]);
    store.expand(sent[3].head.id, pieces.clone()).await.unwrap();
    for piece in &pieces {
        store.commit(Cause::Message(piece.head.id), Commit::default()).await.unwrap();
    }
    sent.into_iter().chain(pieces).collect()
}

/// All that is shown of messages, but when they were imported.
async fn shown(store: &Store, sent: &[Envelope<Raw>]) -> Vec<String> {
    let mut all = Vec::new();
    for one in sent {
        let mut detail: MessageDetail = store.message(one.head.id).await.unwrap().unwrap();
        assert_eq!(detail.raw.0, one.body.0);
        detail.row.imported_at = None;
        all.push(format!("{detail:?}"));
    }
    all
}

#[tokio::test]
async fn what_is_deleted_was_archived_whole_and_comes_back_once() {
    for place in Place::both() {
        let folder = TempDir::new().unwrap();
        let store = Store::open(options(&place, folder.path())).await.unwrap();
        let sent = some(&store).await;
        let open = message("keep/a", "open", "text");
        store.receive(&open).await.unwrap();
        let before = shown(&store, &sent).await;
        assert_eq!(prune_all(&store).await, 6);
        assert_eq!(journal::counts(&store, "keep/a").await, [1, 0, 0, 0, 0]);
        let file = ArchiveFile::open(&files(folder.path())[0]).unwrap();
        assert_eq!((file.header.messages, file.header.parcels), (6, 2));
        assert_eq!(
            (file.header.key.as_str(), &file.header.channels),
            ("archive", &vec!["keep/a".to_owned()])
        );
        let entries: Vec<Entry> = files(folder.path()).iter().flat_map(|file| read(file).unwrap()).collect();
        assert_eq!(entries.len(), 6);
        // In clear there is nothing of a patient.
        let bytes = std::fs::read(&files(folder.path())[0]).unwrap();
        for secret in ["1000001", "text of", "病人", "k0"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }

        assert_eq!(store.import(packed(&entries)).await.unwrap(), Imported { added: 6, known: 0 });
        assert_eq!(store.import(packed(&entries)).await.unwrap(), Imported { added: 0, known: 6 });
        assert_eq!(shown(&store, &sent).await, before);
        assert_eq!(journal::counts(&store, "keep/a").await, [1, 3, 1, 1, 1]);
        let by_key = MessageQuery {
            key: Some((Some("patient".into()), "1000001".into())),
            limit: 9,
            ..MessageQuery::default()
        };
        let found = store.find(&by_key).await.unwrap();
        assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), [sent[0].head.id]);
        assert!(found[0].imported_at.is_some());
        let answer = store.answer(parcel("keep/to", 4_711, None).id).await.unwrap();
        assert_eq!(answer, Some((ParcelState::Delivered, Some(Bytes::from_static(b"MSA|AA")))));

        // Replayed, it owes nothing that was delivered before.
        assert!(store.reopen(sent[0].head.id).await.unwrap());
        let again = Commit { parcels: vec![parcel("keep/to", 4_711, Some("p"))], ..Commit::default() };
        let committed = store.commit(Cause::Message(sent[0].head.id), again).await.unwrap();
        assert!(committed.owed.is_empty());
        // What comes next gets numbers of its own.
        store.receive(&message("keep/a", "next", "text")).await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn what_was_imported_is_kept_as_long_as_what_has_just_ended() {
    for place in Place::both() {
        let folder = TempDir::new().unwrap();
        let store = Store::open(options(&place, folder.path())).await.unwrap();
        some(&store).await;
        prune_all(&store).await;
        let entries = read(&files(folder.path())[0]).unwrap();
        let before = OffsetDateTime::now_utc();
        store.import(packed(&entries)).await.unwrap();
        assert_eq!(store.prune(before, 100).await.unwrap(), 0, "they ended before, but were imported after");
        assert_eq!(prune_all(&store).await, 6);
        store.close().await;
    }
}

#[tokio::test]
async fn whole_stretches_are_archived_before_they_are_dropped() {
    let place = Place::postgres();
    let folder = TempDir::new().unwrap();
    let store = Store::open(options(&place, folder.path())).await.unwrap();
    let sent = some(&store).await;
    let long_ago = OffsetDateTime::now_utc() - time::Duration::days(9);
    store.prune(long_ago, 1).await.unwrap();
    crate::stretches::long_in_use(&place, 1).await;
    assert_eq!(store.prune(tomorrow(), 1).await.unwrap(), 6, "a whole stretch");
    let archived: HashSet<_> =
        files(folder.path()).iter().flat_map(|file| read(file).unwrap()).map(|entry| entry.head.id).collect();
    assert_eq!(archived, sent.iter().map(|one| one.head.id.0).collect());
    store.close().await;
}

#[tokio::test]
async fn nothing_is_deleted_when_the_archive_cannot_be_written() {
    for place in Place::both() {
        let folder = TempDir::new().unwrap();
        let in_the_way = folder.path().join("file");
        std::fs::write(&in_the_way, "not a folder").unwrap();
        let store = Store::open(options(&place, &in_the_way)).await.unwrap();
        some(&store).await;
        assert!(matches!(store.prune(tomorrow(), 100).await, Err(StoreError::Unavailable(_))));
        assert_eq!(journal::counts(&store, "keep/a").await, [0, 3, 1, 1, 1]);
        store.close().await;
    }
}

#[tokio::test]
async fn a_file_that_was_cut_changed_or_sealed_with_another_key_is_noticed() {
    let (place, folder) = (Place::sqlite(), TempDir::new().unwrap());
    let store = Store::open(options(&place, folder.path())).await.unwrap();
    some(&store).await;
    prune_all(&store).await;
    store.close().await;
    let file = files(folder.path()).remove(0);
    let whole = std::fs::read(&file).unwrap();
    let other = folder.path().join("other");
    let read_changed = |bytes: &[u8]| {
        std::fs::write(&other, bytes).unwrap();
        read(&other)
    };
    assert_eq!(read_changed(&whole).unwrap().len(), 6);
    for at in [whole.len() - 1, 16 << 10, (16 << 10) + 40] {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        assert!(matches!(read_changed(&changed), Err(ArchiveError::Damaged { .. })), "byte {at}");
    }
    // Filled up with another space.
    let mut padded = whole.clone();
    padded[15 << 10] = b'\t';
    assert!(matches!(read_changed(&padded), Err(ArchiveError::Damaged { .. })));
    // The count in the header is believed by who lists the files: it is sealed with them.
    let text = String::from_utf8_lossy(&whole[..16 << 10]).into_owned();
    let header = text.replace("\"messages\":6", "\"messages\":5");
    assert_ne!(header, text);
    let lying = [header.as_bytes(), &whole[16 << 10..]].concat();
    assert!(matches!(read_changed(&lying), Err(ArchiveError::Damaged { .. })));
    assert!(matches!(read_changed(&whole[..whole.len() - 9]), Err(ArchiveError::Damaged { .. })));
    assert!(matches!(read_changed(&whole[..16 << 10]), Err(ArchiveError::Damaged { .. })));
    assert!(matches!(read_changed(b"MSH|^~\\&|"), Err(ArchiveError::NoArchive { .. })));
    let newer = text.replace("\"version\":1", "\"version\":2");
    assert!(matches!(read_changed(newer.as_bytes()), Err(ArchiveError::Version { version: 2, .. })));
    let another = ArchiveKey::of("archive", &"5b".repeat(32)).unwrap();
    let opened = ArchiveFile::open(&file).unwrap().read(&another, |_| Ok::<_, ArchiveError>(()));
    assert!(matches!(opened, Err(ArchiveError::OtherKey { key, .. }) if key == "archive"));
}

#[tokio::test]
async fn what_is_no_archived_message_is_refused_whole() {
    for place in Place::both() {
        let folder = TempDir::new().unwrap();
        let store = Store::open(options(&place, folder.path())).await.unwrap();
        some(&store).await;
        prune_all(&store).await;
        let entries = read(&files(folder.path())[0]).unwrap();
        let mut open = entries.clone();
        open[1].head.state = "received".to_owned();
        let mut changed = entries.clone();
        changed[1].body = Bytes::from_static(b"another text");
        let cut = packed(&entries).slice(..100);
        for wrong in [packed(&open), packed(&changed), cut, Bytes::from_static(b"MSH|")] {
            assert!(matches!(store.import(wrong).await, Err(StoreError::Invalid { .. })));
        }
        assert_eq!(store.import(Bytes::new()).await.unwrap(), Imported::default());
        assert_eq!(journal::counts(&store, "keep/a").await, [0; 5]);
        store.close().await;
    }
}

/// Where the process that is killed works; set, the test below is that process.
const KILLED: &str = "HUB_STORE_TEST_KILLED";

/// Archives and deletes until it is killed.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(KILLED).map(PathBuf::from) else { return };
    let archive = ArchiveOptions { folder: folder.join("archive"), key: key() };
    let options = StoreOptions { archive: Some(archive), ..StoreOptions::new(folder.join("data")) };
    let store = Store::open(options).await.unwrap();
    while store.prune(tomorrow(), 2).await.unwrap() > 0 {}
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "archiving::the_process_that_is_killed", "--test-threads=1"])
        .env(KILLED, folder)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn killed_between_archive_and_delete_every_message_is_in_one_of_them() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let mut sent: BTreeMap<MessageId, Bytes> = BTreeMap::new();
    let (mut in_both, mut rounds) = (0, 0);
    for round in 0..6_u64 {
        let store = Store::open(StoreOptions::new(&data)).await.unwrap();
        for n in 0..120 {
            let one = message("kill", &format!("{round}-{n}"), &format!("text {round}-{n}"));
            store.receive(&one).await.unwrap();
            store.end(one.head.id, End::Filtered { rule: "r".into() }, vec![]).await.unwrap();
            sent.insert(one.head.id, one.body.0.clone());
        }
        store.close().await;
        drop(store);
        let had = files(&folder.path().join("archive")).len();
        let mut child = start(folder.path());
        // Killed as soon as the file is there: the rows are about to go.
        while files(&folder.path().join("archive")).len() == had && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(3 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let archived: BTreeMap<MessageId, Bytes> = files(&folder.path().join("archive"))
            .iter()
            .flat_map(|file| read(file).unwrap())
            .map(|entry| (MessageId(entry.head.id), entry.body))
            .collect();
        let store = Store::open(StoreOptions::new(&data)).await.unwrap();
        let mut here = 0;
        for (id, body) in &sent {
            let stored = store.message(*id).await.unwrap();
            let is_archived = archived.get(id).is_some_and(|archived| archived == body);
            assert!(stored.is_some() || is_archived, "a message is lost");
            here += u64::from(stored.is_some());
            in_both += u32::from(stored.is_some() && is_archived);
        }
        assert_eq!(journal::counts(&store, "kill").await.iter().sum::<u64>(), here);
        store.close().await;
        rounds += 1;
    }
    assert_eq!(rounds, 6);
    assert!(in_both > 0, "it was never killed in between: the test showed nothing");
}

#[tokio::test]
async fn an_archive_of_a_stretch_that_was_broken_off_goes_on_unless_something_has_changed() {
    use crate::stretches::{ask, run};
    for has_changed in [false, true] {
        let place = Place::postgres();
        let folder = TempDir::new().unwrap();
        let store = Store::open(options(&place, folder.path())).await.unwrap();
        for n in 0..4 {
            let one = message("keep/b", &format!("{n}"), "text");
            store.receive(&one).await.unwrap();
            store.end(one.head.id, End::Filtered { rule: "r".into() }, vec![]).await.unwrap();
        }
        store.prune(OffsetDateTime::now_utc() - time::Duration::days(9), 1).await.unwrap();
        // As if two had been archived when the program was killed; and one of them was replayed since, or not.
        let second = ask(&place, "SELECT seq FROM message ORDER BY seq OFFSET 1 LIMIT 1").await;
        let begun = OffsetDateTime::now_utc() + time::Duration::hours(if has_changed { -1 } else { 1 });
        let begun = begun.unix_timestamp() * 1_000_000;
        run(&place, &format!("COMMENT ON TABLE message_body_0 IS 'archived {begun} {second}'")).await;
        assert_eq!(store.prune(tomorrow(), 1).await.unwrap(), 4);
        let archived: Vec<Entry> = files(folder.path()).iter().flat_map(|file| read(file).unwrap()).collect();
        assert_eq!(archived.len(), if has_changed { 4 } else { 2 });
        store.close().await;
    }
}
