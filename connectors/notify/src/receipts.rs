//! The source `sms-receipts`: takes the gateways' status reports, and answers in their words when they are safe.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use hub_connect::pushes::{Listening, Pushes, admit};
use hub_connect::tls::ServerTls;
use hub_core::envelope::{Label, Peer};
use hub_core::id::{DedupeKey, Digest};
use hub_core::registry::{BuildError, Secrets, SourceKind};
use hub_core::source::{Inbound, Intake, Receipt, Source, SourceError};
use hub_transport::http_server::{HttpAnswer, RequestHead, Respond};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use time::macros::{format_description, offset};
use time::{OffsetDateTime, PrimitiveDateTime};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use crate::gateway::shown;
use crate::sms::Style;

/// Gateways wait about five seconds. What is not safe by then is answered as not taken, and comes again.
const PATIENCE: Duration = Duration::from_secs(4);
const LONGEST_PUSH: usize = 1 << 20;

/// The source `sms-receipts`.
pub struct SmsReceipts;

/// The settings of the source `sms-receipts`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsReceiptsConfig {
    /// The gateway's style.
    pub style: Style,
    /// Where it listens: `127.0.0.1:2598`.
    pub listen: String,
    /// The path that reports are posted to; with a `word`, what stands before it.
    #[serde(default = "receipts")]
    pub path: String,
    /// The secret with the last piece of the path. Gateways sign no reports: whoever knows the address is believed.
    pub word: Option<String>,
    /// TLS, by the names of secrets.
    pub tls: Option<ServerTls>,
    /// How many connections there may be.
    #[serde(default = "many_connections")]
    pub max_connections: usize,
}

fn receipts() -> String {
    "/receipts".to_owned()
}

fn many_connections() -> usize {
    256
}

impl SourceKind for SmsReceipts {
    const TYPE: &'static str = "sms-receipts";
    const FORMAT: Option<&'static str> = Some("json");
    const ANSWERS: bool = false;
    type Config = SmsReceiptsConfig;

    fn build(config: SmsReceiptsConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        let pushes = Pushes::build(
            &Listening {
                listen: &config.listen,
                path: &config.path,
                tls: config.tls.as_ref(),
                max_connections: config.max_connections,
                longest: LONGEST_PUSH,
                patience: PATIENCE,
            },
            secrets,
        )?;
        let word = config.word.as_deref().map(|name| secrets.get(name)).transpose()?;
        let path = match word {
            Some(word) => format!("{}/{}", config.path.trim_end_matches('/'), word.trim()),
            None => config.path.clone(),
        };
        Ok(Box::new(Reports { path: Digest::of(path.as_bytes()), config, pushes }))
    }

    fn listens(config: &SmsReceiptsConfig) -> Vec<String> {
        vec![config.listen.clone()]
    }
}

/// Listens for reports.
struct Reports {
    config: SmsReceiptsConfig,
    /// Of the path: digests are compared, so that a wrong one tells nothing of the right one.
    path: Digest,
    pushes: Pushes,
}

#[async_trait]
impl Source for Reports {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        self.pushes.bind().await
    }

    async fn run(self: Box<Self>, intake: Intake, stop: watch::Receiver<bool>) -> Result<(), SourceError> {
        let desk = Desk { intake, path: self.path, style: self.config.style };
        self.pushes.serve(desk, stop).await
    }
}

/// What became of a message on its way to a phone: a message of the source.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Our number of the notice, where the gateway tells it (`acs3`).
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// The gateway's number: the one of the answer to the notice.
    partner_id: String,
    state: &'static str,
    /// The carrier's word: `DELIVERED`, `DELIVRD`, `UNDELIV`.
    code: String,
    /// When the phone had it, or could not (RFC 3339).
    at: Option<String>,
}

/// A report of the style `acs3` (`SmsReport`).
#[derive(Deserialize)]
struct Acs3Report {
    report_time: String,
    success: bool,
    #[serde(default)]
    err_code: String,
    biz_id: String,
    out_id: Option<String>,
}

