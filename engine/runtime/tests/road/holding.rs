//! A lane is held at a message that failed, as its channel says: those behind it wait in their order, others go on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hub_core::document::{Document, ParseError, Parser, Piece, Split};
use hub_core::fault::FaultStep;
use hub_core::id::MessageId;
use hub_core::path::Path;
use hub_core::source::{Door, Outcome, Receipt};
use hub_core::store::MessageState;
use hub_fhir::search::{Page, Stored};
use hub_mapping::{FileText, Files};
use hub_runtime::backlog::Limits;
use hub_spec::{Channel, OnFault, Then};
use proptest::prelude::*;
use tokio::time::Instant;

use crate::memory::{Fail, Memory};
use crate::ward::{ROOMY, Ward, channel, content, fragile, inbound_text};

/// Reads JSON; what holds the word `broken` it reads only once it has been mended.
struct Mendable {
    inner: Arc<dyn Parser>,
    is_mended: Arc<AtomicBool>,
}

impl Parser for Mendable {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        let is_broken = bytes.windows(6).any(|word| word == b"broken");
        if is_broken && !self.is_mended.load(Ordering::Relaxed) {
            return Err(ParseError { at: 0, place: None, what: "it is broken".into() });
        }
        self.inner.parse(bytes)
    }

    fn peek(&self, bytes: &[u8], path: &Path) -> Option<String> {
        self.inner.peek(bytes, path)
    }

    fn split(&self, bytes: &Bytes, by: &Split) -> Result<Vec<Piece>, ParseError> {
        let is_broken = bytes.starts_with(b"batch broken");
        if is_broken && !self.is_mended.load(Ordering::Relaxed) {
            return Err(ParseError { at: 0, place: None, what: "it is broken".into() });
        }
        match bytes.strip_prefix(b"batch broken") {
            Some(rest) => self.inner.split(&Bytes::from([b"batch", rest].concat()), by),
            None => self.inner.split(bytes, by),
        }
    }
}

const STOP: OnFault = OnFault { then: Then::Stop, tries: 1, pause: Duration::from_secs(5) };

struct Held {
    ward: Ward,
    memory: Arc<Memory>,
    is_mended: Arc<AtomicBool>,
}

impl Held {
    fn open(memory: &Arc<Memory>, limits: Limits, channel: Channel) -> Self {
        let is_mended = Arc::new(AtomicBool::new(false));
        let parser = Arc::new(Mendable { inner: fragile(), is_mended: is_mended.clone() });
        let ward = Ward::open_whole(memory, limits, channel, parser);
        Self { ward, memory: memory.clone(), is_mended }
    }

    fn stopping(memory: &Arc<Memory>) -> Self {
        Self::open(memory, ROOMY, Channel { on_fault: STOP, ..channel() })
    }

    fn mend(&self) {
        self.is_mended.store(true, Ordering::Relaxed);
    }

    async fn send(&self, patient: usize, number: usize, word: &str) -> MessageId {
        send(&self.ward, patient, number, word).await
    }

