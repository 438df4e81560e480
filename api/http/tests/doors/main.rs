//! The doors, asked as clients ask them, in front of a hub in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod access;
mod across;
mod bundles;
mod business;
mod capabilities;
mod corpus;
mod deployments;
mod desk;
mod directory;
mod exports;
mod fake;
mod fhir;
mod front;
mod habits;
mod histories;
mod live;
mod metrics;
mod operations;
mod operators;
mod parameters;
#[expect(dead_code, reason = "nothing here ends its server")]
#[path = "../../../../tests/harness/postgres.rs"]
mod postgres;
mod races;
mod replays;
mod shelf;
mod terminology;
mod terms;
mod walks;
mod wholes;
mod writes;
