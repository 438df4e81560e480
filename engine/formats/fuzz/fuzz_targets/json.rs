//! See `checks/json.rs`, which a test replays without a fuzzer too.
#![no_main]
#[path = "../checks/json.rs"]
mod check;
#[path = "../checks/look.rs"]
mod look;
libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
