//! What goes out: forwarded, noticed, tried again, kept in order.

use std::time::Duration;

use tokio::net::TcpListener;

use crate::harness::mllp::{Line, msa};
use crate::harness::{Hub, Setup, fixture, partners, project};

fn admission(patient: &str, control_id: &str) -> Vec<u8> {
    format!("MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A08^ADT_A01|{control_id}|P|2.5.1\rPID|1||{patient}^^^HIS^PI||Test^Person||19700101|F\rPV1|1|I|W1^1^1\r").into_bytes()
}

#[tokio::test]
async fn a_critical_result_is_told_to_the_ward_and_the_answer_is_kept_as_a_resource() {
    let (ward, notices) = partners::web().await;
    let hub =
        Hub::start(&Setup::default().set(format!("channels.\"lis/oru-r01\".to.ward-notice.url={ward}")))
            .await;
    let mut line = Line::connect(&hub.channel("lis/oru-r01")).await.unwrap();
    let message = fixture("lis/oru-r01/critical-potassium.hl7");
    assert!(matches!(msa(&line.exchange(&message).await.unwrap()).0.as_str(), "AA" | "CA"));
    hub.settled("lis/oru-r01").await;
    hub.paid("lis/oru-r01/ward-notice").await;
    let bodies = notices.bodies();
    assert_eq!(bodies.len(), 1, "one critical value, one notice");
    let notice: serde_json::Value = serde_json::from_slice(&bodies[0]).unwrap();
    for member in ["patient", "test", "value", "interpretation", "report"] {
        assert!(!notice[member].is_null(), "the notice has `{member}`");
    }
    let told = hub.get("/fhir/Communication?status=completed").await;
    assert_eq!(told["entry"].as_array().unwrap().len(), 1, "the ward's receipt is a Communication");
}

#[tokio::test]
async fn an_admission_is_forwarded_byte_for_byte() {
    let (lis, received) = partners::hl7().await;
    let hub =
        Hub::start(&Setup::default().set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis}"))).await;
    let message = admission("4711", "F1");
    Line::connect(&hub.channel("his/adt")).await.unwrap().exchange(&message).await.unwrap();
    hub.settled("his/adt").await;
    hub.paid("his/adt/lis-feed").await;
    assert_eq!(received.bodies(), [message]);
}

#[tokio::test]
async fn a_partner_that_is_down_gets_everything_in_order_when_it_is_back() {
    // The port is known, but nobody listens yet.
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let hub = Hub::start(
        &Setup::default()
            .set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{address}"))
            .set("log.level=error"),
    )
    .await;
    let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
    for nth in 1..=30 {
        line.exchange(&admission(["4711", "4712"][nth % 2], &format!("O{nth:03}"))).await.unwrap();
    }
    hub.settled("his/adt").await;
    let status = hub.get("/ops/destinations").await.to_string();
    assert!(status.contains("lis-feed"));
    let (back, received) = partners::hl7_at(&address.to_string()).await;
    assert_eq!(back, address.to_string());
    hub.paid("his/adt/lis-feed").await;
    let keys = received.keys();
    assert_eq!(keys.len(), 30);
    for patient in [0, 1] {
        let of_patient: Vec<&String> =
            keys.iter().filter(|key| key[1..].parse::<usize>().unwrap() % 2 == patient).collect();
        assert!(of_patient.is_sorted(), "one patient's messages stay in order: {of_patient:?}");
    }
}

#[tokio::test]
async fn what_is_owed_outlives_a_kill() {
    let folder = {
        let hub = Hub::start(&Setup::default().set("log.level=error")).await;
        let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
        line.exchange(&admission("4711", "K1")).await.unwrap();
        hub.settled("his/adt").await;
        hub.kill()
    };
    let (lis, received) = partners::hl7().await;
    let hub = Hub::start_in(
        folder,
        &Setup::default().set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis}")),
    )
    .await;
    hub.paid("his/adt/lis-feed").await;
    assert_eq!(received.keys(), ["K1"]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(received.times(), 1);
}

const FORWARD: &str = r#"
name    = "ward/forward"
version = 1
about   = "Notes of the ward are sent on as they came."
[from]
connector   = "http"
acknowledge = "on_committed"
settings    = { listen = "127.0.0.1:0" }
[parse]
format = "json"
[map]
mapping = "ward/forward"
writes  = ["DocumentReference"]
[[to]]
name      = "archive"
connector = "http"
settings  = { url = "URL" }
[[test]]
name  = "a note"
given = "ward/forward.json"
"#;

const FORWARDED: &str = r#"
name    = "ward/forward"
version = 1
from    = "json"
[[resource]]
as   = "note"
type = "DocumentReference"
id   = ["note", "no"]
[resource.set]
status  = { value = "current" }
content = { set = { attachment = { set = { title = { from = "title" } } } } }
"#;

#[tokio::test]
async fn what_is_sent_on_as_it_came_says_of_which_format_it_is() {
    const NOTE: &str = r#"{"no":"1","title":"a"}"#;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    let archive = axum::Router::new().route(
        "/",
        axum::routing::post(move |headers: axum::http::HeaderMap, body: String| async move {
            let kind = headers["content-type"].to_str().unwrap().to_owned();
            sender.send((kind, body)).unwrap();
        }),
    );
    tokio::spawn(async move { axum::serve(listener, archive).await });
    let folder = project(&[
        ("channels/ward/forward.toml", FORWARD.replace("URL", &url).as_str()),
        ("mappings/ward/forward.toml", FORWARDED),
        ("fixtures/ward/forward.json", NOTE),
    ]);
    let hub = Hub::start(&Setup::default().root(folder.path())).await;
    let url = format!("http://{}/", hub.channel("ward/forward"));
    let answer = reqwest::Client::new().post(url).body(NOTE).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let sent =
        tokio::time::timeout(std::time::Duration::from_secs(20), received.recv()).await.unwrap().unwrap();
    assert_eq!(sent, ("application/json".to_owned(), NOTE.to_owned()));
}
