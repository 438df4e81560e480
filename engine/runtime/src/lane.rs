//! One lane: takes messages in their order, walks them through the pure steps and hands the commits to the store.
//!
//! A lane does not wait for one commit before it maps the next message: the store applies commits in the order in which they are
//! handed over, so one patient's messages stay in order while many of them share one durable transaction.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hub_core::commit::{Commit, Key};
use hub_core::envelope::{Envelope, Head, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::MessageId;
use hub_core::source::Outcome;
use hub_core::store::{Cause, Committed, End, StoreError};
use tokio::sync::mpsc;

use crate::backlog::Backlog;
use crate::crash;
use crate::dispatch::Wakers;
use crate::end::outcome_of_end;
use crate::house::House;
use crate::measure;
use crate::steps::{Road, Walked};

/// A message this large is worked on where it cannot hold up other tasks.
const LARGE_BYTES: usize = 64 << 10;

/// What a lane works with.
#[derive(Clone)]
pub struct Lane {
    /// The channel's steps.
    pub road: Arc<Road>,
    /// The channel's messages.
    pub backlog: Arc<Backlog>,
    /// The doors of the store.
    pub house: House,
    /// Who is told that something is owed.
    pub wakers: Wakers,
}

type Ending = Pin<Box<dyn Future<Output = (Head, Result<(Outcome, Committed), EndFailure>)> + Send>>;

/// Why a message did not end.
struct EndFailure {
    error: StoreError,
    again: Again,
}

/// What was to be done, kept for another try. A commit is not kept but made again: walking gives the same one each time.
enum Again {
    Walk(Raw),
    End(End, Vec<Key>),
}

impl Lane {
    /// Works until the channel's door is dropped and the queue is empty.
    pub async fn run(self, mut queue: mpsc::UnboundedReceiver<Envelope<Raw>>) {
        let mut under_way: FuturesUnordered<Ending> = FuturesUnordered::new();
        let mut open = true;
        while open || !under_way.is_empty() {
            let room = under_way.len() < self.house.sizes.commits_under_way;
            tokio::select! {
                Some((head, result)) = under_way.next(), if !under_way.is_empty() => {
                    if let Err(failure) = self.ended(head, result) {
                        self.ride_out(failure, &mut under_way).await;
                    }
                }
                message = queue.recv(), if open && room => match message {
                    Some(message) => {
                        let mut ending = self.begin(message);
                        // The first poll hands the commit to the store: that keeps the order.
                        match futures_util::poll!(ending.as_mut()) {
                            Poll::Pending => under_way.push(ending),
                            Poll::Ready((head, result)) => {
                                if let Err(failure) = self.ended(head, result) {
                                    self.ride_out(failure, &mut under_way).await;
                                }
                            }
                        }
                    }
                    None => open = false,
                }
            }
        }
    }

    /// Walks a message and begins to end it.
    fn begin(&self, message: Envelope<Raw>) -> Ending {
        let raw = message.body.clone();
        let large = raw.0.len() > LARGE_BYTES;
        let walked = if large { tokio::task::block_in_place(|| self.road.walk(message)) } else { self.road.walk(message) };
        match walked {
            Walked::Mapped(message) => self.commit(message.head, message.body.0, raw),
            Walked::Ended(head, end, keys) => self.end(head, end, keys),
        }
    }

    fn commit(&self, head: Head, commit: Commit, raw: Raw) -> Ending {
        let resources = self.house.resources.clone();
        let channel = head.channel.clone();
        Box::pin(async move {
            let started = Instant::now();
            crash::place("handed");
            let result = resources.commit(Cause::Message(head.id), commit).await;
            crash::place("committed");
            measure::step(&channel, "commit", started.elapsed());
            let result = match result {
                Ok(committed) => Ok((Outcome::Committed, committed)),
                Err(error) => Err(EndFailure { error, again: Again::Walk(raw) }),
            };
            (head, result)
        })
    }

    fn end(&self, head: Head, end: End, keys: Vec<Key>) -> Ending {
        let journal = self.house.journal.clone();
        Box::pin(async move {
            let ended = journal.end(head.id, end.clone(), keys.clone()).await;
            crash::place("ended");
            let result = match ended {
                Ok(()) => Ok((outcome_of_end(&end), Committed::default())),
                Err(error) => Err(EndFailure { error, again: Again::End(end, keys) }),
            };
            (head, result)
        })
    }

    /// Lets a message go that has ended. One that has not is given back with what was to be done.
    fn ended(&self, head: Head, result: Result<(Outcome, Committed), EndFailure>) -> Result<(), (Head, EndFailure)> {
        let (outcome, committed) = match result {
            Ok(ended) => ended,
            Err(failure) => return Err((head, failure)),
        };
        let state = match &outcome {
            Outcome::Committed => "committed",
            Outcome::Filtered { .. } => "filtered",
            Outcome::Quarantined(fault) => {
                tracing::warn!(channel = %head.channel, message_id = %head.id, step = fault.step.name(), place = fault.place, reason = fault.reason, "A message was set aside.");
                "quarantined"
            }
        };
        let took = self.house.clock.now() - head.received_at;
        measure::ended(&head.channel, state, Duration::try_from(took).unwrap_or_default());
        tracing::debug!(channel = %head.channel, message_id = %head.id, state, "A message has ended.");
        self.backlog.done(head.id, &outcome);
        self.wakers.wake(&committed.owed);
        Ok(())
    }

    /// The store failed: nothing new is begun until what is under way has come back and what failed has been tried again, in
    /// order, until it is done.
    async fn ride_out(&self, first: (Head, EndFailure), under_way: &mut FuturesUnordered<Ending>) {
        let mut failed = vec![first];
        while let Some((head, result)) = under_way.next().await {
            if let Err(failure) = self.ended(head, result) {
                failed.push(failure);
            }
        }
        failed.sort_by_key(|(head, _)| head.id);
        for (head, failure) in failed {
            self.insist(head, failure).await;
        }
    }

    async fn insist(&self, head: Head, failure: EndFailure) {
        let mut failure = failure;
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(15))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            let again = match failure.error {
                StoreError::Unavailable(_) => {
                    tracing::error!(channel = %head.channel, message_id = %head.id, error = &failure.error as &dyn std::error::Error, "The store does not answer; the lane waits for it.");
                    tokio::time::sleep(pauses.next().unwrap_or(Duration::from_secs(15))).await;
                    failure.again
                }
                error @ (StoreError::Conflict { .. } | StoreError::Invalid { .. }) => match failure.again {
                    Again::Walk(_) => Again::End(End::Quarantined(commit_fault(&error)), Vec::new()),
                    // An end that the store calls invalid cannot be helped; the message stays as it is and is shown.
                    Again::End(..) => {
                        tracing::error!(channel = %head.channel, message_id = %head.id, error = &error as &dyn std::error::Error, "A message could not be ended.");
                        self.forget(head.id);
                        return;
                    }
                },
            };
            let ending = match again {
                Again::Walk(raw) => self.begin(Envelope { head: head.clone(), body: raw }),
                Again::End(end, keys) => self.end(head.clone(), end, keys),
            };
            let (_, result) = ending.await;
            match self.ended(head.clone(), result) {
                Ok(()) => return,
                Err((_, next)) => failure = next,
            }
        }
    }

    fn forget(&self, id: MessageId) {
        self.backlog.leave(id);
    }
}

fn commit_fault(error: &StoreError) -> Fault {
    Fault { step: FaultStep::Commit, place: None, rule: None, reason: error.to_string() }
}