    async fn after(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// The message at which each lane stands, and how many wait behind it.
    fn standing(&self) -> Vec<(MessageId, usize)> {
        let lanes = self.ward.backlog.held_lanes(crate::ward::START);
        lanes.iter().map(|lane| (lane.message, lane.behind)).collect()
    }

    /// The numbers of each patient, in the order in which they were committed.
    fn committed(&self) -> HashMap<String, Vec<usize>> {
        committed(&self.memory)
    }
}

fn one(patient: usize, number: usize, word: &str) -> String {
    format!(r#"{{"patient":"p{patient}","number":"{number}","word":"{word}"}}"#)
}

async fn send(ward: &Ward, patient: usize, number: usize, word: &str) -> MessageId {
    take(ward, &one(patient, number, word)).await
}

async fn take(ward: &Ward, text: &str) -> MessageId {
    match ward.door.accept(inbound_text(text)).await {
        Receipt::Accepted(id) | Receipt::Duplicate(id) => id,
        refused @ Receipt::Refused(..) => panic!("{refused:?}"),
    }
}

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

#[tokio::test(start_paused = true)]
async fn a_lane_stands_at_a_message_that_fails_and_the_others_go_on() {
    let held = Held::stopping(&Memory::new(1));
    held.send(1, 1, "well").await;
    let broken = held.send(1, 2, "broken").await;
    for number in 3..6 {
        held.send(1, number, "well").await;
        held.send(2, number, "well").await;
    }
    held.after(3_600).await;
    assert_eq!(held.committed(), HashMap::from([("p1".into(), vec![1]), ("p2".into(), vec![3, 4, 5])]));
    assert_eq!(held.standing(), [(broken, 3)]);
    assert_eq!(held.memory.state_of(broken), MessageState::Received, "it has not ended");
    assert_eq!(held.ward.backlog.in_flight(), 0, "a hub that stops need not wait for what stands");
    // Who waits for it is told, now and later.
    let fault = held.ward.door.outcome(broken).await;
    assert!(matches!(fault, Some(Outcome::Quarantined(fault)) if fault.step == FaultStep::Parse));
    let behind = held.memory.state().rows[2].message.head.id;
    let fault = held.ward.door.outcome(behind).await;
    assert!(matches!(fault, Some(Outcome::Quarantined(fault)) if fault.reason.contains("earlier message")));
    // Trying again does not help by itself.
    assert!(held.ward.backlog.go_on(broken));
    held.after(1).await;
    assert_eq!(held.standing(), [(broken, 3)]);
    held.mend();
    assert!(held.ward.backlog.go_on(broken));
    held.memory.settled().await;
    assert_eq!(held.committed()["p1"], [1, 2, 3, 4, 5]);
    assert!(held.standing().is_empty() && !held.ward.backlog.go_on(broken));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_message_at_which_its_lane_stands_is_told_why() {
    let held = Held::stopping(&Memory::new(1));
    let text = r#"{"patient":"p1","number":"1","word":"broken"}"#;
    let Receipt::Accepted(id) = held.ward.door.accept(inbound_text(text)).await else { panic!("refused") };
    let text = r#"{"patient":"p1","number":"2","word":"well"}"#;
    let Receipt::Accepted(behind) = held.ward.door.accept(inbound_text(text)).await else {
        panic!("refused")
    };
    for id in [id, behind] {
        let told = tokio::time::timeout(Duration::from_secs(5), held.ward.door.outcome(id)).await;
        assert!(matches!(told, Ok(Some(Outcome::Quarantined(_)))), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_skipped_is_set_aside_with_its_keys_and_those_behind_it_go_on() {
    let memory = Memory::new(1);
    let held = Held::stopping(&memory);
    memory.state().fails.push_back(Some(Fail::Conflict));
    let refused = held.send(1, 1, "well").await;
    let behind = held.send(1, 2, "well").await;
    held.after(10).await;
    assert_eq!(held.standing(), [(refused, 1)]);
    assert!(!held.ward.backlog.skip(behind, &*memory).await.unwrap(), "no lane stands at it");
    assert!(held.ward.backlog.skip(refused, &*memory).await.unwrap());
    memory.settled().await;
    assert!(matches!(memory.state_of(refused), MessageState::Quarantined(_)));
    assert_eq!(memory.state().rows[0].keys.len(), 1, "it can be found");
    assert_eq!(held.committed()["p1"].last(), Some(&2));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_stood_stands_again_after_a_crash() {
    let memory = Memory::new(1);
    let held = Held::stopping(&memory);
    let broken = held.send(1, 1, "broken").await;
    for number in 2..300 {
        held.send(1, number, "well").await;
    }
    held.after(1).await;
    held.ward.crash().await;
    let held = Held::stopping(&memory);
    held.send(2, 1, "well").await;
    held.after(60).await;
    assert_eq!(held.standing(), [(broken, 298)]);
    assert_eq!(held.committed(), HashMap::from([("p2".into(), vec![1])]));
    held.mend();
    held.ward.backlog.go_on(broken);
    memory.settled().await;
    assert_eq!(held.committed()["p1"], (1..300).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_cannot_be_split_may_hold_anybody_s_so_all_that_come_after_it_wait() {
    let memory = Memory::new(1);
    let mut channel = Channel { on_fault: STOP, ..channel() };
    channel.parse.split = Some(Split::Messages);
    let held = Held::open(&memory, ROOMY, channel);
    held.send(1, 1, "well").await;
    let frame =
        take(&held.ward, &format!("batch broken\n{}\n{}", one(1, 2, "well"), one(2, 2, "well"))).await;
    let after = format!("batch\n{}\n{}", one(1, 3, "well"), one(2, 3, "well"));
    take(&held.ward, &after).await;
    held.after(60).await;
    assert_eq!(held.committed(), HashMap::from([("p1".into(), vec![1])]));
    assert_eq!(held.standing(), [(frame, 1)]);
    held.mend();
    held.ward.backlog.go_on(frame);
    memory.settled().await;
    assert_eq!(held.committed(), HashMap::from([("p1".into(), vec![1, 2, 3]), ("p2".into(), vec![2, 3])]));
}

#[tokio::test(start_paused = true)]
async fn every_lane_that_is_held_goes_on_with_other_steps() {
    let held = Held::stopping(&Memory::new(1));
    for patient in 0..5 {
        held.send(patient, 1, "broken").await;
        held.send(patient, 2, "well").await;
    }
    held.after(10).await;
    assert_eq!(held.standing().len(), 5);
    held.mend();
    held.ward.backlog.try_all_again();
    held.memory.settled().await;
    assert!(held.committed().values().all(|numbers| numbers == &[1, 2]));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_key_has_nobody_behind_it_and_is_set_aside() {
    let held = Held::stopping(&Memory::new(1));
    let Receipt::Accepted(id) = held.ward.door.accept(inbound_text("{\"word\":\"broken\"}")).await else {
        panic!("it was not taken")
    };
    held.memory.settled().await;
    assert!(matches!(held.memory.state_of(id), MessageState::Quarantined(_)));
}

fn patient(tries: u32, then: Then) -> Channel {
    Channel { on_fault: OnFault { then, tries, pause: Duration::from_secs(30) }, ..channel() }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_refused_is_tried_again_and_what_is_behind_it_waits() {
    let memory = Memory::new(1);
    let held = Held::open(&memory, ROOMY, patient(3, Then::SetAside));
    memory.state().fails.extend([Some(Fail::Conflict), None, Some(Fail::Conflict)]);
    let began = Instant::now();
    let first = held.send(1, 1, "well").await;
    held.send(2, 1, "well").await;
    held.after(1).await;
    held.send(1, 2, "well").await;
    memory.settled().await;
    assert_eq!(held.committed(), HashMap::from([("p1".into(), vec![1, 2]), ("p2".into(), vec![1])]));
    assert_eq!(memory.state_of(first), MessageState::Committed);
    assert!((60..70).contains(&began.elapsed().as_secs()), "two waits: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_its_tries_a_message_is_set_aside_or_its_lane_stands() {
    for then in Then::ALL {
        let memory = Memory::new(1);
        let held = Held::open(&memory, ROOMY, patient(3, then));
        memory.state().fails.extend([Some(Fail::Conflict); 3]);
        let first = held.send(1, 1, "well").await;
        held.after(1).await;
        let second = held.send(1, 2, "well").await;
        held.after(3_600).await;
        let is_set_aside = matches!(memory.state_of(first), MessageState::Quarantined(_));
        assert_eq!(is_set_aside, then == Then::SetAside);
        assert_eq!(memory.state_of(second) == MessageState::Committed, then == Then::SetAside);
        assert_eq!(held.standing().len(), usize::from(then == Then::Stop));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_not_tried_again() {
    let held = Held::open(&Memory::new(1), ROOMY, patient(1_000, Then::SetAside));
    let began = Instant::now();
    let broken = held.send(1, 1, "broken").await;
    assert!(matches!(held.ward.door.outcome(broken).await, Some(Outcome::Quarantined(_))));
    assert!(began.elapsed() < Duration::from_secs(1));
}

struct Finding;

impl Files for Finding {
    fn mapping(&self, _name: &str) -> Option<FileText> {
        let text = r#"
            name = "test/finding"
            version = 1
            from = "json"

            [[resource]]
            as = "patient"
            type = "Patient"
            find = { identifier = { from = "patient", system = "urn:id:HIS" } }
            missing = "quarantine"
            write = "merge"
            set = { active = { value = true } }

            [[resource]]
            as = "note"
            type = "Observation"
            id = ["note", "number"]
            [resource.set]
            status = { value = "final" }
            code = { set = { text = { value = "note" } } }
            subject = { ref = "patient" }
        "#;
        Some(FileText { path: "mappings/test/finding.toml".into(), text: text.into() })
    }

    fn code_table(&self, _name: &str) -> Option<FileText> {
        None
    }

    fn mapping_names(&self) -> Vec<String> {
        vec!["test/finding".into()]
    }

    fn code_table_names(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_looked_up_and_not_there_yet_is_looked_up_again() {
    let memory = Memory::new(1);
    let mapping = Arc::new(hub_mapping::compile("test/finding", &Finding).unwrap());
    let held = Held::open(&memory, ROOMY, Channel { mapping, ..patient(10, Then::SetAside) });
    memory.state().finds = Some(Page::default());
    let early = held.send(1, 1, "well").await;
    held.send(1, 2, "well").await;
    held.after(100).await;
    assert_eq!(memory.state_of(early), MessageState::Received);
    assert_eq!(held.standing(), [(early, 1)]);
    let looks = memory.state().searched.len();
    assert!((4..=5).contains(&looks), "one look each 30 seconds, not {looks}");
    // The patient has come.
    let there = Stored {
        reference: hub_fhir::Reference::parse("Patient/p1").unwrap(),
        version: 1,
        updated: crate::ward::START,
        deleted: false,
        body: "{}".into(),
    };
    memory.state().finds = Some(Page { matches: vec![there], ..Page::default() });
    memory.settled().await;
    assert_eq!(held.committed()["p1"], [1, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_order_is_lost_by_holding_crashing_and_going_on(
        seed in any::<u64>(), room in 1usize..40, patients in 1usize..4, count in 1usize..50, every in 2usize..9,
        crash in any::<bool>(), turns in 0usize..40, meanwhile in 0usize..30,
        splits in any::<bool>(),
        fails in prop::collection::vec(prop::option::weighted(0.15, prop::sample::select(vec![Fail::Unavailable, Fail::Conflict, Fail::Late])), 0..40),
    ) {
        crate::run(async {
            let memory = Memory::new(seed);
            memory.state().fails.extend(fails);
            let limits = Limits { messages: room, bytes: 1 << 20 };
            let stopping = || {
                let mut channel = Channel { on_fault: OnFault { tries: 2, ..STOP }, ..channel() };
                channel.parse.split = splits.then_some(Split::Messages);
                channel
            };
            let word = |patient: usize, number: usize| {
                if number < count && (number + patient).is_multiple_of(every) { "broken" } else { "well" }
            };
            // One message each, or all in a frame, of which some cannot even be split.
            let frames = |number: usize| -> Vec<String> {
                let all = (0..patients).map(|patient| one(patient, number, word(patient, number)));
                match (splits, number % 4) {
                    (false, _) | (true, 0) => all.collect(),
                    (true, 1) if number < count => vec![format!("batch broken\n{}", all.collect::<Vec<_>>().join("\n"))],
                    (true, _) => vec![format!("batch\n{}", all.collect::<Vec<_>>().join("\n"))],
                }
            };
            let mut held = Held::open(&memory, limits, stopping());
            for number in 0..count {
                for frame in frames(number) {
                    take(&held.ward, &frame).await;
                }
            }
            if crash {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                held.ward.crash().await;
                held = Held::open(&memory, limits, stopping());
            }
            held.after(20).await;
            held.mend();
            // Lanes are let go while more comes.
            for number in count..count + meanwhile {
                for frame in frames(number) {
                    take(&held.ward, &frame).await;
                    for _ in 0..(seed as usize).wrapping_mul(number + 1) % 5 {
                        tokio::task::yield_now().await;
                    }
                    for (id, _) in held.standing() {
                        held.ward.backlog.go_on(id);
                    }
                }
            }
            let count = count + meanwhile;
            for _ in 0..4 * count * patients {
                if memory.open() == 0 {
                    break;
                }
                for (id, _) in held.standing() {
                    held.ward.backlog.go_on(id);
                }
                held.after(20).await;
            }
            prop_assert_eq!(memory.open(), 0, "nothing waits for ever");
            let found = held.committed();
            prop_assert_eq!(found.len(), patients);
            for numbers in found.values() {
                // One that overtook another was done again, so that the last word is the sender's last word.
                prop_assert_eq!(numbers.last(), Some(&(count - 1)));
                let mut each = numbers.clone();
                each.sort_unstable();
                each.dedup();
                prop_assert_eq!(each, (0..count).collect::<Vec<_>>());
            }
            Ok(())
        })?;
    }
}
