//! What every source that takes files from a folder has to hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hub_core::fault::{Fault, FaultStep};
use hub_core::id::Digest;
use hub_core::source::{Acknowledge, Outcome, Refusal, Source, SourceError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{PATIENCE, RecordingDoor};

/// Turns the battery into tests. `$make` makes a source of a folder that takes `*.txt` of at most 1000 bytes, which have not changed
/// for one second, and moves them to `done` and `failed` within it; it waits one second for an outcome. `$folder` makes an empty
/// folder, which is there for as long as what it gives is kept.
#[macro_export]
macro_rules! file_source_contract {
    ($make:expr, $folder:expr) => {
        $crate::file_source_contract!($make, $folder;
            files_are_taken_in_the_order_of_their_names_and_moved_away,
            a_file_that_grows_is_not_read_before_it_is_whole,
            what_was_taken_before_a_crash_is_only_moved,
            what_was_refused_before_a_crash_goes_where_failures_go,
            a_file_of_the_same_name_and_other_content_is_another_one,
            the_same_file_put_there_again_is_another_message,
            a_busy_hub_keeps_files_where_they_are,
            what_is_refused_goes_where_failures_go,
            on_committed_the_outcome_says_where_it_goes,
            a_file_that_is_too_large_is_set_aside,
            what_is_no_file_of_the_partner_is_left_alone,
            a_folder_that_is_not_there_is_told_at_once,
            a_stop_ends_the_source);
    };
    ($make:expr, $folder:expr; $($name:ident),+) => {
        $(#[tokio::test]
        async fn $name() {
            let folder = $folder;
            $crate::battery::file_source::$name($make, folder.path()).await;
        })+
    };
}

struct Running {
    door: Arc<RecordingDoor>,
    folder: PathBuf,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), SourceError>>,
}

async fn start(make: impl Fn(&Path) -> Box<dyn Source>, folder: &Path, door: Arc<RecordingDoor>) -> Running {
    let mut source = make(folder);
    assert_eq!(source.bind().await.expect("the folder is there"), None);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(source.run(door.intake(), stopped));
    Running { door, folder: folder.to_owned(), stop, task }
}

fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("the folder can be written to");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there").filter_map(Result::ok);
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> =
        files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

