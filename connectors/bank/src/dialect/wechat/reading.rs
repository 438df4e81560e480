//! What the bank's JSON says: how a payment or refund stands, or why it was refused.

use hub_core::destination::DeliveryError;
use serde_json::Value;

use crate::dialect::{in_doubt, never};
use crate::neutral::{Errand, Told, code, order, refund};

/// How a transaction stands; `None` where it does not say.
pub(super) fn transaction(body: &Value, told: Told) -> Option<Told> {
    let state = text(body, "trade_state")?;
    let amount = &body["amount"];
    let stands = match state {
        "SUCCESS" | "REFUND" => order::PAID,
        "NOTPAY" => order::CREATED,
        "USERPAYING" => order::PAYING,
        "CLOSED" | "REVOKED" => order::CLOSED,
        _ => order::UNKNOWN,
    };
    let told = Told {
        state: Some(stands.to_owned()),
        has_refunds: (state == "REFUND").then_some(true),
        bank_trade_no: text(body, "transaction_id").map(str::to_owned),
        amount_fen: amount["total"].as_i64(),
        currency: text(amount, "currency").map(str::to_owned),
        paid_at: text(body, "success_time").map(str::to_owned),
        ..told
    };
    // What is paid has a number and an amount.
    let is_whole = stands != order::PAID || (told.bank_trade_no.is_some() && told.amount_fen.is_some());
    is_whole.then_some(told)
}

/// How a refund stands; its state has another name in notices.
pub(super) fn refunded(body: &Value, state: &str, told: Told) -> Option<Told> {
    let amount = &body["amount"];
    let stands = match text(body, state)? {
        "SUCCESS" => refund::SUCCESS,
        "PROCESSING" => refund::PROCESSING,
        "ABNORMAL" | "CLOSED" => refund::FAILED,
        _ => refund::UNKNOWN,
    };
    Some(Told {
        order_no: text(body, "out_trade_no").unwrap_or(&told.order_no).to_owned(),
        state: Some(stands.to_owned()),
        bank_trade_no: text(body, "transaction_id").map(str::to_owned),
        bank_refund_no: text(body, "refund_id").map(str::to_owned),
        amount_fen: Some(amount["refund"].as_i64()?),
        currency: text(amount, "currency").map(str::to_owned),
        paid_at: text(body, "success_time").map(str::to_owned),
        ..told
    })
}

/// A refusal: of our account, of nobody knows what, or of the errand.
pub(super) fn refused(errand: &Errand, status: u16, body: &Value) -> Result<Told, DeliveryError> {
    let found =
        text(body, "code").ok_or_else(|| in_doubt(format!("the bank answered {status} without a code")))?;
    match found {
        "SIGN_ERROR" | "NO_AUTH" | "MCH_NOT_EXISTS" | "APPID_MCHID_NOT_MATCH" => {
            Err(never(format!("the bank does not accept our account ({status}, {found})")))
        }
        "FREQUENCY_LIMITED" | "FREQUENCY_LIMIT_EXCEED" => Err(DeliveryError::Later {
            reason: format!("the bank is asked too often ({found})"),
            after: None,
        }),
        _ if status >= 500 => {
            Err(in_doubt(format!("the bank does not know what became of it ({status}, {found})")))
        }
        _ => {
            let code = match found {
                "ORDERPAID" => code::ORDER_PAID,
                "ORDERNOTEXIST" => code::ORDER_NOT_EXIST,
                other => other,
            };
            let message = text(body, "message").map(str::to_owned);
            Ok(Told { code: Some(code.to_owned()), message, ..Told::to(errand) })
        }
    }
}

/// A member's text.
pub(super) fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body[name].as_str()
}
