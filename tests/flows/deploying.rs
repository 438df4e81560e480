//! The running hub runs other files: whole or not at all, without closing a connection that need not be closed.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::mllp::{Line, msa};
use crate::harness::ports::free_port;
use crate::harness::{Hub, PATIENCE, Setup, fixture, partners};
use crate::program::copy_of_the_files;

pub const ADT: &str = "channels/his/adt.toml";
pub const ORU: &str = "channels/lis/oru-r01.toml";
pub const GENDERS: &str = "mappings/codes/hl7-0001.toml";

/// What the table of sexes says of `F`, and what it says afterwards.
pub const FEMALE: &str = r#""F" = { code = "female""#;
pub const OTHER: &str = r#""F" = { code = "other""#;

pub fn admission(patient: &str, control_id: &str) -> Vec<u8> {
    format!("MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A08^ADT_A01|{control_id}|P|2.5.1\rPID|1||{patient}^^^HIS^PI||Test^Person||19700101|F\rPV1|1|I|W1^1^1\r").into_bytes()
}

/// Replaces words of a file, which must be there.
pub fn change(root: &TempDir, file: &str, old: &str, new: &str) {
    let path = root.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(old), "{file} has no `{old}`");
    std::fs::write(path, text.replacen(old, new, 1)).unwrap();
}

