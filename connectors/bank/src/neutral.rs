//! The contract that all dialects keep (section 12.0): what is asked of a bank, and what it tells.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::money;

/// What a bank can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Open an order that can be paid.
    Create,
    /// Tell how an order stands.
    Query,
    /// Close an order, so that nobody can pay it any more.
    Close,
    /// Give money back.
    Refund,
    /// Tell how a refund stands.
    QueryRefund,
}

impl Act {
    /// Whether something is different at the bank afterwards.
    pub fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Close | Self::Refund)
    }
}

/// A parcel's body. No `Debug`: it names a payer.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Errand {
    /// What shall be done.
    pub act: Act,
    /// The order: our number of it, never used twice.
    #[serde(default)]
    pub order_no: String,
    /// The refund: our number of it, never used twice.
    #[serde(default)]
    pub refund_no: String,
    /// What is to be paid, or given back.
    #[serde(default, deserialize_with = "money::fen")]
    pub amount_fen: Option<i64>,
    /// What is given back; goes before `amountFen`.
    #[serde(default, deserialize_with = "money::fen")]
    pub refund_fen: Option<i64>,
    /// What was paid in all, for a refund.
    #[serde(default, deserialize_with = "money::fen")]
    pub total_fen: Option<i64>,
    /// `CNY` where nothing is said.
    pub currency: Option<String>,
    /// How it is paid: `jsapi`, `h5`, `native`, `app`.
    pub method: Option<String>,
    /// Who pays, as the bank knows them: an openid.
    pub payer: Option<String>,
    /// The address of who pays.
    pub client_ip: Option<String>,
    /// Until when it can be paid (RFC 3339).
    pub expire_at: Option<String>,
    /// When the order or refund was made (RFC 3339): part of its name in the dialect `unionpay`.
    pub order_time: Option<String>,
    /// The bank's number of the payment that is given back (`unionpay`).
    pub bank_trade_no: Option<String>,
    /// Where the browser goes when it is done (`unionpay`). It proves nothing.
    pub return_url: Option<String>,
    /// What is paid for, in words that may be shown.
    pub goods: Option<String>,
    /// Why money is given back.
    pub reason: Option<String>,
}

impl Errand {
    /// The question how what this errand is about stands.
    pub(crate) fn question(&self) -> Self {
        let act = match self.act {
            Act::Create | Act::Query | Act::Close => Act::Query,
            Act::Refund | Act::QueryRefund => Act::QueryRefund,
        };
        Self { act, ..self.clone() }
    }

    /// The currency, by its three letters.
    pub(crate) fn currency(&self) -> &str {
        self.currency.as_deref().unwrap_or("CNY")
    }
}

/// How an order stands.
pub mod order {
    /// It can be paid.
    pub const CREATED: &str = "CREATED";
    /// Somebody is paying it.
    pub const PAYING: &str = "PAYING";
    /// It is paid, whatever has been given back since.
    pub const PAID: &str = "PAID";
    /// It can no longer be paid.
    pub const CLOSED: &str = "CLOSED";
    /// The bank says something that this contract has no word for.
    pub const UNKNOWN: &str = "UNKNOWN";
}

/// How a refund stands.
pub mod refund {
    /// The bank is at it.
    pub const PROCESSING: &str = "PROCESSING";
    /// The money has gone back.
    pub const SUCCESS: &str = "SUCCESS";
    /// The money has not gone back and will not.
    pub const FAILED: &str = "FAILED";
    /// The bank says something that this contract has no word for.
    pub const UNKNOWN: &str = "UNKNOWN";
}

/// The codes that are the same in all dialects. Others are the bank's own.
pub mod code {
    /// The bank does not know the order.
    pub const ORDER_NOT_EXIST: &str = "ORDER_NOT_EXIST";
    /// The bank does not know the refund.
    pub const RESOURCE_NOT_EXISTS: &str = "RESOURCE_NOT_EXISTS";
    /// The number has been used for another order, or the order is closed.
    pub const OUT_TRADE_NO_USED: &str = "OUT_TRADE_NO_USED";
    /// The order is paid already.
    pub const ORDER_PAID: &str = "ORDER_PAID";
    /// More than is left cannot be given back.
    pub const NOT_ENOUGH: &str = "NOT_ENOUGH";
}

/// What the bank tells: in answer to an errand, or of its own accord. Made only of what it has signed. No `Debug`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Told {
    /// What it is the answer to; `notice` where nobody asked.
    pub act: String,
    /// The order.
    pub order_no: String,
    /// The refund.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub refund_no: String,
    /// How it stands: of [`order`] or [`refund`]. Nothing where it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The bank's number of the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_trade_no: Option<String>,
    /// The bank's number of the refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_refund_no: Option<String>,
    /// What was paid, or given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_fen: Option<i64>,
    /// Its currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// When the money came, or went back (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<String>,
    /// Whether some of it has been given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_refunds: Option<bool>,
    /// What the page hands to the wallet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_params: Option<Value>,
    /// Where a browser goes to pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub h5_url: Option<String>,
    /// What is shown as a QR code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_url: Option<String>,
    /// A page that sends itself to the bank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_html: Option<String>,
    /// Until when it can be paid (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<String>,
    /// When the order was made, where that is part of its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_time: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same in the bank's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Told {
    /// The beginning of an answer to this errand.
    pub(crate) fn to(errand: &Errand) -> Self {
        let act = serde_json::to_value(errand.act).ok();
        Self {
            act: act.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            order_no: errand.order_no.clone(),
            refund_no: errand.refund_no.clone(),
            ..Self::default()
        }
    }

    /// The beginning of a notice.
    pub(crate) fn notice(order_no: String) -> Self {
        Self { act: "notice".to_owned(), order_no, ..Self::default() }
    }

    /// As JSON. The same content is always the same bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers can be written as JSON")
    }
}
