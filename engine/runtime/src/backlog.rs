//! The messages of one channel between the journal and the lanes.
//!
//! A message that arrives goes straight to its lane. When too many wait, the channel falls *behind*: from then on
//! messages stay in the journal only and are read back from it in their order, page by page, until it has caught up.
//! Starting after a crash is the same: the channel begins behind. So memory is bounded and nothing is forgotten.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hub_core::envelope::{Envelope, Raw};
use hub_core::id::{ChannelId, MessageId};
use hub_core::source::Outcome;
use hub_core::store::{Journal, StoreError};
use tokio::sync::{Notify, mpsc, oneshot};

/// How many messages are read back from the journal at a time.
const PAGE: usize = 512;
/// How long reading back waits when the store does not answer.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Finds the lane key of a message's bytes.
pub type LaneKey = Box<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// The messages of one channel that are being worked on, and those that wait.
pub struct Backlog {
    channel: ChannelId,
    limits: Limits,
    lane_key: LaneKey,
    lanes: Vec<mpsc::UnboundedSender<Envelope<Raw>>>,
    inner: Mutex<Inner>,
    refill: Notify,
}

/// What a backlog may hold in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Messages.
    pub messages: usize,
    /// Bytes.
    pub bytes: usize,
}

#[derive(Default)]
struct Inner {
    /// At the door or in a lane: never read back from the journal.
    in_flight: HashSet<MessageId>,
    /// In a lane.
    queued: HashMap<MessageId, usize>,
    queued_bytes: usize,
    /// New messages stay in the journal.
    behind: bool,
    /// Counts the messages left to the journal, so that catching up notices one that slipped past its last page.
    left_behind: u64,
    waiters: HashMap<MessageId, Vec<oneshot::Sender<Outcome>>>,
}

impl Backlog {
    /// A backlog that begins behind; its lanes are the receivers' tasks.
    pub fn new(channel: ChannelId, limits: Limits, lane_key: LaneKey, lanes: Vec<mpsc::UnboundedSender<Envelope<Raw>>>) -> Self {
        let inner = Inner { behind: true, ..Inner::default() };
        let refill = Notify::new();
        refill.notify_one();
        Self { channel, limits, lane_key, lanes, inner: Mutex::new(inner), refill }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Registers a message before the journal is asked, so that reading back leaves it to its sender's task.
    pub fn enter(&self, id: MessageId) {
        self.inner().in_flight.insert(id);
    }

    /// Takes a registration back: the message was not stored.
    pub fn leave(&self, id: MessageId) {
        self.inner().in_flight.remove(&id);
    }

    /// The message is in the journal: it goes to its lane, or waits there.
    pub fn ready(&self, message: Envelope<Raw>) {
        let key = (self.lane_key)(&message.body.0);
        let mut inner = self.inner();
        let full = inner.queued.len() >= self.limits.messages || inner.queued_bytes >= self.limits.bytes;
        if inner.behind || full {
            inner.behind = true;
            inner.left_behind += 1;
            inner.in_flight.remove(&message.head.id);
            self.refill.notify_one();
            return;
        }
        self.queue(&mut inner, message, key.as_deref());
    }

    fn queue(&self, inner: &mut Inner, message: Envelope<Raw>, key: Option<&str>) {
        let id = message.head.id;
        let size = message.body.0.len();
        let mut hash = DefaultHasher::new();
        match key {
            Some(key) => key.hash(&mut hash),
            // Without a lane key the message has no order to keep with others.
            None => id.hash(&mut hash),
        }
        let lane = usize::try_from(hash.finish() % self.lanes.len() as u64).expect("a lane number fits");
        if self.lanes[lane].send(message).is_ok() {
            inner.queued.insert(id, size);
            inner.queued_bytes += size;
        } else {
            // The lane has stopped with the hub; the journal keeps the message for the next start.
            inner.in_flight.remove(&id);
        }
    }

    /// The message has ended in the store: it is let go and its waiters are told.
    pub fn done(&self, id: MessageId, outcome: &Outcome) {
        let waiters = {
            let mut inner = self.inner();
            self.forget(&mut inner, id);
            inner.waiters.remove(&id).unwrap_or_default()
        };
        for waiter in waiters {
            // A waiter that has gone away wants no answer.
            let _ = waiter.send(outcome.clone());
        }
    }

    fn forget(&self, inner: &mut Inner, id: MessageId) {
        inner.in_flight.remove(&id);
        if let Some(size) = inner.queued.remove(&id) {
            inner.queued_bytes -= size;
        }
        if inner.behind && inner.queued.len() <= self.limits.messages / 2 {
            self.refill.notify_one();
        }
    }

    /// The channel looks into the journal for messages to work on: after a replay, or when one could not be ended.
    pub fn look_again(&self) {
        let mut inner = self.inner();
        inner.behind = true;
        inner.left_behind += 1;
        self.refill.notify_one();
    }

    /// The message could not be ended now; it is taken up again from the journal.
    pub fn give_back(&self, id: MessageId) {
        self.forget(&mut self.inner(), id);
        self.look_again();
    }

    /// Waits for the end of a message, if it is being worked on; asks the journal otherwise.
    pub async fn outcome(&self, id: MessageId, journal: &dyn Journal) -> Option<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let in_flight = {
            let mut inner = self.inner();
            inner.waiters.entry(id).or_default().push(sender);
            inner.in_flight.contains(&id)
        };
        if !in_flight && let Ok(Some(state)) = journal.state(id).await {
            let ended = crate::end::outcome_of(state);
            if ended.is_some() {
                self.inner().waiters.remove(&id);
                return ended;
            }
        }
        receiver.await.ok()
    }

    /// How many messages are being worked on.
    pub fn in_flight(&self) -> usize {
        self.inner().in_flight.len()
    }

    /// Reads back what the journal holds, whenever the channel is behind. Runs until dropped.
    pub async fn refill(&self, journal: &dyn Journal) {
        loop {
            self.refill.notified().await;
            while self.wants_more() {
                if let Err(error) = self.read_page(journal).await {
                    tracing::warn!(channel = %self.channel, error = &error as &dyn std::error::Error, "The journal cannot be read; it will be tried again.");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    fn wants_more(&self) -> bool {
        let inner = self.inner();
        inner.behind && inner.queued.len() <= self.limits.messages / 2 && inner.queued_bytes <= self.limits.bytes / 2
    }

    async fn read_page(&self, journal: &dyn Journal) -> Result<(), StoreError> {
        let (known, left_behind) = {
            let inner = self.inner();
            (inner.in_flight.clone(), inner.left_behind)
        };
        let page = journal.unfinished(&self.channel, &|id| known.contains(&id), PAGE).await?;
        let last_page = page.len() < PAGE;
        let keys: Vec<_> = page.iter().map(|message| (self.lane_key)(&message.body.0)).collect();
        let mut inner = self.inner();
        for (message, key) in page.into_iter().zip(keys) {
            let at_the_door = !inner.in_flight.insert(message.head.id);
            if at_the_door {
                continue;
            }
            self.queue(&mut inner, message, key.as_deref());
        }
        if last_page && inner.left_behind == left_behind {
            inner.behind = false;
        }
        Ok(())
    }
}
