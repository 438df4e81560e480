//! The messages of one channel between the journal and the lanes.
//!
//! A message that arrives goes straight to its lane. When too many wait, the channel falls *behind*: from then on
//! messages stay in the journal only and are read back from it in their order, page by page, until it has caught up.
//! Starting after a crash is the same: the channel begins behind. So memory is bounded and nothing is forgotten.
//!
//! Where a frame may hold several messages, what comes in goes to the one splitter of the channel, in its order; it hands the
//! pieces on to the lanes. The journal reads pieces back in the place of what they are pieces of, so the order is the same
//! after a crash.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hub_core::envelope::{Envelope, Raw};
use hub_core::id::{ChannelId, MessageId};
use hub_core::source::Outcome;
use hub_core::store::{Journal, StateName, StoreError};
use tokio::sync::{Notify, mpsc, oneshot};

/// How many messages are read back from the journal at a time.
const PAGE: usize = 128;
/// How long whoever waits for all pieces of a message waits before they are counted anew.
const FAMILY_PAUSE: Duration = Duration::from_millis(20);
/// How long reading back waits when the store does not answer.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long whoever waits for the lanes to be empty waits before looking again.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Finds the lane key of a message's bytes.
pub type LaneKey = Box<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// The messages of one channel that are being worked on, and those that wait.
pub struct Backlog {
    channel: ChannelId,
    limits: Limits,
    lane_key: LaneKey,
    lanes: Vec<mpsc::UnboundedSender<Envelope<Raw>>>,
    /// Where what comes in goes first, for a channel whose frames may hold several messages.
    splitter: Option<mpsc::UnboundedSender<Envelope<Raw>>>,
    inner: Mutex<Inner>,
    refill: Notify,
    /// Something has left the lanes.
    room: Notify,
}

/// What a backlog may hold in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Messages.
    pub messages: usize,
    /// Bytes.
    pub bytes: usize,
}

/// Where a message is that is being worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the door, on its way to the journal or just in it. Reading back takes it over when it comes to it, so that nothing
    /// that stands behind it in the journal goes before it.
    Door,
    /// At the door, where it ends: no lane is to see it.
    Ending,
    /// On its way to be split, with so many bytes.
    Unsplit(usize),
    /// A piece of another one, on its way to its lane. It is handed on in the order of the pieces, never read back.
    Piece,
    /// In a lane, with so many bytes.
    Lane(usize),
}

#[derive(Default)]
struct Inner {
    places: HashMap<MessageId, Place>,
    /// How many are in lanes or wait to be split, and their bytes.
    queued: usize,
    queued_bytes: usize,
    /// How many of them wait to be split, and their bytes.
    unsplit: usize,
    unsplit_bytes: usize,
    /// New messages stay in the journal.
    behind: bool,
    /// Nothing is handed to the lanes, and nothing read back.
    paused: bool,
    /// Counts the messages left to the journal, so that catching up notices one that slipped past its last page.
    left_behind: u64,
    /// Opened again in the journal while they were still being worked on here.
    reopened: HashSet<MessageId>,
    waiters: HashMap<MessageId, Vec<oneshot::Sender<Outcome>>>,
    /// Those who wait for the last piece of a message.
    families: HashMap<MessageId, Vec<Arc<Notify>>>,
}

impl Inner {
    /// The journal holds something to work on.
    fn fall_behind(&mut self) {
        self.behind = true;
        self.left_behind += 1;
    }
}

impl Backlog {
    /// A backlog that begins behind; its lanes are the receivers' tasks.
    pub fn new(
        channel: ChannelId,
        limits: Limits,
        lane_key: LaneKey,
        lanes: Vec<mpsc::UnboundedSender<Envelope<Raw>>>,
    ) -> Self {
        let inner = Inner { behind: true, ..Inner::default() };
        let refill = Notify::new();
        refill.notify_one();
        let room = Notify::new();
        Self { channel, limits, lane_key, lanes, splitter: None, inner: Mutex::new(inner), refill, room }
    }

    /// The same for a channel whose frames may hold several messages: what comes in goes to `splitter` first, in its order.
    #[must_use]
    pub fn splitting(self, splitter: mpsc::UnboundedSender<Envelope<Raw>>) -> Self {
        Self { splitter: Some(splitter), ..self }
    }

