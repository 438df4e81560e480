//! Any bytes are read as FHIR JSON or refused.
#![no_main]
use hub_core::document::Parser;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    drop(hub_formats::fhir::FhirParser::default().parse(data));
});
