//! What the doors open onto: the hub's traits, and what is served.

use std::sync::Arc;

use hub_core::operations::Operations;
use hub_core::replay::ReplayDesk;
use hub_core::store::{Journal, Outbox, Resources};
use hub_fhir::ResourceType;

/// What the HTTP doors ask. The program fills it in.
#[derive(Clone)]
pub struct Doors {
    /// The FHIR store. The doors only read it.
    pub resources: Arc<dyn Resources>,
    /// The messages received.
    pub journal: Arc<dyn Journal>,
    /// The parcels owed.
    pub outbox: Arc<dyn Outbox>,
    /// The running hub.
    pub operations: Arc<dyn Operations>,
    /// The replays of the running hub.
    pub replays: Arc<dyn ReplayDesk>,
    /// The metrics, in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The address clients reach the hub by, without a path: `https://hub.example`. `None`: the one each request names.
    pub base_url: Option<String>,
    /// The resource types that are served.
    pub types: Vec<ResourceType>,
    /// Whether the hub takes work: not before it has started, not while it stops.
    pub ready: Arc<dyn Fn() -> bool + Send + Sync>,
}
