//! The door of a channel: what comes in is in the journal before anyone is told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::attachment::{AttachmentError, Stowed, Taking};
use hub_core::cluster::{Company, Share};
use hub_core::envelope::{Envelope, Head, Raw};
use hub_core::id::{ChannelId, CorrelationId, Digest, MessageId};
use hub_core::source::{Acknowledge, Door, Inbound, Outcome, Receipt, Refusal, Replied, Reply, Turn};
use hub_core::store::{End, Received, StoreError};

use crate::backlog::Backlog;
use crate::crash;
use crate::guard::guarded;
use crate::house::House;
use crate::measure;
use crate::now::Now;
use crate::reply::Answerer;
use crate::shares::Turns;
use crate::split::holds_one;
use crate::steps::Road;

/// The door of one channel.
#[derive(Clone)]
pub struct ChannelDoor {
    /// The channel.
    pub channel: ChannelId,
    /// Its steps: what it takes.
    pub road: Now<Road>,
    /// When it answers.
    pub acknowledge: Acknowledge,
    /// Where messages go from here.
    pub backlog: Arc<Backlog>,
    /// The doors of the store.
    pub house: House,
    /// Set when the channel stops: nothing more is taken.
    pub closed: Arc<AtomicBool>,
    /// This node's turns to fetch.
    pub turns: Arc<Turns>,
    /// Makes answers, where the channel says what they are.
    pub answerer: Now<Option<Answerer>>,
}

#[async_trait]
impl Door for ChannelDoor {
    async fn accept(&self, inbound: Inbound) -> Receipt {
        if self.closed.load(Ordering::Relaxed) {
            return Receipt::Refused(None, Refusal::Busy);
        }
        // In a task of its own: a sender that goes away while its message is being stored must not leave it stored and forgotten.
        let door = self.clone();
        let taken = tokio::spawn(async move { door.take(inbound).await }).await;
        taken.unwrap_or(Receipt::Refused(None, Refusal::Busy))
    }

    async fn outcome(&self, id: MessageId) -> Option<Outcome> {
        self.backlog.outcome(id, &*self.house.journal).await
    }

    fn acknowledge(&self) -> Acknowledge {
        self.acknowledge
    }

    async fn reply(&self, request: Bytes, receipt: Receipt) -> Reply {
        match &*self.answerer.get() {
            Some(answerer) => answerer.answer(request, receipt, &self.backlog, &self.house).await,
            None => Reply { kind: Replied::Busy, words: None },
        }
    }

    fn splits(&self) -> bool {
        self.road.get().channel.parse.split.is_some()
    }

    fn attaches(&self) -> bool {
        self.road.get().channel.parse.format == hub_formats::BINARY
    }

    async fn attach(&self, media_type: &str) -> Result<Box<dyn Taking>, AttachmentError> {
        match &self.house.attachments {
            Some(attachments) => attachments.begin(media_type).await,
            None => Err(AttachmentError::None),
        }
    }

    async fn turn(&self) -> Turn {
        self.turns.next(&*self.house.cluster, &Share::source(&self.channel)).await
    }
}

impl ChannelDoor {
    async fn take(&self, inbound: Inbound) -> Receipt {
        crash::place("received");
        let started = std::time::Instant::now();
        let now = self.house.clock.now();
        let id = MessageId::new(now);
        let ends_here = self.ends_here(&inbound);
        let stowed = inbound.attachment;
        if stowed.is_some() {
            crash::place("stowed");
        }
        let message = Envelope {
            head: Head {
                id,
                channel: self.channel.clone(),
                dedupe: inbound.dedupe,
                // The name on the slip is no content: what comes again under another is known.
                digest: stowed
                    .as_ref()
                    .map_or_else(|| Digest::of(&inbound.bytes), |stowed| stowed.content.digest()),
                label: inbound.label,
                correlation: CorrelationId::from(id.0.simple().to_string()),
                received_at: now,
                peer: inbound.peer,
                parent: None,
            },
            body: Raw(inbound.bytes),
        };
        let registration = Registration::of(&self.backlog, id, ends_here.is_some());
        // Whoever closes the door looks after that whether anyone is still there: it sees this one, or this one sees it closed.
        if self.closed.load(Ordering::Relaxed) {
            registration.not_stored();
            return Receipt::Refused(None, Refusal::Busy);
        }
        let received = match self.journal(&message, stowed.as_ref()).await {
            Ok(received) => received,
            Err(error) => {
                drop(registration);
                tracing::error!(channel = %self.channel, error = &error as &dyn std::error::Error, "A message could not be stored; its sender was told to send it again.");
                measure::refused(&self.channel, "busy");
                return Receipt::Refused(None, Refusal::Busy);
            }
        };
        crash::place("journaled");
        measure::step(&self.channel, "receive", started.elapsed());
        match received {
            Received::Duplicate(earlier) => {
                registration.not_stored();
                self.backlog.known(earlier);
                measure::duplicate(&self.channel);
                return Receipt::Duplicate(earlier);
            }
            Received::Reused(earlier) => {
                tracing::warn!(channel = %self.channel, message_id = %id, %earlier, "A control id was used again for another message.");
                measure::reused(&self.channel);
            }
            Received::New => {}
        }
        if let Some((end, refusal)) = ends_here {
            registration.ends_here();
            self.end(id, end).await;
            measure::refused(
                &self.channel,
                if matches!(refusal, Refusal::Unreadable(_)) { "unreadable" } else { "unsupported" },
            );
            return Receipt::Refused(Some(id), refusal);
        }
        let cluster = &self.house.cluster;
        if !registration.hand_over(message, cluster.company()) {
            cluster.tell(&Share::channel(&self.channel));
        }
        Receipt::Accepted(id)
    }

