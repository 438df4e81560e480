//! Sends parcels to their destinations and remembers what came of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hub_core::commit::Commit;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination};
use hub_core::document::Parser;
use hub_core::id::DestinationId;
use hub_core::store::{Leased, Outbox, Settlement, StoreError};
use hub_mapping::Mapping;
use hub_spec::{Circuit as CircuitPolicy, InDoubt, RetryPolicy};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::circuit::{Circuit, Permit};
use crate::clock::Clock;
use crate::crash;
use crate::measure;

/// A parcel not settled within this time is given out again. Far above any destination's own time limit.
const HOLD: Duration = Duration::from_secs(600);
/// The safety net under the wake-ups: how long a dispatcher sleeps at the most.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How long a dispatcher waits when the store does not answer.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Wakes the dispatchers of destinations that are owed something.
#[derive(Clone, Default)]
pub struct Wakers(Arc<HashMap<DestinationId, Arc<Notify>>>);

impl Wakers {
    /// One waker a destination.
    pub fn new(destinations: impl IntoIterator<Item = DestinationId>) -> Self {
        Self(Arc::new(destinations.into_iter().map(|id| (id, Arc::new(Notify::new()))).collect()))
    }

    /// Wakes those of `owed`.
    pub fn wake(&self, owed: &[DestinationId]) {
        for id in owed {
            if let Some(waker) = self.0.get(id) {
                waker.notify_one();
            }
        }
    }

    /// Wakes all.
    pub fn wake_all(&self) {
        self.0.values().for_each(|waker| waker.notify_one());
    }

    fn of(&self, id: &DestinationId) -> Arc<Notify> {
        self.0.get(id).cloned().unwrap_or_default()
    }
}

/// Sends the parcels of one destination.
pub struct Dispatcher {
    /// Its destination.
    pub id: DestinationId,
    /// The way to the partner.
    pub destination: Arc<dyn Destination>,
    /// When a parcel is tried again.
    pub retry: RetryPolicy,
    /// What happens to a parcel in doubt whose partner cannot be asked.
    pub in_doubt: InDoubt,
    /// How answers are read, where the channel says so.
    pub answers: Option<Answers>,
    /// The queue.
    pub outbox: Arc<dyn Outbox>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who wakes it.
    pub wakers: Wakers,
    /// How it stands, for operators.
    pub health: Arc<Health>,
}

/// How a partner's answers become resources.
#[derive(Clone)]
pub struct Answers {
    /// Bytes to document.
    pub parser: Arc<dyn Parser>,
    /// Document to changes.
    pub mapping: Arc<Mapping>,
}

/// How a destination stands.
#[derive(Debug)]
pub struct Health {
    circuit: Mutex<Circuit>,
    last_error: Mutex<Option<(OffsetDateTime, String)>>,
}

impl Health {
    /// A destination of which nothing bad is known.
    pub fn new(policy: CircuitPolicy) -> Self {
        Self { circuit: Mutex::new(Circuit::new(policy)), last_error: Mutex::new(None) }
    }

    fn circuit<T>(&self, act: impl FnOnce(&mut Circuit) -> T) -> T {
        act(&mut self.circuit.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// `closed`, `open` or `half-open`.
    pub fn circuit_name(&self, now: OffsetDateTime) -> &'static str {
        self.circuit(|circuit| circuit.name(now))
    }

    /// What went wrong last, and when.
    pub fn last_error(&self) -> Option<(OffsetDateTime, String)> {
        self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn remember(&self, now: OffsetDateTime, error: &DeliveryError) {
        *self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((now, error.to_string()));
    }
}

impl Dispatcher {
    /// Sends until `stop` turns true; then what is under way is finished.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let waker = this.wakers.of(&this.id);
        let mut under_way = JoinSet::new();
        while !*stop.borrow() {
            let sleep = match this.send_due(&mut under_way).await {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::warn!(destination = %this.id, error = &error as &dyn std::error::Error, "The outbox cannot be read; it will be tried again.");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                _ = stop.changed() => {}
                () = waker.notified() => {}
                () = tokio::time::sleep(sleep) => {}
                Some(finished) = under_way.join_next(), if !under_way.is_empty() => this.note_panic(finished),
            }
            while let Some(finished) = under_way.try_join_next() {
                this.note_panic(finished);
            }
        }
        while let Some(finished) = under_way.join_next().await {
            this.note_panic(finished);
        }
    }

    fn note_panic(&self, finished: Result<(), tokio::task::JoinError>) {
        if finished.is_err() {
            // The lease runs out and the parcel is tried again: at least once, never lost.
            tracing::error!(destination = %self.id, "A delivery broke off by a fault of the program.");
        }
    }

    /// Begins as many deliveries as the partner and the circuit allow; says how long to sleep if nobody wakes it.
    async fn send_due(self: &Arc<Self>, under_way: &mut JoinSet<()>) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let room = self.destination.parallel().saturating_sub(under_way.len());
        let limit = match self.health.circuit(|circuit| circuit.permit(now)) {
            Permit::All => room,
            Permit::One if under_way.is_empty() => 1,
            Permit::One => 0,
            Permit::Wait(until) => return Ok(until_then(now, until)),
        };
        if limit == 0 {
            return Ok(LONGEST_SLEEP);
        }
        let leased = self.outbox.lease(&self.id, limit, HOLD).await?;
        let took_all = leased.len() < limit;
        for parcel in leased {
            let this = self.clone();
            under_way.spawn(async move { this.deliver(parcel).await });
        }
        if !took_all {
            return Ok(LONGEST_SLEEP);
        }
        let next = self.outbox.next_due(&self.id).await?;
        Ok(next.map_or(LONGEST_SLEEP, |next| until_then(now, next)))
    }

