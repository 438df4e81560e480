//! See `checks/csv.rs`, which a test replays without a fuzzer too.
#![no_main]
#[path = "../checks/csv.rs"]
mod check;
#[path = "../checks/look.rs"]
mod look;
libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
