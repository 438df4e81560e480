//! The MLLP frame codec: `VT message FS CR` (HL7 v2, transport specification, release 2).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio_util::codec::{Decoder, Encoder};

const VT: u8 = 0x0B;
const FS: u8 = 0x1C;
const CR: u8 = 0x0D;

/// Why a stream of frames cannot go on. The connection is closed then.
#[derive(Debug, Error)]
pub enum MllpError {
    /// More bytes came after a start than a frame may have.
    #[error("the frame is longer than {limit} bytes")]
    FrameTooLong {
        /// The limit.
        limit: usize,
    },
    /// More bytes came between frames than a peer that speaks MLLP would send.
    #[error("more than {limit} bytes between two frames: the peer does not speak MLLP")]
    TooMuchGarbage {
        /// The limit.
        limit: usize,
    },
    /// The peer closed in the middle of a frame.
    #[error("the connection ended within a frame")]
    Truncated,
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
}

/// Cuts a stream into frames. Memory is bounded by the limit: a frame that grows past it is an error at once.
///
/// A frame ends with `FS CR`; `FS VT`, where the next frame begins without the CR, is taken too. Bytes between frames
/// are dropped and counted. A VT within a frame begins the frame anew: the half before it was cut off by a sender that
/// started again, and counts as garbage.
#[derive(Debug)]
pub struct Mllp {
    limit: usize,
    /// Bytes of the current frame already searched for its end; `None` between frames.
    searched: Option<usize>,
    /// Garbage since it was last asked for.
    garbage: u64,
    /// Garbage since the last frame.
    garbage_in_a_row: usize,
}

impl Mllp {
    /// A codec for frames of at most `limit` bytes, framing aside.
    pub fn new(limit: usize) -> Self {
        Self { limit, searched: None, garbage: 0, garbage_in_a_row: 0 }
    }

    /// How many bytes stood outside of frames since this was last asked.
    pub fn take_garbage(&mut self) -> u64 {
        std::mem::take(&mut self.garbage)
    }

    fn drop_garbage(&mut self, buffer: &mut BytesMut, count: usize) -> Result<(), MllpError> {
        // Line ends after a frame are the habit of many senders, not garbage.
        let blank = buffer[..count].iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
        buffer.advance(count);
        self.garbage += (count - blank) as u64;
        self.garbage_in_a_row += count;
        if self.garbage_in_a_row > self.limit {
            return Err(MllpError::TooMuchGarbage { limit: self.limit });
        }
        Ok(())
    }
}

impl Decoder for Mllp {
    type Item = Bytes;
    type Error = MllpError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, MllpError> {
        let mut at = match self.searched {
            Some(searched) => searched,
            None => {
                let start = buffer.iter().position(|byte| *byte == VT);
                self.drop_garbage(buffer, start.unwrap_or(buffer.len()))?;
                if start.is_none() {
                    return Ok(None);
                }
                buffer.advance(1);
                0
            }
        };
        while let Some(found) = buffer[at..].iter().position(|byte| matches!(*byte, VT | FS)) {
            at += found;
            if buffer[at] == VT {
                self.drop_garbage(buffer, at)?;
                buffer.advance(1);
                at = 0;
                continue;
            }
            if at > self.limit {
                return Err(MllpError::FrameTooLong { limit: self.limit });
            }
            match buffer.get(at + 1).copied() {
                None => {
                    self.searched = Some(at);
                    return Ok(None);
                }
                Some(next @ (CR | VT)) => {
                    let frame = buffer.split_to(at).freeze();
                    buffer.advance(if next == CR { 2 } else { 1 });
                    self.searched = None;
                    self.garbage_in_a_row = 0;
                    return Ok(Some(frame));
                }
                Some(_) => at += 1,
            }
        }
        if buffer.len() > self.limit {
            return Err(MllpError::FrameTooLong { limit: self.limit });
        }
        self.searched = Some(buffer.len());
        Ok(None)
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, MllpError> {
        match self.decode(buffer)? {
            Some(frame) => Ok(Some(frame)),
            None if self.searched.is_some() => {
                self.searched = None;
                buffer.clear();
                Err(MllpError::Truncated)
            }
            None => Ok(None),
        }
    }
}

impl Encoder<&[u8]> for Mllp {
    type Error = MllpError;

