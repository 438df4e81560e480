//! What cannot be committed is set aside, and what breaks harms nobody else.

use std::time::Duration;

use hub_core::fault::FaultStep;
use hub_core::source::{Door, Outcome, Receipt, Refusal};
use hub_core::store::MessageState;

use crate::memory::{Fail, Memory};
use crate::ward::{ROOMY, Ward, inbound, inbound_text};

#[tokio::test(start_paused = true)]
async fn a_conflict_sets_the_message_aside_with_its_keys() {
    let memory = Memory::new(1);
    let ward = Ward::open(&memory, ROOMY);
    memory.state().fails.push_back(Some(Fail::Conflict));
    let first = ward.send(1, 1).await;
    let second = ward.send(1, 2).await;
    memory.settled().await;
    let MessageState::Quarantined(fault) = memory.state_of(first) else { panic!("it was not set aside") };
    assert_eq!(fault.step, FaultStep::Commit);
    let keys: usize =
        memory.state().rows.iter().filter(|row| row.message.head.id == first).map(|row| row.keys.len()).sum();
    assert_eq!(keys, 1);
    assert_eq!(memory.state_of(second), MessageState::Committed);
}

#[tokio::test(start_paused = true)]
async fn a_message_at_which_the_program_fails_is_set_aside_and_its_lane_goes_on() {
    let memory = Memory::new(1);
    let ward = Ward::open(&memory, ROOMY);
    let Receipt::Accepted(id) = ward.door.accept(inbound_text("poison")).await else {
        panic!("it was not taken")
    };
    assert!(matches!(ward.door.outcome(id).await, Some(Outcome::Quarantined(_))));
    for patient in 0..20 {
        ward.send(patient, 1).await;
    }
    memory.settled().await;
    assert_eq!(memory.state().applied.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_closed_hub_is_busy() {
    let memory = Memory::new(1);
    let ward = Ward::open(&memory, ROOMY);
    ward.door.closed.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(ward.door.accept(inbound(1, 1)).await, Receipt::Refused(None, Refusal::Busy));
    assert!(memory.state().rows.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_after_minutes_finds_everything_in_order() {
    let memory = Memory::new(3);
    let ward = Ward::open(&memory, ROOMY);
    memory.state().fails.extend((0..100).map(|_| Some(Fail::Unavailable)));
    let mut sent = Vec::new();
    for number in 0..50 {
        sent.push(ward.send(1, number).await);
    }
    let before = tokio::time::Instant::now();
    memory.settled().await;
    assert!(before.elapsed() > Duration::from_secs(60));
    assert_eq!(memory.state().applied, sent);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_failure_is_known_late_is_not_overtaken() {
    let memory = Memory::new(3);
    let ward = Ward::open(&memory, ROOMY);
    memory.state().fails.push_back(Some(Fail::Late));
    let (first, second) = (ward.send(1, 1).await, ward.send(1, 2).await);
    memory.settled().await;
    // The second was committed before the first was known to have failed: it is done again after it.
    assert_eq!(memory.state().applied, [second, first, second]);
}
