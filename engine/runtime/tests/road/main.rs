//! The runtime alone, over a store and partners in memory: order, crashes of tasks, failures of the store, deliveries.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ahead_and_behind;
mod answers;
mod clocks;
mod deliveries;
mod deploying;
mod failures;
mod holding;
mod holding_still;
mod memory;
mod pressure;
mod shelf;
mod sizes;
mod splitting;
mod ward;

/// Runs a test in a time of its own, which passes when nothing is to be done.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}
