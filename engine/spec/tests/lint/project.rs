//! A small project on disk, with connectors of its own: what the tests of this crate load.

use std::path::Path;

use async_trait::async_trait;
use hub_core::commit::Parcel;
use hub_core::destination::{Delivered, DeliveryError, Destination};
use hub_core::finding::Finding;
use hub_core::registry::{BuildError, DestinationKind, Registry, Secrets, SourceKind};
use hub_core::source::{Intake, Source, SourceError};
use hub_spec::{Overrides, Project, load};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::watch;

/// The channel that is right.
pub const RIGHT: &str = include_str!("right.toml");

const MAPPING: &str = r#"
name    = "lis/oru-r01"
version = 1
from    = "hl7v2"

[[resource]]
as   = "patient"
type = "Patient"
id   = ["patient", "PID-3.1"]
[resource.set]
gender = { from = "PID-8", code = "gender" }

[[resource]]
as   = "observation"
type = "Observation"
each = "PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION"
id   = ["observation", "OBR-3.1", "OBX-3.1"]
[resource.set]
status  = { value = "final" }
code    = { from = "OBX-3" }
subject = { ref = "patient" }
"#;

const NOTICE: &str = r#"
name    = "notify/critical-result"
version = 1
from    = "fhir"
to      = "json"

[message.set]
what = { from = "Observation.code.text" }
"#;

const GENDER: &str = r#"
name   = "gender"
about  = "Administrative sex"
target = "http://hl7.org/fhir/administrative-gender"
other  = "quarantine"
[codes]
M = "male"
F = "female"
"#;

/// A folder with one channel, `channels/lis/oru-r01.toml`, and everything it needs.
pub fn project(channel: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    write(root, "channels/lis/oru-r01.toml", channel);
    write(root, "mappings/lis/oru-r01.toml", MAPPING);
    write(root, "mappings/notify/critical-result.toml", NOTICE);
    write(root, "mappings/codes/gender.toml", GENDER);
    write(root, "fixtures/lis/oru-r01/critical-potassium.hl7", "MSH|^~\\&|LIS\r");
    write(root, "fixtures/lis/oru-r01/critical-potassium.bundle.json", "{}");
    write(root, "fixtures/lis/oru-r01/critical-potassium.notice.json", "{}");
    folder
}

/// Writes one file of a project.
pub fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Loads a project with the connectors below.
pub fn loaded(root: &Path) -> Result<Project, Vec<Finding>> {
    load(root, &registry(), &Known, &Overrides::default())
}

/// Findings as a person sees them.
pub fn shown(findings: &[Finding]) -> String {
    let shown: Vec<String> = findings.iter().map(Finding::to_string).collect();
    shown.join("\n\n")
}

/// The connectors `lis` and `notify`.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.source::<Lis>().destination::<Notify>().format("hl7v2", |_, how| match how.charset {
        None | Some("GB18030") => Ok(()),
        Some(other) => Err(format!("there is no charset `{other}`")),
    });
    registry
}

/// Knows every secret whose name does not begin with `nowhere`.
pub struct Known;

impl Secrets for Known {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        if name.starts_with("nowhere") {
            return Err(BuildError::Secret { name: name.to_owned() });
        }
        Ok("secret".to_owned())
    }
}

/// A source that gives nothing.
struct Lis;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LisConfig {
    listen: String,
    tls: Option<Tls>,
    #[serde(default, rename = "max_message_bytes")]
    _max_message_bytes: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: String,
    clients: Option<String>,
}

impl SourceKind for Lis {
    const TYPE: &'static str = "lis";
    const FORMAT: Option<&'static str> = Some("hl7v2");
    type Config = LisConfig;

    fn build(config: LisConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        if let Some(tls) = &config.tls {
            secrets.get(&tls.certificate)?;
            tls.clients.as_deref().map(|name| secrets.get(name)).transpose()?;
        }
        Ok(Box::new(Self))
    }

    fn listens(config: &LisConfig) -> Vec<String> {
        vec![config.listen.clone()]
    }
}

#[async_trait]
impl Source for Lis {
    async fn bind(&mut self) -> Result<Option<std::net::SocketAddr>, SourceError> {
        Ok(None)
    }

    async fn run(self: Box<Self>, _: Intake, _: watch::Receiver<bool>) -> Result<(), SourceError> {
        Ok(())
    }
}

/// A destination that takes everything.
struct Notify;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NotifyConfig {
    #[serde(rename = "url")]
    _url: String,
    token: Option<String>,
    key: Option<String>,
}

impl DestinationKind for Notify {
    const TYPE: &'static str = "notify";
    type Config = NotifyConfig;

    fn build(config: NotifyConfig, secrets: &dyn Secrets) -> Result<Box<dyn Destination>, BuildError> {
        for name in config.token.iter().chain(&config.key) {
            secrets.get(name)?;
        }
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl Destination for Notify {
    async fn deliver(&self, _: &Parcel) -> Result<Delivered, DeliveryError> {
        Ok(Delivered { answer: None })
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        Ok(())
    }
}
