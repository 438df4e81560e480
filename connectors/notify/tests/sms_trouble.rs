//! The simulated SMS gateway when something goes wrong, what is asked afterwards, and what goes over the wire.

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use connector_notify::sim::sms::SimSettings;
use hub_core::destination::Asked;
use serde_json::{Value, json};
use town::sms::{PHONE, STYLES, Town, build, settings};
use town::{Scripted, booked, class, exchange, put};

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
            town.reported().await;
            let Asked::Arrived(delivered) = town.ask(&booked(PHONE, "n1")).await else {
                panic!("{style} {fault}: it was sent");
            };
            let told: Value = serde_json::from_slice(&delivered.answer.unwrap()).unwrap();
            assert_eq!((&told["ref"], &told["state"]), (&json!("n1"), &json!("accepted")), "{style}");
            let sent = town.control("GET /__sim/messages", json!({})).await;
            // The list of the style `acs3` does not tell the gateway's number.
            let expected = if style == "tc3" { sent[0]["partnerId"].clone() } else { Value::Null };
            assert_eq!(told["partnerId"], expected, "{style}");
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
async fn an_answer_that_is_not_the_gateways_is_judged_by_its_status() {
    for style in STYLES {
        for (status, expected) in [
            (200, "in doubt"),
            (500, "in doubt"),
            (504, "in doubt"),
            (502, "later"),
            (503, "later"),
            (429, "later"),
            (404, "never"),
        ] {
            let partner = Scripted::new(&[(status, "<html>a proxy</html>")]).await;
            let destination = build(settings(style, &partner.url())).unwrap();
            let told = put(destination.as_ref(), &booked(PHONE, "n1")).await;
            assert_eq!(class(&told), expected, "{style} {status}");
        }
    }
}

#[tokio::test]
async fn a_list_that_never_ends_says_nothing() {
    let details = vec![r#"{"OutId":"other","BizId":"1"}"#; 50].join(",");
    let page = format!(r#"{{"Code":"OK","SmsSendDetailDTOs":{{"SmsSendDetailDTO":[{details}]}}}}"#);
    let partner = Scripted::new(&[(200, page.as_str()); 20]).await;
    let destination = build(settings("acs3", &partner.url())).unwrap();
    let asked = destination.ask(&town::parcel(&booked(PHONE, "n1"))).await.unwrap();
    assert!(matches!(asked, Asked::CannotTell));
    assert_eq!(partner.requests().await.len(), 20);
}
