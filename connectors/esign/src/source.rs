//! The source `esign`: takes the service's notices (ES08), believes only what it signed, and answers when they are safe.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use hub_connect::pushes::{Listening, Pushes, admit};
use hub_connect::tls::ServerTls;
use hub_core::envelope::{Label, Peer};
use hub_core::id::DedupeKey;
use hub_core::registry::{BuildError, Secrets, SourceKind};
use hub_core::source::{Inbound, Intake, Receipt, Source, SourceError};
use hub_transport::http_server::{HttpAnswer, RequestHead, Respond};
use hub_transport::signature::hosp_sign::{Call, HospSign, header};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use crate::account::Account;
use crate::neutral::{Told, state};
use crate::service::now_ms;

/// What is not safe by then is answered as not taken, and comes again.
const PATIENCE: Duration = Duration::from_secs(4);
const LONGEST_NOTICE: usize = 64 * 1024;

/// The source `esign`.
pub struct Esign;

/// The settings of the source `esign`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EsignSourceConfig {
    /// Where it listens: `127.0.0.1:8091`.
    pub listen: String,
    /// The one path that notices are posted to.
    #[serde(default = "root")]
    pub path: String,
    /// TLS, by the names of secrets.
    pub tls: Option<ServerTls>,
    /// The account with the service.
    pub account: Account,
    /// How many connections there may be.
    #[serde(default = "some_connections")]
    pub max_connections: usize,
}

fn root() -> String {
    "/".to_owned()
}

fn some_connections() -> usize {
    64
}

impl SourceKind for Esign {
    const TYPE: &'static str = "esign";
    const FORMAT: Option<&'static str> = Some("json");
    const ANSWERS: bool = false;
    type Config = EsignSourceConfig;

    fn build(config: EsignSourceConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        let pushes = Pushes::build(
            &Listening {
                listen: &config.listen,
                path: &config.path,
                tls: config.tls.as_ref(),
                max_connections: config.max_connections,
                longest: LONGEST_NOTICE,
                patience: PATIENCE,
            },
            secrets,
        )?;
        Ok(Box::new(Notices { sign: config.account.sign(secrets)?, config, pushes }))
    }

    fn listens(config: &EsignSourceConfig) -> Vec<String> {
        vec![config.listen.clone()]
    }
}

/// Listens for notices.
struct Notices {
    config: EsignSourceConfig,
    sign: HospSign,
    pushes: Pushes,
}

#[async_trait]
impl Source for Notices {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        self.pushes.bind().await
    }

    async fn run(self: Box<Self>, intake: Intake, stop: watch::Receiver<bool>) -> Result<(), SourceError> {
        let desk = Desk { intake, path: self.config.path, sign: self.sign };
        self.pushes.serve(desk, stop).await
    }
}

/// Takes one notice after the other.
struct Desk {
    intake: Intake,
    path: String,
    sign: HospSign,
}

#[async_trait]
impl Respond for Desk {
    fn admit(&self, head: &RequestHead) -> Option<HttpAnswer> {
        admit(head, head.path == self.path)
    }

    async fn respond(&self, head: RequestHead, body: Bytes) -> HttpAnswer {
        let call = Call { method: "POST", target: &self.path };
        if let Err(why) = self.sign.request(call, &|name| head.header(name), &body, now_ms()) {
            // A person should know: somebody tries, or a key was changed.
            warn!(peer = %head.peer.address, reason = %why, "A notice of the signing service was not believed.");
            return json(401, r#"{"code":"AUTH_SIGN","message":""}"#);
        }
        let answer = match notice(&body) {
            Some(notice) => self.keep(notice, &head).await,
            None => json(200, r#"{"code":"400","message":"not a notice"}"#),
        };
        self.signed(call, &head, answer)
    }
}

/// A notice of a task: what is told of it must be one of the states that a task ends in.
fn notice(body: &[u8]) -> Option<Told> {
    let told: Told = serde_json::from_slice(body).ok()?;
    let is_end = matches!(told.state.as_deref()?, state::SIGNED | state::REFUSED | state::EXPIRED);
    (is_end && told.task_id.as_deref().is_some_and(|id| !id.is_empty())).then_some(told)
}

impl Desk {
    async fn keep(&self, told: Told, head: &RequestHead) -> HttpAnswer {
        let task = told.task_id.as_deref().unwrap_or_default();
        let standing = told.state.as_deref().unwrap_or_default();
        let inbound = Inbound {
            dedupe: DedupeKey::from(format!("task/{task}/{standing}")),
            label: Label {
                message_type: Some(CompactString::new("task")),
                control_id: Some(CompactString::new(task)),
                sender: None,
            },
            bytes: Bytes::from(Told { act: Some("notice".to_owned()), ..told }.bytes()),
            attachment: None,
            peer: Peer { address: Some(head.peer.address), identity: head.peer.identity.clone() },
            unreadable: None,
        };
        match timeout(PATIENCE, self.intake.accept(inbound)).await {
            // Refused with an id is kept: the service need not say it again.
            Ok(Receipt::Accepted(_) | Receipt::Duplicate(_) | Receipt::Refused(Some(_), _)) => {
                json(200, r#"{"code":"0","message":""}"#)
            }
            Ok(Receipt::Refused(None, _)) | Err(_) => json(200, r#"{"code":"5000","message":"again"}"#),
        }
    }

    fn signed(&self, call: Call<'_>, head: &RequestHead, answer: HttpAnswer) -> HttpAnswer {
        let nonce = head.header(header::NONCE).unwrap_or_default();
        let headers = self.sign.sign(call, &answer.body, now_ms(), nonce);
        HttpAnswer { headers: headers.map(Vec::from).unwrap_or_default(), ..answer }
    }
}

fn json(status: u16, body: &'static str) -> HttpAnswer {
    HttpAnswer {
        status,
        headers: Vec::new(),
        content_type: "application/json".to_owned(),
        body: Bytes::from_static(body.as_bytes()),
    }
}
