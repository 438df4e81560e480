//! The contract battery: what every connector has to hold, whoever its partner is. Each connector's tests run it.
//!
//! Told once, told twice, slow, dropped, refused, in doubt, reconnect. The partner's bytes are written here by hand, so
//! that the battery and what it tests share no mistake. Everything panics with a sentence when it does not hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::id::{DedupeKey, Digest, MessageId};
use hub_core::registry::{BuildError, Secrets};
use hub_core::source::{
    Acknowledge, Door, Inbound, Intake, NoReply, Outcome, Receipt, Refusal, Replied, Reply,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

pub mod file_destination;
pub mod file_source;
pub mod http_destination;
pub mod http_source;
pub mod mllp_destination;
pub mod mllp_source;
pub mod nats_server;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// No secret is set.
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        Err(BuildError::Secret { name: name.to_owned() })
    }
}

/// A door that remembers what it was handed and answers as it is told.
pub struct RecordingDoor {
    acknowledge: Acknowledge,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accepted: Vec<Inbound>,
    known: Vec<(DedupeKey, Digest, MessageId)>,
    refusals: VecDeque<Refusal>,
    outcome: Option<Outcome>,
    reply: Option<Reply>,
    splits: bool,
}

impl RecordingDoor {
    /// A door of a channel that answers so. Messages end committed.
    pub fn new(acknowledge: Acknowledge) -> Arc<Self> {
        let state = State { outcome: Some(Outcome::Committed), ..State::default() };
        Arc::new(Self { acknowledge, state: Mutex::new(state) })
    }

    /// The next message is turned away so.
    pub fn refuse_next(&self, refusal: Refusal) {
        self.state().refusals.push_back(refusal);
    }

    /// Messages end so from now on; `None`: they do not end.
    pub fn end_with(&self, outcome: Option<Outcome>) {
        self.state().outcome = outcome;
    }

    /// Frames may hold several messages from now on.
    pub fn split(&self) {
        self.state().splits = true;
    }

    /// Requests are answered so from now on; `None`: they are not answered.
    pub fn reply_with(&self, reply: Option<Reply>) {
        self.state().reply = reply;
    }

    /// What was accepted, copies left out.
    pub fn accepted(&self) -> Vec<Inbound> {
        self.state().accepted.clone()
    }

    /// An intake onto this door.
    pub fn intake(self: &Arc<Self>) -> Intake {
        Intake::new(Arc::clone(self) as Arc<dyn Door>)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Door for RecordingDoor {
    async fn accept(&self, inbound: Inbound) -> Receipt {
        let mut state = self.state();
        if let Some(refusal) = state.refusals.pop_front() {
            return Receipt::Refused(None, refusal);
        }
        let digest = Digest::of(&inbound.bytes);
        let known = state.known.iter().find(|(key, of, _)| *key == inbound.dedupe && *of == digest);
        if let Some((_, _, id)) = known {
            return Receipt::Duplicate(*id);
        }
        let id = MessageId(uuid::Uuid::from_u128(state.known.len() as u128 + 1));
        state.known.push((inbound.dedupe.clone(), digest, id));
        let unreadable = inbound.unreadable.clone();
        state.accepted.push(inbound);
        match unreadable {
            Some(fault) => Receipt::Refused(Some(id), Refusal::Unreadable(fault)),
            None => Receipt::Accepted(id),
        }
    }

    async fn outcome(&self, _id: MessageId) -> Option<Outcome> {
        let outcome = self.state().outcome.clone();
        match outcome {
            Some(outcome) => Some(outcome),
            None => std::future::pending().await,
        }
    }

    fn acknowledge(&self) -> Acknowledge {
        self.acknowledge
    }

    fn splits(&self) -> bool {
        self.state().splits
    }

    async fn reply(&self, _request: Bytes, receipt: Receipt) -> Reply {
        match receipt {
            Receipt::Refused(_, Refusal::Busy) => Reply { kind: Replied::Busy, words: None },
            Receipt::Refused(_, refusal) => {
                Reply { kind: Replied::Refused(NoReply::Door(refusal)), words: None }
            }
            Receipt::Accepted(_) | Receipt::Duplicate(_) => {
                let reply = self.state().reply.clone();
                reply.unwrap_or(Reply { kind: Replied::Busy, words: None })
            }
        }
    }
}

/// One MLLP frame, by hand.
fn frame(message: &[u8]) -> Vec<u8> {
    [b"\x0B", message, b"\x1C\r"].concat()
}

/// Reads one MLLP frame, by hand; `None` when the peer has closed.
async fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        // An error is a peer that has gone: the same as a closed connection here.
        let byte = stream.read_u8().await.ok()?;
        match byte {
            0x0B => message.clear(),
            0x1C => {
                let end = stream.read_u8().await.ok()?;
                assert_eq!(end, b'\r', "a frame ends with 0x1C 0x0D");
                return Some(message);
            }
            other => message.push(other),
        }
    }
}

/// A field of the first segment of this name, by hand, counted as HL7 does.
fn field(message: &[u8], segment: &str, number: usize) -> String {
    let text = String::from_utf8_lossy(message);
    let found = text.split('\r').find(|line| line.split('|').next() == Some(segment)).unwrap_or_default();
    let at = if segment == "MSH" { number - 1 } else { number };
    found.split('|').nth(at).unwrap_or_default().to_owned()
}
