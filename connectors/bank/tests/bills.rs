//! Bills of the simulated bank: what happened on a day, and files that do not add up.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "other tests use the rest")]
mod town;

use hub_core::source::Inbound;
use serde_json::{Value, json};
use time::macros::offset;
use time::{Duration, OffsetDateTime};
use town::{DIALECTS, Town};

/// Two payments and a refund, yesterday; then it is today, and the bill is fetched.
async fn bill(dialect: &str, fault: Option<&str>) -> Inbound {
    let town = Town::new(dialect).await;
    let yesterday = OffsetDateTime::now_utc().to_offset(offset!(+8)).date() - Duration::days(1);
    town.control("POST /__sim/clock", json!({ "at": format!("{yesterday} 12:00:00") })).await;
    town.paid("HT20260302000001").await;
    town.paid("HT20260302000002").await;
    town.put(town.refund("RF20260302000001", "HT20260302000002", 12_345).await).await.unwrap();
    town.notices(3).await;
    town.control("POST /__sim/clock", json!({ "advanceSecs": 86400 })).await;
    if let Some(fault) = fault {
        town.fault(fault).await;
    }
    town.fetch_bills().await;
    let inbound = town.door.accepted().pop().unwrap();
    assert_eq!(inbound.dedupe.as_str(), format!("bill/{yesterday}"), "{dialect}");
    inbound
}

fn read(inbound: &Inbound) -> Value {
    serde_json::from_slice(&inbound.bytes).unwrap()
}

#[tokio::test]
async fn a_bill_tells_what_happened_to_the_fen() {
    for dialect in DIALECTS {
        let inbound = bill(dialect, None).await;
        assert!(inbound.unreadable.is_none(), "{dialect}");
        let bill = read(&inbound);
        assert_eq!(bill["dialect"], dialect);
        let totals = json!({
            "payCount": 2, "payFen": 100_000, "refundCount": 1, "refundFen": 12_345,
            // 0.6 %: twice 300, less the 74 of the refund.
            "feeFen": 526,
        });
        assert_eq!(bill["totals"], totals, "{dialect}");
        let rows = bill["rows"].as_array().unwrap();
        let refund = rows.iter().find(|row| row["type"] == "REFUND").unwrap();
        assert_eq!(refund["refundNo"], "RF20260302000001", "{dialect}");
        assert_eq!(refund["orderNo"], "HT20260302000002", "{dialect}");
        assert_eq!(refund["amountFen"], 12_345, "{dialect}");
        let paid = rows.iter().filter(|row| row["type"] == "PAY");
        assert!(paid.clone().all(|row| row["amountFen"] == 50_000 && row["feeFen"] == 300), "{dialect}");
    }
}

#[tokio::test]
async fn a_bill_that_was_changed_is_set_aside_and_says_why() {
    for dialect in DIALECTS {
        let inbound = bill(dialect, Some("bill-tampered")).await;
        let fault = inbound.unreadable.unwrap();
        let why = match dialect {
            "wechat" => "its SHA-1 is not the one the bank told",
            "cmb" => "its SM3 is not the one the bank told",
            _ => "it is no ZIP archive, or one that was changed",
        };
        assert_eq!(fault.reason, format!("the bill does not add up: {why}"), "{dialect}");
    }
}

#[tokio::test]
async fn a_bill_with_more_less_or_other_money_is_told_as_it_is() {
    for dialect in DIALECTS {
        for (fault, count, sum) in [
            ("bill-extra-row", 3, 100_100),
            ("bill-missing-row", 2, 100_000),
            ("bill-wrong-amount", 2, 100_001),
        ] {
            let inbound = bill(dialect, Some(fault)).await;
            assert!(inbound.unreadable.is_none(), "{dialect} {fault}");
            let bill = read(&inbound);
            let rows = bill["rows"].as_array().unwrap().len();
            match fault {
                // Which of the three is missing is the bank's affair.
                "bill-missing-row" => assert_eq!(rows, count, "{dialect} {fault}"),
                _ => {
                    assert_eq!(bill["totals"]["payCount"], count, "{dialect} {fault}");
                    assert_eq!(bill["totals"]["payFen"], sum, "{dialect} {fault}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_bill_of_a_day_that_is_not_over_is_not_had() {
    for dialect in DIALECTS {
        let town = Town::new(dialect).await;
        town.control("POST /__sim/clock", json!({ "advanceSecs": -86400 })).await;
        town.fetch_bills().await;
        assert!(town.door.accepted().is_empty(), "{dialect}");
    }
}
