//! A hub that is asked to stop under load loses nothing that it has acknowledged, and leaves nothing in doubt that was not under way.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::mllp::{Line, msa};
use crate::harness::{Hub, Setup, project};

const CHANNEL: &str = r#"
name    = "ward/adt"
version = 1
about   = "Visits, sent on to a partner who does not know a copy."
[from]
connector   = "mllp"
lane_by     = "PID-3.1"
settings    = { listen = "127.0.0.1:0" }
[parse]
format = "hl7v2"
[map]
mapping = "ward/adt"
writes  = ["Patient"]
[[to]]
name      = "bank"
connector = "http"
settings  = { url = "URL", connections = 4, timeout_secs = 60, idempotent = false }
order_by  = "PID-3.1"
in_doubt  = "hold"
[[test]]
name  = "a visit"
given = "ward/adt.hl7"
"#;

const MAPPING: &str = r#"
name    = "ward/adt"
version = 1
from    = "hl7v2"
[[resource]]
as   = "patient"
type = "Patient"
id   = ["patient", "PID-3.1"]
set  = { active = { value = true } }
"#;

fn message(control_id: &str) -> String {
    format!(
        "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A01^ADT_A01|{control_id}|P|2.5.1\rPID|1||P{control_id}^^^HIS^PI\r"
    )
}

/// What a partner got, by control id, in order; and how many requests it holds without an answer.
type Got = Arc<Mutex<Vec<String>>>;

/// A partner that takes its time; with `silent` it never answers.
async fn bank(takes: Duration, silent: bool) -> (String, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let got = Got::default();
    let kept = got.clone();
    let take = move |body: Bytes| async move {
        let text = String::from_utf8_lossy(&body).into_owned();
        kept.lock().unwrap().push(text.split('|').nth(9).unwrap().to_owned());
        tokio::time::sleep(takes).await;
        if silent {
            std::future::pending::<()>().await;
        }
        "ok"
    };
    let router = Router::new().route("/", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, got)
}

fn files(url: &str) -> TempDir {
    project(&[
        ("channels/ward/adt.toml", CHANNEL.replace("URL", url)),
        ("mappings/ward/adt.toml", MAPPING.to_owned()),
        ("fixtures/ward/adt.hl7", message("F")),
    ])
}

fn setup(files: &Path) -> Setup {
    Setup::default().root(files).set("log.level=warn").set("work.drain_secs=5")
}

/// Eight senders that go on until the hub is gone; gives what was acknowledged.
async fn load(hub: &Hub, acknowledged: Arc<Mutex<BTreeSet<String>>>) -> JoinSet<()> {
    let mut senders = JoinSet::new();
    for sender in 0..8 {
        let mut line = Line::connect(&hub.channel("ward/adt")).await.unwrap();
        let acknowledged = acknowledged.clone();
        senders.spawn(async move {
            for number in 0.. {
                let id = format!("{sender}x{number}");
                let Ok(answer) = line.exchange(message(&id).as_bytes()).await else { return };
                // Whoever comes while it stops is told to come again, or finds nobody.
                if msa(&answer).0 == "AA" {
                    acknowledged.lock().unwrap().insert(id);
                }
            }
        });
    }
    senders
}

async fn parcels(hub: &Hub) -> Value {
    hub.get("/ops/status").await["destinations"][0]["parcels"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_kept_and_what_was_under_way_is_finished() {
    let (url, got) = bank(Duration::from_millis(20), false).await;
    let files = files(&url);
    let setup = setup(files.path());
    let hub = Hub::start(&setup).await;
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let mut senders = load(&hub, acknowledged.clone()).await;
    while acknowledged.lock().unwrap().len() < 400 || got.lock().unwrap().len() < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let folder = hub.stop().await;
    while senders.join_next().await.is_some() {}
    let before = got.lock().unwrap().len();
    let hub = Hub::start_in(folder, &setup).await;
    hub.settled("ward/adt").await;
    let stood = parcels(&hub).await;
    assert_eq!(stood["in_doubt"], 0, "what was under way was answered before the hub ended");
    hub.paid("ward/adt/bank").await;
    let acknowledged = acknowledged.lock().unwrap().clone();
    let got = got.lock().unwrap().clone();
    let once: BTreeSet<String> = got.iter().cloned().collect();
    assert!(before < once.len(), "the hub was stopped with work left");
    assert_eq!(once.len(), got.len(), "nothing is sent twice");
    let lost: Vec<_> = acknowledged.difference(&once).collect();
    assert!(lost.is_empty(), "acknowledged and never sent on: {lost:?}");
    assert_eq!(hub.count("ward/adt", "committed").await as usize, once.len());
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_under_way_to_a_silent_partner_is_in_doubt() {
    let (url, got) = bank(Duration::ZERO, true).await;
    let files = files(&url);
    let setup = setup(files.path()).set("work.drain_secs=1");
    let hub = Hub::start(&setup).await;
    let mut line = Line::connect(&hub.channel("ward/adt")).await.unwrap();
    for number in 0..20 {
        line.exchange(message(&format!("S{number}")).as_bytes()).await.unwrap();
    }
    while got.lock().unwrap().len() < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It does not wait for the partner's minute.
    let folder = hub.stop().await;
    let under_way: BTreeSet<String> = got.lock().unwrap().drain(..).collect();
    assert_eq!(under_way.len(), 4, "one for each connection");
    let hub = Hub::start_in(folder, &setup).await;
    hub.until(|status| status["destinations"][0]["parcels"]["in_doubt"] == 4).await;
    while got.lock().unwrap().len() < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let now: BTreeSet<String> = got.lock().unwrap().iter().cloned().collect();
    assert!(now.is_disjoint(&under_way), "what is in doubt is not sent again: {now:?} {under_way:?}");
    assert_eq!(parcels(&hub).await["pending"], 16);
}
