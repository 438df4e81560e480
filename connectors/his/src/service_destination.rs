//! Asks the HIS's service: one SOAP operation, a function code and an XML text (interfaces §3).
//!
//! A parcel's body is an element whose name is the function and whose inside is the request's `Body`: `<H304><LockId>L1</LockId></H304>`;
//! it may stand alone within a `<Call>`, so that one mapping can make every function.
//! Its number is the transaction's, so that a parcel that is sent again has one effect. Handed back is `<Response>` with its result code,
//! also where the HIS refuses: what that means is a matter of the business.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_connect::tls::{at_least_one, wrong};
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination};
use hub_core::registry::{BuildError, DestinationKind, Secrets};
use hub_transport::http_client::{HttpClient, HttpFailure, HttpSettings};
use hub_transport::soap::{self, Answered, Charset, SoapVersion};
use serde::Deserialize;
use time::OffsetDateTime;
use time::macros::{format_description, offset};

use crate::envelope::{Hash, Request, Response, Seal};

/// The functions that only ask: they may be asked again at any time.
const QUERIES: [&str; 14] = [
    "H101", "H102", "H103", "H104", "H105", "H106", "H107", "H108", "H201", "H301", "H302", "H307", "H506",
    "H902",
];
/// What the HIS says when it fails (interfaces §3.2).
const FAILED: [&str; 2] = ["-1", "9999"];
/// What it says of a request that is wrong, or wrongly signed: a matter of settings and mappings, not of patients.
const WRONG: [&str; 2] = ["1001", "1002"];

/// The settings of the destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceDestinationConfig {
    /// The service: `https://his.hospital.example/HisService/Invoke.asmx`.
    pub url: String,
    /// Who calls.
    pub app_id: String,
    /// The hospital.
    pub org_code: String,
    /// The operator that the HIS books calls to.
    #[serde(default = "hub")]
    pub operator: String,
    /// The secret with the key of the signatures.
    pub key: String,
    /// The hash of the signatures.
    #[serde(default)]
    pub sign: Hash,
    /// `utf8` or `gb18030`.
    #[serde(default)]
    pub charset: CharsetName,
    /// `1.1` or `1.2`.
    #[serde(default)]
    pub soap: SoapName,
    /// The namespace of the operation.
    #[serde(default = "tempuri")]
    pub namespace: String,
    /// The secret with the authority that the service's certificate is signed by. Without it: those of the system.
    pub authority: Option<String>,
    /// How long connecting may take.
    #[serde(default = "two")]
    pub connect_secs: u64,
    /// How long a question may take.
    #[serde(default = "five")]
    pub query_secs: u64,
    /// How long what changes something may take.
    #[serde(default = "fifteen")]
    pub write_secs: u64,
    /// How many calls may be under way at once.
    #[serde(default = "eight")]
    pub connections: usize,
}

/// The character sets, as settings name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum CharsetName {
    #[default]
    Utf8,
    Gb18030,
}

/// The versions of SOAP, as settings name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SoapName {
    #[default]
    #[serde(rename = "1.1")]
    V11,
    #[serde(rename = "1.2")]
    V12,
}

fn hub() -> String {
    "HUB".to_owned()
}

fn tempuri() -> String {
    "http://tempuri.org/".to_owned()
}

fn two() -> u64 {
    2
}

fn five() -> u64 {
    5
}

fn fifteen() -> u64 {
    15
}

fn eight() -> usize {
    8
}

/// The destination `his-service`.
pub struct HisService;

impl DestinationKind for HisService {
    const TYPE: &'static str = "his-service";
    type Config = ServiceDestinationConfig;

    fn build(
        config: ServiceDestinationConfig,
        secrets: &dyn Secrets,
    ) -> Result<Box<dyn Destination>, BuildError> {
        Ok(Box::new(ServiceDestination::build(&config, secrets)?))
    }
}

/// Asks one HIS.
pub struct ServiceDestination {
    queries: HttpClient,
    writes: HttpClient,
    seal: Seal,
    version: SoapVersion,
    namespace: String,
    connections: usize,
}

/// Why a call has brought no answer.
enum Failed {
    /// Nothing was sent.
    NotSent(String),
    /// It may have been done.
    Unknown(String),
    /// The service says that the call itself is wrong.
    Refused(String),
}

