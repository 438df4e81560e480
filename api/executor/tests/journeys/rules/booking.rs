//! Outpatient booking: BK, and what of ACC and CON stands before it.

use hub_executor::Outcome;
use hub_fhir::{Json, tree};
use hub_workflows::Policy;
use time::{Duration, OffsetDateTime};

use crate::desk::Desk;
use crate::hospital::FEE;
use crate::partner::Answer;

async fn moved(desk: &Desk, slot: u64, to: OffsetDateTime) {
    let (start, end) =
        (hub_workflows::fhir::instant(to), hub_workflows::fhir::instant(to + Duration::minutes(10)));
    let change = |tree: &mut hub_fhir::Object| {
        tree.set("start", start);
        tree.set("end", end);
    };
    desk.change(&format!("Slot/r-slot{slot}"), change).await;
}

#[tokio::test]
async fn bk_1_the_window_is_fourteen_days_of_the_hospital_today_among_them() {
    let desk = Desk::open().await;
    let midnight = hub_workflows::calendar::begins(hub_workflows::calendar::day(desk.now()));
    moved(&desk, 0, midnight + Duration::days(14)).await;
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "SLOT_NOT_YET");
    moved(&desk, 0, midnight + Duration::days(14) - Duration::minutes(10)).await;
    assert!(desk.give(&desk.hold(0, 0)).await.is_ok());
    let short = Desk::with(Policy { window_days: 1, ..Policy::default() }).await;
    assert_eq!(short.give(&short.hold(0, 0)).await.unwrap_err(), "SLOT_NOT_YET");
}

#[tokio::test]
async fn bk_2_a_slot_closes_half_an_hour_before_it_begins() {
    let desk = Desk::open().await;
    moved(&desk, 0, desk.now() + Duration::minutes(30)).await;
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "SLOT_CLOSED");
    moved(&desk, 0, desk.now() - Duration::minutes(5)).await;
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "SLOT_CLOSED");
    moved(&desk, 0, desk.now() + Duration::minutes(31)).await;
    assert!(desk.give(&desk.hold(0, 0)).await.is_ok());
}

#[tokio::test]
async fn bk_3_the_price_is_the_rosters_and_another_one_that_was_shown_is_refused() {
    let desk = Desk::open().await;
    let shown = |yuan: &str| {
        let mut hold = desk.hold(0, 0);
        let price = tree! { "value" => Json::Number(yuan.into()), "currency" => "CNY" };
        hold.input.push(tree! { "name" => "price", "valueMoney" => price });
        hold
    };
    assert_eq!(desk.give(&shown("400.00")).await.unwrap_err(), "PRICE_CHANGED");
    let hold = shown("500.00");
    assert!(matches!(desk.give(&hold).await.unwrap(), Outcome::Pending { .. }));
    // The HIS names another price at the lock: it is let go and nobody pays.
    desk.answer("slot-lock", Answer::done(&[("LockId", "L9"), ("TotalFee", "520.00")])).await;
    assert_eq!(desk.outcome(&hold).await.unwrap_err(), "PRICE_CHANGED");
    assert_eq!(desk.text("Slot/r-slot0", &["status"]).await, "free");
    assert_eq!(desk.answer("slot-unlock", Answer::done(&[])).await.inputs["lock-id"], "L9");
}

