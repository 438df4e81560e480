//! Takes HL7 v2 messages over MLLP, hands them to the intake and acknowledges them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::registry::{BuildError, Secrets};
use hub_core::source::{Intake, Source, SourceError};
use hub_transport::mllp_server::{Handler, MllpServer, ServerLimits};
use hub_transport::tls::TlsServer;
use serde::Deserialize;
use tokio::sync::watch;

use crate::tls::{ServerTls, at_least_one, not_bound, wrong};

mod answer;
mod verdict;

use answer::Feed;

/// The settings of an MLLP source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpSourceConfig {
    /// Where it listens: `127.0.0.1:2575`.
    pub listen: String,
    /// TLS, by the names of secrets.
    pub tls: Option<ServerTls>,
    /// The longest message. A longer one closes the connection: it cannot be answered, its header was not kept.
    #[serde(default = "one_mebibyte")]
    pub max_message_bytes: usize,
    /// How long a connection may be silent.
    #[serde(default = "ten_minutes")]
    pub idle_secs: u64,
    /// How many connections there may be.
    #[serde(default = "many_connections")]
    pub max_connections: usize,
    /// How long an answer waits for a message's outcome, where it has to.
    #[serde(default = "half_a_minute")]
    pub answer_secs: u64,
    /// How far the clock in answers (MSH-7) is ahead of UTC. The default is Beijing's and Hong Kong's.
    #[serde(default = "beijing")]
    pub utc_offset_hours: i8,
}

fn one_mebibyte() -> usize {
    1 << 20
}

fn ten_minutes() -> u64 {
    600
}

fn many_connections() -> usize {
    256
}

fn half_a_minute() -> u64 {
    30
}

fn beijing() -> i8 {
    8
}

impl MllpSourceConfig {
    /// The usual settings for an address.
    pub fn new(listen: impl Into<String>) -> Self {
        Self {
            listen: listen.into(),
            tls: None,
            max_message_bytes: one_mebibyte(),
            idle_secs: ten_minutes(),
            max_connections: many_connections(),
            answer_secs: half_a_minute(),
            utc_offset_hours: beijing(),
        }
    }

    /// The addresses these settings take.
    pub fn listens(&self) -> Vec<String> {
        vec![self.listen.clone()]
    }
}

/// Listens on one address.
pub struct MllpSource {
    config: MllpSourceConfig,
    offset: time::UtcOffset,
    tls: Option<TlsServer>,
    server: Option<MllpServer>,
}

impl MllpSource {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(config: MllpSourceConfig, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        at_least_one("max_message_bytes", config.max_message_bytes as u64)?;
        at_least_one("idle_secs", config.idle_secs)?;
        at_least_one("max_connections", config.max_connections as u64)?;
        at_least_one("answer_secs", config.answer_secs)?;
        let offset = time::UtcOffset::from_hms(config.utc_offset_hours, 0, 0)
            .map_err(|_| wrong("utc_offset_hours", "`utc_offset_hours`: expected -25 to 25"))?;
        let tls = config.tls.as_ref().map(|tls| tls.resolve(secrets)).transpose()?;
        Ok(Self { config, offset, tls, server: None })
    }

    fn limits(&self) -> ServerLimits {
        let answer = Duration::from_secs(self.config.answer_secs);
        ServerLimits {
            max_message_bytes: self.config.max_message_bytes,
            idle: Duration::from_secs(self.config.idle_secs),
            max_connections: self.config.max_connections,
            // What waits for its outcome when the hub stops is answered within its own time.
            drain: answer,
            ..ServerLimits::default()
        }
    }
}

/// What answers the frames of a source: the acknowledgement rules of HL7 apart from any socket, so that a channel's own tests are
/// answered by the same code as its senders. Waits for outcomes at most `answer`; times are written in `offset`.
pub fn answering(intake: Intake, answer: Duration, offset: time::UtcOffset) -> Arc<dyn Handler> {
    Arc::new(Feed::new(intake, answer, offset))
}

#[async_trait]
impl Source for MllpSource {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        let bound = MllpServer::bind(&self.config.listen, self.limits(), self.tls.as_ref()).await;
        let (server, address) = bound.map_err(not_bound)?;
        self.server = Some(server);
        Ok(Some(address))
    }

    async fn run(
        mut self: Box<Self>,
        intake: Intake,
        stop: watch::Receiver<bool>,
    ) -> Result<(), SourceError> {
        let server = self.server.take().ok_or_else(|| SourceError::Stopped("it was not bound".to_owned()))?;
        let feed = Feed::new(intake, Duration::from_secs(self.config.answer_secs), self.offset);
        server.serve(Arc::new(feed), stop).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_not_given_have_their_defaults() {
        let config: MllpSourceConfig = toml::from_str("listen = '127.0.0.1:2575'").unwrap();
        assert_eq!(config, MllpSourceConfig::new("127.0.0.1:2575"));
    }

    #[test]
    fn a_key_that_is_not_known_is_refused() {
        let read = toml::from_str::<MllpSourceConfig>("listen = 'x'\nlimit = 1");
        assert!(read.unwrap_err().message().contains("`limit`"));
    }
}
