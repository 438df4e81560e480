//! The bill of a day: made of what has happened, and made wrong by order.

use time::{Date, PrimitiveDateTime};

use super::Office;
use super::book::Speech;
use super::locked;
use super::mischief::{BILLS, Mischief};

/// A line of a bill.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) is_refund: bool,
    pub(super) order: String,
    pub(super) refund: String,
    pub(super) trade_no: String,
    pub(super) refund_no: String,
    pub(super) at: PrimitiveDateTime,
    pub(super) fen: i64,
    /// Negative where the bank gives it back.
    pub(super) fee: i64,
    pub(super) payer: String,
    pub(super) goods: String,
}

/// What the lines come to: payments, refunds, fees.
pub(super) struct Sums {
    pub(super) paid: (usize, i64),
    pub(super) given_back: (usize, i64),
    pub(super) fees: i64,
}

pub(super) fn sums(lines: &[Line]) -> Sums {
    let of = |is_refund: bool| {
        let lines = lines.iter().filter(move |line| line.is_refund == is_refund);
        (lines.clone().count(), lines.map(|line| line.fen).sum())
    };
    Sums { paid: of(false), given_back: of(true), fees: lines.iter().map(|line| line.fee).sum() }
}

/// The lines of a day in the order of their times, and whether the file shall be changed after its digest was told.
pub(super) fn lines(office: &Office, speech: Speech, date: Date) -> (Vec<Line>, bool) {
    let rate = office.settings.fee_per_10000;
    let fee = |fen: i64| (fen * rate + 5000) / 10000;
    let mut lines = Vec::new();
    {
        let book = locked(&office.book);
        for order in book.orders.values().filter(|order| order.request.speech == speech) {
            let line = Line {
                is_refund: false,
                order: order.request.no.clone(),
                refund: String::new(),
                trade_no: String::new(),
                refund_no: String::new(),
                at: PrimitiveDateTime::MIN,
                fen: 0,
                fee: 0,
                payer: order.request.payer.clone(),
                goods: order.request.goods.clone(),
            };
            for payment in &order.payments {
                let trade_no = payment.trade_no.clone();
                let (at, fen) = (payment.at, payment.fen);
                lines.push(Line { trade_no, at, fen, fee: fee(fen), ..line.clone() });
            }
            // A refund stands in the bill of the day on which it was asked for, however it ends.
            for refund in book.refunds.values().filter(|refund| refund.order == order.request.no) {
                lines.push(Line {
                    is_refund: true,
                    refund: refund.no.clone(),
                    trade_no: order
                        .payments
                        .first()
                        .map(|payment| payment.trade_no.clone())
                        .unwrap_or_default(),
                    refund_no: refund.bank_no.clone(),
                    at: refund.at,
                    fen: refund.fen,
                    fee: -fee(refund.fen),
                    ..line.clone()
                });
            }
        }
    }
    lines.retain(|line| line.at.date() == date);
    lines.sort_by(|one, other| (one.at, &one.trade_no).cmp(&(other.at, &other.trade_no)));
    let fault = office.takes(&BILLS);
    match fault {
        Some(Mischief::BillExtraRow) => lines.extend(extra(date, fee(100))),
        Some(Mischief::BillMissingRow) => drop(lines.pop()),
        Some(Mischief::BillWrongAmount) => lines.iter_mut().take(1).for_each(|line| line.fen += 1),
        _ => {}
    }
    (lines, fault == Some(Mischief::BillTampered))
}

/// A payment of one yuan that nobody made.
fn extra(date: Date, fee: i64) -> Option<Line> {
    Some(Line {
        is_refund: false,
        order: "NOBODYORDEREDTHIS0001".to_owned(),
        refund: String::new(),
        trade_no: "4299999999999999999999999999".to_owned(),
        refund_no: String::new(),
        at: date.with_hms(23, 59, 0).ok()?,
        fen: 100,
        fee,
        payer: "o-nobody".to_owned(),
        goods: "长款".to_owned(),
    })
}
