//! The digests of bytes that pass by.

use bytes::Bytes;
use hub_core::attachment::ContentId;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::storage::{StorageError, blocking};

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
            digests.sha256.update(&bytes);
            if let Some(sha1) = &mut digests.sha1 {
                sha1.update(&bytes);
            }
            digests
        })
        .await?;
        Ok(())
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
