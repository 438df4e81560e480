//! Frames that hold several messages: each piece is done once and in its patient's order, whatever happens meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hub_core::commit::Commit;
use hub_core::envelope::Parent;
use hub_core::fault::FaultStep;
use hub_core::id::MessageId;
use hub_core::source::{Door, Outcome, Receipt, Refusal};
use hub_core::store::{Cause, Journal, MessageState, Resources};
use hub_runtime::backlog::{Backlog, Limits};
use hub_runtime::split::MAX_PIECES;
use proptest::prelude::*;
use tokio::sync::mpsc;

use crate::memory::{Fail, Memory};
use crate::run;
use crate::ward::{ROOMY, Ward, content, envelope, inbound_text};

fn one(patient: usize, number: usize) -> String {
    format!(r#"{{"patient":"p{patient}","number":"{number}"}}"#)
}

/// The frame of this number: every third one is a message alone, the others are batches about every patient, twice about the first.
fn frame(patients: usize, number: usize) -> String {
    if number.is_multiple_of(3) {
        return one(number % patients, 2 * number);
    }
    let all = (0..patients).map(|patient| one(patient, 2 * number)).chain([one(0, 2 * number + 1)]);
    format!("batch\n{}", all.collect::<Vec<_>>().join("\n"))
}

/// The numbers of each patient, as the frames have them.
fn told(patients: usize, frames: usize) -> HashMap<String, Vec<usize>> {
    let mut told: HashMap<String, Vec<usize>> = HashMap::new();
    for number in 0..frames {
        let text = frame(patients, number);
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let value = hub_fhir::json::parse(line).unwrap();
            let member =
                |name: &str| value.as_object().unwrap().get(name).unwrap().as_str().unwrap().to_owned();
            told.entry(member("patient")).or_default().push(member("number").parse().unwrap());
        }
    }
    told
}

/// The numbers of each patient, in the order in which they were committed.
fn committed(memory: &Memory) -> HashMap<String, Vec<usize>> {
    let state = memory.state();
    let mut found: HashMap<String, Vec<usize>> = HashMap::new();
    for id in &state.applied {
        let row = state.rows.iter().find(|row| row.message.head.id == *id).unwrap();
        let (patient, number) = content(&row.message);
        found.entry(patient).or_default().push(number);
    }
    found
}

