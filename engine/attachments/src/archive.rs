//! The archive: a storage, and the book that says what is in it.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::attachment::{
    AttachmentBook, AttachmentError, Attachments, ContentId, Kept, PlaceId, Reading, Swept, Taking,
};
use hub_core::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::reading::Checked;
use crate::storage::Storage;
use crate::taking::Incoming;

/// So many attachments are looked at, or deleted, at a time.
const SLICE: u32 = 100;
/// How often all objects of the storage are looked at.
const LISTED_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What an archive allows.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveLimits {
    /// The largest payload, in bytes.
    pub most: u64,
    /// An object that the book does not know is deleted when it is as old as this: far longer than a message takes from the door into
    /// the journal.
    pub orphan_after: Duration,
}

/// Keeps payloads in a storage, by the book of the store.
pub struct Archive {
    storage: Box<dyn Storage>,
    book: Arc<dyn AttachmentBook>,
    limits: ArchiveLimits,
    /// When the objects of the storage were last looked at. Not kept over a start: once more does no harm.
    listed: Mutex<Option<OffsetDateTime>>,
}

impl Archive {
    /// An archive in this storage.
    pub fn new(storage: Box<dyn Storage>, book: Arc<dyn AttachmentBook>, limits: ArchiveLimits) -> Self {
        Self { storage, book, limits, listed: Mutex::default() }
    }

    /// Deletes what the book has given up; says how many.
    async fn delete_given_up(&self) -> Result<u64, AttachmentError> {
        let mut deleted = 0;
        loop {
            let places = self.book.given_up(SLICE).await.map_err(of_book)?;
            if places.is_empty() {
                return Ok(deleted);
            }
            for place in &places {
                self.storage.delete(*place).await.map_err(AttachmentError::Unavailable)?;
            }
            deleted += places.len() as u64;
            // After the objects: when the program dies between, they are deleted once more.
            self.book.deleted(places).await.map_err(of_book)?;
        }
    }

    /// Has the book give up what it does not know; says how many.
    async fn disown_orphans(&self, now: OffsetDateTime) -> Result<u64, AttachmentError> {
        let old = self.storage.older(now - self.limits.orphan_after).await;
        let old = old.map_err(AttachmentError::Unavailable)?;
        let mut orphans = 0;
        for slice in old.chunks(SLICE as usize) {
            let known = self.book.known(slice).await.map_err(of_book)?;
            let unknown: Vec<PlaceId> =
                slice.iter().filter(|place| !known.contains(place)).copied().collect();
            if !unknown.is_empty() {
                orphans += unknown.len() as u64;
                self.book.disown(unknown).await.map_err(of_book)?;
            }
        }
        Ok(orphans)
    }

    /// Whether it is time to look at all objects.
    fn is_listing_due(&self, now: OffsetDateTime) -> bool {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed
            .is_none_or(|listed| (now - listed).unsigned_abs() >= LISTED_EVERY.min(self.limits.orphan_after))
    }
}

fn of_book(error: StoreError) -> AttachmentError {
    AttachmentError::Unavailable(error.into())
}

#[async_trait]
impl Attachments for Archive {
    async fn begin(&self, media_type: &str) -> Result<Box<dyn Taking>, AttachmentError> {
        let place = PlaceId(Uuid::new_v4());
        let put = self.storage.begin(place).await.map_err(AttachmentError::Unavailable)?;
        Ok(Box::new(Incoming::new(put, place, media_type, self.limits.most)))
    }

    async fn find(&self, content: ContentId) -> Result<Option<Kept>, AttachmentError> {
        self.book.kept(content).await.map_err(of_book)
    }

    async fn open(&self, kept: &Kept, range: Range<u64>) -> Result<Box<dyn Reading>, AttachmentError> {
        let end = range.end.min(kept.size);
        let range = range.start.min(end)..end;
        let (length, is_whole) = (range.end - range.start, range == (0..kept.size));
        let fetch = self.storage.fetch(kept.place, range).await.map_err(AttachmentError::Unavailable)?;
        let fetch = fetch.ok_or(AttachmentError::Missing { content: kept.content })?;
        Ok(Box::new(Checked::new(fetch, kept.content, length, is_whole)))
    }

    async fn discard(&self, place: PlaceId) {
        if let Err(error) = self.storage.delete(place).await {
            tracing::warn!(
                error = &*error,
                "A second copy of an attachment could not be deleted; it will be when it is old."
            );
        }
    }

    async fn sweep(&self, now: OffsetDateTime) -> Result<Swept, AttachmentError> {
        while self.book.release(now, SLICE).await.map_err(of_book)? > 0 {
            tokio::task::yield_now().await;
        }
        let mut orphans = 0;
        if self.is_listing_due(now) {
            orphans = self.disown_orphans(now).await?;
            *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        }
        let deleted = self.delete_given_up().await?;
        Ok(Swept { deleted: deleted.saturating_sub(orphans), orphans })
    }
}
