//! The settings of the archive of attachments, and the archive they make.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use hub_attachments::{Archive, ArchiveLimits, Folder, S3, S3Settings, Storage};
use hub_core::attachment::{AttachmentBook, Attachments};
use hub_core::registry::Secrets as _;
use serde::Deserialize;

use crate::secrets::NamedSecrets;
use crate::settings::{Settings, WrongSettings};

/// Where payloads are kept that are not parsed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentSettings {
    /// What keeps them.
    pub kind: Kind,
    /// The folder; without one, `attachments` in the data folder.
    pub folder: Option<PathBuf>,
    /// The address of the S3-compatible storage; without one, that of the region at AWS.
    pub endpoint: Option<String>,
    /// Its bucket.
    pub bucket: Option<String>,
    /// Its region.
    pub region: String,
    /// What the names of all objects begin with.
    pub prefix: String,
    /// The name of the secret that is the access key's id.
    pub access_key: String,
    /// The name of the secret that is the access key.
    pub secret_key: String,
    /// The largest payload.
    pub limit_bytes: u64,
    /// Hours after which an object that no message needs is deleted.
    pub orphan_hours: u64,
}

/// What keeps attachments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Kind {
    /// A folder.
    Folder,
    /// An S3-compatible storage.
    S3,
}

impl TryFrom<String> for Kind {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "folder" => Ok(Self::Folder),
            "s3" => Ok(Self::S3),
            _ => Err("expected `folder` or `s3`"),
        }
    }
}

impl AttachmentSettings {
    /// What no type can say.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.limit_bytes > 0, "`attachments.limit_bytes`: expected 1 or more");
        // A payload is stored, and then its message: that takes a moment, however slow the hub is.
        if let Some(endpoint) = &self.endpoint {
            let is_url = reqwest::Url::parse(endpoint)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            ensure!(is_url, "`attachments.endpoint`: expected a URL such as `https://s3.hospital.example`");
        }
        let has_bucket = self.bucket.as_ref().is_some_and(|bucket| !bucket.is_empty());
        ensure!(self.kind != Kind::S3 || has_bucket, "`attachments.bucket`: expected the name of the bucket");
        ensure!((1..=8760).contains(&self.orphan_hours), "`attachments.orphan_hours`: expected 1 to 8760");
        Ok(())
    }

    fn storage(&self, data_dir: &Path, secrets: &NamedSecrets) -> anyhow::Result<Box<dyn Storage>> {
        if self.kind == Kind::Folder {
            let beside = || data_dir.join("attachments");
            return Ok(Box::new(Folder::new(self.folder.clone().unwrap_or_else(beside))));
        }
        let secret = |setting: &str, name: &str| {
            let help = secrets.place(name).unwrap_or_default();
            secrets.get(name).with_context(|| format!("`attachments.{setting}`: expected {help}"))
        };
        let s3 = S3::new(&S3Settings {
            endpoint: self.endpoint.clone(),
            bucket: self.bucket.clone().unwrap_or_default(),
            region: self.region.clone(),
            prefix: self.prefix.clone(),
            access_key: secret("access_key", &self.access_key)?,
            secret_key: secret("secret_key", &self.secret_key)?,
        });
        Ok(Box::new(s3.map_err(|error| anyhow::anyhow!("`attachments`: {error}"))?))
    }
}

impl Settings {
    /// The archive of attachments, by the book of this store.
    pub fn attachments(&self, book: Arc<dyn AttachmentBook>) -> anyhow::Result<Arc<dyn Attachments>> {
        let settings = &self.attachments;
        let limits = ArchiveLimits {
            most: settings.limit_bytes,
            orphan_after: Duration::from_secs(settings.orphan_hours * 60 * 60),
        };
        let secrets = NamedSecrets::new(self.secrets_dir.clone());
        let storage = settings.storage(&self.data_dir, &secrets).context(WrongSettings)?;
        Ok(Arc::new(Archive::new(storage, book, limits)))
    }
}
