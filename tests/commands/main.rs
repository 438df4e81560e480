//! The commands that work on mappings, as an engineer meets them at the prompt: `huitong map ...` and `huitong schema`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may stop at what it did not expect, and says what it did not run"
)]

mod attempt;
mod coverage;
mod diff;
mod documented;
mod explain;
mod given;
mod guarantees;
mod init;
mod lookup;
mod mistakes;
#[path = "../harness/postgres.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod postgres;
mod promises;
mod prompt;
mod region;
mod schemas;
