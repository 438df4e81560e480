//! The hospital information system: tells of patients and their stays by HL7 v2 ADT over MLLP.

use hub_core::registry::Registry;

pub mod sim;
pub mod source;

/// Makes the source `his` known.
pub fn register(registry: &mut Registry) {
    registry.source::<source::His>();
}
