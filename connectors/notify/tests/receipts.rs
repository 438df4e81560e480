//! Reports of the simulated SMS gateway and of others: each reaches the hub once, and is acknowledged when it is safe.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use connector_notify::receipts::SmsReceipts;
use connector_notify::sim::sms::{Report, Sim, SimSettings};
use connector_notify::sms::Sms;
use hub_connect::battery::RecordingDoor;
use hub_core::destination::Destination;
use hub_core::registry::{BuildError, DestinationKind, SourceKind};
use hub_core::source::{Acknowledge, Refusal};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use town::{Keys, ask, booked, control, put};

const STYLES: [&str; 2] = ["acs3", "tc3"];
const PHONE: &str = "+8613800000001";

struct Town {
    door: Arc<RecordingDoor>,
    hub: SocketAddr,
    gateway: SocketAddr,
    destination: Box<dyn Destination>,
    stop: watch::Sender<bool>,
    running: JoinHandle<Report>,
}

impl Town {
    async fn new(style: &str) -> Self {
        let config = json!({ "style": style, "listen": "127.0.0.1:0", "path": "/receipts", "word": "word" });
        let mut source = SmsReceipts::build(serde_json::from_value(config).unwrap(), &Keys).unwrap();
        let hub = source.bind().await.unwrap().unwrap();
        let callback = Some(format!("http://{hub}/receipts/h7Gq2"));
        let settings = SimSettings {
            listen: "127.0.0.1:0".to_owned(),
            start: Some("20260302080000".to_owned()),
            frozen: true,
            per_minute: 0,
            acs3_callback: callback.clone(),
            tc3_callback: callback,
            way_secs: 0.0,
            ladder_speed: 10_000.0,
            ..SimSettings::default()
        };
        let sign_name = settings.sign_name.clone();
        let app_id = if style == "tc3" { settings.app_id.clone() } else { String::new() };
        let sim = Sim::bind(settings).await.unwrap();
        let gateway = sim.address();
        let code = if style == "tc3" { "1011" } else { "SMS_1011" };
        let config = json!({
            "style": style, "endpoint": { "url": format!("http://{gateway}") }, "key_id": "sms-key-id", "key": "sms-key",
            "sign_name": sign_name, "app_id": app_id,
            "templates": { "booking-confirmed": { "zh-Hans": { "code": code, "params": ["time", "place"] } } },
        });
        let destination = Sms::build(serde_json::from_value(config).unwrap(), &Keys).unwrap();
        let door = RecordingDoor::new(Acknowledge::OnReceived);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(source.run(door.intake(), stopped.clone()));
        Self { door, hub, gateway, destination, stop, running: tokio::spawn(sim.run(stopped)) }
    }

    async fn send(&self, reference: &str) -> Value {
        put(self.destination.as_ref(), &booked(PHONE, reference)).await.unwrap()
    }

    async fn fault(&self, name: &str) {
        control(self.gateway, "POST /__sim/fault", json!({ "name": name })).await;
    }

