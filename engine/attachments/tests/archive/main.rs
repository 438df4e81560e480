//! The archive on a folder and on an S3-compatible storage: what goes in comes out, in whole and in part; what is damaged is found;
//! what nobody needs is deleted.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod s3_server;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_attachments::{Archive, ArchiveLimits, Folder, S3, S3Settings, Storage, slip_of};
use hub_core::attachment::{
    AttachmentBook, AttachmentError, Attachments, ContentId, Kept, PlaceId, Slip, Stowed, Swept,
};
use hub_core::store::StoreError;
use s3_server::{Held, Shared};
use tempfile::TempDir;
use time::OffsetDateTime;

/// A book in memory.
#[derive(Default)]
struct Book {
    kept: Mutex<HashMap<ContentId, Kept>>,
    given_up: Mutex<HashSet<PlaceId>>,
}

impl Book {
    fn note(&self, stowed: &Stowed) -> Kept {
        let kept = Kept {
            place: stowed.place,
            content: stowed.content,
            size: stowed.size,
            media_type: stowed.media_type.clone(),
            stored_at: OffsetDateTime::now_utc(),
        };
        self.kept.lock().unwrap().insert(stowed.content, kept.clone());
        kept
    }

    fn give_up(&self, content: ContentId) {
        let kept = self.kept.lock().unwrap().remove(&content).unwrap();
        self.given_up.lock().unwrap().insert(kept.place);
    }
}

#[async_trait]
impl AttachmentBook for Book {
    async fn kept(&self, content: ContentId) -> Result<Option<Kept>, StoreError> {
        Ok(self.kept.lock().unwrap().get(&content).cloned())
    }

    async fn release(&self, _now: OffsetDateTime, _limit: u32) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn disown(&self, places: Vec<PlaceId>) -> Result<(), StoreError> {
        self.given_up.lock().unwrap().extend(places);
        Ok(())
    }

    async fn known(&self, places: &[PlaceId]) -> Result<Vec<PlaceId>, StoreError> {
        let (kept, given_up) = (self.kept.lock().unwrap(), self.given_up.lock().unwrap());
        let known = kept.values().map(|kept| kept.place).chain(given_up.iter().copied());
        Ok(known.filter(|place| places.contains(place)).collect())
    }

    async fn given_up(&self, limit: u32) -> Result<Vec<PlaceId>, StoreError> {
        Ok(self.given_up.lock().unwrap().iter().take(limit as usize).copied().collect())
    }

    async fn deleted(&self, places: Vec<PlaceId>) -> Result<(), StoreError> {
        self.given_up.lock().unwrap().retain(|place| !places.contains(place));
        Ok(())
    }
}

const MOST: u64 = 40 << 20;

fn archive(storage: impl Storage + 'static) -> (Archive, Arc<Book>) {
    let book = Arc::new(Book::default());
    let limits = ArchiveLimits { most: MOST, orphan_after: Duration::from_secs(3600) };
    (Archive::new(Box::new(storage), book.clone(), limits), book)
}

async fn s3(held: &Shared, access_key: &str) -> S3 {
    let settings = S3Settings {
        endpoint: Some(s3_server::start(held.clone()).await),
        bucket: "bucket".to_owned(),
        region: "eu-1".to_owned(),
        prefix: "hub".to_owned(),
        access_key: access_key.to_owned(),
        secret_key: "key".to_owned(),
    };
    S3::new(&settings).unwrap()
}

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at >> 16) as u8).collect()
}

async fn stow(archive: &Archive, payload: &[u8]) -> Result<Stowed, AttachmentError> {
    let mut taking = archive.begin("application/pdf").await?;
    for piece in payload.chunks(70_000) {
        taking.add(Bytes::copy_from_slice(piece)).await?;
    }
    taking.finish().await
}

