//! Answers who asked: a request that was handed over gets what the channel's `[reply]` makes of the store, of what the request itself
//! wrote, or of what another system answered.
//!
//! Answers are bounded in time and made for one request only: one that comes too late is thrown away. They are not stored; the same
//! request again is answered again by what is known then.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub_core::document::{Document, Parser, Writer};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::source::{NoReply, Outcome, Receipt, Refusal, Replied, Reply, Words};
use hub_core::store::{AnswerName, Answered, ParcelState, StoreError};
use hub_fhir::search::{MAX_COUNT, Stored};
use hub_fhir::{Json, Object};
use hub_formats::FormatError;
use hub_formats::fhir::FhirDocument;
use hub_mapping::{Found, Mapping};
use hub_spec::{Channel, Facts};
use tokio::time::{Instant, timeout_at};

use crate::backlog::Backlog;
use crate::guard::guarded;
use crate::house::House;
use crate::steps::{moment, rendered};
use crate::with_request::WithRequest;

/// The name of the destination that a reply's control id is computed with: no channel can have one of this name.
const REPLY: &str = "[reply]";
/// How long to wait before a receiver's answer is looked for again; each time twice as long, up to the second.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LONGEST_LOOK: Duration = Duration::from_millis(50);
/// What a stored resource is taken to be long.
const TYPICAL_BYTES: usize = 1 << 10;

/// Makes the answers of one channel.
pub struct Answerer {
    reply: hub_spec::Reply,
    channel: hub_core::id::ChannelId,
    format: String,
    parser: Arc<dyn Parser>,
    main: Arc<dyn Writer>,
    busy: Option<Arc<dyn Writer>>,
    refused: Option<Arc<dyn Writer>>,
    /// Reads what the receiver answers that the reply is made of.
    receiver: Option<Arc<dyn Parser>>,
}

/// What a reply is made of, or why it is not made.
enum Gathered {
    Resources(Vec<Object>),
    /// What another system answered.
    Answer(Bytes),
    Busy,
    Refused(Fault),
}

impl Answerer {
    /// What a channel's `[reply]` says; `None` for a channel without one.
    pub fn of(channel: &Channel, parser: &Arc<dyn Parser>) -> Result<Option<Self>, FormatError> {
        let Some(reply) = channel.reply.clone() else { return Ok(None) };
        let writer = |mapping: &Mapping| {
            hub_formats::writer(mapping.to().name(), mapping.message_layout()).map(Arc::<dyn Writer>::from)
        };
        let other = |mapping: &Option<Arc<Mapping>>| mapping.as_deref().map(writer).transpose();
        let receiver = match reply.facts {
            Facts::Answer(_) => {
                let (from, layout) = (reply.mapping.from(), reply.mapping.source_layout());
                Some(Arc::from(hub_formats::parser(from, None, layout)?))
            }
            Facts::Request | Facts::Search(_) | Facts::Commit => None,
        };
        Ok(Some(Self {
            channel: channel.id.clone(),
            format: channel.parse.format.to_string(),
            parser: parser.clone(),
            main: writer(&reply.mapping)?,
            busy: other(&reply.busy)?,
            refused: other(&reply.refused)?,
            receiver,
            reply,
        }))
    }

    /// Answers a request that got this receipt at the door.
    pub async fn answer(&self, request: Bytes, receipt: Receipt, backlog: &Backlog, house: &House) -> Reply {
        let deadline = Instant::now() + self.reply.within;
        let (id, kind, words) = match receipt {
            Receipt::Refused(id, Refusal::Busy) => (id, Replied::Busy, None),
            Receipt::Refused(id, refusal) => (id, Replied::Refused(NoReply::Door(refusal)), None),
            Receipt::Accepted(id) | Receipt::Duplicate(id) => {
                let (kind, words) = self.of_outcome(id, &request, deadline, backlog, house).await;
                (Some(id), kind, words)
            }
        };
        let words = match (&kind, words) {
            (_, Some(words)) => Some(words),
            (Replied::Answered, None) => None,
            (kind, None) => {
                // What is not in the journal has no id; its answer has a number of its own all the same.
                let id = id.unwrap_or_else(|| MessageId::new(house.clock.now()));
                self.say(kind, &request, told(id, house))
            }
        };
        if let Some(id) = id {
            remember(id, &kind, house.clone());
        }
        Reply { kind, words }
    }

