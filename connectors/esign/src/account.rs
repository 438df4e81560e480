//! The hospital's account with a signing service: where, and with which keys. Keys are secrets and stand here by their names.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub(crate) use hub_connect::tls::wrong;
use hub_core::registry::{BuildError, Secrets};
use hub_transport::http_client::{HttpClient, HttpSettings};
use hub_transport::signature::hosp_sign::{HospSign, Keys};
use serde::Deserialize;

use crate::service::Service;

/// Signed documents are long; longer ones are not read.
const MOST_BYTES: usize = 32 << 20;

/// The settings of an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Where the service is, without the path of an operation: `https://esign.example.com`.
    pub url: String,
    /// The number of the hospital's app.
    pub app_id: String,
    /// The secret with our SM2 private key: Base64 of its 32 bytes.
    pub private_key: String,
    /// The secret with the service's SM2 public key: Base64 of its 65 bytes.
    pub service_key: String,
    /// The secret with the authority that the service's TLS certificate is signed by. Without it: those of the system.
    pub authority: Option<String>,
    /// How long connecting may take.
    #[serde(default = "two_seconds")]
    pub connect_secs: u64,
    /// How long one exchange may take.
    #[serde(default = "ten_seconds")]
    pub timeout_secs: u64,
}

fn two_seconds() -> u64 {
    2
}

fn ten_seconds() -> u64 {
    10
}

impl Account {
    /// Who signs for us, and verifies what the service has signed.
    pub(crate) fn sign(&self, secrets: &dyn Secrets) -> Result<HospSign, BuildError> {
        let key = |setting: &str, name: &str| {
            let text = secrets.get(name)?;
            STANDARD.decode(text.trim()).map_err(|_| wrong(setting, "the key is not Base64"))
        };
        let private = key("private_key", &self.private_key)?;
        let public = key("service_key", &self.service_key)?;
        let keys = Keys::sm2(&private, &public).map_err(|error| wrong("private_key", error.to_string()))?;
        Ok(HospSign::new(&self.app_id, keys))
    }

    /// Who asks the service. Touches nothing outside.
    pub(crate) fn service(&self, secrets: &dyn Secrets) -> Result<Service, BuildError> {
        for (key, secs) in [("connect_secs", self.connect_secs), ("timeout_secs", self.timeout_secs)] {
            if secs == 0 {
                return Err(wrong(key, format!("`{key}` is 0: expected 1 or more")));
            }
        }
        let (_, place) = self.url.split_once("://").unwrap_or_default();
        if place.trim_end_matches('/').contains('/') {
            return Err(wrong("url", format!("`{}` has a path: expected scheme and host", self.url)));
        }
        let settings = HttpSettings {
            connect: Duration::from_secs(self.connect_secs),
            answer: Duration::from_secs(self.timeout_secs),
            max_answer_bytes: MOST_BYTES,
            ca_pem: self.authority.as_deref().map(|name| secrets.get(name)).transpose()?,
            ..HttpSettings::new(self.url.clone())
        };
        let client = HttpClient::new(&settings).map_err(|error| wrong("url", error.to_string()))?;
        Ok(Service { client, sign: self.sign(secrets)? })
    }
}
