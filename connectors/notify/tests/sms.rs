//! Notices to the simulated SMS gateway, in both styles: what is sent, what is refused, and what goes wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use std::net::SocketAddr;
use std::time::Duration;

use connector_notify::sim::sms::{Report, Sim, SimSettings};
use connector_notify::sms::{Sms, SmsConfig};
use hub_core::destination::{Asked, DeliveryError, Destination};
use hub_core::registry::{BuildError, DestinationKind};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use town::{Keys, Scripted, booked, class, control, exchange, parcel, put};

const STYLES: [&str; 2] = ["acs3", "tc3"];
const PHONE: &str = "+8613800000001";
const ABROAD: &str = "+85251234567";

/// The settings of a destination, as a channel file has them.
fn settings(style: &str, url: &str) -> toml::Table {
    let sim = SimSettings::default();
    let app_id =
        if style == "tc3" { format!("app_id = '{}'\nsender = 'HUITONG'", sim.app_id) } else { String::new() };
    let code = |number: u32| if style == "tc3" { number.to_string() } else { format!("SMS_{number}") };
    let text = format!(
        "style = '{style}'\nkey_id = 'sms-key-id'\nkey = 'sms-key'\nsign_name = '{}'\n{app_id}\n\
         [endpoint]\nurl = '{url}'\ntimeout_secs = 1\n\
         [templates.sign-in-code.zh-Hans]\ncode = '{}'\nparams = ['code', 'minutes']\nlimits = {{ code = 6 }}\n\
         [templates.booking-confirmed.zh-Hans]\ncode = '{}'\nparams = ['time', 'place']\n\
         [templates.booking-confirmed.en]\ncode = '{}'\noverseas_code = '{}'\nparams = ['time', 'place']\n\
         [templates.refund-done.zh-Hans]\ncode = 'SMS_9999'\nparams = ['amount']\n",
        sim.sign_name,
        code(1001),
        code(1011),
        code(1013),
        code(2013),
    );
    toml::from_str(&text).unwrap()
}

fn build(settings: toml::Table) -> Result<Box<dyn Destination>, BuildError> {
    let config: SmsConfig = settings.try_into().unwrap();
    Sms::build(config, &Keys)
}

struct Town {
    destination: Box<dyn Destination>,
    gateway: SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<Report>,
}

impl Town {
    async fn new(style: &str) -> Self {
        Self::with(style, SimSettings { way_secs: 0.0, ..SimSettings::default() }).await
    }

    async fn with(style: &str, sim: SimSettings) -> Self {
        let sim = Sim::bind(SimSettings { listen: "127.0.0.1:0".to_owned(), ..sim }).await.unwrap();
        let gateway = sim.address();
        let destination = build(settings(style, &format!("http://{gateway}"))).unwrap();
        let (stop, stopped) = watch::channel(false);
        Self { destination, gateway, stop, running: tokio::spawn(sim.run(stopped)) }
    }

    async fn put(&self, notice: &Value) -> Result<Value, DeliveryError> {
        put(self.destination.as_ref(), notice).await
    }

    async fn ask(&self, notice: &Value) -> Asked {
        self.destination.ask(&parcel(notice)).await.unwrap()
    }

    async fn control(&self, request: &str, order: Value) -> Value {
        control(self.gateway, request, order).await
    }

    async fn fault(&self, order: Value) {
        self.control("POST /__sim/fault", order).await;
    }

    async fn texts(&self, phone: &str) -> Vec<String> {
        let sent = self.control(&format!("GET /__sim/messages?phone={phone}"), json!({})).await;
        sent.as_array().unwrap().iter().map(|sent| sent["text"].as_str().unwrap().to_owned()).collect()
    }

    async fn problems(&self) -> Value {
        self.control("GET /__sim/status", json!({})).await["problems"].clone()
    }

    async fn end(self) -> Report {
        self.stop.send(true).unwrap();
        self.running.await.unwrap()
    }
}

#[tokio::test]
async fn a_notice_becomes_the_text_of_its_template() {
    for style in STYLES {
        let town = Town::new(style).await;
        let notice = json!({
            "to": PHONE, "template": "sign-in-code", "language": "zh-Hans", "ref": "n1",
            "params": { "minutes": "5", "code": "048213" },
        });
        let told = town.put(&notice).await.unwrap();
        assert_eq!(
            (&told["ref"], &told["state"], &told["code"]),
            (&json!("n1"), &json!("accepted"), &Value::Null)
        );
        assert!(told["partnerId"].as_str().is_some_and(|id| !id.is_empty()), "{style}");
        let text = "【汇通国际医疗】您的验证码是048213，5分钟内有效，请勿告诉他人。";
        assert_eq!(town.texts(PHONE).await, [text], "{style}");
        assert_eq!(town.texts("+8613800000002").await, [""; 0], "{style}");
        assert_eq!(town.end().await.invalid, 0, "{style}");
    }
}