/// What the hub answers to an order, and with which status.
pub async fn order(hub: &Hub, path: &str, body: &Value) -> (u16, Value) {
    let sent = reqwest::Client::new().post(format!("{}{path}", hub.http())).json(body).send();
    let answer = sent.await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Deploys what must be deployable.
pub async fn deploy(hub: &Hub) -> Value {
    let (status, report) = order(hub, "/ops/deploy", &json!({ "why": "the test", "who": "anna" })).await;
    assert_eq!(status, 200, "{report:#}\n{}", hub.log());
    report
}

/// The deployments, newest first.
pub async fn deployments(hub: &Hub) -> Vec<Value> {
    hub.get("/ops/deployments").await["deployments"].as_array().unwrap().clone()
}

pub async fn gender(hub: &Hub, patient: &str) -> String {
    let found = hub.get(&format!("/fhir/Patient?identifier={patient}")).await;
    found["entry"][0]["resource"]["gender"].as_str().unwrap_or_default().to_owned()
}

/// Sends a message that must be taken, and waits until it has ended.
pub async fn told(hub: &Hub, line: &mut Line, patient: &str, control_id: &str) {
    let answer = line.exchange(&admission(patient, control_id)).await.unwrap();
    assert_eq!(msa(&answer), ("AA".to_owned(), control_id.to_owned()));
    hub.settled("his/adt").await;
}

async fn address(hub: &Hub, channel: &str) -> String {
    let status = hub.get("/ops/status").await;
    let channels = status["channels"].as_array().unwrap();
    channels.iter().find(|found| found["id"] == channel).unwrap()["address"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_changed_table_is_in_force_and_no_connection_is_closed() {
    let root = copy_of_the_files();
    let hub = Hub::start(&Setup::default().root(root.path())).await;
    let mut his = Line::connect(&hub.channel("his/adt")).await.unwrap();
    let mut lis = Line::connect(&hub.channel("lis/oru-r01")).await.unwrap();
    told(&hub, &mut his, "4711", "T1").await;
    assert_eq!(gender(&hub, "4711").await, "female");
    change(&root, GENDERS, FEMALE, OTHER);
    change(&root, "mappings/his/adt.toml", "version = 1", "version = 1 # changed");
    let report = deploy(&hub).await;
    assert_eq!(report["deployment"], 2);
    assert_eq!(report["files"][GENDERS], "changed");
    assert_eq!(report["channels"]["his/adt"], "mended");
    // The same two connections.
    told(&hub, &mut his, "4712", "T2").await;
    assert_eq!(gender(&hub, "4712").await, "other");
    let critical = fixture("lis/oru-r01/critical-potassium.hl7");
    assert!(matches!(msa(&lis.exchange(&critical).await.unwrap()).0.as_str(), "AA" | "CA"));
    assert_eq!(gender(&hub, "4711").await, "female", "what was stored before stays as it was");
}

#[tokio::test]
async fn a_changed_source_listens_anew_at_its_address_and_the_others_keep_their_connections() {
    let root = copy_of_the_files();
    let port = free_port();
    let setup = Setup::default()
        .root(root.path())
        .set(format!("channels.\"his/adt\".settings.listen=127.0.0.1:{port}"));
    let hub = Hub::start(&setup).await;
    let his_at = hub.channel("his/adt");
    let mut his = Line::connect(&his_at).await.unwrap();
    let mut lis = Line::connect(&hub.channel("lis/oru-r01")).await.unwrap();
    told(&hub, &mut his, "4711", "S1").await;
    change(&root, ADT, "[from.settings]", "[from.settings]\nidle_secs = 500");
    let report = deploy(&hub).await;
    assert_eq!(report["channels"], json!({ "his/adt": "replaced" }));
    let channels = hub.get("/ops/status").await["channels"].as_array().unwrap().len();
    assert_eq!(report["untouched_channels"], channels - 1);
    assert!(his.exchange(&admission("4711", "S2")).await.is_err(), "its connections end with the source");
    let mut again = Line::connect(&his_at).await.unwrap();
    told(&hub, &mut again, "4712", "S2").await;
    let normal = fixture("lis/oru-r01/normal.hl7");
    assert_eq!(msa(&lis.exchange(&normal).await.unwrap()).0, "AA", "the same connection as before");
    assert_eq!(hub.count("his/adt", "committed").await, 2);
}

#[tokio::test]
async fn channels_come_and_go() {
    let root = copy_of_the_files();
    let (lis, received) = partners::hl7().await;
    let setup =
        Setup::default().root(root.path()).set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis}"));
    let hub = Hub::start(&setup).await;
    let oru = root.path().join(ORU);
    let text = std::fs::read_to_string(&oru).unwrap();
    // The place's settings name the channel: it cannot go while they do.
    std::fs::remove_file(&oru).unwrap();
    let (status, refused) = order(&hub, "/ops/deploy", &json!({})).await;
    assert_eq!(status, 409);
    assert!(refused["error"]["message"].as_str().unwrap().contains("lis/oru-r01"), "{refused}");
    std::fs::write(&oru, text).unwrap();

    let third = third(&root, 0, &lis);
    let report = deploy(&hub).await;
    assert_eq!(report["channels"], json!({ "his/third": "added" }));
    assert_eq!(report["destinations"], json!({ "his/third/lis-feed": "added" }));
    let at = address(&hub, "his/third").await;
    let mut line = Line::connect(&at).await.unwrap();
    line.exchange(&admission("4711", "C1")).await.unwrap();
    hub.paid("his/third/lis-feed").await;
    std::fs::remove_file(third).unwrap();
    let report = deploy(&hub).await;
    assert_eq!(report["channels"], json!({ "his/third": "removed" }));
    assert_eq!(report["destinations"], json!({ "his/third/lis-feed": "removed" }));
    assert!(Line::connect(&at).await.is_err(), "nobody listens there any more");
    assert_eq!(received.keys(), ["C1"], "what it held was worked off and sent");
    assert_eq!(hub.messages("channel=his/third&state=committed").await.len(), 1, "and is found as before");
}

#[tokio::test]
async fn wrong_files_change_nothing_and_every_finding_comes_back_with_its_line() {
    let root = copy_of_the_files();
    let hub = Hub::start(&Setup::default().root(root.path())).await;
    let mut his = Line::connect(&hub.channel("his/adt")).await.unwrap();
    change(&root, GENDERS, FEMALE, OTHER);
    change(&root, ADT, "lane_by", "lane");
    change(&root, ORU, "name    = \"lis/oru-r01\"", "name    = \"lis/oru\"");
    let (status, refused) = order(&hub, "/ops/deploy", &json!({ "why": "x" })).await;
    assert_eq!(status, 422);
    let findings = refused["error"]["findings"].as_array().unwrap();
    let places: Vec<(&str, u64)> =
        findings.iter().map(|f| (f["file"].as_str().unwrap(), f["line"].as_u64().unwrap())).collect();
    assert_eq!(places, [(ADT, 9), (ORU, 2)]);
    assert!(findings[0]["text"].as_str().unwrap().contains("error[unknown-key]"), "{findings:#?}");
    told(&hub, &mut his, "4711", "W1").await;
    assert_eq!(gender(&hub, "4711").await, "female", "the right file was not taken either");
    assert_eq!(deployments(&hub).await.len(), 1, "nothing was begun");
    assert_eq!(hub.get("/ops/status").await["deployment"], 1);
}

#[tokio::test]
async fn an_address_that_is_taken_fails_the_whole_deployment() {
    let root = copy_of_the_files();
    let hub = Hub::start(&Setup::default().root(root.path())).await;
    let mut his = Line::connect(&hub.channel("his/adt")).await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = taken.local_addr().unwrap().to_string();
    third(&root, taken.local_addr().unwrap().port(), "127.0.0.1:9");
    change(&root, GENDERS, FEMALE, OTHER);
    let (status, failed) = order(&hub, "/ops/deploy", &json!({ "why": "one too many", "who": "anna" })).await;
    assert_eq!((status, &failed["error"]["deployment"]), (409, &json!(2)), "{failed}");
    let reason = failed["error"]["message"].as_str().unwrap();
    assert!(reason.contains("`his/third` cannot listen") && reason.contains(&at), "{reason}");
    told(&hub, &mut his, "4711", "P1").await;
    assert_eq!(gender(&hub, "4711").await, "female");
    let kept = &deployments(&hub).await[0];
    assert_eq!(
        (&kept["result"], &kept["why"], &kept["who"]),
        (&json!("failed"), &json!("one too many"), &json!("anna"))
    );
    assert!(kept["reason"].as_str().unwrap().contains("cannot listen"));
    // When the address is free, the same files are deployed.
    drop(taken);
    assert_eq!(deploy(&hub).await["deployment"], 3);
    assert_eq!(address(&hub, "his/third").await, at);
}

#[tokio::test]
async fn what_was_stopped_already_is_put_back_when_a_later_step_fails() {
    let root = copy_of_the_files();
    // A partner that takes connections and says nothing: the parcel stays owed, and no circuit opens.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let third = third(&root, free_port(), &silent.local_addr().unwrap().to_string());
    let setup = Setup::default()
        .root(root.path())
        .set("work.drain_secs=1")
        .set(format!("channels.\"lis/oru-r01\".settings.listen=127.0.0.1:{}", free_port()));
    let hub = Hub::start(&setup).await;
    let (lis_at, third_at) = (hub.channel("lis/oru-r01"), hub.channel("his/third"));
    let mut his = Line::connect(&hub.channel("his/adt")).await.unwrap();
    Line::connect(&third_at).await.unwrap().exchange(&admission("4711", "B1")).await.unwrap();
    hub.settled("his/third").await;
    std::fs::remove_file(&third).unwrap();
    change(&root, ORU, "[from.settings]", "[from.settings]\nidle_secs = 500");
    change(&root, GENDERS, FEMALE, OTHER);
    let (status, failed) = order(&hub, "/ops/deploy", &json!({ "why": "away with it" })).await;
    assert_eq!((status, &failed["error"]["deployment"]), (409, &json!(2)), "{failed}");
    let reason = failed["error"]["message"].as_str().unwrap();
    assert!(reason.contains("his/third/lis-feed: 1 pending"), "{reason}");
    assert!(!reason.contains("not put back"), "{reason}");
    // Everything is as it was, at the same addresses.
    told(&hub, &mut his, "4711", "B2").await;
    assert_eq!(gender(&hub, "4711").await, "female");
    let normal = fixture("lis/oru-r01/normal.hl7");
    let mut lis = Line::connect(&lis_at).await.unwrap();
    assert_eq!(msa(&lis.exchange(&normal).await.unwrap()).0, "AA");
    let mut again = Line::connect(&third_at).await.unwrap();
    assert_eq!(msa(&again.exchange(&admission("4712", "B3")).await.unwrap()).0, "AA");
    hub.settled("his/third").await;
    assert_eq!(hub.count("his/third", "committed").await, 2);
    assert_eq!(hub.get("/ops/status").await["deployment"], 1);
    // Whoever means it says so; what is owed stays in the store.
    let (status, report) = order(&hub, "/ops/deploy", &json!({ "abandon": true })).await;
    assert_eq!(status, 200, "{report}");
    assert!(Line::connect(&third_at).await.is_err());
    let all = hub.get("/ops/destinations").await;
    let left = all["destinations"].as_array().unwrap().iter().find(|to| to["id"] == "his/third/lis-feed");
    let left = left.unwrap();
    assert_eq!((&left["configured"], &left["parcels"]["pending"]), (&json!(false), &json!(2)));
}

#[tokio::test]
async fn a_destination_that_a_person_must_see_to_is_not_taken_away() {
    let root = copy_of_the_files();
    // Nobody listens there, and one failure is enough.
    let third = third(&root, 0, "127.0.0.1:9");
    let text = std::fs::read_to_string(&third).unwrap();
    std::fs::write(&third, text.replacen("order_by  =", "circuit = { failures = 1 }\norder_by  =", 1))
        .unwrap();
    let hub = Hub::start(&Setup::default().root(root.path())).await;
    let mut line = Line::connect(&hub.channel("his/third")).await.unwrap();
    line.exchange(&admission("4711", "D1")).await.unwrap();
    let of = |status: &Value| {
        let all = status["destinations"].as_array().unwrap().clone();
        all.into_iter().find(|to| to["id"] == "his/third/lis-feed").unwrap()
    };
    hub.until(|status| of(status)["circuit"] != "closed").await;
    std::fs::remove_file(&third).unwrap();
    let (status, refused) = order(&hub, "/ops/deploy", &json!({})).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert_eq!(status, 409);
    assert!(message.contains("his/third/lis-feed: 1 pending") && message.contains("--abandon"), "{message}");
    assert_eq!(deployments(&hub).await.len(), 1, "it was not begun");
    assert_eq!(msa(&line.exchange(&admission("4711", "D2")).await.unwrap()).0, "AA", "the same connection");
}

#[tokio::test]
async fn settings_and_secrets_of_a_channel_are_read_again_too() {
    let root = copy_of_the_files();
    std::fs::create_dir_all(root.path().join("config")).unwrap();
    std::fs::create_dir_all(root.path().join("secrets")).unwrap();
    for key in std::fs::read_dir(root.path().join("fixtures/secrets")).unwrap() {
        let key = key.unwrap();
        std::fs::copy(key.path(), root.path().join("secrets").join(key.file_name())).unwrap();
    }
    std::fs::write(root.path().join("secrets/ward"), "one").unwrap();
    change(&root, ORU, "[to.settings]", "[to.settings]\nheaders = { authorization = { secret = \"ward\" } }");
    let setup = Setup::default()
        .root(root.path())
        .set(format!("secrets_dir={}", root.path().join("secrets").display()));
    let hub = Hub::start(&setup).await;
    let config = root.path().join("config/hub.toml");
    std::fs::write(&config, "[channels.\"his/find-patients\"]\nsettings = { idle_secs = 500 }\n").unwrap();
    let report = deploy(&hub).await;
    assert_eq!(report["channels"], json!({ "his/find-patients": "replaced" }));
    assert_eq!(report["files"], json!({}), "the files are those of before");
    std::fs::write(root.path().join("secrets/ward"), "two").unwrap();
    let report = deploy(&hub).await;
    assert_eq!(report["destinations"], json!({ "lis/oru-r01/ward-notice": "replaced" }));
    assert_eq!(report["channels"], json!({}));
    assert_eq!(report["notices"], json!([]));
    // What is read at the start alone is said to wait for it.
    std::fs::write(&config, "[retention]\nkeep_days = 1\n").unwrap();
    let report = deploy(&hub).await;
    assert!(report["notices"][0].as_str().unwrap().contains("at the next start"), "{report}");
    let (_, nothing) = order(&hub, "/ops/deploy", &json!({})).await;
    assert_eq!(nothing["deployment"], Value::Null, "everything runs already");
    let everything: String = deployments(&hub).await.iter().map(Value::to_string).collect();
    assert!(!everything.contains("\"one\"") && !everything.contains("\"two\""));
}

/// A third channel that forwards what it gets.
fn third(root: &TempDir, port: u16, partner: &str) -> std::path::PathBuf {
    let adt = std::fs::read_to_string(root.path().join(ADT)).unwrap();
    let own = adt
        .replacen("\"his/adt\"", "\"his/third\"", 1)
        .replacen("127.0.0.1:2575", &format!("127.0.0.1:{port}"), 1)
        .replacen("127.0.0.1:2577", partner, 1);
    let path = root.path().join("channels/his/third.toml");
    std::fs::write(&path, own).unwrap();
    path
}

#[tokio::test]
async fn a_channel_starts_after_the_one_it_waits_for_has_caught_up() {
    let root = copy_of_the_files();
    let setup = Setup::default().root(root.path());
    // The hub ends with messages of the HIS in the journal that nobody has worked off.
    let mut hub = Hub::start(&setup.clone().env("HUITONG_CRASH_AT", "mapped:1")).await;
    let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
    let _cut_off = line.exchange(&admission("4711", "A1")).await;
    hub.dies().await;
    change(&root, ORU, "[[test]]", "[start]\nafter = [\"his/adt\"]\nwhen  = \"caught-up\"\n\n[[test]]");
    let setup = setup.set("log.level=info,hub_runtime=debug");
    let hub = Hub::start_in(hub.kill(), &setup).await;
    // Its address is taken from the beginning; whoever connects is answered when it has started.
    let mut lis = Line::connect(&hub.channel("lis/oru-r01")).await.unwrap();
    let answer = lis.exchange(&fixture("lis/oru-r01/normal.hl7")).await.unwrap();
    assert_eq!(msa(&answer).0, "AA");
    assert_eq!(hub.count("his/adt", "committed").await, 1);
    let status = hub.get("/ops/status").await;
    let channels = status["channels"].as_array().unwrap();
    let oru = channels.iter().find(|found| found["id"] == "lis/oru-r01").unwrap();
    assert_eq!((&oru["running"], &oru["waits_for"]), (&json!(true), &Value::Null));
    // When the hub stops, those that came after stop before.
    let folder = hub.stop().await;
    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    let at = |words: &str| log.rfind(words).unwrap_or_else(|| panic!("no `{words}` in {log}"));
    assert!(
        at("A message has ended. channel=his/adt") < at("A channel has started. channel=lis/oru-r01"),
        "{log}"
    );
    assert!(
        at("A channel has stopped. channel=lis/oru-r01") < at("A channel has stopped. channel=his/adt"),
        "{log}"
    );
}

#[tokio::test]
async fn nothing_is_lost_doubled_or_overtaken_under_load_across_twenty_deployments() {
    const PATIENTS: usize = 4;
    let root = copy_of_the_files();
    let (lis, received) = partners::hl7().await;
    let port = free_port();
    let setup = Setup::default()
        .root(root.path())
        .set("log.level=warn")
        .set(format!("channels.\"his/adt\".settings.listen=127.0.0.1:{port}"))
        .set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis}"));
    let hub = Hub::start(&setup).await;
    let at = hub.channel("his/adt");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let senders: Vec<_> =
        (0..PATIENTS).map(|patient| tokio::spawn(send_until(at.clone(), patient, stopped.clone()))).collect();
    for nth in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        match nth % 3 {
            0 => change_at(root.path(), ADT, "idle_secs", nth),
            1 => change_at(root.path(), GENDERS, "# deployment", nth),
            _ => change_at(root.path(), ADT, "# deployment", nth),
        }
        let report = deploy(&hub).await;
        let expected = if nth % 3 == 0 { "replaced" } else { "mended" };
        assert_eq!(report["channels"]["his/adt"], expected, "{report}");
    }
    stop.send_replace(true);
    let mut sent = 0;
    for sender in senders {
        sent += tokio::time::timeout(PATIENCE, sender).await.unwrap().unwrap();
    }
    assert!(sent > 40, "there was a load: {sent}");
    hub.settled("his/adt").await;
    hub.paid("his/adt/lis-feed").await;
    assert_eq!(hub.count("his/adt", "committed").await, sent, "each acknowledged message is there once");
    assert_eq!(hub.count("his/adt", "quarantined").await, 0);
    let keys = received.keys();
    assert_eq!((keys.len() as u64, received.times()), (sent, sent), "each was sent on, and once");
    for patient in 0..PATIENTS {
        let own = keys.iter().filter(|key| key.starts_with(&format!("L{patient}-")));
        let numbers: Vec<u64> = own.map(|key| key[3..].parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "no message of one patient overtook another: {numbers:?}");
    }
    assert_eq!(hub.get("/ops/status").await["deployment"], 21);
}