/// A report of the style `tc3` (the callback of sending status).
#[derive(Deserialize)]
struct Tc3Report {
    user_receive_time: String,
    report_status: String,
    #[serde(default)]
    errmsg: String,
    sid: String,
}

impl From<Acs3Report> for Report {
    fn from(report: Acs3Report) -> Self {
        Self {
            reference: report.out_id.filter(|id| !id.is_empty()),
            partner_id: report.biz_id,
            state: if report.success { "delivered" } else { "failed" },
            code: shown(&report.err_code),
            at: beijing(&report.report_time),
        }
    }
}

impl From<Tc3Report> for Report {
    fn from(report: Tc3Report) -> Self {
        Self {
            reference: None,
            partner_id: report.sid,
            state: if report.report_status == "SUCCESS" { "delivered" } else { "failed" },
            code: shown(&report.errmsg),
            at: beijing(&report.user_receive_time),
        }
    }
}

/// `2026-03-02 08:00:00` of a clock in Beijing (section 0.4).
fn beijing(text: &str) -> Option<String> {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let at: OffsetDateTime = PrimitiveDateTime::parse(text, format).ok()?.assume_offset(offset!(+8));
    at.format(&Rfc3339).ok()
}

/// Both styles push a list.
fn read(style: Style, body: &[u8]) -> Result<Vec<Report>, serde_json::Error> {
    Ok(match style {
        Style::Acs3 => {
            serde_json::from_slice::<Vec<Acs3Report>>(body)?.into_iter().map(Report::from).collect()
        }
        Style::Tc3 => serde_json::from_slice::<Vec<Tc3Report>>(body)?.into_iter().map(Report::from).collect(),
    })
}

/// What the gateway hears, in its own words.
fn say(style: Style, is_taken: bool, status: u16) -> HttpAnswer {
    let code = i32::from(!is_taken);
    let word = if is_taken { "OK" } else { "again" };
    let body = match style {
        Style::Acs3 => json!({ "code": code, "msg": word }),
        Style::Tc3 => json!({ "result": code, "errmsg": word }),
    };
    HttpAnswer {
        status,
        content_type: "application/json".to_owned(),
        body: Bytes::from(body.to_string()),
        ..HttpAnswer::empty(status)
    }
}

/// Takes one push after the other.
struct Desk {
    intake: Intake,
    path: Digest,
    style: Style,
}

#[async_trait]
impl Respond for Desk {
    fn admit(&self, head: &RequestHead) -> Option<HttpAnswer> {
        admit(head, Digest::of(head.path.as_bytes()) == self.path)
    }

    async fn respond(&self, head: RequestHead, body: Bytes) -> HttpAnswer {
        let reports = match read(self.style, &body) {
            Ok(reports) => reports,
            Err(error) => {
                // A person should know: the gateway speaks another style, or somebody else knows the address.
                warn!(
                    peer = %head.peer.address, line = error.line(), column = error.column(),
                    "A push was not what the gateway's reports are."
                );
                return say(self.style, false, 400);
            }
        };
        let all = async {
            for report in &reports {
                if !self.is_kept(report, &head).await {
                    return false;
                }
            }
            true
        };
        // Those that were kept before one was not are copies when they come again.
        let is_taken = timeout(PATIENCE, all).await.unwrap_or(false);
        say(self.style, is_taken, 200)
    }
}

impl Desk {
    async fn is_kept(&self, report: &Report, head: &RequestHead) -> bool {
        let inbound = Inbound {
            dedupe: DedupeKey::from(format!("receipt/{}/{}", report.partner_id, report.state)),
            label: Label {
                message_type: Some(CompactString::new("receipt")),
                control_id: Some(CompactString::from(report.partner_id.as_str())),
                sender: None,
            },
            bytes: Bytes::from(serde_json::to_vec(report).expect("texts can be written as JSON")),
            attachment: None,
            peer: Peer { address: Some(head.peer.address), identity: head.peer.identity.clone() },
            unreadable: None,
        };
        // Refused with an id is kept: the gateway need not say it again.
        matches!(
            self.intake.accept(inbound).await,
            Receipt::Accepted(_) | Receipt::Duplicate(_) | Receipt::Refused(Some(_), _)
        )
    }
}