    async fn of_outcome(
        &self,
        id: MessageId,
        request: &Bytes,
        deadline: Instant,
        backlog: &Backlog,
        house: &House,
    ) -> (Replied, Option<Words>) {
        let refused = |why| (Replied::Refused(why), None);
        match timeout_at(deadline, backlog.outcome(id, &*house.journal)).await {
            Ok(Some(Outcome::Committed | Outcome::Split { .. })) => {}
            Ok(Some(Outcome::Filtered { rule })) => return refused(NoReply::Filtered { rule }),
            Ok(Some(Outcome::Quarantined(fault))) => return refused(NoReply::Fault(fault)),
            Ok(None) | Err(_) => return (Replied::Busy, None),
        }
        let document = match self.read(id, request) {
            Ok(document) => document,
            Err(fault) => return refused(NoReply::Fault(fault)),
        };
        let gathered = match timeout_at(deadline, self.gather(id, &*document, house)).await {
            Ok(gathered) => gathered,
            Err(_) => Gathered::Busy,
        };
        let told = told(id, house);
        let made = match gathered {
            Gathered::Busy => return (Replied::Busy, None),
            Gathered::Refused(fault) => return refused(NoReply::Fault(fault)),
            Gathered::Resources(resources) => {
                // How large they are is not known; that there are many is.
                let bytes = request.len() + resources.len() * TYPICAL_BYTES;
                self.guarded(Some(id), bytes, || self.words(&resources, &*document, &told))
            }
            Gathered::Answer(answer) => self.guarded(Some(id), request.len() + answer.len(), || {
                self.words_of_answer(&answer, &*document, &told)
            }),
        };
        match made {
            Ok(words) => (Replied::Answered, Some(words)),
            Err(fault) => {
                tracing::warn!(channel = %self.channel, message_id = %id, place = fault.place, reason = fault.reason, "A reply could not be made.");
                refused(NoReply::Fault(fault))
            }
        }
    }

    async fn gather(&self, id: MessageId, request: &dyn Document, house: &House) -> Gathered {
        let gathered = match &self.reply.facts {
            Facts::Request => Ok(Gathered::Resources(Vec::new())),
            Facts::Search(_) => match self.searched(request, house).await {
                Ok(resources) => resources.map(Gathered::Resources),
                Err(fault) => Ok(Gathered::Refused(fault)),
            },
            Facts::Commit => written(id, house).await.map(Gathered::Resources),
            Facts::Answer(to) => answered(id, to, house).await,
        };
        gathered.unwrap_or_else(|error| {
            tracing::warn!(channel = %self.channel, message_id = %id, error = &error as &dyn std::error::Error, "The store does not answer; a request is told that the hub is busy.");
            Gathered::Busy
        })
    }