    async fn deliver(&self, leased: Leased) {
        let started = Instant::now();
        crash::place("leased");
        let result = self.try_once(&leased).await;
        crash::place("delivered");
        let now = self.clock.now();
        let (name, settlement) = self.judge(&leased, result, now);
        measure::delivery(&self.id, name, started.elapsed());
        self.settle(&leased, settlement).await;
        crash::place("settled");
        // The next parcel of the same order key may go now.
        self.wakers.wake(std::slice::from_ref(&self.id));
    }

    /// Asks first when an earlier try is in doubt; then hands the parcel over.
    async fn try_once(&self, leased: &Leased) -> Result<Delivered, DeliveryError> {
        if leased.in_doubt {
            match self.destination.ask(&leased.parcel).await? {
                Asked::Arrived(delivered) => return Ok(delivered),
                Asked::NotArrived => {}
                Asked::CannotTell if self.in_doubt == InDoubt::Resend => {}
                Asked::CannotTell => {
                    let reason = "the partner cannot say whether it arrived".to_owned();
                    return Err(DeliveryError::InDoubt { reason });
                }
            }
        }
        self.destination.deliver(&leased.parcel).await
    }

    /// What a try's result means: for the circuit, for the operator, for the parcel.
    fn judge(&self, leased: &Leased, result: Result<Delivered, DeliveryError>, now: OffsetDateTime) -> (&'static str, Settlement) {
        let error = match result {
            Ok(delivered) => {
                self.health.circuit(Circuit::succeeded);
                measure::circuit(&self.id, false);
                let commit = self.read_answer(leased, &delivered);
                return ("delivered", Settlement::Delivered(delivered, commit));
            }
            Err(error) => error,
        };
        self.health.remember(now, &error);
        tracing::warn!(destination = %self.id, parcel = %leased.parcel.id, attempt = leased.attempt, error = &error as &dyn std::error::Error, "A delivery failed.");
        let (name, after) = match &error {
            // The partner works and says no: that is no reason to stop sending to it.
            DeliveryError::Never { .. } => {
                self.health.circuit(Circuit::succeeded);
                return ("refused", Settlement::GiveUp(error));
            }
            // A person decides: at once, or when asking the partner has not helped either.
            DeliveryError::InDoubt { .. } if self.in_doubt == InDoubt::Hold || (leased.in_doubt && self.in_doubt == InDoubt::Ask) => {
                return ("in-doubt", Settlement::Doubt(error));
            }
            DeliveryError::InDoubt { .. } => ("in-doubt", None),
            DeliveryError::Later { after, .. } => ("later", *after),
        };
        if self.health.circuit(|circuit| circuit.failed(now)) {
            measure::circuit(&self.id, true);
            tracing::warn!(destination = %self.id, "The partner fails; nothing more is sent until a try succeeds.");
        }
        match self.retry.next_attempt_at(leased.attempt, leased.owed_since, now, jitter(leased), after) {
            Some(at) => (name, Settlement::Again { at, error }),
            None => {
                tracing::error!(destination = %self.id, parcel = %leased.parcel.id, "A parcel was given up; a person must look at it.");
                ("given-up", Settlement::GiveUp(error))
            }
        }
    }

    /// Maps the partner's answer. An answer that cannot be read does not undo the delivery: it is kept and logged.
    fn read_answer(&self, leased: &Leased, delivered: &Delivered) -> Option<Box<Commit>> {
        let answers = self.answers.as_ref()?;
        let bytes = delivered.answer.as_ref()?;
        let mapped = answers
            .parser
            .parse(bytes)
            .map_err(|error| error.to_string())
            .and_then(|document| answers.mapping.run(&*document).map_err(|fault| fault.to_string()));
        match mapped {
            Ok(run) => Some(Box::new(Commit { changes: run.changes, notes: run.notes, ..Commit::default() })),
            Err(error) => {
                tracing::warn!(destination = %self.id, parcel = %leased.parcel.id, error, "An answer could not be read; it is kept with the parcel.");
                None
            }
        }
    }

    async fn settle(&self, leased: &Leased, settlement: Settlement) {
        loop {
            match self.outbox.settle(leased, settlement.clone()).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(destination = %self.id, parcel = %leased.parcel.id, "A delivery took longer than its lease; another one counts.");
                    return;
                }
                Err(StoreError::Unavailable(error)) => {
                    tracing::error!(destination = %self.id, parcel = %leased.parcel.id, error = &*error, "What became of a parcel cannot be stored; it will be tried again.");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                Err(error) => {
                    // What the answer brings about cannot be written; the delivery itself still counts.
                    tracing::error!(destination = %self.id, parcel = %leased.parcel.id, error = &error as &dyn std::error::Error, "What an answer brings about cannot be written.");
                    let Settlement::Delivered(delivered, Some(_)) = settlement else { return };
                    return Box::pin(self.settle(leased, Settlement::Delivered(delivered, None))).await;
                }
            }
        }
    }
}

fn until_then(now: OffsetDateTime, then: OffsetDateTime) -> Duration {
    Duration::try_from(then - now).unwrap_or_default().clamp(Duration::from_millis(1), LONGEST_SLEEP)
}

/// A number from 0 to 1 that differs from parcel to parcel and from try to try, so that retries spread out.
fn jitter(leased: &Leased) -> f64 {
    let bytes = leased.parcel.id.0.as_bytes();
    let seed = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    let mixed = seed.wrapping_add(leased.attempt.wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B);
    f64::from(mixed) / f64::from(u32::MAX)
}
