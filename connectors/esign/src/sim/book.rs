//! What the service keeps: documents, tasks, and the evidence of each signature.

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde::Serialize;
use sim_kit::dice::Dice;
use time::OffsetDateTime;

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Standing {
    Open,
    Signed,
    Refused,
    Expired,
}

/// What proves a signature: kept, shown to nobody but who asks with the number of the task.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Evidence {
    pub evidence_no: String,
    /// How it was made sure who signs: `SMS 8F3A`.
    pub identity_check: String,
    pub handwriting_hash: String,
    pub strokes_hash: String,
    pub ip: String,
    pub device: String,
    pub signed_at: String,
    pub cert_sn: String,
    pub file_id: String,
    pub file_hash: String,
}

/// A document that somebody shall sign. No `Debug`.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    pub task_id: String,
    pub biz_id: String,
    /// Type, number, version, signer: what makes it this task.
    #[serde(skip)]
    pub names: [String; 4],
    #[serde(rename = "status")]
    pub standing: Standing,
    #[serde(skip)]
    pub signer: String,
    #[serde(skip)]
    pub document: String,
    pub document_hash: String,
    #[serde(skip)]
    pub expires: OffsetDateTime,
    #[serde(flatten)]
    pub evidence: Option<Evidence>,
}

/// Everything the service keeps.
pub(super) struct Book {
    seed: u64,
    given: u64,
    pub files: BTreeMap<String, Bytes>,
    pub tasks: BTreeMap<String, Task>,
    /// What was sealed: the sealed document by the hash of the one before and the seal.
    pub sealed: BTreeMap<(String, String), (String, String)>,
    /// Certificates that hold no more, by their number, and since when.
    pub revoked: BTreeMap<String, OffsetDateTime>,
}

impl Book {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            given: 0,
            files: BTreeMap::new(),
            tasks: BTreeMap::new(),
            sealed: BTreeMap::new(),
            revoked: BTreeMap::new(),
        }
    }

    /// The next number of its kind: `T0001...`.
    pub fn number(&mut self, kind: &str) -> String {
        self.given += 1;
        format!("{kind}{:04}{}", self.given, Dice::new(self.seed, kind, self.given).digits(12))
    }

    /// The number of the next certificate.
    pub fn serial(&mut self) -> u64 {
        self.given += 1;
        (Dice::new(self.seed, "certificate", self.given).roll() >> 1) | 1 << 60
    }

    /// Keeps a document.
    pub fn keep(&mut self, bytes: Bytes) -> String {
        let id = self.number("F");
        self.files.insert(id.clone(), bytes);
        id
    }

    /// A task as it stands now.
    pub fn task(&mut self, id: &str, now: OffsetDateTime) -> Option<&mut Task> {
        let task = self.tasks.get_mut(id)?;
        if task.standing == Standing::Open && now >= task.expires {
            task.standing = Standing::Expired;
        }
        Some(task)
    }

    /// The task of these names.
    pub fn named(&mut self, names: &[String; 4], now: OffsetDateTime) -> Option<&mut Task> {
        let id = self.tasks.values().find(|task| task.names == *names)?.task_id.clone();
        self.task(&id, now)
    }
}
