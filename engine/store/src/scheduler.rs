//! Scheduled jobs on apalis: a cron schedule pushes ticks into apalis' own SQLite queue, a worker takes them from there.
//!
//! The queue has a file of its own, `jobs.db`: apalis keeps its migrations in the same table as ours would be, and its
//! `setup()` turns `synchronous` off. A tick that was pushed and not done is done after a restart; of several that have
//! gathered only the newest runs. A tick that fell while the hub was down is not made up for.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use apalis::prelude::{
    Monitor, PollSnapshot, PollStrategy, PollWith, TaskBuilder, TaskSink, WorkerBuilder, WorkerBuilderExt,
};
use apalis_cron::CronScheduler;
use apalis_sqlite::{Config, SqliteStorage};
use async_trait::async_trait;
use cron::Schedule;
use futures_util::StreamExt;
use hub_core::jobs::{Job, JobError, Scheduler};
use sqlx::Executor;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::error::OpenError;

/// How often a worker looks for ticks.
const LOOK: Duration = Duration::from_millis(250);
/// How often a worker says that it lives; also how long a lost wake-up could last at most.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long jobs under way may go on when the hub stops.
const STOPPING: Duration = Duration::from_secs(30);
/// How long a schedule that could not be followed is left alone.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs jobs by their schedules.
pub struct JobScheduler {
    pool: SqlitePool,
}

impl JobScheduler {
    /// Opens the queue of a data folder. The folder's [`crate::Store`] must be open: it sees to it that the folder has one
    /// owner, which is why what another process left half-done can be taken up at once.
    pub async fn open(data_dir: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let path = data_dir.into();
        let database =
            |source: sqlx::Error| OpenError::Database { path: path.clone(), source: source.into() };
        let options = SqliteConnectOptions::new()
            .filename(path.join("jobs.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let pool =
            SqlitePoolOptions::new().max_connections(2).connect_with(options).await.map_err(database)?;
        let migrated = SqliteStorage::migrations().run(&pool).await;
        migrated.map_err(|source| OpenError::Migrate { path: path.clone(), source })?;
        for tidy in [
            "UPDATE Jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL WHERE status IN ('Queued', 'Running')",
            "DELETE FROM Jobs WHERE status IN ('Done', 'Failed', 'Killed')",
            "DELETE FROM Workers WHERE id NOT IN (SELECT lock_by FROM Jobs WHERE lock_by IS NOT NULL)",
        ] {
            pool.execute(tidy).await.map_err(database)?;
        }
        Ok(Self { pool })
    }

    fn queue(&self, job: &dyn Job) -> SqliteStorage<u64> {
        let config = Config::default().queue(job.name()).heartbeat_interval(HEARTBEAT).batch_size(10);
        SqliteStorage::new(&self.pool).with_config(config)
    }
}

#[async_trait]
impl Scheduler for JobScheduler {
    async fn run(&self, jobs: Vec<Arc<dyn Job>>, mut stop: watch::Receiver<bool>) -> Result<(), JobError> {
        let mut schedules = Vec::with_capacity(jobs.len());
        for job in &jobs {
            let schedule = Schedule::from_str(&job.schedule()).map_err(|error| JobError {
                what: format!("the schedule of `{}` cannot be read: {error}", job.name()),
            })?;
            schedules.push(schedule);
        }
        let mut clocks = JoinSet::new();
        let mut monitor = Monitor::new().shutdown_timeout(STOPPING).should_restart(|_, error| {
            warn!(%error, "A worker of scheduled jobs ended; it is started again.");
            true
        });
        for (job, schedule) in jobs.into_iter().zip(schedules) {
            clocks.spawn(push_ticks(self.queue(&*job), schedule, self.pool.clone(), job.name()));
            let (queue, newest) = (self.queue(&*job), Arc::new(AtomicU64::new(0)));
            monitor = monitor.register(move |_| {
                let (job, newest) = (Arc::clone(&job), Arc::clone(&newest));
                // Two workers of one name would both run.
                WorkerBuilder::new(format!("{}-{}", job.name(), Uuid::new_v4()))
                    .backend(PollWith::new(queue.clone(), Looks::every(LOOK)))
                    .concurrency(1)
                    .build(move |tick: u64| run_job(Arc::clone(&job), Arc::clone(&newest), tick))
            });
        }
        let stopped = async move {
            // An error means that whoever stops the hub is gone, which is a stop as well.
            stop.wait_for(|stop| *stop).await.ok();
            Ok(())
        };
        let ended = monitor.run_with_signal(stopped).await;
        clocks.shutdown().await;
        ended.map_err(|error| JobError { what: format!("the scheduler ended: {error}") })
    }
}

/// Lets a worker look for ticks at an interval. apalis' own strategy starts its next timer without polling it: when a look is
/// over at once nobody is left to wake the worker, and it sleeps until its next heartbeat.
#[derive(Debug)]
struct Looks(tokio::time::Interval);

impl Looks {
    fn every(period: Duration) -> Self {
        let mut interval = tokio::time::interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(interval)
    }
}

impl PollStrategy for Looks {
    fn poll_drive(&mut self, context: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        if self.0.poll_tick(context).is_pending() {
            return Poll::Pending;
        }
        // Once more, so that the next tick is waited for; should it be there already, the worker is polled again.
        if self.0.poll_tick(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Ready(Some(()))
    }
}

/// Pushes a tick into the queue at each time of the schedule, for ever.
async fn push_ticks(mut queue: SqliteStorage<u64>, schedule: Schedule, pool: SqlitePool, name: &'static str) {
    loop {
        let mut ticks = CronScheduler::new(schedule.clone()).into_stream();
        while let Some(Ok(tick)) = ticks.next().await {
            let tick = tick.get_timestamp();
            // The key makes a tick that is pushed twice one tick.
            let task = TaskBuilder::new(tick).idempotency_key(tick.to_string()).build();
            if let Err(error) = queue.push_task(task).await {
                warn!(job = name, %error, "A tick of a scheduled job was not stored; the next one will be.");
            }
            let done = "DELETE FROM Jobs WHERE status = 'Done' AND done_at < strftime('%s', 'now') - 86400";
            if let Err(error) = pool.execute(done).await {
                warn!(job = name, %error, "Old ticks of scheduled jobs were not tidied away.");
            }
        }
        // A schedule stops with an error for ever once it was looked at too late; a fresh one goes on.
        tokio::time::sleep(AGAIN).await;
    }
}

/// Runs a job for a tick, unless a later one has run. A failure is logged and not told to apalis, which would run the job
/// again at once, up to 25 times; it runs again at its next time.
async fn run_job(job: Arc<dyn Job>, newest: Arc<AtomicU64>, tick: u64) {
    if tick <= newest.load(Ordering::Relaxed) {
        return;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(tick, |now| now.as_secs());
    // What has gathered up to now is done by this run.
    newest.store(now.max(tick), Ordering::Relaxed);
    match job.run().await {
        Ok(done) => info!(job = job.name(), done, "A scheduled job has run."),
        Err(error) => {
            error!(job = job.name(), %error, "A scheduled job failed; it runs again at its next time.")
        }
    }
}
