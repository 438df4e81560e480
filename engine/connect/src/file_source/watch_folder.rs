//! Looks at a folder again and again: what has settled is read, handed over and put away, one file after the other.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use hub_core::attachment::Slip;
use hub_core::envelope::{Label, Peer};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{DedupeKey, Digest};
use hub_core::source::{Acknowledge, Inbound, Intake, Outcome, Receipt, Refusal};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use super::FileSourceConfig;
use super::attach::{media_type_of, stow};
use super::folder::{Content, Stamp, list, read};
use super::pattern::NamePattern;
use super::put_away::{PutAway, put_away};
use crate::trouble::Trouble;

/// A folder under watch.
pub(super) struct Watch {
    config: FileSourceConfig,
    pattern: NamePattern,
    intake: Intake,
    seen: HashMap<String, Seen>,
    trouble: Trouble,
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
        let trouble = Trouble::new(config.folder.display().to_string());
        Self { config, pattern, intake, seen: HashMap::new(), trouble }
    }

    /// Looks once.
    pub async fn look(&mut self, stop: &watch::Receiver<bool>) {
        self.take_files(stop).await;
        self.trouble.looked();
    }

    /// A file that has not settled holds up those after it, so that the order of names is kept.
    async fn take_files(&mut self, stop: &watch::Receiver<bool>) {
        let (folder, pattern) = (self.config.folder.clone(), self.pattern.clone());
        let files = match blocking(move || list(&folder, &pattern)).await {
            Ok(files) => files,
            Err(error) => {
                return self.is_wrong("The folder cannot be looked at; it will be tried again.", &error);
            }
        };
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
            self.move_away(name, stamp, into, number).await;
        }
    }

    /// Reads a file and hands it over.
    async fn take(&mut self, name: &str, stamp: Stamp) -> Taken {
        let read = if self.intake.attaches() && stamp.size <= self.config.max_file_bytes as u64 {
            self.stow(name, stamp).await
        } else {
            self.read(name, stamp).await
        };
        let content = match read {
            Ok(content) => content,
            // The partner has taken it back.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Taken::NotNow,
            Err(error) => {
                self.is_wrong("A file cannot be read; it and those after it wait.", &error);
                return Taken::NotNow;
            }
        };
        let (bytes, attachment, unreadable) = match content {
            Content::Whole(bytes) => (bytes, None, None),
            Content::Stowed(stowed) => (Slip::of(&stowed, Some(name)).to_bytes(), Some(*stowed), None),
            Content::Changed => return Taken::NotNow,
            Content::TooLarge(most) => {
                let reason = format!("the file has {} bytes; {most} are taken at the most", stamp.size);
                let fault = Fault { step: FaultStep::Parse, place: None, rule: None, reason };
                (Bytes::new(), None, Some(fault))
            }
        };
        // The name may name a patient: neither key nor label shows it.
        let digest = attachment.as_ref().map_or_else(|| Digest::of(&bytes), |stowed| stowed.content.digest());
        let is_known_by = format!("{name}|{}|{}|{digest:?}", stamp.size, nanoseconds(stamp.written));
        let dedupe = DedupeKey(format_compact!("{:?}", Digest::of(is_known_by.as_bytes())));
        let label = Label {
            message_type: self.config.message_type.as_deref().map(CompactString::new),
            control_id: unreadable.is_none().then(|| format_compact!("{digest:?}")),
            sender: None,
        };
        let inbound = Inbound { bytes, attachment, dedupe, label, peer: Peer::default(), unreadable };
        self.judge(inbound).await
    }

    async fn read(&self, name: &str, stamp: Stamp) -> std::io::Result<Content> {
        let (path, most) = (self.config.folder.join(name), self.config.max_file_bytes);
        blocking(move || read(&path, stamp, most)).await
    }

    async fn stow(&self, name: &str, stamp: Stamp) -> std::io::Result<Content> {
        let named = self.config.content_type.as_deref();
        let media_type = named.unwrap_or_else(|| media_type_of(name));
        stow(&self.config.folder.join(name), stamp, &self.intake, media_type).await
    }

    async fn judge(&mut self, inbound: Inbound) -> Taken {
        let key = inbound.dedupe.clone();
        let (id, is_known) = match self.intake.accept(inbound).await {
            Receipt::Accepted(id) => (id, false),
            Receipt::Duplicate(id) => (id, true),
            Receipt::Refused(_, Refusal::Busy) => {
                debug!("The hub is busy; the files wait.");
                return Taken::NotNow;
            }
            Receipt::Refused(id, refusal) => {
                warn!(message_id = id.map(tracing::field::display), error = %refusal, "A file was refused.");
                let number = id.map_or_else(|| key.to_string(), |id| id.to_string());
                return Taken::To(self.config.failed.clone(), number);
            }
        };
        let on_received = self.intake.acknowledge() == Acknowledge::OnReceived;
        if on_received && !is_known {
            return Taken::To(self.config.done.clone(), id.to_string());
        }
        // What is known may have been refused before the hub died: only its outcome tells.
        let wait = Duration::from_secs(self.config.answer_secs);
        match timeout(wait, self.intake.outcome(id)).await {
            Ok(Some(outcome)) => Taken::To(self.folder_of(&outcome), id.to_string()),
            // It was not refused, and it is safe.
            Err(_) if on_received => Taken::To(self.config.done.clone(), id.to_string()),
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
    async fn move_away(&mut self, name: String, stamp: Stamp, into: PathBuf, number: String) {
        let (path, target) = (self.config.folder.join(&name), into.clone());
        let (called, told) = (name.clone(), number.clone());
        match blocking(move || put_away(&path, stamp, &target, &called, &told)).await {
            Ok(PutAway::Moved) => {
                self.seen.remove(&name);
            }
            Ok(PutAway::Changed) => {
                debug!("Another file took the place of one that was taken; it is read in its turn.");
                self.seen.remove(&name);
            }
            Err(error) => {
                self.is_wrong("A file that was taken cannot be moved away; it will be tried again.", &error);
                if let Some(seen) = self.seen.get_mut(&name) {
                    seen.taken = Some((into, number));
                }
            }
        }
    }

    fn is_wrong(&mut self, what: &'static str, error: &std::io::Error) {
        self.trouble.is(what, error);
    }
}

/// When a file was written, as a number: 0 where the file system does not say.
fn nanoseconds(written: Option<SystemTime>) -> u128 {
    let since = written.and_then(|written| written.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos())
}

/// Looks at files where that holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}
