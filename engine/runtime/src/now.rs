//! A part of a running channel in whose place a deployment can put another one.

use std::sync::{Arc, PoisonError, RwLock};

/// What it is now. Clones are the same place.
pub struct Now<T>(Arc<RwLock<Arc<T>>>);

impl<T> Now<T> {
    /// A place that holds `first`.
    pub fn new(first: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(first))))
    }

    /// What is there now. Whoever holds it keeps it, also when another one is put there.
    pub fn get(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another one there.
    pub fn put(&self, next: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }
}

impl<T> Clone for Now<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
