//! Banks and acquirers: payments, refunds, notices and bills, in three dialects behind one contract (section 12 of the profile).
//!
//! A parcel is an [`neutral::Errand`], the answer a [`neutral::Told`], a notice and a bill are JSON of the same words: no channel
//! and no mapping knows which bank it is. In reading order:

use hub_core::registry::Registry;

pub mod neutral;

mod account;
mod beijing;
pub mod bill;
pub mod destination;
mod dialect;
mod money;
pub mod sim;
pub mod source;

pub use account::{Account, DialectName};

/// Makes the destination `bank` and the sources `bank` and `bank-bill` known.
pub fn register(registry: &mut Registry) {
    registry.destination::<destination::Bank>();
    registry.source::<source::Bank>();
    registry.source::<bill::BankBill>();
}
