//! Sees to it that resources which were there before an update or a new search parameter are indexed anew, without haste: what is
//! received goes first.

use std::sync::Arc;
use std::time::Duration;

use hub_core::cluster::{Cluster, Share};
use hub_core::store::{StoreError, Upkeep};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::shares::Turns;

/// Resources indexed at a time: some tens of milliseconds of one core, a few of the writer.
const SLICE: u32 = 100;
/// How long it rests after each slice: two thousand resources a second at most.
const REST: Duration = Duration::from_millis(50);
/// How often it is looked whether there is something to do: a search parameter may be new, and a node of an earlier version may still write.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Indexes what is to be indexed anew, for as long as the hub runs.
pub struct Reindex {
    /// What does it.
    pub upkeep: Arc<dyn Upkeep>,
    /// Who does what: one node at a time, the one that has the jobs of the clock.
    pub cluster: Arc<dyn Cluster>,
    /// This node's turns.
    pub turns: Arc<Turns>,
}

impl Reindex {
    /// Runs until the hub stops.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.keep() => {}
            // An error means that whoever stops the hub is gone, which is a stop as well.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn keep(&self) {
        loop {
            match self.all().await {
                Ok(0) => {}
                Ok(done) => info!(
                    resources = done,
                    "What was written before an update or a new search parameter is indexed."
                ),
                Err(error) => warn!(%error, "Indexing anew stopped; it goes on in a while."),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Indexes all there is, as long as it is this node's turn; says how many.
    async fn all(&self) -> Result<u64, StoreError> {
        let mut done = 0;
        loop {
            let Some(_turn) = self.turns.now(&*self.cluster, &Share::jobs()) else { return Ok(done) };
            match self.upkeep.index_anew(SLICE).await? {
                0 => return Ok(done),
                slice => done += slice,
            }
            tokio::time::sleep(REST).await;
        }
    }
}
