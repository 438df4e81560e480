//! Any bytes are cut into frames or refused, and memory stays bounded.
#![no_main]
use tokio_util::codec::Decoder;
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (mut codec, mut buffer) = (hub_transport::mllp::Mllp::new(64), bytes::BytesMut::from(data));
    while let Ok(Some(frame)) = codec.decode_eof(&mut buffer) {
        assert!(frame.len() <= 64);
    }
});
