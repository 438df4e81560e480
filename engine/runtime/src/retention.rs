//! Deletes messages that ended long ago, a slice at a time, by the clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::jobs::{Job, JobError};
use hub_core::store::Journal;

use crate::clock::Clock;

/// Messages deleted at a time, so that nothing else waits long.
const SLICE: u32 = 500;

/// Deletes what is older than `keep`.
pub struct Retention {
    /// Messages.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long messages are kept after they ended.
    pub keep: Duration,
    /// When it runs: a cron line with seconds, UTC.
    pub schedule: String,
}

#[async_trait]
impl Job for Retention {
    fn name(&self) -> &'static str {
        "retention"
    }

    fn schedule(&self) -> String {
        self.schedule.clone()
    }

    async fn run(&self) -> Result<String, JobError> {
        let before = self.clock.now() - self.keep;
        let mut deleted = 0;
        loop {
            let slice = self
                .journal
                .prune(before, SLICE)
                .await
                .map_err(|error| JobError { what: format!("messages could not be deleted: {error}") })?;
            deleted += slice;
            if slice < u64::from(SLICE) {
                return Ok(format!("{deleted} messages deleted"));
            }
            tokio::task::yield_now().await;
        }
    }
}
