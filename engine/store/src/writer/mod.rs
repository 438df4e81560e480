//! The one writer: takes what is waiting, writes it in one durable transaction, then answers everyone.
//!
//! It has a thread of its own and calls SQLite directly there (decision 0006): a statement costs microseconds instead of a
//! hop to another thread and back. Only this folder writes.
//!
//! Invariant on SQLite: no other connection writes to this database. So numbers and what is remembered of resources hold, and a
//! transaction never waits for a lock. On PostgreSQL other nodes write as well: numbers come from sequences, rows and keys are
//! locked in one order (messages' and order keys, messages, resources) before they are decided on, and what is remembered counts
//! only when its version is still the one stored.

mod accounts;
mod attachments;
mod batch;
mod checkpoint;
mod connect;
mod contained_rows;
mod decide;
mod deployments;
mod failure;
mod full_texts;
mod guards;
mod import;
mod locks;
mod messages;
mod numbers;
mod parameters;
mod parcels;
mod pieces;
mod prune;
mod queue;
mod rare;
mod recent;
mod reindex;
mod replay;
mod resources;
mod search_rows;
mod trim;
mod wakes;
mod work;

pub(crate) use accounts::{AccountsWork, REUSED, TURNED};
pub(crate) use attachments::{GIVEN_UP as ATTACHMENT_GIVEN_UP, place_text};
pub(crate) use batch::{TALLY_MESSAGES, TALLY_PARCELS};
pub(crate) use connect::{Way, WriterOptions};
pub(crate) use contained_rows::Within;
pub(crate) use guards::DraftGuard;
pub(crate) use messages::{COMMITTED, FILTERED, QUARANTINED, RECEIVED, SPLIT};
pub(crate) use parameters::{NewSet, Step};
pub(crate) use parcels::PENDING;
pub(crate) use queue::{Counters, Writer, WriterSetup};
pub(crate) use replay::state_number as replay_state_number;
pub(crate) use work::{Answer, BookWork, Draft, Indexed, ReplayWork, Settle, Trim, Upkeep, Work};
