//! Orders and refunds at the simulated bank, in every dialect: opened, paid, asked, closed, given back; and what goes wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use hub_core::destination::DeliveryError;
use serde_json::{Value, json};
use town::{DIALECTS, Town, about};

/// `later`, `in doubt` or `never`; what is answered is none of them.
fn failure(told: Result<Value, DeliveryError>) -> &'static str {
    match told {
        Ok(_) => "answered",
        Err(DeliveryError::Later { .. } | DeliveryError::NotYet { .. }) => "later",
        Err(DeliveryError::InDoubt { .. }) => "in doubt",
        Err(DeliveryError::Never { .. }) => "never",
    }
}

/// The bank has it and it is not paid; UnionPay knows of no transaction before somebody pays.
async fn assert_is_open(town: &Town, order_no: &str) {
    let asked = town.put(about("query", order_no)).await.unwrap();
    if town.is_unionpay() {
        assert_eq!(asked["code"], "ORDER_NOT_EXIST");
    } else {
        assert_eq!(asked["state"], "CREATED");
    }
}

#[tokio::test]
async fn an_order_is_opened_paid_and_asked_for() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        let opened = town.open("HT20260302000001").await;
        assert_eq!((&opened["act"], &opened["state"]), (&json!("create"), &json!("CREATED")), "{dialect}");
        let params = &opened["payParams"];
        let handle = params["package"].as_str().or(params["tn"].as_str()).unwrap();
        assert!(handle.trim_start_matches("prepay_id=").starts_with("wx"), "{dialect}");
        assert_is_open(&town, "HT20260302000001").await;

        let told = town.paid("HT20260302000002").await;
        let asked = town.put(about("query", "HT20260302000002")).await.unwrap();
        assert_eq!(asked["state"], "PAID", "{dialect}");
        assert_eq!((&asked["amountFen"], &asked["currency"]), (&json!(50_000), &json!("CNY")), "{dialect}");
        for same in ["bankTradeNo", "amountFen", "paidAt", "state", "orderNo"] {
            assert!(!asked[same].is_null(), "{dialect} {same}");
            assert_eq!(asked[same], told[same], "{dialect} {same}");
        }
        assert_eq!(town.end().await.invalid, 0, "{dialect}");
    }
}

#[tokio::test]
async fn a_browser_is_sent_to_the_cashier_and_pays_there() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        let mut errand = town.create("HT20260302000001");
        errand["method"] = "h5".into();
        let opened = town.put(errand).await.unwrap();
        if town.is_unionpay() {
            let form = opened["formHtml"].as_str().unwrap();
            assert_eq!(town.submit(form).await, 303);
        } else {
            assert!(opened["h5Url"].as_str().unwrap().ends_with("/cashier/HT20260302000001"), "{dialect}");
        }
        let path = "/cashier/HT20260302000001";
        let (status, page) = town.request(&format!("GET {path}"), "").await;
        assert!(status == 200 && page.contains("CNY 500.00"), "{dialect}");
        assert_eq!(town.request(&format!("POST {path}/refuse"), "").await.0, 200, "{dialect}");
        assert_is_open(&town, "HT20260302000001").await;
        assert_eq!(town.request(&format!("POST {path}/pay"), "").await.0, 200, "{dialect}");
        assert_eq!(town.notices(1).await[0]["state"], "PAID", "{dialect}");
        assert_eq!(town.request(&format!("POST {path}/pay"), "").await.0, 409, "{dialect}");
    }
}

#[tokio::test]
async fn what_the_bank_does_not_know_has_one_code_in_all_dialects() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        for (act, code) in [
            ("query", "ORDER_NOT_EXIST"),
            ("close", "ORDER_NOT_EXIST"),
            ("query-refund", "RESOURCE_NOT_EXISTS"),
        ] {
            let told = town.put(about(act, "HT20260302000009")).await.unwrap();
            assert_eq!((&told["code"], &told["state"]), (&json!(code), &Value::Null), "{dialect} {act}");
        }
    }
}

#[tokio::test]
async fn a_number_is_never_used_for_another_order() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.open("HT20260302000001").await;
        let mut other = town.create("HT20260302000001");
        other["amountFen"] = 1.into();
        assert_eq!(town.put(other).await.unwrap()["code"], "OUT_TRADE_NO_USED", "{dialect}");
        if !town.is_unionpay() {
            town.put(about("close", "HT20260302000001")).await.unwrap();
            let again = town.put(town.create("HT20260302000001")).await.unwrap();
            assert_eq!(again["code"], "OUT_TRADE_NO_USED", "{dialect}");
        }
        town.paid("HT20260302000002").await;
        let again = town.put(town.create("HT20260302000002")).await.unwrap();
        let code = if town.is_unionpay() { "OUT_TRADE_NO_USED" } else { "ORDER_PAID" };
        assert_eq!(again["code"], code, "{dialect}");
    }
}

