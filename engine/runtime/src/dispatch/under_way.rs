//! The parcels that are under way from here, and under which lease each of them is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hub_core::id::ParcelId;
use hub_core::store::Leased;

/// Which parcels are under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<HashMap<ParcelId, u64>>);

impl UnderWay {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
