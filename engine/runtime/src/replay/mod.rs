//! Replays: ended messages processed again with the mapping of now, beside the live traffic and behind it.
//!
//! A replay is a job with a number. It goes over its messages in the order of arrival, page by page; those of one lane key follow one
//! another, those of different ones go side by side. After each page it is noted how far it has come, so that a hub that was stopped or
//! killed goes on there: of a page that was not noted every message is processed once more, which changes nothing.
//!
//! What a message would write over what *later* messages have written is held back ([`rebase`]); the rest of it is written. So the order
//! between a replay and the live traffic of the same patient does not matter.

mod again;
mod foresee;
mod rebase;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use hub_core::replay::{
    Foresight, Place, ReplayDesk, ReplayNumber, ReplayOrder, ReplayPage, ReplayRow, ReplayState, ReplaySum,
    ReplayTurn, Replayable, Replays,
};
use hub_core::store::StoreError;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::Instant;

use self::again::{How, channel_of, perform};
use crate::hub::Hub;
use crate::lane::{LONGEST_PAUSE, pauses};
use crate::measure;

/// How often it is looked whether another node has left a replay behind.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Messages read and noted at a time; fewer at a low rate, so that a replay can be paused within a second.
const PAGE: u32 = 64;
/// Lane keys whose messages are processed side by side.
const SIDE_BY_SIDE: usize = 8;
/// While more live messages than this are being worked on, a replay waits.
const LIVE_FIRST: usize = 16;
/// The longest that one message of a replay waits for live traffic: a hub that is never idle gets its replay done all the same.
const LONGEST_WAY: Duration = Duration::from_millis(250);
/// The timer's own.
const TICK: Duration = Duration::from_millis(1);
/// Dry runs at the same time; another one waits.
const FORESIGHTS: usize = 2;

/// The replays of a hub.
pub struct Desk {
    hub: Arc<Hub>,
    replays: Arc<dyn Replays>,
    wake: Notify,
    foresights: Arc<Semaphore>,
}

/// The hub stops.
struct Stopping;

impl Desk {
    /// The desk of a running hub.
    pub fn new(hub: Arc<Hub>, replays: Arc<dyn Replays>) -> Arc<Self> {
        Arc::new(Self { hub, replays, wake: Notify::new(), foresights: Arc::new(Semaphore::new(FORESIGHTS)) })
    }

    /// Works on replays, one after the other, until the hub stops. What runs then goes on at the next start.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        let mut stopping = stop.clone();
        while !*stop.borrow() {
            let worked = match self.next().await {
                Ok(Some(row)) => {
                    if self.work(row, &stop).await.is_err() {
                        return;
                    }
                    true
                }
                Ok(None) => false,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "The replays cannot be looked at; it will be tried again."
                    );
                    false
                }
            };
            if !worked {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    _ = stopping.changed() => {}
                }
            }
        }
    }

    /// The oldest replay that runs and is no other node's.
    async fn next(&self) -> Result<Option<ReplayRow>, StoreError> {
        for number in self.replays.running().await? {
            if self.replays.claim(number).await? {
                return self.replays.look(number).await;
            }
        }
        Ok(None)
    }

    /// Works on a replay until it is done, paused, stopped, or another node's.
    async fn work(&self, row: ReplayRow, stop: &watch::Receiver<bool>) -> Result<(), Stopping> {
        let ReplayRow { number, order, last, mut place, mut sum, .. } = row;
        tracing::info!(replay = number, seen = sum.seen(), "A replay goes on.");
        let pace = Pace::of(order.rate);
        let how = How::of(&order, number);
        loop {
            let page = self.insist(stop, || self.replays.page(&order.what, place, last, pace.page)).await?;
            let (ends, to) = (page.next.is_none(), page.next.unwrap_or(place));
            sum.add(&self.page(page, how, &pace, stop).await?);
            let state = self.insist(stop, || self.replays.step(number, place, to, &sum, ends)).await?;
            match state {
                Some(ReplayState::Running) => place = to,
                Some(state) => {
                    tracing::info!(
                        replay = number,
                        state = state.name(),
                        seen = sum.seen(),
                        "A replay has come to a halt."
                    );
                    return Ok(());
                }
                // Another node's now, or noted although no answer came: it is looked at anew.
                None => return Ok(()),
            }
        }
    }

    /// Processes the messages of a page.
    async fn page(
        &self,
        page: ReplayPage,
        how: How,
        pace: &Pace,
        stop: &watch::Receiver<bool>,
    ) -> Result<ReplaySum, Stopping> {
        let mut sum = ReplaySum::default();
        (0..page.missing).for_each(|_| sum.count(hub_core::replay::Came::Left));
        let chains = self.chains(page.messages);
        let chain = |messages: Vec<Replayable>| async move {
            let mut sum = ReplaySum::default();
            for past in messages {
                self.turn_of(pace, stop).await?;
                let (came, one) =
                    self.insist(stop, || perform(&self.hub, &*self.replays, &past, how)).await?;
                measure::replayed(came.name());
                sum.add(&one);
            }
            Ok(sum)
        };
        let done = stream::iter(chains.into_iter().map(chain)).buffer_unordered(SIDE_BY_SIDE);
        let sums: Vec<ReplaySum> = done.try_collect().await?;
        sums.iter().for_each(|one| sum.add(one));
        Ok(sum)
    }

    /// The messages by their lanes' keys: those of one follow one another.
    fn chains(&self, messages: Vec<Replayable>) -> Vec<Vec<Replayable>> {
        let mut chains: Vec<Vec<Replayable>> = Vec::new();
        let mut places = HashMap::new();
        for past in messages {
            let key = channel_of(&self.hub, &past).and_then(|channel| channel.backlog.key(&past.message));
            // Without a key it has no order to keep with others.
            let Some(key) = key else {
                chains.push(vec![past]);
                continue;
            };
            let at = *places.entry((past.message.head.channel.clone(), key)).or_insert(chains.len());
            match chains.get_mut(at) {
                Some(chain) => chain.push(past),
                None => chains.push(vec![past]),
            }
        }
        chains
    }

    /// Waits until the next message may go: at the rate that was ordered, and behind the live traffic.
    async fn turn_of(&self, pace: &Pace, stop: &watch::Receiver<bool>) -> Result<(), Stopping> {
        pace.wait().await;
        self.give_way().await;
        if *stop.borrow() { Err(Stopping) } else { Ok(()) }
    }

    /// Lets live messages go first, for a while.
    async fn give_way(&self) {
        let began = Instant::now();
        let live = || self.hub.channels().iter().map(|channel| channel.backlog.in_flight()).sum::<usize>();
        while live() > LIVE_FIRST && began.elapsed() < LONGEST_WAY {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::task::yield_now().await;
    }

    /// Asks the store until it answers.
    async fn insist<T, F>(&self, stop: &watch::Receiver<bool>, ask: impl Fn() -> F) -> Result<T, Stopping>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut pauses = pauses();
        let mut stopping = stop.clone();
        loop {
            if *stop.borrow() {
                return Err(Stopping);
            }
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "A replay waits for the store.");
                    tokio::select! {
                        () = tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)) => {}
                        _ = stopping.changed() => {}
                    }
                }
            }
        }
    }
}

