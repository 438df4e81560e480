//! Makes several messages of a frame or file that holds several: in the channel's order, whole or not at all.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hub_core::document::{Piece, Split};
use hub_core::envelope::{Envelope, Head, Label, Parent, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{DedupeKey, Digest, MessageId};
use hub_core::source::Outcome;
use hub_core::store::{End, StoreError};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc;

use crate::backlog::Backlog;
use crate::crash;
use crate::end::outcome_of_end;
use crate::house::House;
use crate::lane::{LARGE_BYTES, LONGEST_PAUSE, commit_fault, pauses, program_fault};
use crate::measure;
use crate::now::Now;
use crate::steps::Road;

/// A frame or file holds at most so many messages, of at most so many bytes together: they are stored in one transaction.
pub const MAX_PIECES: usize = 10_000;
const MAX_PIECES_BYTES: usize = 64 << 20;

/// What a frame or file holds.
pub enum Held {
    /// One message: itself.
    One,
    /// Several, or one that is not the whole; none for a batch without messages.
    Several(Vec<Envelope<Raw>>),
}

/// What a message holds. Pure: the same message gives the same pieces with the same ids.
pub fn held(road: &Road, by: &Split, message: &Envelope<Raw>) -> Result<Held, Fault> {
    let fault = |place, reason| Fault { step: FaultStep::Parse, place, rule: None, reason };
    let pieces = road.parser.split(&message.body.0, by).map_err(|error| {
        let place = error.place.unwrap_or_else(|| format!("byte {}", error.at));
        fault(Some(place), error.what)
    })?;
    if let [only] = pieces.as_slice()
        && only.bytes == message.body.0
    {
        return Ok(Held::One);
    }
    let bytes: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
    if pieces.len() > MAX_PIECES || bytes > MAX_PIECES_BYTES {
        let count = pieces.len();
        let reason = format!(
            "it holds {count} messages of {bytes} bytes together; {MAX_PIECES} of {MAX_PIECES_BYTES} bytes are taken at once: have it sent in parts"
        );
        return Err(fault(None, reason));
    }
    let mut same: HashMap<Digest, usize> = HashMap::new();
    let pieces = (1..).zip(pieces).map(|(nth, piece)| envelope(&message.head, nth, piece, &mut same));
    Ok(Held::Several(pieces.collect()))
}

/// A piece as a message of its own.
fn envelope(parent: &Head, nth: u32, piece: Piece, same: &mut HashMap<Digest, usize>) -> Envelope<Raw> {
    let digest = Digest::of(&piece.bytes);
    let earlier = same.entry(digest).or_default();
    let id = MessageId::of_piece(parent.id, digest, *earlier);
    *earlier += 1;
    let label = Label {
        message_type: piece.label.message_type.or_else(|| parent.label.message_type.clone()),
        control_id: piece.label.control_id,
        sender: piece.label.sender.or_else(|| parent.label.sender.clone()),
    };
    let head = Head {
        id,
        channel: parent.channel.clone(),
        // A piece is known by its id; no sender can choose this.
        dedupe: DedupeKey::from(format!("piece {id}")),
        digest,
        label,
        correlation: parent.correlation.clone(),
        received_at: parent.received_at,
        peer: parent.peer.clone(),
        parent: Some(Parent { id: parent.id, nth }),
    };
    Envelope { head, body: Raw(piece.bytes) }
}

/// Splits what comes into one channel, one after the other.
pub struct Splitter {
    /// The channel's steps.
    pub road: Now<Road>,
    /// By what.
    pub by: Split,
    /// The channel's messages.
    pub backlog: Arc<Backlog>,
    /// The doors of the store.
    pub house: House,
}

impl Splitter {
    /// Works for as long as the hub lives.
    pub async fn run(self, mut queue: mpsc::UnboundedReceiver<Envelope<Raw>>) {
        while let Some(message) = queue.recv().await {
            self.take(message).await;
        }
    }

    async fn take(&self, message: Envelope<Raw>) {
        let started = Instant::now();
        let held = self.split(&message);
        crash::place("split");
        measure::step(&message.head.channel, "split", started.elapsed());
        match held {
            Ok(Held::One) => self.backlog.hand_on(message).await,
            Ok(Held::Several(pieces)) => self.expand(message.head, pieces).await,
            Err(fault) => self.set_aside(&message.head, fault).await,
        }
    }

    /// A frame at which the program itself fails is set aside like any other that cannot be split.
    fn split(&self, message: &Envelope<Raw>) -> Result<Held, Fault> {
        let large = message.body.0.len() > LARGE_BYTES
            && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        let held = AssertUnwindSafe(|| held(&self.road.get(), &self.by, message));
        let held =
            if large { tokio::task::block_in_place(|| catch_unwind(held)) } else { catch_unwind(held) };
        held.unwrap_or_else(|_| {
            tracing::error!(channel = %message.head.channel, message_id = %message.head.id, "The program failed at a message; this is a fault of the program.");
            Err(program_fault())
        })
    }

    /// Stores the pieces and ends the whole, in one transaction; then hands them on in their order. While the store does not
    /// answer nothing that came later is split.
    async fn expand(&self, head: Head, pieces: Vec<Envelope<Raw>>) {
        let count = pieces.len() as u64;
        self.backlog.hold(pieces.iter().map(|piece| piece.head.id));
        let mut pauses = pauses();
        let expanded = loop {
            match self.house.journal.expand(head.id, pieces.clone()).await {
                Ok(open) => break Ok(open),
                Err(error @ StoreError::Unavailable(_)) => self.pause(&head, &error, &mut pauses).await,
                Err(error) => break Err(error),
            }
        };
        crash::place("expanded");
        let open = match expanded {
            Ok(open) => open,
            Err(error) => {
                pieces.iter().for_each(|piece| self.backlog.drop_piece(piece.head.id));
                return self.set_aside(&head, commit_fault(&error)).await;
            }
        };
        self.ended(&head, &Outcome::Split { pieces: count, set_aside: 0 });
        let open: std::collections::HashSet<MessageId> = open.into_iter().collect();
        for piece in pieces {
            if open.contains(&piece.head.id) {
                self.backlog.hand_on(piece).await;
            } else {
                self.backlog.drop_piece(piece.head.id);
            }
        }
    }

    async fn set_aside(&self, head: &Head, fault: Fault) {
        tracing::warn!(channel = %head.channel, message_id = %head.id, step = fault.step.name(), place = fault.place, reason = fault.reason, "A message was set aside.");
        let end = End::Quarantined(fault);
        let mut pauses = pauses();
        loop {
            match self.house.journal.end(head.id, end.clone(), Vec::new()).await {
                Ok(()) => break self.ended(head, &outcome_of_end(&end)),
                Err(error @ StoreError::Unavailable(_)) => self.pause(head, &error, &mut pauses).await,
                Err(error) => {
                    tracing::error!(channel = %head.channel, message_id = %head.id, error = &error as &dyn std::error::Error, "A message could not be ended.");
                    break self.backlog.leave(head.id);
                }
            }
        }
        crash::place("ended");
    }

    fn ended(&self, head: &Head, outcome: &Outcome) {
        let state = if matches!(outcome, Outcome::Split { .. }) { "split" } else { "quarantined" };
        let took = self.house.clock.now() - head.received_at;
        measure::ended(&head.channel, state, Duration::try_from(took).unwrap_or_default());
        tracing::debug!(channel = %head.channel, message_id = %head.id, state, "A message has ended.");
        self.backlog.done(head.id, outcome);
    }

    async fn pause(&self, head: &Head, error: &StoreError, pauses: &mut backon::ExponentialBackoff) {
        tracing::error!(channel = %head.channel, message_id = %head.id, error = error as &dyn std::error::Error, "The store does not answer; nothing is split until it does.");
        tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
    }
}
