//! The rules of section 3.5: lock, confirm, cancel, temporary sessions.

use super::*;

fn unlock(lock: &Answer) -> String {
    format!("<LockId>{}</LockId>", lock.get("LockId"))
}

fn cancel(reg_no: &str, mode: &str) -> String {
    format!("<RegNo>{reg_no}</RegNo><Mode>{mode}</Mode><Reason>改期</Reason>")
}

#[tokio::test]
async fn a_number_is_locked_confirmed_seen_and_given_back() {
    let desk = Desk::open().await;
    let (slot, session) = desk.free().await;
    let lock = desk.lock(&slot, ANNA).await;
    assert_eq!((lock.code(), lock.get("ExpireTime")), ("0", "2026-03-02 07:15:00")); // default 15 minutes
    let fees = [session.get("RegFee"), session.get("ConsultFee")].map(|fee| money::Fen::read(fee).unwrap());
    assert_eq!(lock.get("TotalFee"), (fees[0] + fees[1]).to_string());

    let confirmed = desk.ask("H305", &paid(lock.get("LockId"), ANNA, lock.get("TotalFee"), "ORDER1")).await;
    assert_eq!((confirmed.code(), confirmed.get("SeqNo")), ("0", lock.get("SeqNo")));
    let reg_no = confirmed.get("RegNo").to_owned();
    let asked = desk.ask("H307", &format!("<RegNo>{reg_no}</RegNo>")).await;
    let registration = &asked.body().list("Regs")[0];
    assert_eq!((registration.get("Status"), registration.get("PatientId")), ("1", ANNA));

    let checked = desk.ask("H306", &cancel(&reg_no, "CHECK")).await;
    assert_eq!((checked.get("RefundAllowed"), checked.get("RefundAmount")), ("1", lock.get("TotalFee")));
    let cancelled = desk.ask("H306", &cancel(&reg_no, "DO")).await;
    assert_eq!(cancelled.code(), "0");
    let twice = desk.ask("H306", &cancel(&reg_no, "DO")).await;
    assert_eq!((twice.code(), twice.get("RefundSeq")), ("5002", cancelled.get("RefundSeq")));
    // The number is free again.
    assert_eq!(desk.lock(&slot, BEN).await.code(), "0");
    desk.close().await;
}

#[tokio::test]
async fn a_locked_number_is_3002_a_sold_one_3001_and_an_unlocked_one_free() {
    let desk = Desk::open().await;
    let (slot, _) = desk.free().await;
    let lock = desk.lock(&slot, ANNA).await;
    assert_eq!(desk.lock(&slot, BEN).await.code(), "3002");
    assert_eq!(desk.ask("H304", &unlock(&lock)).await.code(), "0");
    // Again, and one that never was: it is free, and that is what was asked for.
    assert_eq!(desk.ask("H304", &unlock(&lock)).await.code(), "0");
    assert_eq!(desk.ask("H304", "<LockId>NONE</LockId>").await.code(), "0");
    assert_eq!(desk.control("sell", json!({ "slotId": slot })).await.0, 204);
    assert_eq!(desk.control("sell", json!({ "slotId": slot })).await.0, 422);
    assert_eq!(desk.lock(&slot, BEN).await.code(), "3001");
    desk.close().await;
}

#[tokio::test]
async fn a_lock_that_has_run_out_lets_others_in_and_cannot_be_confirmed() {
    let desk = Desk::open().await;
    let (slot, _) = desk.free().await;
    let lock = desk.lock(&slot, ANNA).await;
    let late = paid(lock.get("LockId"), ANNA, lock.get("TotalFee"), "ORDER1");
    desk.control("clock", json!({ "advanceSecs": 15 * 60 })).await;
    assert_eq!(desk.ask("H305", &late).await.code(), "3003");
    assert_eq!(desk.list("locks").await[0]["state"], "expired");
    let next = desk.lock(&slot, BEN).await;
    assert_eq!(next.code(), "0");
    desk.control("locks/expire", json!({})).await;
    let late = paid(next.get("LockId"), BEN, next.get("TotalFee"), "ORDER2");
    assert_eq!(desk.ask("H305", &late).await.code(), "3003");
    assert_eq!(desk.ask("H305", &late.replace(next.get("LockId"), "NONE")).await.code(), "3003");
    desk.close().await;
}

