//! The bank's book: orders, what was paid on them and what was given back, and the rules that hold in every dialect.

use std::collections::BTreeMap;

use serde::Serialize;
use sim_kit::dice::Dice;
use time::PrimitiveDateTime;

use super::clock::spaced;

/// In which dialect an order was opened, and is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Speech {
    Wechat,
    Cmb,
    Unionpay,
}

impl Speech {
    /// How many digits the bank's numbers have: UnionPay's are 21 characters, the others' 28.
    fn digits(self) -> usize {
        if self == Self::Unionpay { 19 } else { 26 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Standing {
    Open,
    Paid,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ending {
    Pending,
    Success,
    Failed,
}

/// Why the bank says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum No {
    OrderUnknown,
    RefundUnknown,
    NumberUsed,
    Paid,
    NotPaid,
    Closed,
    Expired,
    TooMuch,
    OtherTotal,
    Balance,
}

/// What is to be paid.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) speech: Speech,
    pub(super) no: String,
    pub(super) fen: i64,
    pub(super) goods: String,
    pub(super) payer: String,
    /// How it is paid; in the dialect `unionpay` the time in its name.
    pub(super) method: String,
    pub(super) notify_url: String,
    #[serde(serialize_with = "shown")]
    pub(super) expires: PrimitiveDateTime,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payment {
    pub(super) trade_no: String,
    pub(super) fen: i64,
    #[serde(serialize_with = "shown")]
    pub(super) at: PrimitiveDateTime,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    #[serde(flatten)]
    pub(super) request: Request,
    pub(super) standing: Standing,
    /// The bank's handle of an order that is not paid yet.
    pub(super) prepay: String,
    /// More than one where it was paid twice.
    pub(super) payments: Vec<Payment>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refund {
    pub(super) no: String,
    pub(super) order: String,
    pub(super) fen: i64,
    pub(super) ending: Ending,
    pub(super) bank_no: String,
    pub(super) notify_url: String,
    #[serde(serialize_with = "shown")]
    pub(super) at: PrimitiveDateTime,
    /// The time in its name, and what the merchant wants back with it: in the dialect `unionpay`.
    pub(super) asked: String,
    pub(super) reserved: String,
}

fn shown<S: serde::Serializer>(at: &PrimitiveDateTime, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&spaced(*at))
}

/// All of it.
pub(super) struct Book {
    seed: u64,
    last: u64,
    pub(super) orders: BTreeMap<String, Order>,
    pub(super) refunds: BTreeMap<String, Refund>,
}

impl Book {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, last: 0, orders: BTreeMap::new(), refunds: BTreeMap::new() }
    }

    /// A number that the bank gives, of so many digits: the same for the same seed and course of things.
    pub(super) fn number(&mut self, kind: &str, digits: usize) -> String {
        self.last += 1;
        Dice::new(self.seed, kind, self.last).digits(digits)
    }

    /// Opens an order. The same once more is the same order.
    pub(super) fn open(&mut self, request: Request, now: PrimitiveDateTime) -> Result<Order, No> {
        if request.expires <= now {
            return Err(No::Expired);
        }
        if let Some(order) = self.order(&request.no, now) {
            return match order.standing {
                Standing::Paid => Err(No::Paid),
                Standing::Open if order.request == request => Ok(order),
                Standing::Open | Standing::Closed => Err(No::NumberUsed),
            };
        }
        let prepay = format!("wx{}", self.number("prepay", 34));
        let order = Order { request, standing: Standing::Open, prepay, payments: Vec::new() };
        self.orders.insert(order.request.no.clone(), order.clone());
        Ok(order)
    }

    /// An order as it stands; one whose time is over is closed.
    pub(super) fn order(&mut self, no: &str, now: PrimitiveDateTime) -> Option<Order> {
        let order = self.orders.get_mut(no)?;
        if order.standing == Standing::Open && order.request.expires <= now {
            order.standing = Standing::Closed;
        }
        Some(order.clone())
    }

    /// Somebody pays. `anyway`: the money was under way when the order was closed, or comes a second time.
    pub(super) fn pay(&mut self, no: &str, anyway: bool, now: PrimitiveDateTime) -> Result<Order, No> {
        let order = self.order(no, now).ok_or(No::OrderUnknown)?;
        match order.standing {
            _ if anyway => {}
            Standing::Open => {}
            Standing::Paid => return Err(No::Paid),
            Standing::Closed => return Err(No::Closed),
        }
        let trade_no = format!("42{}", self.number("trade", order.request.speech.digits()));
        let order = self.orders.get_mut(no).ok_or(No::OrderUnknown)?;
        order.payments.push(Payment { trade_no, fen: order.request.fen, at: now });
        order.standing = Standing::Paid;
        Ok(order.clone())
    }

    pub(super) fn close(&mut self, no: &str, now: PrimitiveDateTime) -> Result<(), No> {
        let order = self.order(no, now).ok_or(No::OrderUnknown)?;
        if order.standing == Standing::Paid {
            return Err(No::Paid);
        }
        self.orders.entry(no.to_owned()).and_modify(|order| order.standing = Standing::Closed);
        Ok(())
    }

    /// What has been given back of an order, or is being.
    pub(super) fn given_back(&self, order: &str) -> i64 {
        let of_order = self.refunds.values().filter(|refund| refund.order == order);
        of_order.filter(|refund| refund.ending != Ending::Failed).map(|refund| refund.fen).sum()
    }

    /// Gives money back; whether it is a new refund. The same once more is the same refund.
    pub(super) fn refund(&mut self, refund: Refund, total: i64) -> Result<(Refund, bool), No> {
        let now = refund.at;
        if let Some(known) = self.refunds.get(&refund.no) {
            let is_same = known.order == refund.order && known.fen == refund.fen;
            return if is_same { Ok((known.clone(), false)) } else { Err(No::NumberUsed) };
        }
        let order = self.order(&refund.order, now).ok_or(No::OrderUnknown)?;
        if order.standing != Standing::Paid {
            return Err(No::NotPaid);
        }
        if order.request.fen != total {
            return Err(No::OtherTotal);
        }
        let paid: i64 = order.payments.iter().map(|payment| payment.fen).sum();
        if refund.fen > total || self.given_back(&refund.order) + refund.fen > paid {
            return Err(No::TooMuch);
        }
        let refund = Refund {
            bank_no: format!("50{}", self.number("refund", order.request.speech.digits())),
            ..refund
        };
        self.refunds.insert(refund.no.clone(), refund.clone());
        Ok((refund, true))
    }
}
