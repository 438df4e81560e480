//! Sends parcels to their destinations and remembers what came of it.

mod attached;
mod tasks;
mod under_way;
mod wakers;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use compact_str::CompactString;
use futures_util::FutureExt;
use hub_core::attachment::{Attachments, Slip};
use hub_core::cluster::{Cluster, Share, Stand};
use hub_core::commit::Commit;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination};
use hub_core::document::Parser;
use hub_core::id::DestinationId;
use hub_core::store::{Leased, Outbox, Resources, Settlement, StoreError};
use hub_mapping::{Found, Mapping, Need};
use hub_spec::{Circuit as CircuitPolicy, InDoubt, RetryPolicy};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::circuit::{Circuit, Permit};
use crate::clock::{Clock, ClockSteps};
use crate::crash;
use crate::guard::guarded;
use crate::house::TypedCheck;
use crate::lookup::{LookupError, look_up};
use crate::measure;
use crate::steps::{checked, raised};
use tasks::task_failed;
use under_way::{Sending, UnderWay};
pub use wakers::Wakers;

/// A parcel not settled within this time is given out again.
const HOLD: Duration = Duration::from_secs(600);
/// So many times as many parcels as the partner takes at once may be under way, those included whose fate is being written down.
const MOST_UNSETTLED: usize = 4;
/// No try takes longer: far above any destination's own time limit, and there is time left to settle within the lease.
const LONGEST_TRY: Duration = Duration::from_secs(540);
/// A dispatcher that finds nothing it may send does not look again sooner, unless it is woken.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);
/// The safety net under the wake-ups: how long a dispatcher sleeps at the most.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How long a dispatcher waits when the store does not answer.
const STORE_PAUSE: Duration = Duration::from_secs(1);

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
    /// The events that what is written raises: types, and their events.
    pub raise: Vec<(CompactString, CompactString)>,
    /// Whether its parcels are what a workflow asks for: then the task is told when one comes to nothing.
    pub is_of_tasks: bool,
    /// The queue.
    pub outbox: Arc<dyn Outbox>,
    /// Where the attachments are that parcels stand for.
    pub attachments: Option<Arc<dyn Attachments>>,
    /// Who does what, where several nodes share the database.
    pub cluster: Arc<dyn Cluster>,
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
    /// A last check against the typed model.
    pub typed_check: Option<TypedCheck>,
    /// Where the mapping looks something up.
    pub resources: Arc<dyn Resources>,
}

/// How a destination stands.
#[derive(Debug)]
pub struct Health {
    circuit: Mutex<Circuit>,
    last_error: Mutex<Option<(OffsetDateTime, String)>>,
    /// What is under way to it.
    under_way: UnderWay,
    /// How the clock was set meanwhile.
    steps: Mutex<ClockSteps>,
}

impl Health {
    /// A destination of which nothing bad is known.
    pub fn new(policy: CircuitPolicy) -> Self {
        Self {
            circuit: Mutex::new(Circuit::new(policy)),
            last_error: Mutex::new(None),
            under_way: UnderWay::default(),
            steps: Mutex::default(),
        }
    }

    fn circuit<T>(&self, act: impl FnOnce(&mut Circuit) -> T) -> T {
        act(&mut self.circuit.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `closed`, `open` or `half-open`.
    pub fn circuit_name(&self) -> &'static str {
        self.circuit(|circuit| circuit.name(tokio::time::Instant::now()))
    }

    /// What went wrong last, and when.
    pub fn last_error(&self) -> Option<(OffsetDateTime, String)> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, now: OffsetDateTime, error: &DeliveryError) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, error.to_string()));
    }
}

/// What came of a try that did not succeed.
enum Failure {
    /// The destination's own word, on the parcel or on the question whether it has arrived.
    Try(DeliveryError),
    /// Whether an earlier try has arrived cannot be found out by asking.
    Unknowable(&'static str),
}

impl Dispatcher {
    /// Sends until `stop` turns true; then what is under way is finished.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let waker = this.wakers.of(&this.id);
        let share = Share::destination(&this.id);
        let mut changes = this.cluster.changes();
        let mut under_way = JoinSet::new();
        while is_wanted(&stop) {
            let due = match this.cluster.stand(&share) {
                Stand::Mine => this.send_due(&mut under_way, &stop).await,
                // What is under way ends; then another node may send.
                Stand::Leaving if under_way.is_empty() => {
                    this.cluster.let_go(&share).await.map(|()| LONGEST_SLEEP)
                }
                Stand::Leaving | Stand::Others => Ok(LONGEST_SLEEP),
            };
            let sleep = match due {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::warn!(destination = %this.id, error = &error as &dyn std::error::Error, "The outbox cannot be read; it will be tried again.");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = waker.notified() => {}
                Ok(()) = changes.changed() => {}
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
            // What the destination does wrong is settled; this is the dispatcher itself, or its runtime going down. The lease runs out and the parcel is tried again: at least once, never lost.
            tracing::error!(destination = %self.id, "A delivery broke off by a fault of the program.");
        }
    }

