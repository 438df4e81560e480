//! A channel holds still while other steps are put in the place of its own: nothing is begun meanwhile, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hub_core::source::{Door, Receipt, Refusal};
use hub_runtime::backlog::Limits;
use proptest::prelude::*;

use crate::ahead_and_behind::{committed, run, send_all};
use crate::memory::Memory;
use crate::ward::{ROOMY, Ward, inbound};

async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_was_let_in_at_the_last_moment_is_refused_or_counted() {
    let memory = Memory::new(1);
    let ward = Ward::open(&memory, ROOMY);
    let mut accepting = Box::pin(ward.door.accept(inbound(1, 1)));
    // Its task is made, and has not begun.
    assert!(futures_util::poll!(accepting.as_mut()).is_pending());
    ward.door.closed.store(true, Ordering::Relaxed);
    ward.backlog.empty().await;
    assert!(matches!(accepting.await, Receipt::Refused(None, Refusal::Busy)));
    assert_eq!(memory.state().rows.len(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_committed_while_it_is_quiet_and_everything_afterwards_once_and_in_order(
        seed in any::<u64>(), room in 1usize..40, patients in 1usize..5, count in 5usize..60,
        pauses in prop::collection::vec((0usize..200, 0usize..200), 1..6), splitting in any::<bool>(),
    ) {
        run(async {
            let memory = Memory::new(seed);
            let limits = Limits { messages: room, bytes: 1 << 20 };
            let ward = if splitting { Ward::splitting(&memory, limits) } else { Ward::open(&memory, limits) };
            let ward = Arc::new(ward);
            let sending = tokio::spawn({
                let ward = ward.clone();
                async move { send_all(&ward, patients, 0, count, 0).await }
            });
            for (before, during) in pauses {
                turns(before).await;
                ward.backlog.pause();
                ward.backlog.quiet().await;
                let applied = memory.state().applied.len();
                turns(during).await;
                tokio::time::sleep(std::time::Duration::from_secs(3)).await;
                prop_assert_eq!(memory.state().applied.len(), applied, "something was begun");
                ward.backlog.resume();
            }
            sending.await.unwrap();
            memory.settled().await;
            let found = committed(&memory);
            prop_assert_eq!(found.len(), patients);
            for numbers in found.values() {
                prop_assert_eq!(numbers, &(0..count).collect::<Vec<_>>());
            }
            Ok(())
        })?;
    }

    #[test]
    fn nobody_comes_in_after_a_closed_door_was_found_empty(
        seed in any::<u64>(), patients in 1usize..8, before in 0usize..150,
    ) {
        run(async {
            let memory = Memory::new(seed);
            let ward = Arc::new(Ward::open(&memory, ROOMY));
            let senders: Vec<_> = (0..patients)
                .map(|patient| {
                    let ward = ward.clone();
                    tokio::spawn(async move {
                        let mut taken = 0;
                        for number in 0..200 {
                            match ward.door.accept(inbound(patient, number)).await {
                                Receipt::Accepted(_) => taken += 1,
                                Receipt::Refused(..) => break,
                                Receipt::Duplicate(_) => unreachable!("no message is sent twice"),
                            }
                        }
                        taken
                    })
                })
                .collect();
            turns(before).await;
            ward.door.closed.store(true, Ordering::Relaxed);
            ward.backlog.empty().await;
            let stored = memory.state().rows.len();
            let mut taken = 0;
            for sender in senders {
                taken += sender.await.unwrap();
            }
            prop_assert_eq!((memory.state().rows.len(), taken), (stored, stored), "what was taken is what was stored");
            Ok(())
        })?;
    }

    #[test]
    fn a_channel_has_caught_up_when_what_waited_in_the_journal_has_ended(
        seed in any::<u64>(), room in 1usize..20, count in 2usize..60, blind in 0u32..4,
    ) {
        run(async {
            let memory = Memory::new(seed);
            let ward = Arc::new(Ward::open(&memory, ROOMY));
            // The messages are stored, and the hub ends before most of them are worked off.
            for number in 0..count {
                ward.send(number % 3, number).await;
            }
            let waiting: Vec<_> = memory.state().rows.iter().map(|row| row.message.head.id).collect();
            Arc::try_unwrap(ward).ok().unwrap().crash().await;
            memory.state().blind = blind;
            let ward = Arc::new(Ward::open(&memory, Limits { messages: room, bytes: 1 << 20 }));
            let later = tokio::spawn({
                let ward = ward.clone();
                async move { send_all(&ward, 3, 1_000, 1_050, 0).await }
            });
            ward.backlog.caught_up().await;
            for id in waiting {
                prop_assert_ne!(memory.state_of(id), hub_core::store::MessageState::Received);
            }
            later.await.unwrap();
            Ok(())
        })?;
    }
}
