//! Every call in the order it came: what a test holds against "asked first, and then never twice".

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::mischief::Mischief;

/// Older ones are forgotten.
const REMEMBERED: usize = 10_000;

/// A call that could be read, without its content.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// The hospital's time.
    pub(super) at: String,
    pub(super) function: String,
    pub(super) trans_seq: String,
    /// What was answered, or would have been; nothing where it was not done.
    pub(super) code: Option<String>,
    pub(super) fault: Option<Mischief>,
}

/// The calls of a run.
#[derive(Default)]
pub(super) struct Calls(Mutex<VecDeque<Record>>);

impl Calls {
    /// Adds one.
    pub(super) fn add(&self, record: Record) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push_back(record);
        if calls.len() > REMEMBERED {
            calls.pop_front();
        }
    }

    /// All of them, oldest first.
    pub(super) fn all(&self) -> Vec<Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Forgets them.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