async fn send(ward: &Ward, text: &str) -> MessageId {
    match ward.door.accept(inbound_text(text)).await {
        Receipt::Accepted(id) | Receipt::Duplicate(id) => id,
        refused @ Receipt::Refused(..) => panic!("{refused:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_piece_is_committed_once_and_in_order(
        seed in any::<u64>(), room in 1usize..40, patients in 1usize..6, frames in 1usize..40,
    ) {
        run(async {
            let memory = Memory::new(seed);
            let ward = Ward::splitting(&memory, Limits { messages: room, bytes: 1 << 20 });
            for number in 0..frames {
                send(&ward, &frame(patients, number)).await;
            }
            memory.settled().await;
            prop_assert_eq!(committed(&memory), told(patients, frames));
            tokio::time::sleep(Duration::from_secs(5)).await;
            prop_assert_eq!(ward.backlog.in_flight(), 0);
            Ok(())
        })?;
    }

    #[test]
    fn a_hub_that_crashes_goes_on_where_it_was(
        seed in any::<u64>(), room in 1usize..20, frames in 3usize..40, crashes in 1usize..4, turns in 0usize..60,
    ) {
        run(async {
            let memory = Memory::new(seed);
            let mut next = 0;
            for crash in 0..=crashes {
                let ward = Ward::splitting(&memory, Limits { messages: room, bytes: 1 << 20 });
                let until = frames * (crash + 1) / (crashes + 1);
                while next < until {
                    send(&ward, &frame(3, next)).await;
                    next += 1;
                }
                if crash < crashes {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                    ward.crash().await;
                } else {
                    memory.settled().await;
                }
            }
            prop_assert_eq!(committed(&memory), told(3, frames));
            Ok(())
        })?;
    }

    #[test]
    fn a_store_that_fails_now_and_then_changes_nothing_of_that(
        seed in any::<u64>(), room in 1usize..40, frames in 1usize..30,
        fails in prop::collection::vec(prop::option::weighted(0.2, prop::sample::select(vec![Fail::Unavailable, Fail::DoneAllTheSame])), 0..80),
    ) {
        run(failing(seed, room, frames, fails))?;
    }
}

/// Batches go through a hub whose store fails so.
async fn failing(
    seed: u64,
    room: usize,
    frames: usize,
    fails: Vec<Option<Fail>>,
) -> Result<(), TestCaseError> {
    let memory = Memory::new(seed);
    memory.state().fails.extend(fails);
    let ward = Ward::splitting(&memory, Limits { messages: room, bytes: 1 << 20 });
    for number in 0..frames {
        send(&ward, &frame(3, number)).await;
    }
    memory.settled().await;
    let (found, told) = (committed(&memory), told(3, frames));
    for (patient, numbers) in &told {
        // One that overtook another was done again, so that the last word is the sender's last word.
        let mut each = found[patient].clone();
        prop_assert_eq!(each.last(), numbers.last());
        each.sort_unstable();
        each.dedup();
        prop_assert_eq!(&each, numbers);
    }
    Ok(())
}

#[test]
fn what_once_came_in_the_wrong_order_does_not_any_more() {
    let mut fails = vec![None; 6];
    fails.push(Some(Fail::Unavailable));
    run(failing(9_358_932_459_417_436_857, 7, 3, fails)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_answered_when_its_last_piece_has_ended() {
    let memory = Memory::new(7);
    let ward = Ward::splitting(&memory, ROOMY);
    let all = send(&ward, &frame(3, 1)).await;
    assert_eq!(ward.door.outcome(all).await, Some(Outcome::Split { pieces: 4, set_aside: 0 }));
    assert_eq!(memory.open(), 0, "all of them");
    let some = send(&ward, &format!("batch\n{}\n{{\"poison\":1}}\n{{nonsense", one(1, 1))).await;
    assert_eq!(ward.door.outcome(some).await, Some(Outcome::Split { pieces: 3, set_aside: 2 }));
    let alone = send(&ward, &one(2, 2)).await;
    assert_eq!(ward.door.outcome(alone).await, Some(Outcome::Committed));
    let none = send(&ward, "batch\n").await;
    assert_eq!(ward.door.outcome(none).await, Some(Outcome::Split { pieces: 0, set_aside: 0 }));
    assert_eq!(ward.backlog.waiting(), 0, "nobody is left waiting");
    // Asked again, as a copy of the batch does.
    assert_eq!(ward.door.outcome(some).await, Some(Outcome::Split { pieces: 3, set_aside: 2 }));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_cannot_be_split_is_set_aside_whole() {
    let memory = Memory::new(7);
    let ward = Ward::splitting(&memory, ROOMY);
    let broken = send(&ward, &format!("batch\n{}\nnonsense", one(1, 1))).await;
    let MessageState::Quarantined(fault) = settled(&memory, broken).await else { panic!("it was taken") };
    assert_eq!((fault.step, fault.place.as_deref()), (FaultStep::Parse, Some("line 3")));
    let poison = send(&ward, "batch poison").await;
    assert!(matches!(settled(&memory, poison).await, MessageState::Quarantined(_)));
    let lines = vec![one(1, 1); MAX_PIECES + 1].join("\n");
    let many = send(&ward, &format!("batch\n{lines}")).await;
    let MessageState::Quarantined(fault) = settled(&memory, many).await else { panic!("it was taken") };
    assert!(fault.reason.contains("holds 10001 messages"), "{}", fault.reason);
    assert_eq!(memory.state().rows.len(), 3, "nothing half");
    let after = send(&ward, &one(1, 2)).await;
    assert_eq!(settled(&memory, after).await, MessageState::Committed);
}

async fn settled(memory: &Memory, id: MessageId) -> MessageState {
    memory.settled().await;
    memory.state_of(id)
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_replayed_makes_no_piece_twice() {
    let memory = Memory::new(7);
    let ward = Arc::new(Ward::splitting(&memory, ROOMY));
    // The same line twice is two messages.
    let text = format!("batch\n{}\n{}\n{}", one(1, 1), one(1, 1), one(2, 2));
    let all = send(&ward, &text).await;
    memory.settled().await;
    assert_eq!(memory.state().rows.len(), 4);
    assert!(memory.reopen(all).await.unwrap());
    ward.backlog.look_again(&[all]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    memory.settled().await;
    assert_eq!(memory.state().rows.len(), 4);
    assert_eq!(memory.state().applied.len(), 6, "each piece is done again");
}

#[tokio::test(start_paused = true)]
async fn a_piece_opened_again_while_its_lane_does_not_know_its_end_is_done_again() {
    let memory = Memory::new(7);
    let (lane, mut queue) = mpsc::unbounded_channel();
    let (unsplit, mut to_split) = mpsc::unbounded_channel();
    let backlog = Backlog::new("test/patient".into(), ROOMY, Box::new(|_| None), vec![lane]);
    let backlog = Arc::new(backlog.splitting(unsplit));
    let handing_on = backlog.clone();
    tokio::spawn(async move {
        while let Some(piece) = to_split.recv().await {
            handing_on.hand_on(piece).await;
        }
    });
    let (refilled, journal) = (backlog.clone(), memory.clone());
    tokio::spawn(async move { refilled.refill(&*journal).await });
    let pause = || tokio::time::sleep(Duration::from_secs(1));
    pause().await;
    let whole = envelope(1, 1);
    memory.receive(&whole).await.unwrap();
    let mut piece = envelope(1, 2);
    piece.head.parent = Some(Parent { id: whole.head.id, nth: 1 });
    let id = piece.head.id;
    backlog.hold([id]);
    memory.expand(whole.head.id, vec![piece.clone()]).await.unwrap();
    backlog.hand_on(piece.clone()).await;
    assert_eq!(queue.recv().await.unwrap().head.id, id);
    memory.commit(Cause::Message(id), Commit::default()).await.unwrap();
    // The store knows its end and the lane does not: the batch is replayed, and opens the piece again.
    assert!(memory.reopen(whole.head.id).await.unwrap());
    backlog.hold([id]);
    memory.expand(whole.head.id, vec![piece.clone()]).await.unwrap();
    backlog.hand_on(piece.clone()).await;
    pause().await;
    assert!(queue.try_recv().is_err(), "it is not in two lanes at once");
    backlog.done(id, &Outcome::Committed);
    pause().await;
    assert_eq!(queue.try_recv().unwrap().head.id, id, "it is done once more");
    // The same, and the lane learns of its end before the piece is handed on.
    memory.commit(Cause::Message(id), Commit::default()).await.unwrap();
    assert!(memory.reopen(whole.head.id).await.unwrap());
    backlog.hold([id]);
    backlog.done(id, &Outcome::Committed);
    memory.expand(whole.head.id, vec![piece.clone()]).await.unwrap();
    backlog.hand_on(piece).await;
    pause().await;
    assert_eq!(queue.try_recv().unwrap().head.id, id, "it is done once more");
}

#[tokio::test(start_paused = true)]
async fn batches_replayed_while_their_pieces_are_under_way_are_done_whole() {
    for seed in 0..40 {
        let memory = Memory::new(seed);
        let ward = Ward::splitting(&memory, ROOMY);
        let text = (0..8).map(|number| one(number % 2, number)).collect::<Vec<_>>().join("\n");
        let all = send(&ward, &format!("batch\n{text}")).await;
        for turn in 0..6 {
            for _ in 0..(seed as usize + 7 * turn) {
                tokio::task::yield_now().await;
            }
            if memory.reopen(all).await.unwrap() {
                ward.backlog.look_again(&[all]);
            }
        }
        memory.settled().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(ward.backlog.in_flight(), 0);
        for (patient, numbers) in committed(&memory) {
            assert_eq!(
                numbers.last(),
                Some(if patient == "p0" { &6 } else { &7 }),
                "seed {seed}: {numbers:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_is_refused_for_its_kind_only_when_it_is_one_message() {
    let memory = Memory::new(7);
    let ward = Ward::splitting_only(&memory, "ADT^A08");
    let labelled = |text: &str, kind: &str| {
        let mut inbound = inbound_text(text);
        inbound.label.message_type = Some(kind.into());
        inbound
    };
    let refused = ward.door.accept(labelled(&one(1, 1), "ADT^A01")).await;
    assert!(matches!(refused, Receipt::Refused(Some(_), Refusal::Unsupported { .. })), "{refused:?}");
    // The first of several is not what all of them are.
    let several = format!("batch\n{}\n{}", one(1, 2), one(1, 3));
    let Receipt::Accepted(all) = ward.door.accept(labelled(&several, "ADT^A01")).await else {
        panic!("a frame of several was judged by its first")
    };
    assert!(matches!(ward.door.outcome(all).await, Some(Outcome::Split { pieces: 2, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_was_not_split_before_a_crash_goes_before_pieces_that_were() {
    for seed in 0..20 {
        let memory = Memory::new(seed);
        let alone = envelope(1, 1);
        let batch = envelope(1, 0);
        let mut piece = envelope(1, 2);
        piece.head.parent = Some(Parent { id: batch.head.id, nth: 1 });
        memory.receive(&alone).await.unwrap();
        memory.receive(&batch).await.unwrap();
        memory.expand(batch.head.id, vec![piece.clone()]).await.unwrap();
        let _ward = Ward::splitting(&memory, ROOMY);
        memory.settled().await;
        assert_eq!(memory.state().applied, [alone.head.id, piece.head.id]);
    }
}
