//! The hospital's account with a bank: which dialect, where, with which keys. Keys are secrets and stand here by their names.

use std::time::Duration;

pub(crate) use hub_connect::tls::wrong;
use hub_core::registry::{BuildError, Secrets};
use hub_transport::http_client::{HttpClient, HttpSettings};
use serde::Deserialize;

use crate::dialect::{Dialect, cmb::Cmb, unionpay::UnionPay, wechat::Wechat};

/// Answers longer than this are no answers; a bill is.
const MOST_BYTES: usize = 64 << 20;

/// What a bank speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DialectName {
    /// WeChat Pay v3 (section 12.1).
    Wechat,
    /// UnionPay online 5.1.0 (section 12.2).
    UnionPay,
    /// Aggregated acquiring with SM2, as China Merchants Bank has it (section 12.3).
    Cmb,
}

/// The settings of an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What the bank speaks.
    pub dialect: DialectName,
    /// Where the bank is, without the path of an operation: `https://api.mch.weixin.qq.com`.
    pub url: String,
    /// The merchant's number.
    pub merchant: String,
    /// The number of the app that payments are made in (`wechat`, `cmb`).
    #[serde(default)]
    pub app_id: String,
    /// The secret with our private key: PEM (`wechat`, `unionpay`), Base64 of the 32 bytes (`cmb`).
    pub private_key: String,
    /// The serial number of our certificate (`wechat`, `unionpay`: decimal).
    #[serde(default)]
    pub serial: String,
    /// The secret with what the bank's signatures are held against: its public key in PEM (`wechat`), the certificate of its authority
    /// in PEM (`unionpay`), its public key as Base64 of DER (`cmb`).
    pub bank_key: String,
    /// The serial number or id of the bank's key (`wechat`), the name its certificate must have (`unionpay`).
    #[serde(default)]
    pub bank_name: String,
    /// The secret with the key both sides know: APIv3 key (`wechat`), app secret (`cmb`).
    pub shared_key: Option<String>,
    /// Where the bank sends its notices.
    #[serde(default)]
    pub notify_url: String,
    /// The secret with the authority that the bank's TLS certificate is signed by. Without it: those of the system.
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

impl Account {
    /// Who speaks to the bank in its dialect.
    pub(crate) fn dialect(&self, secrets: &dyn Secrets) -> Result<Box<dyn Dialect>, BuildError> {
        Ok(match self.dialect {
            DialectName::Wechat => Box::new(Wechat::new(self, secrets)?),
            DialectName::UnionPay => Box::new(UnionPay::new(self, secrets)?),
            DialectName::Cmb => Box::new(Cmb::new(self, secrets)?),
        })
    }

    /// Who sends to the bank. Touches nothing outside.
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

    /// The key both sides know.
    pub(crate) fn shared_key(&self, secrets: &dyn Secrets) -> Result<String, BuildError> {
        let name = self.shared_key.as_deref().ok_or_else(|| {
            wrong("shared_key", "this dialect needs a key both sides know: expected the name of a secret")
        })?;
        Ok(secrets.get(name)?.trim().to_owned())
    }
}
