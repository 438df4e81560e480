//! What can be wrong with an archive.

use std::path::PathBuf;

use thiserror::Error;

/// What is wrong with an archive or its key.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The key is none.
    #[error(
        "the archive key `{name}` is no key: expected 64 hexadecimal digits, as `openssl rand -hex 32` makes them"
    )]
    NoKey {
        /// The secret's name.
        name: String,
    },
    /// The file is of something else.
    #[error(
        "`{path}` is no archive of messages: expected a first line of JSON with `\"format\":\"huitong-archive\"`"
    )]
    NoArchive {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error("`{path}` is an archive of version {version}; this program reads version 1")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Another key sealed it.
    #[error("`{path}` was sealed with another key than the one that `{key}` now is")]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The key's name.
        key: String,
    },
    /// It was cut or changed.
    #[error("`{path}` was cut short or changed: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        what: String,
    },
    /// The system could not read or write it.
    #[error("`{path}` cannot be read or written")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
