//! How gateways are reached: their address and times, and what an exchange that failed means for a notice.

use std::time::Duration;

pub(crate) use hub_connect::tls::wrong;
use hub_core::destination::DeliveryError;
use hub_core::registry::{BuildError, Secrets};
use hub_transport::http_client::{Answer, HttpClient, HttpFailure, HttpSettings};
use serde::Deserialize;

use crate::notice::never;

/// Longer answers are none.
const MOST_BYTES: usize = 1 << 20;

/// Where a gateway is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Scheme, host and port: `https://dysmsapi.aliyuncs.com`.
    pub url: String,
    /// The secret with the authority that the gateway's certificate is signed by. Without it: those of the system.
    pub authority: Option<String>,
    /// How long connecting may take.
    #[serde(default = "two_seconds")]
    pub connect_secs: u64,
    /// How long the whole exchange may take.
    #[serde(default = "ten_seconds")]
    pub timeout_secs: u64,
}

fn two_seconds() -> u64 {
    2
}

fn ten_seconds() -> u64 {
    10
}

impl Endpoint {
    /// Who sends to it. Touches nothing outside.
    pub(crate) fn client(&self, secrets: &dyn Secrets) -> Result<HttpClient, BuildError> {
        for (key, secs) in [("connect_secs", self.connect_secs), ("timeout_secs", self.timeout_secs)] {
            if secs == 0 {
                return Err(wrong(key, format!("`{key}` is 0: expected 1 or more")));
            }
        }
        let settings = HttpSettings {
            connect: Duration::from_secs(self.connect_secs),
            answer: Duration::from_secs(self.timeout_secs),
            max_answer_bytes: MOST_BYTES,
            ca_pem: self.authority.as_deref().map(|name| secrets.get(name)).transpose()?,
            ..HttpSettings::new(self.url.clone())
        };
        HttpClient::new(&settings).map_err(|error| wrong("url", error.to_string()))
    }

    /// What `Host` says, which is signed: without the scheme's own port.
    pub(crate) fn host(&self) -> Result<String, BuildError> {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let host = rest.trim_end_matches('/').to_ascii_lowercase();
        if host.is_empty() || host.contains(['/', '?', '#', '@']) {
            return Err(wrong("url", format!("`{}` is more or less than scheme, host and port", self.url)));
        }
        let own_port = if scheme == "https" { ":443" } else { ":80" };
        Ok(host.strip_suffix(own_port).unwrap_or(&host).to_owned())
    }
}

/// What became of a request that has no answer. Its address is not told: a query may name a person, or be a token.
pub(crate) fn failed(failure: &HttpFailure) -> DeliveryError {
    match failure {
        HttpFailure::NotSent { .. } => later("could not connect to the gateway", None),
        HttpFailure::InDoubt { .. } => in_doubt("no answer from the gateway"),
        HttpFailure::Unreadable { status, .. } => unread(*status),
        HttpFailure::Unsendable { .. } => never("the request to the gateway cannot be made"),
    }
}

/// What an answer means that is not in the gateway's words: from a proxy in between, perhaps.
pub(crate) fn unread(status: u16) -> DeliveryError {
    let reason = format!("the gateway answered {status} in words that are not its own");
    match status {
        429 | 502 | 503 => later(reason, None),
        // It may have been sent all the same.
        200..=299 | 408 | 500 | 504 => in_doubt(reason),
        _ => never(reason),
    }
}

/// An answer's body, in the gateway's words.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(answer: &Answer) -> Result<T, DeliveryError> {
    serde_json::from_slice(&answer.body).map_err(|_| unread(answer.status))
}

/// A gateway's code, fit to be shown: whatever else stands in its place is not.
pub(crate) fn shown(code: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if code.is_empty() || code.len() > 80 || !code.chars().all(fits) {
        "unknown".to_owned()
    } else {
        code.to_owned()
    }
}

/// Tried again, after that time where it is known.
pub(crate) fn later(reason: impl Into<String>, after: Option<Duration>) -> DeliveryError {
    DeliveryError::Later { reason: reason.into(), after }
}

/// It may have been sent, and must be asked.
pub(crate) fn in_doubt(reason: impl Into<String>) -> DeliveryError {
    DeliveryError::InDoubt { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str) -> Option<String> {
        let endpoint = Endpoint { url: url.to_owned(), authority: None, connect_secs: 1, timeout_secs: 1 };
        endpoint.host().ok()
    }

    #[test]
    fn the_host_is_what_the_client_will_say() {
        assert_eq!(host("https://Sms.Tencentcloudapi.com:443/").as_deref(), Some("sms.tencentcloudapi.com"));
        assert_eq!(host("http://127.0.0.1:2596").as_deref(), Some("127.0.0.1:2596"));
        assert_eq!(host("https://a/b"), None);
    }

    #[test]
    fn what_is_no_code_is_not_shown() {
        assert_eq!(shown("isv.BUSINESS_LIMIT_CONTROL"), "isv.BUSINESS_LIMIT_CONTROL");
        assert_eq!(shown("+86 138"), "unknown");
    }
}
