//! Who does what, where several nodes work on one database.
//!
//! What only one node may do at a time is a [`Share`]: the messages of a channel, the parcels of a destination, a source that polls,
//! the jobs of the clock. A node does what is its own and tells the others of what it has seen for theirs.

use async_trait::async_trait;
use compact_str::{CompactString, format_compact};
use time::OffsetDateTime;
use tokio::sync::{broadcast, watch};

use crate::id::{ChannelId, DestinationId};
use crate::store::StoreError;

/// Something that one node does at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(pub CompactString);

impl Share {
    /// The messages of a channel, from the journal on.
    pub fn channel(channel: &ChannelId) -> Self {
        Self(format_compact!("channel {channel}"))
    }

    /// The source of a channel, where it goes and fetches: one that listens runs on every node.
    pub fn source(channel: &ChannelId) -> Self {
        Self(format_compact!("source {channel}"))
    }

    /// The parcels of a destination.
    pub fn destination(destination: &DestinationId) -> Self {
        Self(format_compact!("destination {destination}"))
    }

    /// The jobs of the clock.
    pub fn jobs() -> Self {
        Self(CompactString::const_new("jobs"))
    }

    /// The destination whose parcels it is.
    pub fn as_destination(&self) -> Option<&str> {
        self.0.strip_prefix("destination ")
    }
}

/// How a share stands for this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// This node does it.
    Mine,
    /// This node does it until what is under way has ended; nothing new is begun. Then it lets go of it.
    Leaving,
    /// Another node does it, or nobody does yet.
    Others,
}

/// A node, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number; each start is a new one.
    pub number: u64,
    /// What it is called.
    pub name: String,
    /// When it joined.
    pub joined_at: OffsetDateTime,
    /// Whether it is the one that was asked.
    pub is_this: bool,
    /// What it does.
    pub shares: Vec<Share>,
}

/// What was told by other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// There is something to do in this share.
    Of(Share),
    /// Some news may have been missed: there may be something to do anywhere.
    OfAny,
}

/// Who does what.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Says what this node can do; replaces what it said before.
    fn offer(&self, shares: Vec<Share>);

    /// How a share stands for this node now. Costs no question to the database.
    fn stand(&self, share: &Share) -> Stand;

    /// Changes whenever some share stands differently.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Nothing of a share that is [`Stand::Leaving`] is under way any more: another node may take it.
    async fn let_go(&self, share: &Share) -> Result<(), StoreError>;

    /// Tells whoever does a share that there is something to do.
    fn tell(&self, share: &Share);

    /// What others tell.
    fn news(&self) -> broadcast::Receiver<News>;

    /// Waits until this node was taken for dead and its work taken over: it must begin anew. For ever, if all is well.
    async fn lost(&self);

    /// All nodes.
    async fn nodes(&self) -> Result<Vec<Node>, StoreError>;
}

/// A node that has its database for itself: all is its own.
pub struct Alone {
    changes: watch::Sender<u64>,
    news: broadcast::Sender<News>,
}

impl Default for Alone {
    fn default() -> Self {
        Self { changes: watch::Sender::new(0), news: broadcast::Sender::new(1) }
    }
}

#[async_trait]
impl Cluster for Alone {
    fn offer(&self, _shares: Vec<Share>) {}

    fn stand(&self, _share: &Share) -> Stand {
        Stand::Mine
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn let_go(&self, _share: &Share) -> Result<(), StoreError> {
        Ok(())
    }

    fn tell(&self, _share: &Share) {}

    fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    async fn lost(&self) {
        std::future::pending().await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        Ok(Vec::new())
    }
}
