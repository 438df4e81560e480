//! See `checks/fhir.rs`, which a test replays without a fuzzer too.
#![no_main]
#[path = "../checks/fhir.rs"]
mod check;
#[path = "../checks/look.rs"]
mod look;
libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