#[tokio::test]
async fn an_order_is_closed_unless_it_is_paid() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.paid("HT20260302000002").await;
        let told = town.put(about("close", "HT20260302000002")).await.unwrap();
        assert_eq!((&told["code"], &told["state"]), (&json!("ORDER_PAID"), &Value::Null), "{dialect}");
        // An order of UnionPay cannot be closed: its time runs out.
        if town.is_unionpay() {
            continue;
        }

        town.open("HT20260302000001").await;
        let closed = town.put(about("close", "HT20260302000001")).await.unwrap();
        assert_eq!(closed["state"], "CLOSED", "{dialect}");
        assert_eq!(town.put(about("query", "HT20260302000001")).await.unwrap()["state"], "CLOSED");
        let (status, _) = town.request("POST /__sim/pay", r#"{"orderNo":"HT20260302000001"}"#).await;
        assert_eq!(status, 422, "{dialect}");

        // The money was under way when the order was closed: it is told of, and must go back.
        let known = town.door.accepted().len();
        town.control("POST /__sim/pay", json!({ "orderNo": "HT20260302000001", "anyway": true })).await;
        let late = town.notices(known + 1).await.pop().unwrap();
        assert_eq!((&late["orderNo"], &late["state"]), (&json!("HT20260302000001"), &json!("PAID")));
    }
}

#[tokio::test]
async fn an_order_whose_time_is_over_is_closed() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        let mut errand = town.create("HT20260302000001");
        errand["expireAt"] = "2099-01-01T00:00:00Z".into();
        town.put(errand).await.unwrap();
        assert_is_open(&town, "HT20260302000001").await;
        town.control("POST /__sim/clock", json!({ "at": "2099-01-01 08:00:01" })).await;
        assert_eq!(
            town.put(about("query", "HT20260302000001")).await.unwrap()["state"],
            "CLOSED",
            "{dialect}"
        );
    }
}

#[tokio::test]
async fn money_goes_back_in_parts_and_never_more_than_was_paid() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.paid("HT20260302000001").await;
        for (number, fen) in [("RF20260302000001", 20_000), ("RF20260302000002", 30_000)] {
            let known = town.door.accepted().len();
            let told = town.put(town.refund(number, "HT20260302000001", fen).await).await.unwrap();
            assert_eq!(
                (&told["state"], &told["amountFen"]),
                (&json!("PROCESSING"), &json!(fen)),
                "{dialect}"
            );
            let notice = town.notices(known + 1).await.pop().unwrap();
            assert_eq!((&notice["state"], &notice["refundNo"]), (&json!("SUCCESS"), &json!(number)));
            assert_eq!((&notice["orderNo"], &notice["amountFen"]), (&json!("HT20260302000001"), &json!(fen)));
            let asked = town.put(about("query-refund", number)).await.unwrap();
            assert_eq!((&asked["state"], &asked["amountFen"]), (&json!("SUCCESS"), &json!(fen)), "{dialect}");
        }
        let told = town.put(town.refund("RF20260302000003", "HT20260302000001", 1).await).await.unwrap();
        assert_eq!(told["code"], "NOT_ENOUGH", "{dialect}");
        let asked = town.put(about("query", "HT20260302000001")).await.unwrap();
        // UnionPay does not say it.
        let has_refunds = if town.is_unionpay() { Value::Null } else { json!(true) };
        assert_eq!((&asked["state"], &asked["hasRefunds"]), (&json!("PAID"), &has_refunds), "{dialect}");

        // The same refund once more is the same refund; with another amount it is none.
        let same = town.refund("RF20260302000001", "HT20260302000001", 20_000).await;
        if town.is_unionpay() {
            assert_eq!(failure(town.put(same.clone()).await), "in doubt");
            assert_eq!(town.ask(same).await.unwrap()["state"], "SUCCESS");
            continue;
        }
        assert_eq!(town.put(same).await.unwrap()["state"], "SUCCESS", "{dialect}");
        let other = town.put(town.refund("RF20260302000001", "HT20260302000001", 1).await).await.unwrap();
        assert_eq!(other["code"], "OUT_TRADE_NO_USED", "{dialect}");
    }
}

#[tokio::test]
async fn what_is_not_paid_is_not_given_back() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.open("HT20260302000001").await;
        town.put(about("close", "HT20260302000001")).await.unwrap();
        let told = town.put(town.refund("RF20260302000001", "HT20260302000001", 1).await).await.unwrap();
        assert!(told["code"].is_string() && told["state"].is_null(), "{dialect}");
    }
}

