//! The notification service: tells the ward, by HTTP and JSON, what cannot wait.

use hub_core::registry::Registry;

pub mod destination;
pub mod sim;

/// Makes the destination `notify` known.
pub fn register(registry: &mut Registry) {
    registry.destination::<destination::Notify>();
}
