//! What a storage of objects must be able to do.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::attachment::PlaceId;
use time::OffsetDateTime;

/// What went wrong, in the storage's own words: no content.
pub type StorageError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps objects at places. Each place is written once, and by one.
#[async_trait]
pub trait Storage: Send + Sync {
    /// Begins an object.
    async fn begin(&self, place: PlaceId) -> Result<Box<dyn Put>, StorageError>;

    /// Opens a range of an object's bytes. `None`: there is no such object.
    async fn fetch(&self, place: PlaceId, range: Range<u64>) -> Result<Option<Box<dyn Fetch>>, StorageError>;

    /// Deletes an object. One that is not there is as good as deleted.
    async fn delete(&self, place: PlaceId) -> Result<(), StorageError>;

    /// The places of objects that were finished before, and whatever unfinished ones of that age have left, which is deleted.
    async fn older(&self, than: OffsetDateTime) -> Result<Vec<PlaceId>, StorageError>;
}

/// An object on its way in. Dropped before its end, nothing stays of it.
#[async_trait]
pub trait Put: Send {
    /// Adds bytes.
    async fn add(&mut self, bytes: Bytes) -> Result<(), StorageError>;

    /// Ends it: from now on it is there, and survives a power cut.
    async fn finish(self: Box<Self>) -> Result<(), StorageError>;
}

/// An object on its way out.
#[async_trait]
pub trait Fetch: Send {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError>;
}

/// Does what blocks where that holds up nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StorageError> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