async fn read(archive: &Archive, kept: &Kept, from: u64, to: u64) -> Result<Vec<u8>, AttachmentError> {
    let mut reading = archive.open(kept, from..to).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = reading.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn what_goes_in_comes_out(archive: &Archive, book: &Book) {
    for length in [0, 1, 600_000, 21 << 20] {
        let payload = payload(length);
        let stowed = stow(archive, &payload).await.unwrap();
        assert_eq!(Slip::of(&stowed, None).hash, slip_of(&payload).hash);
        assert_eq!((stowed.content, stowed.size), (slip_of(&payload).content, length as u64));
        let kept = book.note(&stowed);
        assert_eq!(archive.find(stowed.content).await.unwrap(), Some(kept.clone()));
        assert!(read(archive, &kept, 0, kept.size).await.unwrap() == payload, "{length} bytes");
        if length > 1_000 {
            assert!(read(archive, &kept, 300_000, 300_010).await.unwrap() == payload[300_000..300_010]);
            assert!(
                read(archive, &kept, kept.size - 1, kept.size + 5).await.unwrap() == payload[length - 1..]
            );
        }
    }
    let too_large = stow(archive, &payload(MOST as usize + 1)).await;
    assert!(matches!(too_large, Err(AttachmentError::TooLarge { most: MOST })));
}

async fn what_nobody_needs_is_deleted(archive: &Archive, book: &Book, objects: &dyn Fn() -> usize) {
    let before = objects();
    let [needed, given_up] = [payload(10), payload(20)];
    let needed = book.note(&stow(archive, &needed).await.unwrap());
    book.note(&stow(archive, &given_up).await.unwrap());
    book.give_up(slip_of(&given_up).content);
    stow(archive, &payload(30)).await.unwrap();
    let now = OffsetDateTime::now_utc() + time::Duration::hours(2);
    assert_eq!(archive.sweep(now).await.unwrap(), Swept { deleted: 1, orphans: 1 });
    assert_eq!(objects(), before + 1);
    assert_eq!(read(archive, &needed, 0, 10).await.unwrap(), payload(10));
    assert_eq!(archive.sweep(now).await.unwrap(), Swept::default());
    archive.discard(needed.place).await;
    let missing = read(archive, &needed, 0, 10).await;
    assert!(matches!(missing, Err(AttachmentError::Missing { .. })), "{missing:?}");
}

fn files(folder: &TempDir) -> Vec<std::path::PathBuf> {
    let Ok(folders) = std::fs::read_dir(folder.path().join("a")) else { return Vec::new() };
    folders
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect()
}

#[tokio::test]
async fn a_folder_keeps_what_it_is_given() {
    let folder = TempDir::new().unwrap();
    let (archive, book) = archive(Folder::new(folder.path().join("a")));
    assert_eq!(archive.sweep(OffsetDateTime::now_utc()).await.unwrap(), Swept::default());
    what_goes_in_comes_out(&archive, &book).await;
    assert_eq!(files(&folder).len(), 4, "nothing is left of what was too large");
    what_nobody_needs_is_deleted(&archive, &book, &|| files(&folder).len()).await;
}

#[tokio::test]
async fn a_file_that_was_changed_is_found_before_its_end_is_given_out() {
    let folder = TempDir::new().unwrap();
    let (archive, book) = archive(Folder::new(folder.path().join("a")));
    let kept = book.note(&stow(&archive, &payload(600_000)).await.unwrap());
    let file = files(&folder).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let mut reading = archive.open(&kept, 0..kept.size).await.unwrap();
    let mut given = 0;
    let error = loop {
        match reading.next().await {
            Ok(piece) => given += piece.unwrap().len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AttachmentError::Damaged { .. }));
    assert!(given < bytes.len(), "its end is not given out");
    for wrong in [&bytes[..500_000], &[bytes.as_slice(), b"more"].concat()[..]] {
        std::fs::write(&file, wrong).unwrap();
        let kept = Kept { size: 600_000, ..kept.clone() };
        assert!(matches!(read(&archive, &kept, 0, 600_000).await, Err(AttachmentError::Damaged { .. })));
    }
}

#[tokio::test]
async fn what_a_killed_hub_has_half_written_is_deleted_when_it_is_old() {
    let folder = TempDir::new().unwrap();
    let (archive, _) = archive(Folder::new(folder.path().join("a")));
    let mut taking = archive.begin("text/plain").await.unwrap();
    taking.add(Bytes::from(payload(600_000))).await.unwrap();
    // As if the process had ended: nothing is tidied up.
    std::mem::forget(taking);
    assert_eq!(files(&folder).len(), 1);
    archive.sweep(OffsetDateTime::now_utc()).await.unwrap();
    assert_eq!(files(&folder).len(), 1, "it may still be written to");
    archive.sweep(OffsetDateTime::now_utc() + time::Duration::hours(2)).await.unwrap();
    assert_eq!(files(&folder).len(), 0);
}

#[tokio::test]
async fn an_s3_storage_keeps_what_it_is_given_in_parts() {
    let held = Shared::new(Mutex::new(Held::default()));
    let (archive, book) = archive(s3(&held, "id").await);
    what_goes_in_comes_out(&archive, &book).await;
    {
        let held = held.lock().unwrap();
        assert_eq!((held.objects.len(), held.completed), (4, 1), "only what is large is put in parts");
        assert!(held.objects.keys().all(|key| key.starts_with("hub/")));
    }
    // What broke off is given up.
    for _ in 0..100 {
        if held.lock().unwrap().uploads.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(held.lock().unwrap().uploads.is_empty());
    let objects = held.clone();
    what_nobody_needs_is_deleted(&archive, &book, &move || objects.lock().unwrap().objects.len()).await;
}

#[tokio::test]
async fn an_s3_storage_that_knows_another_key_is_unavailable() {
    let held = Shared::new(Mutex::new(Held::default()));
    let (archive, _) = archive(s3(&held, "other").await);
    let refused = stow(&archive, &payload(10)).await;
    assert!(matches!(refused, Err(AttachmentError::Unavailable(_))), "{refused:?}");
    assert!(held.lock().unwrap().objects.is_empty());
}
