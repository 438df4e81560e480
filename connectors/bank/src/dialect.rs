//! What the three dialects have in common, seen from the hub: how to ask, what was answered, what a notice says, a day's bill.

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::destination::DeliveryError;
use hub_transport::http_client::{Answer, HttpClient};
use hub_transport::http_server::HttpAnswer;
use thiserror::Error;
use time::{Date, OffsetDateTime};

use crate::bill::{Bill, BillError};
use crate::neutral::{Errand, Told};

pub(crate) mod cmb;
pub(crate) mod pairs;
pub(crate) mod unionpay;
pub(crate) mod wechat;

/// How far the clocks of bank and hub may be apart: an older signature may be one that somebody kept.
pub(crate) const SKEW_SECS: i64 = 300;

/// One request to a bank.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// The path and query below the account's URL.
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    /// Sends it.
    pub(crate) async fn send(
        &self,
        client: &HttpClient,
    ) -> Result<Answer, hub_transport::http_client::HttpFailure> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.at(&self.path).send(self.method, self.body.clone(), self.content_type, &headers).await
    }
}

/// What an errand comes to.
pub(crate) enum Step {
    /// The bank is called.
    Call(Call),
    /// The bank need not be called: who pays takes it there.
    Told(Box<Told>),
}

/// Why an errand cannot be put in this dialect. No content.
#[derive(Debug, Error)]
#[error("the errand does not fit: {0}")]
pub(crate) struct Unfit(pub(crate) String);

/// The headers of a notice, by name.
pub(crate) type Header<'a> = &'a (dyn Fn(&str) -> Option<&'a str> + Sync);

/// Why a notice is not believed. No content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Disbelief {
    /// Not signed by the bank, or for another text.
    #[error("the signature is not the bank's")]
    Signature,
    /// Signed too long ago, or in the future.
    #[error("the signature is not of now")]
    Stale,
    /// Not encrypted with the key both sides know.
    #[error("it cannot be decrypted")]
    Sealed,
    /// Signed, and yet not what a notice is.
    #[error("it is no notice of this dialect")]
    Form,
    /// For another merchant or app.
    #[error("it is for another merchant")]
    Merchant,
}

/// A notice that is believed.
pub(crate) struct Notice {
    /// What the bank says.
    pub(crate) told: Told,
    /// The bank's number of the notice, where it has one.
    pub(crate) id: Option<String>,
}

/// What a bank hears of its notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is safe.
    Taken,
    /// It is not believed.
    Refused(Disbelief),
    /// It could not be kept: it shall come again.
    Again,
}

/// A bank's way of speaking.
#[async_trait]
pub(crate) trait Dialect: Send + Sync {
    /// Puts an errand into the bank's words.
    fn ask(&self, errand: &Errand, now: OffsetDateTime) -> Result<Step, Unfit>;

    /// Understands the answer, once its signature is the bank's.
    fn told(&self, errand: &Errand, answer: &Answer, now: OffsetDateTime) -> Result<Told, DeliveryError>;

    /// Whether opening the same order once more comes to the same, so that it may be sent again.
    fn opens_again(&self) -> bool {
        false
    }

    /// Understands a notice, once its signature is the bank's.
    fn notice(&self, header: Header<'_>, body: &[u8], now: OffsetDateTime) -> Result<Notice, Disbelief>;

    /// What the bank hears of a notice, in its own words.
    fn say(&self, verdict: Verdict) -> HttpAnswer;

    /// Fetches the bill of a day and sees whether it adds up.
    async fn bill(&self, client: &HttpClient, date: Date) -> Result<Bill, BillError>;
}

/// A number of an order or refund that may stand in a path (6 to 32 letters and digits, section 12.0).
pub(crate) fn number<'a>(what: &str, number: &'a str) -> Result<&'a str, Unfit> {
    let fits = (6..=32).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(number) } else { Err(Unfit(format!("`{what}` is not 6 to 32 letters and digits"))) }
}

/// An amount that can be paid.
pub(crate) fn amount(what: &str, fen: Option<i64>) -> Result<i64, Unfit> {
    fen.filter(|fen| *fen > 0).ok_or_else(|| Unfit(format!("`{what}` is not more than 0 fen")))
}

/// It may have been done, and must be asked.
pub(crate) fn in_doubt(reason: impl Into<String>) -> DeliveryError {
    DeliveryError::InDoubt { reason: reason.into() }
}

/// It will not be done, however often it is sent.
pub(crate) fn never(reason: impl Into<String>) -> DeliveryError {
    DeliveryError::Never { reason: reason.into() }
}
