//! The source `his` holds the contract of all sources, and the simulated HIS comes through to it, whatever goes wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use connector_his::sim::service::ServiceSettings;
use connector_his::sim::{Fault, Sending, Sim, SimSettings};
use connector_his::source::His;
use hub_connect::battery::{NoSecrets, RecordingDoor};
use hub_core::registry::SourceKind;
use hub_core::source::{Acknowledge, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

fn source() -> Box<dyn Source> {
    let settings = "listen = '127.0.0.1:0'\nanswer_secs = 1";
    His::build(toml::from_str(settings).unwrap(), &NoSecrets).unwrap()
}

hub_connect::mllp_source_contract!(source());

async fn comes_through(fault: Option<Fault>) {
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let mut source = source();
    let address = source.bind().await.unwrap().unwrap();
    let (stop, stopped) = watch::channel(false);
    let hub = tokio::spawn(source.run(door.intake(), stopped.clone()));
    let sending = Sending {
        target: address.to_string(),
        rate_per_sec: 500.0,
        count: 25,
        connections: 3,
        answer_secs: 1,
        ..Sending::default()
    };
    let settings = SimSettings { sending, fault, fault_times: 3, ..SimSettings::default() };
    let report = Sim::bind(settings).await.unwrap().run(stopped).await.unwrap();
    stop.send(true).unwrap();
    hub.await.unwrap().unwrap();

    let mut ids: Vec<String> =
        door.accepted().iter().map(|inbound| inbound.label.control_id.clone().unwrap().to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 25, "{fault:?}: every message arrives");
    let big = if fault == Some(Fault::Big) { 3 } else { 0 };
    assert_eq!((report.sent, report.acked, report.nacked), (25 + big, 25, big), "{fault:?}");
}

#[tokio::test]
async fn without_faults_every_message_arrives() {
    comes_through(None).await;
}

#[tokio::test]
async fn with_any_fault_every_message_arrives() {
    for fault in [
        Fault::Slow,
        Fault::DropAfterReceive,
        Fault::Duplicate,
        Fault::Garbage,
        Fault::HalfFrame,
        Fault::TwoInOne,
        Fault::Lf,
        Fault::Big,
    ] {
        comes_through(Some(fault)).await;
    }
}

#[tokio::test]
async fn a_hub_that_comes_late_misses_nothing() {
    let mut source = source();
    let address = source.bind().await.unwrap().unwrap();
    drop(source);
    let sending = Sending {
        target: address.to_string(),
        rate_per_sec: 500.0,
        count: 5,
        answer_secs: 1,
        ..Sending::default()
    };
    let (stop, stopped) = watch::channel(false);
    let sim = Sim::bind(SimSettings { sending, ..SimSettings::default() }).await.unwrap();
    let running = tokio::spawn(sim.run(stopped.clone()));
    tokio::time::sleep(Duration::from_millis(300)).await;

    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let settings = format!("listen = '{address}'");
    let mut hub = His::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap();
    hub.bind().await.unwrap();
    let hub = tokio::spawn(hub.run(door.intake(), stopped));
    let report = running.await.unwrap().unwrap();
    assert_eq!((report.sent, report.acked), (5, 5));
    assert_eq!(door.accepted().len(), 5);
    stop.send(true).unwrap();
    hub.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_feed_and_the_number_source_run_beside_each_other() {
    let service = ServiceSettings { listen: "127.0.0.1:0".to_owned(), ..ServiceSettings::default() };
    // Nobody takes the feed: the number source answers all the same.
    let sending = Sending { target: "127.0.0.1:1".to_owned(), answer_secs: 1, ..Sending::default() };
    let settings = SimSettings { sending, service: Some(service), ..SimSettings::default() };
    let sim = Sim::bind(settings).await.unwrap();
    let address = sim.service_address().unwrap();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(sim.run(stopped));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /HisService/Invoke.asmx?wsdl HTTP/1.0\r\nHost: his\r\n\r\n").await.unwrap();
    let mut wsdl = String::new();
    stream.read_to_string(&mut wsdl).await.unwrap();
    assert!(wsdl.starts_with("HTTP/1.0 200") && wsdl.contains("<wsdl:operation name=\"Invoke\">"));
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}
