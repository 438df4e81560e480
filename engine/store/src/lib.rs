//! The store, on SQLite or PostgreSQL: journal, resources, search, outbox and scheduled jobs of one hub.
//!
//! One task owns the only writing connection and puts what is waiting into one durable transaction (`writer`); readers
//! have connections of their own. In reading order:

mod accounts;
mod archive;
mod archiving;
mod attachments;
mod changes;
mod clock;
mod cluster;
mod database;
mod deployments;
mod entries;
mod error;
mod find;
mod fresh;
mod journal;
mod leases;
mod moving;
mod open;
mod orders;
mod outbox;
mod parameters;
mod partitions;
mod postgres;
mod reindex;
mod replay_pages;
mod replays;
mod resources;
mod retire;
pub mod scheduler;
mod search;
mod settled;
mod short;
mod trace;
mod upkeep;
mod vacuum;
mod wakes;
mod words;
mod writer;

pub use archive::{Archive, Past, Stretch};
pub use archiving::{
    ArchiveError, ArchiveFile, ArchiveHeader, ArchiveKey, ArchiveOptions, Entry, EntryHead, ParcelHead,
    entries,
};
pub use error::OpenError;
pub use moving::{Move, MoveError, Moved, MovedTable, Progress, Round, Still};
pub use open::{Stats, Store, StoreOptions};
pub use postgres::size_of;
pub use vacuum::{Vacuumed, vacuum};