/// Puts a line with a number into a file, or changes the one that is there.
fn change_at(root: &Path, file: &str, what: &str, number: usize) {
    let path = root.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let rest: Vec<&str> = text.lines().filter(|line| !line.starts_with(what)).collect();
    let text = match what {
        "idle_secs" => rest.join("\n").replacen(
            "[from.settings]",
            &format!("[from.settings]\nidle_secs = {}", 500 + number),
            1,
        ),
        _ => format!("{what} {number}\n{}", rest.join("\n")),
    };
    std::fs::write(path, text).unwrap();
}

/// Sends one patient's messages one after the other; what was not acknowledged is sent again over a new connection.
async fn send_until(at: String, patient: usize, stop: tokio::sync::watch::Receiver<bool>) -> u64 {
    let mut sent = 0;
    let mut line = None;
    while !*stop.borrow() {
        let control_id = format!("L{patient}-{sent:05}");
        let message = admission(&format!("47{patient:02}"), &control_id);
        let begun = std::time::Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "a message was never acknowledged");
            if line.is_none() {
                line = Line::connect(&at).await.ok();
            }
            let answer = match &mut line {
                Some(line) => line.exchange(&message).await.ok(),
                None => None,
            };
            match answer.map(|answer| msa(&answer).0).as_deref() {
                Some("AA") => break,
                _ => line = None,
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        sent += 1;
    }
    sent
}