    /// Waits until the gateway has counted so many of these.
    async fn counted(&self, what: &str, count: u64) {
        for _ in 0..400 {
            let status = control(self.gateway, "GET /__sim/status", json!({})).await;
            if status["report"][what].as_u64() >= Some(count) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("`{what}` did not come to {count}");
    }

    fn reports(&self) -> Vec<Value> {
        self.door.accepted().iter().map(|inbound| serde_json::from_slice(&inbound.bytes).unwrap()).collect()
    }

    async fn push(&self, request: &str, body: &str) -> (u16, String) {
        ask(self.hub, &format!("{request} HTTP/1.0\r\nContent-Type: application/json"), body).await
    }

    async fn end(self) -> Report {
        self.stop.send(true).unwrap();
        self.running.await.unwrap()
    }
}

#[tokio::test]
async fn a_report_says_what_became_of_a_notice() {
    for style in STYLES {
        let town = Town::new(style).await;
        let first = town.send("n1").await;
        town.counted("acked", 1).await;
        town.fault("failed-receipt").await;
        let second = town.send("n2").await;
        town.counted("acked", 2).await;
        let mut delivered = json!({
            "ref": "n1", "partnerId": first["partnerId"], "state": "delivered", "code": "DELIVERED",
            "at": "2026-03-02T08:00:00+08:00",
        });
        let mut failed = json!({
            "ref": "n2", "partnerId": second["partnerId"], "state": "failed", "code": "UNDELIV",
            "at": "2026-03-02T08:00:00+08:00",
        });
        if style == "tc3" {
            // It does not tell our number: its own must do.
            delivered["code"] = "DELIVRD".into();
            for report in [&mut delivered, &mut failed] {
                report.as_object_mut().unwrap().remove("ref");
            }
        }
        assert_eq!(town.reports(), [delivered, failed], "{style}");
        let inbound = town.door.accepted().remove(0);
        assert_eq!(inbound.label.message_type.as_deref(), Some("receipt"), "{style}");
        assert!(inbound.dedupe.as_str().ends_with("/delivered"), "{style}");
        assert!(
            !inbound.bytes.windows(11).any(|bytes| bytes == b"13800000001"),
            "{style}: the number is no business of it"
        );
        assert_eq!(town.end().await.invalid, 0, "{style}");
    }
}

#[tokio::test]
async fn a_report_told_twice_is_one_message() {
    for style in STYLES {
        let town = Town::new(style).await;
        town.fault("duplicate-receipt").await;
        town.send("n1").await;
        town.counted("resent", 1).await;
        assert_eq!(town.reports().len(), 1, "{style}");
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_kept_comes_again() {
    for style in STYLES {
        let town = Town::new(style).await;
        town.door.refuse_next(Refusal::Busy);
        town.door.refuse_next(Refusal::Busy);
        town.send("n1").await;
        town.counted("acked", 1).await;
        assert_eq!(town.reports().len(), 1, "{style}");
        let report = town.end().await;
        assert_eq!((report.resent, report.nacked), (2, 2), "{style}");
    }
}

#[tokio::test]
async fn a_report_that_is_lost_never_comes_and_one_that_is_refused_too_often_stops() {
    for style in STYLES {
        let town = Town::new(style).await;
        town.fault("lost-receipt").await;
        town.send("n1").await;
        town.counted("faults", 1).await;
        for _ in 0..4 {
            town.door.refuse_next(Refusal::Busy);
        }
        town.send("n2").await;
        town.counted("unanswered", 1).await;
        assert!(town.reports().is_empty(), "{style}");
        assert_eq!(town.end().await.sent, 1, "{style}");
    }
}

#[tokio::test]
async fn who_wants_no_texts_is_reported_by_the_carrier() {
    let town = Town::new("acs3").await;
    control(town.gateway, "POST /__sim/decline", json!({ "phone": PHONE })).await;
    assert_eq!(town.send("n1").await["state"], "accepted");
    town.counted("acked", 1).await;
    let report = town.reports().remove(0);
    assert_eq!((&report["state"], &report["code"]), (&json!("failed"), &json!("MOBILE_IN_BLACK")));
}

/// The examples of the vendors' pages, several reports in one push.
#[tokio::test]
async fn a_push_of_several_reports_is_as_many_messages_and_one_answer() {
    let town = Town::new("acs3").await;
    let report = |id: u32, success: bool| {
        json!({
            "phone_number": "1381111****", "send_time": "2017-01-01 00:00:00", "report_time": "2017-01-01 00:00:05",
            "success": success, "err_code": "DELIVERED", "err_msg": "用户接收成功", "sms_size": "1",
            "biz_id": id.to_string(), "out_id": "67890",
        })
    };
    let body = json!([report(1, true), report(2, false)]).to_string();
    let path = "POST /receipts/h7Gq2";
    assert_eq!(town.push(path, &body).await, (200, r#"{"code":0,"msg":"OK"}"#.to_owned()));
    let states: Vec<Value> = town.reports().iter().map(|report| report["state"].clone()).collect();
    assert_eq!(states, ["delivered", "failed"]);
    assert_eq!(town.reports()[0]["at"], "2017-01-01T00:00:05+08:00");

    let town = Town::new("tc3").await;
    let body = r#"[{"user_receive_time": "2015-10-17 08:03:04","nationcode": "86","mobile": "13xxxxxxxxx","report_status": "SUCCESS","errmsg": "DELIVRD","description": "用户短信送达成功","sid": "xxxxxxx"}]"#;
    assert_eq!(town.push(path, body).await, (200, r#"{"errmsg":"OK","result":0}"#.to_owned()));
    town.door.refuse_next(Refusal::Busy);
    let body = body.replace("xxxxxxx\"}", "yyyyyyy\"}");
    assert_eq!(town.push(path, &body).await, (200, r#"{"errmsg":"again","result":1}"#.to_owned()));
    assert_eq!(town.push(path, &body).await.1, r#"{"errmsg":"OK","result":0}"#);
    assert_eq!(town.reports().len(), 2);
}

#[tokio::test]
async fn what_is_no_report_or_at_another_address_is_refused() {
    for (style, word) in [("acs3", r#""code":1"#), ("tc3", r#""result":1"#)] {
        let town = Town::new(style).await;
        for body in ["", "{}", "[{}]", "[5]", "\u{fffd}"] {
            let (status, said) = town.push("POST /receipts/h7Gq2", body).await;
            assert_eq!((status, said.contains(word)), (400, true), "{style} {body}");
        }
        for path in ["POST /receipts", "POST /receipts/", "POST /receipts/other", "POST /"] {
            assert_eq!(town.push(path, "[]").await.0, 404, "{style} {path}");
        }
        assert_eq!(town.push("GET /receipts/h7Gq2", "").await.0, 405, "{style}");
        assert!(town.reports().is_empty(), "{style}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_by_their_key() {
    for (key, value) in [("path", json!("receipts")), ("max_connections", json!(0))] {
        let mut config = json!({ "style": "acs3", "listen": "127.0.0.1:0" });
        config[key] = value;
        let error = SmsReceipts::build(serde_json::from_value(config).unwrap(), &Keys).err();
        assert!(
            matches!(&error, Some(BuildError::Settings { key: Some(found), .. }) if found == key),
            "{key}"
        );
    }
    let config = json!({ "style": "acs3", "listen": "127.0.0.1:0", "word": "not-set" });
    let error = SmsReceipts::build(serde_json::from_value(config).unwrap(), &Keys).err();
    assert_eq!(error, Some(BuildError::Secret { name: "not-set".to_owned() }));
}
