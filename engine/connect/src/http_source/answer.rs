//! Answers each request: by status and a few words of JSON, or with the reply that the channel makes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use hub_core::envelope::{Label, Peer};
use hub_core::fault::Fault;
use hub_core::id::{DedupeKey, Digest, MessageId};
use hub_core::source::{Acknowledge, Inbound, Intake, NoReply, Outcome, Receipt, Refusal, Replied, Reply};
use hub_transport::http_server::{BodyPieces, HttpAnswer, RequestHead, Respond};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::HttpSourceConfig;

/// When a sender may come again.
const RETRY_AFTER_SECS: &str = "5";
/// What a sender says of its request: a key, a kind. Longer is no such thing.
const MAX_WORD: usize = 200;

/// Takes the requests of one source.
pub(super) struct Post {
    pub(super) intake: Intake,
    pub(super) config: HttpSourceConfig,
    token: Option<Digest>,
}

impl Post {
    pub(super) fn new(intake: Intake, config: HttpSourceConfig, token: Option<Digest>) -> Self {
        Self { intake, config, token }
    }

    /// Whether the sender shows the token, where one is asked for. Digests are compared, so that time tells nothing.
    fn is_let_in(&self, head: &RequestHead) -> bool {
        let Some(token) = self.token else { return true };
        let shown = head.header("authorization").and_then(|shown| shown.split_once(' '));
        shown.is_some_and(|(scheme, shown)| {
            scheme.eq_ignore_ascii_case("bearer") && Digest::of(shown.trim().as_bytes()) == token
        })
    }

    pub(super) fn label(&self, head: &RequestHead) -> Label {
        let told = self.config.type_header.as_deref().and_then(|name| word(head, name));
        Label {
            message_type: told.or_else(|| self.config.message_type.as_deref().map(CompactString::new)),
            control_id: number(head),
            sender: None,
        }
    }

    async fn outcome(&self, id: MessageId) -> HttpAnswer {
        let outcome = timeout(Duration::from_secs(self.config.answer_secs), self.intake.outcome(id)).await;
        match outcome {
            Ok(Some(outcome)) => of_outcome(id, outcome),
            // The message is safe, but 200 would say that it has been processed. The same request again is a duplicate, is not
            // processed twice, and is answered by the outcome.
            Ok(None) | Err(_) => again_later(
                json!({ "message": id, "state": "received", "reason": "it is stored and not finished yet; send it again to hear its outcome" }),
            ),
        }
    }

    fn reply(&self, reply: Reply) -> HttpAnswer {
        let status = match &reply.kind {
            Replied::Answered => 200,
            Replied::Busy => self.config.busy_status,
            Replied::Refused(_) => self.config.refused_status,
        };
        let mut answer = match (reply.words, reply.kind) {
            (Some(words), _) => HttpAnswer {
                content_type: words.content_type.into(),
                body: words.body,
                ..HttpAnswer::empty(status)
            },
            (None, Replied::Answered) => HttpAnswer::empty(204),
            (None, Replied::Busy) => again_later(json!({ "reason": Refusal::Busy.to_string() })),
            (None, Replied::Refused(why)) => match why {
                NoReply::Door(refusal) => refused(None, &refusal),
                NoReply::Filtered { rule } => told(422, json!({ "state": "filtered", "rule": rule })),
                NoReply::Fault(fault) => told(422, of_fault(None, &fault)),
            },
        };
        if answer.status == 503 && !answer.headers.iter().any(|(name, _)| *name == "retry-after") {
            answer.headers.push(("retry-after", RETRY_AFTER_SECS.to_owned()));
        }
        answer
    }
}

#[async_trait]
impl Respond for Post {
    fn admit(&self, head: &RequestHead) -> Option<HttpAnswer> {
        if head.path != self.config.path {
            let what = format!("messages are posted to `{}`", self.config.path);
            return Some(told(404, json!({ "reason": what })));
        }
        if !self.is_let_in(head) {
            let mut answer = told(401, json!({ "reason": "expected `Authorization: Bearer` and the token" }));
            answer.headers.push(("www-authenticate", "Bearer".to_owned()));
            return Some(answer);
        }
        match head.method.as_str() {
            "POST" => None,
            // A partner's monitor asks whether anybody is there.
            "GET" | "HEAD" => Some(told(200, json!({ "state": "ready" }))),
            _ => {
                let mut answer = told(405, json!({ "reason": "messages are posted" }));
                answer.headers.push(("allow", "GET, HEAD, POST".to_owned()));
                Some(answer)
            }
        }
    }

