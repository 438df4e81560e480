//! The FHIR door under generated nonsense, in front of a real store: whatever comes, it answers in FHIR's words, soon, and keeps nothing of it.
//!
//! A run is had again by its seed (`HUITONG_FUZZ_SEED`, told at the start); `HUITONG_FUZZ_ROUNDS` makes it longer. See docs/fuzzing.md.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on stops there, and tells its seed"
)]

mod asked;
mod bundles;
#[path = "../doors/desk.rs"]
mod desk;
#[path = "../../../../tests/harness/dice.rs"]
#[expect(dead_code, reason = "nothing here takes its time")]
mod dice;
#[path = "../doors/fake.rs"]
#[expect(dead_code, reason = "the doors of operators are not asked here")]
mod fake;
mod patches;
mod questions;
mod resources;
mod texts;
mod verdict;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use hub_http::{Checks, Doors, FhirSettings, Validation, router};
use hub_store::{Store, StoreOptions};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::asked::Asked;
use crate::dice::Dice;
use crate::fake::{Fake, doors_of};
use crate::resources::Samples;
use crate::verdict::{Answer, verdict};

/// Requests of a run when nothing is said.
const ROUNDS: u64 = 3_000;
/// What the process may have grown by after its first third: what the caches of the database and the allocator's own slack come to.
const MOST_GROWTH: u64 = 128 << 20;

/// The doors in front of a store of their own.
async fn doors(folder: &TempDir) -> Router {
    let store = Store::open(StoreOptions::new(folder.path())).await.unwrap();
    // Everything that can be looked at is looked at.
    let all = Checks { invariants: true, ..Checks::default() };
    let fhir = FhirSettings {
        body_bytes: 1 << 20,
        validate: Validation { all, ..Validation::default() },
        ..FhirSettings::default()
    };
    router(Doors { resources: Arc::new(store), fhir, ..doors_of(&Fake::new()) }, Router::new())
}

/// What is resident of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Asks; `None` where the HTTP library itself would not take the request.
async fn ask(doors: &Router, asked: &Asked) -> Option<Answer> {
    let request = asked.request()?;
    let began = Instant::now();
    let answer = doors.clone().oneshot(request.map(Body::from)).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Some(Answer { status: parts.status, headers: parts.headers, body, took: began.elapsed() })
}

#[tokio::test]
async fn whatever_comes_the_door_answers_in_fhirs_words_and_keeps_nothing_of_it() {
    let rounds = std::env::var("HUITONG_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: u64 = rounds.unwrap_or(ROUNDS);
    let mut dice = Dice::of("HUITONG_FUZZ_SEED");
    let folder = TempDir::new().unwrap();
    let doors = doors(&folder).await;
    let samples = Samples::load();
    for one in samples.all() {
        ask(&doors, &Asked::put(one)).await.unwrap();
    }
    let (mut wrong, mut statuses, mut slowest) = (Vec::new(), std::collections::BTreeMap::new(), (None, 0));
    let mut settled = 0;
    for round in 0..rounds {
        let asked = Asked::any(&mut dice, &samples);
        let Some(answer) = ask(&doors, &asked).await else { continue };
        *statuses.entry(answer.status.as_u16()).or_insert(0_u64) += 1;
        if answer.took.as_millis() > slowest.1 {
            slowest = (Some(asked.line()), answer.took.as_millis());
        }
        if let Err(what) = verdict(&asked, &answer) {
            wrong.push(format!("{what}\n    {}", asked.shown()));
            if wrong.len() == 20 {
                break;
            }
        }
        if round == rounds / 3 {
            settled = resident();
        }
    }
    let grown = resident().saturating_sub(settled);
    eprintln!("{rounds} rounds: {statuses:?}; grown by {} KiB; slowest {slowest:?} ms", grown >> 10);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // Both that reach the store and that do not are many: otherwise the run shows nothing.
    let of = |class: u16| {
        statuses.iter().filter(|(status, _)| *status / 100 == class).map(|(_, count)| count).sum::<u64>()
    };
    assert!(of(2) > rounds / 20 && of(4) > rounds / 5, "{statuses:?}");
    assert!(grown < MOST_GROWTH, "the process has grown by {grown} bytes");
}
