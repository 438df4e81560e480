//! A NATS source against a real server: acknowledged only when safe, busy, refused, died, killed, shared, slow, wrong consumer.
#![cfg(feature = "battery")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream;
use async_trait::async_trait;
use futures_util::StreamExt;
use hub_connect::battery::nats_server::NatsServer;
use hub_connect::battery::{NoSecrets, RecordingDoor};
use hub_connect::kinds::Nats;
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::MessageId;
use hub_core::registry::SourceKind;
use hub_core::source::{Acknowledge, Door, Inbound, Intake, Outcome, Receipt, Refusal, Source, SourceError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const STREAM: &str = "ADT";
const CONSUMER: &str = "hub-b";

fn source(server: &NatsServer, more: &str) -> Box<dyn Source> {
    let settings = format!(
        "servers = ['{}']\nstream = '{STREAM}'\nconsumer = '{CONSUMER}'\nconnect_secs = 1\n{more}",
        server.url()
    );
    <Nats as SourceKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), SourceError>>,
}

async fn run(mut source: Box<dyn Source>, intake: Intake) -> Running {
    assert_eq!(source.bind().await.unwrap(), None);
    let (stop, stopped) = watch::channel(false);
    Running { stop, task: tokio::spawn(source.run(intake, stopped)) }
}

impl Running {
    async fn stop(self) {
        self.stop.send(true).unwrap();
        assert!(timeout(Duration::from_secs(20), self.task).await.unwrap().unwrap().is_ok());
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = timeout(Duration::from_secs(40), async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("it does not come: {what}"));
}

async fn streamed() -> NatsServer {
    let server = NatsServer::start();
    server.make_stream(STREAM, &["adt.>"]).await;
    server
}

async fn publish(server: &NatsServer, subject: &str, body: &str) {
    // The client is kept until the answer is there.
    let client = server.client().await;
    client.publish(subject.to_owned(), body.to_owned().into()).await.unwrap().await.unwrap();
}

fn bodies(door: &RecordingDoor) -> Vec<String> {
    let accepted = door.accepted();
    accepted.iter().map(|inbound| String::from_utf8_lossy(&inbound.bytes).into_owned()).collect()
}

/// How many messages were acknowledged, without a gap; how many are out; how many came again.
async fn standing(server: &NatsServer) -> (u64, usize, usize) {
    match server.consumer(STREAM, CONSUMER).await {
        Some(info) => (info.ack_floor.stream_sequence, info.num_ack_pending, info.num_redelivered),
        None => (0, 0, 0),
    }
}

/// A door that never answers, as if the hub died while it stored; what is behind it has stored all the same where `stores` says so.
struct Hanging {
    behind: Arc<RecordingDoor>,
    stores: bool,
    at_once: AtomicUsize,
}

impl Hanging {
    fn new(behind: &Arc<RecordingDoor>, stores: bool) -> Arc<Self> {
        Arc::new(Self { behind: behind.clone(), stores, at_once: AtomicUsize::new(0) })
    }

    fn intake(self: &Arc<Self>) -> Intake {
        Intake::new(self.clone() as Arc<dyn Door>)
    }
}

#[async_trait]
impl Door for Hanging {
    async fn accept(&self, inbound: Inbound) -> Receipt {
        if self.stores {
            self.behind.accept(inbound).await;
        }
        self.at_once.fetch_add(1, Ordering::SeqCst);
        pending().await
    }

    async fn outcome(&self, _id: MessageId) -> Option<Outcome> {
        pending().await
    }

    fn acknowledge(&self) -> Acknowledge {
        Acknowledge::OnReceived
    }
}

/// A door that takes its time, longer for some messages than for others.
struct Slow(Arc<RecordingDoor>, Mutex<Vec<String>>);

#[async_trait]
impl Door for Slow {
    async fn accept(&self, inbound: Inbound) -> Receipt {
        let text = String::from_utf8_lossy(&inbound.bytes).into_owned();
        let wait = text.bytes().map(u64::from).sum::<u64>() * 7 % 20;
        sleep(Duration::from_millis(wait)).await;
        self.1.lock().unwrap().push(text);
        self.0.accept(inbound).await
    }

    async fn outcome(&self, id: MessageId) -> Option<Outcome> {
        self.0.outcome(id).await
    }

