//! Which connectors exist, by name: how a channel file becomes a source and destinations.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::destination::Destination;
use crate::source::Source;

/// The settings of a source or destination, as the channel file has them.
pub type Settings = toml::Table;

/// A kind of source a channel can name.
pub trait SourceKind: 'static {
    /// The connector's name: `lis`.
    const TYPE: &'static str;
    /// The format of its messages: `hl7v2`. `None`: whatever the channel says.
    const FORMAT: Option<&'static str>;
    /// Whether whoever sends waits for an answer: without it `on_answered` is refused.
    const ANSWERS: bool = true;
    /// Whether it can take payloads in as attachments, a piece at a time: without it the format `binary` is refused.
    const ATTACHES: bool = false;
    /// Its settings: a struct with `#[serde(deny_unknown_fields)]`.
    type Config: DeserializeOwned;

    /// Makes the source. Touches nothing outside; [`Source::bind`] does.
    fn build(config: Self::Config, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError>;

    /// The addresses these settings take, so that two channels on one port are found before any is bound.
    fn listens(config: &Self::Config) -> Vec<String>;
}

/// A kind of destination a channel can name.
pub trait DestinationKind: 'static {
    /// The connector's name: `notify`.
    const TYPE: &'static str;
    /// The one format that it sends: `hl7v2`. `None`: whatever it is given.
    const FORMAT: Option<&'static str> = None;
    /// Whether it can deliver attachments ([`Destination::deliver_attachment`]).
    const ATTACHES: bool = false;
    /// Its settings: a struct with `#[serde(deny_unknown_fields)]`.
    type Config: DeserializeOwned;

    /// Makes the destination. Touches nothing outside; `deliver` does.
    fn build(config: Self::Config, secrets: &dyn Secrets) -> Result<Box<dyn Destination>, BuildError>;
}

/// Secrets by name. A channel file holds names, never secrets.
pub trait Secrets: Send + Sync {
    /// The secret of this name.
    fn get(&self, name: &str) -> Result<String, BuildError>;

    /// Where the secret of this name is looked for, in words, for whoever has to set it.
    fn place(&self, _name: &str) -> Option<String> {
        None
    }
}

/// Why a source or destination cannot be made of its settings.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// No connector has this name.
    #[error("there is no {role} connector `{name}`")]
    UnknownConnector {
        /// `source` or `destination`.
        role: &'static str,
        /// The name asked for.
        name: String,
    },
    /// The settings do not fit.
    #[error("{what}")]
    Settings {
        /// The key that is wrong, where it is known.
        key: Option<String>,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A secret is not set.
    #[error("the secret `{name}` is not set")]
    Secret {
        /// Its name.
        name: String,
    },
}

type BuildSource = fn(Settings, &dyn Secrets) -> Result<Box<dyn Source>, BuildError>;
type BuildDestination = fn(Settings, &dyn Secrets) -> Result<Box<dyn Destination>, BuildError>;
type Listens = fn(Settings) -> Result<Vec<String>, BuildError>;
type Check = fn(Settings) -> Result<(), BuildError>;
type CheckFormat = fn(&str, &FormatUse<'_>) -> Result<(), String>;

/// How a channel or a mapping uses a format.
#[derive(Clone, Copy, Debug)]
pub struct FormatUse<'a> {
    /// Whether it is read or written.
    pub written: bool,
    /// The character set of messages that do not name theirs.
    pub charset: Option<&'a str>,
    /// How it is laid out, for formats that have to be told: delimiter, columns.
    pub layout: &'a Settings,
}

struct SourceEntry {
    format: Option<&'static str>,
    answers: bool,
    attaches: bool,
    build: BuildSource,
    listens: Listens,
}

struct DestinationEntry {
    format: Option<&'static str>,
    attaches: bool,
    build: BuildDestination,
    check: Check,
}

/// All connectors of the program.
#[derive(Default)]
pub struct Registry {
    sources: BTreeMap<&'static str, SourceEntry>,
    destinations: BTreeMap<&'static str, DestinationEntry>,
    formats: BTreeMap<&'static str, CheckFormat>,
}

fn read<C: DeserializeOwned>(settings: Settings) -> Result<C, BuildError> {
    settings.try_into().map_err(|error: toml::de::Error| {
        let what = in_words(error.message());
        BuildError::Settings { key: wrong_key(&error), what }
    })
}