/// How fast a replay goes.
struct Pace {
    page: u32,
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    fn of(rate: u32) -> Self {
        let rate = rate.max(1);
        Self { page: rate.min(PAGE), gap: Duration::from_secs(1) / rate, next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next turn. Turns that were missed are not made up for.
    async fn wait(&self) {
        let now = Instant::now();
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(now);
            *next = at + self.gap;
            at
        };
        // The timer ticks once a millisecond: what is due before its next tick goes now.
        if at > now + TICK {
            tokio::time::sleep_until(at).await;
        }
    }
}

#[async_trait]
impl ReplayDesk for Desk {
    async fn begin(&self, order: ReplayOrder) -> Result<ReplayRow, StoreError> {
        let order = self.named(order).await?;
        let number = self.replays.order(&order).await?;
        self.wake.notify_one();
        let row = self.replays.look(number).await?;
        row.ok_or_else(|| StoreError::Unavailable("a replay was ordered and is not there".into()))
    }

    async fn list(&self, limit: u32) -> Result<Vec<ReplayRow>, StoreError> {
        self.replays.list(limit).await
    }

    async fn look(&self, number: ReplayNumber) -> Result<Option<ReplayRow>, StoreError> {
        self.replays.look(number).await
    }

    async fn turn(&self, number: ReplayNumber, turn: ReplayTurn) -> Result<bool, StoreError> {
        let is_done = self.replays.turn(number, turn).await?;
        self.wake.notify_one();
        Ok(is_done)
    }

    async fn foresee(
        &self,
        order: ReplayOrder,
        with_content: bool,
    ) -> Result<mpsc::Receiver<Foresight>, StoreError> {
        let order = self.named(order).await?;
        let (what, last) = self.replays.resolve(order.what.clone()).await?;
        let (told, heard) = mpsc::channel(foresee::AHEAD);
        let (hub, replays) = (self.hub.clone(), self.replays.clone());
        let (how, permits) = (How::of(&order, 0), self.foresights.clone());
        tokio::spawn(async move {
            let Ok(_permit) = permits.acquire().await else { return };
            foresee::foresee(&hub, &*replays, &what, last, how, with_content, &told).await;
        });
        Ok(heard)
    }
}

impl Desk {
    /// A filter with a limit is the newest of what it finds: those by their ids.
    async fn named(&self, order: ReplayOrder) -> Result<ReplayOrder, StoreError> {
        match order.what {
            hub_core::operations::ReplayWhat::Matching(query) if query.limit > 0 => {
                let ids = self.hub.matching(query).await?;
                Ok(ReplayOrder { what: hub_core::operations::ReplayWhat::Messages(ids), ..order })
            }
            what => Ok(ReplayOrder { what, ..order }),
        }
    }
}

/// The place before all messages.
pub(crate) const BEGIN: Place = Place { at: 0, nth: 0 };
