//! What goes wrong by order: each fault, each code.

use std::time::{Duration as Pause, Instant};

use super::*;

/// How long a test waits for an answer that comes, and for one that does not.
const PATIENCE: Pause = Pause::from_secs(20);
const IMPATIENCE: Pause = Pause::from_secs(1);

async fn armed(name: &str) -> Desk {
    let desk = Desk::open().await;
    let fault = json!({ "name": name, "function": "H303", "times": 1 });
    assert_eq!(desk.control("fault", fault).await.0, 204);
    desk
}

/// A lock under a fault: what came back within the time, and under which TransSeq it was asked.
async fn lock_under(desk: &Desk, patience: Pause) -> (Option<Option<(u16, Vec<u8>)>>, String) {
    let (slot, _) = desk.free().await;
    let seq = desk.seq();
    let body = format!("<SlotId>{slot}</SlotId><PatientId>{ANNA}</PatientId>");
    let text = desk.soap(&seq, "H303", &body);
    (tokio::time::timeout(patience, desk.post_soap(&text)).await.ok(), seq)
}

async fn became(desk: &Desk, seq: &str) -> String {
    desk.ask("H506", &format!("<TransSeq>{seq}</TransSeq>")).await.get("Status").to_owned()
}

#[tokio::test]
async fn silent_and_dropped_calls_were_done_and_a_call_not_done_was_not() {
    for (name, patience, status) in [
        ("silent", IMPATIENCE, "S"),
        ("drop-after-receive", PATIENCE, "S"),
        ("not-done-timeout", IMPATIENCE, "N"),
    ] {
        let desk = armed(name).await;
        let (answer, seq) = lock_under(&desk, patience).await;
        // A connection that is closed comes back, and empty.
        assert_eq!(answer.is_some(), patience == PATIENCE, "{name}");
        assert!(answer.flatten().is_none(), "{name}");
        assert_eq!(became(&desk, &seq).await, status, "{name}");
        let calls = desk.list("calls").await;
        let calls = calls.as_array().unwrap();
        let [.., lock, query] = &calls[..] else { panic!("{name}: too few calls") };
        assert_eq!((&lock["transSeq"], &lock["fault"]), (&json!(seq), &json!(name)));
        assert_eq!(lock["code"], if status == "S" { json!("0") } else { Value::Null });
        assert_eq!((&query["function"], &query["fault"]), (&json!("H506"), &Value::Null));
        assert_eq!(desk.close().await.faults, 1);
    }
}

#[tokio::test]
async fn a_call_may_be_done_after_the_caller_has_asked_what_became_of_it() {
    let desk = Desk::with(ServiceSettings { slow_secs: 2.0, ..settings() }).await;
    desk.control("fault", json!({ "name": "done-late", "function": "H303" })).await;
    let (answer, seq) = lock_under(&desk, IMPATIENCE).await;
    assert!(answer.is_none());
    assert_eq!(became(&desk, &seq).await, "N");
    let begun = Instant::now();
    while became(&desk, &seq).await == "N" {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Pause::from_millis(50)).await;
    }
    assert_eq!(became(&desk, &seq).await, "S");
    desk.close().await;
}

#[tokio::test]
async fn answers_are_late_forged_garbled_or_in_the_wrong_character_set() {
    let desk = armed("slow").await;
    let begun = Instant::now();
    assert_eq!(lock_under(&desk, PATIENCE).await.0.unwrap().unwrap().0, 200);
    assert!(begun.elapsed() >= Pause::from_millis(200));
    desk.close().await;

    let desk = armed("garbage").await;
    let (_, bytes) = lock_under(&desk, PATIENCE).await.0.unwrap().unwrap();
    assert!(Element::read(&String::from_utf8_lossy(&bytes)).is_err());
    desk.close().await;

    let desk = armed("wrong-charset").await;
    desk.control("force", json!({ "function": "H303", "code": "3001" })).await;
    let (_, bytes) = lock_under(&desk, PATIENCE).await.0.unwrap().unwrap();
    assert!(std::str::from_utf8(&bytes).is_err());
    desk.close().await;

    let desk = armed("wrong-signature").await;
    let (answer, seq) = lock_under(&desk, PATIENCE).await;
    let text = String::from_utf8(answer.unwrap().unwrap().1).unwrap();
    let result = soap::result_of(&text).unwrap();
    let root = Element::read(&result).ok().unwrap();
    let inner = root.child("Body").unwrap().inner(&result);
    let signed = format!("H303|{seq}|2026-03-02 07:00:00|{inner}|his-simulator");
    assert_ne!(root.child("Head").unwrap().get("Sign"), Hash::Sm3.of(signed.as_bytes()));
    desk.close().await;
}

#[tokio::test]
async fn every_code_of_the_profile_can_be_raised() {
    let desk = Desk::open().await;
    for (code, _) in codes::CODES {
        let force = json!({ "function": "H101", "code": code, "times": 1 });
        assert_eq!(desk.control("force", force).await.0, 204, "{code}");
        assert_eq!(desk.ask("H101", "").await.code(), code);
    }
    assert_eq!(desk.ask("H101", "").await.code(), "0");
    assert_eq!(desk.control("force", json!({ "code": "4711" })).await.0, 422);
    desk.close().await;
}

#[tokio::test]
async fn a_forced_code_may_hide_what_was_done() {
    let desk = Desk::open().await;
    let (slot, _) = desk.free().await;
    desk.control("force", json!({ "function": "H303", "code": "9999", "done": true })).await;
    assert_eq!(desk.lock(&slot, ANNA).await.code(), "9999");
    assert_eq!(desk.list("locks").await.as_array().unwrap().len(), 1);
    let (slot, _) = desk.free().await;
    desk.control("force", json!({ "function": "H303", "code": "9999" })).await;
    assert_eq!(desk.lock(&slot, BEN).await.code(), "9999");
    assert_eq!(desk.list("locks").await.as_array().unwrap().len(), 1);
    desk.close().await;
}

#[tokio::test]
async fn a_function_answers_as_late_as_it_is_told() {
    let desk = Desk::open().await;
    desk.control("latency", json!({ "function": "H101", "millis": 150 })).await;
    let begun = Instant::now();
    desk.ask("H101", "").await;
    assert!(begun.elapsed() >= Pause::from_millis(150));
    desk.close().await;
}

#[tokio::test]
async fn a_hospital_with_a_file_is_the_same_one_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let kept = ServiceSettings { state: Some(folder.path().join("his.json")), ..settings() };
    let desk = Desk::with(kept.clone()).await;
    let (slot, session) = desk.free().await;
    let reg_no = desk.book(&slot, ANNA).await;
    desk.control("session", json!({ "act": "stop", "scheduleId": session.get("ScheduleId") })).await;
    desk.control("clock", json!({ "at": "2026-03-02 09:00:00" })).await;
    desk.close().await;

    let desk = Desk::with(kept).await;
    assert_eq!(desk.list("status").await["now"], "2026-03-02 09:00:00");
    assert_eq!(desk.list("registrations").await[0]["regNo"], *reg_no);
    assert_eq!(desk.lock(&slot, BEN).await.code(), "3004");
    // After a reset nothing has happened.
    desk.control("reset", json!({})).await;
    assert_eq!(desk.list("registrations").await, json!([]));
    assert_eq!(desk.lock(&slot, BEN).await.code(), "0");
    desk.close().await;
}
