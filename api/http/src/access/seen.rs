//! The FHIR store as one caller sees it: every search is narrowed before it is run, what is read by its address is held against the same
//! rule, and what was seen is noted for the audit.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use hub_core::commit::Commit;
use hub_core::store::{
    Cause, ChangesOf, ChangesQuery, Committed, Resources, Searches, StoreError, VersionPlace,
};
use hub_fhir::parameters::Parameters;
use hub_fhir::search::{Page, Search, Stored};
use hub_fhir::sight::{Sight, patients_of};
use hub_fhir::{Id, Json, Object, Reference, ResourceType, json};

use crate::access::private::{is_open, veil};

/// So many resources are noted by name; of more only the number.
const NOTED: usize = 64;

/// What a caller has seen or written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    /// The patients it was about.
    pub patients: BTreeSet<Reference>,
    /// The first resources.
    pub resources: BTreeSet<Reference>,
    /// How many there were.
    pub count: u64,
}

impl Touched {
    /// Notes what is stored.
    pub fn note_stored(&mut self, stored: &Stored) {
        self.note(&stored.reference, tree_of(stored).as_ref());
    }

    fn note(&mut self, reference: &Reference, tree: Option<&Object>) {
        self.count += 1;
        if self.resources.len() < NOTED {
            self.resources.insert(reference.clone());
        }
        if let Some(tree) = tree {
            self.patients.extend(patients_of(reference, tree));
        }
    }
}

/// The tree of what is stored; a deletion has none.
pub(crate) fn tree_of(stored: &Stored) -> Option<Object> {
    match json::parse(std::str::from_utf8(&stored.body).ok()?).ok()? {
        Json::Object(tree) => Some(tree),
        _ => None,
    }
}

/// The FHIR store as one caller sees it.
pub(crate) struct Seen {
    pub inner: Arc<dyn Resources>,
    /// The caller's account, which the store's own trail names with each commit; `None`: nobody has signed in.
    pub account: Option<Id>,
    pub sight: Sight,
    /// Of doctors only what is public is shown.
    pub is_veiled: bool,
    /// The types that the caller writes.
    pub writes: HashSet<ResourceType>,
    pub touched: Mutex<Touched>,
}

impl Seen {
    /// What has been seen and written through it.
    pub fn touched(&self) -> Touched {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a stored version may be seen; one that may is noted. Of a deletion nobody knows any more whom it was about.
    fn shows(&self, stored: &Stored) -> bool {
        let tree = tree_of(stored);
        let shows = match &tree {
            Some(tree) => self.sight.sees(&stored.reference, tree),
            None => self.sight.sees_all_of(stored.reference.kind),
        };
        if shows {
            let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
            touched.note(&stored.reference, tree.as_ref());
        }
        shows
    }

    /// Stored versions as the caller sees them.
    fn veiled<S: IntoIterator<Item = Stored>>(&self, all: S) -> impl Iterator<Item = Stored> {
        all.into_iter().map(|mut stored| {
            if self.is_veiled {
                veil(&mut stored);
            }
            stored
        })
    }

    /// Whether the resource as it is now may be seen, or can be known to be gone.
    async fn shows_current(&self, reference: &Reference) -> Result<bool, StoreError> {
        if self.sight.sees_all_of(reference.kind) {
            return Ok(true);
        }
        Ok(self.inner.read(reference).await?.is_some_and(|stored| self.shows(&stored)))
    }
}

#[async_trait]
impl Searches for Seen {
    async fn search_across(&self, searches: &[Search]) -> Result<Page, StoreError> {
        if self.is_veiled && !searches.iter().all(is_open) {
            return Err(StoreError::Forbidden);
        }
        let narrowed = searches.iter().filter_map(|search| {
            let mut search = search.clone();
            self.sight.narrow(&mut search).then_some(search)
        });
        let narrowed: Vec<Search> = narrowed.collect();
        if narrowed.is_empty() {
            let wants_total = searches.iter().any(|search| search.total);
            return Ok(Page { total: wants_total.then_some(0), ..Page::default() });
        }
        let mut page = self.inner.search_across(&narrowed).await?;
        page.included.retain(|stored| self.shows(stored));
        // They have been narrowed in the query; here they are noted, and what would slip through is a fault of ours.
        let slipped = page.matches.iter().filter(|stored| !self.shows(stored)).count();
        if slipped > 0 {
            tracing::error!(slipped, "A search found what its caller may not see; it was not answered.");
            return Err(StoreError::Forbidden);
        }
        page.matches = self.veiled(page.matches).collect();
        page.included = self.veiled(page.included).collect();
        Ok(page)
    }

    fn parameters(&self) -> Arc<Parameters> {
        self.inner.parameters()
    }

    async fn unindexed(&self) -> Result<u64, StoreError> {
        self.inner.unindexed().await
    }
}

#[async_trait]
impl Resources for Seen {
    async fn read(&self, reference: &Reference) -> Result<Option<Stored>, StoreError> {
        let found = self.inner.read(reference).await?.filter(|stored| self.shows(stored));
        Ok(self.veiled(found).next())
    }

    async fn vread(&self, reference: &Reference, version: u64) -> Result<Option<Stored>, StoreError> {
        if !self.shows_current(reference).await? {
            return Ok(None);
        }
        let found = self.inner.vread(reference, version).await?.filter(|stored| self.shows(stored));
        Ok(self.veiled(found).next())
    }

    async fn history(
        &self,
        reference: &Reference,
        before: Option<u64>,
        count: u32,
    ) -> Result<Vec<Stored>, StoreError> {
        if !self.shows_current(reference).await? {
            return Ok(Vec::new());
        }
        let mut versions = self.inner.history(reference, before, count).await?;
        versions.retain(|stored| self.shows(stored));
        Ok(self.veiled(versions).collect())
    }

    async fn changes(&self, query: &ChangesQuery) -> Result<Vec<(Stored, VersionPlace)>, StoreError> {
        let may = match &query.of {
            ChangesOf::Resource(reference) => {
                if !self.shows_current(reference).await? {
                    return Ok(Vec::new());
                }
                true
            }
            ChangesOf::Type(kind) => self.sight.sees_all_of(*kind),
            ChangesOf::All => self.sight.is_everything(),
        };
        if !may {
            return Err(StoreError::Forbidden);
        }
        let mut changes = self.inner.changes(query).await?;
        changes.retain(|(stored, _)| self.shows(stored));
        let (versions, places): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
        Ok(self.veiled(versions).zip(places).collect())
    }

    async fn commit(&self, cause: Cause, commit: Commit) -> Result<Committed, StoreError> {
        if commit.changes.iter().any(|change| !self.writes.contains(&change.reference().kind)) {
            return Err(StoreError::Forbidden);
        }
        let mut touched = self.touched();
        for change in &commit.changes {
            touched.note(&change.reference(), change.resource().map(hub_fhir::Resource::tree));
        }
        let cause = match (cause, &self.account) {
            (Cause::Command { request, .. }, Some(account)) => {
                Cause::Command { user: account.to_string(), request }
            }
            (cause, _) => cause,
        };
        let committed = self.inner.commit(cause, commit).await?;
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = touched;
        Ok(committed)
    }
}
