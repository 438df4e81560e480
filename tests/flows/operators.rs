//! What operators do: find, see why, mend, replay, watch.

use serde_json::json;

use crate::harness::mllp::Line;
use crate::harness::{Hub, Setup, fixture, partners};

fn admission(patient: &str, control_id: &str) -> String {
    format!(
        "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A01^ADT_A01|{control_id}|P|2.5.1\rPID|1||{patient}^^^HIS^PI||Test^Person||19700101|F\rPV1|1|I|W1^1^1\r"
    )
}

#[tokio::test]
async fn a_message_is_found_by_each_of_its_keys() {
    let hub = Hub::start(&Setup::default()).await;
    let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
    for nth in 0..20 {
        line.exchange(admission(&format!("47{nth:02}"), &format!("M{nth}")).as_bytes()).await.unwrap();
    }
    hub.settled("his/adt").await;
    assert_eq!(hub.messages("patient=4707").await.len(), 1);
    assert_eq!(hub.messages("control_id=M7").await[0]["keys"][0]["value"], "4707");
    assert_eq!(hub.messages("type=ADT^A01&limit=5").await.len(), 5);
    assert_eq!(hub.messages("state=committed&channel=his/adt&since=1h").await.len(), 20);
    assert_eq!(hub.messages("until=1h").await.len(), 0);
}

#[tokio::test]
async fn a_message_in_quarantine_is_mended_by_its_mapping_and_replayed() {
    let root = crate::program::copy_of_the_files();
    let code_table = root.path().join("mappings/codes/hl7-0001.toml");
    let right = std::fs::read_to_string(&code_table).unwrap();
    let without_keep: String = right
        .lines()
        .map(|line| {
            if line.starts_with("other") {
                "other = \"quarantine\"\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    std::fs::write(&code_table, without_keep).unwrap();
    let setup = Setup::default().root(root.path());
    let hub = Hub::start(&setup).await;
    let strange = admission("4711", "Q1").replace("|19700101|F", "|19700101|ZZ");
    Line::connect(&hub.channel("his/adt")).await.unwrap().exchange(strange.as_bytes()).await.unwrap();
    hub.settled("his/adt").await;
    let quarantined = hub.messages("state=quarantined").await;
    assert_eq!(quarantined.len(), 1);
    assert!(
        quarantined[0]["fault"]["place"].as_str().unwrap().starts_with("PID-8"),
        "{}",
        quarantined[0]["fault"]
    );
    // The engineer mends the table, and starts the hub with it.
    let mended =
        std::fs::read_to_string(&code_table).unwrap().replace("[codes]", "[codes]\nZZ = \"unknown\"");
    std::fs::write(&code_table, mended).unwrap();
    let hub = Hub::start_in(hub.stop().await, &setup).await;
    let report =
        hub.post("/ops/replay", &json!({ "filter": { "state": "quarantined" }, "limit": 100 })).await;
    assert_eq!(report["replayed"].as_array().unwrap().len(), 1);
    hub.settled("his/adt").await;
    assert_eq!(hub.count("his/adt", "committed").await, 1);
    assert_eq!(hub.count("his/adt", "quarantined").await, 0);
    assert_eq!(hub.get("/fhir/Patient?identifier=4711").await["entry"][0]["resource"]["gender"], "unknown");
}

#[tokio::test]
async fn replaying_what_was_committed_writes_nothing_twice() {
    let hub = Hub::start(&Setup::default()).await;
    Line::connect(&hub.channel("his/adt"))
        .await
        .unwrap()
        .exchange(admission("4711", "R1").as_bytes())
        .await
        .unwrap();
    hub.settled("his/adt").await;
    let id = hub.messages("control_id=R1").await[0]["id"].clone();
    let report = hub.post("/ops/replay", &json!({ "ids": [id] })).await;
    assert_eq!(report["replayed"].as_array().unwrap().len(), 1);
    hub.settled("his/adt").await;
    let message = &hub.messages("control_id=R1").await[0];
    assert_eq!((&message["state"], &message["replays"]), (&json!("committed"), &json!(1)));
    assert_eq!(
        hub.get("/fhir/Patient?identifier=4711").await["entry"][0]["resource"]["meta"]["versionId"],
        "1"
    );
    let status = hub.get("/ops/status").await;
    let feed =
        status["destinations"].as_array().unwrap().iter().find(|d| d["id"] == "his/adt/lis-feed").unwrap();
    assert_eq!(feed["parcels"]["pending"], 1, "the parcel that exists is not owed twice");
}

#[tokio::test]
async fn what_ended_long_ago_is_deleted_by_the_clock_and_what_is_owed_is_kept() {
    let (lis, _) = partners::hl7().await;
    let setup = Setup::default()
        .set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis}"))
        .set("retention.keep_days=0")
        .set("retention.schedule=* * * * * *");
    let hub = Hub::start(&setup).await;
    let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
    line.exchange(admission("4711", "D1").as_bytes()).await.unwrap();
    hub.paid("his/adt/lis-feed").await;
    // Nobody takes the ward's notice: its message stays.
    let critical = fixture("lis/oru-r01/critical-potassium.hl7");
    Line::connect(&hub.channel("lis/oru-r01")).await.unwrap().exchange(&critical).await.unwrap();
    hub.settled("lis/oru-r01").await;
    hub.until(|status| {
        let channels = status["channels"].as_array().unwrap();
        channels.iter().any(|one| one["id"] == "his/adt" && one["messages"]["committed"] == 0)
    })
    .await;
    assert!(hub.messages("control_id=D1").await.is_empty());
    assert_eq!(hub.messages("channel=lis/oru-r01").await.len(), 1);
    assert_eq!(
        hub.get("/fhir/Patient?identifier=4711").await["entry"].as_array().unwrap().len(),
        1,
        "resources stay"
    );
}

#[tokio::test]
async fn the_metrics_count_what_happened() {
    let hub = Hub::start(&Setup::default()).await;
    let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
    for nth in 0..3 {
        line.exchange(admission("4711", &format!("P{nth}")).as_bytes()).await.unwrap();
    }
    hub.settled("his/adt").await;
    let text = reqwest::get(format!("{}/metrics", hub.http())).await.unwrap().text().await.unwrap();
    let line = text
        .lines()
        .find(|line| {
            line.starts_with("huitong_messages_ended_total")
                && line.contains("his/adt")
                && line.contains("committed")
        })
        .unwrap_or_else(|| panic!("{text}"));
    assert!(line.ends_with(" 3"), "{line}");
    for name in [
        "huitong_parcels_stuck",
        "huitong_step_seconds_bucket",
        "huitong_queue_depth",
        "huitong_queue_oldest_seconds",
    ] {
        assert!(text.contains(name), "{name}");
    }
}
