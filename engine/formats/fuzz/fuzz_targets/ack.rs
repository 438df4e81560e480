//! Any bytes are read as a header or an acknowledgement, or refused.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    drop(hub_formats::hl7v2::Header::read(data));
    drop(hub_formats::hl7v2::AckRead::read(data));
});
