//! The destination `notify` holds the contract of all destinations, and the simulated service takes a notice once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use connector_notify::destination::Notify;
use connector_notify::sim::{Fault, Sim, SimSettings};
use hub_connect::battery::NoSecrets;
use hub_connect::http_destination::HttpDestinationConfig;
use hub_core::commit::Parcel;
use hub_core::destination::{DeliveryError, Destination};
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::registry::DestinationKind;
use tokio::sync::watch;

fn destination(url: &str, idempotent: bool) -> Box<dyn Destination> {
    let config = HttpDestinationConfig {
        idempotent,
        timeout_secs: 1,
        connect_secs: 1,
        ..HttpDestinationConfig::new(url)
    };
    Notify::build(config, &NoSecrets).unwrap()
}

mod destination_contract {
    hub_connect::http_destination_contract!(super::destination);
}

const NOTICE: &str = r#"{"patient":"1000001","test":"K","value":"6.9","interpretation":"HH","report":"R1"}"#;

/// What comes of a notice that is sent twice, while the service does this wrong once.
async fn told(fault: Option<Fault>, notice: &'static str) -> (Vec<&'static str>, u64) {
    let settings = SimSettings { listen: "127.0.0.1:0".to_owned(), fault, fault_times: 1 };
    let sim = Sim::bind(settings).await.unwrap();
    let destination = destination(&format!("http://{}/notices", sim.address()), true);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(sim.run(stopped));
    let to = DestinationId::from("lis/oru-r01/ward-notice");
    let message: MessageId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
    let parcel = Parcel {
        id: ParcelId::of(message, &to, 0),
        to,
        body: notice.into(),
        content_type: "application/json".into(),
        correlation: "test".into(),
        order_key: None,
    };
    let mut said = Vec::new();
    for _ in 0..2 {
        said.push(match destination.deliver(&parcel).await {
            Ok(_) => "delivered",
            Err(DeliveryError::Later { .. } | DeliveryError::NotYet { .. }) => "later",
            Err(DeliveryError::Never { .. }) => "never",
            Err(DeliveryError::InDoubt { .. }) => "in doubt",
        });
    }
    stop.send(true).unwrap();
    (said, running.await.unwrap().unwrap().accepted)
}

#[tokio::test]
async fn a_notice_told_twice_is_taken_once() {
    assert_eq!(told(None, NOTICE).await, (vec!["delivered", "delivered"], 1));
}

#[tokio::test]
async fn a_notice_that_is_not_whole_is_refused() {
    assert_eq!(told(None, "{}").await, (vec!["never", "never"], 0));
}

#[tokio::test]
async fn whatever_goes_wrong_once_the_notice_is_taken_once() {
    for fault in [Fault::Slow, Fault::DropAfterReceive, Fault::HalfFrame, Fault::NoAck, Fault::AeOnce] {
        assert_eq!(told(Some(fault), NOTICE).await, (vec!["later", "delivered"], 1), "{fault:?}");
    }
    for fault in [Fault::Garbage, Fault::Big] {
        assert_eq!(told(Some(fault), NOTICE).await, (vec!["delivered", "delivered"], 1), "{fault:?}");
    }
    assert_eq!(told(Some(Fault::Refuse), NOTICE).await, (vec!["never", "delivered"], 1));
}

/// One request to the control API, by hand: status line and body.
async fn control(address: std::net::SocketAddr, request: &str, body: &str) -> (String, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: sim\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap()[9..12].to_owned(), body.to_owned())
}

#[tokio::test]
async fn the_control_api_arms_faults_and_tells_what_was_counted() {
    let settings = SimSettings { listen: "127.0.0.1:0".to_owned(), ..SimSettings::default() };
    let sim = Sim::bind(settings).await.unwrap();
    let address = sim.address();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(sim.run(stopped));
    assert_eq!(control(address, "POST /__sim/fault", r#"{"name":"refuse"}"#).await.0, "204");
    assert_eq!(control(address, "POST /__sim/fault", r#"{"name":"two-in-one"}"#).await.0, "422");
    assert_eq!(control(address, "POST /__sim/fault", r#"{"name":"sloow"}"#).await.0, "422");
    assert_eq!(control(address, "POST /__sim/push", "").await.0, "404");
    let (_, status) = control(address, "GET /__sim/status", "").await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["faults"]["receiving"]["refuse"], 1);
    assert_eq!(status["report"]["received"], 0);
    assert_eq!(control(address, "POST /__sim/reset", "").await.0, "204");
    let (_, status) = control(address, "GET /__sim/status", "").await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["faults"]["receiving"], serde_json::json!({}));
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}
