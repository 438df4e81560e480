//! Payment and refund: PAY.

use hub_fhir::tree;
use time::Duration;

use crate::desk::Desk;
use crate::partner::Answer;

#[tokio::test]
async fn pay_1_a_second_payment_goes_back_by_itself() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let (first, second) = (desk.order(&appointment).await, desk.order(&appointment).await);
    desk.paid(&first, 50_000, "T1").await;
    desk.paid(&second, 50_000, "T2").await;
    let asked = desk.answer("payment-refund", Answer::done(&[("state", "SUCCESS")])).await;
    assert_eq!(asked.inputs["order-no"], second);
    desk.answer("register-confirm", Answer::done(&[("RegNo", "R1")])).await;
    assert_eq!(desk.state(&appointment).await, "booked", "the first one counts");
}

#[tokio::test]
async fn pay_1_what_else_is_open_is_closed_when_one_is_paid() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let (first, second) = (desk.order(&appointment).await, desk.order(&appointment).await);
    desk.paid(&first, 50_000, "T1").await;
    assert_eq!(
        desk.answer("payment-query", Answer::done(&[("state", "NOTPAY")])).await.inputs["order-no"],
        second
    );
    assert_eq!(
        desk.answer("payment-close", Answer::done(&[("state", "CLOSED")])).await.inputs["order-no"],
        second
    );
    assert_eq!(desk.state(&appointment).await, "paid-confirming");
}

#[tokio::test]
async fn pay_2_the_amount_is_the_invoices_whatever_the_client_says() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let mut pay = desk.pay(&appointment);
    pay.input.push(tree! { "name" => "amount-fen", "valueInteger" => 1_i64 });
    desk.give(&pay).await.unwrap();
    let asked = desk.answer("payment-create", Answer::done(&[("state", "CREATED")])).await;
    assert_eq!((asked.inputs["amount-fen"].as_str(), asked.inputs["currency"].as_str()), ("50000", "CNY"));
}

#[tokio::test]
async fn pay_3_a_wrong_amount_moves_nothing_and_somebody_is_told() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let order = desk.order(&appointment).await;
    desk.paid(&order, 49_999, "T1").await;
    assert_eq!(desk.state(&appointment).await, "held");
    assert_eq!(desk.alarms().await, ["payment-amount"]);
    desk.paid("HT00000000000000000000000000", 50_000, "T2").await;
    assert_eq!(desk.alarms().await, ["payment-amount", "payment-unknown"]);
}

#[tokio::test]
async fn pay_4_a_payment_told_many_times_is_booked_once() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let order = desk.order(&appointment).await;
    for _ in 0..5 {
        desk.paid(&order, 50_000, "T1").await;
    }
    let invoice = desk.text(&appointment, &["supportingInformation", "0", "reference"]).await;
    assert_eq!(desk.find("PaymentNotice", &[("request", &invoice)]).await.len(), 1);
    desk.answer("register-confirm", Answer::done(&[("RegNo", "R1")])).await;
    assert!(!desk.is_asked("register-confirm").await);
}

#[tokio::test]
async fn pay_5_before_an_order_is_closed_the_bank_is_asked_and_what_it_says_counts() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    desk.order(&appointment).await;
    desk.later(Duration::minutes(15));
    desk.events().await;
    assert!(!desk.is_asked("payment-close").await, "it is asked first");
    // It was paid in the last moment and the notice was lost.
    let paid = [("state", "PAID"), ("bankTradeNo", "T1"), ("amountFen", "50000"), ("currency", "CNY")];
    desk.answer("payment-query", Answer::done(&paid)).await;
    assert_eq!(desk.state(&appointment).await, "paid-confirming");
    assert!(!desk.is_asked("payment-close").await);
}

#[tokio::test]
async fn pay_5_a_bank_that_keeps_silent_is_asked_every_minute() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    desk.order(&appointment).await;
    for _ in 0..3 {
        desk.later(Duration::seconds(61));
        desk.events().await;
        desk.answer("payment-query", Answer::done(&[("state", "NOTPAY")])).await;
        assert_eq!(desk.state(&appointment).await, "held");
    }
}

