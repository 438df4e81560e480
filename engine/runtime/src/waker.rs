//! Sees to it that events are acted on when they are due: one node at a time, several subjects side by side, those of one subject in turn.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use hub_core::cluster::{Cluster, Share};
use hub_core::wakes::{ActError, Acting, Waiting, Wakes};
use hub_fhir::Reference;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::clock::Clock;
use crate::shares::Turns;

/// So many are acted on at once.
const MOST: usize = 16;
/// Looked at together.
const PAGE: usize = 128;
/// How long it sleeps at most: another node may have stored an event, or the clock may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How long one that could not be acted on rests: first, and at most.
const REST: Duration = Duration::from_millis(200);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Wakes whoever acts on events.
pub struct Waker {
    /// The events.
    pub wakes: Arc<dyn Wakes>,
    /// Who acts on them.
    pub acting: Arc<dyn Acting>,
    /// Who does what: the node that has the jobs of the clock.
    pub cluster: Arc<dyn Cluster>,
    /// This node's turns.
    pub turns: Arc<Turns>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Events that failed, how often, and until when they rest.
type Resting = HashMap<i64, (u32, Instant)>;

impl Waker {
    /// Runs until the hub stops; what is being acted on then is left as it is, and comes again.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.keep() => {}
            // An error means that whoever stops the hub is gone, which is a stop as well.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn keep(&self) {
        let raised = self.wakes.raised();
        let mut resting = Resting::new();
        let mut acting: JoinSet<(Waiting, Result<(), ActError>)> = JoinSet::new();
        let mut under_way: HashMap<i64, Reference> = HashMap::new();
        loop {
            let sleep = match self.turns.now(&*self.cluster, &Share::jobs()) {
                Some(_turn) => self.begin(&mut acting, &mut under_way, &mut resting).await,
                None => LONGEST_SLEEP,
            };
            tokio::select! {
                () = raised.notified() => {}
                () = tokio::time::sleep(sleep) => {}
                Some(ended) = acting.join_next(), if !acting.is_empty() => {
                    end(ended, &mut under_way, &mut resting);
                }
            }
            while let Some(ended) = acting.try_join_next() {
                end(ended, &mut under_way, &mut resting);
            }
        }
    }

    /// Begins as many as there is room for; says how long to sleep if nobody wakes it.
    async fn begin(
        &self,
        acting: &mut JoinSet<(Waiting, Result<(), ActError>)>,
        under_way: &mut HashMap<i64, Reference>,
        resting: &mut Resting,
    ) -> Duration {
        let (now, at) = (self.clock.now(), Instant::now());
        // One that rests no longer and has not come again is gone.
        resting.retain(|_, (_, until)| *until + LONGEST_REST > at);
        let skip: Vec<i64> = under_way
            .keys()
            .chain(resting.iter().filter(|(_, (_, until))| *until > at).map(|(number, _)| number))
            .copied()
            .collect();
        let due = match self.wakes.due(now, &skip, PAGE).await {
            Ok(due) => due,
            Err(problem) => {
                warn!(
                    error = &problem as &dyn std::error::Error,
                    "The events cannot be read; it will be tried again."
                );
                return LONGEST_SLEEP;
            }
        };
        for waiting in due {
            if under_way.len() >= MOST {
                break;
            }
            if under_way.values().any(|subject| *subject == waiting.wake.subject) {
                continue;
            }
            under_way.insert(waiting.number, waiting.wake.subject.clone());
            let this = Arc::clone(&self.acting);
            acting.spawn(async move {
                // A fault of the program at one event rests as any other failure, and touches no other.
                let acted = AssertUnwindSafe(this.act(&waiting)).catch_unwind().await;
                let broken = |_| Err(ActError::Unfit("the program failed at it".to_owned()));
                (waiting, acted.unwrap_or_else(broken))
            });
        }
        let next = self.wakes.next(now).await.ok().flatten();
        let until_next = next.and_then(|next| Duration::try_from(next - now).ok());
        let until_rested = resting.values().map(|(_, until)| until.saturating_duration_since(at)).min();
        [until_next, until_rested]
            .into_iter()
            .flatten()
            .fold(LONGEST_SLEEP, Duration::min)
            .max(Duration::from_millis(1))
    }
}

fn end(
    ended: Result<(Waiting, Result<(), ActError>), tokio::task::JoinError>,
    under_way: &mut HashMap<i64, Reference>,
    resting: &mut Resting,
) {
    // Nobody aborts one, and its panics are caught.
    let Ok((waiting, acted)) = ended else { return };
    under_way.remove(&waiting.number);
    match acted {
        Ok(()) => {
            resting.remove(&waiting.number);
        }
        Err(problem) => {
            let (times, until) = resting.entry(waiting.number).or_insert((0, Instant::now()));
            *times = times.saturating_add(1);
            let rest = REST.saturating_mul(1 << (*times).min(12)).min(LONGEST_REST);
            *until = Instant::now() + rest;
            let error: &dyn std::error::Error = &problem;
            error!(event = %waiting.wake.event, subject = %waiting.wake.subject, times = *times, error, "An event could not be acted on; it will be tried again.");
        }
    }
}