    /// Begins as many deliveries as the partner and the circuit allow; says how long to sleep if nobody wakes it.
    async fn send_due(
        self: &Arc<Self>,
        under_way: &mut JoinSet<()>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        self.look_at_clock(now);
        // A parcel whose fate is being written down leaves its place at the partner to the next one, within bounds.
        let (parallel, sending) = (self.destination.parallel(), self.health.under_way.sending());
        let unsettled = parallel.saturating_mul(MOST_UNSETTLED).saturating_sub(under_way.len());
        let room = parallel.saturating_sub(sending).min(unsettled);
        let limit = match self.health.circuit(|circuit| circuit.permit(tokio::time::Instant::now())) {
            Permit::All => room,
            Permit::One if sending == 0 => 1,
            Permit::One => 0,
            Permit::Wait(until) => {
                return Ok(until.saturating_duration_since(tokio::time::Instant::now()).min(LONGEST_SLEEP));
            }
        };
        if limit == 0 {
            return Ok(LONGEST_SLEEP);
        }
        let leased = self.outbox.lease(&self.id, limit, HOLD).await?;
        let took_all = leased.len() < limit;
        let wanted = is_wanted(stop);
        for parcel in leased {
            if !self.health.under_way.begin(&parcel) {
                continue;
            }
            let this = self.clone();
            if wanted {
                let sending = this.health.under_way.send();
                under_way.spawn(async move { this.deliver(parcel, sending).await });
            } else {
                // The hub stops: what was given out meanwhile is handed back as it was.
                under_way.spawn(async move { this.settle(&parcel, Settlement::Untried).await });
            }
        }
        if !took_all {
            return Ok(LONGEST_SLEEP);
        }
        let next = self.outbox.next_due(&self.id).await?;
        Ok(next.map_or(LONGEST_SLEEP, |next| until_then(now, next)))
    }

    async fn deliver(&self, leased: Leased, sending: Sending) {
        let started = Instant::now();
        crash::place("leased");
        let result = self.try_guarded(&leased).await;
        crash::place("delivered");
        let now = self.clock.now();
        let found = self.look_up(&leased, &result, now).await;
        let (name, settlement) = self.judge(&leased, result, now, &found);
        measure::delivery(&self.id, name, started.elapsed());
        drop(sending);
        self.wakers.wake_here(&self.id);
        self.settle(&leased, settlement).await;
        crash::place("settled");
        // The next parcel of the same order key may go now.
        self.wakers.wake(std::slice::from_ref(&self.id));
    }

    fn steps(&self) -> MutexGuard<'_, ClockSteps> {
        self.health.steps.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn look_at_clock(&self, now: OffsetDateTime) {
        if let Some(step) = self.steps().look(now) {
            tracing::warn!(destination = %self.id, seconds = step.whole_seconds(), "The clock was set.");
        }
    }

    /// A try that panics or never ends leaves open whether the parcel arrived, like any other that breaks off.
    async fn try_guarded(&self, leased: &Leased) -> Result<Delivered, Failure> {
        let guarded = AssertUnwindSafe(self.try_once(leased)).catch_unwind();
        let reason = match tokio::time::timeout(LONGEST_TRY, guarded).await {
            Ok(Ok(result)) => return result,
            Ok(Err(_)) => "the program failed while it was delivered",
            Err(_) => "the destination has not come to an end",
        };
        tracing::error!(destination = %self.id, parcel = %leased.parcel.id, "A delivery broke off by a fault of the program.");
        Err(Failure::Try(DeliveryError::InDoubt { reason: reason.to_owned() }))
    }