    async fn respond(&self, head: RequestHead, body: Bytes) -> HttpAnswer {
        let inbound = Inbound {
            dedupe: dedupe(&head, &body),
            label: self.label(&head),
            bytes: body.clone(),
            attachment: None,
            peer: Peer { address: Some(head.peer.address), identity: head.peer.identity },
            unreadable: None,
        };
        self.hand_over(inbound).await
    }

    fn reads_pieces(&self) -> bool {
        self.intake.attaches()
    }

    async fn respond_pieces(&self, head: RequestHead, body: &mut BodyPieces) -> HttpAnswer {
        self.take_attachment(head, body).await
    }
}

impl Post {
    /// Hands a message over and answers by what becomes of it.
    pub(super) async fn hand_over(&self, inbound: Inbound) -> HttpAnswer {
        let body = inbound.bytes.clone();
        let receipt = self.intake.accept(inbound).await;
        if self.intake.acknowledge() == Acknowledge::OnAnswered {
            return self.reply(self.intake.reply(body, receipt).await);
        }
        let (id, duplicate) = match receipt {
            Receipt::Accepted(id) => (id, false),
            Receipt::Duplicate(id) => (id, true),
            Receipt::Refused(id, refusal) => return refused(id, &refusal),
        };
        match self.intake.acknowledge() {
            Acknowledge::OnCommitted => self.outcome(id).await,
            Acknowledge::OnReceived | Acknowledge::OnAnswered => {
                told(202, json!({ "message": id, "state": "received", "duplicate": duplicate }))
            }
        }
    }
}

/// The sender's own number for the request.
pub(super) fn number(head: &RequestHead) -> Option<CompactString> {
    word(head, "idempotency-key").or_else(|| word(head, "x-request-id"))
}

fn word(head: &RequestHead, name: &str) -> Option<CompactString> {
    head.header(name).filter(|word| !word.is_empty() && word.len() <= MAX_WORD).map(CompactString::new)
}

/// The sender's number; the content itself when it gives none.
fn dedupe(head: &RequestHead, body: &[u8]) -> DedupeKey {
    match number(head) {
        Some(number) => DedupeKey(number),
        None => DedupeKey::from(format!("{:?}", Digest::of(body))),
    }
}

pub(super) fn told(status: u16, words: Value) -> HttpAnswer {
    HttpAnswer {
        content_type: "application/json".to_owned(),
        body: Bytes::from(words.to_string()),
        ..HttpAnswer::empty(status)
    }
}

pub(super) fn again_later(words: Value) -> HttpAnswer {
    let mut answer = told(503, words);
    answer.headers.push(("retry-after", RETRY_AFTER_SECS.to_owned()));
    answer
}

/// The place and the reason, never content.
fn of_fault(id: Option<MessageId>, fault: &Fault) -> Value {
    json!({ "message": id, "state": "quarantined", "step": fault.step.name(), "place": fault.place, "reason": fault.reason })
}

fn of_outcome(id: MessageId, outcome: Outcome) -> HttpAnswer {
    match outcome {
        Outcome::Committed => told(200, json!({ "message": id, "state": "committed" })),
        Outcome::Filtered { rule } => told(200, json!({ "message": id, "state": "filtered", "rule": rule })),
        Outcome::Quarantined(fault) => told(422, of_fault(Some(id), &fault)),
        Outcome::Split { pieces, set_aside } => {
            let status = if set_aside == 0 { 200 } else { 422 };
            let words = json!({ "message": id, "state": "split", "pieces": pieces, "set_aside": set_aside });
            told(status, words)
        }
    }
}

fn refused(id: Option<MessageId>, refusal: &Refusal) -> HttpAnswer {
    match refusal {
        Refusal::Unreadable(fault) => told(422, of_fault(id, fault)),
        Refusal::Unsupported { .. } => {
            told(422, json!({ "message": id, "state": "filtered", "reason": refusal.to_string() }))
        }
        Refusal::Forbidden => told(403, json!({ "reason": refusal.to_string() })),
        Refusal::Busy => again_later(json!({ "reason": refusal.to_string() })),
    }
}
