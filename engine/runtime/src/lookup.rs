//! Answers what a mapping must know of the store before it runs.

use hub_core::store::{Searches, StoreError};
use hub_fhir::ResourceType;
use hub_fhir::search::{Search, SearchError, parse};
use hub_mapping::{Found, Need};
use thiserror::Error;

/// Two hits are enough to know that it cannot be told which one is meant.
const ENOUGH: u32 = 2;

/// Why the store could not be asked.
#[derive(Debug, Error)]
pub enum LookupError {
    /// A value of the message is none that can be searched for.
    #[error("{0} cannot be looked up: {1}")]
    Search(ResourceType, SearchError),
    /// The store does not answer.
    #[error(transparent)]
    Store(StoreError),
}

/// Asks the store, and keeps the answers.
pub async fn look_up(resources: &dyn Searches, needs: &[Need], found: &mut Found) -> Result<(), LookupError> {
    for need in needs {
        let query: Vec<(String, String)> =
            need.criteria.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let search = parse(need.kind, &query).map_err(|error| LookupError::Search(need.kind, error))?;
        let page = resources.search(&Search { count: ENOUGH, ..search }).await.map_err(LookupError::Store)?;
        let ids = page.matches.into_iter().map(|stored| stored.reference.id).collect();
        found.put(need.clone(), ids);
    }
    Ok(())
}