    /// Asks first when an earlier try is in doubt; then hands the parcel over.
    async fn try_once(&self, leased: &Leased) -> Result<Delivered, Failure> {
        if leased.in_doubt {
            match self.destination.ask(&leased.parcel).await {
                Ok(Asked::Arrived(delivered)) => return Ok(delivered),
                Ok(Asked::NotArrived) => {}
                // A partner that refuses the question has not said that it refuses the parcel.
                Ok(Asked::CannotTell) | Err(DeliveryError::Never { .. })
                    if self.in_doubt == InDoubt::Resend => {}
                Ok(Asked::CannotTell) => {
                    return Err(Failure::Unknowable("the partner cannot say whether it arrived"));
                }
                Err(DeliveryError::Never { .. }) => {
                    return Err(Failure::Unknowable("the partner refuses to say whether it arrived"));
                }
                // It was the question that came to nothing: it is asked again.
                Err(DeliveryError::InDoubt { reason }) => {
                    return Err(Failure::Try(DeliveryError::Later { reason, after: None }));
                }
                Err(later @ (DeliveryError::Later { .. } | DeliveryError::NotYet { .. })) => {
                    return Err(Failure::Try(later));
                }
            }
        }
        if leased.parcel.content_type == Slip::MEDIA_TYPE {
            return self.deliver_attachment(&leased.parcel).await.map_err(Failure::Try);
        }
        self.destination.deliver(&leased.parcel).await.map_err(Failure::Try)
    }

    /// What a try's result means: for the circuit, for the operator, for the parcel.
    fn judge(
        &self,
        leased: &Leased,
        result: Result<Delivered, Failure>,
        now: OffsetDateTime,
        found: &Found,
    ) -> (&'static str, Settlement) {
        let (error, unknowable) = match result {
            Ok(delivered) => {
                self.health.circuit(Circuit::succeeded);
                measure::circuit(&self.id, false);
                let commit = self.read_answer(leased, &delivered, found, now);
                return ("delivered", Settlement::Delivered(delivered, commit));
            }
            Err(Failure::Try(error)) => (error, false),
            Err(Failure::Unknowable(reason)) => (DeliveryError::InDoubt { reason: reason.to_owned() }, true),
        };
        self.health.remember(now, &error);
        tracing::warn!(destination = %self.id, parcel = %leased.parcel.id, attempt = leased.attempt, error = &error as &dyn std::error::Error, "A delivery failed.");
        let (name, after) = match &error {
            // The partner works and says no: that is no reason to stop sending to it.
            DeliveryError::Never { .. } => {
                self.health.circuit(Circuit::succeeded);
                let told = self.failed(leased, "refused", now);
                return ("refused", Settlement::GiveUp(error, told));
            }
            // A person decides: at once, or when asking the partner does not help.
            DeliveryError::InDoubt { .. } if unknowable || self.in_doubt == InDoubt::Hold => {
                let told = self.failed(leased, "in-doubt", now);
                return ("in-doubt", Settlement::Doubt(error, told));
            }
            DeliveryError::InDoubt { .. } => ("in-doubt", None),
            DeliveryError::Later { after, .. } => ("later", *after),
            DeliveryError::NotYet { after, .. } => ("not-yet", *after),
        };
        if matches!(error, DeliveryError::NotYet { .. }) {
            self.health.circuit(Circuit::succeeded);
            measure::circuit(&self.id, false);
        } else if self.health.circuit(|circuit| circuit.failed(tokio::time::Instant::now())) {
            measure::circuit(&self.id, true);
            tracing::warn!(destination = %self.id, "The partner fails; nothing more is sent until a try succeeds.");
        }
        self.look_at_clock(now);
        let owed_since = self.steps().since(leased.owed_since, now);
        match self.retry.next_attempt_at(leased.attempt, owed_since, now, jitter(leased), after) {
            Some(at) => (name, Settlement::Again { at, error }),
            None => {
                tracing::error!(destination = %self.id, parcel = %leased.parcel.id, "A parcel was given up; a person must look at it.");
                // Its last try failed for sure, but an earlier one may have arrived.
                let in_doubt = leased.in_doubt || matches!(error, DeliveryError::InDoubt { .. });
                let end = match in_doubt {
                    true => Settlement::Doubt(error, self.failed(leased, "in-doubt", now)),
                    false => Settlement::GiveUp(error, self.failed(leased, "given-up", now)),
                };
                ("given-up", end)
            }
        }
    }

