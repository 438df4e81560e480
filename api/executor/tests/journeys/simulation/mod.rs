//! Bookings with partners that misbehave, by chance: whatever happens, at the end platform, bank and HIS agree. A seed reproduces a run.
//!
//! The store, its outbox and its events are the real ones; the partners are models; time is turned by hand. Each step (a delivery, an
//! event, something that a person or a partner does) comes in an order that the dice choose. What breaks off in the middle of a
//! transaction is looked at by tests/crash.

mod bank;
mod dice;
mod his;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use dice::Dice;
use world::World;

/// Runs that one store takes one after the other: each has its own slots and patients.
const RUNS_A_STORE: u64 = 25;

/// `HUITONG_SIMULATION_RUNS`: how many; `HUITONG_SIMULATION_SEED`: where to begin.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
#[expect(clippy::print_stderr, reason = "how the runs ended is worth a line")]
fn whatever_happens_platform_bank_and_his_agree_at_the_end() {
    let (runs, first) = (setting("HUITONG_SIMULATION_RUNS", 500), setting("HUITONG_SIMULATION_SEED", 1));
    let mut ends = BTreeMap::<String, u64>::new();
    let stores = Mutex::new((first..first + runs).step_by(usize::try_from(RUNS_A_STORE).unwrap()));
    // A thread for each core has its stores one after the other.
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut played = Vec::new();
        loop {
            let begin = stores.lock().unwrap().next();
            let Some(begin) = begin else { return played };
            played.push(runtime.block_on(play(begin..(begin + RUNS_A_STORE).min(first + runs))));
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for (state, count) in threads.into_iter().flat_map(|thread| thread.join().unwrap()).flatten() {
            *ends.entry(state).or_default() += count;
        }
    });
    eprintln!("{runs} runs: {ends:?}");
    // The dice reach every end that matters; otherwise the test proves less than it says.
    if runs >= 500 {
        for state in ["fulfilled", "no-show", "released", "refunded", "cancelled"] {
            assert!(ends.contains_key(state), "no run ends `{state}`: {ends:?}");
        }
    }
}

/// Plays the runs of these seeds in one store; says in which states how many bookings have ended.
async fn play(seeds: Range<u64>) -> BTreeMap<String, u64> {
    let mut ends = BTreeMap::new();
    let mut world = World::open().await;
    for seed in seeds {
        world.begin(seed).await;
        world.play(&mut Dice::new(seed)).await;
        let agreed = world.agree().await;
        let states = agreed.unwrap_or_else(|problem| {
            panic!("HUITONG_SIMULATION_SEED={seed} HUITONG_SIMULATION_RUNS=1: {problem}")
        });
        states.into_iter().for_each(|state| *ends.entry(state).or_default() += 1);
    }
    ends
}