#[tokio::test]
async fn the_same_patient_doctor_and_day_twice_is_3005() {
    let desk = Desk::open().await;
    let session = desk.session("0").await;
    desk.book(&desk.free_of(&session).await, ANNA).await;
    let other = desk.free_of(&session).await;
    assert_eq!(desk.lock(&other, ANNA).await.code(), "3005");
    // A lock alone is enough.
    assert_eq!(desk.lock(&other, BEN).await.code(), "0");
    assert_eq!(desk.lock(&desk.free_of(&session).await, BEN).await.code(), "3005");
    desk.close().await;
}

#[tokio::test]
async fn a_wrong_amount_is_5003_and_the_same_payment_twice_5002() {
    let desk = Desk::open().await;
    let (slot, _) = desk.free().await;
    let lock = desk.lock(&slot, ANNA).await;
    let [id, fee] = [lock.get("LockId"), lock.get("TotalFee")];
    assert_eq!(desk.ask("H305", &paid(id, ANNA, "0.01", "ORDER1")).await.code(), "5003");
    assert_eq!(desk.ask("H305", &paid(id, BEN, fee, "ORDER1")).await.code(), "1001");
    assert_eq!(desk.ask("H305", &paid(id, ANNA, fee, "ORDER1")).await.code(), "0");
    assert_eq!(desk.ask("H305", &paid(id, ANNA, fee, "ORDER1")).await.code(), "5002");
    // The order number of another registration.
    let (slot, _) = desk.free().await;
    let lock = desk.lock(&slot, BEN).await;
    let twice = paid(lock.get("LockId"), BEN, lock.get("TotalFee"), "ORDER1");
    assert_eq!(desk.ask("H305", &twice).await.code(), "5002");
    desk.close().await;
}

#[tokio::test]
async fn unknown_and_blacklisted_patients_lock_nothing() {
    let desk = Desk::open().await;
    let (slot, _) = desk.free().await;
    assert_eq!(desk.lock(&slot, "9999999").await.code(), "2001");
    assert_eq!(desk.control("patient", json!({ "patientId": ANNA, "blacklist": true })).await.0, 204);
    assert_eq!(desk.lock(&slot, ANNA).await.code(), "3007");
    desk.close().await;
}

#[tokio::test]
async fn a_session_that_is_stopped_or_has_begun_is_not_booked() {
    let desk = Desk::open().await;
    let (slot, session) = desk.free().await;
    let lock = desk.lock(&slot, ANNA).await;
    let stop = json!({ "act": "stop", "scheduleId": session.get("ScheduleId") });
    assert_eq!(desk.control("session", stop).await.0, 204);
    assert_eq!(desk.lock(&slot, BEN).await.code(), "3004");
    let confirm = paid(lock.get("LockId"), ANNA, lock.get("TotalFee"), "ORDER1");
    assert_eq!(desk.ask("H305", &confirm).await.code(), "3004");
    let (slot, session) = desk.free().await;
    let begins = format!("{} {}:00", session.get("ScheduleDate"), session.get("EndTime"));
    desk.control("clock", json!({ "at": begins })).await;
    assert_eq!(desk.lock(&slot, BEN).await.code(), "3003");
    desk.close().await;
}

#[tokio::test]
async fn it_is_too_late_to_cancel_shortly_before_the_visit_unless_the_doctor_stops() {
    let desk = Desk::open().await;
    let (slot, session) = desk.free().await;
    let reg_no = desk.book(&slot, ANNA).await;
    let visit = desk.list("registrations").await[0]["start"].as_str().unwrap().to_owned();
    let at = format!("{} {visit}:00", session.get("ScheduleDate"));
    desk.control("clock", json!({ "at": at, "advanceSecs": -29 * 60 })).await;
    assert_eq!(desk.ask("H306", &cancel(&reg_no, "CHECK")).await.get("RefundAllowed"), "0");
    assert_eq!(desk.ask("H306", &cancel(&reg_no, "DO")).await.code(), "3006");
    desk.control("session", json!({ "act": "stop", "scheduleId": session.get("ScheduleId") })).await;
    assert_eq!(desk.ask("H306", &cancel(&reg_no, "DO")).await.code(), "0");
    desk.close().await;
}

