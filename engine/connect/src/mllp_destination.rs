//! Sends HL7 v2 messages over MLLP and judges the answers.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{Delivered, DeliveryError, Destination};
use hub_core::registry::{BuildError, Secrets};
use hub_formats::hl7v2::{AckCode, AckRead, Header};
use hub_transport::mllp_client::{ClientSettings, ExchangeError, MllpClient};
use serde::Deserialize;

use crate::tls::{ClientTls, at_least_one, wrong};

/// The settings of an MLLP destination.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpDestinationConfig {
    /// Where it sends: `mllp://127.0.0.1:2577`, with TLS `mllps://`.
    pub url: String,
    /// TLS, by the names of secrets; only with `mllps://`.
    pub tls: Option<ClientTls>,
    /// How many messages may be under way at once, each on its own connection.
    #[serde(default = "four")]
    pub connections: usize,
    /// How long connecting may take.
    #[serde(default = "three_seconds")]
    pub connect_secs: u64,
    /// How long an answer may take.
    #[serde(default = "half_a_minute")]
    pub answer_secs: u64,
    /// Whether a message that was sent and not answered may be sent again: so it is when the receiver knows a copy by
    /// MSH-10, as HL7 expects. Without it such a message is in doubt.
    #[serde(default = "yes")]
    pub resend: bool,
}

fn four() -> usize {
    4
}

fn three_seconds() -> u64 {
    3
}

fn half_a_minute() -> u64 {
    30
}

fn yes() -> bool {
    true
}

impl MllpDestinationConfig {
    /// The usual settings for a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            tls: None,
            connections: four(),
            connect_secs: three_seconds(),
            answer_secs: half_a_minute(),
            resend: yes(),
        }
    }
}

/// Sends to one receiver.
pub struct MllpDestination {
    client: MllpClient,
    connections: usize,
    resend: bool,
}

impl MllpDestination {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(config: MllpDestinationConfig, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        at_least_one("connections", config.connections as u64)?;
        at_least_one("connect_secs", config.connect_secs)?;
        at_least_one("answer_secs", config.answer_secs)?;
        let (address, with_tls) = address(&config.url)?;
        let tls = match (with_tls, config.tls) {
            (true, tls) => Some(tls.unwrap_or_default().resolve(secrets)?),
            (false, None) => None,
            (false, Some(_)) => return Err(wrong("tls", "`tls` is given: expected a url with `mllps://`")),
        };
        let settings = ClientSettings {
            connect: Duration::from_secs(config.connect_secs),
            answer: Duration::from_secs(config.answer_secs),
            connections: config.connections,
            tls,
            ..ClientSettings::new(address)
        };
        let client = MllpClient::new(settings).map_err(|error| wrong("tls", error.to_string()))?;
        Ok(Self { client, connections: config.connections, resend: config.resend })
    }

    /// It was sent, and what came back says nothing of it.
    fn unknown(&self, reason: String) -> DeliveryError {
        if self.resend {
            DeliveryError::Later { reason, after: None }
        } else {
            DeliveryError::InDoubt { reason }
        }
    }

    fn failed(&self, error: &ExchangeError) -> DeliveryError {
        match error {
            ExchangeError::Connect { source, .. } | ExchangeError::NotSent { source, .. } => {
                DeliveryError::Later { reason: format!("{error}: {source}"), after: None }
            }
            ExchangeError::InDoubt { .. } | ExchangeError::Garbage { .. } => self.unknown(error.to_string()),
        }
    }

    fn judge(&self, control_id: &str, answer: Bytes) -> Result<Delivered, DeliveryError> {
        let Ok(read) = AckRead::read(&answer) else {
            return Err(self.unknown("the answer is no acknowledgement".to_owned()));
        };
        // An answer to another message says nothing of this one.
        if read.control_id != control_id {
            return Err(self.unknown("the answer acknowledges another message (MSA-2)".to_owned()));
        }
        // The receiver's own words may name a patient: only the code is kept as the reason.
        let reason = format!("it answered {}", read.code);
        match read.code {
            AckCode::AA | AckCode::CA => Ok(Delivered { answer: Some(answer) }),
            AckCode::AE | AckCode::CE => Err(DeliveryError::Later { reason, after: None }),
            AckCode::AR | AckCode::CR => Err(DeliveryError::Never { reason }),
        }
    }
}

#[async_trait]
impl Destination for MllpDestination {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        let header = Header::read(&parcel.body).map_err(|error| DeliveryError::Never {
            reason: format!("the parcel is no HL7 message: {error}"),
        })?;
        let control_id = header.control_id.trim();
        let is_its_answer =
            |answer: &Bytes| AckRead::read(answer).is_ok_and(|read| read.control_id == control_id);
        let answer = self.client.exchange_for(&parcel.body, is_its_answer).await;
        self.judge(control_id, answer.map_err(|error| self.failed(&error))?)
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        self.client.check().await.map_err(|error| self.failed(&error))
    }

    fn parallel(&self) -> usize {
        self.connections
    }
}

/// `host:port` of a URL, and whether it wants TLS.
fn address(url: &str) -> Result<(String, bool), BuildError> {
    let expected = || wrong("url", format!("`{url}`: expected `mllp://host:port` or `mllps://host:port`"));
    let (scheme, address) = url.split_once("://").ok_or_else(expected)?;
    let with_tls = match scheme {
        "mllp" => false,
        "mllps" => true,
        _ => return Err(expected()),
    };
    let address = address.trim_end_matches('/');
    let (host, port) = address.rsplit_once(':').ok_or_else(expected)?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    if host.is_empty() || !is_port || address.contains(['/', '?', '#', '@']) {
        return Err(expected());
    }
    Ok((address.to_owned(), with_tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_strictly() {
        assert_eq!(address("mllp://127.0.0.1:2577").unwrap(), ("127.0.0.1:2577".to_owned(), false));
        assert_eq!(address("mllps://[::1]:2577/").unwrap(), ("[::1]:2577".to_owned(), true));
        for url in [
            "",
            "127.0.0.1:1",
            "http://a:1",
            "mllp://a",
            "mllp://a:0",
            "mllp://:1",
            "mllp://a:1/b",
            "mllp://u@a:1",
        ] {
            assert!(address(url).is_err(), "{url}");
        }
    }
}
