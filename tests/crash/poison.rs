//! A message at which the hub dies, at every start, is found out: it is set aside, or its lane stands, and the hub lives.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::mllp::Line;
use crate::harness::{Hub, PATIENCE, Setup, project};

/// The word at which the hub dies.
const POISON: &str = "POISON";

const CHANNEL: &str = r#"
name    = "ward/adt"
version = 1
about   = "Visits."
[from]
connector   = "mllp"
lane_by     = "PID-3.1"
settings    = { listen = "127.0.0.1:0" }
[parse]
format = "hl7v2"
SPLIT
[map]
mapping = "ward/adt"
writes  = ["Patient"]
[on_fault]
then = "THEN"
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

fn message(control_id: &str, patient: &str, word: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A01^ADT_A01|{control_id}|P|2.5.1\rPID|1||{patient}^^^HIS^PI||{word}\r"
    )
    .into_bytes()
}

/// Starts the hub until it does not die any more; gives it and how often it has died.
async fn starts(mut folder: TempDir, setup: &Setup) -> (Hub, usize) {
    for deaths in 0..20 {
        match Hub::try_start_in(folder, setup).await {
            Err(left) => folder = left,
            Ok(mut hub) => {
                if lives(&mut hub).await {
                    return (hub, deaths);
                }
                folder = hub.kill();
            }
        }
    }
    panic!("it dies for ever");
}

/// Whether a hub comes to the end of what was left over.
async fn lives(hub: &mut Hub) -> bool {
    let started = std::time::Instant::now();
    while started.elapsed() < PATIENCE {
        if hub.is_dead() {
            return false;
        }
        if let Ok(answer) = reqwest::get(format!("{}/ops/status", hub.http())).await
            && let Ok(status) = answer.json::<Value>().await
        {
            let channels = status["channels"].as_array().unwrap();
            let open: u64 =
                channels.iter().map(|channel| channel["messages"]["received"].as_u64().unwrap()).sum();
            let held: u64 = channels.iter().map(|channel| channel["lanes_standing"].as_u64().unwrap()).sum();
            if open == 0 || held == 1 {
                return true;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it neither lives nor dies:\n{}", hub.log());
}

async fn poisoned(then: &str, split: &str) -> (Hub, usize, TempDir) {
    let files = project(&[
        ("channels/ward/adt.toml", CHANNEL.replace("THEN", then).replace("SPLIT", split)),
        ("mappings/ward/adt.toml", MAPPING.to_owned()),
        ("fixtures/ward/adt.hl7", String::from_utf8(message("F", "1", "A")).unwrap()),
    ]);
    let setup = Setup::default()
        .root(files.path())
        .set("log.level=warn")
        .env("HUITONG_CRASH_AT", format!("word:{POISON}"));
    let mut hub = Hub::start(&setup).await;
    let mut line = Line::connect(&hub.channel("ward/adt")).await.unwrap();
    for number in 0..40 {
        line.exchange(&message(&format!("W{number}"), &format!("{number}"), "well")).await.unwrap();
    }
    // It may die before or after it has acknowledged; what is in the journal counts.
    let poison = message("P", "7", POISON);
    let frame = if split.is_empty() { poison } else { [poison, message("Q", "8", "well")].concat() };
    line.send(&frame).await.unwrap();
    hub.dies().await;
    let (hub, deaths) = starts(hub.kill(), &setup).await;
    (hub, deaths, files)
}

#[tokio::test]
async fn it_is_set_aside_after_a_few_deaths_and_all_others_are_committed() {
    let (hub, deaths, _files) = poisoned("set_aside", "").await;
    // Two starts until the hub is careful, three deaths until it is sure.
    assert_eq!(deaths, 5, "{}", hub.log());
    assert_eq!(hub.count("ward/adt", "committed").await, 40);
    let aside = hub.messages("state=quarantined").await;
    assert_eq!((aside.len(), &aside[0]["control_id"]), (1, &Value::from("P")));
    let reason = aside[0]["fault"]["reason"].as_str().unwrap();
    assert!(reason.contains("the hub has died 3 times"), "{reason}");
    let mut line = Line::connect(&hub.channel("ward/adt")).await.unwrap();
    line.exchange(&message("N", "7", "well")).await.unwrap();
    hub.settled("ward/adt").await;
    assert_eq!(hub.count("ward/adt", "committed").await, 41);
    hub.stop().await;
}

#[tokio::test]
async fn a_frame_of_several_at_which_it_dies_is_set_aside_whole() {
    let (hub, deaths, _files) = poisoned("set_aside", "split = \"messages\"").await;
    assert_eq!(deaths, 5, "{}", hub.log());
    assert_eq!(hub.count("ward/adt", "committed").await, 40);
    let aside = hub.messages("state=quarantined").await;
    let reason = aside[0]["fault"]["reason"].as_str().unwrap();
    assert!(aside.len() == 1 && reason.contains("the hub has died 3 times"), "{reason}");
}

#[tokio::test]
async fn its_lane_stands_where_the_channel_says_so_also_after_another_start() {
    let (hub, _, files) = poisoned("stop", "").await;
    let setup = Setup::default()
        .root(files.path())
        .set("log.level=warn")
        .env("HUITONG_CRASH_AT", format!("word:{POISON}"));
    let (hub, deaths) = starts(hub.stop().await, &setup).await;
    assert_eq!(deaths, 0, "it is known, and the hub does not die again");
    assert_eq!(hub.count("ward/adt", "committed").await, 40);
    let status = hub.get("/ops/status").await;
    let reason = status["channels"][0]["held"][0]["fault"]["reason"].as_str().unwrap();
    assert!(reason.contains("the hub has died"), "{reason}");
    // The program is mended.
    let folder = hub.stop().await;
    let setup = Setup::default().root(files.path()).set("log.level=warn");
    let hub = Hub::start_in(folder, &setup).await;
    hub.until(|status| status["channels"][0]["lanes_standing"] == 1).await;
    let id = hub.get("/ops/status").await["channels"][0]["held"][0]["message"].clone();
    hub.post("/ops/replay", &serde_json::json!({ "ids": [id] })).await;
    hub.settled("ward/adt").await;
    assert_eq!(hub.count("ward/adt", "committed").await, 41);
}
