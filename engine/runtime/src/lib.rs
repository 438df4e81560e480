//! How the hub runs: a message's road from the door to the store and out again.
//!
//! In reading order: [`intake`] takes a message and has it written to the journal; [`backlog`] holds it until a lane is free;
//! [`split`] makes several of one that holds several; [`lane`] looks up
//! what its mapping needs ([`lookup`]), walks it through the pure [`steps`] and hands the commit to the store; [`dispatch`] sends what is owed;
//! [`reply`] answers who asked; [`hub`] starts and stops it all; [`operate`] answers operators; [`replay`] processes ended messages again.
//!
//! Invariant: the runtime knows the store only by the traits of `hub_core::store`, and no connector at all.

pub mod backlog;
pub mod circuit;
pub mod clock;
pub mod crash;
pub mod dispatch;
pub mod end;
pub mod house;
pub mod hub;
pub mod intake;
pub mod lane;
pub mod lookup;
pub mod measure;
pub mod operate;
pub mod replay;
pub mod reply;
pub mod retention;
pub mod split;
pub mod steps;
pub mod with_request;