impl ServiceDestination {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(config: &ServiceDestinationConfig, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        at_least_one("connect_secs", config.connect_secs)?;
        at_least_one("query_secs", config.query_secs)?;
        at_least_one("write_secs", config.write_secs)?;
        at_least_one("connections", config.connections as u64)?;
        let authority = config.authority.as_deref().map(|name| secrets.get(name)).transpose()?;
        let client = |answer: u64| {
            let settings = HttpSettings {
                connect: Duration::from_secs(config.connect_secs),
                answer: Duration::from_secs(answer),
                max_answer_bytes: 16 << 20,
                ca_pem: authority.clone(),
                ..HttpSettings::new(&config.url)
            };
            HttpClient::new(&settings).map_err(|error| wrong("url", error.to_string()))
        };
        let charset = match config.charset {
            CharsetName::Utf8 => Charset::Utf8,
            CharsetName::Gb18030 => Charset::Gb18030,
        };
        Ok(Self {
            queries: client(config.query_secs)?,
            writes: client(config.write_secs)?,
            seal: Seal {
                app_id: config.app_id.clone(),
                org_code: config.org_code.clone(),
                operator: config.operator.clone(),
                hash: config.sign,
                key: secrets.get(&config.key)?,
                charset,
            },
            version: match config.soap {
                SoapName::V11 => SoapVersion::V11,
                SoapName::V12 => SoapVersion::V12,
            },
            namespace: config.namespace.clone(),
            connections: config.connections,
        })
    }

    async fn call(&self, code: &str, seq: &str, body: &str) -> Result<Response, Failed> {
        let now = OffsetDateTime::now_utc().to_offset(offset!(+8));
        let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        let at = now.format(form).unwrap_or_default();
        let request = Request { code, seq, at: &at, body };
        let text = self.seal.request(&request);
        let charset = self.seal.charset;
        let arguments = [("transCode", code), ("requestXml", text.as_str())];
        let bytes = soap::call(self.version, charset, &self.namespace, "Invoke", &arguments);
        let action = format!("{}Invoke", self.namespace);
        let content_type = self.version.content_type(charset, &action);
        let quoted = format!("\"{action}\"");
        let headers: &[(&str, &str)] = match self.version {
            SoapVersion::V11 => &[("SOAPAction", &quoted)],
            SoapVersion::V12 => &[],
        };
        let client = if is_query(code, body) { &self.queries } else { &self.writes };
        let sent = client.send("POST", Bytes::from(bytes), &content_type, headers).await;
        let answer = sent.map_err(|failure| match failure {
            HttpFailure::NotSent { .. } => Failed::NotSent(failure.to_string()),
            HttpFailure::Unsendable { .. } => Failed::Refused(failure.to_string()),
            HttpFailure::InDoubt { .. } | HttpFailure::Unreadable { .. } => {
                Failed::Unknown(failure.to_string())
            }
        })?;
        let unknown = |error: &dyn std::fmt::Display| Failed::Unknown(error.to_string());
        let said = answer.header("content-type").unwrap_or_default();
        let text = charset.decode_answer(said, &answer.body).map_err(|error| unknown(&error))?;
        match soap::answer(&text) {
            Ok(Answered::Result(text)) => {
                self.seal.response(&request, &text).map_err(|error| unknown(&error))
            }
            Ok(Answered::Fault(code)) if matches!(code.as_str(), "Client" | "Sender") => {
                Err(Failed::Refused("it answered with a fault of the caller's".to_owned()))
            }
            Ok(Answered::Fault(_)) => Err(Failed::Unknown("it answered with a fault".to_owned())),
            Err(_) if matches!(answer.status, 401 | 403 | 404 | 405) => {
                Err(Failed::Refused(format!("it answered {}", answer.status)))
            }
            Err(error) => Err(unknown(&format!("{error} (status {})", answer.status))),
        }
    }

    /// Asks a question; the error says what came of it instead of an answer. No content.
    pub(crate) async fn query(&self, code: &str, body: &str) -> Result<Response, String> {
        let seq = uuid::Uuid::new_v4().simple().to_string();
        match self.call(code, &seq, body).await {
            Ok(response) if response.code == "0" => Ok(response),
            Ok(response) => Err(format!("{code} was answered {}", response.code)),
            Err(Failed::NotSent(reason) | Failed::Unknown(reason) | Failed::Refused(reason)) => Err(reason),
        }
    }

    /// What a call means: for the parcel and for whoever asks.
    fn judge(code: &str, body: &str, called: Result<Response, Failed>) -> Result<Delivered, DeliveryError> {
        let in_doubt = |reason: String| match is_query(code, body) {
            true => DeliveryError::Later { reason, after: None },
            false => DeliveryError::InDoubt { reason },
        };
        let response = called.map_err(|failed| match failed {
            Failed::NotSent(reason) => DeliveryError::Later { reason, after: None },
            Failed::Unknown(reason) => in_doubt(reason),
            Failed::Refused(reason) => DeliveryError::Never { reason },
        })?;
        let reason = || format!("{code} was answered {}", response.code);
        if FAILED.contains(&response.code.as_str()) {
            return Err(in_doubt(reason()));
        }
        if WRONG.contains(&response.code.as_str()) {
            return Err(DeliveryError::Never { reason: reason() });
        }
        Ok(Delivered { answer: Some(response.text().into()) })
    }
}