#[tokio::test]
async fn bk_4_held_paid_confirmed_booked() {
    let desk = Desk::open().await;
    let hold = desk.hold(0, 0);
    assert!(matches!(desk.give(&hold).await.unwrap(), Outcome::Pending { .. }));
    let appointment = desk.appointment(&hold);
    assert_eq!(desk.state(&appointment).await, "locking");
    assert_eq!(desk.text("Slot/r-slot0", &["status"]).await, "busy-tentative");
    let asked = desk.answer("slot-lock", Answer::done(&[("LockId", "L1"), ("TotalFee", FEE)])).await;
    assert_eq!((asked.inputs["slot-id"].as_str(), asked.inputs["patient-id"].as_str()), ("r-slot0", "r-a0"));
    assert!(
        matches!(desk.outcome(&hold).await.unwrap(), Outcome::Resource(held) if held.to_string() == appointment)
    );
    assert_eq!(desk.state(&appointment).await, "held");
    let order = desk.order(&appointment).await;
    desk.paid(&order, 50_000, "T1").await;
    assert_eq!(desk.state(&appointment).await, "paid-confirming");
    let asked = desk
        .answer("register-confirm", Answer::done(&[("RegNo", "R1"), ("VisitNo", "V1"), ("SeqNo", "7")]))
        .await;
    assert_eq!((asked.inputs["amount"].as_str(), asked.inputs["trade-no"].as_str()), ("500.00", "T1"));
    assert_eq!(desk.state(&appointment).await, "booked");
    assert_eq!(desk.text(&appointment, &["status"]).await, "booked");
    assert_eq!(desk.text("Slot/r-slot0", &["status"]).await, "busy");
    assert_eq!(desk.told(0).await, ["booking-confirmed"]); // BK-13
}

#[tokio::test]
async fn bk_4_what_the_his_refuses_after_payment_is_refunded_whole() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let order = desk.order(&appointment).await;
    desk.paid(&order, 50_000, "T1").await;
    desk.answer("register-confirm", Answer::refused("3004")).await;
    assert_eq!(desk.state(&appointment).await, "refunding");
    let asked = desk.answer("payment-refund", Answer::done(&[("state", "SUCCESS")])).await;
    assert_eq!(
        (asked.inputs["order-no"].as_str(), asked.inputs["refund-fen"].as_str()),
        (order.as_str(), "50000")
    );
    assert_eq!(desk.state(&appointment).await, "refunded");
    assert_eq!(desk.told(0).await, ["booking-failed", "refund-done"]);
}

#[tokio::test]
async fn bk_4_without_an_answer_the_his_is_asked_and_never_told_twice() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let order = desk.order(&appointment).await;
    desk.paid(&order, 50_000, "T1").await;
    desk.no_answer("register-confirm").await;
    assert_eq!(desk.state(&appointment).await, "paid-confirming");
    assert!(!desk.is_asked("register-confirm").await, "it is not sent again");
    assert_eq!(desk.alarms().await, ["unconfirmed"]);
    // No answer to the question either: it is asked again.
    desk.no_answer("register-query").await;
    desk.later(Duration::seconds(31));
    desk.events().await;
    desk.answer("register-query", Answer::done(&[("RegNo", "R1")])).await;
    assert_eq!(desk.state(&appointment).await, "booked");
    assert!(desk.alarms().await.is_empty());
}

#[tokio::test]
async fn bk_4_what_is_not_paid_in_time_is_let_go_everywhere() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    desk.order(&appointment).await;
    desk.later(Duration::minutes(15));
    desk.events().await;
    assert_eq!(desk.state(&appointment).await, "releasing");
    desk.answer("payment-query", Answer::done(&[("state", "NOTPAY")])).await;
    desk.answer("payment-close", Answer::done(&[("state", "CLOSED")])).await;
    assert_eq!(desk.state(&appointment).await, "released");
    assert_eq!(desk.text("Slot/r-slot0", &["status"]).await, "free");
    assert_eq!(desk.answer("slot-unlock", Answer::done(&[])).await.inputs["lock-id"], "L1");
    assert_eq!(reason(&desk, &appointment).await, "HOLD_EXPIRED");
}