#[tokio::test]
async fn pay_7_what_stays_unconfirmed_is_told_to_operations() {
    let desk = Desk::open().await;
    let appointment = desk.held(0, 0).await;
    let order = desk.order(&appointment).await;
    desk.paid(&order, 50_000, "T1").await;
    desk.later(Duration::minutes(10));
    desk.events().await;
    assert_eq!(desk.alarms().await, ["unconfirmed"]);
    desk.answer("register-confirm", Answer::done(&[("RegNo", "R1")])).await;
    assert_eq!((desk.state(&appointment).await.as_str(), desk.alarms().await.len()), ("booked", 0));
}

async fn refunding(desk: &Desk) -> String {
    let (appointment, _) = desk.booked(0, 0).await;
    desk.give(&desk.ask(desk.patient(), "cancel", Some(&appointment), Vec::new())).await.unwrap();
    desk.answer("register-check", Answer::done(&[("RefundAllowed", "1")])).await;
    desk.answer("register-cancel", Answer::done(&[])).await;
    assert_eq!(desk.state(&appointment).await, "refunding");
    appointment
}

#[tokio::test]
async fn pay_8_a_refund_is_sent_once_and_asked_about_until_it_is_known() {
    let desk = Desk::open().await;
    let appointment = refunding(&desk).await;
    desk.no_answer("payment-refund").await;
    assert!(!desk.is_asked("payment-refund").await);
    for state in ["PROCESSING", "PROCESSING", "SUCCESS"] {
        desk.later(Duration::seconds(61));
        desk.events().await;
        desk.answer("refund-query", Answer::done(&[("state", state)])).await;
    }
    assert_eq!(desk.state(&appointment).await, "refunded");
}

#[tokio::test]
async fn pay_8_a_refund_that_never_arrived_is_sent_again_under_its_number() {
    let desk = Desk::open().await;
    let appointment = refunding(&desk).await;
    desk.no_answer("payment-refund").await;
    desk.later(Duration::seconds(61));
    desk.events().await;
    let asked = desk.answer("refund-query", Answer::refused("RESOURCE_NOT_EXISTS")).await;
    let again = desk.answer("payment-refund", Answer::done(&[("state", "SUCCESS")])).await;
    assert_eq!(again.inputs["refund-no"], asked.inputs["refund-no"]);
    assert_eq!(desk.state(&appointment).await, "refunded");
}

#[tokio::test]
async fn pay_8_a_refund_that_the_bank_refuses_is_work_for_finance_and_the_patient_is_told() {
    let desk = Desk::open().await;
    let appointment = refunding(&desk).await;
    desk.answer("payment-refund", Answer::refused("NOT_ENOUGH")).await;
    assert_eq!(desk.state(&appointment).await, "refunding");
    assert_eq!(desk.alarms().await, ["refund-failed"]);
    assert!(desk.told(0).await.contains(&"refund-failed".to_owned()));
}

#[tokio::test]
async fn pay_9_what_went_back_is_booked_against_the_same_order() {
    let desk = Desk::open().await;
    let appointment = refunding(&desk).await;
    desk.answer("payment-refund", Answer::done(&[("state", "SUCCESS")])).await;
    let invoice = desk.text(&appointment, &["supportingInformation", "0", "reference"]).await;
    assert_eq!(desk.text(&invoice, &["status"]).await, "cancelled");
    let mut amounts = Vec::new();
    let mut orders = std::collections::BTreeSet::new();
    for notice in desk.find("PaymentNotice", &[("request", &invoice)]).await {
        let tree = desk.read(&notice).await;
        amounts.push(hub_workflows::money::Money::of(tree.get("amount")).unwrap().fen);
        orders.insert(desk.text(&notice, &["identifier", "0", "value"]).await);
    }
    amounts.sort_unstable();
    assert_eq!((amounts, orders.len()), (vec![-50_000, 50_000], 1));
}
