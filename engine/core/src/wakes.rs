//! Events that are due: what was to be raised at its time, and what a message or an answer has raised.

use std::sync::Arc;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::commit::Wake;
use crate::store::StoreError;

/// An event that waits in the store. It is gone when a commit is made because of it ([`crate::store::Cause::Wake`]), in the same
/// transaction: it has its effect once, whatever breaks off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number. A later event may have it again.
    pub number: i64,
    /// The event.
    pub wake: Wake,
}

/// The events that wait.
#[async_trait]
pub trait Wakes: Send + Sync {
    /// Those that are due at `now`, the longest due first; at most `limit`, none of the numbers in `skip`.
    async fn due(&self, now: OffsetDateTime, skip: &[i64], limit: usize) -> Result<Vec<Waiting>, StoreError>;

    /// When the next one after `now` is due.
    async fn next(&self, now: OffsetDateTime) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Told whenever this process has stored one.
    fn raised(&self) -> Arc<Notify>;
}

/// Who acts on events: the business.
#[async_trait]
pub trait Acting: Send + Sync {
    /// Acts on one, and makes it gone by what it commits. An event that nobody knows is made gone too. An error: it stays, and comes
    /// again a while later.
    async fn act(&self, waiting: &Waiting) -> Result<(), ActError>;
}

/// Why an event could not be acted on.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The store could not be read or written.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// What is stored does not fit: a fault of the program or of the data. No content.
    #[error("it cannot be acted on: {0}")]
    Unfit(String),
}