/// Why a visit has ended.
async fn reason(desk: &Desk, appointment: &str) -> String {
    let tree = desk.read(appointment).await;
    let codings = tree.get("cancelationReason").and_then(|reason| reason.get("coding"));
    let first = codings.map(Json::items).unwrap_or_default().first();
    first.and_then(|coding| coding.get("code")?.as_str()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn bk_8_a_hold_that_its_patient_lets_go_says_so_and_one_that_is_paid_in_that_moment_is_booked() {
    let desk = Desk::open().await;
    let gone = desk.held(0, 0).await;
    desk.give(&desk.ask(desk.patient(), "cancel", Some(&gone), Vec::new())).await.unwrap();
    desk.events().await;
    assert_eq!(desk.state(&gone).await, "released");
    assert_eq!(reason(&desk, &gone).await, "CANCELLED");

    let paid = desk.held(1, 0).await;
    let order = desk.order(&paid).await;
    desk.give(&desk.ask(desk.patient(), "cancel", Some(&paid), Vec::new())).await.unwrap();
    assert_eq!(reason(&desk, &paid).await, "CANCELLED");
    desk.paid(&order, 50_000, "T1").await;
    desk.answer("register-confirm", Answer::done(&[("RegNo", "R1")])).await;
    assert_eq!((desk.state(&paid).await.as_str(), reason(&desk, &paid).await.as_str()), ("booked", ""));
}

#[tokio::test]
async fn bk_5_the_banks_order_ends_a_minute_before_the_hold() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let pay = desk.pay(&appointment);
    desk.give(&pay).await.unwrap();
    let asked = desk.answer("payment-create", Answer::done(&[("state", "CREATED")])).await;
    let ends = hub_workflows::fhir::moment(Some(&asked.inputs["expire-at"])).unwrap();
    assert_eq!(ends, desk.now() + Duration::minutes(15) - Duration::seconds(60));
    desk.later(Duration::minutes(14));
    assert_eq!(desk.give(&desk.pay(&appointment)).await.unwrap_err(), "HOLD_EXPIRED");
}

async fn released(desk: &Desk) -> (String, String) {
    let appointment = desk.held(0, 0).await;
    let order = desk.order(&appointment).await;
    desk.later(Duration::minutes(15));
    desk.events().await;
    desk.answer("payment-query", Answer::done(&[("state", "NOTPAY")])).await;
    desk.answer("payment-close", Answer::done(&[("state", "CLOSED")])).await;
    assert_eq!(desk.state(&appointment).await, "released");
    desk.answer("slot-unlock", Answer::done(&[])).await;
    (appointment, order)
}

#[tokio::test]
async fn bk_5_late_money_gets_the_same_slot_or_goes_back() {
    // The slot is still there.
    let desk = Desk::open().await;
    let (appointment, _) = released(&desk).await;
    reopen(&desk, &appointment).await;
    assert_eq!(desk.state(&appointment).await, "relocking");
    desk.answer("slot-relock", Answer::done(&[("LockId", "L2"), ("TotalFee", FEE)])).await;
    let asked = desk.answer("register-confirm", Answer::done(&[("RegNo", "R1")])).await;
    assert_eq!(asked.inputs["lock-id"], "L2");
    assert_eq!(desk.state(&appointment).await, "booked");

    // The HIS has given it to somebody else.
    let desk = Desk::open().await;
    let (appointment, _) = released(&desk).await;
    reopen(&desk, &appointment).await;
    desk.answer("slot-relock", Answer::refused("3001")).await;
    desk.answer("payment-refund", Answer::done(&[("state", "SUCCESS")])).await;
    assert_eq!(desk.state(&appointment).await, "refunded");

    // Here somebody else holds it.
    let desk = Desk::open().await;
    let (appointment, _) = released(&desk).await;
    let other = desk.held(0, 1).await;
    reopen(&desk, &appointment).await;
    assert!(!desk.is_asked("slot-relock").await);
    desk.answer("payment-refund", Answer::done(&[("state", "SUCCESS")])).await;
    assert_eq!(
        (desk.state(&appointment).await.as_str(), desk.state(&other).await.as_str()),
        ("refunded", "held")
    );
}

/// The bank tells of a payment that it had not told of when it closed the order.
async fn reopen(desk: &Desk, appointment: &str) {
    let invoice = desk.text(appointment, &["supportingInformation", "0", "reference"]).await;
    let orders = desk.find("Task", &[("focus", &invoice), ("code", "payment")]).await;
    let order = desk.text(&orders[0], &["identifier", "0", "value"]).await;
    desk.paid(&order, 50_000, "T-late").await;
}

#[tokio::test]
async fn bk_5_a_lock_that_ended_in_the_last_moment_is_asked_for_once_more() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let order = desk.order(&appointment).await;
    desk.paid(&order, 50_000, "T1").await;
    desk.answer("register-confirm", Answer::refused("3003")).await;
    desk.answer("slot-relock", Answer::done(&[("LockId", "L2"), ("TotalFee", FEE)])).await;
    desk.answer("register-confirm", Answer::refused("3003")).await;
    assert_eq!(desk.state(&appointment).await, "refunding", "not a third time");
}

