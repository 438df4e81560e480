//! What a simulator counts and remembers of its run.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// How many ids are remembered: older duplicates are not recognised any more.
const REMEMBERED_IDS: usize = 200_000;
/// How many ids and problems the status shows.
const SHOWN_IDS: usize = 1_000;
const SHOWN_PROBLEMS: usize = 100;

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Messages begun to be sent, each counted once.
    pub sent: u64,
    /// Messages the hub has taken (AA, CA).
    pub acked: u64,
    /// Messages the hub has refused, or said too often that it cannot.
    pub nacked: u64,
    /// Times a message was sent again because no answer came.
    pub resent: u64,
    /// Messages without an answer when the simulator was stopped.
    pub unanswered: u64,
    /// Connections opened.
    pub connections: u64,
    /// Messages received, copies included.
    pub received: u64,
    /// Messages received that were neither copies nor wrong.
    pub accepted: u64,
    /// Copies received of messages accepted before.
    pub duplicates: u64,
    /// Messages received that broke a rule.
    pub invalid: u64,
    /// Times it misbehaved as it was told to.
    pub faults: u64,
}

/// Whether a message is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Seen {
    New,
    Before,
}

#[derive(Default)]
struct Inner {
    report: Report,
    known: HashSet<String>,
    order: VecDeque<String>,
    problems: VecDeque<String>,
}

/// The counts of one simulator. Shared by its tasks.
#[derive(Default)]
pub struct Board(Mutex<Inner>);

impl Board {
    /// Changes the counts.
    pub fn count(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.lock().report);
    }

    /// The counts now.
    pub fn report(&self) -> Report {
        self.lock().report.clone()
    }

    /// Counts a message that holds to the rules, by what makes it the same as another one.
    pub fn accept(&self, id: &str) -> Seen {
        let mut inner = self.lock();
        if inner.known.contains(id) {
            inner.report.duplicates += 1;
            return Seen::Before;
        }
        inner.report.accepted += 1;
        inner.known.insert(id.to_owned());
        inner.order.push_back(id.to_owned());
        if inner.order.len() > REMEMBERED_IDS
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.known.remove(&oldest);
        }
        Seen::New
    }

    /// Counts a message that breaks a rule; `problem` names the place, never the content.
    pub fn reject(&self, problem: &str) {
        let mut inner = self.lock();
        inner.report.invalid += 1;
        inner.problems.push_back(problem.to_owned());
        if inner.problems.len() > SHOWN_PROBLEMS {
            inner.problems.pop_front();
        }
    }

    /// The newest ids accepted, newest first.
    pub fn received_ids(&self) -> Vec<String> {
        self.lock().order.iter().rev().take(SHOWN_IDS).cloned().collect()
    }

    /// What was wrong with the newest messages rejected.
    pub fn problems(&self) -> Vec<String> {
        self.lock().problems.iter().cloned().collect()
    }

    /// Forgets everything.
    pub fn reset(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