    /// Whether a message is still to be split.
    fn is_unsplit(&self, message: &Envelope<Raw>) -> bool {
        self.splitter.is_some() && message.head.parent.is_none()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Registers a message that arrives, before the journal is asked: how many are worked on is known at any moment.
    pub fn enter(&self, id: MessageId) {
        self.inner().places.insert(id, Place::Door);
    }

    /// Registers a message that will end at the door: it is never read back while its sender's task ends it.
    pub fn enter_to_end(&self, id: MessageId) {
        self.inner().places.insert(id, Place::Ending);
    }

    /// Takes a registration back: the message was not stored, or nothing more can be done for it.
    pub fn leave(&self, id: MessageId) {
        self.forget(&mut self.inner(), id);
    }

    /// The message is in the journal: it goes to its lane, or waits there.
    pub fn ready(&self, message: Envelope<Raw>) {
        let key = self.key_in_queue(&message);
        let mut inner = self.inner();
        let taken_over = inner.places.get(&message.head.id) != Some(&Place::Door);
        if taken_over {
            return;
        }
        let full = inner.queued >= self.limits.messages || inner.queued_bytes >= self.limits.bytes;
        if inner.behind || inner.paused || full {
            inner.fall_behind();
            inner.places.remove(&message.head.id);
            self.refill.notify_one();
            return;
        }
        self.queue(&mut inner, message, key.as_deref());
    }

    /// The value that keeps messages in order: those with the same one are worked on one after the other.
    pub fn key(&self, message: &Envelope<Raw>) -> Option<String> {
        // Whatever a parser stumbles over here, the lane will stumble over too and set the message aside.
        catch_unwind(AssertUnwindSafe(|| (self.lane_key)(&message.body.0))).unwrap_or_default()
    }

    /// The same of a message that may be one of several; one that is still to be split may hold many keys.
    fn key_in_queue(&self, message: &Envelope<Raw>) -> Option<String> {
        if self.is_unsplit(message) { None } else { self.key(message) }
    }

    fn queue(&self, inner: &mut Inner, message: Envelope<Raw>, key: Option<&str>) {
        let id = message.head.id;
        let size = message.body.0.len();
        if self.is_unsplit(&message)
            && let Some(splitter) = &self.splitter
        {
            if splitter.send(message).is_ok() {
                inner.places.insert(id, Place::Unsplit(size));
                inner.queued += 1;
                inner.queued_bytes += size;
                inner.unsplit += 1;
                inner.unsplit_bytes += size;
            } else {
                inner.places.remove(&id);
            }
            return;
        }
        self.to_lane(inner, message, key);
    }

    fn to_lane(&self, inner: &mut Inner, message: Envelope<Raw>, key: Option<&str>) {
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
            inner.places.insert(id, Place::Lane(size));
            inner.queued += 1;
            inner.queued_bytes += size;
        } else {
            // The lane has stopped with the hub; the journal keeps the message for the next start.
            inner.places.remove(&id);
        }
    }

    /// The message has ended in the store: it is let go and its waiters are told.
    pub fn done(&self, id: MessageId, outcome: &Outcome) {
        self.forget(&mut self.inner(), id);
        self.tell(id, outcome);
    }

    fn tell(&self, id: MessageId, outcome: &Outcome) {
        let waiters = self.inner().waiters.remove(&id).unwrap_or_default();
        for waiter in waiters {
            // A waiter that has gone away wants no answer.
            let _ = waiter.send(outcome.clone());
        }
    }

    fn forget(&self, inner: &mut Inner, id: MessageId) {
        match inner.places.remove(&id) {
            Some(Place::Lane(size)) => {
                inner.queued -= 1;
                inner.queued_bytes -= size;
                self.room.notify_one();
            }
            Some(Place::Unsplit(size)) => {
                inner.queued -= 1;
                inner.queued_bytes -= size;
                inner.unsplit -= 1;
                inner.unsplit_bytes -= size;
            }
            Some(Place::Door | Place::Ending | Place::Piece) | None => {}
        }
        if inner.reopened.remove(&id) {
            inner.fall_behind();
        }
        if inner.behind && inner.queued <= self.limits.messages / 2 {
            self.refill.notify_one();
        }
    }

    /// A copy of the message was answered as known. Should the first one still be at the door, its sender may send its next
    /// message now: both are read back from the journal, in order.
    pub fn known(&self, id: MessageId) {
        let mut inner = self.inner();
        if inner.places.get(&id) == Some(&Place::Door) {
            inner.fall_behind();
            self.refill.notify_one();
        }
    }

