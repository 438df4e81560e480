//! What must hold for any bytes read as MLLP: the fuzz target and `tests/mllp_seeds.rs` call this.

use bytes::{Bytes, BytesMut};
use hub_transport::mllp::{Mllp, MllpError, frame};
use tokio_util::codec::Decoder;

const LIMIT: usize = 64;

/// The frames, how the stream ends, and how many bytes stood outside.
fn decoded(data: &[u8], step: usize) -> (Vec<Bytes>, Option<&'static str>, u64) {
    let (mut codec, mut buffer, mut frames) = (Mllp::new(LIMIT), BytesMut::new(), Vec::new());
    let mut parts = data.chunks(step.max(1));
    let error = loop {
        let part = parts.next();
        buffer.extend_from_slice(part.unwrap_or_default());
        let read = loop {
            let read = if part.is_some() { codec.decode(&mut buffer) } else { codec.decode_eof(&mut buffer) };
            match read {
                Ok(Some(frame)) => frames.push(frame),
                other => break other,
            }
        };
        assert!(buffer.len() <= LIMIT + step + 1, "the buffer grows");
        match read {
            Err(error) => break Some(error),
            Ok(_) if part.is_none() => break None,
            Ok(_) => {}
        }
    };
    let end = error.map(|error| match error {
        MllpError::FrameTooLong { .. } => "too long",
        MllpError::TooMuchGarbage { .. } => "too much garbage",
        MllpError::Truncated => "truncated",
        MllpError::Io(_) => "broken",
    });
    (frames, end, codec.take_garbage())
}

/// However the bytes come in, the frames are the same; none is longer than the limit; what is framed is read back.
pub fn framing(data: &[u8]) {
    let step = usize::from(data.first().copied().unwrap_or(0) % 24) + 1;
    let (frames, end, garbage) = decoded(data, data.len());
    let (in_parts, end_in_parts, garbage_in_parts) = decoded(data, step);
    assert!(frames == in_parts, "the frames are others");
    assert!(end.is_some() == end_in_parts.is_some(), "{end:?} or {end_in_parts:?}");
    if end.is_none() {
        assert_eq!(garbage, garbage_in_parts);
    }
    for found in &frames {
        assert!(found.len() <= LIMIT);
        assert!(decoded(&frame(found), step).0 == [found.clone()], "what is framed is not read back");
    }
}
