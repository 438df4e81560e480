//! The settings of a hub: defaults, then the settings file, then the environment, then `--set` and `--data`.

mod fhir;
mod sign_in;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::http::HeaderName;
use config::builder::{ConfigBuilder, DefaultState};
use config::{Config, Environment, File, FileFormat};
use hub_core::id::ChannelId;
use hub_core::registry::Secrets as _;
use hub_fhirpath::SearchLanguage;
use hub_runtime::retention::Keep;
use hub_spec::{ChannelOverride, Origin, Overrides};
use hub_store::{Archive, ArchiveKey, ArchiveOptions, StoreOptions};
use hub_workflows::Policy;
use serde::{Deserialize, Deserializer};
use tracing_subscriber::EnvFilter;

pub use self::fhir::Fhir;
pub use self::sign_in::SignIn;
use crate::attachments::AttachmentSettings;
use crate::cli::Global;
use crate::secrets::NamedSecrets;

/// The defaults, and at the same time the documentation of every setting.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Variables of the same prefix that are not settings.
const NOT_SETTINGS: [&str; 12] = [
    "HUITONG_CONFIG",
    "HUITONG_URL",
    "HUITONG_TOKEN",
    crate::run::ANEW,
    "HUITONG_CORPUS",
    "HUITONG_BLESS",
    "HUITONG_CRASH_AT",
    "HUITONG_CRASH_ROUNDS",
    "HUITONG_CRASH_SEED",
    "HUITONG_PROGRAM",
    "HUITONG_SOAK_SECS",
    "HUITONG_SOAK_SEED",
];
const SECRETS: &str = "HUITONG_SECRET_";
const DAY_SECS: u64 = 24 * 60 * 60;

/// Marks an error as one of what people wrote into the settings: the program then ends with the exit code of wrong files.
#[derive(Debug)]
pub struct WrongSettings;

impl fmt::Display for WrongSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are wrong (config/default.toml explains each)")
    }
}

impl std::error::Error for WrongSettings {}

/// All settings. `config/default.toml` says what each means.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the databases are.
    pub data_dir: PathBuf,
    /// A folder of files, one a secret.
    pub secrets_dir: Option<PathBuf>,
    /// The HTTP door.
    pub http: Http,
    /// The authorization server.
    pub sign_in: SignIn,
    /// The FHIR API behind it.
    pub fhir: Fhir,
    /// The database.
    pub store: Store,
    /// How channels work.
    pub work: Work,
    /// How long messages are kept.
    pub retention: Retention,
    /// Where payloads are kept that are not parsed.
    pub attachments: AttachmentSettings,
    /// The numbers of the business's rules.
    pub business: Policy,
    /// The log.
    pub log: Log,
    /// Settings of single channels, laid over their files.
    #[serde(default)]
    pub channels: BTreeMap<String, ChannelOverride>,
}

/// The HTTP door.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Its address.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The address others know it by.
    pub base_url: Option<String>,
    /// Whether everybody sees and does everything.
    pub open: bool,
    /// How many proxies of the house stand before it.
    pub proxies: usize,
    /// The header in which the proxy before the hub names its user.
    #[serde(default, deserialize_with = "header")]
    pub user_header: Option<HeaderName>,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The PostgreSQL database; without one, SQLite in the data folder.
    pub database: Option<String>,
    /// The name of the secret that is the database's password.
    pub password_secret: Option<String>,
    /// What this node is called among those that share the database.
    pub node: Option<String>,
    /// Connections that read.
    pub readers: u32,
    /// Page cache of each connection, in bytes.
    pub cache_bytes: u64,
}

/// How channels work.
#[derive(Clone, Debug, PartialEq, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days after a message ended.
    pub keep_days: u64,
    /// Days a row of the audit trail is kept; 0: for ever.
    pub audit_days: u64,
    /// Days a version of a resource is kept after it was superseded; 0: for ever.
    pub history_days: u64,
    /// The folder messages are written to before they are deleted.
    pub archive: Option<PathBuf>,
    /// The name of the secret that they are sealed with there.
    pub archive_key: String,
    /// When what is older is deleted.
    pub schedule: String,
}

impl Retention {
    /// How long things are kept.
    pub fn keep(&self) -> Keep {
        let days = |days: u64| Duration::from_secs(days * DAY_SECS);
        Keep {
            messages: days(self.keep_days),
            audit: (self.audit_days > 0).then(|| days(self.audit_days)),
            history: (self.history_days > 0).then(|| days(self.history_days)),
        }
    }

