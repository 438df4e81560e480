//! The simulators against the hub: as in `huitong demo`.

use std::process::{Command, Stdio};

use crate::harness::{Hub, Setup, partners};

fn simulator(arguments: &[&str]) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_huitong"))
        .arg("sim")
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn report(child: std::process::Child) -> serde_json::Value {
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stories_of_his_and_lis_end_in_the_store_with_nothing_in_quarantine() {
    let (lis, _) = partners::hl7().await;
    let (ward, notices) = partners::web().await;
    let hub = Hub::start(
        &Setup::default()
            .set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis}"))
            .set(format!("channels.\"lis/oru-r01\".to.ward-notice.url={ward}")),
    )
    .await;
    let adt = hub.channel("his/adt");
    let oru = hub.channel("lis/oru-r01");
    let his =
        simulator(&["his", "--to", &adt, "--count", "150", "--rate", "500", "--control", "127.0.0.1:0"]);
    let results = simulator(&[
        "lis",
        "--to",
        &oru,
        "--count",
        "100",
        "--rate",
        "500",
        "--listen",
        "127.0.0.1:0",
        "--control",
        "127.0.0.1:0",
    ]);
    let (his, results) = (report(his).await, report(results).await);
    assert_eq!((&his["sent"], &his["acked"]), (&150.into(), &150.into()), "{his}");
    assert_eq!((&results["sent"], &results["acked"]), (&100.into(), &100.into()), "{results}");
    for (channel, count) in [("his/adt", 150), ("lis/oru-r01", 100)] {
        hub.settled(channel).await;
        let aside = hub.messages(&format!("state=quarantined&channel={channel}")).await;
        assert!(aside.is_empty(), "{aside:#?}");
        assert_eq!(hub.count(channel, "committed").await, count);
    }
    hub.paid("lis/oru-r01/ward-notice").await;
    assert!(!notices.keys().is_empty(), "there was a critical value among the results");
    let reports = hub.get("/fhir/DiagnosticReport?_include=DiagnosticReport:patient&_include=DiagnosticReport:result&_count=5").await;
    let entries = reports["entry"].as_array().unwrap();
    for kind in ["DiagnosticReport", "Patient", "Observation"] {
        assert!(entries.iter().any(|entry| entry["resource"]["resourceType"] == kind), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_misbehaves_loses_nothing_and_breaks_nothing() {
    let hub = Hub::start(&Setup::default().set("log.level=error")).await;
    for fault in ["slow", "drop-after-receive", "duplicate", "garbage", "half-frame", "two-in-one", "lf"] {
        let adt = hub.channel("his/adt");
        let arguments = [
            "his",
            "--to",
            &adt,
            "--count",
            "20",
            "--rate",
            "200",
            "--control",
            "127.0.0.1:0",
            "--fault",
            fault,
        ];
        let his = report(simulator(&arguments)).await;
        assert_eq!(his["acked"], his["sent"], "{fault}: {his}");
        hub.settled("his/adt").await;
        let aside = hub.messages("state=quarantined").await;
        assert!(aside.is_empty(), "{fault}: {aside:#?}");
    }
}
