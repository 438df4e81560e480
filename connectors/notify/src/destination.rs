//! Hands notices to the notification service.

use hub_connect::http_destination::{HttpDestination, HttpDestinationConfig};
use hub_core::destination::Destination;
use hub_core::registry::{BuildError, DestinationKind, Secrets};

/// The destination `notify`.
pub struct Notify;

impl DestinationKind for Notify {
    const TYPE: &'static str = "notify";
    type Config = HttpDestinationConfig;

    fn build(
        config: HttpDestinationConfig,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        Ok(Box::new(HttpDestination::build(config, secrets)?))
    }
}
