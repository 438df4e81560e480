//! A channel's door for its tests: what comes in is walked through the same steps as in the hub, and what came of it is kept.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_connect::mllp_source::answering;
use hub_core::attachment::Slip;
use hub_core::commit::Commit;
use hub_core::document::Document;
use hub_core::envelope::{Envelope, Head, Label, Mapped, Peer, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{CorrelationId, DedupeKey, Digest, MessageId};
use hub_core::source::{
    Acknowledge, Door, Inbound, Intake, NoReply, Outcome, Receipt, Refusal, Replied, Reply, Words,
};
use hub_core::store::{End, StateName};
use hub_fhir::Object;
use hub_formats::hl7v2::{AckRead, Header};
use hub_mapping::{Found, Need};
use hub_runtime::reply::Answerer;
use hub_runtime::split::{Held, held, holds_one};
use hub_runtime::steps::{Prepared, Road, Walked};
use hub_spec::Facts;
use hub_transport::mllp_server::PeerInfo;
use time::{OffsetDateTime, UtcOffset};

use super::stage;
use crate::shelf::Shelf;

/// Brings a message to the channel's door as its source does; gives what came of it and what it was answered.
pub(super) async fn knock(
    road: &Arc<Road>,
    answerer: Option<Arc<Answerer>>,
    stage: Option<&Arc<Shelf>>,
    bytes: Bytes,
) -> anyhow::Result<Came> {
    let is_payload = road.channel.parse.format == hub_formats::BINARY && Slip::read(&bytes).is_none();
    let bytes = if is_payload { hub_attachments::slip_of(&bytes).to_bytes() } else { bytes };
    let door = Arc::new(TestDoor {
        road: road.clone(),
        answerer,
        stage: stage.cloned(),
        came: Mutex::default(),
        failed: Mutex::default(),
    });
    let mut came = if road.channel.parse.format == "hl7v2" {
        by_mllp(&door, bytes).await
    } else {
        plainly(&door, bytes).await
    };
    if let Some(error) = door.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    if came.reply.is_some() && road.channel.reply.is_none() {
        came.reply = None;
    }
    Ok(came)
}

/// What the reply to a request is made of, once the channel has taken the request in; or why it is not made.
pub async fn replied_with(
    road: &Arc<Road>,
    answerer: Answerer,
    shelf: Shelf,
    request: Bytes,
) -> anyhow::Result<Result<Vec<Object>, String>> {
    let door = TestDoor {
        road: road.clone(),
        answerer: None,
        stage: Some(Arc::new(shelf)),
        came: Mutex::default(),
        failed: Mutex::default(),
    };
    let document = match road.parser.parse(&request) {
        Ok(document) => document,
        Err(error) => return Ok(Err(format!("it cannot be read: {error}"))),
    };
    let came = door.walk(at_the_door(road, request)).await;
    if let Some(error) = door.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    if let Some(fault) = &came.fault {
        return Ok(Err(format!("the channel sets it aside: {fault}")));
    }
    if came.state == StateName::Filtered {
        return Ok(Err(format!("the channel stops it by `{}`", came.rule)));
    }
    door.keep(came);
    Ok(door.resources(&answerer, &*document).await.map_err(|fault| fault.to_string()))
}

/// As any source does that only hands bytes over: it asks for the reply where the channel makes one.
async fn plainly(door: &Arc<TestDoor>, bytes: Bytes) -> Came {
    let inbound = Inbound {
        bytes: bytes.clone(),
        dedupe: DedupeKey::from(""),
        label: Label::default(),
        peer: Peer::default(),
        attachment: None,
        unreadable: None,
    };
    let receipt = door.accept(inbound).await;
    let reply = match door.acknowledge() {
        Acknowledge::OnAnswered => door.reply(bytes, receipt).await.words.map(|words| words.body),
        Acknowledge::OnReceived | Acknowledge::OnCommitted => None,
    };
    Came { reply, receipt: "none".to_owned(), ..door.take() }
}

async fn by_mllp(door: &Arc<TestDoor>, bytes: Bytes) -> Came {
    let handler = answering(Intake::new(door.clone()), Duration::from_secs(5), UtcOffset::UTC);
    let peer = PeerInfo { address: SocketAddr::from(([127, 0, 0, 1], 0)), identity: None };
    let mut replies = handler.handle(bytes, &peer).await;
    if replies.now.is_empty()
        && let Some(later) = replies.later.take()
    {
        replies.now.extend(later.await);
    }
    let answer = replies.now.first().cloned();
    let receipt = answer.as_ref().and_then(|answer| AckRead::read(answer).ok());
    let receipt = receipt.map_or_else(|| "none".to_owned(), |ack| ack.code.name().to_owned());
    Came { receipt, reply: answer, ..door.take() }
}

/// The door of a channel: what comes in is walked at once, and what came of it is kept.
struct TestDoor {
    road: Arc<Road>,
    answerer: Option<Arc<Answerer>>,
    stage: Option<Arc<Shelf>>,
    came: Mutex<Option<Came>>,
    /// The test itself failed: its store.
    failed: Mutex<Option<anyhow::Error>>,
}

impl TestDoor {
    fn keep(&self, came: Came) {
        *self.came.lock().unwrap_or_else(PoisonError::into_inner) = Some(came);
    }

    fn take(&self) -> Came {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    fn fail(&self, error: anyhow::Error) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Walks one message, or each piece of one that holds several.
    async fn walk(&self, message: Envelope<Raw>) -> Came {
        let Some(by) = &self.road.channel.parse.split else { return self.walk_one(message).await };
        match held(&self.road, by, &message) {
            Ok(Held::One) => Came { pieces: 1, ..self.walk_one(message).await },
            Ok(Held::Several(pieces)) => {
                let mut all = Came { state: StateName::Split, ..Came::default() };
                for piece in pieces {
                    all.add(self.walk_one(piece).await);
                }
                all
            }
            Err(fault) => Came { state: StateName::Quarantined, fault: Some(fault), ..Came::default() },
        }
    }

    async fn walk_one(&self, message: Envelope<Raw>) -> Came {
        let walked = match self.road.prepare(message) {
            Prepared::Walked(walked) => *walked,
            Prepared::Asking(asking) => {
                let found = self.look_up(&asking.needs).await;
                self.road.walk_on(*asking, found)
            }
        };
        let came = Came::of(walked);
        if let Some(stage) = &self.stage
            && let Err(error) = stage.write(&came.commit).await
        {
            self.fail(error);
        }
        came
    }

    /// What is asked of the stage. What it cannot answer is noted, and finds nothing.
    async fn look_up(&self, needs: &[Need]) -> Found {
        let Some(stage) = &self.stage else { return Found::default() };
        match stage.look_up(needs).await {
            Ok(found) => found,
            Err(error) => {
                self.fail(error.into());
                Found::default()
            }
        }
    }

    /// The words of the reply.
    async fn words(&self, request: &Bytes) -> Result<Words, Fault> {
        let answerer = self.answerer.as_ref().ok_or_else(|| unanswerable("the channel has no [reply]"))?;
        let document = self.road.parser.parse(request).map_err(|error| unanswerable(&error.to_string()))?;
        let resources = self.resources(answerer, &*document).await?;
        answerer.words(&resources, &*document, &stage::facts())
    }

    /// What the reply is made of.
    async fn resources(&self, answerer: &Answerer, request: &dyn Document) -> Result<Vec<Object>, Fault> {
        let reply = self.road.channel.reply.as_ref().map(|reply| &reply.facts);
        match (reply, &self.stage) {
            (Some(Facts::Request), _) => Ok(Vec::new()),
            (Some(Facts::Commit), _) => {
                let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
                let changes = came.iter().flat_map(|came| &came.commit.changes);
                let trees = changes.filter_map(|change| Some(change.resource()?.tree().clone()));
                Ok(trees.collect())
            }
            (Some(Facts::Search(_)), Some(stage)) => stage.searched(answerer, request).await,
            _ => Err(unanswerable("an answer made of what a receiver answers can only be made by the hub")),
        }
    }
}

fn unanswerable(reason: &str) -> Fault {
    Fault { step: FaultStep::Map, place: None, rule: None, reason: reason.to_owned() }
}

#[async_trait]
impl Door for TestDoor {
    async fn accept(&self, inbound: Inbound) -> Receipt {
        let id = MessageId(uuid::Uuid::nil());
        if let Some(fault) = inbound.unreadable {
            self.keep(Came { state: StateName::Quarantined, fault: Some(fault.clone()), ..Came::default() });
            return Receipt::Refused(Some(id), Refusal::Unreadable(fault));
        }
        let parse = &self.road.channel.parse;
        let kind = inbound.label.message_type.as_deref();
        // As in the hub: what a batch or a file is of, each of its messages says.
        let is_told_later = || match &parse.split {
            None => false,
            Some(by) => kind.is_none() || !holds_one(&self.road, by, &inbound.bytes),
        };
        let taken = parse.takes(kind) || is_told_later();
        let came = self.walk(message(&self.road, inbound.bytes, inbound.label)).await;
        self.keep(came);
        if taken {
            Receipt::Accepted(id)
        } else {
            Receipt::Refused(Some(id), Refusal::Unsupported { expected: parse.expected() })
        }
    }

    async fn reply(&self, request: Bytes, receipt: Receipt) -> Reply {
        let ended = match receipt {
            Receipt::Refused(_, refusal) => Some(NoReply::Door(refusal)),
            Receipt::Accepted(id) | Receipt::Duplicate(id) => match self.outcome(id).await {
                Some(Outcome::Quarantined(fault)) => Some(NoReply::Fault(fault)),
                Some(Outcome::Filtered { rule }) => Some(NoReply::Filtered { rule }),
                _ => None,
            },
        };
        let made = match ended {
            Some(why) => Err(why),
            None => self.words(&request).await.map_err(NoReply::Fault),
        };
        match made {
            Ok(words) => Reply { kind: Replied::Answered, words: Some(words) },
            Err(why) => {
                let kind = Replied::Refused(why);
                let told = stage::facts();
                let words = self.answerer.as_ref().and_then(|it| it.say(&kind, &request, told));
                Reply { kind, words }
            }
        }
    }

    fn splits(&self) -> bool {
        self.road.channel.parse.split.is_some()
    }

    async fn outcome(&self, _id: MessageId) -> Option<Outcome> {
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        let came = came.as_ref()?;
        Some(match &came.fault {
            Some(fault) => Outcome::Quarantined(fault.clone()),
            None if came.state == StateName::Split => {
                Outcome::Split { pieces: came.pieces, set_aside: came.set_aside }
            }
            None if came.state == StateName::Filtered => Outcome::Filtered { rule: came.rule.clone() },
            None => Outcome::Committed,
        })
    }

    fn acknowledge(&self) -> Acknowledge {
        self.road.channel.from.acknowledge
    }
}

/// A message as its source would hand it over.
pub fn at_the_door(road: &Road, bytes: Bytes) -> Envelope<Raw> {
    let message_type = Header::read(&bytes).ok().map(|header| header.message_type());
    message(road, bytes, Label { message_type, ..Label::default() })
}

fn message(road: &Road, bytes: Bytes, label: Label) -> Envelope<Raw> {
    let head = Head {
        id: MessageId(uuid::Uuid::nil()),
        channel: road.channel.id.clone(),
        dedupe: DedupeKey::from(""),
        digest: Digest::of(&bytes),
        label,
        correlation: CorrelationId::from("test"),
        received_at: OffsetDateTime::UNIX_EPOCH,
        peer: Peer::default(),
        parent: None,
    };
    Envelope { head, body: Raw(bytes) }
}

/// What came of a message.
pub(super) struct Came {
    /// How it ended; of what holds several: `Split`.
    pub state: StateName,
    /// Why it, or the first of its pieces that was, was set aside.
    pub fault: Option<Fault>,
    /// What stopped it.
    pub rule: String,
    /// What was written and is owed; of several pieces all of it.
    pub commit: Commit,
    /// How many messages it held.
    pub pieces: u64,
    set_aside: u64,
    /// How each piece ended.
    ends: Vec<StateName>,
    /// The code it was answered with.
    pub receipt: String,
    /// The bytes it was answered with.
    pub reply: Option<Bytes>,
}

impl Default for Came {
    /// A message that never came to the door.
    fn default() -> Self {
        Self {
            state: StateName::Received,
            fault: None,
            rule: String::new(),
            commit: Commit::default(),
            pieces: 0,
            set_aside: 0,
            ends: Vec::new(),
            receipt: String::new(),
            reply: None,
        }
    }
}

impl Came {
    fn of(walked: Walked) -> Self {
        match walked {
            Walked::Mapped(Envelope { body: Mapped(commit), .. }) => {
                Self { state: StateName::Committed, commit, ..Self::default() }
            }
            Walked::Ended(_, End::Filtered { rule }, _) => {
                Self { state: StateName::Filtered, rule, ..Self::default() }
            }
            Walked::Ended(_, End::Quarantined(fault), _) => {
                Self { state: StateName::Quarantined, fault: Some(fault), ..Self::default() }
            }
        }
    }

    /// One piece more.
    fn add(&mut self, piece: Came) {
        self.pieces += 1;
        self.set_aside += u64::from(piece.state == StateName::Quarantined);
        self.ends.push(piece.state);
        self.fault = self.fault.take().or(piece.fault);
        if self.rule.is_empty() {
            self.rule = piece.rule;
        }
        self.commit.changes.extend(piece.commit.changes);
        self.commit.parcels.extend(piece.commit.parcels);
        self.commit.notes.extend(piece.commit.notes);
    }

    /// How it ended; of several pieces how the first ended that did not end so.
    pub(super) fn state_but(&self, expected: StateName) -> StateName {
        match self.state {
            StateName::Split => self.ends.iter().copied().find(|end| *end != expected).unwrap_or(expected),
            state => state,
        }
    }

    /// The bodies sent to the destination of this name.
    pub(super) fn sent(&self, road: &Road, name: &str) -> Vec<String> {
        let Some(route) = road.channel.to.iter().find(|route| route.name == name) else { return Vec::new() };
        let parcels = self.commit.parcels.iter().filter(|parcel| parcel.to == route.id);
        parcels.map(|parcel| super::readable(&parcel.body)).collect()
    }
}
