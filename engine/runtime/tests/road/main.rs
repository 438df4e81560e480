//! The runtime alone, over a store and partners in memory: order, crashes of tasks, failures of the store, deliveries.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ahead_and_behind;
mod deliveries;
mod failures;
mod holding_still;
mod memory;
mod shelf;
mod sizes;
mod splitting;
mod ward;
