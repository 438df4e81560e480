//! Looks at a folder again and again: what has settled is read, handed over and put away, one file after the other.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use hub_core::envelope::{Label, Peer};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{DedupeKey, Digest};
use hub_core::source::{Acknowledge, Inbound, Intake, Outcome, Receipt, Refusal};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{debug, error, warn};

use super::FileSourceConfig;
use super::folder::{Content, Stamp, list, put_away, read};
use super::pattern::NamePattern;

/// A folder under watch.
pub(super) struct Watch {
    config: FileSourceConfig,
    pattern: NamePattern,
    intake: Intake,
    seen: HashMap<String, Seen>,
    /// The last look failed: that is told once, not at each look.
    is_troubled: bool,
}

/// How a file looked, and since when it has looked so.
struct Seen {
    stamp: Stamp,
    since: Instant,
    /// It was handed over: where it belongs now, and its number.
    taken: Option<(PathBuf, String)>,
}

/// What became of a file.
enum Taken {
    /// It was handed over: it belongs into this folder now.
    To(PathBuf, String),
    /// Not now; it and those after it are looked at again.
    NotNow,
}

impl Watch {
    pub fn new(config: FileSourceConfig, pattern: NamePattern, intake: Intake) -> Self {
        Self { config, pattern, intake, seen: HashMap::new(), is_troubled: false }
    }

    /// Looks once. A file that has not settled holds up those after it, so that the order of names is kept.
    pub async fn look(&mut self, stop: &watch::Receiver<bool>) {
        let (folder, pattern) = (self.config.folder.clone(), self.pattern.clone());
        let files = match blocking(move || list(&folder, &pattern)).await {
            Ok(files) => files,
            Err(error) => {
                return self.trouble("The folder cannot be looked at; it will be tried again.", &error);
            }
        };
        self.is_troubled = false;
        let now = Instant::now();
        let there: HashSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        self.seen.retain(|name, _| there.contains(name.as_str()));
        for (name, stamp) in &files {
            let seen =
                self.seen.entry(name.clone()).or_insert(Seen { stamp: *stamp, since: now, taken: None });
            if seen.stamp != *stamp {
                *seen = Seen { stamp: *stamp, since: now, taken: None };
            }
        }
        let settle = Duration::from_secs(self.config.settle_secs);
        for (name, stamp) in files {
            let Some(seen) = self.seen.get(&name) else { continue };
            if *stop.borrow() || now.duration_since(seen.since) < settle {
                return;
            }
            let taken = match seen.taken.clone() {
                Some((into, number)) => Taken::To(into, number),
                None => self.take(&name, stamp).await,
            };
            let Taken::To(into, number) = taken else { return };
            self.move_away(name, into, number).await;
        }
    }

    /// Reads a file and hands it over.
    async fn take(&mut self, name: &str, stamp: Stamp) -> Taken {
        let (path, most) = (self.config.folder.join(name), self.config.max_file_bytes);
        let content = match blocking(move || read(&path, stamp, most)).await {
            Ok(content) => content,
            // The partner has taken it back.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Taken::NotNow,
            Err(error) => {
                self.trouble("A file cannot be read; it and those after it wait.", &error);
                return Taken::NotNow;
            }
        };
        let (bytes, unreadable) = match content {
            Content::Whole(bytes) => (bytes, None),
            Content::Changed => return Taken::NotNow,
            Content::TooLarge => {
                let reason = format!("the file has {} bytes; {most} are taken at the most", stamp.size);
                let fault = Fault { step: FaultStep::Parse, place: None, rule: None, reason };
                (Bytes::new(), Some(fault))
            }
        };
        let dedupe = DedupeKey(format_compact!("{name}|{}|{:?}", stamp.size, Digest::of(&bytes)));
        let label = Label {
            message_type: self.config.message_type.as_deref().map(CompactString::new),
            control_id: Some(CompactString::new(name)),
            sender: None,
        };
        let inbound = Inbound { bytes, dedupe, label, peer: Peer::default(), unreadable };
        self.judge(inbound).await
    }

    async fn judge(&mut self, inbound: Inbound) -> Taken {
        let id = match self.intake.accept(inbound).await {
            Receipt::Accepted(id) | Receipt::Duplicate(id) => id,
            Receipt::Refused(_, Refusal::Busy) => {
                debug!("The hub is busy; the files wait.");
                return Taken::NotNow;
            }
            Receipt::Refused(id, refusal) => {
                warn!(message_id = id.map(tracing::field::display), error = %refusal, "A file was refused.");
                let number = id.map_or_else(|| "refused".to_owned(), |id| id.to_string());
                return Taken::To(self.config.failed.clone(), number);
            }
        };
        if self.intake.acknowledge() == Acknowledge::OnReceived {
            return Taken::To(self.config.done.clone(), id.to_string());
        }
        let wait = Duration::from_secs(self.config.answer_secs);
        match timeout(wait, self.intake.outcome(id)).await {
            Ok(Some(outcome)) => Taken::To(self.folder_of(&outcome), id.to_string()),
            // It is safe and not finished: it is known when it is handed over again, and its outcome is asked for again.
            Ok(None) | Err(_) => Taken::NotNow,
        }
    }

    fn folder_of(&self, outcome: &Outcome) -> PathBuf {
        let is_well = match outcome {
            Outcome::Committed | Outcome::Filtered { .. } => true,
            Outcome::Split { set_aside, .. } => *set_aside == 0,
            Outcome::Quarantined(_) => false,
        };
        if is_well { self.config.done.clone() } else { self.config.failed.clone() }
    }

    /// Puts a file away that was handed over. While that cannot be done it is not read again.
    async fn move_away(&mut self, name: String, into: PathBuf, number: String) {
        let (path, target) = (self.config.folder.join(&name), into.clone());
        let (called, told) = (name.clone(), number.clone());
        match blocking(move || put_away(&path, &target, &called, &told)).await {
            Ok(()) => {
                self.seen.remove(&name);
            }
            Err(error) => {
                self.trouble("A file that was taken cannot be moved away; it will be tried again.", &error);
                if let Some(seen) = self.seen.get_mut(&name) {
                    seen.taken = Some((into, number));
                }
            }
        }
    }

    /// Names of files may name patients: the folder is told, they are not.
    fn trouble(&mut self, what: &'static str, error: &std::io::Error) {
        if !self.is_troubled {
            error!(folder = %self.config.folder.display(), %error, "{what}");
        }
        self.is_troubled = true;
    }
}

/// Looks at files where that holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}
