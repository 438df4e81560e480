//! Who wakes the dispatchers.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use hub_core::cluster::{Cluster, Share, Stand};
use hub_core::id::DestinationId;
use tokio::sync::Notify;

/// Wakes the dispatchers of destinations that are owed something.
#[derive(Clone, Default)]
pub struct Wakers(Arc<RwLock<HashMap<DestinationId, Arc<Notify>>>>, Option<Arc<dyn Cluster>>);

impl Wakers {
    /// One waker a destination.
    pub fn new(destinations: impl IntoIterator<Item = DestinationId>) -> Self {
        let wakers = Self::default();
        wakers.add(destinations);
        wakers
    }

    /// The same, which also tell the nodes that send to destinations in the place of this one.
    #[must_use]
    pub fn telling(self, cluster: Arc<dyn Cluster>) -> Self {
        Self(self.0, Some(cluster))
    }

    /// Tells the node that sends to a destination, where that is not this one.
    fn tell(&self, id: &DestinationId) {
        let share = Share::destination(id);
        if let Some(cluster) = self.1.as_ref().filter(|cluster| cluster.stand(&share) == Stand::Others) {
            cluster.tell(&share);
        }
    }

    /// Wakers of more destinations. Those there are stay as they are.
    pub fn add(&self, destinations: impl IntoIterator<Item = DestinationId>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for id in destinations {
            known.entry(id).or_default();
        }
    }

    /// Forgets a destination.
    pub fn remove(&self, id: &DestinationId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Wakes those of `owed`.
    pub fn wake(&self, owed: &[DestinationId]) {
        if owed.is_empty() {
            return;
        }
        let known = self.known();
        for id in owed {
            self.tell(id);
            if let Some(waker) = known.get(id) {
                waker.notify_one();
            }
        }
    }

    /// Wakes all.
    pub fn wake_all(&self) {
        for (id, waker) in &*self.known() {
            self.tell(id);
            waker.notify_one();
        }
    }

    /// Wakes one that another node has told about.
    pub(crate) fn wake_here(&self, id: &DestinationId) {
        if let Some(waker) = self.known().get(id) {
            waker.notify_one();
        }
    }

    pub(super) fn of(&self, id: &DestinationId) -> Arc<Notify> {
        self.known().get(id).cloned().unwrap_or_default()
    }

    fn known(&self) -> RwLockReadGuard<'_, HashMap<DestinationId, Arc<Notify>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
