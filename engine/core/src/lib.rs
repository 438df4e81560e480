//! The vocabulary of the hub: what a message, a commit, a source, a destination and a store are.
//!
//! Invariant: no I/O and no clock in this crate; it is only words. In reading order:

pub mod accounts;
pub mod attachment;
pub mod caller;
pub mod cluster;
pub mod commit;
pub mod deployments;
pub mod destination;
pub mod document;
pub mod envelope;
pub mod errands;
pub mod fault;
pub mod finding;
pub mod id;
pub mod jobs;
pub mod language;
pub mod operations;
pub mod path;
pub mod registry;
pub mod replay;
pub mod source;
pub mod store;
pub mod template;
pub mod wakes;
pub mod who;
