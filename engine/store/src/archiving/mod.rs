//! Archives: the files that messages are written to before they are deleted, and read from again.
//!
//! A file is compressed (zstd) and then sealed chunk by chunk (AES-256-GCM), so that one that was cut or changed is noticed.
//! What stands before, in clear, is what somebody who finds it must know: which key, which channels, from when to when, how many.

mod entry;
mod error;
mod file;
mod folder;
mod gather;
mod key;
mod seal;

pub use entry::{Entry, EntryHead, ParcelHead, entries};
pub use error::ArchiveError;
pub use file::{ArchiveFile, ArchiveHeader};
pub(crate) use folder::Draft;
pub(crate) use gather::{Which, gather};
pub use key::ArchiveKey;

use std::path::PathBuf;

/// Where messages are written to before they are deleted.
#[derive(Clone, Debug)]
pub struct ArchiveOptions {
    /// The folder. Made when it is not there.
    pub folder: PathBuf,
    /// What they are sealed with.
    pub key: ArchiveKey,
}