#[tokio::test]
async fn a_number_abroad_has_the_template_for_abroad() {
    for style in STYLES {
        let town = Town::new(style).await;
        let mut notice = booked(ABROAD, "n1");
        let told = town.put(&notice).await;
        assert_eq!(class(&told), "never", "{style}");
        assert!(told.unwrap_err().to_string().contains("has no `overseas_code`"), "{style}");
        notice["language"] = "en".into();
        town.put(&notice).await.unwrap();
        assert!(town.texts(ABROAD).await[0].contains("Your visit is booked"), "{style}");
        // Without its country it could be somebody's in mainland China.
        notice["to"] = "+14155550100".into();
        town.put(&notice).await.unwrap();
        assert_eq!(
            (town.texts("+14155550100").await.len(), town.texts("+8614155550100").await.len()),
            (1, 0),
            "{style}"
        );
        // The question of the style `tc3` must wait for the report.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(matches!(town.ask(&notice).await, Asked::Arrived(_)), "{style}");
        let report = town.end().await;
        assert_eq!((report.received, report.invalid), (3, 0), "{style}");
    }
}

/// MSG-1, MSG-2: nothing is sent that is not whole, and the reason holds no value.
#[tokio::test]
async fn a_notice_that_does_not_fill_its_template_is_never_sent() {
    for style in STYLES {
        let town = Town::new(style).await;
        let changes: [(&str, Value, &str); 8] = [
            ("template", json!("张三"), "not in the table"),
            ("language", json!("张三"), "`booking-confirmed` is not there in the notice's `language`"),
            ("params", json!({ "time": "张三" }), "`place` of the template `booking-confirmed` has no value"),
            ("params", json!({ "time": "t", "place": "p", "张三": "" }), "has not all variables"),
            (
                "params",
                json!({ "time": "t", "place": "null" }),
                "`place` of the template `booking-confirmed` was left open",
            ),
            ("params", json!({ "time": "t", "place": "张三".repeat(18) }), "has more than 35 characters"),
            ("params", json!({ "time": 5 }), "the parcel is no notice"),
            ("ref", json!(""), "`ref` is not 1 to 256 characters"),
        ];
        for (member, value, word) in changes {
            let mut notice = booked(PHONE, "n1");
            notice[member] = value;
            let told = town.put(&notice).await;
            assert_eq!(class(&told), "never", "{style} {word}");
            let reason = told.unwrap_err().to_string();
            assert!(
                reason.contains(word) && !reason.contains("张三") && !reason.contains(PHONE),
                "{style} {reason}"
            );
        }
        assert_eq!(town.end().await.received, 0, "{style}");
    }
}

#[tokio::test]
async fn who_cannot_have_it_is_told_and_not_tried_again() {
    for style in STYLES {
        let town = Town::new(style).await;
        for (to, code) in [
            ("13800000001", "RECIPIENT_UNKNOWN"),
            ("+8612345", "RECIPIENT_UNKNOWN"),
            ("+862112345678", "RECIPIENT_UNKNOWN"),
        ] {
            let told = town.put(&booked(to, "n1")).await.unwrap();
            assert_eq!((&told["state"], &told["code"]), (&json!("refused"), &json!(code)), "{style} {to}");
        }
        let mut late = booked(PHONE, "n1");
        late["expireAt"] = "2026-03-02T08:00:00+08:00".into();
        assert_eq!(town.put(&late).await.unwrap()["code"], "EXPIRED", "{style}");
        assert!(town.texts(PHONE).await.is_empty(), "{style}");
        town.control("POST /__sim/decline", json!({ "phone": PHONE })).await;
        let told = town.put(&booked(PHONE, "n2")).await.unwrap();
        // At the style `acs3` it is the carrier who refuses, by a report.
        let expected = if style == "tc3" { json!("RECIPIENT_DECLINED") } else { Value::Null };
        assert_eq!(told["code"], expected, "{style}");
        assert_eq!(town.end().await.invalid, 0, "{style}");
    }
}

