//! What the writer does when the program fails in it.

use hub_core::id::ParcelId;
use hub_core::store::RetryWhich;
use tempfile::TempDir;

use crate::writer::connect::WriterOptions;

use super::*;

fn running(folder: &TempDir) -> Running {
    let options = WriterOptions { file: folder.path().join("hub.db"), cache_kib: 2_048, max_bytes: None };
    let made = rusqlite::Connection::open(&options.file).unwrap();
    made.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    made.execute_batch(include_str!("../../migrations/sqlite/0001_store.sql")).unwrap();
    let connection = Connection::Sqlite(options.connect().unwrap());
    let way = Way::Sqlite(options);
    let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Running {
        checkpoints: way.checkpoints().unwrap(),
        memory: Memory {
            numbers: Numbers::load(&connection).unwrap(),
            recent: Recent::new(1 << 20),
            node: 0,
            company: Arc::default(),
            looked: Looked::default(),
        },
        words: Arc::new(Words::load(&connection).unwrap()),
        connection: Some(connection),
        waiting: Rc::new(waiting),
        way,
        counters: Arc::default(),
        begun: Arc::default(),
        dues: Arc::default(),
        raised: Arc::default(),
        receives: mpsc::channel(1).1,
        works: mpsc::unbounded_channel().1,
        held: None,
        pace: Pace::default(),
        _lock: None,
    }
}

fn retry() -> Work {
    Work::Retry { which: RetryWhich::Parcel(ParcelId(uuid::Uuid::nil())) }
}

#[test]
fn a_batch_at_which_the_program_fails_is_done_work_by_work_and_the_writer_lives_on() {
    let folder = TempDir::new().unwrap();
    let mut running = running(&folder);
    running.begun.mark([7]);
    // Works that are done alone never come into a batch: the writer panics at two of them.
    let together = running.transaction(&[&retry(), &retry()]);
    assert!(matches!(together, Err(Failure::Program)));
    assert!(running.connection.is_none(), "the connection is made anew");
    let (asked, answers): (Vec<_>, Vec<_>) = (0..2)
        .map(|_| {
            let (reply, answer) = oneshot::channel();
            (Asked { work: retry(), weight: 0, reply }, answer)
        })
        .unzip();
    running.write(asked);
    for mut answer in answers {
        assert!(matches!(answer.try_recv().unwrap().answer, Ok(Answer::Count(0))));
    }
    assert!(running.begun.is_waiting(), "a mark is not lost with its transaction");
    running.write(Vec::new());
    assert!(!running.begun.is_waiting());
}
