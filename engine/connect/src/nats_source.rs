//! Takes messages from a JetStream stream by durable consumers, and acknowledges each when it is in the journal.
//!
//! What has been taken is remembered by the stream, in the consumer: so several hubs may share one, and a message that was kept and not
//! acknowledged when a hub died comes again, is known, and is only acknowledged.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::registry::{BuildError, Secrets};
use hub_core::source::{Intake, Source, SourceError};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::nats::{NatsLogin, NatsTls, Settings, Way, is_name, no_name};
use crate::tls::{at_least_one, wrong};
use crate::trouble::Trouble;

mod feed;
mod take;

use feed::{Feed, is_filter};

/// How long to wait before something that went wrong is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// The settings of a NATS source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsSourceConfig {
    /// Where the servers of one cluster are: `["nats://127.0.0.1:4222"]`, with TLS `tls://`.
    pub servers: Vec<String>,
    /// TLS, by the names of secrets.
    pub tls: Option<NatsTls>,
    /// How the hub says who it is, by the names of secrets.
    pub login: Option<NatsLogin>,
    /// How long connecting to a server may take.
    #[serde(default = "three_seconds")]
    pub connect_secs: u64,
    /// The stream. It is there.
    pub stream: String,
    /// The name of the durable consumer, or the beginning of the names, where there are several subjects. Made when it is not there.
    pub consumer: String,
    /// Which subjects of the stream: one consumer each, side by side. Without it: all, by one consumer.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// How many messages of a consumer may be under way at once. With 1 their order is kept whatever happens.
    #[serde(default = "one")]
    pub in_flight: usize,
    /// How long the stream waits for a message's acknowledgement before it gives it out again.
    #[serde(default = "half_a_minute")]
    pub ack_secs: u64,
    /// Where a new consumer begins: at the first message of the stream, or with those that come from now on.
    #[serde(default)]
    pub begin: Begin,
    /// How long a message waits for its outcome, where the channel answers `on_committed`; then it is given back and comes again.
    #[serde(default = "half_a_minute")]
    pub answer_secs: u64,
    /// What kind of message every one is, for `accept`.
    #[serde(rename = "type")]
    pub message_type: Option<String>,
    /// The header that says what kind of message it is; goes before `type`.
    pub type_header: Option<String>,
}

/// Where a new consumer begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// With all that the stream holds.
    #[default]
    First,
    /// With what comes from now on.
    New,
}

fn three_seconds() -> u64 {
    3
}

fn one() -> usize {
    1
}

fn half_a_minute() -> u64 {
    30
}

/// Takes from one stream.
pub struct NatsSource {
    way: Way,
    config: NatsSourceConfig,
    /// The consumers' names, and the subject of each: empty for all.
    consumers: Vec<(String, String)>,
}

impl NatsSource {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(config: NatsSourceConfig, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        at_least_one("in_flight", config.in_flight as u64)?;
        at_least_one("ack_secs", config.ack_secs)?;
        at_least_one("answer_secs", config.answer_secs)?;
        for (key, name) in [("stream", &config.stream), ("consumer", &config.consumer)] {
            if !is_name(name) {
                return Err(wrong(key, no_name(name)));
            }
        }
        if let Some(subject) = config.subjects.iter().find(|subject| !is_filter(subject)) {
            let what = format!(
                "`{subject}` is no subject: expected words with points between them, such as `hub.adt.0`, `*` for any word, `>` for all that follow"
            );
            return Err(wrong("subjects", what));
        }
        let consumers = consumers(&config.consumer, &config.subjects);
        if consumers.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len() < consumers.len() {
            return Err(wrong("subjects", "two of `subjects` are alike: each has a consumer of its own"));
        }
        let way = Way::build(
            Settings {
                servers: &config.servers,
                tls: config.tls.as_ref(),
                login: config.login.as_ref(),
                connect_secs: config.connect_secs,
            },
            secrets,
        )?;
        Ok(Self { way, config, consumers })
    }
}

/// One consumer for all, or one for each subject, called by it too.
fn consumers(name: &str, subjects: &[String]) -> Vec<(String, String)> {
    match subjects {
        [] => vec![(name.to_owned(), String::new())],
        [subject] => vec![(name.to_owned(), subject.clone())],
        subjects => subjects
            .iter()
            .map(|subject| {
                let word = subject.replace('.', "_").replace('*', "any").replace('>', "rest");
                (format!("{name}-{word}"), subject.clone())
            })
            .collect(),
    }
}

#[async_trait]
impl Source for NatsSource {
    /// A server that is down does not keep the hub from starting: its messages wait in the stream.
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        Ok(None)
    }

    async fn run(
        self: Box<Self>,
        intake: Intake,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), SourceError> {
        let mut trouble = Trouble::new(self.config.stream.clone());
        let client = loop {
            let connected = tokio::select! {
                connected = self.way.connect() => connected,
                // An error means that nobody is left who could say stop: then it is time to.
                _told = stop.wait_for(|stop| *stop) => return Ok(()),
            };
            match connected {
                Ok(client) => break client,
                Err(error) => {
                    trouble.is("The NATS server cannot be reached; it will be tried again.", &error)
                }
            }
            trouble.looked();
            tokio::select! {
                _told = stop.wait_for(|stop| *stop) => return Ok(()),
                () = tokio::time::sleep(PAUSE) => {}
            }
        };
        trouble.looked();
        let mut feeds = JoinSet::new();
        for (consumer, subject) in self.consumers {
            let feed = Feed::new(client.clone(), &self.config, consumer, subject, intake.clone());
            feeds.spawn(feed.run(stop.clone()));
        }
        while let Some(ended) = feeds.join_next().await {
            ended.map_err(|_| {
                SourceError::Stopped("a consumer broke off by a fault of the program".to_owned())
            })?;
        }
        Ok(())
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
        let usual = "servers = ['nats://127.0.0.1:4222']\nstream = 'ADT'\nconsumer = 'hub-b'\n";
        let built = |settings: &str| NatsSource::build(toml::from_str(settings).unwrap(), &NoSecrets);
        assert!(built(&format!("{usual}subjects = ['adt.0', 'adt.1', 'adt.*.x', 'z.>']")).is_ok());
        for (key, settings) in [
            ("servers", "servers = []\nstream = 'ADT'\nconsumer = 'b'".to_owned()),
            ("stream", "servers = ['nats://a:1']\nstream = 'A.B'\nconsumer = 'b'".to_owned()),
            ("consumer", "servers = ['nats://a:1']\nstream = 'A'\nconsumer = ''".to_owned()),
            ("subjects", format!("{usual}subjects = ['a..b']")),
            ("subjects", format!("{usual}subjects = ['a.>.b']")),
            ("subjects", format!("{usual}subjects = ['a.b', 'a_b']")),
            ("in_flight", format!("{usual}in_flight = 0")),
            ("ack_secs", format!("{usual}ack_secs = 0")),
        ] {
            let error = built(&settings).err();
            let found = matches!(&error, Some(BuildError::Settings { key: Some(found), .. }) if found == key);
            assert!(found, "{settings}: {error:?}");
        }
    }
}
