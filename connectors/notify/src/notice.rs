//! The contract of SMS and WeChat alike: what is to be said to whom, and what became of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{Delivered, DeliveryError};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A gateway takes references of at most so many characters (`SessionContext`).
const LONGEST_REF: usize = 256;

/// A parcel's body. No `Debug`: it names a person.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notice {
    /// Who shall have it: a number with its country (E.164), or an openid.
    pub to: String,
    /// What happened: the first key of the table of templates.
    pub template: String,
    /// The language, the second key: `zh-Hans`, `zh-Hant`, `en`.
    pub language: String,
    /// What the template's variables stand for.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Our number of the notice, never used twice.
    #[serde(rename = "ref")]
    pub reference: String,
    /// From when on nobody wants it any more, as with a code for signing in.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expire_at: Option<OffsetDateTime>,
}

impl Notice {
    /// What a parcel asks for.
    pub(crate) fn of(parcel: &Parcel) -> Result<Self, DeliveryError> {
        let notice: Self = serde_json::from_slice(&parcel.body).map_err(|error| {
            never(format!("the parcel is no notice (line {}, column {})", error.line(), error.column()))
        })?;
        if notice.reference.is_empty() || notice.reference.chars().count() > LONGEST_REF {
            return Err(never(format!("`ref` is not 1 to {LONGEST_REF} characters")));
        }
        Ok(notice)
    }

    /// Whether it is too late for it.
    pub(crate) fn is_over(&self, now: OffsetDateTime) -> bool {
        self.expire_at.is_some_and(|end| end <= now)
    }
}

/// What became of a notice at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The gateway will send it.
    Accepted,
    /// This person cannot have it: another channel may reach them.
    Refused,
}

/// The codes of a refusal that are the same at all gateways. Others are the gateway's own.
pub mod code {
    /// There is no such number, or no such openid.
    pub const RECIPIENT_UNKNOWN: &str = "RECIPIENT_UNKNOWN";
    /// The person wants no such notice.
    pub const RECIPIENT_DECLINED: &str = "RECIPIENT_DECLINED";
    /// A variable says what may not be sent.
    pub const CONTENT_REFUSED: &str = "CONTENT_REFUSED";
    /// `expireAt` had passed: nothing was sent.
    pub const EXPIRED: &str = "EXPIRED";
}

/// The answer to a notice.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    #[serde(rename = "ref")]
    pub(crate) reference: String,
    pub(crate) state: State,
    /// The gateway's number of it, where it tells one.
    pub(crate) partner_id: Option<String>,
    /// Why it was refused: of [`code`], or the gateway's own.
    pub(crate) code: Option<String>,
}

impl Told {
    pub(crate) fn accepted(notice: &Notice, partner_id: Option<String>) -> Self {
        Self { reference: notice.reference.clone(), state: State::Accepted, partner_id, code: None }
    }

    pub(crate) fn refused(notice: &Notice, code: impl Into<String>) -> Self {
        let code = Some(code.into());
        Self { reference: notice.reference.clone(), state: State::Refused, partner_id: None, code }
    }

    pub(crate) fn delivered(&self) -> Delivered {
        let bytes = serde_json::to_vec(self).expect("texts can be written as JSON");
        Delivered { answer: Some(Bytes::from(bytes)) }
    }
}

/// It will not be sent, however often it is tried.
pub(crate) fn never(reason: impl Into<String>) -> DeliveryError {
    DeliveryError::Never { reason: reason.into() }
}
