//! One lane: takes messages in their order, walks them through the pure steps and hands the commits to the store.
//!
//! A lane does not wait for one commit before it maps the next message: the store applies commits in the order in which they are
//! handed over, so one patient's messages stay in order while many of them share one durable transaction.

pub(crate) mod faults;
mod under_way;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use hub_core::commit::{Commit, Key};
use hub_core::envelope::{Envelope, Head, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::source::Outcome;
use hub_core::store::{Cause, Committed, End, StoreError};
use hub_mapping::{Found, Need};
use tokio::sync::mpsc;

use crate::backlog::Backlog;
use crate::crash;
use crate::dispatch::Wakers;
use crate::end::outcome_of_end;
use crate::guard::guarded_message;
use crate::house::House;
use crate::lookup::{LookupError, look_up};
use crate::measure;
use crate::now::Now;
use crate::steps::{Prepared, Road, Walked};
use faults::Failed;
use under_way::UnderWay;

/// The longest wait between two tries to end a message.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What has been mapped takes many times the memory of the message itself: so small a share of the bytes that a channel may hold
/// is under way at once. One message always is.
const SHARE_UNDER_WAY: usize = 16;

/// What a lane works with.
#[derive(Clone)]
pub struct Lane {
    /// The channel's steps. Others are put there only while the lane holds no message.
    pub road: Now<Road>,
    /// The channel's messages.
    pub backlog: Arc<Backlog>,
    /// The doors of the store.
    pub house: House,
    /// Who is told that something is owed.
    pub wakers: Wakers,
}

type Ending = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// A message that has been handed to the store, and what the store said.
struct Ended {
    /// Its place in the order in which this lane handed over.
    nth: u64,
    message: Envelope<Raw>,
    result: Result<(Outcome, Committed), EndFailure>,
}

/// Why a message did not end.
struct EndFailure {
    error: StoreError,
    again: Again,
}

/// What was to be done, kept for another try. A commit is not kept but made again: walking gives the same one each time.
enum Again {
    Walk(Vec<Key>),
    End(End, Vec<Key>),
}

impl Lane {
    /// Works for as long as the hub lives: what has begun goes on when the queue is empty.
    pub async fn run(self, mut queue: mpsc::UnboundedReceiver<Envelope<Raw>>) {
        let mut under_way = UnderWay::default();
        let most_bytes = self.house.sizes.backlog_bytes / (SHARE_UNDER_WAY * self.house.sizes.lanes.max(1));
        let mut open = true;
        let mut nth = 0;
        while open || !under_way.is_empty() {
            let room =
                under_way.endings.len() < self.house.sizes.commits_under_way && under_way.bytes <= most_bytes;
            tokio::select! {
                // What was handed over goes before what is new, should the store have had no room for it.
                biased;
                Some(ended) = under_way.next(), if !under_way.is_empty() => {
                    self.came_back(ended, &mut under_way).await;
                }
                message = queue.recv(), if open && room => match message {
                    Some(message) if self.backlog.keeps(&message) => {}
                    Some(message) => {
                        nth += 1;
                        let bytes = message.body.0.len();
                        if self.lets_others_first(&message) {
                            continue;
                        }
                        let watched = self.watch(&message).await;
                        let is_doubtful = watched.is_some() || self.backlog.tried(message.head.id) > 0;
                        let ending = if self.road.get().may_need() {
                            self.begin_in_turn(nth, message, &mut under_way).await
                        } else {
                            self.begin(nth, message)
                        };
                        let Some(mut ending) = ending else { continue };
                        // The first poll hands the commit to the store: that keeps the order. Unconstrained, because a task
                        // whose share of time is used up would otherwise be told to wait before it has handed anything over,
                        // and the next message could go first.
                        let first_poll = futures_util::poll!(tokio::task::unconstrained(ending.as_mut()));
                        // Endings are seen in the order of handing over: one that failed is known before those that went after it.
                        under_way.bytes += bytes;
                        under_way.endings.push_back(match first_poll {
                            Poll::Pending => ending,
                            Poll::Ready(ended) => Box::pin(std::future::ready(ended)),
                        });
                        // What has failed before may fail again: nothing is handed over behind it until that is known.
                        while is_doubtful && let Some(ended) = under_way.next().await {
                            self.came_back(ended, &mut under_way).await;
                        }
                    }
                    None => open = false,
                }
            }
        }
    }

    /// Lets a message go that has come back from the store, or rides out what keeps it from ending.
    async fn came_back(&self, ended: Ended, under_way: &mut UnderWay) {
        if let Err(failed) = self.let_go(ended) {
            self.ride_out(*failed, under_way).await;
            // Nothing is under way any more.
            *under_way = UnderWay::default();
        }
    }

    /// Walks a message and begins to end it. For mappings that look nothing up.
    fn begin(&self, nth: u64, message: Envelope<Raw>) -> Option<Ending> {
        let walked = match self.died_at(&message) {
            Some(fault) => Err(fault),
            None => self.guarded(&message, || self.road.get().walk(message.clone())),
        };
        self.end_as(nth, message, walked, false)
    }

    /// Begins to end a message as it was walked. `None` when its lane is held at it. `may_pass`: a fault may be gone another time.
    fn end_as(
        &self,
        nth: u64,
        message: Envelope<Raw>,
        walked: Result<Walked, Fault>,
        may_pass: bool,
    ) -> Option<Ending> {
        let failed = match walked {
            Ok(Walked::Mapped(mapped)) => return Some(self.commit(nth, message, mapped.body.0)),
            Ok(Walked::Ended(_, End::Quarantined(fault), keys)) => Failed { fault, keys, may_pass },
            Ok(Walked::Ended(_, end, keys)) => return Some(self.end(nth, message, end, keys)),
            Err(fault) => Failed { fault, keys: Vec::new(), may_pass },
        };
        let Failed { fault, keys, .. } = self.hold(&message, failed)?;
        Some(self.end(nth, message, End::Quarantined(fault), keys))
    }

    /// The same for mappings that look something up: what they find must show what earlier messages of the same order have
    /// written. Those of others are not waited for.
    async fn begin_in_turn(
        &self,
        nth: u64,
        message: Envelope<Raw>,
        under_way: &mut UnderWay,
    ) -> Option<Ending> {
        let prepared = match self.died_at(&message) {
            Some(fault) => Err(fault),
            None => self.guarded(&message, || self.road.get().prepare(message.clone())),
        };
        if let Ok(Prepared::Asking(asking)) = &prepared {
            while under_way.turns.waits(asking.lane_key.as_deref())
                && let Some(ended) = under_way.next().await
            {
                self.came_back(ended, under_way).await;
            }
        }
        let key = match &prepared {
            Ok(Prepared::Asking(asking)) => asking.lane_key.clone(),
            _ => self.backlog.key(&message),
        };
        let ending = self.begin_prepared(nth, message, prepared).await?;
        under_way.turns.began(nth, key);
        Some(ending)
    }

    /// Looks up what is needed, walks the message to the end and begins to end it.
    async fn begin_prepared(
        &self,
        nth: u64,
        message: Envelope<Raw>,
        prepared: Result<Prepared, Fault>,
    ) -> Option<Ending> {
        let mut may_pass = false;
        let walked = match prepared {
            Ok(Prepared::Walked(walked)) => Ok(*walked),
            Ok(Prepared::Asking(asking)) => match self.look_up(&message.head, &asking.needs).await {
                Ok(found) => {
                    // What is not there yet, or there twice, may be otherwise another time.
                    may_pass = asking.needs.iter().any(|need| found.ids(need).len() != 1);
                    self.guarded(&message, || self.road.get().walk_on(*asking, found))
                }
                Err(fault) => Err(fault),
            },
            Err(fault) => Err(fault),
        };
        self.end_as(nth, message, walked, may_pass)
    }

    /// Asks the store until it answers. A fault at which the message itself is to blame sets it aside.
    async fn look_up(&self, head: &Head, needs: &[Need]) -> Result<Found, Fault> {
        let mut pauses = pauses();
        loop {
            let mut found = Found::default();
            match look_up(&*self.house.resources, needs, &mut found).await {
                Ok(()) => return Ok(found),
                Err(LookupError::Store(error @ StoreError::Unavailable(_))) => {
                    self.pause(head, &error, &mut pauses).await;
                }
                Err(error) => {
                    let reason = error.to_string();
                    return Err(Fault { step: FaultStep::Map, place: None, rule: None, reason });
                }
            }
        }
    }

    fn guarded<T>(&self, message: &Envelope<Raw>, step: impl FnOnce() -> T) -> Result<T, Fault> {
        guarded_message(&message.head, message.body.0.len(), || Ok(step()))
    }

    fn commit(&self, nth: u64, message: Envelope<Raw>, commit: Commit) -> Ending {
        let resources = self.house.resources.clone();
        let keys = commit.keys.clone();
        Box::pin(async move {
            let started = Instant::now();
            crash::place("handed");
            let result = resources.commit(Cause::Message(message.head.id), commit).await;
            crash::place("committed");
            measure::step(&message.head.channel, "commit", started.elapsed());
            let result = match result {
                Ok(committed) => Ok((Outcome::Committed, committed)),
                Err(error) => Err(EndFailure { error, again: Again::Walk(keys) }),
            };
            Ended { nth, message, result }
        })
    }

    fn end(&self, nth: u64, message: Envelope<Raw>, end: End, keys: Vec<Key>) -> Ending {
        let journal = self.house.journal.clone();
        Box::pin(async move {
            let ended = journal.end(message.head.id, end.clone(), keys.clone()).await;
            crash::place("ended");
            let result = match ended {
                Ok(()) => Ok((outcome_of_end(&end), Committed::default())),
                Err(error) => Err(EndFailure { error, again: Again::End(end, keys) }),
            };
            Ended { nth, message, result }
        })
    }

    /// Lets a message go that has ended. One that has not is given back with what was to be done.
    fn let_go(&self, ended: Ended) -> Result<(), Box<Ended>> {
        let Ended { nth, message, result } = ended;
        let (outcome, committed) = match result {
            Ok(ended) => ended,
            Err(failure) => return Err(Box::new(Ended { nth, message, result: Err(failure) })),
        };
        let head = message.head;
        let state = match &outcome {
            Outcome::Committed => "committed",
            Outcome::Filtered { .. } => "filtered",
            Outcome::Split { .. } => "split",
            Outcome::Quarantined(fault) => {
                tracing::warn!(channel = %head.channel, message_id = %head.id, step = fault.step.name(), place = fault.place, reason = fault.reason, "A message was set aside.");
                "quarantined"
            }
        };
        let took = self.house.clock.now() - head.received_at;
        measure::ended(&head.channel, state, Duration::try_from(took).unwrap_or_default());
        tracing::debug!(channel = %head.channel, message_id = %head.id, state, "A message has ended.");
        self.backlog.done(head.id, &outcome);
        if let Some(deaths) = &self.house.deaths {
            deaths.forget(&[head.id]);
        }
        if let Some(parent) = head.parent {
            self.backlog.piece_done(parent.id);
        }
        self.wakers.wake(&committed.owed);
        Ok(())
    }

    /// The store failed: nothing new is begun until what is under way has come back and what failed has been tried again, in
    /// the order of the lane, until it is done. What was committed in spite of an earlier message of the same patient that
    /// failed is done again after that one.
    async fn ride_out(&self, first: Ended, under_way: &mut UnderWay) {
        let mut back = vec![first];
        while let Some(ended) = under_way.next().await {
            back.push(ended);
        }
        back.sort_by_key(|ended| ended.nth);
        let mut failed_keys = HashSet::new();
        for ended in &mut back {
            let key = self.backlog.key(&ended.message);
            let overtook = match &ended.result {
                // Failed or not, it may be committed all the same: an answer can be lost.
                Err(EndFailure { error: StoreError::Unavailable(_), .. }) => !failed_keys.insert(key),
                // Should its lane be held at it, those behind it wait.
                Err(EndFailure { error, .. }) if self.may_hold(error) => !failed_keys.insert(key),
                Ok((Outcome::Committed, _)) => failed_keys.contains(&key),
                Ok(_) | Err(_) => false,
            };
            if overtook {
                self.reopen(ended).await;
            }
        }
        for ended in back {
            if let Err(failed) = self.let_go(ended) {
                self.insist(*failed).await;
            }
        }
    }

    /// Opens a message again that has, or may have, overtaken another one, so that it is done after it.
    async fn reopen(&self, overtaker: &mut Ended) {
        let head = &overtaker.message.head;
        let mut pauses = pauses();
        loop {
            match self.house.journal.reopen(head.id).await {
                Ok(true) => {
                    tracing::warn!(channel = %head.channel, message_id = %head.id, "A message was committed before an earlier one; it is done again after it.");
                    break;
                }
                Ok(false) => break,
                Err(error) => self.pause(head, &error, &mut pauses).await,
            }
        }
        let error = StoreError::Unavailable("an earlier message of the lane was not committed".into());
        overtaker.result = Err(EndFailure { error, again: Again::Walk(Vec::new()) });
    }

    /// Tries to end a message until the store has done it.
    async fn insist(&self, failed: Ended) {
        let Ended { nth, message, mut result } = failed;
        // An earlier one of its lane has failed meanwhile, and is waited for.
        if self.backlog.keeps(&message) {
            return;
        }
        let mut pauses = pauses();
        let mut tries = 0_u32;
        loop {
            let failure = match result {
                Ok(_) => {
                    // What has ended is let go, never given back.
                    let _ = self.let_go(Ended { nth, message, result });
                    return;
                }
                Err(failure) => failure,
            };
            let again = match failure.error {
                StoreError::Unavailable(_) => {
                    // The first time the store may be well again: others have been waited for.
                    if tries > 0 {
                        self.pause(&message.head, &failure.error, &mut pauses).await;
                    }
                    tries += 1;
                    failure.again
                }
                error => match failure.again {
                    Again::Walk(keys) => {
                        let may_pass = !matches!(error, StoreError::Invalid { .. });
                        let failed = Failed { fault: commit_fault(&error), keys, may_pass };
                        let Some(Failed { fault, keys, .. }) = self.hold(&message, failed) else { return };
                        Again::End(End::Quarantined(fault), keys)
                    }
                    // An end that the store calls invalid cannot be helped; the message stays as it is and is shown.
                    Again::End(..) => {
                        tracing::error!(channel = %message.head.channel, message_id = %message.head.id, error = &error as &dyn std::error::Error, "A message could not be ended.");
                        self.backlog.leave(message.head.id);
                        return;
                    }
                },
            };
            let ending = match again {
                // Nothing else of the lane is under way: a look-up sees all that came before.
                Again::Walk(_) => {
                    let prepared = self.guarded(&message, || self.road.get().prepare(message.clone()));
                    self.begin_prepared(nth, message.clone(), prepared).await
                }
                Again::End(end, keys) => Some(self.end(nth, message.clone(), end, keys)),
            };
            // Its lane is held at it.
            let Some(ending) = ending else { return };
            result = ending.await.result;
        }
    }

    async fn pause(&self, head: &Head, error: &StoreError, pauses: &mut ExponentialBackoff) {
        tracing::error!(channel = %head.channel, message_id = %head.id, error = error as &dyn std::error::Error, "The store does not answer; the lane waits for it.");
        tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
    }
}

/// How long a lane waits between its tries.
pub(crate) fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

pub(crate) fn commit_fault(error: &StoreError) -> Fault {
    Fault { step: FaultStep::Commit, place: None, rule: None, reason: error.to_string() }
}
