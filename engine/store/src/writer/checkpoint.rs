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
use std::time::{Duration, Instant};

use rusqlite::{Connection, Row};
use tracing::{debug, warn};

use crate::writer::connect::BUSY;

/// A passive checkpoint is tried after so many bytes of log.
const PASSIVE_BYTES: u64 = 4 << 20;
/// The writer starts the log anew when it is longer than this many pages (64 MB).
const LONG_FRAMES: i64 = 16_384;
/// How often the length of the log is looked at.
const LOOK_EVERY: u32 = 16;
/// And when nothing is written, so that the log of the last transactions is copied as well.
const IDLE: Duration = Duration::from_secs(5);

/// How long the log is left to grow when a reader was in the way of starting it anew: waiting for it costs the writer a
/// busy timeout each time, and a backup reads for minutes.
const IN_THE_WAY: Duration = Duration::from_secs(5);

/// The writer's side of the checkpoints. The thread ends when it is dropped.
pub(crate) struct Checkpoints {
    log: PathBuf,
    is_long: Arc<AtomicBool>,
    wanted: SyncSender<()>,
    thread: JoinHandle<()>,
    transactions: u32,
    /// Until then the log is not started anew.
    pause: Option<Instant>,
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
        Ok(Self { log, is_long, wanted, thread, transactions: 0, pause: None })
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
        if self.is_long.load(Ordering::Relaxed) {
            if self.pause.is_none_or(|until| until <= Instant::now()) {
                self.start_anew(connection);
            }
            // Only now: meanwhile the thread has kept away.
            self.is_long.store(false, Ordering::Relaxed);
        }
    }

    fn start_anew(&mut self, connection: &Connection) {
        let begun = Instant::now();
        match checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)") {
            // The thread in the way is told of at once, a reader is waited for.
            Ok(seen) if seen.is_busy && begun.elapsed() >= BUSY / 2 => {
                self.pause = Some(Instant::now() + IN_THE_WAY);
            }
            Ok(_) => {}
            // It is tried again after the next passive one.
            Err(error) => warn!(%error, "The log of the database could not be started anew."),
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
    loop {
        match wanted.recv_timeout(IDLE) {
            Err(RecvTimeoutError::Disconnected) => return,
            // The writer is about to start the log anew: two cannot checkpoint at a time.
            Ok(()) if is_long.load(Ordering::Relaxed) => continue,
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
        }
        match checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
            Ok(seen) if seen.frames > LONG_FRAMES => is_long.store(true, Ordering::Relaxed),
            Ok(_) => {}
            // A reader in the way is no error. Until this is mended the log grows.
            Err(error) => warn!(%error, "The log of the database could not be copied into its file."),
        }
    }
}

/// What a checkpoint tells.
struct Seen {
    /// Somebody was in the way of doing it whole.
    is_busy: bool,
    /// How many frames the log has.
    frames: i64,
}

fn checkpoint(connection: &Connection, pragma: &'static str) -> Result<Seen, rusqlite::Error> {
    let seen = |row: &Row<'_>| Ok(Seen { is_busy: row.get::<_, i64>(0)? != 0, frames: row.get(1)? });
    connection.prepare_cached(pragma)?.query_row([], seen)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::connect::WriterOptions;

    #[test]
    fn a_reader_in_the_way_does_not_hold_up_the_writer_again_and_again() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("hub.db");
        let reader = Connection::open(&file).unwrap();
        reader.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER)").unwrap();
        let options = WriterOptions { file, cache_kib: 2_048, max_bytes: None };
        let writer = options.connect().unwrap();
        let mut checkpoints =
            Checkpoints::start(options.connect_for_checkpoints().unwrap(), options.log()).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        let seen_long = |checkpoints: &mut Checkpoints| {
            checkpoints.is_long.store(true, Ordering::Relaxed);
            let begun = Instant::now();
            checkpoints.after_transaction(&writer);
            assert!(!checkpoints.is_long.load(Ordering::Relaxed));
            begun.elapsed()
        };
        assert!(seen_long(&mut checkpoints) >= BUSY / 2, "it is waited for once");
        assert!(checkpoints.pause.is_some());
        assert!(seen_long(&mut checkpoints) < BUSY / 2);
        reader.execute_batch("COMMIT").unwrap();
        checkpoints.pause = None;
        seen_long(&mut checkpoints);
        assert!(checkpoints.pause.is_none());
        checkpoints.stop();
    }
}
