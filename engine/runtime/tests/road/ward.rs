//! One channel over a store in memory: its door, its backlog and its lanes.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hub_core::cluster::Alone;
use hub_core::document::{Document, ParseError, Parser, Piece, Split};
use hub_core::envelope::{Envelope, Head, Label, Peer, Raw};
use hub_core::id::{DedupeKey, Digest, MessageId};
use hub_core::path::Path;
use hub_core::source::{Acknowledge, Door, Inbound, Receipt};
use hub_mapping::{FileText, Files, Mapping};
use hub_runtime::backlog::{Backlog, Limits};
use hub_runtime::clock::Clock;
use hub_runtime::dispatch::Wakers;
use hub_runtime::house::{House, Sizes};
use hub_runtime::intake::ChannelDoor;
use hub_runtime::lane::Lane;
use hub_runtime::now::Now;
use hub_runtime::split::Splitter;
use hub_runtime::steps::Road;
use hub_spec::{Channel, OnFault, Parse, Pattern};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::memory::Memory;
use crate::shelf::Shelf;

pub const START: OffsetDateTime = datetime!(2026-11-23 08:00 UTC);

/// Tells tokio's time, which tests can stop; and can be set, as any clock.
pub struct TestClock(Instant, Mutex<time::Duration>);

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now(), Mutex::default()))
    }

    /// Sets it so many seconds forward, or back.
    pub fn set(&self, seconds: i64) {
        *self.1.lock().unwrap() += time::Duration::seconds(seconds);
    }
}

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        START + self.0.elapsed() + *self.1.lock().unwrap()
    }
}

struct OneMapping;

impl Files for OneMapping {
    fn mapping(&self, name: &str) -> Option<FileText> {
        let text = r#"
            name = "test/patient"
            version = 1
            from = "json"
            basis = "the runtime's tests"

            [[resource]]
            as = "patient"
            type = "Patient"
            id = ["patient", "patient"]
            write = "replace"

            [resource.set]
            name = { each = "number", set = { text = { from = "number" } } }
        "#;
        (name == "test/patient")
            .then(|| FileText { path: "mappings/test/patient.toml".into(), text: text.into() })
    }

    fn code_table(&self, _name: &str) -> Option<FileText> {
        None
    }

    fn mapping_names(&self) -> Vec<String> {
        vec!["test/patient".into()]
    }

    fn code_table_names(&self) -> Vec<String> {
        Vec::new()
    }
}

pub fn mapping() -> Mapping {
    hub_mapping::compile("test/patient", &OneMapping).unwrap()
}

/// Reads JSON, and is broken: there are words at which it panics.
struct Fragile(Box<dyn Parser>);

impl Parser for Fragile {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        assert!(!bytes.windows(6).any(|word| word == b"poison"), "the test's parser is broken");
        self.0.parse(bytes)
    }

    /// A batch is a line that says so, and a message on each line after it.
    fn split(&self, bytes: &Bytes, _by: &Split) -> Result<Vec<Piece>, ParseError> {
        let piece = |bytes: Bytes| Piece { bytes, label: Label::default() };
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(!text.starts_with("batch poison"), "the test's parser is broken");
        let Some(lines) = text.strip_prefix("batch\n") else { return Ok(vec![piece(bytes.clone())]) };
        let lines: Vec<&str> = lines.lines().collect();
        match lines.iter().position(|line| !line.starts_with('{')) {
            Some(at) => Err(ParseError {
                at: 0,
                place: Some(format!("line {}", at + 2)),
                what: "expected a message".into(),
            }),
            None => Ok(lines.iter().map(|line| piece(bytes.slice_ref(line.as_bytes()))).collect()),
        }
    }
}

pub fn fragile() -> Arc<dyn Parser> {
    Arc::new(Fragile(hub_formats::parser("json", None, &toml::Table::new()).unwrap()))
}

pub fn plain() -> Arc<dyn Parser> {
    Arc::from(hub_formats::parser("json", None, &toml::Table::new()).unwrap())
}

pub struct Ward {
    pub house: House,
    pub clock: Arc<TestClock>,
    pub door: Arc<ChannelDoor>,
    pub backlog: Arc<Backlog>,
    tasks: JoinSet<()>,
}

pub const ROOMY: Limits = Limits { messages: 4_096, bytes: 1 << 20 };

impl Ward {
    pub fn open(memory: &Arc<Memory>, limits: Limits) -> Self {
        Self::open_channel(memory, limits, channel())
    }

    /// One whose frames may hold several messages.
    pub fn splitting(memory: &Arc<Memory>, limits: Limits) -> Self {
        let mut channel = channel();
        channel.parse.split = Some(Split::Messages);
        Self::open_channel(memory, limits, channel)
    }

    /// One that takes only messages of this kind.
    pub fn splitting_only(memory: &Arc<Memory>, kind: &str) -> Self {
        let mut channel = channel();
        channel.parse.split = Some(Split::Messages);
        channel.parse.accept = vec![Pattern::parse(kind).unwrap()];
        Self::open_channel(memory, ROOMY, channel)
    }

    /// One that reads by this parser.
    pub fn open_reading(memory: &Arc<Memory>, parser: Arc<dyn Parser>) -> Self {
        Self::open_whole(memory, ROOMY, channel(), parser)
    }

    fn open_channel(memory: &Arc<Memory>, limits: Limits, channel: Channel) -> Self {
        Self::open_whole(memory, limits, channel, fragile())
    }

    /// One of which no more may be in memory than these limits say.
    pub fn open_small(memory: &Arc<Memory>, limits: Limits, splits: bool) -> Self {
        let mut channel = channel();
        channel.parse.split = splits.then_some(Split::Messages);
        Self::open_sized(memory, limits, channel, fragile(), limits.bytes)
    }

