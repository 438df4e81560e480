//! What the hub was told to run, and when: every set of files ever deployed, with who, when, why and how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::store::StoreError;

/// The deployments of a hub, kept for ever. A text that several have in common is kept once.
#[async_trait]
pub trait Deployments: Send + Sync {
    /// Begins a deployment: its files are kept, and it has the next number, counted from 1. When this returns, it survives a power
    /// cut; until [`Deployments::finish`] it is known as under way.
    async fn record(&self, deployment: NewDeployment) -> Result<u64, StoreError>;

    /// Says how a deployment has ended. One that has ended already stays as it is: then `false`.
    async fn finish(&self, number: u64, end: DeploymentEnd) -> Result<bool, StoreError>;

    /// Deployments without their files, newest first: those before the number `before`, at most `limit`.
    async fn list(&self, before: Option<u64>, limit: u32) -> Result<Vec<DeploymentRow>, StoreError>;

    /// One deployment whole; `None`: there is no such number.
    async fn read(&self, number: u64) -> Result<Option<Deployment>, StoreError>;

    /// The newest deployment that was applied: what the hub runs, or ran when it was last up.
    async fn applied(&self) -> Result<Option<Deployment>, StoreError>;

    /// The texts with these digests. One that is not kept is left out.
    async fn texts(&self, digests: &BTreeSet<TextDigest>)
    -> Result<BTreeMap<TextDigest, String>, StoreError>;
}

/// The SHA-256 of a file's text: two files with the same one are the same, to the byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextDigest(pub [u8; 32]);

impl TextDigest {
    /// The digest of `text`.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Display for TextDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TextDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextDigest({self})")
    }
}

/// A text that is not the digest of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct NoDigest;

impl FromStr for TextDigest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NoDigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: u8| char::from(at).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return Err(NoDigest) };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

/// The files of a deployment by their paths below the project's root, with `/`: `channels/his/adt.toml`.
pub type Files<T> = BTreeMap<String, T>;

/// A deployment that begins.
#[derive(Clone)]
pub struct NewDeployment {
    /// When.
    pub at: OffsetDateTime,
    /// Who wants it.
    pub who: String,
    /// Why, in their words; empty when nobody said.
    pub why: String,
    /// Which node of those that share the store.
    pub node: String,
    /// What sort it is.
    pub kind: DeploymentKind,
    /// The exact text of every file.
    pub files: Files<String>,
}

impl fmt::Debug for NewDeployment {
    /// Without the texts of its files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewDeployment({}, {} files)", self.kind, self.files.len())
    }
}

/// What sort of deployment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeploymentKind {
    /// The files were other ones when the hub started.
    Start,
    /// The running hub was told to read its files again.
    Deploy,
    /// The running hub was put back to the files of an earlier deployment.
    Rollback {
        /// Which.
        to: u64,
    },
    /// What stood in the folder when a roll-back replaced it: kept, never run.
    Kept,
}

impl DeploymentKind {
    /// Its name: `rollback`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Deploy => "deploy",
            Self::Rollback { .. } => "rollback",
            Self::Kept => "kept",
        }
    }

    /// The earlier deployment whose files it has.
    pub fn to(self) -> Option<u64> {
        match self {
            Self::Rollback { to } => Some(to),
            Self::Start | Self::Deploy | Self::Kept => None,
        }
    }

    /// The sort of this name; a roll-back goes `to` an earlier one.
    pub fn from_name(name: &str, to: Option<u64>) -> Option<Self> {
        match (name, to) {
            ("start", None) => Some(Self::Start),
            ("deploy", None) => Some(Self::Deploy),
            ("kept", None) => Some(Self::Kept),
            ("rollback", Some(to)) => Some(Self::Rollback { to }),
            _ => None,
        }
    }
}

impl fmt::Display for DeploymentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rollback { to } => write!(f, "rollback to {to}"),
            other => f.write_str(other.name()),
        }
    }
}

/// How a deployment has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentEnd {
    /// When.
    pub at: OffsetDateTime,
    /// How.
    pub result: DeploymentResult,
}

