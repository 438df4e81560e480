//! Takes messages of any format by HTTP POST, hands them to the intake and answers by status, or with the channel's reply.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::id::Digest;
use hub_core::registry::{BuildError, Secrets};
use hub_core::source::{Intake, Source, SourceError};
use hub_transport::http_server::{HttpLimits, HttpServer};
use hub_transport::tls::TlsServer;
use serde::Deserialize;
use tokio::sync::watch;

use crate::tls::{ServerTls, at_least_one, not_bound, wrong};

mod answer;
mod attachment;

use answer::Post;

/// The settings of an HTTP source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSourceConfig {
    /// Where it listens: `127.0.0.1:8090`.
    pub listen: String,
    /// The one path that messages are posted to.
    #[serde(default = "root")]
    pub path: String,
    /// TLS, by the names of secrets.
    pub tls: Option<ServerTls>,
    /// The secret with the token that senders show: `Authorization: Bearer TOKEN`. Without it whoever reaches the port may send.
    pub token: Option<String>,
    /// What kind of message every one is, for `accept`.
    #[serde(rename = "type")]
    pub message_type: Option<String>,
    /// The header that says what kind of message it is; goes before `type`.
    pub type_header: Option<String>,
    /// The longest message.
    #[serde(default = "one_mebibyte")]
    pub max_message_bytes: usize,
    /// How long a sender may take to send a message.
    #[serde(default = "half_a_minute")]
    pub receive_secs: u64,
    /// How long a connection may be silent.
    #[serde(default = "one_minute")]
    pub idle_secs: u64,
    /// How many connections there may be.
    #[serde(default = "many_connections")]
    pub max_connections: usize,
    /// How long an answer waits for a message's outcome, where it has to.
    #[serde(default = "half_a_minute")]
    pub answer_secs: u64,
    /// The status of a reply that says busy in the partner's own words.
    #[serde(default = "unavailable")]
    pub busy_status: u16,
    /// The status of a reply that refuses in the partner's own words.
    #[serde(default = "unprocessable")]
    pub refused_status: u16,
}

fn root() -> String {
    "/".to_owned()
}

fn one_mebibyte() -> usize {
    1 << 20
}

fn half_a_minute() -> u64 {
    30
}

fn one_minute() -> u64 {
    60
}

fn many_connections() -> usize {
    256
}

fn unavailable() -> u16 {
    503
}

fn unprocessable() -> u16 {
    422
}

impl HttpSourceConfig {
    /// The addresses these settings take.
    pub fn listens(&self) -> Vec<String> {
        vec![self.listen.clone()]
    }
}

/// Listens on one address.
pub struct HttpSource {
    config: HttpSourceConfig,
    token: Option<Digest>,
    tls: Option<TlsServer>,
    server: Option<HttpServer>,
}

impl HttpSource {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(config: HttpSourceConfig, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        at_least_one("max_message_bytes", config.max_message_bytes as u64)?;
        at_least_one("receive_secs", config.receive_secs)?;
        at_least_one("idle_secs", config.idle_secs)?;
        at_least_one("max_connections", config.max_connections as u64)?;
        at_least_one("answer_secs", config.answer_secs)?;
        if !config.path.starts_with('/') || config.path.contains(['?', '#', ' ']) {
            let what = format!("`{}` is no path: expected one such as `/orders`", config.path);
            return Err(wrong("path", what));
        }
        for (key, status) in [("busy_status", config.busy_status), ("refused_status", config.refused_status)]
        {
            if !(200..600).contains(&status) {
                return Err(wrong(key, format!("{status} is no status of an answer: expected 200 to 599")));
            }
        }
        let token = config.token.as_deref().map(|name| secrets.get(name)).transpose()?;
        let token = token.map(|token| Digest::of(token.trim().as_bytes()));
        let tls = config.tls.as_ref().map(|tls| tls.resolve(secrets)).transpose()?;
        Ok(Self { config, token, tls, server: None })
    }

    fn limits(&self) -> HttpLimits {
        HttpLimits {
            max_body_bytes: self.config.max_message_bytes,
            headers: Duration::from_secs(self.config.idle_secs),
            body: Duration::from_secs(self.config.receive_secs),
            max_connections: self.config.max_connections,
            // What waits for its outcome when the hub stops is answered within its own time.
            drain: Duration::from_secs(self.config.answer_secs),
        }
    }
}

#[async_trait]
impl Source for HttpSource {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        let bound = HttpServer::bind(&self.config.listen, self.limits(), self.tls.as_ref()).await;
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
        server.serve(Arc::new(Post::new(intake, self.config, self.token)), stop).await;
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

    fn built(settings: &str) -> Result<HttpSource, BuildError> {
        HttpSource::build(toml::from_str(settings).unwrap(), &NoSecrets)
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_their_key() {
        assert!(built("listen = '127.0.0.1:0'").is_ok());
        for (key, setting) in [
            ("path", "path = 'orders'"),
            ("max_message_bytes", "max_message_bytes = 0"),
            ("busy_status", "busy_status = 99"),
        ] {
            let error = built(&format!("listen = '127.0.0.1:0'\n{setting}")).err();
            assert!(
                matches!(&error, Some(BuildError::Settings { key: Some(found), .. }) if found == key),
                "{setting}"
            );
        }
        let missing = built("listen = '127.0.0.1:0'\ntoken = 'orders-token'").err();
        assert_eq!(missing, Some(BuildError::Secret { name: "orders-token".to_owned() }));
    }
}
