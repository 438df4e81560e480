//! Takes files from a folder, in the order of their names, hands them to the intake and moves them away when they are safe.
//!
//! It remembers nothing that matters: a file that was handed over and not yet moved when the hub died is handed over again, is
//! known by its name, size, time and content, and is only moved. So nothing is read twice and nothing is skipped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::registry::{BuildError, Secrets};
use hub_core::source::{Intake, Source, SourceError};
use serde::Deserialize;
use tokio::sync::watch;

use crate::tls::{at_least_one, wrong};

mod attach;
mod folder;
mod pattern;
mod put_away;
mod watch_folder;

use pattern::NamePattern;
use watch_folder::Watch;

/// The settings of a source of files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSourceConfig {
    /// Where files are put by the partner.
    pub folder: PathBuf,
    /// Which of them are taken: `*.hl7`. `*` is any letters, `?` is one. Files whose names begin with a point are never taken.
    #[serde(default = "everything")]
    pub pattern: String,
    /// Where files go that were taken; below `folder` unless it is a whole path.
    #[serde(default = "done")]
    pub done: PathBuf,
    /// Where files go that were refused or, where the channel answers `on_committed`, set aside.
    #[serde(default = "failed")]
    pub failed: PathBuf,
    /// How long a file must not have changed before it is read. 0 for partners that move finished files into the folder.
    #[serde(default = "two_seconds")]
    pub settle_secs: u64,
    /// How often the folder is looked at.
    #[serde(default = "one_second")]
    pub poll_secs: u64,
    /// The largest file. A larger one is set aside without its content.
    #[serde(default = "sixteen_mebibytes")]
    pub max_file_bytes: usize,
    /// How long a file waits for the outcome of its message, where it has to; then, where the channel answers `on_committed`, it is
    /// looked at again.
    #[serde(default = "half_a_minute")]
    pub answer_secs: u64,
    /// The media type of files that become attachments. Without it: what their names end with says it.
    pub content_type: Option<String>,
    /// What kind of message every file is, for `accept`.
    #[serde(rename = "type")]
    pub message_type: Option<String>,
}

fn everything() -> String {
    "*".to_owned()
}

fn done() -> PathBuf {
    "done".into()
}

fn failed() -> PathBuf {
    "failed".into()
}

fn two_seconds() -> u64 {
    2
}

fn one_second() -> u64 {
    1
}

fn sixteen_mebibytes() -> usize {
    16 << 20
}

fn half_a_minute() -> u64 {
    30
}

/// Watches one folder.
pub struct FileSource {
    config: FileSourceConfig,
    pattern: NamePattern,
}

impl FileSource {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(config: FileSourceConfig, _secrets: &dyn Secrets) -> Result<Self, BuildError> {
        at_least_one("poll_secs", config.poll_secs)?;
        at_least_one("max_file_bytes", config.max_file_bytes as u64)?;
        at_least_one("answer_secs", config.answer_secs)?;
        if config.folder.as_os_str().is_empty() {
            return Err(wrong("folder", "`folder` is empty: expected the path of a folder"));
        }
        let pattern = NamePattern::parse(&config.pattern).ok_or_else(|| {
            let what = format!("`{}` is no pattern of names: expected one such as `*.hl7`", config.pattern);
            wrong("pattern", what)
        })?;
        let (done, failed) = (config.folder.join(&config.done), config.folder.join(&config.failed));
        for (key, folder) in [("done", &done), ("failed", &failed)] {
            if *folder == config.folder {
                let what =
                    format!("`{key}` is the folder itself: files that were taken would be taken again");
                return Err(wrong(key, what));
            }
        }
        Ok(Self { config: FileSourceConfig { done, failed, ..config }, pattern })
    }
}

#[async_trait]
impl Source for FileSource {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        let FileSourceConfig { folder, done, failed, .. } = &self.config;
        let stopped = |path: &PathBuf, error: &std::io::Error| {
            SourceError::Stopped(format!(
                "the folder `{}` cannot be used ({error}): make it, or name another in the channel's settings",
                path.display()
            ))
        };
        // The partner's folder is not made here: a mistyped path would look like a partner that sends nothing.
        let is_folder = tokio::fs::metadata(folder).await.map_err(|error| stopped(folder, &error))?.is_dir();
        if !is_folder {
            return Err(SourceError::Stopped(format!("`{}` is no folder", folder.display())));
        }
        for own in [done, failed] {
            tokio::fs::create_dir_all(own).await.map_err(|error| stopped(own, &error))?;
        }
        Ok(None)
    }

    fn fetches(&self) -> bool {
        true
    }

    async fn run(
        mut self: Box<Self>,
        intake: Intake,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), SourceError> {
        let poll = Duration::from_secs(self.config.poll_secs);
        let mut watch = Watch::new(self.config, self.pattern, intake.clone());
        loop {
            let turn = tokio::select! {
                turn = intake.turn() => turn,
                _told = stop.wait_for(|stop| *stop) => return Ok(()),
            };
            watch.look(&stop).await;
            drop(turn);
            tokio::select! {
                // An error means that nobody is left who could say stop: then it is time to.
                _told = stop.wait_for(|stop| *stop) => return Ok(()),
                () = tokio::time::sleep(poll) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoSecrets;

    impl Secrets for NoSecrets {
        fn get(&self, name: &str) -> Result<String, BuildError> {
            Err(BuildError::Secret { name: name.to_owned() })
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_their_key() {
        let built = |settings: &str| FileSource::build(toml::from_str(settings).unwrap(), &NoSecrets);
        assert!(built("folder = '/in'").is_ok());
        for (key, settings) in [
            ("folder", "folder = ''"),
            ("pattern", "folder = '/in'\npattern = 'a/b'"),
            ("poll_secs", "folder = '/in'\npoll_secs = 0"),
            ("done", "folder = '/in'\ndone = ''"),
        ] {
            let error = built(settings).err();
            let found = matches!(&error, Some(BuildError::Settings { key: Some(found), .. }) if found == key);
            assert!(found, "{settings}");
        }
    }
}