/// What became of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentResult {
    /// The hub runs it, or ran it until the next one.
    Applied,
    /// The hub went on with what it ran before.
    Failed {
        /// Why. Holds no content of messages.
        reason: String,
    },
    /// It was never meant to run: see [`DeploymentKind::Kept`].
    Kept,
}

impl DeploymentResult {
    /// Its name: `applied`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failed { .. } => "failed",
            Self::Kept => "kept",
        }
    }

    /// Why it failed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason } => Some(reason),
            Self::Applied | Self::Kept => None,
        }
    }

    /// The result of this name; a failure has its reason.
    pub fn from_name(name: &str, reason: Option<String>) -> Option<Self> {
        match (name, reason) {
            ("applied", None) => Some(Self::Applied),
            ("kept", None) => Some(Self::Kept),
            ("failed", Some(reason)) => Some(Self::Failed { reason }),
            _ => None,
        }
    }
}

/// A deployment without its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRow {
    /// Its number: the first is 1.
    pub number: u64,
    /// When it began.
    pub at: OffsetDateTime,
    /// Who wanted it.
    pub who: String,
    /// Why; empty when nobody said.
    pub why: String,
    /// The node that it was made on.
    pub node: String,
    /// What sort it is.
    pub kind: DeploymentKind,
    /// How it ended; `None` while it is under way.
    pub end: Option<DeploymentEnd>,
    /// How many files it has.
    pub files: u64,
}

/// A deployment and which text each of its files has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The row.
    pub row: DeploymentRow,
    /// The digest of each file's text.
    pub files: Files<TextDigest>,
}

/// The digest of each file.
pub fn digests(files: &Files<String>) -> Files<TextDigest> {
    files.iter().map(|(path, text)| (path.clone(), TextDigest::of(text))).collect()
}

/// How a file differs between two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FileChange {
    Added,
    Changed,
    Removed,
}

impl FileChange {
    /// Its name: `added`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// The files that differ, by path.
pub fn compare<T: PartialEq>(old: &Files<T>, new: &Files<T>) -> Files<FileChange> {
    let removed = old.keys().filter(|path| !new.contains_key(*path)).map(|path| (path, FileChange::Removed));
    let other = new.iter().filter_map(|(path, text)| match old.get(path) {
        None => Some((path, FileChange::Added)),
        Some(before) if before != text => Some((path, FileChange::Changed)),
        Some(_) => None,
    });
    removed.chain(other).map(|(path, change)| (path.clone(), change)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = TextDigest::of("abc");
        let text = digest.to_string();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(text.parse(), Ok(digest));
        for wrong in ["", "ba", &text[1..], &text.replace('b', "g"), &text.replace("ba", "é")] {
            assert_eq!(wrong.parse::<TextDigest>(), Err(NoDigest), "{wrong}");
        }
    }

    #[test]
    fn sorts_and_results_are_read_as_they_are_written() {
        for kind in [
            DeploymentKind::Start,
            DeploymentKind::Deploy,
            DeploymentKind::Rollback { to: 3 },
            DeploymentKind::Kept,
        ] {
            assert_eq!(DeploymentKind::from_name(kind.name(), kind.to()), Some(kind));
        }
        assert_eq!(DeploymentKind::from_name("rollback", None), None);
        for result in [
            DeploymentResult::Applied,
            DeploymentResult::Failed { reason: "x".to_owned() },
            DeploymentResult::Kept,
        ] {
            let read = DeploymentResult::from_name(result.name(), result.reason().map(str::to_owned));
            assert_eq!(read, Some(result));
        }
    }

    #[test]
    fn files_that_differ_are_told_with_how() {
        let files = |pairs: &[(&str, &str)]| -> Files<String> {
            pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
        };
        let old = files(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let new = files(&[("b", "2"), ("c", "1"), ("d", "1")]);
        let told: Vec<(String, FileChange)> = compare(&old, &new).into_iter().collect();
        let expected = [("a", FileChange::Removed), ("b", FileChange::Changed), ("d", FileChange::Added)];
        assert_eq!(told, expected.map(|(path, change)| (path.to_owned(), change)));
    }
}
