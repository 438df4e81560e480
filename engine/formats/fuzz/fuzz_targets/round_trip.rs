//! What is read as HL7 v2 says the same when it is written and read again.
#![no_main]
#[path = "../laws/hl7v2.rs"]
#[expect(dead_code, reason = "each target holds one of the laws")]
mod laws;
libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::round_trip(data));
