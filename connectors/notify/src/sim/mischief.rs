//! Misbehaviour by name: what the gateways do wrong when they are told to.

use serde::{Deserialize, Serialize};

/// The faults of the gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mischief {
    /// Sends it, answers late.
    Slow,
    /// Sends it, never answers.
    Silent,
    /// Sends it, answers with what is no answer.
    Garbage,
    /// Sends nothing: too many.
    Limit,
    /// Sends nothing and says the code of the order.
    ForcedCode,
    /// Reports nothing.
    LostReceipt,
    /// Reports twice.
    DuplicateReceipt,
    /// Reports that the phone did not get it.
    FailedReceipt,
}

/// What can go wrong with a request.
pub(super) const ANSWERS: [Mischief; 5] =
    [Mischief::Slow, Mischief::Silent, Mischief::Garbage, Mischief::Limit, Mischief::ForcedCode];
/// What can go wrong with a report.
pub(super) const RECEIPTS: [Mischief; 3] =
    [Mischief::LostReceipt, Mischief::DuplicateReceipt, Mischief::FailedReceipt];

/// One order to misbehave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What.
    pub name: Mischief,
    /// How often; 0: always.
    #[serde(default = "once")]
    pub times: u64,
    /// What `forced-code` says.
    #[serde(default)]
    pub code: String,
}

fn once() -> u64 {
    1
}

/// The first of these that is ordered: it happens once more.
pub(super) fn take(orders: &mut Vec<Order>, of: &[Mischief]) -> Option<Order> {
    let at = orders.iter().position(|order| of.contains(&order.name))?;
    let taken = orders[at].clone();
    match &mut orders[at].times {
        0 => {}
        1 => drop(orders.remove(at)),
        left => *left -= 1,
    }
    Some(taken)
}
