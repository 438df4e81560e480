//! The archive of attachments: payloads that stream to a folder or an S3-compatible storage and back, and are never in memory
//! whole.
//!
//! The archive knows bytes and places. Who needs what is in the book, which the store keeps
//! ([`hub_core::attachment::AttachmentBook`]); the archive deletes only places that the book has given up. In reading order:

mod archive;
mod digests;
mod folder;
mod reading;
mod s3;
mod storage;
mod taking;

pub use archive::{Archive, ArchiveLimits};
pub use digests::slip_of;
pub use folder::Folder;
pub use s3::{S3, S3Settings};
pub use storage::{Fetch, Put, Storage, StorageError};
