//! The settings of the archive of attachments, and the archive they make.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use hub_attachments::{Archive, ArchiveLimits, Folder, Storage};
use hub_core::attachment::{AttachmentBook, Attachments};
use serde::Deserialize;

use crate::settings::Settings;

/// Where payloads are kept that are not parsed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentSettings {
    /// What keeps them.
    pub kind: Kind,
    /// The folder; without one, `attachments` in the data folder.
    pub folder: Option<PathBuf>,
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
}

impl TryFrom<String> for Kind {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "folder" => Ok(Self::Folder),
            _ => Err("expected `folder` or `s3`"),
        }
    }
}

impl AttachmentSettings {
    /// What no type can say.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.limit_bytes > 0, "`attachments.limit_bytes`: expected 1 or more");
        // A payload is stored, and then its message: that takes a moment, however slow the hub is.
        ensure!((1..=8760).contains(&self.orphan_hours), "`attachments.orphan_hours`: expected 1 to 8760");
        Ok(())
    }

    fn storage(&self, data_dir: &Path) -> Box<dyn Storage> {
        match self.kind {
            Kind::Folder => {
                let beside = || data_dir.join("attachments");
                Box::new(Folder::new(self.folder.clone().unwrap_or_else(beside)))
            }
        }
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
        Ok(Arc::new(Archive::new(settings.storage(&self.data_dir), book, limits)))
    }
}
