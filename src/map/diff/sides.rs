//! One message on both sides: what the old mapping made of it, or what is stored, and what the new one makes.

use hub_core::fault::Fault;
use hub_core::store::StateName;
use hub_store::{Archive, Past};

use super::tally::Seen;
use crate::map::compare::{Difference, made, trees};
use crate::map::facts::Facts;
use crate::map::lookup::{Answers, Asked};
use crate::map::route::{Made, Read};
use crate::map::subject::Subject;

/// Threads that map a page together, at most.
const MOST_THREADS: usize = 8;

/// Both sides.
pub struct Sides {
    /// `None`: it is compared with what is stored.
    old: Option<Subject>,
    new: Subject,
    /// Both read bytes alike, so that a message is parsed once.
    read_alike: bool,
    /// Old and new alike look things up in what the store holds now.
    answers: Answers,
}

/// What a message gave.
pub struct Outcome {
    old: Option<Result<Made, Fault>>,
    new: Result<Made, Fault>,
}

impl Sides {
    /// Two mappings, or one and the store.
    pub fn new(old: Option<Subject>, new: Subject, answers: Answers) -> Self {
        let read_alike = old.as_ref().is_some_and(|old| {
            // What reads resources is read through a mapping, which may itself have changed.
            let direct = old.upstream.is_none() && new.upstream.is_none();
            let (old, new) = (&old.mapping, &new.mapping);
            direct && old.from() == new.from() && old.source_layout() == new.source_layout()
        });
        Self { old, new, read_alike, answers }
    }

    /// Maps messages on all processors, and gives them back in their order.
    pub fn map_all(&self, messages: Vec<Past>) -> Vec<(Past, Outcome)> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let share = messages.len().div_ceil(threads).max(1);
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(messages.len());
        std::thread::scope(|scope| {
            let shares = messages.chunks(share);
            let working: Vec<_> = shares
                .map(|messages| {
                    scope.spawn(|| messages.iter().map(|past| self.map(past)).collect::<Vec<_>>())
                })
                .collect();
            for thread in working {
                match thread.join() {
                    Ok(done) => outcomes.extend(done),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        messages.into_iter().zip(outcomes).collect()
    }

    fn map(&self, past: &Past) -> Outcome {
        let (answers, mut asked) = (&self.answers, Vec::new());
        let facts = Facts::Came { id: past.id, received_at: past.received_at };
        let read = self.new.read(&past.bytes, facts, answers, &mut asked);
        let new = run(&self.new, &read, facts, answers, &mut asked);
        let old = self.old.as_ref().map(|old| match self.read_alike {
            true => run(old, &read, facts, answers, &mut asked),
            false => {
                let read = old.read(&past.bytes, facts, answers, &mut asked);
                run(old, &read, facts, answers, &mut asked)
            }
        });
        Outcome { old, new }
    }

    /// Compares the two sides of a message.
    pub async fn settle(&self, past: &Past, outcome: Outcome, archive: &Archive) -> anyhow::Result<Seen> {
        let Some(old) = outcome.old else { return with_store(past, outcome.new, archive).await };
        Ok(match (old, outcome.new) {
            (Ok(old), Ok(new)) => seen(made(&old, &new)),
            (Ok(_), Err(fault)) => Seen::NewlyFailing(fault),
            (Err(fault), Ok(_)) => Seen::NewlyPassing(Some(fault)),
            (Err(_), Err(fault)) => Seen::StillFailing(fault),
        })
    }
}

fn seen(differences: Vec<Difference>) -> Seen {
    if differences.is_empty() { Seen::Unchanged } else { Seen::Changed(differences) }
}

fn run(
    subject: &Subject,
    read: &Result<Read, Fault>,
    facts: Facts,
    answers: &Answers,
    asked: &mut Vec<Asked>,
) -> Result<Made, Fault> {
    let read = read.as_ref().map_err(Clone::clone)?;
    subject.make(&*read.document, facts, answers, asked)
}

/// What a replay of the message would change of what is stored now.
async fn with_store(past: &Past, new: Result<Made, Fault>, archive: &Archive) -> anyhow::Result<Seen> {
    let failed_before = past.state == StateName::Quarantined;
    let changes = match new {
        Err(fault) if failed_before => return Ok(Seen::StillFailing(fault)),
        Err(fault) => return Ok(Seen::NewlyFailing(fault)),
        Ok(_) if failed_before => return Ok(Seen::NewlyPassing(None)),
        Ok(made) => made.changes,
    };
    let mut found = Vec::new();
    for change in &changes {
        let Some(resource) = change.resource() else { continue };
        let stored = archive.resource(&change.reference()).await?;
        let Some(after) = change.onto(stored.as_ref()) else { continue };
        let before = stored.unwrap_or_default();
        let kind = resource.kind().to_string();
        let differences = trees(&kind, &kind, &before, &after);
        // Of a resource the store counts the versions itself.
        found.extend(
            differences
                .into_iter()
                .filter(|one| !matches!(&*one.path, "meta.versionId" | "meta.lastUpdated")),
        );
    }
    Ok(seen(found))
}
