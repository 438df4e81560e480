//! An attachment on its way out: its length is checked, and where all of it is read its digest too.

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::attachment::{AttachmentError, ContentId, Reading};

use crate::digests::Digests;
use crate::storage::Fetch;

/// An attachment on its way out.
pub(crate) struct Checked {
    fetch: Box<dyn Fetch>,
    content: ContentId,
    left: u64,
    /// `None`: only a part of it is read.
    digests: Option<Digests>,
}

impl Checked {
    /// The next `left` bytes of it; `is_whole`: that is all of them.
    pub fn new(fetch: Box<dyn Fetch>, content: ContentId, left: u64, is_whole: bool) -> Self {
        Self { fetch, content, left, digests: is_whole.then(Digests::one) }
    }

    fn damaged(&self) -> AttachmentError {
        AttachmentError::Damaged { content: self.content }
    }
}

#[async_trait]
impl Reading for Checked {
    async fn next(&mut self) -> Result<Option<Bytes>, AttachmentError> {
        let piece = self.fetch.next().await.map_err(AttachmentError::Unavailable)?;
        let length = piece.as_ref().map_or(0, Bytes::len) as u64;
        // Too short, or too long.
        if (piece.is_none() && self.left > 0) || length > self.left {
            return Err(self.damaged());
        }
        self.left -= length;
        if let (Some(digests), Some(piece)) = (&mut self.digests, &piece) {
            digests.add(piece.clone()).await.map_err(AttachmentError::Unavailable)?;
        }
        // Before the last piece goes out: whoever waits for the end of what is damaged waits in vain.
        if self.left == 0
            && let Some(digests) = self.digests.take()
            && digests.finish().0 != self.content
        {
            return Err(self.damaged());
        }
        Ok(piece)
    }
}
