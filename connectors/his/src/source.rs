//! Takes the HIS's ADT feed.

use hub_connect::mllp_source::{MllpSource, MllpSourceConfig};
use hub_core::registry::{BuildError, Secrets, SourceKind};
use hub_core::source::Source;

/// The source `his`.
pub struct His;

impl SourceKind for His {
    const TYPE: &'static str = "his";
    const FORMAT: Option<&'static str> = Some("hl7v2");
    type Config = MllpSourceConfig;

    fn build(config: MllpSourceConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(MllpSource::build(config, secrets)?))
    }

    fn listens(config: &MllpSourceConfig) -> Vec<String> {
        config.listens()
    }
}
