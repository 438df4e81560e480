//! H501 to H507: bills and the money of a day.

use super::*;

async fn visit(desk: &Desk) -> String {
    let (slot, _) = desk.free().await;
    desk.book(&slot, ANNA).await
}

async fn bill(desk: &Desk, reg_no: &str, items: Value) -> String {
    let (status, bill) = desk.control("bill", json!({ "regNo": reg_no, "items": items })).await;
    assert_eq!(status, 200);
    bill["billNo"].as_str().unwrap().to_owned()
}

fn counted(bill: &str) -> String {
    format!("<PatientId>{ANNA}</PatientId><BillNos><BillNo>{bill}</BillNo></BillNos>")
}

fn settle(number: &str, amount: &str) -> String {
    format!(
        "<PreSettleNo>{number}</PreSettleNo><Payments><Payment><PayMode>WX</PayMode><Amount>{amount}</Amount>\
         <MchOrderNo>FEE1</MchOrderNo><BankTradeNo>BANK1</BankTradeNo><PayTime>2026-03-02 07:00:00</PayTime>\
         </Payment></Payments>"
    )
}

#[tokio::test]
async fn a_bill_is_counted_paid_and_given_back_in_parts() {
    let desk = Desk::open().await;
    let reg_no = visit(&desk).await;
    // 120.00 and twice 45.00 by the international price list.
    let bill = bill(&desk, &reg_no, json!([["250101015", 1], ["250302001", 2]])).await;
    let unpaid = desk.ask("H501", &format!("<PatientId>{ANNA}</PatientId>")).await;
    assert_eq!(unpaid.body().list("Bills")[0].get("Amount"), "210.00");
    let detail = desk.ask("H502", &format!("<BillNo>{bill}</BillNo>")).await;
    assert_eq!(detail.body().list("Items").len(), 2);
    let pre = desk.ask("H503", &counted(&bill)).await;
    let number = pre.get("PreSettleNo");
    assert_eq!(desk.ask("H504", &settle(number, "209.99")).await.code(), "5003");
    let settled = desk.ask("H504", &settle(number, "210.00")).await;
    assert_eq!(settled.code(), "0");
    assert_eq!(desk.ask("H504", &settle(number, "210.00")).await.code(), "5002");
    assert_eq!(desk.ask("H503", &counted(&bill)).await.code(), "5002");

    let refund = format!("<SettleNo>{}</SettleNo>", settled.get("SettleNo"));
    let part = format!("{refund}<Items><ItemCode>250302001</ItemCode></Items>");
    assert_eq!(desk.ask("H505", &part).await.get("RefundAmount"), "90.00");
    assert_eq!(desk.ask("H505", &part).await.code(), "5002");
    assert_eq!(desk.ask("H505", &refund).await.get("RefundAmount"), "120.00");
    assert_eq!(desk.ask("H505", &refund).await.code(), "5002");
    desk.close().await;
}

#[tokio::test]
async fn a_bill_that_changes_between_counting_and_paying_is_5001() {
    let desk = Desk::open().await;
    let reg_no = visit(&desk).await;
    let bill = bill(&desk, &reg_no, json!([["250101015", 1], ["250302001", 2]])).await;
    let pre = desk.ask("H503", &counted(&bill)).await;
    assert_eq!(desk.control("bill/shorten", json!({ "billNo": bill })).await.0, 204);
    assert_eq!(desk.ask("H504", &settle(pre.get("PreSettleNo"), "210.00")).await.code(), "5001");
    desk.close().await;
}