    /// What the mapping of the answer must know of the store, asked for until the store answers.
    async fn look_up(
        &self,
        leased: &Leased,
        result: &Result<Delivered, Failure>,
        now: OffsetDateTime,
    ) -> Found {
        let mut found = Found::default();
        let (Some(answers), Ok(delivered)) = (&self.answers, result) else { return found };
        if answers.mapping.reads_facts() {
            found.tell("control_id", leased.parcel.id.control_id());
            found.tell("correlation", leased.parcel.correlation.0.as_str());
            found.tell("time", crate::steps::moment(now));
        }
        let Some(bytes) = delivered.answer.as_ref().filter(|_| answers.mapping.may_need()) else {
            return found;
        };
        let needs = guarded(bytes.len(), || answers.needs(bytes)).unwrap_or_default();
        loop {
            match look_up(&*answers.resources, &needs, &mut found).await {
                Ok(()) => return found,
                Err(LookupError::Store(StoreError::Unavailable(error))) => {
                    tracing::error!(destination = %self.id, parcel = %leased.parcel.id, error = &*error, "What an answer is about cannot be looked up; it will be tried again.");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                // Without what was to be found its mapping says what is missing.
                Err(error) => {
                    tracing::warn!(destination = %self.id, parcel = %leased.parcel.id, error = &error as &dyn std::error::Error, "What an answer is about cannot be looked up.");
                    return found;
                }
            }
        }
    }

    /// Maps the partner's answer. An answer that cannot be read does not undo the delivery: it is kept and logged.
    fn read_answer(
        &self,
        leased: &Leased,
        delivered: &Delivered,
        found: &Found,
        now: OffsetDateTime,
    ) -> Option<Box<Commit>> {
        let answers = self.answers.as_ref()?;
        let bytes = delivered.answer.as_ref()?;
        let mapped = guarded(bytes.len(), || answers.read(bytes, found));
        match mapped.unwrap_or_else(|_| Err("the program failed at it".to_owned())) {
            Ok(commit) => {
                let wakes = raised(&self.raise, &commit, now);
                Some(Box::new(Commit { wakes, ..commit }))
            }
            Err(error) => {
                tracing::warn!(destination = %self.id, parcel = %leased.parcel.id, error, "An answer could not be read; it is kept with the parcel.");
                self.failed(leased, "unreadable", now)
            }
        }
    }

    /// What a workflow is told of a parcel that comes to nothing: its task has failed, and why.
    fn failed(&self, leased: &Leased, why: &'static str, now: OffsetDateTime) -> Option<Box<Commit>> {
        if !self.is_of_tasks {
            return None;
        }
        let commit = task_failed(&leased.parcel.correlation, why);
        let wakes = raised(&self.raise, &commit, now);
        Some(Box::new(Commit { wakes, ..commit }))
    }

    async fn settle(&self, leased: &Leased, settlement: Settlement) {
        self.settle_now(leased, settlement).await;
        self.health.under_way.end(leased.parcel.id);
    }

    async fn settle_now(&self, leased: &Leased, mut settlement: Settlement) {
        loop {
            match self.outbox.settle(&self.health.under_way.newest(leased), settlement.clone()).await {
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
                    tracing::error!(destination = %self.id, parcel = %leased.parcel.id, error = &error as &dyn std::error::Error, "The store refuses what became of a parcel.");
                    // What the answer brings about cannot be written; the delivery itself still counts. Without an answer
                    // nothing can be left out: the lease runs out and the parcel is in doubt.
                    let Settlement::Delivered(delivered, Some(_)) = settlement else { return };
                    settlement = Settlement::Delivered(delivered, None);
                }
            }
        }
    }
}

impl Answers {
    fn needs(&self, bytes: &[u8]) -> Vec<Need> {
        self.parser.parse(bytes).map_or_else(|_| Vec::new(), |document| self.mapping.needs(&*document))
    }

    /// Answer to commit, by the same rules as a message.
    fn read(&self, bytes: &[u8], found: &Found) -> Result<Commit, String> {
        let document = self.parser.parse(bytes).map_err(|error| error.to_string())?;
        let run = self.mapping.run_with(&*document, found).map_err(|fault| fault.to_string())?;
        let commit = Commit { changes: run.changes, notes: run.notes, ..Commit::default() };
        checked(commit, &self.mapping, self.typed_check).map_err(|fault| fault.to_string())
    }
}

/// Whether parcels are still to be sent. Without anyone who could say stop it is time to.
fn is_wanted(stop: &watch::Receiver<bool>) -> bool {
    !*stop.borrow() && stop.has_changed().is_ok()
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _gone = stop.wait_for(|stop| *stop).await;
}

fn until_then(now: OffsetDateTime, then: OffsetDateTime) -> Duration {
    Duration::try_from(then - now).unwrap_or_default().clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
}

/// A number from 0 to 1 that differs from parcel to parcel and from try to try, so that retries spread out.
fn jitter(leased: &Leased) -> f64 {
    let bytes = leased.parcel.id.0.as_bytes();
    let seed = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    let mixed = seed.wrapping_add(leased.attempt.wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B);
    f64::from(mixed) / f64::from(u32::MAX)
}