    pub fn open_whole(
        memory: &Arc<Memory>,
        limits: Limits,
        channel: Channel,
        parser: Arc<dyn Parser>,
    ) -> Self {
        Self::open_sized(memory, limits, channel, parser, Sizes::default().backlog_bytes)
    }

    fn open_sized(
        memory: &Arc<Memory>,
        limits: Limits,
        channel: Channel,
        parser: Arc<dyn Parser>,
        backlog_bytes: usize,
    ) -> Self {
        let clock = TestClock::new();
        let house = House {
            attachments: None,
            cluster: Arc::new(Alone::default()),
            journal: memory.clone(),
            resources: memory.clone(),
            outbox: Arc::new(Shelf::default()),
            clock: clock.clone(),
            typed_check: None,
            deaths: None,
            sizes: Sizes {
                lanes: 2,
                commits_under_way: 256,
                backlog_bytes,
                drain: Duration::from_secs(1),
                ..Sizes::default()
            },
        };
        let (senders, queues): (Vec<_>, Vec<_>) =
            (0..house.sizes.lanes).map(|_| mpsc::unbounded_channel()).unzip();
        let peeker = parser.clone();
        let path = Path::parse("patient").unwrap();
        let lane_key = Box::new(move |bytes: &[u8]| peeker.peek(bytes, &path));
        let backlog = Backlog::new(channel.id.clone(), limits, lane_key, senders);
        let (unsplit, to_split) = mpsc::unbounded_channel();
        let splits = channel.parse.split.clone();
        let backlog = Arc::new(if splits.is_some() { backlog.splitting(unsplit) } else { backlog });
        let id = channel.id.clone();
        let road = Now::new(Road { channel, parser, writers: BTreeMap::new(), typed_check: None });
        let door = Arc::new(ChannelDoor {
            turns: Arc::default(),
            channel: id,
            road: road.clone(),
            acknowledge: Acknowledge::OnReceived,
            backlog: backlog.clone(),
            house: house.clone(),
            closed: Arc::new(AtomicBool::new(false)),
            answerer: Now::new(None),
        });
        let mut tasks = JoinSet::new();
        if let Some(by) = splits {
            let splitter =
                Splitter { road: road.clone(), by, backlog: backlog.clone(), house: house.clone() };
            tasks.spawn(splitter.run(to_split));
        }
        for queue in queues {
            let lane = Lane {
                road: road.clone(),
                backlog: backlog.clone(),
                house: house.clone(),
                wakers: Wakers::default(),
            };
            tasks.spawn(lane.run(queue));
        }
        let (refilled, journal) = (backlog.clone(), house.journal.clone());
        tasks.spawn(async move { refilled.refill(&*journal).await });
        Self { house, clock, door, backlog, tasks }
    }

    pub async fn send(&self, patient: usize, number: usize) -> MessageId {
        match self.door.accept(inbound(patient, number)).await {
            Receipt::Accepted(id) | Receipt::Duplicate(id) => id,
            refused @ Receipt::Refused(..) => panic!("{refused:?}"),
        }
    }

    /// Everything stops where it is, as in a crash.
    pub async fn crash(mut self) {
        self.tasks.shutdown().await;
    }
}

pub fn channel() -> Channel {
    Channel {
        reply: None,
        id: "test/patient".into(),
        file: "channels/test/patient.toml".into(),
        about: "Patients, for tests.".into(),
        version: 1,
        from: hub_spec::From {
            connector: "test".into(),
            acknowledge: Acknowledge::OnReceived,
            lane_by: Some(Path::parse("patient").unwrap()),
            settings: toml::Table::new(),
        },
        parse: Parse { format: "json".into(), accept: Vec::new(), charset: None, split: None },
        filter: Vec::new(),
        mapping: Arc::new(mapping()),
        writes: vec!["Patient".into()],
        keys: vec![("patient".into(), Path::parse("patient").unwrap())],
        raise: vec![("Patient".into(), "patient.told".into())],
        to: Vec::new(),
        start: hub_spec::Start::default(),
        on_fault: OnFault::default(),
        tests: Vec::new(),
        digest: Digest([0; 16]),
    }
}

pub fn inbound(patient: usize, number: usize) -> Inbound {
    inbound_text(&format!(r#"{{"patient":"p{patient}","number":"{number}"}}"#))
}

pub fn inbound_text(text: &str) -> Inbound {
    Inbound {
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        dedupe: DedupeKey::from(text),
        label: Label::default(),
        peer: Peer::default(),
        attachment: None,
        unreadable: None,
    }
}

/// A message as the door makes it.
pub fn envelope(patient: usize, number: usize) -> Envelope<Raw> {
    let Inbound { bytes, dedupe, label, peer, .. } = inbound(patient, number);
    let id = MessageId::new(START);
    let head = Head {
        id,
        channel: "test/patient".into(),
        dedupe,
        digest: Digest::of(&bytes),
        label,
        correlation: id.to_string().into(),
        received_at: START,
        peer,
        parent: None,
    };
    Envelope { head, body: Raw(bytes) }
}

/// Patient and number of a message.
pub fn content(message: &Envelope<Raw>) -> (String, usize) {
    let text = std::str::from_utf8(&message.body.0).unwrap();
    let value = hub_fhir::json::parse(text).unwrap();
    let member = |name: &str| value.as_object().unwrap().get(name).unwrap().as_str().unwrap().to_owned();
    (member("patient"), member("number").parse().unwrap())
}
