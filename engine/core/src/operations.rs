//! What operators may ask of a running hub. The runtime answers; the HTTP door asks.

use std::net::SocketAddr;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::fault::Fault;
use crate::id::{ChannelId, DestinationId, MessageId};
use crate::store::{MessageQuery, QueueDepth, RetryWhich, StoreError, Tally};

/// The running hub, as operators see it.
#[async_trait]
pub trait Operations: Send + Sync {
    /// How everything stands now.
    async fn status(&self) -> Result<HubStatus, StoreError>;

    /// Processes ended messages again, and those at which a lane stands, by id or by filter. The mapping of now is used; ids are computed, so what was written is
    /// written again in place and parcels that exist are not owed twice.
    async fn replay(&self, what: ReplayWhat) -> Result<ReplayReport, StoreError>;

    /// Sets messages aside at which a lane stands, so that those behind them go on.
    async fn skip(&self, ids: Vec<MessageId>) -> Result<SkipReport, StoreError>;

    /// Puts parcels that were given up back in the queue.
    async fn retry(&self, which: RetryWhich) -> Result<u64, StoreError>;
}

/// What to replay.
#[derive(Clone, Debug)]
pub enum ReplayWhat {
    /// These messages.
    Messages(Vec<MessageId>),
    /// All that the query finds, page by page; its `limit` bounds the whole.
    Matching(MessageQuery),
}

/// What a replay did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Put back to be processed.
    pub replayed: Vec<MessageId>,
    /// Not there, or not ended yet.
    pub left: Vec<MessageId>,
}

/// What a skip did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkipReport {
    /// Set aside; those behind them go on.
    pub skipped: Vec<MessageId>,
    /// No lane stands at them.
    pub left: Vec<MessageId>,
}

/// How the hub stands.
#[derive(Clone, Debug)]
pub struct HubStatus {
    /// The program's version.
    pub version: &'static str,
    /// When it started.
    pub started_at: OffsetDateTime,
    /// Its channels.
    pub channels: Vec<ChannelStatus>,
    /// Its destinations.
    pub destinations: Vec<DestinationStatus>,
}

/// How a channel stands.
#[derive(Clone, Debug)]
pub struct ChannelStatus {
    /// Its name.
    pub id: ChannelId,
    /// What it is for.
    pub about: String,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// Whether its source runs.
    pub running: bool,
    /// Counts by state.
    pub tally: Vec<Tally>,
    /// Messages being worked on now.
    pub in_flight: usize,
    /// Lanes that are held at a message that failed, the longest held first.
    pub held: Vec<HeldLane>,
}

/// A lane that is held at a message that failed.
#[derive(Clone, Debug)]
pub struct HeldLane {
    /// The message.
    pub message: MessageId,
    /// Why.
    pub fault: Fault,
    /// Since when.
    pub since: OffsetDateTime,
    /// When it is tried again by itself; `None`: the lane stands until a person decides.
    pub again_at: Option<OffsetDateTime>,
    /// How many messages are known to wait behind it.
    pub behind: usize,
}

impl HeldLane {
    /// Whether a person must decide.
    pub fn stands(&self) -> bool {
        self.again_at.is_none()
    }
}

/// How a destination stands.
#[derive(Clone, Debug)]
pub struct DestinationStatus {
    /// Its name.
    pub id: DestinationId,
    /// What it is owed.
    pub depth: Option<QueueDepth>,
    /// `closed` (working), `open` (failing: nothing is sent) or `half-open` (one parcel is tried).
    pub circuit: &'static str,
    /// What went wrong last, and when.
    pub last_error: Option<(OffsetDateTime, String)>,
}