/// One in a minute, five in an hour, ten on a day (section 18).
#[tokio::test]
async fn too_many_to_one_number_come_later() {
    for (style, minute) in [("acs3", 60), ("tc3", 30)] {
        let start = Some("20260302080000".to_owned());
        let town = Town::with(style, SimSettings { start, frozen: true, ..SimSettings::default() }).await;
        let after = async |reference: &str| match town.put(&booked(PHONE, reference)).await {
            Ok(_) => 0,
            Err(DeliveryError::Later { after, .. }) => after.unwrap().as_secs(),
            Err(error) => panic!("{error}"),
        };
        let advance = async |secs: i64| {
            town.control("POST /__sim/clock", json!({ "advanceSecs": secs })).await;
        };
        assert_eq!((after("n1").await, after("n2").await), (0, minute), "{style}");
        assert_eq!(town.put(&booked("+8613800000002", "n3")).await.unwrap()["state"], "accepted", "{style}");
        for _ in 2..=5 {
            advance(60).await;
            assert_eq!(after("n4").await, 0, "{style}");
        }
        advance(60).await;
        assert_eq!(after("n5").await, 3600, "{style}");
        advance(3600).await;
        for _ in 6..=10 {
            assert_eq!(after("n6").await, 0, "{style}");
            advance(600).await;
        }
        advance(3600).await;
        assert_eq!(after("n7").await, 86_400, "{style}");
        town.control("POST /__sim/clock", json!({ "at": "2026-03-03 00:00:00" })).await;
        assert_eq!(after("n8").await, 0, "{style}");
        assert_eq!(town.end().await.invalid, 0, "{style}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_never_right_and_is_noted() {
    for style in STYLES {
        let town = Town::new(style).await;
        for (name, value) in [("key", "other"), ("key_id", "other")] {
            let mut settings = settings(style, &format!("http://{}", town.gateway));
            settings.insert(name.to_owned(), value.into());
            let destination = build(settings).unwrap();
            let told = put(destination.as_ref(), &booked(PHONE, "n1")).await;
            assert_eq!(class(&told), "never", "{style} {name}");
            let word = if style == "acs3" { "SignatureDoesNotMatch" } else { "AuthFailure.SignatureFailure" };
            assert!(told.unwrap_err().to_string().contains(word), "{style}");
        }
        assert_eq!(town.problems().await, json!(vec!["the signature or its key is wrong"; 2]), "{style}");
        assert!(town.texts(PHONE).await.is_empty(), "{style}");
    }
}

#[tokio::test]
async fn what_the_gateway_has_not_approved_is_never_sent_and_is_noted() {
    for style in STYLES {
        let town = Town::new(style).await;
        let mut notice = booked(PHONE, "n1");
        notice["template"] = "refund-done".into();
        notice["params"] = json!({ "amount": "500.00" });
        assert_eq!(class(&town.put(&notice).await), "never", "{style}");
        let mut settings = settings(style, &format!("http://{}", town.gateway));
        settings.insert("sign_name".to_owned(), "别家医院".into());
        let destination = build(settings).unwrap();
        assert_eq!(class(&put(destination.as_ref(), &booked(PHONE, "n2")).await), "never", "{style}");
        let expected =
            ["the template is not approved for such a number", "the signature of texts is not approved"];
        assert_eq!(town.problems().await, json!(expected), "{style}");
    }
}

#[tokio::test]
async fn a_code_of_the_gateway_decides_what_becomes_of_a_notice() {
    for (style, code, expected) in [
        ("acs3", "Throttling.User", "later"),
        ("acs3", "ServiceUnavailable", "later"),
        ("acs3", "isv.DAY_LIMIT_CONTROL", "later"),
        ("acs3", "isp.SYSTEM_ERROR", "in doubt"),
        ("acs3", "isv.AMOUNT_NOT_ENOUGH", "never"),
        ("acs3", "isv.SMS_CONTENT_ILLEGAL", "answered"),
        ("tc3", "RequestLimitExceeded", "later"),
        ("tc3", "LimitExceeded.DeliveryFrequencyLimit", "later"),
        ("tc3", "InternalError.Timeout", "in doubt"),
        ("tc3", "InternalError.SigVerificationFail", "never"),
        ("tc3", "FailedOperation.InsufficientBalanceInSmsPackage", "never"),
        ("tc3", "FailedOperation.ContainSensitiveWord", "answered"),
    ] {
        let town = Town::new(style).await;
        town.fault(json!({ "name": "forced-code", "code": code })).await;
        let told = town.put(&booked(PHONE, "n1")).await;
        assert_eq!(class(&told), expected, "{style} {code}");
        match told {
            Ok(told) => assert_eq!(told["code"], "CONTENT_REFUSED", "{style}"),
            Err(error) => assert!(error.to_string().contains(code), "{style} {error}"),
        }
        assert!(town.texts(PHONE).await.is_empty(), "{style} {code}");
        town.fault(json!({ "name": "limit" })).await;
        assert_eq!(class(&town.put(&booked(PHONE, "n1")).await), "later", "{style}");
        town.put(&booked(PHONE, "n1")).await.unwrap();
        assert_eq!(town.end().await.faults, 2, "{style}");
    }
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    for style in STYLES {
        let town = Town::with(style, SimSettings { slow_secs: 0.3, ..SimSettings::default() }).await;
        town.fault(json!({ "name": "slow" })).await;
        assert_eq!(town.put(&booked(PHONE, "n1")).await.unwrap()["state"], "accepted", "{style}");
    }
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_asked_for_by_our_number() {
    for style in STYLES {
        for fault in ["silent", "garbage"] {
            let town = Town::new(style).await;
            town.fault(json!({ "name": fault })).await;
            assert_eq!(class(&town.put(&booked(PHONE, "n1")).await), "in doubt", "{style} {fault}");
            assert_eq!(town.texts(PHONE).await.len(), 1, "{style} {fault}");
            // Reports of the style `tc3` are what its question lists.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let Asked::Arrived(delivered) = town.ask(&booked(PHONE, "n1")).await else {
                panic!("{style} {fault}: it was sent");
            };
            let told: Value = serde_json::from_slice(&delivered.answer.unwrap()).unwrap();
            assert_eq!((&told["ref"], &told["state"]), (&json!("n1"), &json!("accepted")), "{style}");
            let sent = town.control("GET /__sim/messages", json!({})).await;
            assert_eq!(told["partnerId"], sent[0]["partnerId"], "{style}");
            assert_eq!(town.end().await.invalid, 0, "{style}");
        }
    }
}

#[tokio::test]
async fn what_the_gateway_does_not_list_may_be_sent_again_where_its_list_is_whole() {
    for style in STYLES {
        let town = Town::new(style).await;
        town.put(&booked(PHONE, "n1")).await.unwrap();
        let asked = town.ask(&booked(PHONE, "n2")).await;
        match style {
            "acs3" => assert!(matches!(asked, Asked::NotArrived)),
            // It lists only what was reported: silence proves nothing.
            _ => assert!(matches!(asked, Asked::CannotTell)),
        }
        assert_eq!(town.end().await.invalid, 0, "{style}");
    }
}

#[tokio::test]
async fn the_list_is_read_to_its_last_page() {
    let settings = SimSettings { per_minute: 0, per_hour: 0, per_day: 0, ..SimSettings::default() };
    let town = Town::with("acs3", settings).await;
    for number in 0..55 {
        town.put(&booked(PHONE, &format!("n{number}"))).await.unwrap();
    }
    assert!(matches!(town.ask(&booked(PHONE, "n0")).await, Asked::Arrived(_)));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_gets_it_later_and_no_reason_names_the_person() {
    for style in STYLES {
        let town = Town::new(style).await;
        let destination = build(settings(style, &format!("http://{}", town.gateway))).unwrap();
        assert!(destination.check().await.is_ok(), "{style}");
        town.end().await;
        let told = put(destination.as_ref(), &booked(PHONE, "n1")).await;
        assert_eq!(class(&told), "later", "{style}");
        let reason = told.unwrap_err().to_string();
        assert!(!reason.contains("138") && !reason.contains('?'), "{style} {reason}");
        assert!(destination.check().await.is_err(), "{style}");
    }
}

/// What goes over the wire, byte for byte but for time, number and signature; and the answers of the vendors' own pages.
#[tokio::test]
async fn requests_are_what_the_vendors_pages_say() {
    let said = r#"{"Message":"OK","RequestId":"873043ac-bcda-44db-9052-2e204c6ed20f","Code":"OK","BizId":"900619746936498440^0"}"#;
    let partner = Scripted::new(&[(200, said)]).await;
    let destination = build(settings("acs3", &partner.url())).unwrap();
    let told = put(destination.as_ref(), &booked(PHONE, "n 1")).await.unwrap();
    assert_eq!(told["partnerId"], "900619746936498440^0");
    let request = String::from_utf8(partner.requests().await.remove(0)).unwrap();
    let line = request.lines().next().unwrap();
    assert_eq!(
        line,
        "POST /?OutId=n%201&PhoneNumbers=13800000001&SignName=%E6%B1%87%E9%80%9A%E5%9B%BD%E9%99%85%E5%8C%BB%E7%96%97\
         &TemplateCode=SMS_1011&TemplateParam=%7B%22place%22%3A%22%E9%97%A8%E8%AF%8A%E4%B8%89%E6%A5%BC%E4%B8%9C%E5%8C%BA%22\
         %2C%22time%22%3A%222026%E5%B9%B43%E6%9C%882%E6%97%A5%2008%3A30%22%7D HTTP/1.1"
    );
    assert!(
        request.contains("x-acs-action: SendSms\r\nx-acs-content-sha256: e3b0c44298fc1c149afbf4c8996fb924")
    );

    let said = r#"{"Response":{"SendStatusSet":[{"SerialNo":"5000:1045710669157053657849499619","PhoneNumber":"+8618511122233","Fee":1,"SessionContext":"test","Code":"Ok","Message":"send success","IsoCode":"CN"}],"RequestId":"a0aabda6-cf91-4f3e-a81f-9198114a2279"}}"#;
    let partner = Scripted::new(&[(200, said)]).await;
    let destination = build(settings("tc3", &partner.url())).unwrap();
    let told = put(destination.as_ref(), &booked(PHONE, "n1")).await.unwrap();
    assert_eq!(told["partnerId"], "5000:1045710669157053657849499619");
    let request = String::from_utf8(partner.requests().await.remove(0)).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST / HTTP/1.1\r\nx-tc-action: SendSms\r\nx-tc-version: 2021-01-11\r\n"),
        "{head}"
    );
    let body: Value = serde_json::from_str(body).unwrap();
    let expected = json!({
        "PhoneNumberSet": [PHONE], "SmsSdkAppId": "1400006666", "SignName": "汇通国际医疗", "TemplateId": "1011",
        "TemplateParamSet": ["2026年3月2日 08:30", "门诊三楼东区"], "SessionContext": "n1",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_simulated_gateway_takes_no_request_twice_and_none_that_was_changed() {
    for (style, found, changed, word) in [
        ("acs3", "13800000001", "13800000002", "SignatureDoesNotMatch"),
        ("tc3", "13800000001", "13800000002", "AuthFailure.SignatureFailure"),
    ] {
        let partner = Scripted::new(&[(200, "{}")]).await;
        let destination = build(settings(style, &partner.url())).unwrap();
        assert_eq!(class(&put(destination.as_ref(), &booked(PHONE, "n1")).await), "in doubt");
        let request = String::from_utf8(partner.requests().await.remove(0)).unwrap();
        let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let town = Town::new(style).await;
        let (_, said) = exchange(town.gateway, request.replace(found, changed).as_bytes()).await;
        assert!(said.contains(word), "{style} {said}");
        let (status, _) = exchange(town.gateway, request.as_bytes()).await;
        assert_eq!((status, town.texts(PHONE).await.len()), (200, 1), "{style}");
        if style == "acs3" {
            let (status, said) = exchange(town.gateway, request.as_bytes()).await;
            assert_eq!((status, said.contains("SignatureNonceUsed")), (400, true));
        }
        let (status, _) = town::ask(town.gateway, "POST / HTTP/1.0", "{}").await;
        assert_eq!(status, 400, "{style}");
        assert!(town.texts("+8613800000002").await.is_empty(), "{style}");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_their_key() {
    for (style, key, value) in [
        ("tc3", "app_id", "".into()),
        ("acs3", "app_id", "1400006666".into()),
        ("acs3", "sender", "HUITONG".into()),
        ("acs3", "sign_name", "".into()),
        ("acs3", "connections", toml::Value::Integer(0)),
    ] {
        let mut settings = settings(style, "http://127.0.0.1:1");
        settings.insert(key.to_owned(), value);
        let error = build(settings).err();
        assert!(
            matches!(&error, Some(BuildError::Settings { key: Some(found), .. }) if found == key),
            "{style} {key}"
        );
    }
    for url in ["ftp://127.0.0.1", "http://127.0.0.1:1/path", "nowhere"] {
        assert!(matches!(build(settings("acs3", url)), Err(BuildError::Settings { .. })), "{url}");
    }
    let mut nothing = settings("acs3", "http://127.0.0.1:1");
    nothing.insert("key".to_owned(), "not-set".into());
    assert_eq!(build(nothing).err(), Some(BuildError::Secret { name: "not-set".to_owned() }));
    let codeless = "[templates.t.en]\nparams = ['a']";
    let limited = "[templates.t.en]\ncode = 'x'\nparams = ['a']\nlimits = { b = 3 }";
    for wrong in [codeless, limited] {
        let mut settings = settings("acs3", "http://127.0.0.1:1");
        settings.extend(toml::from_str::<toml::Table>(wrong).unwrap());
        assert!(matches!(build(settings), Err(BuildError::Settings { .. })), "{wrong}");
    }
}
