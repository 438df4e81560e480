//! Notices to the simulated SMS gateway, in both styles: what is sent, and what is refused.

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use connector_notify::sim::sms::SimSettings;
use hub_core::destination::{Asked, DeliveryError};
use hub_core::registry::{BuildError, Registry};
use serde_json::{Value, json};
use town::sms::{ABROAD, PHONE, STYLES, Town, build, settings};
use town::{booked, class, put};

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
        town.reported().await;
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

#[test]
fn channel_files_know_the_connectors_by_name() {
    let mut registry = Registry::default();
    connector_notify::register(&mut registry);
    assert!(registry.check_destination("sms", settings("acs3", "https://dysmsapi.aliyuncs.com")).is_ok());
    let mut more = settings("acs3", "https://dysmsapi.aliyuncs.com");
    more.insert("colour".to_owned(), "red".into());
    assert!(registry.check_destination("sms", more).is_err());
    for (kind, format) in [("sms", Some("json")), ("wechat", Some("json"))] {
        assert_eq!(registry.destination_format(kind), format, "{kind}");
    }
    let receipts = toml::from_str("style = 'tc3'\nlisten = '127.0.0.1:2598'").unwrap();
    assert_eq!(registry.check_source("sms-receipts", receipts).unwrap(), ["127.0.0.1:2598"]);
}
