//! The hospital information system: tells of patients and their stays by HL7 v2 ADT over MLLP, and is asked by SOAP: master data,
//! patients, rosters, registration, fees.

use hub_core::registry::Registry;

pub mod envelope;
pub mod query_source;
pub mod service_destination;
pub mod sim;
pub mod source;

/// Makes the sources `his` and `his-query` and the destination `his-service` known.
pub fn register(registry: &mut Registry) {
    registry.source::<source::His>().source::<query_source::HisQuery>();
    registry.destination::<service_destination::HisService>();
}