    fn acknowledge(&self) -> Acknowledge {
        self.0.acknowledge()
    }
}

#[tokio::test]
async fn a_message_is_acknowledged_when_it_is_in_the_journal_and_known_by_its_id_or_its_place() {
    let server = streamed().await;
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let running = run(source(&server, "type = 'note'\ntype_header = 'Kind'"), door.intake()).await;
    publish(&server, "adt.a", "one").await;
    let named = PublishMessage::build().payload("two".into()).message_id("M-2").header("Kind", "ADT^A01");
    let client = server.client().await;
    client.send_publish("adt.a", named).await.unwrap().await.unwrap();
    until("both are acknowledged", async || standing(&server).await == (2, 0, 0)).await;
    assert_eq!(bodies(&door), ["one", "two"]);
    let accepted = door.accepted();
    assert_eq!(
        (accepted[0].dedupe.as_str(), accepted[0].label.control_id.as_deref()),
        ("ADT|1", Some("ADT|1"))
    );
    assert_eq!(accepted[0].label.message_type.as_deref(), Some("note"));
    assert!(accepted[1].dedupe.as_str().starts_with("id|"), "{}", accepted[1].dedupe);
    assert_eq!(accepted[1].label.control_id.as_deref(), Some("M-2"));
    assert_eq!(accepted[1].label.message_type.as_deref(), Some("ADT^A01"), "the header goes before");
    running.stop().await;
}

#[tokio::test]
async fn a_hub_that_dies_between_journal_and_acknowledgement_makes_no_second_message() {
    let server = streamed().await;
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let dying = Hanging::new(&door, true);
    let first = run(source(&server, "ack_secs = 2"), dying.intake()).await;
    publish(&server, "adt.a", "one").await;
    publish(&server, "adt.a", "two").await;
    until("the first is in the journal", async || bodies(&door) == ["one"]).await;
    assert_eq!(
        standing(&server).await.0,
        0,
        "nothing is acknowledged before the hub has said that it is safe"
    );
    first.task.abort();
    let second = run(source(&server, "ack_secs = 2"), door.intake()).await;
    until("both are acknowledged", async || standing(&server).await.0 == 2).await;
    assert_eq!(bodies(&door), ["one", "two"], "each once, in their order");
    second.stop().await;
}

#[tokio::test]
async fn a_copy_that_the_stream_did_not_know_is_known_to_the_hub() {
    let server = NatsServer::start();
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["adt.>".to_owned()],
        duplicate_window: Duration::from_millis(100),
        ..stream::Config::default()
    };
    server.make_stream_of(config).await;
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let running = run(source(&server, ""), door.intake()).await;
    let client = server.client().await;
    for _ in 0..2 {
        let named = PublishMessage::build().payload("one".into()).message_id("M-1");
        client.send_publish("adt.a", named).await.unwrap().await.unwrap();
        sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(server.messages(STREAM).await.len(), 2, "the window was over");
    until("both are acknowledged", async || standing(&server).await.0 == 2).await;
    assert_eq!(bodies(&door), ["one"]);
    running.stop().await;
}

#[tokio::test]
async fn a_busy_hub_gets_the_message_again_before_any_later_one() {
    let server = streamed().await;
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    for _ in 0..2 {
        door.refuse_next(Refusal::Busy);
    }
    for body in ["one", "two", "three"] {
        publish(&server, "adt.a", body).await;
    }
    let running = run(source(&server, ""), door.intake()).await;
    until("all are acknowledged", async || standing(&server).await.0 == 3).await;
    assert_eq!(bodies(&door), ["one", "two", "three"]);
    running.stop().await;
}

#[tokio::test]
async fn what_is_refused_for_good_does_not_come_again_and_the_stream_is_told() {
    let server = streamed().await;
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    door.refuse_next(Refusal::Unsupported { expected: "order".to_owned() });
    let told = server.client().await.client();
    let mut ended = told.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>").await.unwrap();
    told.flush().await.unwrap();
    let running = run(source(&server, "ack_secs = 1"), door.intake()).await;
    publish(&server, "adt.a", "one").await;
    publish(&server, "adt.a", "two").await;
    until("both are settled", async || standing(&server).await.0 == 2).await;
    let advisory = timeout(Duration::from_secs(10), ended.next()).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&advisory.payload).contains("\"stream_seq\":1"));
    assert_eq!(bodies(&door), ["two"]);
    running.stop().await;
}

