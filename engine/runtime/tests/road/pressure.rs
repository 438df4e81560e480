//! Senders that are faster than the store fill no memory: what has no room waits in the journal, or at the door.

use std::sync::Arc;
use std::time::Duration;

use hub_core::source::{Door, Receipt};
use hub_runtime::backlog::Limits;

use crate::memory::Memory;
use crate::ward::{Ward, inbound_text};

const LIMIT: usize = 256 << 10;
const MESSAGE: usize = 10 << 10;
/// What is under way to the store, of both lanes: each begins another one while no more than its share is under way.
const UNDER_WAY: usize = 64 << 10;

fn padding() -> String {
    "x".repeat(MESSAGE - 100)
}

fn one(patient: usize, number: usize, padding: &str) -> String {
    format!(r#"{{"patient":"p{patient}","number":"{number}","padding":"{padding}"}}"#)
}

async fn send(ward: &Ward, text: &str) {
    let receipt = ward.door.accept(inbound_text(text)).await;
    assert!(matches!(receipt, Receipt::Accepted(_)), "{receipt:?}");
}

/// Sends two thousand messages while the store does nothing but take them in; then lets it work.
async fn pressed(memory: &Arc<Memory>, ward: &Ward, frames: impl Iterator<Item = String>) -> (usize, usize) {
    memory.state().is_stuck = true;
    let (mut most, mut largest) = (0, 0);
    for frame in frames {
        send(ward, &frame).await;
        largest = largest.max(frame.len());
        tokio::task::yield_now().await;
        most = most.max(ward.backlog.held_in_memory().1);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    most = most.max(ward.backlog.held_in_memory().1);
    memory.state().is_stuck = false;
    memory.settled().await;
    (most, largest)
}

#[tokio::test(start_paused = true)]
async fn messages_that_have_no_room_wait_in_the_journal() {
    let memory = Memory::new(1);
    let limits = Limits { messages: 1_000_000, bytes: LIMIT };
    let ward = Ward::open_small(&memory, limits, false);
    let text = padding();
    let frames = (0..2_000).map(|number| one(number % 20, number, &text));
    let (most, largest) = pressed(&memory, &ward, frames).await;
    assert!(most > LIMIT / 2 && most <= LIMIT + largest, "{most} bytes in memory");
    let waiting = memory.state().most_waiting;
    assert!(waiting <= UNDER_WAY, "{waiting} bytes mapped and waiting for the store");
    assert_eq!(memory.state().applied.len(), 2_000);
}

#[tokio::test(start_paused = true)]
async fn pieces_that_have_no_room_wait_in_the_journal() {
    let memory = Memory::new(1);
    let limits = Limits { messages: 1_000_000, bytes: LIMIT };
    let ward = Ward::open_small(&memory, limits, true);
    let text = padding();
    let frames = (0..200).map(|number| {
        let pieces: Vec<String> = (0..10).map(|piece| one(piece, 10 * number + piece, &text)).collect();
        format!("batch\n{}", pieces.join("\n"))
    });
    let (most, largest) = pressed(&memory, &ward, frames).await;
    // Frames that wait to be split, and pieces in the lanes; the pieces of the one frame in hand share its bytes.
    assert!(most <= 2 * (LIMIT + largest), "{most} bytes in memory");
    assert_eq!(memory.state().applied.len(), 2_000);
}

#[tokio::test(start_paused = true)]
async fn one_message_larger_than_all_room_still_goes_its_way() {
    let memory = Memory::new(1);
    let ward = Ward::open_small(&memory, Limits { messages: 10, bytes: 1_000 }, false);
    let text = padding();
    for number in 0..20 {
        send(&ward, &one(1, number, &text)).await;
    }
    memory.settled().await;
    assert_eq!(memory.state().applied.len(), 20);
}
