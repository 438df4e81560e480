//! Whatever way messages take to their lanes, none is lost, none is done twice, and each patient's stay in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hub_core::commit::Commit;
use hub_core::source::{Door, Outcome, Receipt};
use hub_core::store::{Cause, Journal, Resources};
use hub_runtime::backlog::{Backlog, Limits};
use proptest::prelude::*;
use tokio::sync::mpsc;

use crate::memory::{Fail, Memory};
use crate::ward::{ROOMY, Ward, content, envelope, inbound};

pub fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

/// The numbers of each patient, in the order in which they were committed.
pub fn committed(memory: &Memory) -> HashMap<String, Vec<usize>> {
    let state = memory.state();
    let mut found: HashMap<String, Vec<usize>> = HashMap::new();
    for id in &state.applied {
        let row = state.rows.iter().find(|row| row.message.head.id == *id).unwrap();
        let (patient, number) = content(&row.message);
        found.entry(patient).or_default().push(number);
    }
    found
}

/// One connection a patient; each sends its messages one after the other. A number under `cut` loses its connection while
/// the message is being stored, and sends it again.
pub async fn send_all(ward: &Arc<Ward>, patients: usize, from: usize, to: usize, cut: usize) {
    let mut senders = tokio::task::JoinSet::new();
    for patient in 0..patients {
        let ward = ward.clone();
        senders.spawn(async move {
            for number in from..to {
                if number % 7 < cut {
                    let accepting = ward.door.accept(inbound(patient, number));
                    tokio::select! {
                        biased;
                        _receipt = accepting => continue,
                        () = tokio::task::yield_now() => {}
                    }
                }
                ward.send(patient, number).await;
            }
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn everything_is_committed_once_and_in_order(
        seed in any::<u64>(), room in 1usize..40, patients in 1usize..6, count in 1usize..60, cut in 0usize..4,
    ) {
        run(async {
            let memory = Memory::new(seed);
            let ward = Arc::new(Ward::open(&memory, Limits { messages: room, bytes: 1 << 20 }));
            send_all(&ward, patients, 0, count, cut).await;
            memory.settled().await;
            let found = committed(&memory);
            prop_assert_eq!(found.len(), patients);
            for numbers in found.values() {
                prop_assert_eq!(numbers, &(0..count).collect::<Vec<_>>());
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            prop_assert_eq!(ward.backlog.in_flight(), 0);
            Ok(())
        })?;
    }

    #[test]
    fn a_store_that_fails_now_and_then_changes_nothing_of_that(
        seed in any::<u64>(), room in 1usize..40, patients in 1usize..4, count in 1usize..40,
        fails in prop::collection::vec(prop::option::weighted(0.2, prop::sample::select(vec![Fail::Unavailable, Fail::DoneAllTheSame])), 0..80),
        blind in 0u32..3,
    ) {
        run(async {
            let memory = Memory::new(seed);
            memory.state().fails.extend(fails);
            memory.state().blind = blind;
            let ward = Arc::new(Ward::open(&memory, Limits { messages: room, bytes: 1 << 20 }));
            send_all(&ward, patients, 0, count, 0).await;
            memory.settled().await;
            let found = committed(&memory);
            for numbers in found.values() {
                // One that overtook another was done again, so that the last word is the sender's last word.
                prop_assert_eq!(numbers.last(), Some(&(count - 1)));
                let mut each = numbers.clone();
                each.sort_unstable();
                each.dedup();
                prop_assert_eq!(each, (0..count).collect::<Vec<_>>());
            }
            for text in memory.state().latest.values() {
                let last = format!("\"{}\"", count - 1);
                prop_assert!(text.contains(&last));
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_hub_that_crashes_goes_on_where_it_was(seed in any::<u64>(), room in 1usize..20, count in 2usize..40) {
        run(async {
            let memory = Memory::new(seed);
            let ward = Arc::new(Ward::open(&memory, Limits { messages: room, bytes: 1 << 20 }));
            send_all(&ward, 3, 0, count / 2, 0).await;
            Arc::into_inner(ward).unwrap().crash().await;
            let ward = Arc::new(Ward::open(&memory, Limits { messages: room, bytes: 1 << 20 }));
            send_all(&ward, 3, count / 2, count, 0).await;
            memory.settled().await;
            for numbers in committed(&memory).values() {
                prop_assert_eq!(numbers, &(0..count).collect::<Vec<_>>());
            }
            Ok(())
        })?;
    }
}

/// A task that has used up its share of time is told to wait by whatever it asks; that must not let the next message go first.
#[test]
fn a_long_queue_is_handed_over_in_order() {
    for seed in 0..20 {
        run(async {
            let memory = Memory::new(seed);
            let ward = Ward::open(&memory, ROOMY);
            // All wait in the journal first, so that the lane finds them in its queue at once.
            memory.state().blind = 1;
            for number in 0..1_000 {
                ward.send(1, number).await;
            }
            memory.settled().await;
            assert_eq!(committed(&memory)["p1"], (0..1_000).collect::<Vec<_>>());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_told_the_outcome_of_the_first() {
    let memory = Memory::new(1);
    let ward = Ward::open(&memory, ROOMY);
    let first = ward.send(1, 1).await;
    memory.settled().await;
    assert_eq!(ward.door.accept(inbound(1, 1)).await, Receipt::Duplicate(first));
    assert_eq!(ward.door.outcome(first).await, Some(Outcome::Committed));
    assert_eq!(memory.state().applied, [first]);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_a_message_are_told() {
    let memory = Memory::new(1);
    let ward = Arc::new(Ward::open(&memory, ROOMY));
    let id = ward.send(1, 1).await;
    let mut waiting = tokio::task::JoinSet::new();
    for turns in 0..40 {
        let ward = ward.clone();
        waiting.spawn(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            ward.door.outcome(id).await
        });
    }
    while let Some(outcome) = waiting.join_next().await {
        assert_eq!(outcome.unwrap(), Some(Outcome::Committed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_opened_again_while_its_end_is_not_known_yet_is_not_forgotten() {
    let memory = Memory::new(1);
    let (lane, mut queue) = mpsc::unbounded_channel();
    let backlog = Arc::new(Backlog::new("test/patient".into(), ROOMY, Box::new(|_| None), vec![lane]));
    let (refilled, journal) = (backlog.clone(), memory.clone());
    tokio::spawn(async move { refilled.refill(&*journal).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let message = envelope(1, 1);
    let id = message.head.id;
    backlog.enter(id);
    memory.receive(&message).await.unwrap();
    backlog.ready(message);
    assert_eq!(queue.recv().await.unwrap().head.id, id);
    memory.commit(Cause::Message(id), Commit::default()).await.unwrap();
    // The store knows the end, the lane does not yet, and an operator replays it.
    assert!(memory.reopen(id).await.unwrap());
    backlog.look_again(&[id]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(queue.try_recv().is_err());
    backlog.done(id, &Outcome::Committed);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(queue.try_recv().unwrap().head.id, id);
}

#[tokio::test(start_paused = true)]
async fn who_waits_and_goes_away_leaves_nothing_behind_and_who_asks_in_vain_is_told() {
    let memory = Memory::new(1);
    let (lane, _queue) = mpsc::unbounded_channel();
    let backlog = Backlog::new("test/patient".into(), ROOMY, Box::new(|_| None), vec![lane]);
    let message = envelope(1, 1);
    memory.receive(&message).await.unwrap();
    for _ in 0..100 {
        let waiting = backlog.outcome(message.head.id, &*memory);
        assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_err());
    }
    assert_eq!(backlog.waiting(), 0);
}
