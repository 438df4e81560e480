//! Notices to the simulated WeChat, by mini program and official account: what is sent, what is refused, and what goes wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use std::net::SocketAddr;

use connector_notify::sim::wechat::{Report, Sim, SimSettings};
use connector_notify::wechat::Wechat;
use hub_core::destination::{Asked, DeliveryError, Destination};
use hub_core::registry::{BuildError, DestinationKind};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use town::{Keys, Scripted, booked, class, control, parcel, put};

const KINDS: [&str; 2] = ["mini-program", "official"];
const OPENID: &str = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o";

fn settings(kind: &str, url: &str) -> Value {
    let (prefix, date, page) = match kind {
        "official" => ("tmpl", "time2", "https://hospital.example/visits"),
        _ => ("sub", "date2", "pages/visits"),
    };
    json!({
        "kind": kind, "endpoint": { "url": url, "timeout_secs": 1 }, "app_id": SimSettings::default().app_id,
        "app_secret": "app-secret",
        "templates": {
            "booking-confirmed": { "zh-Hans": {
                "id": format!("{prefix}-booking-confirmed"), "fields": { date: "time", "thing3": "place" }, "page": page,
            } },
            "refund-done": { "zh-Hans": { "id": "not-approved", "fields": { "amount2": "amount" } } },
        },
    })
}

fn build(settings: Value) -> Result<Box<dyn Destination>, BuildError> {
    Wechat::build(serde_json::from_value(settings).unwrap(), &Keys)
}

struct Town {
    destination: Box<dyn Destination>,
    wechat: SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<Report>,
}

impl Town {
    async fn new(kind: &str) -> Self {
        let settings =
            SimSettings { listen: "127.0.0.1:0".to_owned(), slow_secs: 0.3, ..SimSettings::default() };
        let sim = Sim::bind(settings).await.unwrap();
        let wechat = sim.address();
        let destination = build(self::settings(kind, &format!("http://{wechat}"))).unwrap();
        let (stop, stopped) = watch::channel(false);
        Self { destination, wechat, stop, running: tokio::spawn(sim.run(stopped)) }
    }

    async fn put(&self, notice: &Value) -> Result<Value, DeliveryError> {
        put(self.destination.as_ref(), notice).await
    }

    async fn control(&self, request: &str, order: Value) -> Value {
        control(self.wechat, request, order).await
    }

    async fn fault(&self, order: Value) {
        self.control("POST /__sim/fault", order).await;
    }

    async fn texts(&self) -> Vec<String> {
        let sent = self.control(&format!("GET /__sim/messages?openid={OPENID}"), json!({})).await;
        sent.as_array().unwrap().iter().map(|sent| sent["text"].as_str().unwrap().to_owned()).collect()
    }

    async fn end(self) -> Report {
        self.stop.send(true).unwrap();
        self.running.await.unwrap()
    }
}

