//! Any bytes are cut into messages or refused.
#![no_main]
#[path = "../laws/hl7v2.rs"]
#[expect(dead_code, reason = "each target holds one of the laws")]
mod laws;
libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::split(data));