    /// Stores a message durably. Of an attachment whose bytes were kept already the second copy goes.
    async fn journal(
        &self,
        message: &Envelope<Raw>,
        stowed: Option<&Stowed>,
    ) -> Result<Received, StoreError> {
        let Some(stowed) = stowed else { return self.house.journal.receive(message).await };
        let (received, place) = self.house.journal.receive_attachment(message, stowed).await?;
        if place != stowed.place
            && let Some(attachments) = &self.house.attachments
        {
            attachments.discard(stowed.place).await;
        }
        Ok(received)
    }

    /// What is known at once to go no further: it is kept, and ends at the door.
    fn ends_here(&self, inbound: &Inbound) -> Option<(End, Refusal)> {
        if let Some(fault) = &inbound.unreadable {
            return Some((End::Quarantined(fault.clone()), Refusal::Unreadable(fault.clone())));
        }
        let parse = &self.road.get().channel.parse;
        // What a batch or a file is of, each of its messages says.
        if !parse.takes(inbound.label.message_type.as_deref()) && self.holds_one(inbound) {
            let end = End::Filtered { rule: crate::steps::accept_rule(parse) };
            return Some((end, Refusal::Unsupported { expected: parse.expected() }));
        }
        None
    }

    /// Whether a frame or file is one message, and says of what kind it is. The splitter sees to all others.
    fn holds_one(&self, inbound: &Inbound) -> bool {
        match &self.road.get().channel.parse.split {
            None => true,
            Some(_) if inbound.label.message_type.is_none() => false,
            Some(by) => {
                let bytes = &inbound.bytes;
                guarded(bytes.len(), || holds_one(&self.road.get(), by, bytes)).unwrap_or(false)
            }
        }
    }

    /// Ends a message at the door. When that cannot be stored now, the lanes come to the same end later.
    async fn end(&self, id: MessageId, end: End) {
        match self.house.journal.end(id, end.clone(), Vec::new()).await {
            Ok(()) => self.backlog.done(id, &crate::end::outcome_of_end(&end)),
            Err(error) => {
                tracing::warn!(channel = %self.channel, message_id = %id, error = &error as &dyn std::error::Error, "A message could not be ended at the door; it will be ended later.");
                self.backlog.give_back(id);
            }
        }
    }
}

/// A message at the door. However its task ends, the backlog learns of it: when nobody knows whether the message is in the
/// journal, the backlog looks there.
struct Registration<'a> {
    backlog: &'a Backlog,
    id: Option<MessageId>,
}

impl<'a> Registration<'a> {
    fn of(backlog: &'a Backlog, id: MessageId, ends_here: bool) -> Self {
        if ends_here {
            backlog.enter_to_end(id)
        } else {
            backlog.enter(id)
        }
        Self { backlog, id: Some(id) }
    }

    /// `false` when another node is to work on it.
    fn hand_over(mut self, message: Envelope<Raw>, company: Company) -> bool {
        self.id = None;
        self.backlog.ready(message, company)
    }

    fn not_stored(mut self) {
        if let Some(id) = self.id.take() {
            self.backlog.leave(id);
        }
    }

    fn ends_here(mut self) {
        self.id = None;
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.backlog.abandon(id);
        }
    }
}