    /// How long messages go into the same stretch of tables on PostgreSQL: short, so that space comes back soon, but not so that
    /// there are many, for a message that is looked up by its id is looked for in each.
    fn stretch(&self) -> Duration {
        Duration::from_secs((self.keep_days * DAY_SECS / 16).clamp(3_600, 4 * DAY_SECS))
    }
}

/// The log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// `info`, or per crate: `info,hub_runtime=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// What names a PostgreSQL database.
pub const DATABASE_ADDRESS: &str = "an address such as `postgres://hub@db.hospital.example/huitong`";

/// Whether an address names a PostgreSQL database.
pub fn names_database(address: &str) -> bool {
    reqwest::Url::parse(address)
        .is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql") && url.path().len() > 1)
}

/// What the machine is called.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "hub".to_owned() } else { name.trim().to_owned() }
}

impl Settings {
    /// Reads the settings of a command. An error says which file, variable or option is wrong.
    pub fn read(global: &Global) -> anyhow::Result<Self> {
        let mut settings = Self::layered(global).context(WrongSettings)?;
        if let Some(data) = &global.data {
            settings.data_dir.clone_from(data);
        }
        Ok(settings)
    }

    /// Lays one source over the other and looks at the whole after each, so that what is wrong is told with its source.
    fn layered(global: &Global) -> anyhow::Result<Self> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if global.simulates {
            builder = builder.add_source(File::from_str("http.open = true", FileFormat::Toml));
        }
        let mut settings = settled(&builder)?;
        let beside = global.root.join("config/hub.toml");
        let file = global.config.clone().or_else(|| beside.exists().then_some(beside));
        if let Some(file) = file {
            let shown = file.display();
            let text = std::fs::read_to_string(&file).with_context(|| format!("{shown} cannot be read"))?;
            builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
            settings = settled(&builder).with_context(|| shown.to_string())?;
        }
        for (name, value) in variables() {
            builder = builder.add_source(setting_of(&name, value));
            settings = settled(&builder).with_context(|| format!("the variable {name}"))?;
        }
        for setting in &global.set {
            builder = builder.add_source(File::from_str(&line_of(setting)?, FileFormat::Toml));
            settings = settled(&builder).with_context(|| format!("--set {setting}"))?;
        }
        Ok(settings)
    }

    /// What no type can say.
    fn check(&self) -> anyhow::Result<()> {
        ensure!((1..=64).contains(&self.store.readers), "`store.readers`: expected 1 to 64");
        if let Some(url) = &self.store.database {
            ensure!(names_database(url), "`store.database`: expected {DATABASE_ADDRESS}");
        }
        self.fhir.settings()?;
        let is_here = self.http.listen.ip().is_loopback();
        ensure!(
            is_here || !self.http.open,
            "`http.open`: expected false, since `http.listen` can be reached from elsewhere; sign in instead (docs/sign-in.md)"
        );
        self.sign_in.check()?;
        let most = 1 << 30;
        ensure!((1024..=most).contains(&self.fhir.body_bytes), "`fhir.body_bytes`: expected 1024 to {most}");
        ensure!(self.work.lanes <= 1024, "`work.lanes`: expected at most 1024");
        ensure!(self.work.backlog_messages > 0, "`work.backlog_messages`: expected 1 or more");
        ensure!(self.work.backlog_bytes > 0, "`work.backlog_bytes`: expected 1 or more");
        ensure!(self.work.drain_secs <= 3600, "`work.drain_secs`: expected at most 3600");
        let retention = &self.retention;
        for (name, days) in [
            ("keep_days", retention.keep_days),
            ("audit_days", retention.audit_days),
            ("history_days", retention.history_days),
        ] {
            ensure!(days <= 36_500, "`retention.{name}`: expected at most 36500");
        }
        cron::Schedule::from_str(&self.retention.schedule).map_err(|_| {
            anyhow::anyhow!(
                "`retention.schedule`: expected `seconds minutes hours day month weekday`, such as `0 */10 * * * *`"
            )
        })?;
        self.attachments.check()?;
        if let Some(url) = &self.http.base_url {
            let parsed = reqwest::Url::parse(url).ok();
            ensure!(
                parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
                "`http.base_url`: expected a URL such as `https://hub.hospital.example`"
            );
        }
        EnvFilter::try_new(&self.log.level).map_err(|_| {
            anyhow::anyhow!(
                "`log.level`: expected error, warn, info, debug or trace, also per crate: `info,hub_runtime=debug`"
            )
        })?;
        Ok(())
    }

    /// What this node is called.
    pub fn node(&self) -> String {
        self.store.node.clone().unwrap_or_else(host_name)
    }

    /// What the store is opened with.
    pub fn store_options(&self) -> anyhow::Result<StoreOptions> {
        let folder = self.data_dir.clone();
        let options = match &self.store.database {
            None => StoreOptions::new(folder),
            Some(url) => {
                StoreOptions { password: self.database_password()?, ..StoreOptions::postgres(url, folder) }
            }
        };
        Ok(StoreOptions {
            stretch: self.retention.stretch(),
            archive: self.archive()?,
            node: self.node(),
            readers: self.store.readers,
            cache_bytes: self.store.cache_bytes,
            full_text: self.fhir.search.text.types()?,
            language: Some(Arc::new(SearchLanguage)),
            ..options
        })
    }

    /// Where messages are written to before they are deleted.
    fn archive(&self) -> anyhow::Result<Option<ArchiveOptions>> {
        let Some(folder) = &self.retention.archive else { return Ok(None) };
        let key = self.archive_key(&self.retention.archive_key).context("`retention.archive_key`");
        Ok(Some(ArchiveOptions { folder: folder.clone(), key: key.context(WrongSettings)? }))
    }

    /// The key of this name.
    pub fn archive_key(&self, name: &str) -> anyhow::Result<ArchiveKey> {
        let secrets = NamedSecrets::new(self.secrets_dir.clone());
        let help = secrets.place(name).unwrap_or_default();
        let text = secrets.get(name).with_context(|| format!("the archive key `{name}`: expected {help}"))?;
        Ok(ArchiveKey::of(name, &text)?)
    }

    /// What the hub of these settings has stored, to be read only: beside the hub that runs, or without any.
    pub async fn read_only(&self) -> anyhow::Result<Archive> {
        Ok(match &self.store.database {
            Some(url) => Archive::open_postgres(url, self.database_password()?.as_deref()).await?,
            None => Archive::open(&self.data_dir).await?,
        })
    }

    /// The password of the database, where a secret holds it.
    pub fn database_password(&self) -> anyhow::Result<Option<String>> {
        let password = self.store.password_secret.as_deref().map(|name| {
            let secrets = NamedSecrets::new(self.secrets_dir.clone());
            let help = secrets.place(name).unwrap_or_default();
            secrets.get(name).with_context(|| format!("`store.password_secret`: expected {help}"))
        });
        password.transpose()
    }

    /// The settings of the hub itself: those that are read at its start alone.
    pub fn without_channels(&self) -> Self {
        Self { channels: BTreeMap::new(), ..self.clone() }
    }

    /// What the settings lay over the files of these channels. Of an earlier deployment's, others are passed over.
    pub fn overrides(&self, ids: &[String], origin: Origin) -> anyhow::Result<Overrides> {
        self.overrides_of(ids, origin).context(WrongSettings)
    }

    fn overrides_of(&self, ids: &[String], origin: Origin) -> anyhow::Result<Overrides> {
        let mut overrides = Overrides { origin: PathBuf::from("config/hub.toml"), ..Overrides::default() };
        for (name, over) in &self.channels {
            // The environment cannot write `his/oru-r01`: there it is `his_oru_r01`.
            let Some(id) = ids.iter().find(|id| *id == name || plain(id) == plain(name)) else {
                if origin == Origin::Earlier {
                    continue;
                }
                bail!("`channels.{name}`: there is no such channel; expected one of {}", ids.join(", "));
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

fn settled(builder: &ConfigBuilder<DefaultState>) -> anyhow::Result<Settings> {
    let settings: Settings = builder.clone().build().and_then(Config::try_deserialize)?;
    settings.check()?;
    Ok(settings)
}

/// The environment's settings, in the order of their names.
fn variables() -> BTreeMap<String, String> {
    std::env::vars()
        .filter(|(name, _)| {
            name.starts_with("HUITONG_")
                && !NOT_SETTINGS.contains(&name.as_str())
                && !name.starts_with(SECRETS)
        })
        .collect()
}

/// `HUITONG_HTTP__LISTEN` is `http.listen`.
fn setting_of(name: &str, value: String) -> Environment {
    Environment::with_prefix("HUITONG")
        .prefix_separator("_")
        .separator("__")
        .try_parsing(true)
        .source(Some(HashMap::from([(name.to_owned(), value)])))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong =
        || serde::de::Error::custom("expected ADDRESS:PORT such as `127.0.0.1:8080`, by number, not by name");
    text.parse().map_err(|_| wrong())
}

fn header<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderName>, D::Error> {
    let wrong = || serde::de::Error::custom("expected the name of a header such as `x-forwarded-user`");
    String::deserialize(deserializer)?.parse().map(Some).map_err(|_| wrong())
}

impl TryFrom<String> for LogFormat {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected `text` or `json`"),
        }
    }
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace(['/', '-'], "_")
}