    /// What the searches find, side by side. The outer fault is the request's: a value that cannot be searched for, or more that
    /// is found than can be answered.
    pub async fn searched(
        &self,
        request: &dyn Document,
        house: &House,
    ) -> Result<Result<Vec<Object>, StoreError>, Fault> {
        let Facts::Search(templates) = &self.reply.facts else { return Ok(Ok(Vec::new())) };
        let mut resources = Vec::new();
        for template in templates {
            let filled = template.fill(request);
            let filled = filled.map_err(|error| fault(FaultStep::Map, None, error.to_string()))?;
            let Some(mut search) = filled else { continue };
            // Who asks for so many at the most wants no more of them. All others want all there are.
            let wants_all = !template.says_count();
            if wants_all {
                search.count = MAX_COUNT;
            }
            let page = match house.resources.search(&search).await {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            if wants_all && page.next.is_some() {
                let reason = format!(
                    "the search `{}` finds more than {MAX_COUNT}: an answer would not be whole",
                    template.as_str()
                );
                return Err(fault(FaultStep::Map, None, reason));
            }
            resources.extend(page.matches.iter().chain(&page.included).filter_map(tree));
        }
        Ok(Ok(resources))
    }

    /// The answer made of these resources.
    pub fn words(&self, resources: &[Object], request: &dyn Document, told: &Found) -> Result<Words, Fault> {
        let found = FhirDocument::new(resources);
        let both = WithRequest { found: &found, request };
        words(&self.reply.mapping, &*self.main, &both, told)
    }

    fn words_of_answer(&self, bytes: &[u8], request: &dyn Document, told: &Found) -> Result<Words, Fault> {
        let Some(parser) = &self.receiver else { return self.words(&[], request, told) };
        let answer = parser.parse(bytes).map_err(|error| {
            fault(FaultStep::Parse, error.place, format!("the receiver's answer: {}", error.what))
        })?;
        words(&self.reply.mapping, &*self.main, &WithRequest { found: &*answer, request }, told)
    }

    fn read(&self, id: MessageId, request: &Bytes) -> Result<Box<dyn Document>, Fault> {
        self.guarded(Some(id), request.len(), || {
            let parsed = self.parser.parse(request);
            parsed.map_err(|error| fault(FaultStep::Parse, error.place, error.what))
        })
    }

    /// Works on so many bytes that the program itself may fail at.
    fn guarded<T>(
        &self,
        id: Option<MessageId>,
        bytes: usize,
        step: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        guarded(bytes, step).unwrap_or_else(|failed| {
            tracing::error!(channel = %self.channel, message_id = id.map(tracing::field::display), "The program failed at an answer; this is a fault of the program.");
            Err(failed.fault())
        })
    }

    /// Busy or refused, in the partner's own words where the channel has them and they can be made of this request.
    pub fn say(&self, kind: &Replied, request: &Bytes, mut told: Found) -> Option<Words> {
        let (mapping, writer) = match kind {
            Replied::Answered => return None,
            Replied::Busy => (self.reply.busy.as_ref()?, self.busy.as_ref()?),
            Replied::Refused(_) => (self.reply.refused.as_ref()?, self.refused.as_ref()?),
        };
        told.tell("reason", reason(kind));
        let said = self.guarded(None, request.len(), || {
            let Ok(request) = self.parser.parse(request) else { return Ok(None) };
            // Its mapping reads the request as it is, or beside nothing.
            let nothing = FhirDocument::new(std::iter::empty::<&Object>());
            let reads_request = mapping.from() == self.format;
            let found: &dyn Document = if reads_request { &*request } else { &nothing };
            words(mapping, &**writer, &WithRequest { found, request: &*request }, &told).map(Some)
        });
        match said {
            Ok(words) => words,
            Err(fault) => {
                tracing::warn!(channel = %self.channel, place = fault.place, reason = fault.reason, "A refusal could not be put into the partner's words.");
                None
            }
        }
    }
}

/// What is wrong, in words that hold no content.
fn reason(kind: &Replied) -> String {
    match kind {
        Replied::Answered => String::new(),
        Replied::Busy => Refusal::Busy.to_string(),
        Replied::Refused(NoReply::Door(refusal)) => refusal.to_string(),
        Replied::Refused(NoReply::Filtered { rule }) => format!("the rule `{rule}` stopped it"),
        Replied::Refused(NoReply::Fault(fault)) => match &fault.place {
            Some(place) => format!("{place}: {}", fault.reason),
            None => fault.reason.clone(),
        },
    }
}

fn words(
    mapping: &Mapping,
    writer: &dyn Writer,
    document: &dyn Document,
    told: &Found,
) -> Result<Words, Fault> {
    let (body, content_type) = rendered(mapping, writer, document, document.root(), told)?;
    Ok(Words { body, content_type })
}

fn told(id: MessageId, house: &House) -> Found {
    let mut found = Found::default();
    found.tell("message_id", id.to_string());
    found.tell("control_id", ParcelId::of(id, &DestinationId::from(REPLY), 0).control_id());
    found.tell("time", moment(house.clock.now()));
    found
}

fn fault(step: FaultStep, place: Option<String>, reason: String) -> Fault {
    Fault { step, place, rule: None, reason }
}

/// The resources that a message wrote, as they are now.
async fn written(id: MessageId, house: &House) -> Result<Vec<Object>, StoreError> {
    let Some(message) = house.journal.message(id).await? else { return Ok(Vec::new()) };
    let mut resources = Vec::with_capacity(message.wrote.len());
    for (reference, _) in &message.wrote {
        resources.extend(house.resources.read(reference).await?.as_ref().and_then(tree));
    }
    Ok(resources)
}

/// Waits for what a receiver answers to what it is sent because of this message. Whoever waits bounds the time.
async fn answered(id: MessageId, to: &DestinationId, house: &House) -> Result<Gathered, StoreError> {
    let parcel = ParcelId::of(id, to, 0);
    let mut pause = FIRST_LOOK;
    loop {
        match house.outbox.answer(parcel).await? {
            Some((ParcelState::Delivered, answer)) => {
                return Ok(Gathered::Answer(answer.unwrap_or_default()));
            }
            Some((ParcelState::GivenUp, _)) => {
                let reason = format!("`{to}` refused it");
                return Ok(Gathered::Refused(fault(FaultStep::Commit, None, reason)));
            }
            // Whether it arrived is for a person to find out.
            Some((ParcelState::InDoubt, _)) => return Ok(Gathered::Busy),
            Some((ParcelState::Pending, _)) => {}
            None => {
                let reason = format!("nothing was sent to `{to}`");
                return Ok(Gathered::Refused(fault(FaultStep::Map, None, reason)));
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_LOOK);
    }
}

fn tree(stored: &Stored) -> Option<Object> {
    let text = std::str::from_utf8(&stored.body).ok()?;
    match hub_fhir::json::parse(text) {
        Ok(Json::Object(object)) if !stored.deleted => Some(object),
        _ => None,
    }
}

/// Notes what the sender was answered. The answer does not wait for that.
fn remember(id: MessageId, kind: &Replied, house: House) {
    let kind = match kind {
        Replied::Answered => AnswerName::Answered,
        Replied::Busy => AnswerName::Busy,
        Replied::Refused(_) => AnswerName::Refused,
    };
    let answered = Answered { kind, at: house.clock.now() };
    tokio::spawn(async move {
        if let Err(error) = house.journal.answered(id, answered).await {
            tracing::warn!(message_id = %id, error = &error as &dyn std::error::Error, "What a sender was answered could not be noted.");
        }
    });
}
