//! What the doors open onto: the hub's traits, and what is granted.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderName;
use hub_core::attachment::Attachments;
use hub_core::deployments::Deployments;
use hub_core::operations::{Deploying, Operations};
use hub_core::replay::ReplayDesk;
use hub_core::store::{Journal, Outbox, Resources, Upkeep};
use hub_directory::Directory;

use crate::access::Access;
use crate::business::Business;
use crate::fhir::FhirSettings;

/// What the HTTP doors ask. The program fills it in.
#[derive(Clone)]
pub struct Doors {
    /// The FHIR store.
    pub resources: Arc<dyn Resources>,
    /// The contents of attachments; `None`: there are none.
    pub attachments: Option<Arc<dyn Attachments>>,
    /// The messages received.
    pub journal: Arc<dyn Journal>,
    /// The parcels owed.
    pub outbox: Arc<dyn Outbox>,
    /// What takes archived messages back in.
    pub upkeep: Arc<dyn Upkeep>,
    /// The running hub.
    pub operations: Arc<dyn Operations>,
    /// What the hub was told to run.
    pub deployments: Arc<dyn Deployments>,
    /// Changes what the hub runs.
    pub deploying: Arc<dyn Deploying>,
    /// Who is let in.
    pub access: Access,
    /// What the operators' door offers of accounts, below `/ops`.
    pub desk: Router,
    /// The header in which the proxy before the hub names who asks; `None`: there is none, and whoever asks says himself who he is.
    pub user_header: Option<HeaderName>,
    /// The replays of the running hub.
    pub replays: Arc<dyn ReplayDesk>,
    /// The metrics, in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The address clients reach the hub by, without a path: `https://hub.example`. `None`: the one each request names.
    pub base_url: Option<String>,
    /// What can be asked of the business; `None`: nothing.
    pub business: Option<Business>,
    /// The doctors, to be found while somebody types; `None`: there are none.
    pub directory: Option<Arc<Directory>>,
    /// What the FHIR door grants.
    pub fhir: FhirSettings,
    /// Whether the hub takes work: not before it has started, not while it stops.
    pub ready: Arc<dyn Fn() -> bool + Send + Sync>,
}
