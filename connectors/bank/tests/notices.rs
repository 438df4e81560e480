//! Notices of the simulated bank and of others: only what the bank has signed reaches the hub, and once.

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use hub_core::source::Refusal;
use serde_json::json;
use town::{DIALECTS, Town, post};

const ORDER: &str = "HT20260302000001";

async fn pay(town: &Town) {
    town.control("POST /__sim/pay", json!({ "orderNo": ORDER })).await;
}

#[tokio::test]
async fn a_notice_is_told_by_what_it_is_about() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        let told = town.paid(ORDER).await;
        assert_eq!((&told["act"], &told["orderNo"]), (&json!("notice"), &json!(ORDER)), "{dialect}");
        let inbound = town.door.accepted().remove(0);
        assert_eq!(inbound.dedupe.as_str(), "payment/HT20260302000001/PAID", "{dialect}");
        assert_eq!(inbound.label.message_type.as_deref(), Some("payment"), "{dialect}");
        assert!(inbound.label.control_id.is_some(), "{dialect}");
        town.counted("acked", 1).await;
    }
}

#[tokio::test]
async fn a_notice_told_twice_is_one_message() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.fault("notice-twice").await;
        town.paid(ORDER).await;
        // Another number for the same: it says nothing new either.
        town.open("HT20260302000002").await;
        town.control("POST /__sim/pay", json!({ "orderNo": "HT20260302000002" })).await;
        assert_eq!(town.notices(2).await.len(), 2, "{dialect}");
        town.counted("acked", 2).await;
        assert_eq!(town.door.accepted().len(), 2, "{dialect}");
    }
}

#[tokio::test]
async fn an_order_paid_twice_is_two_messages() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.paid(ORDER).await;
        town.control("POST /__sim/pay", json!({ "orderNo": ORDER, "anyway": true })).await;
        let told = town.notices(2).await;
        assert_eq!(told[0]["orderNo"], told[1]["orderNo"], "{dialect}");
        assert_ne!(told[0]["bankTradeNo"], told[1]["bankTradeNo"], "{dialect}");
    }
}

#[tokio::test]
async fn a_forged_notice_is_refused_and_the_true_one_is_taken() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.open(ORDER).await;
        town.fault("notice-forged").await;
        pay(&town).await;
        town.counted("acked", 1).await;
        assert_eq!(town.notices(1).await.len(), 1, "{dialect}");
        // The bank counts a forged notice that is taken as a rule broken.
        assert_eq!(town.end().await.invalid, 0, "{dialect}");
    }
}

#[tokio::test]
async fn a_notice_that_cannot_be_kept_comes_again() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.open(ORDER).await;
        town.door.refuse_next(Refusal::Busy);
        town.door.refuse_next(Refusal::Busy);
        pay(&town).await;
        town.counted("acked", 1).await;
        assert_eq!(town.door.accepted().len(), 1, "{dialect}");
        assert_eq!(town.end().await.resent, 2, "{dialect}");
    }
}

#[tokio::test]
async fn a_wrong_amount_that_is_signed_is_told_as_it_is() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.fault("notice-wrong-amount").await;
        assert_eq!(town.paid(ORDER).await["amountFen"], 50_001, "{dialect}");
        let asked = town.put(town::about("query", ORDER)).await.unwrap();
        assert_eq!(asked["amountFen"], 50_000, "{dialect}");
    }
}

#[tokio::test]
async fn a_notice_may_be_late_or_never_come() {
    for dialect in DIALECTS {
        let settings = connector_bank::sim::SimSettings { slow_secs: 0.3, ..Default::default() };
        let town = Town::with(dialect, settings).await;
        town.open(ORDER).await;
        town.fault("notice-late").await;
        pay(&town).await;
        assert!(town.door.accepted().is_empty(), "{dialect}");
        town.notices(1).await;
        town.open("HT20260302000002").await;
        town.fault("no-notice").await;
        town.control("POST /__sim/pay", json!({ "orderNo": "HT20260302000002" })).await;
        town.counted("faults", 2).await;
        assert_eq!(town.end().await.sent, 1, "{dialect}");
    }
}

#[tokio::test]
async fn whoever_posts_without_a_signature_is_refused_in_the_banks_words() {
    for (dialect, status, word) in
        [("wechat", 401, "SIGN_ERROR"), ("cmb", 200, "FAIL"), ("unionpay", 400, "")]
    {
        let town = Town::new(dialect).await;
        let address = town.notify_url["http://".len()..].split('/').next().unwrap().to_owned();
        let head = "POST /notices HTTP/1.0\r\nContent-Type: application/json";
        for body in ["{}", "", "biz_content=%7B%7D&sign=AAAA", "\u{fffd}"] {
            let (found, answer) = post(&address, head, body).await;
            assert_eq!((found, answer.contains(word)), (status, true), "{dialect}");
        }
        assert_eq!(post(&address, "POST /elsewhere HTTP/1.0", "").await.0, 404, "{dialect}");
        assert_eq!(post(&address, "GET /notices HTTP/1.0", "").await.0, 405, "{dialect}");
        assert!(town.door.accepted().is_empty(), "{dialect}");
    }
}