    fn encode(&mut self, message: &[u8], buffer: &mut BytesMut) -> Result<(), MllpError> {
        buffer.reserve(message.len() + 3);
        buffer.put_u8(VT);
        buffer.put_slice(message);
        buffer.put_slice(&[FS, CR]);
        Ok(())
    }
}

/// A message in its frame.
pub fn frame(message: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(message.len() + 3);
    buffer.put_u8(VT);
    buffer.put_slice(message);
    buffer.put_slice(&[FS, CR]);
    buffer.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds the chunks one after the other, and then the end.
    fn read(chunks: &[&[u8]], limit: usize) -> (Vec<Vec<u8>>, u64, Option<MllpError>) {
        let mut codec = Mllp::new(limit);
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        let mut step = |codec: &mut Mllp, buffer: &mut BytesMut, last: bool| loop {
            match if last { codec.decode_eof(buffer) } else { codec.decode(buffer) } {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        };
        let mut error = None;
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            error = step(&mut codec, &mut buffer, false);
            if error.is_some() {
                break;
            }
        }
        if error.is_none() {
            error = step(&mut codec, &mut buffer, true);
        }
        let garbage = codec.take_garbage();
        (frames, garbage, error)
    }

    #[test]
    fn several_frames_in_one_piece_are_cut() {
        let (frames, garbage, error) = read(&[b"\x0BA\x1C\r\x0BB\x1C\r"], 10);
        assert_eq!(frames, [b"A", b"B"]);
        assert_eq!(garbage, 0);
        assert!(error.is_none());
    }

    #[test]
    fn garbage_between_frames_is_dropped_and_counted() {
        let (frames, garbage, _) = read(&[b"junk\x0BA\x1C\r\r\nxy\x0BB\x1C\rz"], 10);
        assert_eq!(frames, [b"A", b"B"]);
        assert_eq!(garbage, 7);
    }

    #[test]
    fn a_start_within_a_frame_begins_it_anew() {
        let (frames, garbage, _) = read(&[b"\x0Bhalf", b"\x0BA\x1C\r"], 10);
        assert_eq!((frames, garbage), (vec![b"A".to_vec()], 4));
    }

    #[test]
    fn a_file_separator_within_a_frame_is_content() {
        let (frames, ..) = read(&[b"\x0BA\x1CB\x1C", b"\r"], 10);
        assert_eq!(frames, [b"A\x1CB"]);
    }

    #[test]
    fn a_missing_cr_before_the_next_frame_is_tolerated() {
        let (frames, ..) = read(&[b"\x0BA\x1C\x0BB\x1C\r"], 10);
        assert_eq!(frames, [b"A", b"B"]);
    }

    #[test]
    fn an_end_within_a_frame_is_an_error() {
        assert!(matches!(read(&[b"\x0Bhalf"], 10).2, Some(MllpError::Truncated)));
        assert!(matches!(read(&[b"\x0Bhalf\x1C"], 10).2, Some(MllpError::Truncated)));
    }

    #[test]
    fn limits_are_kept() {
        assert!(matches!(read(&[b"\x0B12345678901"], 10).2, Some(MllpError::FrameTooLong { limit: 10 })));
        assert!(matches!(
            read(&[b"\x0B12345678901\x1C\r"], 10).2,
            Some(MllpError::FrameTooLong { limit: 10 })
        ));
        assert_eq!(read(&[b"\x0B1234567890\x1C\r"], 10).0.len(), 1);
        assert!(matches!(read(&[b"12345678901"], 10).2, Some(MllpError::TooMuchGarbage { limit: 10 })));
    }

    proptest! {
        #[test]
        fn every_split_gives_the_same_frames(
            parts in prop::collection::vec(
                (prop::collection::vec(any::<u8>().prop_filter("no VT", |b| *b != VT), 0..8),
                 prop::collection::vec(any::<u8>().prop_filter("no framing", |b| *b != VT && *b != FS), 0..40)),
                0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut wire = Vec::new();
            let mut expected = Vec::new();
            for (garbage, message) in &parts {
                wire.extend_from_slice(garbage);
                wire.extend_from_slice(&frame(message));
                expected.push(message.clone());
            }
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
            at.extend([0, wire.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|cut| &wire[cut[0]..cut[1]]).collect();
            let (frames, _, error) = read(&chunks, 1000);
            prop_assert_eq!(frames, expected);
            prop_assert!(error.is_none());
            let bytes: Vec<&[u8]> = wire.chunks(1).collect();
            prop_assert_eq!(read(&bytes, 1000).0.len(), parts.len());
        }

        #[test]
        fn any_bytes_are_read_alike_however_they_are_split(
            wire in prop::collection::vec(prop_oneof![Just(VT), Just(FS), Just(CR), any::<u8>()], 0..200),
            limit in 1_usize..300,
        ) {
            let whole = read(&[&wire], limit);
            let single = read(&wire.chunks(1).collect::<Vec<_>>(), limit);
            prop_assert_eq!(&whole.0, &single.0);
        }
    }
}
