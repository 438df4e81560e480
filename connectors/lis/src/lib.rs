//! The laboratory information system: reports results by HL7 v2 ORU over MLLP, and takes the ADT feed.

use hub_core::registry::Registry;

pub mod destination;
pub mod sim;
pub mod source;

/// Makes the source and the destination `lis` known.
pub fn register(registry: &mut Registry) {
    registry.source::<source::Lis>().destination::<destination::Lis>();
}
