//! Checkpoints: the log of the database is copied into its file beside the writing, so that no transaction waits for it.
//!
//! A passive checkpoint runs on a connection of its own while the writer goes on. As long as the writer is ahead of it
//! the log grows; when it has become long, the writer itself finishes the little that is left and starts the log anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

/// A passive checkpoint is tried after so many bytes of log.
const PASSIVE_BYTES: u64 = 4 << 20;
/// The writer starts the log anew when it is longer than this many frames of 8 kB (64 MB).
const LONG_FRAMES: i64 = 8_192;
/// How often the length of the log is looked at.
const LOOK_EVERY: u32 = 16;
/// And when nothing is written, so that the log of the last transactions is copied as well.
const IDLE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Signals {
    wanted: Notify,
    is_long: AtomicBool,
    stop: AtomicBool,
}

/// The writer's side of the checkpoints.
pub(super) struct Checkpoints {
    signals: Arc<Signals>,
    task: Option<JoinHandle<()>>,
    transactions: u32,
}

impl Checkpoints {
    /// Starts the checkpointing task on its connection.
    pub fn start(connection: SqliteConnection) -> Self {
        let signals = Arc::new(Signals::default());
        let task = tokio::spawn(passive(connection, Arc::clone(&signals)));
        Self { signals, task: Some(task), transactions: 0 }
    }

    /// Called after each transaction.
    pub async fn after_transaction(&mut self, connection: &mut SqliteConnection, file: &Path) {
        self.transactions += 1;
        if self.transactions >= LOOK_EVERY {
            self.transactions = 0;
            let log = file.with_extension("db-wal");
            let is_due = std::fs::metadata(log).is_ok_and(|log| log.len() > PASSIVE_BYTES);
            if is_due {
                self.signals.wanted.notify_one();
            }
        }
        if self.signals.is_long.swap(false, Ordering::Relaxed)
            && let Err(error) = checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)").await
        {
            // It is tried again after the next passive one.
            debug!(%error, "The log of the database could not be started anew.");
        }
    }

    /// Ends the task.
    pub async fn stop(&mut self) {
        self.signals.stop.store(true, Ordering::Relaxed);
        self.signals.wanted.notify_one();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            warn!(%error, "The checkpointing task did not end well.");
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.signals.stop.store(true, Ordering::Relaxed);
        self.signals.wanted.notify_one();
    }
}

async fn passive(mut connection: SqliteConnection, signals: Arc<Signals>) {
    loop {
        tokio::select! {
            () = signals.wanted.notified() => {}
            () = tokio::time::sleep(IDLE) => {}
        }
        if signals.stop.load(Ordering::Relaxed) {
            break;
        }
        match checkpoint(&mut connection, "PRAGMA wal_checkpoint(PASSIVE)").await {
            Ok(frames) if frames > LONG_FRAMES => signals.is_long.store(true, Ordering::Relaxed),
            Ok(_) => {}
            Err(error) => debug!(%error, "A checkpoint was not possible now."),
        }
    }
    close(connection).await;
}

/// Runs a checkpoint; says how many frames the log has.
async fn checkpoint(connection: &mut SqliteConnection, pragma: &'static str) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(pragma).fetch_one(connection).await?;
    row.try_get(1)
}

/// Copies the whole log and empties it, when the store is closed.
pub(super) async fn checkpoint_last(mut connection: SqliteConnection) {
    if let Err(error) = checkpoint(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)").await {
        warn!(%error, "The log of the database was not emptied; it will be read at the next start.");
    }
    close(connection).await;
}

async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        debug!(%error, "A connection did not close well.");
    }
}
