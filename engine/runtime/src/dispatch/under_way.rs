//! The parcels that are under way from here, under which lease each of them is, and how many of them the partner has at present.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_core::id::ParcelId;
use hub_core::store::Leased;

/// Which parcels are under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    tokens: Mutex<HashMap<ParcelId, u64>>,
    /// So many are being handed over. The others are handed over, and what came of it is being written down.
    sending: Arc<AtomicUsize>,
}

/// Counts as being handed over while it lives.
#[derive(Debug)]
pub(super) struct Sending(Arc<AtomicUsize>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl UnderWay {
    /// One more is handed over.
    pub fn send(&self) -> Sending {
        self.sending.fetch_add(1, Ordering::AcqRel);
        Sending(Arc::clone(&self.sending))
    }

    /// How many are being handed over.
    pub fn sending(&self) -> usize {
        self.sending.load(Ordering::Acquire)
    }

    /// A parcel sets out. `false` when it is under way already: its lease has run out meanwhile, as when a clock was set, and
    /// the try that is under way is settled under the new one.
    pub fn begin(&self, leased: &Leased) -> bool {
        self.tokens().insert(leased.parcel.id, leased.token).is_none()
    }

    /// The parcel under the lease that counts now.
    pub fn newest(&self, leased: &Leased) -> Leased {
        let token = self.tokens().get(&leased.parcel.id).copied().unwrap_or(leased.token);
        Leased { token, ..leased.clone() }
    }

    /// It has been settled.
    pub fn end(&self, id: ParcelId) {
        self.tokens().remove(&id);
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<ParcelId, u64>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
