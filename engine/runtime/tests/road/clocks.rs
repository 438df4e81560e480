//! Somebody sets the clock, by hours, forward or back: order, leases, waits and what is known twice go by the time that passes.

use std::sync::Arc;
use std::time::Duration;

use hub_core::source::{Door, Receipt};
use hub_core::store::{MessageState, ParcelState};
use hub_spec::{Channel, Circuit, InDoubt, OnFault, Then};

use crate::deliveries::{CALM, Counter};
use crate::memory::{Fail, Memory};
use crate::shelf::{Act, Partner, Word};
use crate::ward::{ROOMY, START, Ward, channel, content, fragile, inbound};

const HOUR: i64 = 3_600;

fn counter(acts: &[Act], takes: u64, circuit: Circuit) -> Counter {
    let partner = Partner {
        takes: Duration::from_millis(takes),
        parallel: 3,
        ..Partner::new(acts, &[Word::CannotTell])
    };
    Counter::open(partner, InDoubt::Hold, circuit)
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_lets_its_probes_through_though_the_clock_was_set_back() {
    let circuit = Circuit { failures: 3, within: Duration::from_secs(30), probe: Duration::from_secs(40) };
    let mut acts = vec![Act::Later; 5];
    acts.push(Act::Take);
    let counter = counter(&acts, 10, circuit);
    // Those that fail wait by the clock; there are others.
    for number in 1..=20 {
        counter.owe(number, None);
    }
    counter.after(30).await;
    assert_eq!(counter.partner.numbers().len(), 3, "the circuit has opened");
    counter.clock.set(-5 * HOUR);
    counter.owe(21, None);
    counter.owe(22, None);
    counter.owe(23, None);
    counter.after(170).await;
    assert_eq!(counter.partner.seconds()[3..6], [40, 80, 120], "{:?}", counter.partner.seconds());
    let delivered = counter.shelf.states().iter().filter(|state| **state == ParcelState::Delivered).count();
    assert!(delivered >= 1, "the partner is well again");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_when_the_clock_is_set_forward_is_not_sent_twice() {
    let counter = counter(&[Act::Take], 60_000, CALM);
    counter.owe(1, Some("k"));
    counter.owe(2, Some("k"));
    counter.after(5).await;
    // The lease of the first is over by the clock.
    counter.clock.set(3 * HOUR);
    counter.wakers.wake_all();
    counter.after(600).await;
    assert_eq!(counter.partner.numbers(), [1, 2]);
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered; 2]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_the_clock_is_set_forward_is_tried_once_sooner_and_not_given_up_for_it() {
    let counter = counter(&[Act::Later], 10, CALM);
    counter.owe(1, None);
    counter.after(100).await;
    let before = counter.partner.numbers().len();
    counter.clock.set(24 * HOUR);
    counter.after(45).await;
    let early = counter.partner.numbers().len() - before;
    assert!((1..=2).contains(&early), "{:?}", counter.partner.seconds());
    assert_eq!(counter.shelf.states(), [ParcelState::Pending], "its ten minutes have not passed");
    counter.after(900).await;
    assert_eq!(counter.shelf.states(), [ParcelState::GivenUp]);
    let last = *counter.partner.seconds().last().unwrap();
    assert!((590..=660).contains(&last), "it had its ten minutes, not {last} s");
}

#[tokio::test(start_paused = true)]
async fn when_the_clock_is_set_back_what_is_new_goes_at_once_and_nothing_waits_for_ever() {
    let counter = counter(&[Act::Later, Act::Take], 10, CALM);
    counter.owe(1, None);
    counter.after(5).await;
    counter.clock.set(-2 * HOUR);
    counter.owe(2, None);
    counter.after(5).await;
    assert_eq!(counter.shelf.states(), [ParcelState::Pending, ParcelState::Delivered]);
    counter.after(2 * 3_600 + 60).await;
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered; 2]);
    assert_eq!(counter.partner.numbers(), [1, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn messages_stay_in_order_and_are_known_again_whatever_the_clock_says() {
    let memory = Memory::new(5);
    let ward = Ward::open(&memory, ROOMY);
    let mut sent = Vec::new();
    for number in 0..60 {
        ward.clock.set(if number % 3 == 0 { -7 * HOUR } else { 5 * HOUR });
        sent.push(ward.send(number % 2, number).await);
    }
    memory.settled().await;
    for (number, id) in sent.iter().enumerate() {
        let again = ward.door.accept(inbound(number % 2, number)).await;
        assert_eq!(again, Receipt::Duplicate(*id));
    }
    let state = memory.state();
    let numbers = |patient: &str| -> Vec<usize> {
        let contents = state.applied.iter().map(|id| {
            let row = state.rows.iter().find(|row| row.message.head.id == *id).unwrap();
            content(&row.message)
        });
        contents.filter(|(of, _)| of == patient).map(|(_, number)| number).collect()
    };
    assert_eq!(numbers("p0"), (0..60).step_by(2).collect::<Vec<_>>());
    assert_eq!(numbers("p1"), (1..60).step_by(2).collect::<Vec<_>>());
    let first = state.rows[0].message.head.received_at;
    assert_eq!((first - START).whole_hours(), -7, "what is shown is what the clock said");
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_waits_for_another_try_waits_no_longer_when_the_clock_is_set_back() {
    let memory = Memory::new(5);
    let on_fault = OnFault { then: Then::SetAside, tries: 3, pause: Duration::from_secs(30) };
    let ward = Ward::open_whole(&memory, ROOMY, Channel { on_fault, ..channel() }, fragile());
    let ward = Arc::new(ward);
    memory.state().fails.push_back(Some(Fail::Conflict));
    let id = ward.send(1, 1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ward.clock.set(-9 * HOUR);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(memory.state_of(id), MessageState::Received, "not sooner");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(memory.state_of(id), MessageState::Committed, "and not later");
}
