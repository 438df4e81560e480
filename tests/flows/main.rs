//! Whole flows through the real program: socket -> journal -> mapping -> store -> API -> partner.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may stop at what it did not expect, and says what it saw"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod acknowledgements;
mod archiving;
mod attachments;
mod booking;
mod booking_page;
mod consent;
mod corpus;
mod deploying;
mod deployments;
mod directory;
mod draining;
mod exclusive;
mod files;
mod moving;
mod operators;
mod out;
mod pages;
mod parameters;
mod program;
mod replays;
mod replies;
mod sign_in;
mod simulators;
mod sites;
mod standing;
mod visits;
