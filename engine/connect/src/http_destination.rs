//! Sends parcels over HTTP, with an idempotency key, and judges the answers by their status.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::unfold;
use hub_core::attachment::Outgoing;
use hub_core::commit::Parcel;
use hub_core::destination::{Delivered, DeliveryError, Destination};
use hub_core::registry::{BuildError, Secrets};
use hub_transport::http_client::{HttpClient, HttpFailure, HttpSettings, HttpSettingsError};
use serde::Deserialize;

use crate::tls::{at_least_one, wrong};

/// The settings of an HTTP destination.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpDestinationConfig {
    /// Where it sends: `http://127.0.0.1:2580/notices`.
    pub url: String,
    /// The method.
    #[serde(default = "post")]
    pub method: String,
    /// Headers of every request: a text, or `{ secret = "NAME", prefix = "Bearer " }`.
    #[serde(default)]
    pub headers: BTreeMap<String, Header>,
    /// The secret with the authority that the receiver's certificate is signed by. Without it: those of the system.
    pub authority: Option<String>,
    /// A proxy. The environment's is not used.
    pub proxy: Option<String>,
    /// How long connecting may take.
    #[serde(default = "three_seconds")]
    pub connect_secs: u64,
    /// How long the whole exchange may take.
    #[serde(default = "half_a_minute")]
    pub timeout_secs: u64,
    /// The longest answer that is kept.
    #[serde(default = "one_mebibyte")]
    pub max_answer_bytes: usize,
    /// How many parcels may be under way at once.
    #[serde(default = "eight")]
    pub connections: usize,
    /// Whether the receiver knows a copy by `Idempotency-Key`: then a parcel that was not answered is sent again.
    /// Without it such a parcel is in doubt.
    #[serde(default = "yes")]
    pub idempotent: bool,
    /// Whether 409 says that the receiver has the parcel already.
    #[serde(default)]
    pub conflict_is_delivered: bool,
}

/// A header's value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Header {
    /// As it is.
    Text(String),
    /// From a secret.
    Secret(SecretHeader),
}

/// A header's value that is a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretHeader {
    /// The secret's name.
    pub secret: String,
    /// What stands before it.
    #[serde(default)]
    pub prefix: String,
}

fn post() -> String {
    "POST".to_owned()
}

fn three_seconds() -> u64 {
    3
}

fn half_a_minute() -> u64 {
    30
}

fn one_mebibyte() -> usize {
    1 << 20
}

fn eight() -> usize {
    8
}

fn yes() -> bool {
    true
}

impl HttpDestinationConfig {
    /// The usual settings for a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: post(),
            headers: BTreeMap::new(),
            authority: None,
            proxy: None,
            connect_secs: three_seconds(),
            timeout_secs: half_a_minute(),
            max_answer_bytes: one_mebibyte(),
            connections: eight(),
            idempotent: yes(),
            conflict_is_delivered: false,
        }
    }
}

/// Sends to one URL.
pub struct HttpDestination {
    client: HttpClient,
    method: String,
    connections: usize,
    idempotent: bool,
    conflict_is_delivered: bool,
}

impl HttpDestination {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(config: HttpDestinationConfig, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        at_least_one("connect_secs", config.connect_secs)?;
        at_least_one("timeout_secs", config.timeout_secs)?;
        at_least_one("connections", config.connections as u64)?;
        if !matches!(config.method.as_str(), "POST" | "PUT" | "PATCH") {
            let what = format!(
                "`{}` is not a method that delivers: expected `POST`, `PUT` or `PATCH`",
                config.method
            );
            return Err(wrong("method", what));
        }
        let mut headers = Vec::new();
        for (name, value) in config.headers {
            let value = match value {
                Header::Text(text) => text,
                Header::Secret(header) => format!("{}{}", header.prefix, secrets.get(&header.secret)?),
            };
            headers.push((name, value));
        }
        let settings = HttpSettings {
            connect: Duration::from_secs(config.connect_secs),
            answer: Duration::from_secs(config.timeout_secs),
            max_answer_bytes: config.max_answer_bytes,
            ca_pem: config.authority.as_deref().map(|name| secrets.get(name)).transpose()?,
            proxy: config.proxy,
            headers,
            ..HttpSettings::new(config.url)
        };
        let client = HttpClient::new(&settings).map_err(|error| {
            let key = match error {
                HttpSettingsError::Url(_) => "url",
                HttpSettingsError::Header(_) => "headers",
                HttpSettingsError::Authority | HttpSettingsError::Client(_) => "authority",
            };
            wrong(key, error.to_string())
        })?;
        Ok(Self {
            client,
            method: config.method,
            connections: config.connections,
            idempotent: config.idempotent,
            conflict_is_delivered: config.conflict_is_delivered,
        })
    }