#[tokio::test]
async fn a_transaction_tells_what_became_of_it() {
    let desk = Desk::open().await;
    let (slot, _) = desk.free().await;
    let lock = desk.lock(&slot, ANNA).await;
    let body = paid(lock.get("LockId"), ANNA, lock.get("TotalFee"), "ORDER1");
    let refused = desk.seq();
    desk.ask_as(&refused, "H305", &body.replace(lock.get("TotalFee"), "0.01")).await;
    let done = desk.seq();
    let confirmed = desk.ask_as(&done, "H305", &body).await;
    let asked = |seq: &str| format!("<TransSeq>{seq}</TransSeq>");
    let found = desk.ask("H506", &asked(&done)).await;
    assert_eq!((found.get("Status"), found.get("RegNo")), ("S", confirmed.get("RegNo")));
    let whole = found.body().child("OrigBody").unwrap();
    assert_eq!(whole.get("VisitNo"), confirmed.get("VisitNo"));
    let found = desk.ask("H506", &asked(&refused)).await;
    assert_eq!((found.get("Status"), found.get("OrigResultCode")), ("F", "5003"));
    assert_eq!(desk.ask("H506", &asked(&desk.seq())).await.get("Status"), "N");
    let by_order = desk.ask("H506", "<MchOrderNo>ORDER1</MchOrderNo>").await;
    assert_eq!((by_order.get("Status"), by_order.get("OrigTransSeq")), ("S", &*done));
    desk.close().await;
}

#[tokio::test]
async fn the_money_of_a_day_is_told_by_page_and_by_file_and_both_agree() {
    let desk = Desk::open().await;
    let reg_no = visit(&desk).await;
    let order = desk.list("registrations").await[0]["mchOrderNo"].as_str().unwrap().to_owned();
    let cancel = format!("<RegNo>{reg_no}</RegNo><Mode>DO</Mode><MchRefundNo>REFUND1</MchRefundNo>");
    assert_eq!(desk.ask("H306", &cancel).await.code(), "0");
    let day = desk.ask("H507", "<BusinessDate>2026-03-02</BusinessDate>").await;
    let items = day.body().list("Items");
    let told: Vec<[&str; 3]> = items
        .iter()
        .map(|item| [item.get("TradeType"), item.get("MchOrderNo"), item.get("OrigMchOrderNo")])
        .collect();
    assert_eq!(told, [["PAY", &*order, ""], ["REFUND", "REFUND1", &*order]]);

    let file = "/HisService/files/IMPF_HIS_20260302_01.txt";
    let (_, bytes) = http(desk.address, "GET", file, "", b"").await.unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    let amount = items[0].get("Amount");
    assert!(text.starts_with("H|SZIMH|20260302|01|"));
    assert!(text.ends_with(&format!("T|1|{amount}|1|{amount}|0.00\n")));
    assert!(text.lines().filter(|line| line.starts_with("D|")).all(|line| line.split('|').count() == 15));
    let (_, ok) = http(desk.address, "GET", &file.replace(".txt", ".ok"), "", b"").await.unwrap();
    assert_eq!(ok, format!("{}|2|0.00", Hash::Sm3.of(&bytes)).into_bytes());
    let (_, none) = http(desk.address, "GET", &file.replace("0302", "0303"), "", b"").await.unwrap();
    assert!(std::str::from_utf8(&none).unwrap().ends_with("T|0|0.00|0|0.00|0.00\n"));
    desk.close().await;
}

#[tokio::test]
async fn the_books_can_be_put_wrong_for_a_reconciliation() {
    let desk = Desk::open().await;
    visit(&desk).await;
    let order = desk.list("ledger").await[0]["mchOrderNo"].clone();
    for (correction, count) in [
        (json!({ "act": "amount", "mchOrderNo": order, "amount": "1.00" }), 1),
        (json!({ "act": "time", "mchOrderNo": order, "at": "2026-03-02 23:59:00" }), 1),
        (json!({ "act": "add", "mchOrderNo": "X", "patientId": ANNA, "amount": "5" }), 2),
        (json!({ "act": "drop", "mchOrderNo": order }), 1),
    ] {
        assert_eq!(desk.control("books", correction).await.0, 204);
        assert_eq!(desk.list("ledger").await.as_array().unwrap().len(), count);
    }
    assert_eq!(desk.control("books", json!({ "act": "drop", "mchOrderNo": "NONE" })).await.0, 422);
    desk.close().await;
}
