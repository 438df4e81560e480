//! Deletes what is old, by the clock: messages that ended long ago, a slice at a time, then old audit rows and versions.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::attachment::{Attachments, Swept};
use hub_core::jobs::{Job, JobError};
use hub_core::store::{Journal, Upkeep};

use crate::clock::Clock;

/// Rows deleted at a time, so that nothing else waits long.
const SLICE: u32 = 500;
/// Every version of every resource is looked at for it, so not at each run.
const HISTORY_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Deletes what is older than it is kept.
pub struct Retention {
    /// Messages.
    pub journal: Arc<dyn Journal>,
    /// What else is kept.
    pub upkeep: Arc<dyn Upkeep>,
    /// The archive of attachments, swept when messages have gone.
    pub attachments: Option<Arc<dyn Attachments>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long things are kept.
    pub keep: Keep,
    /// When it runs: a cron line with seconds, UTC.
    pub schedule: String,
    /// When versions were looked at last.
    pub looked: LastLook,
}

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Messages, after they ended.
    pub messages: Duration,
    /// Rows of the audit trail; `None`: for ever.
    pub audit: Option<Duration>,
    /// Versions of resources, after they were superseded; `None`: for ever.
    pub history: Option<Duration>,
}

/// When versions of resources were looked at last. Not kept over a start: looking once more does no harm.
#[derive(Debug, Default)]
pub struct LastLook(Mutex<Option<i64>>);

impl LastLook {
    /// Whether it is time to look again; then it is now.
    fn is_due(&self, now_secs: i64) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now_secs.abs_diff(last) >= HISTORY_EVERY.as_secs());
        if is_due {
            *last = Some(now_secs);
        }
        is_due
    }
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
        let now = self.clock.now();
        let mut done = Vec::new();
        let mut messages = 0;
        loop {
            // A whole stretch may go at once, so that only nothing means that nothing is left.
            match self.journal.prune(now - self.keep.messages, SLICE).await.map_err(not("messages"))? {
                0 => break,
                slice => messages += slice,
            }
            tokio::task::yield_now().await;
        }
        done.push(format!("{messages} messages deleted"));
        if let Some(keep) = self.keep.audit {
            let mut rows = 0;
            loop {
                match self.upkeep.forget_audit(now - keep, SLICE).await.map_err(not("audit rows"))? {
                    0 => break,
                    slice => rows += slice,
                }
                tokio::task::yield_now().await;
            }
            done.push(format!("{rows} audit rows"));
        }
        if let Some(keep) = self.keep.history
            && self.looked.is_due(now.unix_timestamp())
        {
            let versions = self.upkeep.forget_history(now - keep).await.map_err(not("versions"))?;
            done.push(format!("{versions} versions"));
        }
        if let Some(attachments) = &self.attachments {
            let swept = attachments.sweep(now).await.map_err(not("attachments"))?;
            if swept != Swept::default() {
                let Swept { deleted, orphans } = swept;
                done.push(format!("{deleted} attachments, {orphans} never journalled"));
            }
        }
        match self.upkeep.shrink().await.map_err(not("free pages"))? {
            0 => {}
            bytes => done.push(format!("{:.1} MB given back", bytes as f64 / 1e6)),
        }
        Ok(done.join(", "))
    }
}

/// What could not be deleted, with every cause: a full disk under the archive is an operator's to mend.
fn not<E: Error>(what: &'static str) -> impl Fn(E) -> JobError {
    move |error| {
        let mut what = format!("{what} could not be deleted: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            what.push_str(&format!(": {error}"));
            cause = error.source();
        }
        JobError { what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_looked_at_at_the_first_run_and_then_once_a_day() {
        let looked = LastLook::default();
        let day = HISTORY_EVERY.as_secs() as i64;
        let due = [0, 600, day - 1, day, day + 600, 2 * day].map(|secs| looked.is_due(secs));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