/// What the parser says of a value, without the names of the program's types.
fn in_words(message: &str) -> String {
    let Some((before, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let words = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        _ => return message.to_owned(),
    };
    format!("{before}, expected {words}")
}

/// The key an error is about: `tls.certificate`. The parser tells the tables it stands in only in its printed
/// form ("in `tls`"), and the key itself, where it is unknown or missing, only in its message ("unknown field `x`").
fn wrong_key(error: &toml::de::Error) -> Option<String> {
    let printed = error.to_string();
    let within = printed.rsplit_once("in `").and_then(|(_, rest)| rest.split_once('`')).map(|(keys, _)| keys);
    let message = error.message();
    let names_a_key = message.starts_with("unknown field `") || message.starts_with("missing field `");
    let key = message.split('`').nth(1).filter(|_| names_a_key);
    let parts: Vec<&str> = within.into_iter().chain(key).collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

impl Registry {
    /// Adds a kind of source.
    pub fn source<K: SourceKind>(&mut self) -> &mut Self {
        let entry = SourceEntry {
            format: K::FORMAT,
            answers: K::ANSWERS,
            attaches: K::ATTACHES,
            build: |settings, secrets| K::build(read(settings)?, secrets),
            listens: |settings| Ok(K::listens(&read(settings)?)),
        };
        self.sources.insert(K::TYPE, entry);
        self
    }

    /// Adds a kind of destination.
    pub fn destination<K: DestinationKind>(&mut self) -> &mut Self {
        let entry = DestinationEntry {
            format: K::FORMAT,
            attaches: K::ATTACHES,
            build: |settings, secrets| K::build(read(settings)?, secrets),
            check: |settings| read::<K::Config>(settings).map(|_| ()),
        };
        self.destinations.insert(K::TYPE, entry);
        self
    }

    /// Adds a format of messages. `check` says what is wrong with how the format of this name is used.
    pub fn format(&mut self, name: &'static str, check: CheckFormat) -> &mut Self {
        self.formats.insert(name, check);
        self
    }

    /// Checks that messages of this format can be read or written so. A format that was not added passes: what
    /// reads it decides.
    pub fn check_format(&self, name: &str, how: &FormatUse<'_>) -> Result<(), String> {
        self.formats.get(name).map_or(Ok(()), |check| check(name, how))
    }

    /// The names of all sources.
    pub fn source_names(&self) -> impl Iterator<Item = &'static str> {
        self.sources.keys().copied()
    }

    /// The names of all destinations.
    pub fn destination_names(&self) -> impl Iterator<Item = &'static str> {
        self.destinations.keys().copied()
    }

    /// The format of a source's messages. `None`: any, or there is no such source.
    pub fn source_format(&self, kind: &str) -> Option<&'static str> {
        self.sources.get(kind).and_then(|entry| entry.format)
    }

    /// Whether senders of this source wait for an answer. A source that is not known is taken to be one of those.
    pub fn source_answers(&self, kind: &str) -> bool {
        self.sources.get(kind).is_none_or(|entry| entry.answers)
    }

    /// Whether this source can take attachments in. One that is not known is taken to be able to.
    pub fn source_attaches(&self, kind: &str) -> bool {
        self.sources.get(kind).is_none_or(|entry| entry.attaches)
    }

    /// Whether this destination can deliver attachments. One that is not known is taken to be able to.
    pub fn destination_attaches(&self, kind: &str) -> bool {
        self.destinations.get(kind).is_none_or(|entry| entry.attaches)
    }

    /// The one format that a destination sends. `None`: any, or there is no such destination.
    pub fn destination_format(&self, kind: &str) -> Option<&'static str> {
        self.destinations.get(kind).and_then(|entry| entry.format)
    }

    /// Makes a source.
    pub fn build_source(
        &self,
        kind: &str,
        settings: Settings,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Source>, BuildError> {
        (self.source_entry(kind)?.build)(settings, secrets)
    }

    /// Makes a destination.
    pub fn build_destination(
        &self,
        kind: &str,
        settings: Settings,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        (self.destination_entry(kind)?.build)(settings, secrets)
    }

    /// Checks a source's settings; answers with the addresses they take.
    pub fn check_source(&self, kind: &str, settings: Settings) -> Result<Vec<String>, BuildError> {
        (self.source_entry(kind)?.listens)(settings)
    }

    /// Checks a destination's settings.
    pub fn check_destination(&self, kind: &str, settings: Settings) -> Result<(), BuildError> {
        (self.destination_entry(kind)?.check)(settings)
    }

    fn source_entry(&self, kind: &str) -> Result<&SourceEntry, BuildError> {
        let unknown = || BuildError::UnknownConnector { role: "source", name: kind.to_owned() };
        self.sources.get(kind).ok_or_else(unknown)
    }

    fn destination_entry(&self, kind: &str) -> Result<&DestinationEntry, BuildError> {
        let unknown = || BuildError::UnknownConnector { role: "destination", name: kind.to_owned() };
        self.destinations.get(kind).ok_or_else(unknown)
    }
}
