//! The settings of a hub: defaults, then the settings file, then the environment, then `--set` and `--data`.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use config::{Config, Environment, File, FileFormat};
use hub_core::id::ChannelId;
use hub_spec::{ChannelOverride, Overrides};
use serde::Deserialize;

use crate::cli::Global;

/// The defaults, and at the same time the documentation of every setting.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Variables of the same prefix that are not settings.
const NOT_SETTINGS: [&str; 6] = [
    "HUITONG_CONFIG",
    "HUITONG_URL",
    "HUITONG_CORPUS",
    "HUITONG_BLESS",
    "HUITONG_CRASH_AT",
    "HUITONG_CRASH_ROUNDS",
];
const SECRETS: &str = "HUITONG_SECRET_";

/// All settings. `config/default.toml` says what each means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the databases are.
    pub data_dir: PathBuf,
    /// A folder of files, one a secret.
    pub secrets_dir: Option<PathBuf>,
    /// The HTTP door.
    pub http: Http,
    /// The database.
    pub store: Store,
    /// How channels work.
    pub work: Work,
    /// How long messages are kept.
    pub retention: Retention,
    /// The log.
    pub log: Log,
    /// Settings of single channels, laid over their files.
    #[serde(default)]
    pub channels: BTreeMap<String, ChannelOverride>,
}

/// The HTTP door.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Its address.
    pub listen: SocketAddr,
    /// The address others know it by.
    pub base_url: Option<String>,
}

/// The database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Connections that read.
    pub readers: u32,
    /// Page cache of each connection, in bytes.
    pub cache_bytes: u64,
}

/// How channels work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Lanes a channel; 0: one a core.
    pub lanes: usize,
    /// Messages a channel holds in memory.
    pub backlog_messages: usize,
    /// Bytes a channel holds in memory.
    pub backlog_bytes: usize,
    /// How long stopping waits.
    pub drain_secs: u64,
    /// Every resource is also put through the typed model of R4B before it is written.
    pub typed_check: bool,
}

/// How long messages are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days after a message ended.
    pub keep_days: u64,
    /// When what is older is deleted.
    pub schedule: String,
}

/// The log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// `info`, or per crate: `info,hub_runtime=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Settings {
    /// Reads the settings of a command.
    pub fn read(global: &Global) -> anyhow::Result<Self> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        let beside = global.root.join("config/hub.toml");
        match &global.config {
            Some(file) => builder = builder.add_source(File::from(file.as_path()).format(FileFormat::Toml)),
            None if beside.exists() => {
                builder = builder.add_source(File::from(beside).format(FileFormat::Toml))
            }
            None => {}
        }
        builder = builder.add_source(environment());
        for setting in &global.set {
            builder = builder.add_source(File::from_str(&line_of(setting)?, FileFormat::Toml));
        }
        let mut settings: Self = builder
            .build()
            .and_then(Config::try_deserialize)
            .context("the settings cannot be read (config/default.toml lists them all)")?;
        if let Some(data) = &global.data {
            settings.data_dir.clone_from(data);
        }
        Ok(settings)
    }

    /// What the settings lay over the channel files of `root`.
    pub fn overrides(&self, root: &Path) -> anyhow::Result<Overrides> {
        let mut overrides = Overrides { origin: PathBuf::from("config/hub.toml"), ..Overrides::default() };
        let ids = channel_ids(&root.join("channels"));
        for (name, over) in &self.channels {
            // The environment cannot write `his/oru-r01`: there it is `his_oru_r01`.
            let Some(id) = ids.iter().find(|id| *id == name || plain(id) == plain(name)) else {
                bail!("the settings name the channel `{name}`, which is not among {}", ids.join(", "));
            };
            overrides.channels.insert(ChannelId::from(id), over.clone());
        }
        Ok(overrides)
    }

    /// Sizes of a channel's workings.
    pub fn sizes(&self) -> hub_runtime::house::Sizes {
        let defaults = hub_runtime::house::Sizes::default();
        hub_runtime::house::Sizes {
            lanes: if self.work.lanes == 0 { defaults.lanes } else { self.work.lanes },
            backlog_messages: self.work.backlog_messages,
            backlog_bytes: self.work.backlog_bytes,
            drain: Duration::from_secs(self.work.drain_secs),
            ..defaults
        }
    }
}

/// `http.listen=127.0.0.1:0` as a line of TOML; a value that is no TOML value is a string.
fn line_of(setting: &str) -> anyhow::Result<String> {
    let Some((key, value)) = setting.split_once('=') else {
        bail!("--set {setting}: expected KEY=VALUE");
    };
    let as_it_is = format!("{key} = {value}");
    if toml::from_str::<toml::Table>(&as_it_is).is_ok() {
        return Ok(as_it_is);
    }
    let as_text = format!("{key} = {}", toml::Value::String(value.to_owned()));
    toml::from_str::<toml::Table>(&as_text).with_context(|| format!("--set {setting}"))?;
    Ok(as_text)
}

/// `HUITONG_HTTP__LISTEN` is `http.listen`.
fn environment() -> Environment {
    let variables: HashMap<String, String> = std::env::vars()
        .filter(|(name, _)| {
            name.starts_with("HUITONG_")
                && !NOT_SETTINGS.contains(&name.as_str())
                && !name.starts_with(SECRETS)
        })
        .collect();
    Environment::with_prefix("HUITONG")
        .prefix_separator("_")
        .separator("__")
        .try_parsing(true)
        .source(Some(variables))
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace(['/', '-'], "_")
}

fn channel_ids(channels: &Path) -> Vec<String> {
    let mut ids = Vec::new();
    let mut folders = vec![channels.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "toml")
                && let Ok(below) = path.with_extension("").strip_prefix(channels)
            {
                ids.push(below.to_string_lossy().into_owned());
            }
        }
    }
    ids.sort();
    ids
}
