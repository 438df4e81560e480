//! The messages of one channel between the journal and the lanes.
//!
//! A message that arrives goes straight to its lane. When too many wait, the channel falls *behind*: from then on
//! messages stay in the journal only and are read back from it in their order, page by page, until it has caught up.
//! Starting after a crash is the same: the channel begins behind. So memory is bounded and nothing is forgotten.
//!
//! Where a frame may hold several messages, what comes in goes to the one splitter of the channel, in its order; it hands the
//! pieces on to the lanes. The journal reads pieces back in the place of what they are pieces of, so the order is the same
//! after a crash.

mod holding;
mod pieces;
mod still;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hub_core::cluster::Company;
use hub_core::envelope::{Envelope, Raw};
use hub_core::id::{ChannelId, MessageId};
use hub_core::source::Outcome;
use hub_core::store::{Journal, StoreError};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::holds::Holds;

/// How many messages are read back from the journal at a time.
const PAGE: usize = 128;
/// How long whoever waits for all pieces of a message waits before they are counted anew.
const FAMILY_PAUSE: Duration = Duration::from_millis(20);
/// How long reading back waits when the store does not answer.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long whoever waits for the end of a message that another node works on waits before asking the journal again.
const ELSEWHERE_PAUSE: Duration = Duration::from_millis(20);

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

impl Place {
    /// Whether it is on its way to a lane, or in one.
    fn is_queued(&self) -> bool {
        matches!(self, Self::Unsplit(_) | Self::Piece | Self::Lane(_))
    }
}

/// How far what was in the journal when the channel started has come.
#[derive(Default)]
enum Start {
    /// It is being read back.
    #[default]
    Reading,
    /// These have not ended yet, or not been held.
    Finishing(HashSet<MessageId>),
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
    /// Another node works on the channel's messages.
    elsewhere: bool,
    /// Which nodes there were when the last message came in.
    generation: i64,
    /// Counts the messages left to the journal, so that catching up notices one that slipped past its last page.
    left_behind: u64,
    /// Let go since the look into the journal began that is under way: that look may still see them as open.
    let_go: Option<HashSet<MessageId>>,
    /// Opened again in the journal while they were still being worked on here.
    reopened: HashSet<MessageId>,
    waiters: HashMap<MessageId, Vec<oneshot::Sender<Outcome>>>,
    /// How far what was there at the start has come.
    start: Start,
    /// Messages that failed and are held, and those behind them.
    holds: Holds,
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

    /// The message is in the journal: it goes to its lane, or waits there. `false` when it waits there for another node.
    ///
    /// Where there are other nodes they may have stored an earlier message of the same order: then all are read back in the order of
    /// the journal.
    pub fn ready(&self, message: Envelope<Raw>, company: Company) -> bool {
        let key = self.key_in_queue(&message);
        let mut inner = self.inner();
        let taken_over = inner.places.get(&message.head.id) != Some(&Place::Door);
        if taken_over {
            return true;
        }
        if inner.elsewhere {
            inner.places.remove(&message.head.id);
            return false;
        }
        let is_met = company.has_others || inner.generation != company.generation;
        inner.generation = company.generation;
        let full = inner.queued >= self.limits.messages || inner.queued_bytes >= self.limits.bytes;
        if inner.behind || inner.paused || full || is_met {
            inner.fall_behind();
            inner.places.remove(&message.head.id);
            self.refill.notify_one();
            return true;
        }
        self.queue(&mut inner, message, key.as_deref());
        true
    }

    /// The value that keeps messages in order: those with the same one are worked on one after the other.
    pub fn key(&self, message: &Envelope<Raw>) -> Option<String> {
        // Whatever a parser stumbles over here, the lane will stumble over too and set the message aside.
        catch_unwind(AssertUnwindSafe(|| (self.lane_key)(&message.body.0))).unwrap_or_default()
    }

    /// The same of a message on its way to its lane; where it goes by the splitter first, that is found out there.
    fn key_in_queue(&self, message: &Envelope<Raw>) -> Option<String> {
        if self.splitter.is_some() { None } else { self.key(message) }
    }

