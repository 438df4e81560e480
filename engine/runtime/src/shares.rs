//! Keeps what runs here in step with what is this node's own among those that share the database.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::cluster::{Cluster, News, Share, Stand};
use hub_core::jobs::{Job, JobError};
use hub_core::source::Turn;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::hub::Hub;

/// How long whoever waits for the end of turns waits before looking again.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// How often all shares are looked at, also when nothing is told.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// This node's turns to do something that one node at a time does.
pub struct Turns {
    held: Arc<AtomicUsize>,
    over: watch::Sender<bool>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { held: Arc::default(), over: watch::Sender::new(false) }
    }
}

/// A turn is held as long as this lives.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Turns {
    /// Waits for this node's turn.
    pub async fn next(&self, cluster: &dyn Cluster, share: &Share) -> Turn {
        let mut changes = cluster.changes();
        loop {
            if let Some(turn) = self.now(cluster, share) {
                return turn;
            }
            if changes.changed().await.is_err() {
                // Nobody gives turns any more: the hub ends.
                std::future::pending::<()>().await;
            }
        }
    }

    /// This node's turn, if it is now.
    pub fn now(&self, cluster: &dyn Cluster, share: &Share) -> Option<Turn> {
        // Held before it is looked at: whoever lets the share go sees it, or it sees that it is being let go.
        let held = Held::new(&self.held);
        let is_mine = cluster.stand(share) == Stand::Mine;
        is_mine.then(|| {
            self.over.send_replace(false);
            Turn::until(self.over.subscribe(), held)
        })
    }

    /// Waits until no turn is held.
    async fn ended(&self) {
        self.over.send_replace(true);
        while self.held.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}

/// A job that runs on one node at a time.
pub struct Shared<J> {
    /// What it does.
    pub job: J,
    /// Who does what.
    pub cluster: Arc<dyn Cluster>,
    /// This node's turns.
    pub turns: Arc<Turns>,
}

#[async_trait]
impl<J: Job> Job for Shared<J> {
    fn name(&self) -> &'static str {
        self.job.name()
    }

    fn schedule(&self) -> String {
        self.job.schedule()
    }

    async fn run(&self) -> Result<String, JobError> {
        match self.turns.now(&*self.cluster, &Share::jobs()) {
            Some(_turn) => self.job.run().await,
            None => Ok("another node does it".to_owned()),
        }
    }
}

impl Hub {
    /// Says what this node can do.
    pub(crate) fn offer(&self) {
        let mut shares = vec![Share::jobs()];
        for channel in self.channels() {
            shares.push(Share::channel(&channel.id));
            if channel.fetches {
                shares.push(Share::source(&channel.id));
            }
        }
        shares.extend(self.destinations().keys().map(Share::destination));
        self.house.cluster.offer(shares);
    }

    /// From now on, takes up what becomes this node's own, and lets go of what is to be another's. Ends with the hub.
    pub(crate) fn keep_shares(self: &Arc<Self>) {
        let hub = Arc::downgrade(self);
        let cluster = self.house.cluster.clone();
        tokio::spawn(async move {
            let (mut changes, mut news) = (cluster.changes(), cluster.news());
            let leaving = Arc::new(std::sync::Mutex::new(HashSet::new()));
            loop {
                {
                    let Some(hub) = hub.upgrade() else { return };
                    hub.look_at_shares(&leaving);
                }
                let told = tokio::select! {
                    changed = changes.changed() => match changed {
                        Ok(()) => None,
                        Err(_) => return,
                    },
                    told = news.recv() => match told {
                        Ok(told) => Some(told),
                        Err(RecvError::Lagged(_)) => Some(News::OfAny),
                        Err(RecvError::Closed) => return,
                    },
                    () = tokio::time::sleep(LOOK_EVERY) => None,
                };
                let Some(hub) = hub.upgrade() else { return };
                if let Some(told) = told {
                    hub.hear(&told);
                }
            }
        });
    }

    /// Other nodes have told something.
    fn hear(&self, told: &News) {
        for channel in self.channels().iter().filter(|channel| !channel.backlog.is_elsewhere()) {
            let is_told = match told {
                News::Of(share) => *share == Share::channel(&channel.id),
                News::OfAny => self.house.cluster.stand(&Share::channel(&channel.id)) == Stand::Mine,
            };
            if is_told {
                channel.backlog.look_again(&[]);
            }
        }
        for id in self.destinations().keys() {
            let is_told = match told {
                News::Of(share) => *share == Share::destination(id),
                News::OfAny => true,
            };
            if is_told {
                self.wakers.wake_here(id);
            }
        }
    }

    /// Brings channels, turns to fetch and jobs in step. Dispatchers look for themselves.
    fn look_at_shares(&self, leaving: &Arc<std::sync::Mutex<HashSet<Share>>>) {
        let cluster = &self.house.cluster;
        let begin = |share: &Share| leaving.lock().is_ok_and(|mut leaving| leaving.insert(share.clone()));
        let let_go = |share: Share, ended: futures_util::future::BoxFuture<'static, ()>| {
            let (cluster, leaving) = (cluster.clone(), leaving.clone());
            tokio::spawn(async move {
                ended.await;
                if cluster.stand(&share) == Stand::Leaving
                    && let Err(error) = cluster.let_go(&share).await
                {
                    tracing::warn!(share = %share.0, error = &error as &dyn std::error::Error, "A share could not be let go; it will be tried again.");
                }
                if let Ok(mut leaving) = leaving.lock() {
                    leaving.remove(&share);
                }
            });
        };
        for channel in self.channels() {
            let share = Share::channel(&channel.id);
            match cluster.stand(&share) {
                Stand::Mine => channel.backlog.take_up(),
                Stand::Others => channel.backlog.leave_to_others(),
                Stand::Leaving => {
                    channel.backlog.leave_to_others();
                    if begin(&share) {
                        let backlog = channel.backlog.clone();
                        let_go(share, Box::pin(async move { backlog.quiet().await }));
                    }
                }
            }
            let share = Share::source(&channel.id);
            if channel.fetches && cluster.stand(&share) == Stand::Leaving && begin(&share) {
                let turns = channel.turns().clone();
                let_go(share, Box::pin(async move { turns.ended().await }));
            }
        }
        let share = Share::jobs();
        if cluster.stand(&share) == Stand::Leaving && begin(&share) {
            let turns = self.job_turns.clone();
            let_go(share, Box::pin(async move { turns.ended().await }));
        }
    }
}
