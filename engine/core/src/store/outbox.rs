//! The door to the parcels owed.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;

use super::StoreError;
use crate::commit::{Commit, Parcel};
use crate::destination::{Delivered, DeliveryError};
use crate::id::{DestinationId, ParcelId};

/// The durable queue of parcels owed.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes parcels that are due, oldest first, at most one per order key, never one whose key has an earlier
    /// parcel still owed. A lease that is not settled within `hold` is given out again.
    async fn lease(
        &self,
        to: &DestinationId,
        limit: usize,
        hold: Duration,
    ) -> Result<Vec<Leased>, StoreError>;

    /// Ends a lease. A lease that has been given out again cannot be settled: then `false`.
    async fn settle(&self, leased: &Leased, settlement: Settlement) -> Result<bool, StoreError>;

    /// What became of a parcel, and what the peer answered where it was delivered. `None`: there is no such parcel.
    async fn answer(&self, id: ParcelId) -> Result<Option<(ParcelState, Option<Bytes>)>, StoreError>;

    /// When the next parcel that waits for its time is due.
    async fn next_due(&self, to: &DestinationId) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Puts parcels that were given up back in the queue: one, or all of a destination. Returns how many.
    async fn retry(&self, which: &RetryWhich) -> Result<u64, StoreError>;

    /// How many parcels each destination has in each state, and the age of its oldest one owed.
    async fn depth(&self) -> Result<Vec<QueueDepth>, StoreError>;
}

/// Where a parcel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ParcelState {
    Pending,
    Delivered,
    /// Refused, or tried until its time was up. A person must look at it.
    GivenUp,
    /// It may or may not have arrived, and the channel says that a person decides.
    InDoubt,
}

impl ParcelState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::GivenUp, Self::InDoubt];

    /// Its name: `given-up`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given-up",
            Self::InDoubt => "in-doubt",
        }
    }
}

/// How much a destination is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// The destination.
    pub to: DestinationId,
    /// One count a state, in the order of [`ParcelState::ALL`].
    pub counts: [u64; 4],
    /// When the oldest pending parcel was made.
    pub oldest: Option<OffsetDateTime>,
}

/// A parcel held by one worker for a while.
#[derive(Clone, Debug)]
pub struct Leased {
    /// The parcel.
    pub parcel: Parcel,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// When the parcel was made: give-up times count from here.
    pub owed_since: OffsetDateTime,
    /// The last try may have arrived: the peer is to be asked first where it can be asked.
    pub in_doubt: bool,
    /// Proves that the lease is still this worker's.
    pub token: u64,
}

/// What became of a try.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// The peer took it; its answer is kept, and what the answer brings about is written in the same transaction.
    Delivered(Delivered, Option<Box<Commit>>),
    /// Try again at this time.
    Again {
        /// When.
        at: OffsetDateTime,
        /// Why.
        error: DeliveryError,
    },
    /// Stop trying; a person must look at it. What that brings about is written in the same transaction.
    GiveUp(DeliveryError, Option<Box<Commit>>),
    /// A person must find out whether it arrived; the same.
    Doubt(DeliveryError, Option<Box<Commit>>),
    /// It was not tried at all (the hub stops, the circuit is open): the attempt does not count.
    Untried,
}

/// Which parcels to put back in the queue.
#[derive(Clone, Debug)]
pub enum RetryWhich {
    /// One.
    Parcel(ParcelId),
    /// All given up or in doubt of a destination.
    Destination(DestinationId),
}
