//! Sends the LIS what it needs to know of patients: the ADT feed.

use hub_connect::mllp_destination::{MllpDestination, MllpDestinationConfig};
use hub_core::destination::Destination;
use hub_core::registry::{BuildError, DestinationKind, Secrets};

/// The destination `lis`.
pub struct Lis;

impl DestinationKind for Lis {
    const TYPE: &'static str = "lis";
    const FORMAT: Option<&'static str> = Some("hl7v2");
    type Config = MllpDestinationConfig;

    fn build(
        config: MllpDestinationConfig,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        Ok(Box::new(MllpDestination::build(config, secrets)?))
    }
}