#[tokio::test]
async fn who_does_not_come_three_times_is_on_the_blacklist() {
    let desk = Desk::open().await;
    let asked = "<StartDate>2026-03-03</StartDate><EndDate>2026-03-09</EndDate><ClinicType>1</ClinicType>";
    let answer = desk.ask("H301", asked).await;
    let mut seen = Vec::new();
    for session in answer.body().list("Schedules").iter().filter(|session| session.get("Status") == "1") {
        let of = (session.get("StaffCode"), session.get("ScheduleDate"));
        if seen.len() < 3 && !seen.contains(&of) {
            desk.book(&desk.free_of(session).await, ANNA).await;
            seen.push(of);
        }
    }
    desk.control("clock", json!({ "at": "2026-03-09 23:00:00" })).await;
    let asked = desk.ask("H307", &format!("<PatientId>{ANNA}</PatientId>")).await;
    let statuses: Vec<&str> = asked.body().list("Regs").iter().map(|one| one.get("Status")).collect();
    assert_eq!(statuses, ["5"; 3]);
    let patient = desk.ask("H201", &format!("<PatientId>{ANNA}</PatientId>")).await;
    assert_eq!(patient.get("Blacklist"), "1");
    desk.close().await;
}

fn temporary(start: &str, end: &str, room: &str) -> String {
    format!(
        "<StaffCode>D0201</StaffCode><DeptCode>0304</DeptCode><Date>2026-03-05</Date><StartTime>{start}</StartTime>\
         <EndTime>{end}</EndTime><ClinicType>1</ClinicType><RoomCode>{room}</RoomCode><TotalNum>2</TotalNum>\
         <RegFee>50.00</RegFee><ConsultFee>800.00</ConsultFee>"
    )
}

#[tokio::test]
async fn a_temporary_session_is_bookable_and_clashes_only_where_times_overlap() {
    let desk = Desk::open().await;
    let saved = desk.ask("H309", &temporary("10:00", "11:00", "R030403")).await;
    assert_eq!(saved.code(), "0");
    let id = saved.get("ScheduleId").to_owned();
    // EX-6: touching ends do not clash; an overlap of the doctor, or of the room, does.
    assert_eq!(desk.ask("H309", &temporary("11:00", "12:00", "R030403")).await.code(), "0");
    let clash = desk.ask("H309", &temporary("10:30", "10:45", "")).await;
    assert_eq!((clash.code(), clash.get("ConflictScheduleId")), ("3008", &*id));
    let other_doctor = temporary("10:30", "10:45", "R030403").replace("D0201", "D0202");
    assert_eq!(desk.ask("H309", &other_doctor).await.code(), "3008");
    let elsewhere = temporary("10:30", "10:45", "R030701").replace("D0201", "D0202");
    assert_eq!(desk.ask("H309", &elsewhere).await.code(), "0");
    for wrong in [
        temporary("11:00", "10:00", ""),
        temporary("10:00", "11:00", "NOWHERE"),
        temporary("10:00", "11:00", "").replace("D0201", "NOBODY"),
        temporary("10:00", "11:00", "").replace("2026-03-05", "2026-03-01"),
    ] {
        assert_eq!(desk.ask("H309", &wrong).await.code(), "1001", "{wrong}");
    }
    desk.book(&format!("{id}-01"), ANNA).await;
    let asked = "<StartDate>2026-03-05</StartDate><EndDate>2026-03-05</EndDate><StaffCode>D0201</StaffCode>";
    let answer = desk.ask("H301", asked).await;
    let session = &answer.body().list("Schedules")[0];
    assert_eq!((session.get("ScheduleId"), session.get("RemainNum")), (&*id, "1"));
    desk.close().await;
}

#[tokio::test]
async fn a_session_of_the_ordinary_clinic_is_in_the_way_of_a_temporary_one() {
    let desk = Desk::open().await;
    let session = desk.session("0").await;
    let clashing = temporary(session.get("StartTime"), session.get("EndTime"), "")
        .replace("D0201", session.get("StaffCode"))
        .replace("2026-03-05", session.get("ScheduleDate"));
    let clash = desk.ask("H309", &clashing).await;
    assert_eq!((clash.code(), clash.get("ConflictScheduleId")), ("3008", session.get("ScheduleId")));
    desk.close().await;
}
