//! Misbehaviour by name: what the bank does wrong when it is told to.

use serde::{Deserialize, Serialize};

/// The faults of the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mischief {
    /// Does it, answers late.
    Slow,
    /// Does it, never answers.
    Silent,
    /// Does it, answers with a signature that is not right.
    WrongSignature,
    /// Does it, says that it does not know what became of it.
    SystemErrorOnce,
    /// Refuses a refund.
    RefundRefused,
    /// Takes a refund and leaves it pending, until it is told how it ends.
    RefundPending,
    /// Sends a notice twice.
    NoticeTwice,
    /// Sends a notice late.
    NoticeLate,
    /// Sends a notice that it has not signed before the one that it has.
    NoticeForged,
    /// Sends a notice with another amount than was paid, signed.
    NoticeWrongAmount,
    /// Sends no notice.
    NoNotice,
    /// Changes the bill after its digest was told.
    BillTampered,
    /// The bill has a payment that nobody made.
    BillExtraRow,
    /// The bill lacks a payment.
    BillMissingRow,
    /// The bill has another amount.
    BillWrongAmount,
}

/// What can go wrong with an answer.
pub(super) const ANSWERS: [Mischief; 4] =
    [Mischief::Slow, Mischief::Silent, Mischief::WrongSignature, Mischief::SystemErrorOnce];
/// What can go wrong with a refund.
pub(super) const REFUNDS: [Mischief; 2] = [Mischief::RefundRefused, Mischief::RefundPending];
/// What can go wrong with a notice.
pub(super) const NOTICES: [Mischief; 5] = [
    Mischief::NoticeTwice,
    Mischief::NoticeLate,
    Mischief::NoticeForged,
    Mischief::NoticeWrongAmount,
    Mischief::NoNotice,
];
/// What can go wrong with a bill.
pub(super) const BILLS: [Mischief; 4] =
    [Mischief::BillTampered, Mischief::BillExtraRow, Mischief::BillMissingRow, Mischief::BillWrongAmount];

/// One order to misbehave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub name: Mischief,
    /// How often; 0: always.
    #[serde(default = "once")]
    pub times: u64,
}

fn once() -> u64 {
    1
}

/// The first of these that is ordered: it happens once more.
pub(super) fn take(orders: &mut Vec<Fault>, of: &[Mischief]) -> Option<Mischief> {
    let at = orders.iter().position(|order| of.contains(&order.name))?;
    let name = orders[at].name;
    match &mut orders[at].times {
        0 => {}
        1 => drop(orders.remove(at)),
        left => *left -= 1,
    }
    Some(name)
}