#[tokio::test]
async fn a_notice_becomes_the_card_of_its_template() {
    for kind in KINDS {
        let town = Town::new(kind).await;
        let told = town.put(&booked(OPENID, "n1")).await.unwrap();
        assert_eq!((&told["ref"], &told["state"]), (&json!("n1"), &json!("accepted")), "{kind}");
        assert_eq!(told["partnerId"].is_string(), kind == "official", "{kind}");
        assert_eq!(town.texts().await, ["就诊时间：2026年3月2日 08:30\n就诊地点：门诊三楼东区"], "{kind}");
        let report = town.end().await;
        assert_eq!((report.received, report.invalid), (1, 0), "{kind}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_anew_when_it_is_over() {
    let town = Town::new("mini-program").await;
    for (reference, advance, requests) in [("n1", 0, 1), ("n2", 0, 2), ("n3", 7201, 4), ("n4", 0, 5)] {
        town.control("POST /__sim/clock", json!({ "advanceSecs": advance })).await;
        town.put(&booked(OPENID, reference)).await.unwrap();
        let status = town.control("GET /__sim/status", json!({})).await;
        // One more where the old token was over: 42001, another, and again.
        assert_eq!(status["report"]["received"], requests, "{reference}");
    }
    assert_eq!(town.texts().await.len(), 4);
    assert_eq!(town.end().await.invalid, 0);
}

/// The bytes on the wire: the secret stands in a body, the token is forced where WeChat says it is none (40001).
#[tokio::test]
async fn a_token_that_is_none_is_forced_once() {
    let token = |text: &str| format!(r#"{{"access_token":"{text}","expires_in":7200}}"#);
    let (first, second) = (token("first-1"), token("second_2"));
    let none = r#"{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest"}"#;
    let answers = [
        (200, first.as_str()),
        (200, none),
        (200, second.as_str()),
        (200, r#"{"errcode":0,"errmsg":"ok"}"#),
        (200, none),
        (200, second.as_str()),
        (200, none),
    ];
    let partner = Scripted::new(&answers).await;
    let destination = build(settings("mini-program", &partner.url())).unwrap();
    let told = put(destination.as_ref(), &booked(OPENID, "n1")).await.unwrap();
    assert_eq!(told["state"], "accepted");
    // And where that is none either, it is tried later and not for ever.
    assert_eq!(class(&put(destination.as_ref(), &booked(OPENID, "n2")).await), "later");
    let requests: Vec<String> =
        partner.requests().await.into_iter().map(|request| String::from_utf8(request).unwrap()).collect();
    let lines: Vec<&str> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(lines[0], "POST /cgi-bin/stable_token HTTP/1.1");
    assert_eq!(lines[1], "POST /cgi-bin/message/subscribe/send?access_token=first-1 HTTP/1.1");
    assert_eq!(lines[3], "POST /cgi-bin/message/subscribe/send?access_token=second_2 HTTP/1.1");
    let body =
        |request: &str| -> Value { serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap() };
    let sim = SimSettings::default();
    let mut asked = json!({
        "grant_type": "client_credential", "appid": sim.app_id, "secret": sim.app_secret, "force_refresh": false,
    });
    assert_eq!(body(&requests[0]), asked);
    asked["force_refresh"] = true.into();
    assert_eq!(body(&requests[2]), asked);
    let message = json!({
        "touser": OPENID, "template_id": "sub-booking-confirmed", "page": "pages/visits", "miniprogram_state": "formal",
        "lang": "zh_CN",
        "data": { "date2": { "value": "2026年3月2日 08:30" }, "thing3": { "value": "门诊三楼东区" } },
    });
    assert_eq!(body(&requests[3]), message);
}

#[tokio::test]
async fn notices_at_once_fetch_one_token() {
    let town = Town::new("mini-program").await;
    let put = |number: u32| {
        let notice = booked(OPENID, &format!("n{number}"));
        let destination = town.destination.as_ref();
        async move { put(destination, &notice).await.unwrap() }
    };
    tokio::join!(put(1), put(2), put(3));
    // The simulator numbers tokens and messages together: one token, then three messages.
    let sent = town.control("GET /__sim/messages", json!({})).await;
    let mut last: Vec<char> = sent
        .as_array()
        .unwrap()
        .iter()
        .map(|sent| sent["partnerId"].as_str().unwrap().chars().last().unwrap())
        .collect();
    last.sort_unstable();
    assert_eq!(last, ['2', '3', '4']);
}

#[tokio::test]
async fn who_has_not_consented_is_told_and_not_tried_again() {
    for kind in KINDS {
        let town = Town::new(kind).await;
        town.control("POST /__sim/decline", json!({ "openid": OPENID })).await;
        for (to, code) in [(OPENID, "RECIPIENT_DECLINED"), ("nobody", "RECIPIENT_UNKNOWN")] {
            let told = town.put(&booked(to, "n1")).await.unwrap();
            assert_eq!((&told["state"], &told["code"]), (&json!("refused"), &json!(code)), "{kind}");
        }
        let mut late = booked(OPENID, "n1");
        late["expireAt"] = "2026-03-02T08:00:00+08:00".into();
        assert_eq!(town.put(&late).await.unwrap()["code"], "EXPIRED", "{kind}");
        assert!(town.texts().await.is_empty(), "{kind}");
        assert_eq!(town.end().await.invalid, 0, "{kind}");
    }
}

#[tokio::test]
async fn a_code_of_wechat_decides_what_becomes_of_a_notice() {
    for (code, expected) in [
        ("45009", "later"),
        ("45011", "later"),
        ("-1", "later"),
        ("43101", "answered"),
        ("87014", "answered"),
        ("41030", "never"),
        ("47003", "never"),
        ("48001", "never"),
    ] {
        let town = Town::new("mini-program").await;
        town.fault(json!({ "name": "forced-code", "code": code })).await;
        let told = town.put(&booked(OPENID, "n1")).await;
        assert_eq!(class(&told), expected, "{code}");
        assert!(town.texts().await.is_empty(), "{code}");
    }
    let town = Town::new("mini-program").await;
    town.fault(json!({ "name": "limit" })).await;
    assert_eq!(class(&town.put(&booked(OPENID, "n1")).await), "later");
    town.fault(json!({ "name": "slow" })).await;
    assert_eq!(class(&town.put(&booked(OPENID, "n1")).await), "answered");
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_in_doubt_and_cannot_be_asked() {
    for fault in ["silent", "garbage"] {
        let town = Town::new("mini-program").await;
        town.fault(json!({ "name": fault })).await;
        let told = town.put(&booked(OPENID, "n1")).await;
        assert_eq!(class(&told), "in doubt", "{fault}");
        let reason = told.unwrap_err().to_string();
        assert!(!reason.contains("token=") && !reason.contains(OPENID), "{reason}");
        let asked = town.destination.ask(&parcel(&booked(OPENID, "n1"))).await.unwrap();
        assert!(matches!(asked, Asked::CannotTell), "{fault}");
        assert_eq!(town.texts().await.len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn an_official_account_sends_the_same_number_once_in_ten_minutes() {
    let town = Town::new("official").await;
    let first = town.put(&booked(OPENID, "n1")).await.unwrap();
    assert_eq!(town.put(&booked(OPENID, "n1")).await.unwrap(), first);
    assert_eq!(town.texts().await.len(), 1);
    assert_eq!(town.end().await.invalid, 0);
}

/// MSG-1, MSG-2: nothing is sent that does not fit, and the reason holds no value.
#[tokio::test]
async fn a_notice_that_does_not_fill_its_template_is_never_sent() {
    let town = Town::new("mini-program").await;
    for (params, word) in [
        (json!({ "time": "t" }), "`place` of the template `booking-confirmed` has no value"),
        (json!({ "time": "t", "place": "p", "more": "张三" }), "has not all variables"),
        (json!({ "time": "t", "place": "张三".repeat(11) }), "has more than 20 characters"),
    ] {
        let mut notice = booked(OPENID, "n1");
        notice["params"] = params;
        let told = town.put(&notice).await;
        assert_eq!(class(&told), "never", "{word}");
        let reason = told.unwrap_err().to_string();
        assert!(reason.contains(word) && !reason.contains("张三"), "{reason}");
    }
    let status = town.control("GET /__sim/status", json!({})).await;
    assert_eq!(status["report"]["received"], 0);
}

#[tokio::test]
async fn what_wechat_has_not_approved_is_never_sent_and_is_noted() {
    let town = Town::new("mini-program").await;
    let mut notice = booked(OPENID, "n1");
    notice["params"]["time"] = "下周一".into();
    assert_eq!(class(&town.put(&notice).await), "never");
    let refund = json!({
        "to": OPENID, "template": "refund-done", "language": "zh-Hans", "ref": "n2", "params": { "amount": "5.00元" },
    });
    assert_eq!(class(&town.put(&refund).await), "never");
    let mut other = settings("mini-program", &format!("http://{}", town.wechat));
    other["app_secret"] = "other".into();
    let told = put(build(other).unwrap().as_ref(), &booked(OPENID, "n3")).await;
    assert_eq!(class(&told), "never");
    assert!(told.unwrap_err().to_string().contains("40125"));
    let status = town.control("GET /__sim/status", json!({})).await;
    let expected = [
        "a field holds what its kind may not",
        "the template is not approved for this way",
        "the request for a token is not the hospital's",
    ];
    assert_eq!(status["problems"], json!(expected));
}

#[tokio::test]
async fn a_wechat_that_is_not_there_gets_it_later() {
    let town = Town::new("mini-program").await;
    let destination = build(settings("mini-program", &format!("http://{}", town.wechat))).unwrap();
    assert!(destination.check().await.is_ok());
    town.end().await;
    assert_eq!(class(&put(destination.as_ref(), &booked(OPENID, "n1")).await), "later");
    assert!(destination.check().await.is_err());
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let with = |key: &str, value: Value| {
        let mut settings = settings("official", "https://api.weixin.qq.com");
        settings[key] = value;
        build(settings).err()
    };
    assert!(matches!(with("connections", json!(0)), Some(BuildError::Settings { .. })));
    assert!(matches!(with("endpoint", json!({ "url": "https://a/b" })), Some(BuildError::Settings { .. })));
    assert!(matches!(
        with("endpoint", json!({ "url": "https://a", "timeout_secs": 0 })),
        Some(BuildError::Settings { .. })
    ));
    assert_eq!(with("app_secret", json!("not-set")), Some(BuildError::Secret { name: "not-set".to_owned() }));
}
