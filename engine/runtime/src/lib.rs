//! How the hub runs: a message's road from the door to the store and out again.
//!
//! In reading order: [`intake`] takes a message and has it written to the journal; [`backlog`] holds it until a lane is free;
//! [`split`] makes several of one that holds several; [`lane`] looks up
//! what its mapping needs ([`lookup`]), walks it through the pure [`steps`] and hands the commit to the store; [`holds`] keeps lanes at
//! messages that failed, [`deaths`] finds those at which the process dies; [`dispatch`] sends what is owed;
//! [`reply`] answers who asked; [`hub`] starts and stops it all; [`deploy`] changes what runs; [`operate`] answers operators; `errands` turns the tasks of workflows into parcels, and [`waker`] wakes who acts on events; [`replay`] processes ended messages again.
//!
//! Invariant: the runtime knows the store only by the traits of `hub_core::store`, and no connector at all.

mod apply;
pub mod backlog;
mod channel;
pub mod circuit;
pub mod clock;
pub mod crash;
pub mod deaths;
pub mod definitions;
pub mod deploy;
mod destination;
pub mod dispatch;
pub mod end;
mod errands;
mod guard;
pub mod holds;
pub mod house;
pub mod hub;
pub mod intake;
pub mod lane;
pub mod lookup;
pub mod measure;
pub mod now;
pub mod operate;
mod order;
pub mod reindex;
pub mod replay;
pub mod reply;
pub mod retention;
pub mod shares;
pub mod split;
pub mod steps;
pub mod waker;
pub mod with_request;

pub use channel::RunningChannel;
pub use destination::RunningDestination;