    /// The status decides; a body is kept as the answer and never becomes a reason, for it may name a patient.
    fn judge(
        &self,
        status: u16,
        body: Option<Bytes>,
        after: Option<Duration>,
    ) -> Result<Delivered, DeliveryError> {
        let reason = format!("it answered {status}");
        match status {
            200..=299 => Ok(Delivered { answer: body.filter(|body| !body.is_empty()) }),
            409 if self.conflict_is_delivered => {
                Ok(Delivered { answer: body.filter(|body| !body.is_empty()) })
            }
            408 | 425 | 429 | 500..=599 => Err(DeliveryError::Later { reason, after }),
            _ => Err(DeliveryError::Never { reason }),
        }
    }

    fn failed(&self, failure: HttpFailure) -> Result<Delivered, DeliveryError> {
        let reason = failure.to_string();
        match failure {
            HttpFailure::NotSent { .. } => Err(DeliveryError::Later { reason, after: None }),
            HttpFailure::InDoubt { .. } if self.idempotent => {
                Err(DeliveryError::Later { reason, after: None })
            }
            HttpFailure::InDoubt { .. } => Err(DeliveryError::InDoubt { reason }),
            // The status is the answer; only its words are missing.
            HttpFailure::Unreadable { status, .. } => self.judge(status, None, None),
            HttpFailure::Unsendable { .. } => Err(DeliveryError::Never { reason }),
        }
    }
}

#[async_trait]
impl Destination for HttpDestination {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        let key = parcel.id.to_string();
        let headers = [("Idempotency-Key", key.as_str()), ("X-Correlation-Id", parcel.correlation.as_str())];
        match self.client.send(&self.method, parcel.body.clone(), &parcel.content_type, &headers).await {
            Ok(answer) => self.judge(answer.status, Some(answer.body), answer.retry_after),
            Err(failure) => self.failed(failure),
        }
    }

    async fn deliver_attachment(
        &self,
        parcel: &Parcel,
        attachment: Outgoing,
    ) -> Result<Delivered, DeliveryError> {
        let key = parcel.id.to_string();
        let headers = [("Idempotency-Key", key.as_str()), ("X-Correlation-Id", parcel.correlation.as_str())];
        let Outgoing { slip, reading } = attachment;
        let pieces = unfold(reading, |mut reading| async move {
            let piece = reading.next().await.map_err(std::io::Error::other).transpose()?;
            Some((piece, reading))
        });
        let sent = self.client.send_pieces(&self.method, pieces, slip.size, &slip.media_type, &headers);
        match sent.await {
            Ok(answer) => self.judge(answer.status, Some(answer.body), answer.retry_after),
            Err(failure) => self.failed(failure),
        }
    }

    /// Any answer proves that the receiver is there: what it says to OPTIONS is its own affair.
    async fn check(&self) -> Result<(), DeliveryError> {
        match self.client.send("OPTIONS", Bytes::new(), "application/json", &[]).await {
            Ok(_) | Err(HttpFailure::Unreadable { .. }) => Ok(()),
            Err(failure) => Err(DeliveryError::Later { reason: failure.to_string(), after: None }),
        }
    }

    fn parallel(&self) -> usize {
        self.connections
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

    fn destination(settings: &str) -> Result<HttpDestination, BuildError> {
        HttpDestination::build(toml::from_str(settings).unwrap(), &NoSecrets)
    }

    #[test]
    fn the_status_decides() {
        let destination = destination("url = 'http://127.0.0.1:1/'").unwrap();
        let judge = |status| destination.judge(status, None, None);
        assert!(judge(204).is_ok());
        for status in [408, 425, 429, 500, 503] {
            assert!(matches!(judge(status), Err(DeliveryError::Later { .. })), "{status}");
        }
        for status in [302, 400, 401, 404, 409, 422] {
            assert!(matches!(judge(status), Err(DeliveryError::Never { .. })), "{status}");
        }
    }

    #[test]
    fn a_conflict_is_a_delivery_where_the_settings_say_so() {
        let destination = destination("url = 'http://127.0.0.1:1/'\nconflict_is_delivered = true").unwrap();
        assert!(destination.judge(409, None, None).is_ok());
    }

    #[test]
    fn a_header_names_a_secret() {
        let built =
            destination("url = 'http://127.0.0.1:1/'\nheaders = { Authorization = { secret = 'ward' } }");
        assert_eq!(built.err(), Some(BuildError::Secret { name: "ward".to_owned() }));
    }

    #[test]
    fn what_cannot_deliver_is_refused() {
        assert!(destination("url = 'http://127.0.0.1:1/'\nmethod = 'GET'").is_err());
        assert!(destination("url = 'ftp://127.0.0.1:1/'").is_err());
        assert!(destination("url = 'http://127.0.0.1:1/'\ntimeout_secs = 0").is_err());
    }
}
