//! Any bytes are read as HL7 v2 or refused.
#![no_main]
use hub_core::document::Document;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let document = hub_formats::hl7v2::Hl7Parser::default().read(data);
    document.iter().for_each(|document| document.leaves().iter().for_each(|leaf| drop(document.text(*leaf))));
});
