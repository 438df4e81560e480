//! The source `bank`: takes the bank's notices, believes only what it signed, and answers in its words when they are safe.

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
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use crate::account::Account;
use crate::dialect::{Dialect, Notice, Verdict};

/// Banks wait five seconds. What is not safe by then is answered as not taken, and comes again.
const PATIENCE: Duration = Duration::from_secs(4);
const LONGEST_NOTICE: usize = 256 * 1024;

/// The source `bank`.
pub struct Bank;

/// The settings of the source `bank`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankSourceConfig {
    /// Where it listens: `127.0.0.1:8090`.
    pub listen: String,
    /// The one path that notices are posted to.
    #[serde(default = "root")]
    pub path: String,
    /// TLS, by the names of secrets.
    pub tls: Option<ServerTls>,
    /// The account with the bank.
    pub account: Account,
    /// How many connections there may be.
    #[serde(default = "many_connections")]
    pub max_connections: usize,
}

fn root() -> String {
    "/".to_owned()
}

fn many_connections() -> usize {
    256
}

impl SourceKind for Bank {
    const TYPE: &'static str = "bank";
    const FORMAT: Option<&'static str> = Some("json");
    const ANSWERS: bool = false;
    type Config = BankSourceConfig;

    fn build(config: BankSourceConfig, secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
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
        Ok(Box::new(Notices { dialect: config.account.dialect(secrets)?, config, pushes }))
    }

    fn listens(config: &BankSourceConfig) -> Vec<String> {
        vec![config.listen.clone()]
    }
}

/// Listens for notices.
struct Notices {
    config: BankSourceConfig,
    dialect: Box<dyn Dialect>,
    pushes: Pushes,
}

#[async_trait]
impl Source for Notices {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        self.pushes.bind().await
    }

    async fn run(self: Box<Self>, intake: Intake, stop: watch::Receiver<bool>) -> Result<(), SourceError> {
        let desk = Desk { intake, path: self.config.path, dialect: self.dialect };
        self.pushes.serve(desk, stop).await
    }
}

/// Takes one notice after the other.
struct Desk {
    intake: Intake,
    path: String,
    dialect: Box<dyn Dialect>,
}

#[async_trait]
impl Respond for Desk {
    fn admit(&self, head: &RequestHead) -> Option<HttpAnswer> {
        admit(head, head.path == self.path)
    }

    async fn respond(&self, head: RequestHead, body: Bytes) -> HttpAnswer {
        let verdict = match self.dialect.notice(&|name| head.header(name), &body, OffsetDateTime::now_utc()) {
            Ok(notice) => self.keep(notice, head).await,
            Err(why) => {
                // A person should know: somebody tries, or a key was changed.
                warn!(peer = %head.peer.address, reason = %why, "A notice of the bank was not believed.");
                Verdict::Refused(why)
            }
        };
        self.dialect.say(verdict)
    }
}

impl Desk {
    async fn keep(&self, notice: Notice, head: RequestHead) -> Verdict {
        let Notice { told, id } = notice;
        // The bank says the same again with the same content; how an order stands it says once, whatever number the notice has.
        let state = told.state.as_deref().unwrap_or_default();
        let about = if told.refund_no.is_empty() { &told.order_no } else { &told.refund_no };
        let kind = if told.refund_no.is_empty() { "payment" } else { "refund" };
        let inbound = Inbound {
            dedupe: DedupeKey::from(format!("{kind}/{about}/{state}")),
            label: Label {
                message_type: Some(CompactString::new(kind)),
                control_id: id.map(CompactString::from),
                sender: None,
            },
            bytes: Bytes::from(told.bytes()),
            attachment: None,
            peer: Peer { address: Some(head.peer.address), identity: head.peer.identity },
            unreadable: None,
        };
        match timeout(PATIENCE, self.intake.accept(inbound)).await {
            // Refused with an id is kept: the bank need not say it again.
            Ok(Receipt::Accepted(_) | Receipt::Duplicate(_) | Receipt::Refused(Some(_), _)) => Verdict::Taken,
            Ok(Receipt::Refused(None, _)) | Err(_) => Verdict::Again,
        }
    }
}
