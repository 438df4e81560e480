//! Looks whether something of a type has changed: once for all who follow it, at whatever node it was written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hub_core::store::{ChangesOf, ChangesQuery, Resources, StoreError, VersionPlace};
use hub_fhir::ResourceType;
use tokio::sync::watch;
use tokio::time::sleep;

/// How often it is looked. Whoever sits at a desk is to see what is new within three seconds (EX-4).
const EVERY: Duration = Duration::from_millis(500);

type Newest = Option<VersionPlace>;

/// Looks for all.
#[derive(Clone)]
pub(super) struct Watch {
    resources: Arc<dyn Resources>,
    followed: Arc<Mutex<HashMap<ResourceType, watch::Sender<Newest>>>>,
}

impl Watch {
    pub fn new(resources: Arc<dyn Resources>) -> Self {
        Self { resources, followed: Arc::default() }
    }

    /// Tells the place of the newest version of a type, now and whenever there is a newer one.
    pub async fn follow(&self, kind: ResourceType) -> Result<watch::Receiver<Newest>, StoreError> {
        let newest = newest(&*self.resources, kind).await?;
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = followed.get(&kind) {
            return Ok(known.subscribe());
        }
        let (sender, receiver) = watch::channel(newest);
        followed.insert(kind, sender);
        let looking = self.clone();
        tokio::spawn(async move { looking.look(kind).await });
        Ok(receiver)
    }

    /// Looks until nobody follows any more.
    async fn look(&self, kind: ResourceType) {
        loop {
            sleep(EVERY).await;
            let found = newest(&*self.resources, kind).await;
            let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(sender) = followed.get(&kind).filter(|sender| sender.receiver_count() > 0) else {
                followed.remove(&kind);
                return;
            };
            match found {
                Ok(found) => {
                    sender.send_if_modified(|known| std::mem::replace(known, found) != found);
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(
                        error,
                        "What has changed could not be looked for; it will be tried again."
                    );
                }
            }
        }
    }
}

async fn newest(resources: &dyn Resources, kind: ResourceType) -> Result<Newest, StoreError> {
    let query = ChangesQuery { of: ChangesOf::Type(kind), since: None, at: None, after: None, count: 1 };
    Ok(resources.changes(&query).await?.first().map(|(_, place)| *place))
}
