//! Scheduled jobs run by the clock, fail without harm, and go on after a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::jobs::{Job, JobError, Scheduler};
use hub_store::scheduler::JobScheduler;
use tempfile::TempDir;
use tokio::sync::watch;

struct Counting {
    runs: Arc<AtomicU32>,
    schedule: &'static str,
}

#[async_trait]
impl Job for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn schedule(&self) -> String {
        self.schedule.to_owned()
    }

    async fn run(&self) -> Result<String, JobError> {
        match self.runs.fetch_add(1, Ordering::Relaxed) {
            0 => Err(JobError { what: "the first run fails".into() }),
            _ => Ok("counted".into()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_every_second_runs_every_second_also_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    for round in 1..=2 {
        let scheduler = JobScheduler::open(folder.path()).await.unwrap();
        let job = Counting { runs: Arc::clone(&runs), schedule: "* * * * * *" };
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(async move { scheduler.run(vec![Arc::new(job)], stopped).await });
        tokio::time::sleep(Duration::from_millis(3_800)).await;
        stop.send(true).unwrap();
        running.await.unwrap().unwrap();
        let runs = runs.load(Ordering::Relaxed);
        assert!((round * 2..=round * 5).contains(&runs), "{runs} runs in round {round}");
    }
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_is_told() {
    let folder = TempDir::new().unwrap();
    let scheduler = JobScheduler::open(folder.path()).await.unwrap();
    let job = Counting { runs: Arc::default(), schedule: "every day" };
    let (_stop, stopped) = watch::channel(false);
    let error = scheduler.run(vec![Arc::new(job)], stopped).await.unwrap_err();
    assert!(error.what.contains("`counting`"), "{error}");
}