    /// Messages were opened again in the journal: the channel looks there for them. One that is still being worked on here,
    /// because its end is not known here yet, is looked for when it is let go.
    pub fn look_again(&self, reopened: &[MessageId]) {
        let mut inner = self.inner();
        for id in reopened {
            if inner.places.contains_key(id) {
                inner.reopened.insert(*id);
            }
        }
        inner.fall_behind();
        self.refill.notify_one();
    }

    /// The sender's task has broken off and nobody knows whether the message is in the journal: the channel looks there. One
    /// that reading back has taken over goes its way.
    pub fn abandon(&self, id: MessageId) {
        let is_queued = matches!(self.inner().places.get(&id), Some(Place::Lane(_) | Place::Unsplit(_)));
        if !is_queued {
            self.give_back(id);
        }
    }

    /// The message could not be ended now; it is taken up again from the journal.
    pub fn give_back(&self, id: MessageId) {
        let mut inner = self.inner();
        self.forget(&mut inner, id);
        inner.fall_behind();
        self.refill.notify_one();
    }

    /// Waits for the end of a message, if it is being worked on; asks the journal otherwise. `None` when that cannot be known.
    /// A message that held several has ended with the last of them.
    pub async fn outcome(&self, id: MessageId, journal: &dyn Journal) -> Option<Outcome> {
        match self.end_of(id, journal).await? {
            Outcome::Split { pieces, .. } => self.family(id, pieces, journal).await,
            outcome => Some(outcome),
        }
    }

    async fn end_of(&self, id: MessageId, journal: &dyn Journal) -> Option<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let in_flight = {
            let mut inner = self.inner();
            inner.waiters.entry(id).or_default().push(sender);
            inner.places.contains_key(&id)
        };
        let mut waiting = Waiting { backlog: self, id, receiver };
        if !in_flight {
            // An end between the registration and this question is told to all who wait, by whoever sees it first.
            if let Some(ended) = journal.state(id).await.ok()?.and_then(crate::end::outcome_of) {
                self.tell(id, &ended);
                return Some(ended);
            }
        }
        (&mut waiting.receiver).await.ok()
    }

    /// How many messages are being worked on.
    pub fn in_flight(&self) -> usize {
        self.inner().places.len()
    }

    /// How many messages somebody waits for.
    pub fn waiting(&self) -> usize {
        self.inner().waiters.len()
    }

    /// Reads back what the journal holds, whenever the channel is behind. Runs until dropped; one at a time.
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
        inner.behind
            && !inner.paused
            && inner.queued <= self.limits.messages / 2
            && inner.queued_bytes <= self.limits.bytes / 2
    }

    async fn read_page(&self, journal: &dyn Journal) -> Result<(), StoreError> {
        let (skipped, left_behind) = {
            let inner = self.inner();
            let elsewhere =
                inner.places.iter().filter(|(_, place)| **place != Place::Door).map(|(id, _)| *id);
            (elsewhere.collect::<HashSet<_>>(), inner.left_behind)
        };
        let page = journal.unfinished(&self.channel, &|id| skipped.contains(&id), PAGE).await?;
        let last_page = page.len() < PAGE;
        let keys: Vec<_> = page.iter().map(|message| self.key_in_queue(message)).collect();
        let mut inner = self.inner();
        if inner.paused {
            return Ok(());
        }
        for (message, key) in page.into_iter().zip(keys) {
            match inner.places.get(&message.head.id) {
                None | Some(Place::Door) => self.queue(&mut inner, message, key.as_deref()),
                // It came to the door after the look began.
                Some(Place::Ending | Place::Unsplit(_) | Place::Piece | Place::Lane(_)) => {}
            }
        }
        if last_page && inner.left_behind == left_behind {
            inner.behind = false;
        }
        Ok(())
    }
}

/// Handing on what has been split.
impl Backlog {
    /// These pieces are about to be stored; they are handed on by whoever has split them. One that is being worked on already, for
    /// it was opened again, goes its way.
    pub fn hold(&self, pieces: impl IntoIterator<Item = MessageId>) {
        let mut inner = self.inner();
        for id in pieces {
            inner.places.entry(id).or_insert(Place::Piece);
        }
    }

    /// Takes back what [`Backlog::hold`] did for a piece that is not to be handed on.
    pub fn drop_piece(&self, id: MessageId) {
        let mut inner = self.inner();
        if inner.places.get(&id) == Some(&Place::Piece) {
            self.forget(&mut inner, id);
        }
    }

