//! The one writer: takes what is waiting, writes it in one durable transaction, then answers everyone.
//!
//! It has a thread of its own and calls SQLite directly there (decision 0006): a statement costs microseconds instead of a
//! hop to another thread and back. Only this folder writes.
//!
//! Invariant: no other connection writes to this database. So numbers, counts and leases can be kept in memory, and a
//! transaction never waits for a lock.

mod batch;
mod checkpoint;
mod connect;
mod decide;
mod failure;
mod messages;
mod parcels;
mod pieces;
mod queue;
mod rare;
mod recent;
mod resources;
mod search_rows;
mod work;

pub(crate) use batch::{Numbers, TALLY_MESSAGES, TALLY_PARCELS};
pub(crate) use connect::WriterOptions;
pub(crate) use messages::{COMMITTED, FILTERED, QUARANTINED, RECEIVED, SPLIT};
pub(crate) use parcels::PENDING;
pub(crate) use queue::{Counters, Writer, WriterSetup};
pub(crate) use work::{Answer, Draft, Settle, Work};