impl Running {
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waited = timeout(PATIENCE, async {
            while !holds(self) {
                sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("it does not come: {what}"));
    }

    fn taken(&self) -> Vec<String> {
        let accepted = self.door.accepted();
        accepted.iter().map(|inbound| String::from_utf8_lossy(&inbound.bytes).into_owned()).collect()
    }

    fn done(&self) -> Vec<String> {
        names(&self.folder.join("done"))
    }

    fn failed(&self) -> Vec<String> {
        names(&self.folder.join("failed"))
    }
}

/// Told once.
pub async fn files_are_taken_in_the_order_of_their_names_and_moved_away(
    make: impl Fn(&Path) -> Box<dyn Source>,
    folder: &Path,
) {
    for name in ["c.txt", "a.txt", "b.txt"] {
        put(folder, name, name);
    }
    let running = start(make, folder, RecordingDoor::new(Acknowledge::OnReceived)).await;
    running.until("all are moved", |running| running.done().len() == 3).await;
    assert_eq!(running.taken(), ["a.txt", "b.txt", "c.txt"]);
    let accepted = running.door.accepted();
    let digest = format!("{:?}", Digest::of(b"a.txt"));
    assert_eq!(accepted[0].label.control_id.as_deref(), Some(digest.as_str()), "the start of its SHA-256");
    for told in accepted.iter().flat_map(|inbound| [inbound.dedupe.as_str(), &digest]) {
        assert!(!told.contains(".txt"), "the name may name a patient: it is told nowhere");
    }
    assert!(names(folder).is_empty());
}

/// Slow.
pub async fn a_file_that_grows_is_not_read_before_it_is_whole(
    make: impl Fn(&Path) -> Box<dyn Source>,
    folder: &Path,
) {
    let running = start(make, folder, RecordingDoor::new(Acknowledge::OnReceived)).await;
    let mut text = String::new();
    for _ in 0..6 {
        text.push_str("more ");
        put(folder, "a.txt", &text);
        // What comes after it by name waits for it.
        put(folder, "b.txt", "b");
        sleep(Duration::from_millis(400)).await;
    }
    assert!(running.taken().is_empty(), "nothing is taken while it grows");
    running.until("both are moved", |running| running.done().len() == 2).await;
    assert_eq!(running.taken(), [text, "b".to_owned()]);
}

/// Dropped.
pub async fn what_was_taken_before_a_crash_is_only_moved(
    make: impl Fn(&Path) -> Box<dyn Source>,
    folder: &Path,
) {
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    put(folder, "a.txt", "a");
    let first = start(&make, folder, door.clone()).await;
    first.until("it is moved", |running| running.done().len() == 1).await;
    first.task.abort();
    // As if the hub had died before the file was moved.
    fs::rename(folder.join("done/a.txt"), folder.join("a.txt")).expect("it is there");
    let second = start(&make, folder, door).await;
    second.until("it is moved again", |running| running.done().len() == 1).await;
    assert_eq!(second.taken(), ["a"], "it is known");
}

/// Dropped when it had been refused.
pub async fn what_was_refused_before_a_crash_goes_where_failures_go(
    make: impl Fn(&Path) -> Box<dyn Source>,
    folder: &Path,
) {
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    put(folder, "a.txt", &"x".repeat(1_001));
    let first = start(&make, folder, door.clone()).await;
    first.until("it is moved", |running| running.failed().len() == 1).await;
    first.task.abort();
    let fault = Fault { step: FaultStep::Parse, place: None, rule: None, reason: "too large".to_owned() };
    door.end_with(Some(Outcome::Quarantined(fault)));
    fs::rename(folder.join("failed/a.txt"), folder.join("a.txt")).expect("it is there");
    let second = start(&make, folder, door.clone()).await;
    second.until("it is moved again", |running| running.failed().len() == 1).await;
    assert!(second.done().is_empty() && door.accepted().len() == 1, "it is known, and known to have failed");
    second.task.abort();
    // One that has not ended is safe all the same.
    door.end_with(None);
    fs::rename(folder.join("failed/a.txt"), folder.join("a.txt")).expect("it is there");
    let third = start(&make, folder, door).await;
    third.until("it is moved to the others", |running| running.done().len() == 1).await;
}

/// Reused.
pub async fn a_file_of_the_same_name_and_other_content_is_another_one(
    make: impl Fn(&Path) -> Box<dyn Source>,
    folder: &Path,
) {
    let running = start(make, folder, RecordingDoor::new(Acknowledge::OnReceived)).await;
    for (nth, text) in ["one", "two"].into_iter().enumerate() {
        put(folder, "a.txt", text);
        running.until("it is moved", |running| running.done().len() == nth + 1).await;
    }
    assert_eq!(running.taken(), ["one", "two"]);
    let done = running.done();
    assert!(done[0] == "a.txt" && done[1].starts_with("a.txt."), "none is written over: {done:?}");
    assert_eq!(fs::read(folder.join("done/a.txt")).expect("it is there"), b"one");
}

/// Repeated.
pub async fn the_same_file_put_there_again_is_another_message(
    make: impl Fn(&Path) -> Box<dyn Source>,
    folder: &Path,
) {
    let running = start(make, folder, RecordingDoor::new(Acknowledge::OnReceived)).await;
    for nth in 1..=2 {
        put(folder, "a.txt", "no news today");
        running.until("it is moved", |running| running.done().len() == nth).await;
    }
    assert_eq!(running.taken().len(), 2, "written at another time, it is said again");
}

/// Not now.
pub async fn a_busy_hub_keeps_files_where_they_are(make: impl Fn(&Path) -> Box<dyn Source>, folder: &Path) {
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    door.refuse_next(Refusal::Busy);
    put(folder, "a.txt", "a");
    put(folder, "b.txt", "b");
    let running = start(make, folder, door).await;
    running.until("both are moved in the end", |running| running.done().len() == 2).await;
    assert_eq!(running.taken(), ["a", "b"], "in their order all the same");
}

/// Refused.
pub async fn what_is_refused_goes_where_failures_go(make: impl Fn(&Path) -> Box<dyn Source>, folder: &Path) {
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    door.refuse_next(Refusal::Unsupported { expected: "order".to_owned() });
    put(folder, "a.txt", "a");
    put(folder, "b.txt", "b");
    let running = start(make, folder, door).await;
    running.until("both are moved", |running| running.done().len() == 1).await;
    assert_eq!((running.failed(), running.done()), (vec!["a.txt".to_owned()], vec!["b.txt".to_owned()]));
}

/// On committed.
pub async fn on_committed_the_outcome_says_where_it_goes(
    make: impl Fn(&Path) -> Box<dyn Source>,
    folder: &Path,
) {
    let running = start(make, folder, RecordingDoor::new(Acknowledge::OnCommitted)).await;
    let fault = Fault {
        step: FaultStep::Map,
        place: Some("rows[3]".to_owned()),
        rule: None,
        reason: "no".to_owned(),
    };
    let outcomes = [
        ("1.txt", Outcome::Committed, 1, 0),
        ("2.txt", Outcome::Quarantined(fault), 1, 1),
        ("3.txt", Outcome::Split { pieces: 100, set_aside: 3 }, 1, 2),
        ("4.txt", Outcome::Split { pieces: 100, set_aside: 0 }, 2, 2),
    ];
    for (name, outcome, done, failed) in outcomes {
        running.door.end_with(Some(outcome));
        put(folder, name, name);
        running.until(name, |running| running.done().len() == done && running.failed().len() == failed).await;
    }
    running.door.end_with(None);
    put(folder, "5.txt", "5");
    running.until("it is handed over", |running| running.taken().len() == 5).await;
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(names(folder), ["5.txt"], "it waits for its outcome");
    running.door.end_with(Some(Outcome::Committed));
    running.until("it is moved", |running| running.done().len() == 3).await;
    assert_eq!(running.taken().len(), 5, "and is kept once");
}

/// Too large.
pub async fn a_file_that_is_too_large_is_set_aside(make: impl Fn(&Path) -> Box<dyn Source>, folder: &Path) {
    put(folder, "a.txt", &"x".repeat(1_001));
    put(folder, "b.txt", &"x".repeat(1_000));
    let running = start(make, folder, RecordingDoor::new(Acknowledge::OnReceived)).await;
    running.until("both are moved", |running| running.done().len() == 1).await;
    assert_eq!(running.failed(), ["a.txt"]);
    let accepted = running.door.accepted();
    let fault = accepted[0].unreadable.as_ref().expect("it is kept in sight");
    assert!(accepted[0].bytes.is_empty() && fault.reason.contains("1001 bytes"), "{}", fault.reason);
}

/// Others.
pub async fn what_is_no_file_of_the_partner_is_left_alone(
    make: impl Fn(&Path) -> Box<dyn Source>,
    folder: &Path,
) {
    for name in ["a.tmp", ".b.txt", "z.txt"] {
        put(folder, name, name);
    }
    fs::create_dir(folder.join("c.txt")).expect("the folder can be written to");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.join("a.tmp"), folder.join("d.txt")).expect("a link can be made");
    let running = start(make, folder, RecordingDoor::new(Acknowledge::OnReceived)).await;
    running.until("the one is moved", |running| running.done().len() == 1).await;
    assert_eq!(running.taken(), ["z.txt"]);
    assert!(folder.join("a.tmp").exists() && folder.join(".b.txt").exists() && folder.join("c.txt").exists());
}

/// Not there.
pub async fn a_folder_that_is_not_there_is_told_at_once(
    make: impl Fn(&Path) -> Box<dyn Source>,
    folder: &Path,
) {
    let missing = make(&folder.join("missing")).bind().await;
    assert!(matches!(missing, Err(SourceError::Stopped(what)) if what.contains("missing")));
    put(folder, "file", "");
    assert!(make(&folder.join("file")).bind().await.is_err());
}

/// A stop.
pub async fn a_stop_ends_the_source(make: impl Fn(&Path) -> Box<dyn Source>, folder: &Path) {
    let running = start(make, folder, RecordingDoor::new(Acknowledge::OnReceived)).await;
    running.stop.send(true).expect("the source runs");
    let ended = timeout(PATIENCE, running.task).await.expect("it ends in time").expect("it does not panic");
    assert!(ended.is_ok());
}
