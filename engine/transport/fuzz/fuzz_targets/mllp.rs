//! Any bytes are cut into frames or refused, however they come in, and memory stays bounded.
#![no_main]
#[path = "../laws/mllp.rs"]
mod laws;
libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::framing(data));
