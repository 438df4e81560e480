//! Misbehaviour by name: what the service does wrong when it is told to.

use serde::{Deserialize, Serialize};

/// The faults of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mischief {
    /// Does it, answers late.
    Slow,
    /// Does it, never answers.
    Silent,
    /// Does it, answers with a signature that is not right.
    WrongSignature,
    /// Does nothing, says that it cannot now (5000).
    Busy,
    /// Refuses to sign: the signer's certificate has expired (1001).
    CertExpired,
    /// Refuses to sign: it is revoked (1002).
    CertRevoked,
    /// Refuses to sign: nobody has allowed it (1003).
    NotAuthorised,
    /// Refuses a document: it is not the one that was told (1004).
    HashMismatch,
    /// Refuses to sign: the signer is not who he says (1005).
    IdentityFails,
    /// Refuses to sign: it is too late (1006).
    TaskExpired,
    /// Hands out a document with one changed byte.
    FileTampered,
    /// Sends a notice twice.
    NoticeTwice,
    /// Sends a notice late.
    NoticeLate,
    /// Sends a notice that it has not signed before the one that it has.
    NoticeForged,
    /// Sends no notice.
    NoNotice,
}

/// What can go wrong with an answer.
pub(super) const ANSWERS: [Mischief; 3] = [Mischief::Slow, Mischief::Silent, Mischief::WrongSignature];
/// What can go wrong with signing.
pub(super) const SIGNINGS: [Mischief; 6] = [
    Mischief::CertExpired,
    Mischief::CertRevoked,
    Mischief::NotAuthorised,
    Mischief::HashMismatch,
    Mischief::IdentityFails,
    Mischief::TaskExpired,
];
/// What can go wrong with a notice.
pub(super) const NOTICES: [Mischief; 4] =
    [Mischief::NoticeTwice, Mischief::NoticeLate, Mischief::NoticeForged, Mischief::NoNotice];

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
