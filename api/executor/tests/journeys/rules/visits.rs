//! What happens to visits that are booked: BK-4 (doctor stops, no-show) and BK-13.

use hub_fhir::{Json, tree};
use time::Duration;

use crate::desk::Desk;
use crate::partner::Answer;

/// The roster of a session is written anew, as the HIS's channel does.
async fn roster(desk: &Desk, n: u64, change: impl FnOnce(&mut hub_fhir::Object)) {
    let schedule = format!("Schedule/r-sch{n}");
    desk.change(&schedule, change).await;
    desk.raise("schedule.changed", &schedule).await;
}

#[tokio::test]
async fn bk_4_when_the_doctor_stops_the_patient_is_told_and_refunded_a_day_later() {
    let desk = Desk::open().await;
    let (appointment, _) = desk.booked(0, 0).await;
    roster(&desk, 0, |schedule| schedule.set("active", Json::Bool(false))).await;
    assert_eq!(desk.state(&appointment).await, "needs-action");
    assert_eq!(desk.told(0).await, ["booking-confirmed", "booking-stopped"]); // BK-13
    // Told once more by the HIS, nothing happens twice.
    desk.raise("schedule.changed", "Schedule/r-sch0").await;
    assert_eq!(desk.told(0).await.len(), 2);
    desk.passes(Duration::hours(23)).await;
    assert_eq!(desk.state(&appointment).await, "needs-action");
    desk.passes(Duration::hours(2)).await;
    assert_eq!(desk.state(&appointment).await, "refunding");
    desk.answer("payment-refund", Answer::done(&[("state", "SUCCESS")])).await;
    assert_eq!(desk.state(&appointment).await, "refunded");
    assert_eq!(desk.text("Slot/r-slot0", &["status"]).await, "busy-unavailable");
}

#[tokio::test]
async fn bk_4_a_hold_of_a_session_that_stops_is_let_go_and_its_order_closed() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    desk.order(&appointment).await;
    roster(&desk, 0, |schedule| schedule.set("active", Json::Bool(false))).await;
    assert_eq!(desk.state(&appointment).await, "releasing");
    desk.answer("payment-query", Answer::done(&[("state", "CREATED")])).await;
    desk.answer("payment-close", Answer::done(&[("state", "CLOSED")])).await;
    assert_eq!(desk.state(&appointment).await, "released");
    assert_eq!(
        desk.text(&appointment, &["cancelationReason", "coding", "0", "code"]).await,
        "DOCTOR_STOPPED"
    );
}

#[tokio::test]
async fn bk_13_another_doctor_another_room_and_another_time_are_told_at_once() {
    let desk = Desk::open().await;
    let (appointment, _) = desk.booked(0, 0).await;
    let actors = |doctor: &str, room: &str| {
        vec![Json::from(tree! { "reference" => doctor }), Json::from(tree! { "reference" => room })]
    };
    let come = actors("Practitioner/r-d0", "Location/a");
    roster(&desk, 0, |schedule| schedule.set("actor", come)).await;
    assert_eq!(desk.told(0).await, ["booking-confirmed", "booking-room"]);
    let come = actors("Practitioner/other", "Location/a");
    roster(&desk, 0, |schedule| schedule.set("actor", come)).await;
    assert_eq!(desk.told(0).await, ["booking-confirmed", "booking-room", "booking-substituted"]);
    let visit = desk.read(&appointment).await;
    let with: Vec<&str> = visit
        .get("participant")
        .unwrap()
        .items()
        .iter()
        .map(|one| one.at(&["actor", "reference"]).and_then(Json::as_str).unwrap())
        .collect();
    assert_eq!(with, ["Patient/r-p0", "Practitioner/other", "Location/a"]);
    let later = hub_workflows::fhir::instant(desk.now() + Duration::hours(50));
    let moved = later.clone();
    desk.change("Slot/r-slot0", |slot| slot.set("start", moved)).await;
    desk.raise("schedule.changed", "Schedule/r-sch0").await;
    assert_eq!(desk.text(&appointment, &["start"]).await, later);
    assert_eq!(desk.told(0).await.len(), 4);
    // Back in the first room: it is told again.
    let come = actors("Practitioner/other", "Location/b");
    roster(&desk, 0, |schedule| schedule.set("actor", come)).await;
    assert_eq!(desk.told(0).await.iter().filter(|event| *event == "booking-room").count(), 2);
    assert_eq!(desk.state(&appointment).await, "booked");
}

#[tokio::test]
async fn bk_13_the_day_before_the_patient_is_reminded_once() {
    let desk = Desk::open().await;
    let (appointment, _) = desk.booked(0, 0).await;
    desk.passes(Duration::hours(23)).await;
    assert_eq!(desk.told(0).await, ["booking-confirmed"]);
    desk.passes(Duration::hours(2)).await;
    assert_eq!(desk.told(0).await, ["booking-confirmed", "booking-reminder"]);
    desk.raise("visit.remind", &appointment).await;
    assert_eq!(desk.told(0).await.len(), 2);
}

#[tokio::test]
async fn bk_13_who_has_cancelled_is_not_reminded() {
    let desk = Desk::open().await;
    let (appointment, _) = desk.booked(0, 0).await;
    desk.give(&desk.ask(desk.patient(), "cancel", Some(&appointment), Vec::new())).await.unwrap();
    desk.answer("register-check", Answer::done(&[("RefundAllowed", "1")])).await;
    desk.answer("register-cancel", Answer::done(&[])).await;
    desk.passes(Duration::hours(30)).await;
    assert!(!desk.told(0).await.contains(&"booking-reminder".to_owned()));
}

#[tokio::test]
async fn bk_4_who_comes_is_arrived_then_seen() {
    let desk = Desk::open().await;
    let (appointment, _) = desk.booked(0, 0).await;
    desk.passes(Duration::hours(49)).await;
    let asked = desk.answer("visit-query", Answer::done(&[("RegStatus", "2")])).await;
    assert_eq!(asked.inputs["registration"], "R0");
    assert_eq!(desk.state(&appointment).await, "arrived");
    assert_eq!(desk.text(&appointment, &["status"]).await, "arrived");
    desk.passes(Duration::hours(1)).await;
    desk.answer("visit-query", Answer::done(&[("RegStatus", "3")])).await;
    assert_eq!(desk.state(&appointment).await, "fulfilled");
    desk.passes(Duration::hours(2)).await;
    assert!(!desk.is_asked("visit-query").await, "what is over is not asked about");
}

#[tokio::test]
async fn bk_4_who_has_not_come_by_the_end_of_the_session_has_not_come() {
    let desk = Desk::open().await;
    // The session has a later slot.
    let later = hub_workflows::fhir::instant(desk.now() + Duration::hours(50));
    desk.put(&format!(
        r#"{{"resourceType":"Slot","id":"last","schedule":{{"reference":"Schedule/r-sch0"}},"status":"free","start":"{later}","end":"{later}"}}"#
    ))
    .await;
    let (appointment, _) = desk.booked(0, 0).await;
    desk.passes(Duration::hours(49)).await;
    desk.answer("visit-query", Answer::done(&[("RegStatus", "1")])).await;
    assert_eq!(desk.state(&appointment).await, "booked", "the session goes on");
    desk.passes(Duration::hours(2)).await;
    // No answer: it is asked again.
    desk.no_answer("visit-query").await;
    desk.passes(Duration::minutes(6)).await;
    desk.answer("visit-query", Answer::done(&[("RegStatus", "1")])).await;
    assert_eq!(desk.state(&appointment).await, "no-show");
    assert_eq!(desk.text(&appointment, &["status"]).await, "noshow");
}
