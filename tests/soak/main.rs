//! A soak: two hubs on one PostgreSQL database under a mixed load, while partners fail, hubs are killed and frozen, the database is
//! killed, files are deployed and messages replayed. Afterwards nothing is lost, nothing is doubled, the order of each key is
//! kept, memory is flat, and after a kill of everything the counters are the truth.
//!
//! `HUITONG_SOAK_SECS` says for how long (20 by default; the run that counts takes 1800), `HUITONG_SOAK_SEED` the chance in it,
//! `HUITONG_PROGRAM` another build of the program. With `HUITONG_BLESS=1` what it showed is kept in `docs/soak.md`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may stop at what it did not expect, and says what it saw"
)]

mod faults;
#[path = "../harness/mod.rs"]
mod harness;
mod load;
mod memory;
mod moods;
mod site;
mod truth;

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::dice::Dice;
use load::Load;
use memory::Memory;
use site::Site;

fn seconds() -> u64 {
    let asked = std::env::var("HUITONG_SOAK_SECS").ok();
    asked.and_then(|seconds| seconds.parse().ok()).unwrap_or(20)
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_mixed_load_with_faults_nothing_is_lost_or_doubled_and_memory_is_flat() {
    let (length, mut dice) = (Duration::from_secs(seconds()), Dice::of("HUITONG_SOAK_SEED"));
    let site = Arc::new(Site::open().await);
    let load = Load::begin(&site);
    let memory = Memory::watch(&site);
    let began = Instant::now();
    let moods = tokio::spawn(faults::of_partners(site.clone(), dice.below(u64::MAX)));
    let faults = faults::of_hubs(&site, &mut dice, began + length).await;
    moods.abort();
    let heavy = began.elapsed();
    site.partners_are_well();
    let sent = load.end().await;
    site.nodes.are_at_rest().await;
    let memory = memory.judge();
    site.nodes.kill_all_and_start().await;
    site.nodes.are_at_rest().await;
    let told = truth::judge(&site, &sent).await;
    let build = if site::is_released() { "a release build" } else { "a debug build" };
    let what = format!("PostgreSQL, two nodes, {build}, {} seconds", seconds());
    let shown = format!("in {} seconds of load {told}; {}; {memory}", heavy.as_secs(), faults.told());
    println!("{what}: {shown}");
    let title = "# The soak\n\nWhat `tests/soak` showed on a developer's machine, written by the test itself (`HUITONG_BLESS=1 \
                 HUITONG_SOAK_SECS=1800 cargo test --test soak`). CI runs a few seconds of it.\n";
    harness::keep("soak.md", title, &what, &shown);
    site.nodes.stop().await;
}
