//! The doors, asked as clients ask them, in front of a hub in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod capabilities;
mod deployments;
mod fake;
mod fhir;
mod front;
mod metrics;
mod operators;
mod replays;
