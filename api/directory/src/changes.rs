//! What has changed in the store since it was last asked.

use std::collections::HashSet;

use hub_core::store::{ChangesOf, ChangesQuery, Resources, StoreError};
use hub_fhir::search::Stored;
use hub_fhir::{Reference, ResourceType};
use time::{Duration, OffsetDateTime};

/// Versions may become visible later than their times say: on several nodes, and in transactions that take long.
const OVERLAP: Duration = Duration::seconds(10);
/// Versions that are read at once.
const PAGE: u32 = 500;
/// Of more than these it is not told which they are.
const MOST: usize = 5_000;

/// Follows the changes of a type.
pub(crate) struct Follow {
    kind: ResourceType,
    since: OffsetDateTime,
    known: HashSet<(Reference, u64)>,
}

/// What is new.
pub(crate) enum News {
    /// These versions, deletions among them.
    Some(Vec<Stored>),
    /// Too many to tell.
    Many,
}

impl News {
    /// Whether there is nothing new.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Some(new) if new.is_empty())
    }
}

impl Follow {
    /// Follows a type from now on.
    pub fn new(kind: ResourceType, now: OffsetDateTime) -> Self {
        Self { kind, since: now - OVERLAP, known: HashSet::new() }
    }

    /// What has changed since it was last asked; the first time what is no older than a moment.
    pub async fn news(&mut self, resources: &dyn Resources, now: OffsetDateTime) -> Result<News, StoreError> {
        let (mut new, mut seen, mut after) = (Vec::new(), HashSet::new(), None);
        loop {
            let of = ChangesOf::Type(self.kind);
            let query = ChangesQuery { of, since: Some(self.since), at: None, after, count: PAGE };
            let page = resources.changes(&query).await?;
            after = page.last().map(|(_, place)| *place);
            let is_last = page.len() < PAGE as usize;
            for (stored, _) in page {
                let version = (stored.reference.clone(), stored.version);
                if !self.known.contains(&version) {
                    new.push(stored);
                }
                seen.insert(version);
            }
            if is_last || seen.len() >= MOST {
                break;
            }
        }
        let is_too_many = seen.len() >= MOST;
        (self.since, self.known) = (now - OVERLAP, seen);
        Ok(if is_too_many { News::Many } else { News::Some(new) })
    }
}
