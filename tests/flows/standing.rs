//! A lane that stands at a message: seen by operators, kept over a restart, and let go by mending, replaying or skipping.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::mllp::{Line, msa};
use crate::harness::{Hub, Setup, project};

const CHANNEL: &str = r#"
name    = "ward/adt"
version = 1
about   = "Visits, of which none may overtake another of the same patient."
[from]
connector   = "mllp"
acknowledge = "on_committed"
lane_by     = "PID-3.1"
settings    = { listen = "127.0.0.1:0" }
[parse]
format = "hl7v2"
[map]
mapping = "ward/adt"
writes  = ["Patient"]
[keys]
patient = "PID-3.1"
[on_fault]
then = "stop"
[[test]]
name    = "a visit without a date of birth that can be read holds its lane"
given   = "ward/adt.hl7"
receipt = "AE"
state   = "quarantined"
"#;

fn mapping(birth: &str) -> String {
    format!(
        r#"
name    = "ward/adt"
version = 1
from    = "hl7v2"
[[resource]]
as   = "patient"
type = "Patient"
id   = ["patient", "PID-3.1"]
write = "replace"
[resource.set]
name = {{ set = {{ text = {{ from = "PID-5.1" }} }} }}
{birth}
"#
    )
}

const STRICT: &str = "birthDate = { from = \"PID-7\" }";

fn message(control_id: &str, patient: &str, name: &str, born: &str) -> String {
    format!(
        "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A01^ADT_A01|{control_id}|P|2.5.1\rPID|1||{patient}^^^HIS^PI||{name}||{born}\r"
    )
}

fn files() -> TempDir {
    project(&[
        ("channels/ward/adt.toml", CHANNEL.to_owned()),
        ("mappings/ward/adt.toml", mapping(STRICT)),
        ("fixtures/ward/adt.hl7", message("F1", "1", "A", "yesterday")),
    ])
}

async fn start(files: &Path, folder: TempDir) -> Hub {
    Hub::start_in(folder, &Setup::default().root(files)).await
}

async fn send(hub: &Hub, text: String) -> String {
    let mut line = Line::connect(&hub.channel("ward/adt")).await.unwrap();
    msa(&line.exchange(text.as_bytes()).await.unwrap()).0
}

async fn channel(hub: &Hub) -> Value {
    hub.get("/ops/status").await["channels"][0].clone()
}

/// What the program says to an operator.
async fn said(hub: &Hub, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_huitong"));
    let said = command.args(arguments).args(["--url", &hub.http()]).output().await.unwrap();
    String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned()
}

async fn name(hub: &Hub, patient: &str) -> Option<String> {
    let bundle = hub.get("/fhir/Patient").await;
    let mut entries = bundle["entry"].as_array()?.iter();
    let found = entries.find(|entry| {
        entry["resource"]["name"][0]["text"].as_str().is_some_and(|name| name.starts_with(patient))
    })?;
    Some(found["resource"]["name"][0]["text"].as_str()?.to_owned())
}

#[tokio::test]
async fn it_stands_is_seen_stands_after_a_restart_and_goes_on_once_it_is_mended() {
    let files = files();
    let hub = start(files.path(), TempDir::new().unwrap()).await;
    assert_eq!(send(&hub, message("M1", "1", "A-first", "19700101")).await, "AA");
    assert_eq!(
        send(&hub, message("M2", "1", "A-second", "yesterday")).await,
        "AE",
        "its sender is told at once"
    );
    // One of the same patient waits, and is to be sent again.
    assert_eq!(send(&hub, message("M3", "1", "A-third", "19700101")).await, "AE");
    assert_eq!(send(&hub, message("M4", "2", "B-first", "19700101")).await, "AA", "another patient goes on");
    hub.until(|status| status["channels"][0]["held"][0]["behind"] == 1).await;
    let seen = channel(&hub).await;
    assert_eq!((&seen["lanes_standing"], &seen["messages"]["received"]), (&json!(1), &json!(2)));
    let fault = &seen["held"][0]["fault"];
    assert!(
        fault["place"].as_str().unwrap().contains("PID-7")
            || fault["place"].as_str().unwrap().contains("PID[1]-7"),
        "{fault}"
    );
    assert!(!seen.to_string().contains("yesterday"), "the reason holds no content");
    let told = said(&hub, &["status"]).await;
    assert!(told.contains("a lane stands at") && told.contains("1 wait behind it: map at PID"), "{told}");
    let metrics = reqwest::get(format!("{}/metrics", hub.http())).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("huitong_lanes_held_total{channel=\"ward/adt\",how=\"stands\"} 1"), "{metrics}");
    assert_eq!(hub.get("/health").await["status"], "degraded");
    let id = seen["held"][0]["message"].as_str().unwrap().to_owned();
    assert_eq!(hub.get(&format!("/ops/messages/{id}")).await["held"]["behind"], 1);
    let told = said(&hub, &["messages", &id]).await;
    assert!(told.contains("its lane    stands") && told.contains("behind it   1"), "{told}");
    // It stands after a restart, too; and still after it was killed.
    let hub = start(files.path(), hub.stop().await).await;
    hub.until(|status| status["channels"][0]["lanes_standing"] == 1).await;
    let hub = start(files.path(), hub.kill()).await;
    hub.until(|status| status["channels"][0]["lanes_standing"] == 1).await;
    assert_eq!(name(&hub, "A").await.unwrap(), "A-first");
    let folder = hub.stop().await;
    crate::harness::write(files.path(), &[("mappings/ward/adt.toml", mapping(""))]);
    let hub = start(files.path(), folder).await;
    hub.settled("ward/adt").await;
    assert_eq!(hub.count("ward/adt", "committed").await, 4);
    assert_eq!(name(&hub, "A").await.unwrap(), "A-third");
    assert_eq!(send(&hub, message("M3", "1", "A-third", "19700101")).await, "AA", "it is known, and done");
}

#[tokio::test]
async fn a_replay_tries_it_again_and_a_skip_lets_those_behind_it_go_on() {
    let files = files();
    let hub = start(files.path(), TempDir::new().unwrap()).await;
    assert_eq!(send(&hub, message("M1", "1", "A-first", "yesterday")).await, "AE");
    assert_eq!(send(&hub, message("M2", "1", "A-second", "19700101")).await, "AE");
    hub.until(|status| status["channels"][0]["held"][0]["behind"] == 1).await;
    let id = channel(&hub).await["held"][0]["message"].clone();
    let replayed = hub.post("/ops/replay", &json!({ "ids": [id] })).await;
    assert_eq!(replayed["replayed"], json!([id]));
    hub.until(|status| status["channels"][0]["held"][0]["behind"] == 1).await;
    let other = hub.messages("control_id=M2").await[0]["id"].clone();
    let (id, other) = (id.as_str().unwrap(), other.as_str().unwrap());
    let told = said(&hub, &["skip", id, other]).await;
    assert!(told.contains("1 set aside") && told.contains("1 left alone"), "{told}");
    hub.settled("ward/adt").await;
    assert_eq!(name(&hub, "A").await.unwrap(), "A-second");
    let aside = hub.messages("state=quarantined&patient=1").await;
    assert_eq!(aside[0]["id"], id, "it is found by its keys");
    assert_eq!(channel(&hub).await["lanes_standing"], 0);
}