/// Whether a function only asks; H306 does where its mode is `CHECK`.
fn is_query(code: &str, body: &str) -> bool {
    QUERIES.contains(&code) || (code == "H306" && body.contains("<Mode>CHECK</Mode>"))
}

/// The function and the inside of a parcel's body.
fn function(body: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let text = match text.strip_prefix("<?xml") {
        Some(declared) => declared.split_once("?>")?.1.trim_start(),
        None => text,
    };
    let text = match text.strip_prefix("<Call>") {
        Some(inside) => inside.strip_suffix("</Call>")?.trim(),
        None => text,
    };
    let (code, rest) = text.strip_prefix('<')?.split_once('>')?;
    if let Some(code) = code.strip_suffix('/') {
        return Some((code.trim_end(), ""));
    }
    let is_code = code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let inside = rest.strip_suffix(&format!("</{code}>"))?;
    is_code.then_some((code, inside))
}

fn no_function() -> DeliveryError {
    let reason = "its body is no function of the HIS: expected `<H303>...</H303>`".to_owned();
    DeliveryError::Never { reason }
}

#[async_trait]
impl Destination for ServiceDestination {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        let (code, body) = function(&parcel.body).ok_or_else(no_function)?;
        let seq = parcel.id.0.simple().to_string();
        Self::judge(code, body, self.call(code, &seq, body).await)
    }

    /// H506: what became of a transaction, by its number.
    async fn ask(&self, parcel: &Parcel) -> Result<Asked, DeliveryError> {
        let (code, _) = function(&parcel.body).ok_or_else(no_function)?;
        let seq = parcel.id.0.simple().to_string();
        let question = uuid::Uuid::new_v4().simple().to_string();
        let asked = format!("<TransSeq>{seq}</TransSeq>");
        let called = self.call("H506", &question, &asked).await;
        let told = match &called {
            Ok(response) if response.code == "0" => response.clone(),
            _ => {
                return Self::judge("H506", &asked, called).and_then(|_| {
                    let reason = "H506 was not answered with what became of it".to_owned();
                    Err(DeliveryError::Later { reason, after: None })
                });
            }
        };
        if told.field("Status") == Some("N") {
            return Ok(Asked::NotArrived);
        }
        let unfit =
            || DeliveryError::Later { reason: "the answer of H506 lacks the result".to_owned(), after: None };
        let original = Response::of(
            told.field("OrigResultCode").ok_or_else(unfit)?,
            told.field("OrigBody").unwrap_or_default(),
        );
        Self::judge(code, "", Ok(original)).map(Asked::Arrived)
    }

    /// The service describes itself where it is there.
    async fn check(&self) -> Result<(), DeliveryError> {
        match self.queries.send("GET", Bytes::new(), "text/xml", &[]).await {
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

    #[test]
    fn a_body_names_its_function() {
        assert_eq!(function(b"<H304><LockId>L1</LockId></H304>"), Some(("H304", "<LockId>L1</LockId>")));
        assert_eq!(function(b"<?xml version=\"1.0\"?>\n<H101/>"), Some(("H101", "")));
        assert_eq!(function(b"<Call><H101></H101></Call>"), Some(("H101", "")));
        for body in ["", "H304", "<H304>", "<H304></H305>", "<H3 04></H3 04>", "{}", "<Call></Call>"] {
            assert_eq!(function(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn what_a_result_means_depends_on_whether_something_may_have_been_done() {
        let judge =
            |function, code: &str| ServiceDestination::judge(function, "", Ok(Response::of(code, "")));
        assert!(judge("H303", "0").is_ok());
        assert!(judge("H303", "3001").is_ok(), "what the HIS refuses is an answer");
        assert!(matches!(judge("H303", "-1"), Err(DeliveryError::InDoubt { .. })));
        assert!(matches!(judge("H301", "9999"), Err(DeliveryError::Later { .. })));
        assert!(matches!(judge("H303", "1002"), Err(DeliveryError::Never { .. })));
        let failed = |function, failed| ServiceDestination::judge(function, "", Err(failed));
        assert!(matches!(failed("H305", Failed::Unknown(String::new())), Err(DeliveryError::InDoubt { .. })));
        assert!(matches!(failed("H305", Failed::NotSent(String::new())), Err(DeliveryError::Later { .. })));
        assert!(matches!(failed("H307", Failed::Unknown(String::new())), Err(DeliveryError::Later { .. })));
    }
}