#[tokio::test]
async fn no_more_messages_are_out_than_the_settings_say() {
    let server = streamed().await;
    for nth in 0..60 {
        publish(&server, &format!("adt.{}", nth % 6), &format!("{} {nth:02}", nth % 6)).await;
    }
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let hanging = Hanging::new(&door, false);
    let held = run(source(&server, "in_flight = 4\nack_secs = 2"), hanging.intake()).await;
    until("four are out", async || standing(&server).await.1 == 4).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(standing(&server).await.1, 4, "and no more");
    assert!((1..=4).contains(&hanging.at_once.load(Ordering::SeqCst)));
    held.task.abort();
    let slow = Arc::new(Slow(door.clone(), Mutex::default()));
    let running = run(source(&server, "in_flight = 4\nack_secs = 2"), Intake::new(slow.clone())).await;
    until("all are acknowledged", async || standing(&server).await.0 == 60).await;
    assert_eq!(bodies(&door).len(), 60);
    running.stop().await;
}

#[tokio::test]
async fn subjects_go_side_by_side_and_each_keeps_its_order_whatever_takes_how_long() {
    let server = streamed().await;
    for nth in 0..60 {
        publish(&server, &format!("adt.{}", nth % 6), &format!("{} {nth:02}", nth % 6)).await;
    }
    for settings in ["in_flight = 8", "subjects = ['adt.0', 'adt.1', 'adt.2', 'adt.3', 'adt.4', 'adt.5']"] {
        let door = RecordingDoor::new(Acknowledge::OnReceived);
        let slow = Arc::new(Slow(door.clone(), Mutex::default()));
        let running = run(source(&server, settings), Intake::new(slow.clone())).await;
        until("all are there", async || bodies(&door).len() == 60).await;
        running.stop().await;
        let mut by_subject: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for body in slow.1.lock().unwrap().iter() {
            by_subject.entry(body[..1].to_owned()).or_default().push(body.clone());
        }
        assert_eq!(by_subject.len(), 6);
        assert!(by_subject.values().all(|of_subject| of_subject.is_sorted()), "{by_subject:?}");
        assert!(!bodies(&door).is_sorted_by_key(|body| body[2..].to_owned()), "they went side by side");
    }
}

#[tokio::test]
async fn a_server_that_is_killed_is_found_again_and_nothing_is_lost_or_doubled() {
    let mut server = streamed().await;
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let running = run(source(&server, "ack_secs = 2"), door.intake()).await;
    let mut expected = Vec::new();
    for round in 0..3 {
        for nth in 0..20 {
            let body = format!("{round} {nth:02}");
            publish(&server, "adt.a", &body).await;
            expected.push(body);
        }
        server.kill();
        sleep(Duration::from_millis(200)).await;
        server.start_again();
    }
    until("all are acknowledged", async || standing(&server).await.0 == 60).await;
    assert_eq!(bodies(&door), expected);
    running.stop().await;
}

#[tokio::test]
async fn several_hubs_share_a_consumer_and_each_message_goes_to_one_of_them() {
    let server = streamed().await;
    let doors = [0, 1].map(|_| RecordingDoor::new(Acknowledge::OnReceived));
    let mut running = Vec::new();
    for door in &doors {
        running.push(run(source(&server, "in_flight = 4"), door.intake()).await);
    }
    until("both wait", async || {
        server.consumer(STREAM, CONSUMER).await.is_some_and(|info| info.num_waiting == 2)
    })
    .await;
    for nth in 0..100 {
        publish(&server, &format!("adt.{}", nth % 7), &format!("{nth:02}")).await;
    }
    until("all are acknowledged", async || standing(&server).await.0 == 100).await;
    let mut all: Vec<String> = doors.iter().flat_map(|door| bodies(door)).collect();
    assert!(doors.iter().all(|door| !bodies(door).is_empty()), "both took some");
    all.sort();
    assert_eq!(all, (0..100).map(|nth| format!("{nth:02}")).collect::<Vec<_>>(), "each once");
    for hub in running {
        hub.stop().await;
    }
}