#[tokio::test]
async fn bk_6_visits_that_are_in_the_way_of_each_other_are_refused() {
    let desk = Desk::open().await;
    desk.held(0, 0).await;
    // Slots 0 and 1 are at the same time, with two doctors.
    assert_eq!(desk.give(&desk.hold(1, 0)).await.unwrap_err(), "OVERLAP");
    assert!(desk.give(&desk.hold(1, 1)).await.is_ok(), "another person may");
    // Slot 2 is an hour later: with the same doctor it is the same half-day.
    let doctor = tree! { "reference" => "Practitioner/r-d0" };
    desk.change("Schedule/r-sch2", |tree| tree.set("actor", vec![Json::Object(doctor)])).await;
    assert_eq!(desk.give(&desk.hold(2, 0)).await.unwrap_err(), "SAME_DOCTOR");
    // With others two a day are allowed, and not three.
    assert!(desk.give(&desk.hold(3, 0)).await.is_ok());
    moved(&desk, 2, desk.now() + Duration::hours(52)).await;
    assert_eq!(desk.give(&desk.hold(2, 0)).await.unwrap_err(), "DAY_LIMIT");
}

#[tokio::test]
async fn bk_6_four_visits_within_seven_days() {
    let desk = Desk::with(Policy { per_week: 2, ..Policy::default() }).await;
    moved(&desk, 0, desk.now() + Duration::days(2)).await;
    moved(&desk, 1, desk.now() + Duration::days(5)).await;
    moved(&desk, 2, desk.now() + Duration::days(9)).await;
    moved(&desk, 3, desk.now() + Duration::days(4)).await;
    desk.give(&desk.hold(0, 0)).await.unwrap();
    desk.give(&desk.hold(1, 0)).await.unwrap();
    assert_eq!(desk.give(&desk.hold(3, 0)).await.unwrap_err(), "WEEK_LIMIT");
    assert_eq!(
        desk.give(&desk.hold(2, 0)).await.map(drop),
        Ok(()),
        "of days 2, 5 and 9 no three are within seven"
    );
    moved(&desk, 3, desk.now() + Duration::days(10)).await;
    assert_eq!(desk.give(&desk.hold(3, 0)).await.unwrap_err(), "WEEK_LIMIT");
}

#[tokio::test]
async fn bk_7_of_a_hundred_holds_on_one_slot_one_comes_through() {
    let desk = Desk::open().await;
    let holds: Vec<_> = (0..100).map(|n| desk.hold(0, n % 3)).collect();
    let came = futures_util::future::join_all(holds.iter().map(|hold| desk.give(hold))).await;
    assert_eq!(came.iter().filter(|came| came.is_ok()).count(), 1);
    assert!(came.iter().all(|came| matches!(came, Ok(_) | Err("SLOT_TAKEN"))), "{came:?}");
}

