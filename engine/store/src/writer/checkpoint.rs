//! Checkpoints: the log of the database is copied into its file beside the writing, so that no transaction waits for it.
//!
//! A passive checkpoint runs on a thread and connection of its own while the writer goes on. As long as the writer is
//! ahead of it the log grows; when it has become long, the writer itself finishes the little that is left and starts the
//! log anew.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tracing::{debug, warn};

/// A passive checkpoint is tried after so many bytes of log.
const PASSIVE_BYTES: u64 = 4 << 20;
/// The writer starts the log anew when it is longer than this many pages (64 MB).
const LONG_FRAMES: i64 = 16_384;
/// How often the length of the log is looked at.
const LOOK_EVERY: u32 = 16;
/// And when nothing is written, so that the log of the last transactions is copied as well.
const IDLE: Duration = Duration::from_secs(5);

/// The writer's side of the checkpoints. The thread ends when it is dropped.
pub(super) struct Checkpoints {
    log: PathBuf,
    is_long: Arc<AtomicBool>,
    wanted: SyncSender<()>,
    thread: JoinHandle<()>,
    transactions: u32,
}

impl Checkpoints {
    /// Starts the checkpointing thread on its connection. `log` is the file whose length tells when one is due.
    pub fn start(connection: Connection, log: PathBuf) -> std::io::Result<Self> {
        let (wanted, wanted_in) = sync_channel(1);
        let is_long = Arc::new(AtomicBool::new(false));
        let seen_long = Arc::clone(&is_long);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || passive(&connection, &wanted_in, &seen_long))?;
        Ok(Self { log, is_long, wanted, thread, transactions: 0 })
    }

    /// Called after each transaction.
    pub fn after_transaction(&mut self, connection: &Connection) {
        self.transactions += 1;
        if self.transactions >= LOOK_EVERY {
            self.transactions = 0;
            let is_due = std::fs::metadata(&self.log).is_ok_and(|log| log.len() > PASSIVE_BYTES);
            if is_due {
                // One that is wanted already will do.
                self.wanted.try_send(()).ok();
            }
        }
        if self.is_long.swap(false, Ordering::Relaxed)
            && let Err(error) = checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)")
        {
            // It is tried again after the next passive one.
            warn!(%error, "The log of the database could not be started anew.");
        }
    }

    /// Ends the thread and waits for it.
    pub fn stop(self) {
        drop(self.wanted);
        if self.thread.join().is_err() {
            warn!("The checkpointing thread did not end well.");
        }
    }
}

fn passive(connection: &Connection, wanted: &Receiver<()>, is_long: &AtomicBool) {
    while !matches!(wanted.recv_timeout(IDLE), Err(RecvTimeoutError::Disconnected)) {
        match checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
            Ok(frames) if frames > LONG_FRAMES => is_long.store(true, Ordering::Relaxed),
            Ok(_) => {}
            // A reader in the way is no error. Until this is mended the log grows.
            Err(error) => warn!(%error, "The log of the database could not be copied into its file."),
        }
    }
}

/// Runs a checkpoint; says how many frames the log has.
fn checkpoint(connection: &Connection, pragma: &'static str) -> Result<i64, rusqlite::Error> {
    connection.prepare_cached(pragma)?.query_row([], |row| row.get(1))
}

/// Copies the whole log and empties it, when the store is closed.
pub(super) fn checkpoint_last(connection: Connection) {
    if let Err(error) = checkpoint(&connection, "PRAGMA wal_checkpoint(TRUNCATE)") {
        warn!(%error, "The log of the database was not emptied; it will be read at the next start.");
    }
    if let Err((_, error)) = connection.close() {
        debug!(%error, "A connection did not close well.");
    }
}
