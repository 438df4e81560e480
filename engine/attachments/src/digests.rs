//! The digests of bytes that pass by.

use bytes::Bytes;
use hub_core::attachment::{ContentId, PlaceId, Slip, Stowed};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use uuid::Uuid;

use crate::storage::{StorageError, blocking};

/// The slip that a small payload would get, which is kept nowhere: for trying channels out.
pub fn slip_of(payload: &[u8]) -> Slip {
    let mut digests = Digests::both();
    digests.take(payload);
    let (content, sha1) = digests.finish();
    let (place, media_type) = (PlaceId(Uuid::nil()), "application/octet-stream".into());
    Slip::of(&Stowed { place, content, sha1, size: payload.len() as u64, media_type }, None)
}

/// The digests of what has passed by so far.
#[derive(Clone)]
pub(crate) struct Digests {
    sha256: Context,
    /// Names nothing and proves nothing here: `Attachment.hash` of FHIR asks for it. Only taken on the way in.
    sha1: Option<Context>,
}

impl Digests {
    /// For what comes in.
    pub fn both() -> Self {
        Self { sha1: Some(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)), ..Self::one() }
    }

    /// For what goes out.
    pub fn one() -> Self {
        Self { sha256: Context::new(&SHA256), sha1: None }
    }

    /// Takes bytes into account. A mebibyte costs milliseconds, so not in an async task.
    pub async fn add(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let mut digests = self.clone();
        *self = blocking(move || {
            digests.take(&bytes);
            digests
        })
        .await?;
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
    }

    /// The SHA-256, and the SHA-1 where it was taken.
    pub fn finish(self) -> (ContentId, [u8; 20]) {
        let (mut sha256, mut sha1) = ([0; 32], [0; 20]);
        sha256.copy_from_slice(self.sha256.finish().as_ref());
        if let Some(context) = self.sha1 {
            sha1.copy_from_slice(context.finish().as_ref());
        }
        (ContentId(sha256), sha1)
    }
}