#[tokio::test]
async fn on_committed_a_message_is_acknowledged_when_its_outcome_is_known() {
    let server = streamed().await;
    let door = RecordingDoor::new(Acknowledge::OnCommitted);
    door.end_with(None);
    let running = run(source(&server, "ack_secs = 1\nanswer_secs = 3"), door.intake()).await;
    publish(&server, "adt.a", "one").await;
    until("it is in the journal", async || bodies(&door) == ["one"]).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(
        standing(&server).await,
        (0, 1, 0),
        "it is worked on: not acknowledged, and given to nobody else"
    );
    until("it comes again", async || standing(&server).await.2 == 1).await;
    let fault = Fault { step: FaultStep::Map, place: None, rule: None, reason: "no".to_owned() };
    door.end_with(Some(Outcome::Quarantined(fault)));
    until("it is settled", async || standing(&server).await.0 == 1).await;
    door.end_with(Some(Outcome::Committed));
    publish(&server, "adt.a", "two").await;
    until("it is settled", async || standing(&server).await.0 == 2).await;
    assert_eq!(bodies(&door), ["one", "two"], "each once");
    running.stop().await;
}

#[tokio::test]
async fn a_consumer_that_somebody_made_otherwise_is_not_used_and_one_that_fits_is() {
    let server = streamed().await;
    let stream = server.client().await.get_stream(STREAM).await.unwrap();
    let made = |max_deliver| PullConfig {
        durable_name: Some(CONSUMER.to_owned()),
        max_deliver,
        max_ack_pending: 1,
        ack_wait: Duration::from_secs(30),
        ..PullConfig::default()
    };
    let _limited: PullConsumer = stream.create_consumer(made(3)).await.unwrap();
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let running = run(source(&server, ""), door.intake()).await;
    publish(&server, "adt.a", "one").await;
    sleep(Duration::from_millis(1_500)).await;
    assert!(bodies(&door).is_empty(), "a message would be lost after three tries");
    stream.delete_consumer(CONSUMER).await.unwrap();
    let _fits: PullConsumer = stream.create_consumer(made(-1)).await.unwrap();
    until("it is taken", async || bodies(&door) == ["one"]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_server_or_a_stream_that_is_not_there_yet_is_waited_for() {
    let mut server = NatsServer::start();
    server.kill();
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let running = run(source(&server, ""), door.intake()).await;
    sleep(Duration::from_millis(300)).await;
    server.start_again();
    sleep(Duration::from_millis(1_500)).await;
    server.make_stream(STREAM, &["adt.>"]).await;
    publish(&server, "adt.a", "one").await;
    until("it is taken", async || bodies(&door) == ["one"]).await;
    running.stop().await;
    // And a stop is heard while there is nobody to connect to.
    server.kill();
    let waiting = run(source(&server, ""), door.intake()).await;
    sleep(Duration::from_millis(100)).await;
    waiting.stop().await;
}

#[tokio::test]
async fn a_consumer_begins_where_the_settings_say_and_what_others_hold_is_waited_for() {
    let server = streamed().await;
    publish(&server, "adt.a", "old").await;
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let running = run(source(&server, "begin = 'new'"), door.intake()).await;
    until("it is made", async || server.consumer(STREAM, CONSUMER).await.is_some()).await;
    publish(&server, "adt.a", "new").await;
    until("it is taken", async || bodies(&door) == ["new"]).await;
    running.stop().await;
    // What a hub that has gone held comes to the next one, and before what is later.
    publish(&server, "adt.a", "held").await;
    publish(&server, "adt.a", "later").await;
    let stream = server.client().await.get_stream(STREAM).await.unwrap();
    let consumer: PullConsumer = stream.get_consumer(CONSUMER).await.unwrap();
    let mut held = consumer.fetch().max_messages(1).messages().await.unwrap();
    let message = held.next().await.unwrap().unwrap();
    let next = run(source(&server, ""), door.intake()).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(bodies(&door), ["new"], "one at a time: what is later waits for what is held");
    message.ack_with(AckKind::Nak(None)).await.unwrap();
    until("both are taken", async || bodies(&door) == ["new", "held", "later"]).await;
    next.stop().await;
}
