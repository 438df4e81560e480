//! Notices: MSG, and BK-13 in the patient's language.

use time::Duration;

use crate::desk::Desk;
use crate::partner::Answer;

/// A patient with a phone, who likes a language best.
async fn reachable(desk: &Desk, person: u64, language: &str, phone: &str) {
    let reference = format!("Patient/r-p{person}");
    let more = format!(
        r#"{{"telecom":[{{"system":"phone","value":"{phone}"}}],
        "communication":[{{"language":{{"coding":[{{"code":"{language}"}}]}},"preferred":true}}]}}"#
    );
    let more = hub_fhir::json::parse(&more).unwrap();
    desk.change(&reference, |tree| {
        for name in ["telecom", "communication"] {
            tree.set(name, more.get(name).unwrap().clone());
        }
    })
    .await;
}

async fn communications(desk: &Desk) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for one in desk.find("Communication", &[("_count", "100")]).await {
        let way = desk.text(&one, &["medium", "0", "coding", "0", "code"]).await;
        all.push((way, desk.text(&one, &["status"]).await));
    }
    all.sort();
    all
}

#[tokio::test]
async fn msg_3_a_patient_is_told_in_his_language_and_bk_13_of_what_happened() {
    let desk = Desk::open().await;
    for (person, tag, phone, language, to) in [
        (0, "zh-HK", "+852 6123 4567", "zh-Hant", "+85261234567"),
        (1, "en-GB", "13800138000", "en", "+8613800138000"),
    ] {
        reachable(&desk, person, tag, phone).await;
        desk.booked(person, person).await;
        let asked = desk.answer("notice-send", Answer::done(&[("state", "accepted")])).await;
        let told = |name: &str| asked.inputs[name].as_str();
        assert_eq!((told("template"), told("language"), told("to")), ("booking-confirmed", language, to));
        assert_eq!(told("time").contains("月"), language != "en", "{}", told("time"));
        assert!(!told("place").is_empty());
    }
    assert_eq!(
        communications(&desk).await,
        [("sms".to_owned(), "completed".to_owned()), ("sms".to_owned(), "completed".to_owned())]
    );
}

#[tokio::test]
async fn msg_3_without_a_language_it_is_the_simplified_script() {
    let desk = Desk::open().await;
    reachable(&desk, 0, "tlh", "+8613800138000").await;
    desk.booked(0, 0).await;
    let asked = desk.answer("notice-send", Answer::done(&[("state", "accepted")])).await;
    assert_eq!(asked.inputs["language"], "zh-Hans");
}

#[tokio::test]
async fn msg_4_a_notice_is_sent_once_and_by_the_next_way_when_one_fails() {
    let desk = Desk::open().await;
    reachable(&desk, 0, "en", "+85261234567").await;
    desk.change("Patient/r-p0", |tree| {
        hub_workflows::fhir::set_number(tree, hub_workflows::sending::OPENID, "o1234567890123456789012345ab");
    })
    .await;
    desk.booked(0, 0).await;
    // WeChat first; he has not agreed to it there.
    let asked = desk
        .answer("notice-send", Answer::done(&[("state", "refused"), ("code", "RECIPIENT_DECLINED")]))
        .await;
    assert_eq!(asked.inputs["to"], "o1234567890123456789012345ab");
    let asked = desk.answer("notice-send", Answer::done(&[("state", "accepted")])).await;
    assert_eq!(asked.inputs["to"], "+85261234567");
    assert_eq!(
        communications(&desk).await,
        [("sms".to_owned(), "completed".to_owned()), ("wechat".to_owned(), "not-done".to_owned())]
    );
    // Due once more: nothing is sent twice.
    for request in desk.find("CommunicationRequest", &[("_count", "10")]).await {
        desk.raise("notice.due", &request).await;
    }
    assert!(!desk.is_asked("notice-send").await);
}

#[tokio::test]
async fn msg_4_what_may_have_been_sent_is_not_sent_by_another_way() {
    let desk = Desk::open().await;
    reachable(&desk, 0, "en", "+85261234567").await;
    desk.change("Patient/r-p0", |tree| {
        hub_workflows::fhir::set_number(tree, hub_workflows::sending::OPENID, "o1234567890123456789012345ab");
    })
    .await;
    desk.booked(0, 0).await;
    desk.no_answer("notice-send").await;
    assert!(!desk.is_asked("notice-send").await);
    assert_eq!(communications(&desk).await, [("wechat".to_owned(), "unknown".to_owned())]);
}

#[tokio::test]
async fn msg_4_a_text_that_the_gateway_reports_as_lost_is_told_and_nobody_is_left_out() {
    let desk = Desk::open().await;
    reachable(&desk, 0, "en", "+85261234567").await;
    desk.booked(0, 0).await;
    desk.answer("notice-send", Answer::done(&[("state", "accepted")])).await;
    let sent = desk.find("Communication", &[("_count", "10")]).await;
    desk.change(&sent[0], |tree| tree.set("status", "not-done")).await;
    desk.raise("notice.reported", &sent[0]).await;
    // There is no other way: it stands in the app.
    let request = desk.find("CommunicationRequest", &[("_count", "10")]).await;
    assert_eq!(desk.text(&request[0], &["status"]).await, "on-hold");
}

#[tokio::test]
async fn msg_5_what_can_wait_is_not_told_at_night() {
    let desk = Desk::open().await;
    reachable(&desk, 0, "en", "+85261234567").await;
    let (appointment, _) = desk.booked(0, 0).await;
    desk.answer("notice-send", Answer::done(&[("state", "accepted")])).await;
    // Eleven at night in Beijing.
    let midnight = hub_workflows::calendar::begins(hub_workflows::calendar::day(desk.now()));
    desk.later(midnight + Duration::hours(23) - desk.now());
    desk.raise("visit.remind", &appointment).await;
    assert!(!desk.is_asked("notice-send").await);
    desk.passes(Duration::hours(8)).await;
    assert!(!desk.is_asked("notice-send").await, "seven in the morning");
    desk.passes(Duration::hours(1)).await;
    let asked = desk.answer("notice-send", Answer::done(&[("state", "accepted")])).await;
    assert_eq!(asked.inputs["template"], "booking-reminder");
}

#[tokio::test]
async fn msg_6_no_text_holds_a_diagnosis_or_a_name() {
    let desk = Desk::open().await;
    reachable(&desk, 0, "en", "+85261234567").await;
    desk.change("Patient/r-p0", |tree| {
        tree.set("name", vec![hub_fhir::Json::from(hub_fhir::tree! { "text" => "Chan Tai Man" })]);
    })
    .await;
    desk.booked(0, 0).await;
    let asked = desk.answer("notice-send", Answer::done(&[("state", "accepted")])).await;
    let names: Vec<&str> = asked.inputs.keys().map(String::as_str).collect();
    assert_eq!(names, ["language", "place", "ref", "template", "time", "to"]);
    assert!(asked.inputs.values().all(|value| !value.contains("Chan")));
}
