//! The plain connectors, for any partner that needs nothing of its own: a new interface of this kind needs no Rust.

use hub_core::destination::Destination;
use hub_core::errands::WORKFLOW;
use hub_core::registry::{BuildError, DestinationKind, Registry, Secrets, SourceKind};
use hub_core::source::Source;

use crate::file_destination::{FileDestination, FileDestinationConfig};
use crate::file_source::{FileSource, FileSourceConfig};
use crate::http_destination::{HttpDestination, HttpDestinationConfig};
use crate::http_source::{HttpSource, HttpSourceConfig};
use crate::mllp_destination::{MllpDestination, MllpDestinationConfig};
use crate::mllp_source::{MllpSource, MllpSourceConfig};
use crate::nats_destination::{NatsDestination, NatsDestinationConfig};
use crate::nats_source::{NatsSource, NatsSourceConfig};
use crate::workflow_source::{WorkflowSource, WorkflowSourceConfig};

/// Makes the plain connectors known: `mllp`, `http`, `file` and `nats`, each as a source and as a destination; and the source
/// `workflow`, of channels that carry out what the hub's own workflows ask of partners.
pub fn register(registry: &mut Registry) {
    registry.source::<Workflow>();
    registry.source::<Mllp>().source::<Http>().source::<Files>().source::<Nats>();
    registry.destination::<Mllp>().destination::<Http>().destination::<Files>().destination::<Nats>();
}

/// HL7 v2 over MLLP.
pub struct Mllp;

/// Any format over HTTP.
pub struct Http;

/// Any format as files in a folder.
pub struct Files;

/// Any format over NATS JetStream.
pub struct Nats;

/// Tasks of workflows: they come from the hub itself, so nothing is taken in.
pub struct Workflow;

impl SourceKind for Workflow {
    const TYPE: &'static str = WORKFLOW;
    const FORMAT: Option<&'static str> = Some("fhir");
    const ANSWERS: bool = false;
    type Config = WorkflowSourceConfig;

    fn build(_config: WorkflowSourceConfig, _secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(WorkflowSource))
    }

    fn listens(_config: &WorkflowSourceConfig) -> Vec<String> {
        Vec::new()
    }
}

impl SourceKind for Mllp {
    const TYPE: &'static str = "mllp";
    const FORMAT: Option<&'static str> = Some("hl7v2");
    type Config = MllpSourceConfig;

    fn build(config: MllpSourceConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(MllpSource::build(config, secrets)?))
    }

    fn listens(config: &MllpSourceConfig) -> Vec<String> {
        config.listens()
    }
}

impl DestinationKind for Mllp {
    const TYPE: &'static str = "mllp";
    const FORMAT: Option<&'static str> = Some("hl7v2");
    type Config = MllpDestinationConfig;

    fn build(
        config: MllpDestinationConfig,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        Ok(Box::new(MllpDestination::build(config, secrets)?))
    }
}

impl SourceKind for Http {
    const TYPE: &'static str = "http";
    const FORMAT: Option<&'static str> = None;
    const ATTACHES: bool = true;
    type Config = HttpSourceConfig;

    fn build(config: HttpSourceConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(HttpSource::build(config, secrets)?))
    }

    fn listens(config: &HttpSourceConfig) -> Vec<String> {
        config.listens()
    }
}

impl DestinationKind for Http {
    const TYPE: &'static str = "http";
    const ATTACHES: bool = true;
    type Config = HttpDestinationConfig;

    fn build(
        config: HttpDestinationConfig,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        Ok(Box::new(HttpDestination::build(config, secrets)?))
    }
}

impl SourceKind for Files {
    const TYPE: &'static str = "file";
    const FORMAT: Option<&'static str> = None;
    const ANSWERS: bool = false;
    const ATTACHES: bool = true;
    type Config = FileSourceConfig;

    fn build(config: FileSourceConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(FileSource::build(config, secrets)?))
    }

    fn listens(_config: &FileSourceConfig) -> Vec<String> {
        Vec::new()
    }
}

impl DestinationKind for Files {
    const TYPE: &'static str = "file";
    const ATTACHES: bool = true;
    type Config = FileDestinationConfig;

    fn build(
        config: FileDestinationConfig,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        Ok(Box::new(FileDestination::build(config, secrets)?))
    }
}

impl SourceKind for Nats {
    const TYPE: &'static str = "nats";
    const FORMAT: Option<&'static str> = None;
    const ANSWERS: bool = false;
    type Config = NatsSourceConfig;

    fn build(config: NatsSourceConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(NatsSource::build(config, secrets)?))
    }

    fn listens(_config: &NatsSourceConfig) -> Vec<String> {
        Vec::new()
    }
}

impl DestinationKind for Nats {
    const TYPE: &'static str = "nats";
    type Config = NatsDestinationConfig;

    fn build(
        config: NatsDestinationConfig,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        Ok(Box::new(NatsDestination::build(config, secrets)?))
    }
}
