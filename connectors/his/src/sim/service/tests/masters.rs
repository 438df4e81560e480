//! H101 to H107 and the rosters: pages, counts, what was changed since.

use super::*;

#[tokio::test]
async fn pages_add_up_to_the_total_count() {
    let desk = Desk::open().await;
    let mut codes = std::collections::BTreeSet::new();
    let mut total = 0;
    for page in 1.. {
        let body = format!("<PageNo>{page}</PageNo><PageSize>100</PageSize>");
        let answer = desk.ask("H107", &body).await;
        total = answer.get("TotalCount").parse().unwrap();
        let items = answer.body().list("Items");
        if items.is_empty() {
            break;
        }
        codes.extend(items.iter().map(|item| item.get("IcdCode").to_owned()));
    }
    assert!(total >= 200 && codes.len() == total);
    assert_eq!(desk.ask("H107", "<PageSize>501</PageSize>").await.code(), "1001");
    desk.close().await;
}

#[tokio::test]
async fn an_incremental_query_has_what_was_changed_and_nothing_else() {
    let desk = Desk::open().await;
    let since = "<LastUpdateTime>2026-03-02 07:00:00</LastUpdateTime>";
    assert_eq!(desk.ask("H102", since).await.get("TotalCount"), "0");
    let change =
        json!({ "function": "H102", "code": "D0012", "set": { "ValidFlag": "0", "Intro": "已退休" } });
    assert_eq!(desk.control("item", change).await.0, 204);
    let answer = desk.ask("H102", since).await;
    let items = answer.body().list("Items");
    assert_eq!(items.len(), 1);
    assert_eq!([items[0].get("StaffCode"), items[0].get("ValidFlag")], ["D0012", "0"]);
    for wrong in [
        json!({ "function": "H102", "code": "NOBODY", "set": {} }),
        json!({ "function": "H102", "code": "D0012", "set": { "Shoe": "42" } }),
    ] {
        assert_eq!(desk.control("item", wrong).await.0, 422);
    }
    desk.close().await;
}

#[tokio::test]
async fn a_doctor_who_has_left_cannot_be_booked() {
    let desk = Desk::open().await;
    let (slot, session) = desk.free().await;
    let left = json!({ "function": "H102", "code": session.get("StaffCode"), "set": { "ValidFlag": "0" } });
    assert_eq!(desk.control("item", left).await.0, 204);
    assert_eq!(desk.lock(&slot, ANNA).await.code(), "3004");
    desk.close().await;
}

#[tokio::test]
async fn every_required_field_of_the_profile_is_valued() {
    let desk = Desk::open().await;
    for (function, fields) in [
        ("H101", &["DeptCode", "DeptName", "DeptType", "ValidFlag", "UpdateTime"][..]),
        ("H102", &["StaffCode", "Name", "TitleCode", "DeptCode", "ValidFlag", "UpdateTime"]),
        ("H103", &["RoomCode", "RoomName", "ValidFlag", "UpdateTime"]),
        ("H105", &["ItemCode", "ItemName", "Price", "Category", "ValidFlag", "UpdateTime"]),
        ("H107", &["IcdCode", "IcdName", "IcdVersion", "ValidFlag", "UpdateTime"]),
    ] {
        let answer = desk.ask(function, "<PageSize>500</PageSize>").await;
        for item in answer.body().list("Items") {
            assert!(fields.iter().all(|field| !item.get(field).is_empty()), "{function}");
        }
    }
    desk.close().await;
}

#[tokio::test]
async fn rosters_reach_a_fortnight_ahead_and_move_with_the_clock() {
    let desk = Desk::open().await;
    let days = |from: &str, to: &str| format!("<StartDate>{from}</StartDate><EndDate>{to}</EndDate>");
    let last = |answer: &Answer| {
        let sessions = answer.body().list("Schedules");
        sessions.iter().map(|session| session.get("ScheduleDate").to_owned()).max().unwrap()
    };
    let before = desk.ask("H301", &days("2026-03-02", "2026-04-01")).await;
    assert_eq!(last(&before), "2026-03-22"); // 21 days, today included
    desk.control("clock", json!({ "at": "2026-03-03 00:00:00" })).await;
    let after = desk.ask("H301", &days("2026-03-02", "2026-04-01")).await;
    assert_eq!(last(&after), "2026-03-23");
    desk.close().await;
}

#[tokio::test]
async fn what_remains_of_a_session_is_the_sum_of_what_remains_of_its_numbers() {
    let desk = Desk::open().await;
    let answer = desk.ask("H301", "<StartDate>2026-03-03</StartDate><EndDate>2026-03-03</EndDate>").await;
    for session in answer.body().list("Schedules") {
        let asked = format!("<ScheduleId>{}</ScheduleId>", session.get("ScheduleId"));
        let slots = desk.ask("H302", &asked).await;
        let remain = |slot: &Element| slot.get("RemainNum").parse::<u32>().unwrap();
        let sum: u32 = slots.body().list("Slots").iter().map(remain).sum();
        assert_eq!(session.get("RemainNum"), sum.to_string());
    }
    desk.close().await;
}
