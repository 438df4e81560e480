//! Puts parcels into a folder as files: each whole or not there at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::attachment::Outgoing;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination};
use hub_core::registry::{BuildError, Secrets};
use serde::Deserialize;

use crate::tls::wrong;

/// What stands for the parcel's id, and for what ties it to its message, in a name.
const PARCEL: &str = "{parcel}";
const CORRELATION: &str = "{correlation}";

/// The settings of a destination of files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDestinationConfig {
    /// Where the files go. It is there.
    pub folder: PathBuf,
    /// What they are called: `orders-{parcel}.csv`. `{parcel}` is the parcel's id, so that the same parcel is the same file.
    #[serde(default = "parcel")]
    pub name: String,
}

fn parcel() -> String {
    PARCEL.to_owned()
}

/// Writes into one folder.
#[derive(Clone)]
pub struct FileDestination {
    config: FileDestinationConfig,
}

impl FileDestination {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(config: FileDestinationConfig, _secrets: &dyn Secrets) -> Result<Self, BuildError> {
        if config.folder.as_os_str().is_empty() {
            return Err(wrong("folder", "`folder` is empty: expected the path of a folder"));
        }
        let plain = config.name.replace(PARCEL, "").replace(CORRELATION, "");
        let fits = config.name.contains(PARCEL)
            && !config.name.starts_with('.')
            && !plain.contains(['/', '\\', '{', '}', '\0']);
        if !fits {
            let what = format!(
                "`{}` is no name for a file of each parcel: expected one such as `orders-{PARCEL}.csv`; there may be `{CORRELATION}` too",
                config.name
            );
            return Err(wrong("name", what));
        }
        Ok(Self { config })
    }

    fn name_of(&self, parcel: &Parcel) -> String {
        let name = self.config.name.replace(PARCEL, &parcel.id.to_string());
        // What ties messages together may come from a partner: it leads to no other folder.
        let correlation: String = parcel.correlation.as_str().chars().map(harmless).collect();
        name.replace(CORRELATION, &correlation)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> Result<T, DeliveryError> {
        let folder = self.config.folder.clone();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.map_err(|_| DeliveryError::InDoubt { reason: "the program failed while it wrote".to_owned() })
    }
}

fn harmless(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_') { letter } else { '_' }
}

/// Why a file was not written, and whether it may be there all the same.
enum Failed {
    Not(io::Error),
    InDoubt(io::Error),
}

/// A file under a hidden name: synced, and only then called by its own. Dropped before, it is deleted.
///
/// The hidden name is this try's alone: another one of the same parcel, by a node that was frozen or on a disk that hung, may still
/// be at work, and must not cut short what has its name already.
struct Half {
    file: fs::File,
    path: PathBuf,
}

impl Half {
    fn begin(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(format!(".{name}.{}.part", uuid::Uuid::new_v4().simple()));
        Ok(Self { file: fs::File::create_new(&path)?, path })
    }

    fn finish(self, folder: &Path, name: &str) -> Result<(), Failed> {
        let named = self.file.sync_all().and_then(|()| fs::rename(&self.path, folder.join(name)));
        named.map_err(Failed::Not)?;
        // The name itself is safe when the folder is.
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Failed::InDoubt)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // Gone under this name when it is whole. What cannot be tidied up is hidden.
        let _ = fs::remove_file(&self.path);
    }
}

fn write(folder: &Path, name: &str, body: &Bytes) -> Result<(), Failed> {
    let mut half = Half::begin(folder, name).map_err(Failed::Not)?;
    half.file.write_all(body).map_err(Failed::Not)?;
    half.finish(folder, name)
}

fn judged(written: Result<(), Failed>) -> Result<Delivered, DeliveryError> {
    match written {
        Ok(()) => Ok(Delivered { answer: None }),
        Err(Failed::Not(error)) => Err(later(&error)),
        Err(Failed::InDoubt(error)) => {
            Err(DeliveryError::InDoubt { reason: format!("the folder could not be synced: {error}") })
        }
    }
}

fn later(error: &io::Error) -> DeliveryError {
    DeliveryError::Later { reason: format!("the file could not be written: {error}"), after: None }
}

#[async_trait]
impl Destination for FileDestination {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        let (name, body) = (self.name_of(parcel), parcel.body.clone());
        judged(self.blocking(move |folder| write(folder, &name, &body)).await?)
    }

    async fn deliver_attachment(
        &self,
        parcel: &Parcel,
        mut attachment: Outgoing,
    ) -> Result<Delivered, DeliveryError> {
        let name = self.name_of(parcel);
        let called = name.clone();
        let begun = self.blocking(move |folder| Half::begin(folder, &called)).await?;
        let mut half = begun.map_err(|error| later(&error))?;
        loop {
            let piece = attachment.reading.next().await.map_err(|error| DeliveryError::Later {
                reason: format!("the attachment could not be read: {error}"),
                after: None,
            })?;
            let Some(piece) = piece else { break };
            let written = self.blocking(move |_| half.file.write_all(&piece).map(|()| half)).await?;
            half = written.map_err(|error| later(&error))?;
        }
        judged(self.blocking(move |folder| half.finish(folder, &name)).await?)
    }

    /// A file that is there has arrived. One that is not may have been taken away by the receiver already.
    async fn ask(&self, parcel: &Parcel) -> Result<Asked, DeliveryError> {
        let name = self.name_of(parcel);
        let is_there = self.blocking(move |folder| fs::symlink_metadata(folder.join(name)).is_ok()).await?;
        Ok(if is_there { Asked::Arrived(Delivered { answer: None }) } else { Asked::CannotTell })
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        let checked = self.blocking(|folder| {
            let probe = folder.join(".huitong-check");
            fs::File::create(&probe).and_then(|_| fs::remove_file(&probe))
        });
        checked.await?.map_err(|error| later(&error))
    }

    fn parallel(&self) -> usize {
        4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tries_of_one_parcel_never_show_half_a_file() {
        let folder = std::env::temp_dir().join(format!("huitong-halves-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let body = Bytes::from(vec![b'x'; 200_000]);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        assert!(write(&folder, "result.csv", &body).is_ok());
                        assert_eq!(fs::read(folder.join("result.csv")).unwrap().len(), body.len());
                    }
                });
            }
        });
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, ["result.csv"], "nothing hidden is left behind");
    }
}