#[tokio::test]
async fn bk_8_a_patient_cancels_until_a_day_before_and_is_refunded() {
    let desk = Desk::open().await;
    let (appointment, _) = desk.booked(0, 0).await;
    let cancel = desk.ask(desk.patient(), "cancel", Some(&appointment), Vec::new());
    assert!(matches!(desk.give(&cancel).await.unwrap(), Outcome::Pending { .. }));
    desk.answer("register-check", Answer::done(&[("RefundAllowed", "1")])).await;
    assert_eq!(desk.answer("register-cancel", Answer::done(&[])).await.inputs["registration"], "R0");
    assert!(desk.outcome(&cancel).await.is_ok());
    assert_eq!(desk.state(&appointment).await, "refunding");
    assert_eq!(desk.text("Slot/r-slot0", &["status"]).await, "free");
    desk.answer("payment-refund", Answer::done(&[("state", "SUCCESS")])).await;
    assert_eq!(desk.state(&appointment).await, "refunded");

    let (late, _) = desk.booked(1, 0).await;
    desk.later(Duration::hours(25));
    let cancel = desk.ask(desk.patient(), "cancel", Some(&late), Vec::new());
    assert_eq!(desk.give(&cancel).await.unwrap_err(), "CANCEL_TOO_LATE");
}

#[tokio::test]
async fn bk_8_what_the_his_does_not_take_back_stays_booked() {
    let desk = Desk::open().await;
    let (appointment, _) = desk.booked(0, 0).await;
    let cancel = desk.ask(desk.patient(), "cancel", Some(&appointment), Vec::new());
    desk.give(&cancel).await.unwrap();
    desk.answer("register-check", Answer::refused("3006")).await;
    assert_eq!(desk.outcome(&cancel).await.unwrap_err(), "CANCEL_TOO_LATE");
    assert_eq!(desk.state(&appointment).await, "booked");
    assert!(!desk.is_asked("payment-refund").await);
}

#[tokio::test]
async fn bk_9_who_misses_three_visits_waits_until_operations_lift_it() {
    let desk = Desk::open().await;
    for n in 0..3 {
        let start = hub_workflows::fhir::instant(desk.now() - Duration::days(10 + n));
        desk.put(&format!(
            r#"{{"resourceType":"Appointment","id":"missed{n}","status":"noshow","start":"{start}","end":"{start}",
            "participant":[{{"actor":{{"reference":"Patient/r-p0"}},"status":"accepted"}}]}}"#
        ))
        .await;
    }
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "BLOCKED");
    let why = vec![tree! { "name" => "reason", "valueString" => "he was ill" }];
    let without = desk.ask(desk.operations(), "lift-block", Some("Patient/r-p0"), Vec::new());
    assert_eq!(desk.give(&without).await.unwrap_err(), "REQUIRED");
    desk.give(&desk.ask(desk.operations(), "lift-block", Some("Patient/r-p0"), why)).await.unwrap();
    assert!(desk.give(&desk.hold(0, 0)).await.is_ok());
}

#[tokio::test]
async fn bk_9_thirty_days_after_the_last_one_it_is_over() {
    let desk = Desk::open().await;
    for n in 0..3 {
        let start = hub_workflows::fhir::instant(desk.now() - Duration::days(30 + n));
        desk.put(&format!(
            r#"{{"resourceType":"Appointment","id":"missed{n}","status":"noshow","start":"{start}","end":"{start}",
            "participant":[{{"actor":{{"reference":"Patient/r-p0"}},"status":"accepted"}}]}}"#
        ))
        .await;
    }
    assert!(desk.give(&desk.hold(0, 0)).await.is_ok());
}

#[tokio::test]
async fn bk_11_operations_cancel_later_and_say_why() {
    let desk = Desk::open().await;
    let (appointment, _) = desk.booked(0, 0).await;
    desk.later(Duration::hours(40));
    let without = desk.ask(desk.operations(), "cancel", Some(&appointment), Vec::new());
    assert_eq!(desk.give(&without).await.unwrap_err(), "REQUIRED");
    let why = vec![tree! { "name" => "reason", "valueString" => "the doctor has asked for it" }];
    desk.give(&desk.ask(desk.operations(), "cancel", Some(&appointment), why)).await.unwrap();
    desk.answer("register-check", Answer::done(&[("RefundAllowed", "1")])).await;
    desk.answer("register-cancel", Answer::done(&[])).await;
    assert_eq!(desk.told(0).await, ["booking-cancelled", "booking-confirmed"]);
}