#[tokio::test]
async fn a_refund_is_refused_or_stays_pending_by_order() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.paid("HT20260302000001").await;
        town.fault("refund-refused").await;
        let told = town.put(town.refund("RF20260302000001", "HT20260302000001", 100).await).await.unwrap();
        assert_eq!(told["code"], "NOT_ENOUGH", "{dialect}");
        for (number, succeeds, state) in
            [("RF20260302000002", true, "SUCCESS"), ("RF20260302000003", false, "FAILED")]
        {
            town.fault("refund-pending").await;
            town.put(town.refund(number, "HT20260302000001", 100).await).await.unwrap();
            assert_eq!(town.put(about("query-refund", number)).await.unwrap()["state"], "PROCESSING");
            let known = town.door.accepted().len();
            let end = json!({ "refundNo": number, "succeeds": succeeds });
            town.control("POST /__sim/refund", end).await;
            assert_eq!(town.notices(known + 1).await.pop().unwrap()["state"], state, "{dialect}");
            assert_eq!(town.put(about("query-refund", number)).await.unwrap()["state"], state, "{dialect}");
        }
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_in_doubt_and_asked_for() {
    for dialect in DIALECTS {
        for fault in ["silent", "slow", "wrong-signature", "system-error-once"] {
            let town = Town::new(dialect).await;
            town.fault(fault).await;
            assert_eq!(
                failure(town.put(town.create("HT20260302000001")).await),
                "in doubt",
                "{dialect} {fault}"
            );
            // Where the same order may be opened again, or is not known yet, it is sent again; else it is told how it stands.
            let asked = town.ask(town.create("HT20260302000001")).await;
            match dialect {
                "wechat" | "unionpay" => assert_eq!(asked, None, "{fault}"),
                _ => assert_eq!(asked.unwrap()["state"], "CREATED", "{fault}"),
            }
            town.control("POST /__sim/pay", json!({ "orderNo": "HT20260302000001" })).await;
            let asked = town.ask(town.create("HT20260302000001")).await.unwrap();
            assert_eq!((&asked["act"], &asked["state"]), (&json!("create"), &json!("PAID")), "{dialect}");

            town.fault(fault).await;
            let errand = town.refund("RF20260302000001", "HT20260302000001", 100).await;
            assert_eq!(failure(town.put(errand.clone()).await), "in doubt", "{dialect} {fault}");
            let asked = town.ask(errand).await.unwrap();
            assert_eq!((&asked["act"], &asked["state"]), (&json!("refund"), &json!("SUCCESS")), "{dialect}");
            let unheard = town.refund("RF20260302000002", "HT20260302000001", 100).await;
            assert_eq!(town.ask(unheard).await, None, "{dialect}");

            // A question changes nothing.
            town.fault(fault).await;
            let told = town.put(about("query", "HT20260302000001")).await;
            assert_eq!(failure(told), "later", "{dialect} {fault}");
        }
    }
}

#[tokio::test]
async fn a_bank_that_is_not_there_was_sent_nothing() {
    for dialect in DIALECTS {
        let mut town = Town::new(dialect).await;
        assert!(town.destination.check().await.is_ok(), "{dialect}");
        let account = town::account(dialect, "http://127.0.0.1:1", "http://127.0.0.1/notices");
        let config = connector_bank::destination::BankDestinationConfig { account, connections: 1 };
        let gone = <connector_bank::destination::Bank as hub_core::registry::DestinationKind>::build(
            config,
            &town::Keys,
        );
        town.destination = gone.unwrap();
        assert_eq!(failure(town.put(town.create("HT20260302000001")).await), "later", "{dialect}");
        assert!(town.destination.check().await.is_err(), "{dialect}");
    }
}

#[tokio::test]
async fn an_account_that_the_bank_does_not_know_is_never_served() {
    for dialect in DIALECTS {
        let settings = connector_bank::sim::SimSettings {
            serial: "ANOTHER".to_owned(),
            app_secret: "another".to_owned(),
            ..Default::default()
        };
        let town = Town::with(dialect, settings).await;
        assert_eq!(failure(town.put(town.create("HT20260302000001")).await), "never", "{dialect}");
        assert_eq!(town.end().await.invalid, 1, "{dialect}");
    }
}

#[tokio::test]
async fn an_errand_that_is_none_is_never_sent() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        // UnionPay asks who pays on its own page.
        let unnamed = if town.is_unionpay() { ("amountFen", json!(-1)) } else { ("payer", Value::Null) };
        for (member, value) in [
            unnamed,
            ("orderNo", json!("../../x")),
            ("orderNo", json!("short")),
            ("amountFen", json!(0)),
            ("amountFen", json!("12.5")),
            ("method", json!("cash")),
            ("expireAt", json!("tomorrow")),
            ("act", json!("steal")),
        ] {
            let mut errand = town.create("HT20260302000001");
            errand[member] = value;
            assert_eq!(failure(town.put(errand).await), "never", "{dialect} {member}");
        }
        assert_eq!(town.end().await.received, 0, "{dialect}");
    }
}
