//! Keeps the directory as the store has it, and asks it.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Resources, StoreError};
use hub_fhir::{Object, Reference, ResourceType};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::changes::Follow;
use crate::definition::definition;
use crate::free::Finder;
use crate::index::{Found, FreeSlots, Index, Query};
use crate::pages::{Pages, tree};

/// How often it is looked whether something has changed: what has is told within five seconds.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long it waits when the store fails.
const PAUSE: Duration = Duration::from_secs(5);
/// Resources that are read at once.
const PAGE: &str = "500";
/// What the directory is made of.
const MADE_OF: [&str; 3] = ["PractitionerRole", "Practitioner", "Organization"];

/// What the time is.
pub type Now = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;
/// From when to when a slot must begin to be bookable at a time (BK-1).
pub type Bookable = Arc<dyn Fn(OffsetDateTime) -> Range<OffsetDateTime> + Send + Sync>;

/// The directory of doctors, as it is now.
pub struct Directory {
    now: Now,
    bookable: Bookable,
    index: RwLock<Option<Arc<Index>>>,
    free: RwLock<Arc<FreeSlots>>,
}

impl Directory {
    /// A directory that nothing is known in yet.
    pub fn new(now: Now, bookable: Bookable) -> Self {
        Self { now, bookable, index: RwLock::default(), free: RwLock::default() }
    }

    /// Finds doctors; `None` while the directory has not been read yet.
    pub fn find(&self, query: &Query) -> Option<Found> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let free = self.free.read().unwrap_or_else(PoisonError::into_inner).clone();
        let now = (self.now)();
        Some(index.find(query, &free, now, &(self.bookable)(now)))
    }

    /// Whoever is in it, by the Practitioners' ids.
    fn doctors(&self) -> Option<BTreeSet<hub_fhir::Id>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        Some(index.as_ref()?.doctors().iter().map(|doctor| doctor.id.clone()).collect())
    }

    fn set_index(&self, index: Index) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
    }

    fn set_free(&self, free: FreeSlots) {
        *self.free.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(free);
    }
}

/// Fills a directory from the store and keeps it fresh. Each node of a cluster has its own.
pub struct Keeper {
    /// What is kept.
    pub directory: Arc<Directory>,
    /// Where it comes from.
    pub resources: Arc<dyn Resources>,
    /// Whether the OperationDefinition is published.
    pub publishes: bool,
}

impl Keeper {
    /// Keeps it fresh until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            _ = self.keep_doctors() => {}
            _ = self.keep_free() => {}
            () = self.publish() => {}
        }
    }

    async fn keep_doctors(&self) -> Option<()> {
        let kinds = MADE_OF.map(ResourceType::from_name);
        let begun = (self.directory.now)();
        let mut follows: Vec<Follow> =
            kinds.into_iter().flatten().map(|kind| Follow::new(kind, begun)).collect();
        let mut is_old = true;
        loop {
            for follow in &mut follows {
                let news = follow.news(&*self.resources, (self.directory.now)()).await;
                // What cannot be found out now may have changed.
                is_old |= !news.is_ok_and(|news| news.is_none());
            }
            if is_old {
                match self.read_all().await {
                    Ok(index) => {
                        self.directory.set_index(index);
                        is_old = false;
                    }
                    Err(error) => failed(&error).await,
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn keep_free(&self) -> Option<()> {
        let mut finder = Finder::new((self.directory.now)())?;
        loop {
            sleep(LOOK_EVERY).await;
            let Some(doctors) = self.directory.doctors() else { continue };
            let now = (self.directory.now)();
            let from = (self.directory.bookable)(now).start;
            match finder.look(&*self.resources, &doctors, now, from).await {
                Ok(free) => self.directory.set_free(free),
                Err(error) => failed(&error).await,
            }
        }
    }

    /// All doctors, page by page.
    async fn read_all(&self) -> Result<Index, StoreError> {
        let [roles, practitioners, organizations] = MADE_OF;
        let mut known: HashMap<Reference, Arc<Object>> = HashMap::new();
        for kind in [practitioners, organizations] {
            known.extend(
                self.read(kind).await?.into_iter().map(|(reference, tree)| (reference, Arc::new(tree))),
            );
        }
        let roles = self.read(roles).await?;
        // Spelling some thousand doctors takes longer than others should wait.
        let made =
            tokio::task::spawn_blocking(move || Index::of(roles.into_iter().map(|(_, role)| role), &known));
        made.await.map_err(|fault| StoreError::Unavailable(fault.into()))
    }

    async fn read(&self, kind: &str) -> Result<Vec<(Reference, Object)>, StoreError> {
        let Some(kind) = ResourceType::from_name(kind) else { return Ok(Vec::new()) };
        let mut pages = Pages::of(&*self.resources, kind, &[("_count", PAGE), ("_sort", "_id")])?;
        let mut all = Vec::new();
        while let Some(page) = pages.next().await? {
            all.extend(page.iter().filter_map(|stored| Some((stored.reference.clone(), tree(stored)?))));
        }
        Ok(all)
    }

    /// Publishes the operation, as soon as the store takes it; then does nothing more.
    async fn publish(&self) {
        while let Some(definition) = definition().ok().filter(|_| self.publishes) {
            let commit = Commit { changes: vec![Change::Put(definition)], ..Commit::default() };
            match self.resources.commit(Cause::Timer { name: "operations" }, commit).await {
                Ok(_) => break,
                Err(error) => failed(&error).await,
            }
        }
        std::future::pending().await
    }
}

async fn failed(error: &StoreError) {
    tell(error);
    sleep(PAUSE).await;
}

fn tell(error: &StoreError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "The directory of doctors cannot be read or published; it will be tried again.");
}
