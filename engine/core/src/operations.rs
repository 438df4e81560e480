//! What operators may ask of a running hub. The runtime answers; the HTTP door asks.

use std::net::SocketAddr;

use async_trait::async_trait;
use thiserror::Error;
use time::OffsetDateTime;

use crate::cluster::Node;
use crate::deployments::{FileChange, Files};
use crate::fault::Fault;
use crate::finding::Finding;
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
    /// The nodes that share the database; none where it stands alone.
    pub nodes: Vec<Node>,
    /// When it started.
    pub started_at: OffsetDateTime,
    /// How many resources are still to be indexed as this version of the program does: searches by what it has added wait for them.
    pub unindexed: u64,
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
    /// The channels it waits for before it starts: its `[start]` says so.
    pub waits_for: Vec<ChannelId>,
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

/// The running hub, as those see it who change what it runs.
#[async_trait]
pub trait Deploying: Send + Sync {
    /// Runs other files: all of it, or nothing is changed. One at a time.
    async fn deploy(&self, order: DeployOrder) -> Result<DeployReport, DeployError>;

    /// The number of the deployment that runs; `None` before the first.
    fn running(&self) -> Option<u64>;
}

/// What is to be deployed, by whom and why.
#[derive(Clone, Debug)]
pub struct DeployOrder {
    /// Which files.
    pub what: DeployWhat,
    /// Who wants it.
    pub who: String,
    /// Why; empty when nobody says.
    pub why: String,
    /// Everything is read and compared, and nothing changed.
    pub dry_run: bool,
    /// Channels and destinations that are no more are given up, also when messages wait or parcels are owed. They stay in the
    /// store.
    pub abandon: bool,
}

/// Which files are to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeployWhat {
    /// Those of the project's folder, as they are now.
    Folder,
    /// Those of an earlier deployment. They are written into the folder too.
    Earlier {
        /// Its number.
        to: u64,
        /// The folder stays as it is: the next start reads it again.
        leave_folder: bool,
    },
}

/// What a deployment changed, or would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeployReport {
    /// Its number; `None`: it was a dry run, or there was nothing to change.
    pub number: Option<u64>,
    /// The files that differ from those that ran before.
    pub files: Files<FileChange>,
    /// The channels that are not as before.
    pub channels: Vec<(ChannelId, ChannelChange)>,
    /// The destinations that are not as before.
    pub destinations: Vec<(DestinationId, DestinationChange)>,
    /// How many channels were not touched.
    pub untouched: usize,
    /// What stood in the folder and had never run is kept under this number.
    pub kept: Option<u64>,
    /// What whoever asked should know besides.
    pub notices: Vec<String>,
}

/// What a deployment makes of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelChange {
    /// It is new.
    Added,
    /// What becomes of its messages changes; it listens on, and no connection is closed.
    Mended,
    /// Its source changes: it stops listening, and listens anew.
    Replaced,
    /// It is no more.
    Removed,
}

impl ChannelChange {
    /// Its name: `mended`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Mended => "mended",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
        }
    }
}

/// What a deployment makes of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "see `ChannelChange`")]
pub enum DestinationChange {
    Added,
    Replaced,
    Removed,
}

impl DestinationChange {
    /// Its name: `replaced`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
        }
    }
}

/// Why nothing was deployed. The hub runs what it ran before.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The files are wrong.
    #[error("the files are wrong; nothing was changed")]
    Findings(Vec<Finding>),
    /// It was not begun.
    #[error("{reason}")]
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// There is no deployment of this number.
    #[error("there is no deployment {0}")]
    Unknown(u64),
    /// It was begun, and everything was put back.
    #[error("deployment {number} failed and everything was put back: {reason}")]
    Failed {
        /// Its number.
        number: u64,
        /// Why.
        reason: String,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
