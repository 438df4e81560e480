//! The signing service of a certification authority: patients' signatures, seals, verification, timestamps (section 14 of the profile).
//!
//! A parcel is an [`neutral::Errand`], the answer a [`neutral::Told`], a notice is JSON of the same words. In reading order:

use hub_core::registry::Registry;

pub mod neutral;

mod account;
pub mod destination;
mod service;
pub mod sim;
pub mod source;

pub use account::Account;

/// Makes the destination and the source `esign` known.
pub fn register(registry: &mut Registry) {
    registry.destination::<destination::Esign>();
    registry.source::<source::Esign>();
}