#[tokio::test]
async fn bk_12_one_commit_holds_slot_appointment_charges_invoice_and_outbox() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let invoice = desk.text(&appointment, &["supportingInformation", "0", "reference"]).await;
    let tree = desk.read(&invoice).await;
    assert_eq!(tree.get("totalGross").unwrap().get("value"), Some(&Json::Number("500.00".into())));
    let lines = tree.get("lineItem").unwrap().items();
    assert_eq!(lines.len(), 2);
    for line in lines {
        let item = line.at(&["chargeItemReference", "reference"]).and_then(Json::as_str).unwrap();
        assert_eq!(desk.text(item, &["status"]).await, "billable");
    }
}

#[tokio::test]
async fn bk_12_the_same_command_twice_holds_once_and_another_one_under_its_key_is_refused() {
    let desk = Desk::open().await;
    let hold = desk.hold(0, 0);
    desk.give(&hold).await.unwrap();
    assert!(matches!(desk.give(&hold).await.unwrap(), Outcome::Pending { .. }));
    desk.answer("slot-lock", Answer::done(&[("LockId", "L1"), ("TotalFee", FEE)])).await;
    assert!(matches!(desk.give(&hold).await.unwrap(), Outcome::Resource(_)));
    assert!(!desk.is_asked("slot-lock").await);
    let other = hub_workflows::Command { input: desk.hold(1, 0).input, ..hold };
    assert!(matches!(desk.executor.command(&other).await, Err(hub_executor::CommandError::KeyReused)));
}

#[tokio::test]
async fn acc_6_without_a_record_at_the_hospital_nothing_is_booked() {
    let desk = Desk::open().await;
    desk.change("Patient/r-p0", |tree| drop(tree.remove("identifier"))).await;
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "NO_ARCHIVE");
}

#[tokio::test]
async fn con_1_without_a_signed_consent_nothing_is_held() {
    let desk = Desk::open().await;
    desk.change("Consent/r-c0", |tree| tree.set("status", "inactive")).await;
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "CONSENT_REQUIRED");
    assert!(desk.give(&desk.hold(0, 1)).await.is_ok(), "another person's is his own");
}

#[tokio::test]
async fn con_2_a_consent_holds_for_a_year_and_until_a_new_template_is_published() {
    let desk = Desk::open().await;
    let signed = |ago: Duration| hub_workflows::fhir::instant(desk.now() - ago);
    let (old, fresh) = (signed(Duration::days(366)), signed(Duration::days(364)));
    desk.change("Consent/r-c0", |tree| tree.set("dateTime", old)).await;
    assert_eq!(desk.give(&desk.hold(0, 0)).await.unwrap_err(), "CONSENT_REQUIRED");
    desk.change("Consent/r-c0", |tree| tree.set("dateTime", fresh)).await;
    assert!(desk.give(&desk.hold(0, 0)).await.is_ok());
    desk.change("Questionnaire/consent", |tree| tree.set("version", "2")).await;
    assert_eq!(desk.give(&desk.hold(1, 1)).await.unwrap_err(), "CONSENT_REQUIRED");
}

#[tokio::test]
async fn nobody_books_pays_or_cancels_for_a_person_of_another_account() {
    let desk = Desk::open().await;
    desk.put(r#"{"resourceType":"Patient","id":"stranger","active":true}"#).await;
    let appointment = desk.held(0, 0).await;
    let stranger = || desk.who(&[hub_core::who::Role::Patient], Some("Person/other"));
    let mut hold = desk.hold(1, 0);
    hold.input[1] = crate::desk::reference("patient", "Patient/stranger");
    assert_eq!(desk.give(&hold).await.unwrap_err(), "NOT_FOUND");
    let method = vec![tree! { "name" => "method", "valueCode" => "h5" }];
    for command in [
        desk.ask(stranger(), "pay", Some(&appointment), method),
        desk.ask(stranger(), "cancel", Some(&appointment), Vec::new()),
    ] {
        assert_eq!(desk.give(&command).await.unwrap_err(), "NOT_FOUND");
    }
}