    fn queue(&self, inner: &mut Inner, message: Envelope<Raw>, key: Option<&str>) {
        let id = message.head.id;
        let size = message.body.0.len();
        // Pieces that were made before go this way too: what stands before them goes before them.
        if let Some(splitter) = &self.splitter {
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
        {
            let mut inner = self.inner();
            inner.holds.forget(id);
            self.forget(&mut inner, id);
        }
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
        if let Start::Finishing(left) = &mut inner.start {
            left.remove(&id);
        }
        if let Some(let_go) = &mut inner.let_go {
            let_go.insert(id);
        }
        if inner.reopened.remove(&id) {
            inner.fall_behind();
        }
        if inner.holds.is_ending() {
            self.end_holds(inner);
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
            if let Some(fault) = inner.holds.why(id) {
                return Some(Outcome::Quarantined(fault));
            }
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
        loop {
            tokio::select! {
                told = &mut waiting.receiver => return told.ok(),
                () = tokio::time::sleep(ELSEWHERE_PAUSE) => {}
            }
            // Another node does not tell: the journal is asked.
            if self.is_elsewhere()
                && let Ok(Some(state)) = journal.state(id).await
                && let Some(ended) = crate::end::outcome_of(state)
            {
                return Some(ended);
            }
        }
    }

    /// How many messages are being worked on.
    pub fn in_flight(&self) -> usize {
        self.inner().places.len()
    }

    /// Whether a message was in the journal when the channel started, and has not ended.
    pub fn is_left_over(&self, id: MessageId) -> bool {
        match &self.inner().start {
            Start::Reading => true,
            Start::Finishing(left) => left.contains(&id),
        }
    }

    /// Whether all that was in the journal when the channel started has ended, or is held.
    pub fn has_recovered(&self) -> bool {
        matches!(&self.inner().start, Start::Finishing(left) if left.is_empty())
    }

    /// How many messages wait in memory or are in lanes, and their bytes.
    pub fn held_in_memory(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.queued, inner.queued_bytes)
    }

    /// How many messages somebody waits for.
    pub fn waiting(&self) -> usize {
        self.inner().waiters.len()
    }

    /// Reads back what the journal holds, whenever the channel is behind. Runs until dropped; one at a time.
    pub async fn refill(&self, journal: &dyn Journal) {
        loop {
            let next_end = self.inner().holds.next_end();
            let held_long_enough = async {
                match next_end {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.refill.notified() => {}
                () = held_long_enough => {}
            }
            self.end_waits();
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
            && !inner.elsewhere
            && !inner.holds.is_full()
            && !inner.holds.is_ending()
            && inner.queued <= self.limits.messages / 2
            && inner.queued_bytes <= self.limits.bytes / 2
    }

    async fn read_page(&self, journal: &dyn Journal) -> Result<(), StoreError> {
        let (skipped, left_behind, ended) = {
            let mut inner = self.inner();
            inner.let_go = Some(HashSet::new());
            let elsewhere =
                inner.places.iter().filter(|(_, place)| **place != Place::Door).map(|(id, _)| *id);
            (elsewhere.collect::<HashSet<_>>(), inner.left_behind, inner.holds.ended())
        };
        let skip = |id| skipped.contains(&id) || self.inner().holds.has(id);
        let page = journal.unfinished(&self.channel, &skip, PAGE).await?;
        let last_page = page.len() < PAGE;
        let keys: Vec<_> = page.iter().map(|message| self.key_in_queue(message)).collect();
        let mut inner = self.inner();
        let let_go = inner.let_go.take().unwrap_or_default();
        if inner.paused || inner.elsewhere || inner.holds.is_ending() || inner.holds.ended() != ended {
            // What is or was held and left out goes before what was read: it is read anew.
            return Ok(());
        }
        for (message, key) in page.into_iter().zip(keys) {
            match inner.places.get(&message.head.id) {
                // It has gone its way while the journal was looked at; had it been opened again, the journal would be looked at again.
                None if let_go.contains(&message.head.id) => {}
                None | Some(Place::Door) => self.queue(&mut inner, message, key.as_deref()),
                // It came to the door after the look began.
                Some(Place::Ending | Place::Unsplit(_) | Place::Piece | Place::Lane(_)) => {}
            }
        }
        if last_page && inner.left_behind == left_behind {
            inner.behind = false;
            if matches!(inner.start, Start::Reading) {
                inner.start = Start::Finishing(inner.places.keys().copied().collect());
            }
        }
        Ok(())
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