    /// Hands a piece, or a message that holds no other, on to its lane; waits until there is room.
    pub async fn hand_on(&self, message: Envelope<Raw>) {
        let key = self.key(&message);
        let id = message.head.id;
        loop {
            {
                let mut inner = self.inner();
                let (in_lanes, bytes) =
                    (inner.queued - inner.unsplit, inner.queued_bytes - inner.unsplit_bytes);
                let is_full = in_lanes >= self.limits.messages || bytes >= self.limits.bytes;
                if !is_full {
                    match inner.places.get(&id) {
                        Some(Place::Unsplit(_)) => {
                            self.forget(&mut inner, id);
                            self.to_lane(&mut inner, message, key.as_deref());
                        }
                        Some(Place::Piece) => self.to_lane(&mut inner, message, key.as_deref()),
                        // It goes its way already, and may have ended before it was opened again: it is looked at once more.
                        Some(Place::Door | Place::Ending | Place::Lane(_)) => {
                            inner.reopened.insert(id);
                        }
                        // It has ended meanwhile, before or after it was opened again: the journal knows.
                        None => {
                            inner.fall_behind();
                            self.refill.notify_one();
                        }
                    }
                    return;
                }
            }
            self.room.notified().await;
        }
    }

    /// A piece of this message has ended.
    pub fn piece_done(&self, parent: MessageId) {
        for waiting in self.inner().families.get(&parent).into_iter().flatten() {
            waiting.notify_one();
        }
    }

    /// Waits until the last piece has ended.
    async fn family(&self, parent: MessageId, pieces: u64, journal: &dyn Journal) -> Option<Outcome> {
        let watching = Watching::of(self, parent);
        loop {
            let counts = journal.family(parent).await.ok()?;
            let count = |state: StateName| {
                let at = StateName::ALL.iter().position(|one| *one == state);
                at.and_then(|at| counts.get(at)).copied().unwrap_or(0)
            };
            if count(StateName::Received) == 0 {
                return Some(Outcome::Split { pieces, set_aside: count(StateName::Quarantined) });
            }
            watching.ended.notified().await;
            // Pieces end many at a time: they are not counted anew after each.
            tokio::time::sleep(FAMILY_PAUSE).await;
        }
    }
}

/// Holding still, while a deployment puts other steps in the place of the channel's.
impl Backlog {
    /// From now on what comes in stays in the journal; what the lanes hold goes on.
    pub fn pause(&self) {
        self.inner().paused = true;
    }

    /// Goes on, with what has come in meanwhile.
    pub fn resume(&self) {
        let mut inner = self.inner();
        inner.paused = false;
        inner.fall_behind();
        self.refill.notify_one();
    }

    /// Waits until nothing is on its way through the steps. What is at the door may stay there.
    pub async fn quiet(&self) {
        let at_work = |place: &Place| matches!(place, Place::Unsplit(_) | Place::Piece | Place::Lane(_));
        while self.inner().places.values().any(at_work) {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Waits until nothing is here at all, not even at the door.
    pub async fn empty(&self) {
        while self.in_flight() > 0 {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Waits until the channel is not behind, and what it held then has ended.
    pub async fn caught_up(&self) {
        while self.inner().behind {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        let held: HashSet<MessageId> = self.inner().places.keys().copied().collect();
        while self.inner().places.keys().any(|id| held.contains(id)) {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}

/// One who waits for the pieces of a message. When it goes away nothing of it stays behind.
struct Watching<'a> {
    backlog: &'a Backlog,
    parent: MessageId,
    ended: Arc<Notify>,
}

impl<'a> Watching<'a> {
    fn of(backlog: &'a Backlog, parent: MessageId) -> Self {
        let ended = Arc::new(Notify::new());
        backlog.inner().families.entry(parent).or_default().push(ended.clone());
        Self { backlog, parent, ended }
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut inner = self.backlog.inner();
        if let Some(waiting) = inner.families.get_mut(&self.parent) {
            waiting.retain(|one| !Arc::ptr_eq(one, &self.ended));
            if waiting.is_empty() {
                inner.families.remove(&self.parent);
            }
        }
    }
}

/// One who waits for the end of a message. When it goes away nothing of it stays behind.
struct Waiting<'a> {
    backlog: &'a Backlog,
    id: MessageId,
    receiver: oneshot::Receiver<Outcome>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut inner = self.backlog.inner();
        if let Some(waiters) = inner.waiters.get_mut(&self.id) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                inner.waiters.remove(&self.id);
            }
        }
    }
}
