//! A payload on its way in: gathered to pieces, digested, put.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use compact_str::CompactString;
use hub_core::attachment::{AttachmentError, PlaceId, Stowed, Taking};

use crate::digests::Digests;
use crate::storage::{Put, StorageError};

/// So much is gathered before it is digested and put: what a payload on its way in has in memory, about twice.
const PIECE: usize = 512 << 10;

/// A payload on its way in.
pub(crate) struct Incoming {
    put: Box<dyn Put>,
    place: PlaceId,
    media_type: CompactString,
    most: u64,
    size: u64,
    digests: Digests,
    gathered: BytesMut,
}

impl Incoming {
    pub fn new(put: Box<dyn Put>, place: PlaceId, media_type: &str, most: u64) -> Self {
        let gathered = BytesMut::new();
        Self { put, place, media_type: media_type.into(), most, size: 0, digests: Digests::both(), gathered }
    }

    async fn put(&mut self) -> Result<(), StorageError> {
        let piece = self.gathered.split().freeze();
        if piece.is_empty() {
            return Ok(());
        }
        self.digests.add(piece.clone()).await?;
        self.put.add(piece).await
    }
}

#[async_trait]
impl Taking for Incoming {
    async fn add(&mut self, bytes: Bytes) -> Result<(), AttachmentError> {
        self.size += bytes.len() as u64;
        if self.size > self.most {
            return Err(AttachmentError::TooLarge { most: self.most });
        }
        self.gathered.extend_from_slice(&bytes);
        if self.gathered.len() >= PIECE {
            self.put().await.map_err(AttachmentError::Unavailable)?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Stowed, AttachmentError> {
        self.put().await.map_err(AttachmentError::Unavailable)?;
        let Self { put, place, media_type, size, digests, .. } = *self;
        put.finish().await.map_err(AttachmentError::Unavailable)?;
        let (content, sha1) = digests.finish();
        Ok(Stowed { place, content, sha1, size, media_type })
    }
}
