//! One exchange with the service: signed, answered, believed only when the answer is signed too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hub_core::destination::DeliveryError;
use hub_transport::http_client::{Answer, HttpClient, HttpFailure};
use hub_transport::signature::hosp_sign::{Call, HospSign};
use hub_transport::signature::sm::sm3;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::neutral::{Told, code};

/// Where everything of the service is.
pub(crate) const ROOT: &str = "/es/v1";
const JSON: &str = "application/json";
const PDF: &str = "application/pdf";
/// The service's answer that it did what it was asked.
const DONE: &str = "0";

/// Asks the service.
pub(crate) struct Service {
    pub client: HttpClient,
    pub sign: HospSign,
}

/// What every answer is.
#[derive(Deserialize)]
struct Envelope {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
}

impl Service {
    /// Asks an operation by its number: `ES03`.
    pub async fn operation(&self, number: &str, fields: &Value) -> Result<Told, DeliveryError> {
        let body = Bytes::from(fields.to_string());
        told(&self.exchange("POST", &format!("{ROOT}/{number}"), body, JSON).await?)
    }

    /// Asks how something stands.
    pub async fn question(&self, path: &str) -> Result<Told, DeliveryError> {
        told(&self.exchange("GET", &format!("{ROOT}{path}"), Bytes::new(), JSON).await?)
    }

    /// Hands a document over: its number there, or a refusal.
    pub async fn hand_over(&self, pdf: &str) -> Result<Result<String, Told>, DeliveryError> {
        let bytes = STANDARD.decode(pdf).map_err(|_| never("`pdf` is not Base64"))?;
        let sent = self.exchange("POST", &format!("{ROOT}/files"), bytes.into(), PDF).await;
        // The same document once more is another number that nobody uses.
        let told = sent.and_then(|answer| told(&answer)).map_err(again)?;
        match told.file_id {
            Some(id) => Ok(Ok(id)),
            None if told.code.is_some() => Ok(Err(told)),
            None => Err(later("the service gave the document no number")),
        }
    }

    /// Fetches a document, which has this SM3 hash.
    pub async fn fetch(&self, id: &str, hash: Option<&str>) -> Result<String, DeliveryError> {
        let answer = self.exchange("GET", &format!("{ROOT}/files/{}", escaped(id)), Bytes::new(), JSON).await;
        let answer = answer.map_err(again)?;
        if answer.status != 200 {
            return Err(later(format!("the signed document was answered {}", answer.status)));
        }
        let found: String = sm3(&answer.body).iter().map(|byte| format!("{byte:02x}")).collect();
        if hash.is_none_or(|hash| !hash.eq_ignore_ascii_case(&found)) {
            return Err(later("the signed document has not the hash that was told"));
        }
        Ok(STANDARD.encode(&answer.body))
    }

    async fn exchange(
        &self,
        method: &str,
        target: &str,
        body: Bytes,
        content_type: &str,
    ) -> Result<Answer, DeliveryError> {
        let call = Call { method, target };
        let nonce = Uuid::new_v4().simple().to_string();
        let headers = self.sign.sign(call, &body, now_ms(), &nonce);
        let headers = headers.ok_or_else(|| later("this text cannot be signed with this number"))?;
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let sent = self.client.at(target).send(method, body, content_type, &headers).await;
        let answer = sent.map_err(|failure| failed(&failure))?;
        match answer.status {
            // Whoever stands before the service signs nothing; nothing was done.
            429 | 502 | 503 => {
                let reason = format!("the service answered {}", answer.status);
                return Err(DeliveryError::Later { reason, after: answer.retry_after });
            }
            401 | 403 => return Err(never(format!("the service does not believe us ({})", answer.status))),
            _ => {}
        }
        match self.sign.answer(call, &|name| answer.header(name), &nonce, &answer.body, now_ms()) {
            Ok(()) => Ok(answer),
            Err(why) => Err(DeliveryError::InDoubt { reason: format!("an answer was not believed: {why}") }),
        }
    }
}

/// What the service says: what it did, or a refusal.
fn told(answer: &Answer) -> Result<Told, DeliveryError> {
    let doubt = |reason: &str| DeliveryError::InDoubt { reason: reason.to_owned() };
    let envelope: Envelope =
        serde_json::from_slice(&answer.body).map_err(|_| doubt("the answer cannot be read"))?;
    match envelope.code.as_str() {
        DONE => serde_json::from_value(envelope.data).map_err(|_| doubt("the answer's data cannot be read")),
        code::BUSY => Err(later("the service cannot now (5000)")),
        code::AUTH_SIGN => Err(never("the service does not believe us (AUTH_SIGN)")),
        _ => Ok(Told { code: Some(envelope.code), message: Some(envelope.message), ..Told::default() }),
    }
}

fn failed(failure: &HttpFailure) -> DeliveryError {
    let reason = failure.to_string();
    match failure {
        HttpFailure::NotSent { .. } => DeliveryError::Later { reason, after: None },
        HttpFailure::InDoubt { .. } | HttpFailure::Unreadable { .. } => DeliveryError::InDoubt { reason },
        HttpFailure::Unsendable { .. } => DeliveryError::Never { reason },
    }
}

/// What may be done again: then a doubt is none.
pub(crate) fn again(error: DeliveryError) -> DeliveryError {
    match error {
        DeliveryError::InDoubt { reason } => DeliveryError::Later { reason, after: None },
        error => error,
    }
}

pub(crate) fn later(reason: impl Into<String>) -> DeliveryError {
    DeliveryError::Later { reason: reason.into(), after: None }
}

pub(crate) fn never(reason: impl Into<String>) -> DeliveryError {
    DeliveryError::Never { reason: reason.into() }
}

/// A text as a part of a path or query.
pub(crate) fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Now, as signatures say it.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
