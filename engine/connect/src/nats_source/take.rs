//! Hands each message over and tells the stream what became of it, only when it is known.

use std::time::Duration;

use async_nats::Client;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::{AckKind, Message};
use compact_str::{CompactString, format_compact};
use hub_core::envelope::{Label, Peer};
use hub_core::id::{DedupeKey, Digest, MessageId};
use hub_core::source::{Acknowledge, Inbound, Intake, Outcome, Receipt, Refusal, Turn};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{debug, warn};

use super::NatsSourceConfig;

/// What a publisher calls its message: a key, a kind. Longer is no such thing.
const MAX_WORD: usize = 200;
/// A message that could not be taken comes again after so long for each time it has come, ...
const AGAIN: Duration = Duration::from_secs(1);
/// ...and never later than this.
const LATEST: Duration = Duration::from_secs(30);

/// Takes messages one after the other.
#[derive(Clone)]
pub(super) struct Taker {
    client: Client,
    intake: Intake,
    stream: String,
    ack: Duration,
    answer: Duration,
    message_type: Option<CompactString>,
    type_header: Option<String>,
}

/// What became of a message.
enum Taken {
    /// It is in the journal: the stream need not keep it.
    Safe,
    /// It will never be taken: it is not to come again.
    Never,
    /// It is to come again.
    NotNow,
}

impl Taker {
    pub fn new(client: Client, config: &NatsSourceConfig, intake: Intake) -> Self {
        Self {
            client,
            intake,
            stream: config.stream.clone(),
            ack: Duration::from_secs(config.ack_secs),
            answer: Duration::from_secs(config.answer_secs),
            message_type: config.message_type.as_deref().map(CompactString::new),
            type_header: config.type_header.clone(),
        }
    }

    /// Waits until it is this node's turn to take messages.
    pub async fn turn(&self) -> Turn {
        self.intake.turn().await
    }

    /// Takes what is in the queue until it ends. What is in it when the hub stops is given back at once.
    pub async fn run(self, mut queue: mpsc::Receiver<Message>, stop: watch::Receiver<bool>) {
        while let Some(message) = queue.recv().await {
            if *stop.borrow() {
                self.tell(&message, AckKind::Nak(None)).await;
            } else {
                self.take(message).await;
            }
        }
    }

    /// Takes one message and tells the stream what became of it.
    pub async fn take(&self, message: Message) {
        let Ok(info) = message.info() else {
            return warn!(stream = self.stream, "What came is no message of a stream; it is left alone.");
        };
        let (sequence, times) = (info.stream_sequence, info.delivered);
        match self.hand_over(&message, sequence).await {
            Taken::Safe => self.settle(&message, AckKind::Ack).await,
            Taken::Never => self.settle(&message, AckKind::Term).await,
            Taken::NotNow => {
                let times = u32::try_from(times).unwrap_or(1).max(1);
                let delay = AGAIN.saturating_mul(times).min(LATEST);
                self.tell(&message, AckKind::Nak(Some(delay))).await;
            }
        }
    }

    /// While the hub works on it the stream is told so, and gives it to nobody else.
    async fn hand_over(&self, message: &Message, sequence: u64) -> Taken {
        let judged = self.judge(self.inbound(message, sequence), sequence);
        tokio::pin!(judged);
        let often = self.ack / 3;
        // Not at once: that would wait for the timer's next millisecond, for each message.
        let mut ticks = interval_at(Instant::now() + often, often);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                taken = &mut judged => return taken,
                _tick = ticks.tick() => self.tell(message, AckKind::Progress).await,
            }
        }
    }

    fn inbound(&self, message: &Message, sequence: u64) -> Inbound {
        let header = |name: &str| Some(message.headers.as_ref()?.get(name)?.as_str().trim());
        let word = |name: &str| header(name).filter(|value| is_word(value)).map(CompactString::new);
        let place = format_compact!("{}|{sequence}", self.stream);
        let id = NATS_MESSAGE_ID.as_ref();
        let told = self.type_header.as_deref().and_then(word);
        Inbound {
            dedupe: match header(id).filter(|id| !id.is_empty()) {
                Some(id) => DedupeKey(format_compact!("id|{:?}", Digest::of(id.as_bytes()))),
                None => DedupeKey(place.clone()),
            },
            label: Label {
                message_type: told.or_else(|| self.message_type.clone()),
                control_id: Some(word(id).unwrap_or(place)),
                sender: None,
            },
            bytes: message.payload.clone(),
            peer: Peer::default(),
            attachment: None,
            unreadable: None,
        }
    }

    async fn judge(&self, inbound: Inbound, sequence: u64) -> Taken {
        let id = match self.intake.accept(inbound).await {
            Receipt::Accepted(id) | Receipt::Duplicate(id) => id,
            Receipt::Refused(_, Refusal::Busy) => {
                debug!(stream = self.stream, sequence, "The hub is busy; the message is to come again.");
                return Taken::NotNow;
            }
            Receipt::Refused(id, refusal) => {
                warn!(stream = self.stream, sequence, message_id = id.map(tracing::field::display), error = %refusal, "A message was refused.");
                return Taken::Never;
            }
        };
        if self.intake.acknowledge() == Acknowledge::OnReceived {
            return Taken::Safe;
        }
        self.outcome(id).await
    }

    async fn outcome(&self, id: MessageId) -> Taken {
        match timeout(self.answer, self.intake.outcome(id)).await {
            Ok(Some(Outcome::Committed | Outcome::Filtered { .. } | Outcome::Split { set_aside: 0, .. })) => {
                Taken::Safe
            }
            // It is kept, for a person to mend; whoever watches the stream is told that it did not go through.
            Ok(Some(Outcome::Quarantined(_) | Outcome::Split { .. })) => Taken::Never,
            // It is known when it comes again, and its outcome is asked for again.
            Ok(None) | Err(_) => Taken::NotNow,
        }
    }

    /// The stream's own word that it has understood is waited for. When it does not come, the message comes again, and is known.
    async fn settle(&self, message: &Message, kind: AckKind) {
        let Some(reply) = message.reply.clone() else { return };
        let told = timeout(self.ack, self.client.request(reply, kind.into())).await;
        if !matches!(told, Ok(Ok(_))) {
            debug!(
                stream = self.stream,
                "An acknowledgement was not confirmed; the message will come again."
            );
        }
    }

    /// Said once; when it is lost, the stream finds out by itself.
    async fn tell(&self, message: &Message, kind: AckKind) {
        if message.ack_with(kind).await.is_err() {
            debug!(stream = self.stream, "The stream could not be told; the message will come again.");
        }
    }
}

/// What can be shown, and says what something is.
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.len() <= MAX_WORD && value.bytes().all(|byte| byte.is_ascii_graphic())
}
