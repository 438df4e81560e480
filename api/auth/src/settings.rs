//! What the authorization server is told.

use hub_core::accounts::Limit;
use thiserror::Error;
use time::Duration;

/// How long things live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// An access token.
    pub access: Duration,
    /// A session of the public, between two uses (ACC-14).
    pub public_idle: Duration,
    /// And as a whole.
    pub public_most: Duration,
    /// A session of staff, between two uses (ACC-14).
    pub staff_idle: Duration,
    /// And as a whole.
    pub staff_most: Duration,
    /// An invitation of a member of staff.
    pub invitation: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            access: Duration::minutes(5),
            public_idle: Duration::days(30),
            public_most: Duration::days(180),
            staff_idle: Duration::minutes(15),
            staff_most: Duration::hours(12),
            invitation: Duration::days(3),
        }
    }
}

/// What the authorization server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    issuer: String,
    audience: String,
    /// How long things live.
    pub lives: Lives,
    /// How many proxies of the hospital's own stand before it, each of which adds the address it was asked from to `X-Forwarded-For`.
    pub proxies: usize,
    /// How many codes may be asked for from one address. The patients in a hospital's own network share one.
    pub address_limits: Vec<Limit>,
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// The issuer is not an address (RFC 8414 §2).
    #[error(
        "`{0}` cannot be the address of the authorization server: it is `https://`, a host and perhaps a port, and nothing else; \
         `http://` for this machine only"
    )]
    Issuer(String),
}

impl AuthSettings {
    /// With the address under which browsers and apps reach the hub: `https://hub.hospital.example`. Tokens are for its FHIR server.
    pub fn new(issuer: &str) -> Result<Self, SettingsError> {
        let wrong = || SettingsError::Issuer(issuer.to_owned());
        let (scheme, host) = issuer.split_once("://").ok_or_else(wrong)?;
        let is_plain = |sign: u8| sign.is_ascii_alphanumeric() || b"-.:[]".contains(&sign);
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_here = ["127.0.0.1", "localhost", "[::1]"].contains(&name);
        let fits = scheme == "https" || (scheme == "http" && is_here);
        if !fits || host.is_empty() || !host.bytes().all(is_plain) {
            return Err(wrong());
        }
        let audience = format!("{issuer}/fhir");
        Ok(Self {
            issuer: issuer.to_owned(),
            audience,
            lives: Lives::default(),
            proxies: 0,
            address_limits: vec![(60, Duration::HOUR), (300, Duration::DAY)],
        })
    }

    /// Its address, which tokens and answers bear.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What its tokens are for: the address of the FHIR server.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Whether browsers reach it over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.issuer.starts_with("https:")
    }

    /// The address of one of its endpoints.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_address_without_a_path() {
        for fits in
            ["https://hub.example", "https://hub.example:8443", "http://127.0.0.1:8080", "http://[::1]:1"]
        {
            assert!(AuthSettings::new(fits).is_ok(), "{fits}");
        }
        for wrong in [
            "hub.example",
            "http://hub.example",
            "https://",
            "https://hub.example/",
            "https://hub.example/fhir",
            "https://me@hub.example",
            "https://hub.example?x",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(AuthSettings::new(wrong).is_err(), "{wrong}");
        }
    }
}
