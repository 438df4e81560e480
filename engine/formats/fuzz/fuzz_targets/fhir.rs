//! See `checks/fhir.rs`, which a test replays without a fuzzer too.
#![no_main]
#[path = "../laws/fhir.rs"]
mod check;
#[path = "../laws/look.rs"]
mod look;
libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
