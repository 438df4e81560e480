//! Scheduled work: what runs by the clock, beside the messages.

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::watch;

/// One kind of scheduled work: retention, a poll, a reconciliation.
///
/// It may run twice for one tick (after a crash) and must then do no harm.
#[async_trait]
pub trait Job: Send + Sync {
    /// Its name: `retention`.
    fn name(&self) -> &'static str;

    /// When it runs: a cron line with seconds, UTC: `0 */10 * * * *`.
    fn schedule(&self) -> String;

    /// Does the work; says what was done, for the log, without patient data.
    async fn run(&self) -> Result<String, JobError>;
}

/// Runs jobs by their schedules until `stop` turns true.
#[async_trait]
pub trait Scheduler: Send + Sync {
    /// Runs all of `jobs`. A job that fails is logged and runs again at its next time.
    async fn run(&self, jobs: Vec<Arc<dyn Job>>, stop: watch::Receiver<bool>) -> Result<(), JobError>;
}

/// Why a job did not do its work.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct JobError {
    /// What happened; no patient data.
    pub what: String,
}
