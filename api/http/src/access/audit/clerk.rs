//! Writes events down, many at once, one after the other in a chain.

use std::sync::Arc;

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Resources, StoreError};
use hub_fhir::search;
use hub_fhir::{Json, Object, Resource, ResourceType};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::chain::{Link, Place};
use crate::access::seen::tree_of;

/// So many events are written in one commit.
const AT_ONCE: usize = 256;
/// So many wait; who comes then waits for his turn to wait.
const WAITING: usize = 1_024;

/// An access could not be written down: it is not answered.
#[derive(Debug, Error)]
#[error("the access could not be written down")]
pub(crate) struct NotNoted;

struct Entry {
    event: Object,
    noted: oneshot::Sender<bool>,
}

/// Writes down who accessed what.
#[derive(Clone)]
pub struct Clerk(mpsc::Sender<Entry>);

impl Clerk {
    /// With the work to be done beside; it ends when nobody can hand anything over any more.
    pub fn new(resources: Arc<dyn Resources>) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), write(resources, receiver))
    }

    /// Writes an event down. When this returns, it survives a power cut.
    pub(crate) async fn note(&self, event: Object) -> Result<(), NotNoted> {
        let (noted, answer) = oneshot::channel();
        self.0.send(Entry { event, noted }).await.map_err(|_| NotNoted)?;
        match answer.await {
            Ok(true) => Ok(()),
            _ => Err(NotNoted),
        }
    }
}

async fn write(resources: Arc<dyn Resources>, mut entries: mpsc::Receiver<Entry>) {
    let (mut turn, mut last) = (Vec::with_capacity(AT_ONCE), None);
    while entries.recv_many(&mut turn, AT_ONCE).await > 0 {
        let (events, answers): (Vec<_>, Vec<_>) =
            turn.drain(..).map(|Entry { event, noted }| (event, noted)).unzip();
        let written = append(&*resources, last.take(), events).await;
        let is_written = written.is_ok();
        match written {
            Ok(place) => last = Some(place),
            // Whether it was written nobody knows: a new chain begins.
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "Accesses could not be written down; they are not answered."
            ),
        }
        for noted in answers {
            // Who asked may have left.
            let _ = noted.send(is_written);
        }
    }
}

/// The last place that was written, and the digest of what stands there.
type Last = (Place, Link);

async fn append(
    resources: &dyn Resources,
    last: Option<Last>,
    events: Vec<Object>,
) -> Result<Last, StoreError> {
    let (mut place, mut link) = match last {
        Some((place, link)) => (place, Some(link)),
        None => {
            (Place { chain: Uuid::now_v7().to_string(), number: 0, before: None }, newest(resources).await?)
        }
    };
    let mut changes = Vec::with_capacity(events.len());
    for event in events {
        place = Place { number: place.number + 1, before: link, ..place };
        let mut tree = Object::of([
            ("resourceType", Json::from("AuditEvent")),
            ("id", Json::from(Uuid::now_v7().to_string())),
        ]);
        place.write(&mut tree);
        for (name, value) in event.iter().filter(|(name, _)| *name != "resourceType") {
            tree.put(name, value.clone());
        }
        link = Some(Link::of(&tree));
        let resource = Resource::from_tree(Json::Object(tree));
        changes.push(Change::Put(resource.map_err(|error| StoreError::Invalid { what: error.to_string() })?));
    }
    let commit = Commit { changes, ..Commit::default() };
    resources.commit(Cause::Timer { name: "audit" }, commit).await?;
    let link = link.ok_or_else(|| StoreError::Invalid { what: "no event to write".to_owned() })?;
    Ok((place, link))
}

/// The newest event of all chains.
async fn newest(resources: &dyn Resources) -> Result<Option<Link>, StoreError> {
    let page = resources.search(&events("-_lastUpdated", 1)?).await?;
    Ok(page.matches.first().and_then(tree_of).map(|event| Link::of(&event)))
}

/// A search for events, by time.
pub(super) fn events(sort: &str, count: u32) -> Result<search::Search, StoreError> {
    let unfit = |what: &str| StoreError::Invalid { what: what.to_owned() };
    let kind = ResourceType::from_name("AuditEvent").ok_or_else(|| unfit("there is no AuditEvent"))?;
    let pairs = [("_sort".to_owned(), sort.to_owned()), ("_count".to_owned(), count.to_string())];
    search::parse(kind, &pairs).map_err(|error| unfit(&error.to_string()))
}
