//! MLLP framing of the simulators, written apart from the hub's own.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const START: u8 = 0x0B;
const END: u8 = 0x1C;
const CARRIAGE_RETURN: u8 = 0x0D;

/// A message in its frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(message.len() + 3);
    framed.push(START);
    framed.extend_from_slice(message);
    framed.extend_from_slice(&[END, CARRIAGE_RETURN]);
    framed
}

/// Reads frames one after the other; what stands between them is thrown away.
pub struct FrameReader<R> {
    inner: R,
    buffer: Vec<u8>,
    /// How much of the buffer has been searched for an end already.
    searched: usize,
    limit: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames of at most `limit` bytes.
    pub fn new(inner: R, limit: usize) -> Self {
        Self { inner, buffer: Vec::new(), searched: 0, limit }
    }

    /// The next frame; `None` when the peer has closed. What was read stays when the call is dropped.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(message) = self.take() {
                return Ok(Some(message));
            }
            if self.buffer.len() > self.limit {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
            }
            if self.inner.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let Some(start) = self.buffer.iter().position(|byte| *byte == START) else {
            self.buffer.clear();
            return None;
        };
        if start > 0 {
            self.buffer.drain(..start);
            self.searched = 0;
        }
        let from = self.searched;
        // The last byte may be the first half of an end: it is searched again.
        self.searched = self.buffer.len().saturating_sub(1);
        let end = from + self.buffer[from..].windows(2).position(|pair| pair == [END, CARRIAGE_RETURN])?;
        let message = self.buffer[1..end].to_vec();
        self.buffer.drain(..end + 2);
        self.searched = 0;
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_frames_in_one_piece_with_garbage_between_are_two_messages() {
        let mut bytes = b"noise".to_vec();
        bytes.extend(frame(b"one"));
        bytes.extend(b"\r\n\r\n");
        bytes.extend(frame(b"two"));
        let mut reader = FrameReader::new(bytes.as_slice(), 1024);
        assert_eq!(reader.next().await.unwrap().unwrap(), b"one");
        assert_eq!(reader.next().await.unwrap().unwrap(), b"two");
        assert!(reader.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_frame_longer_than_the_limit_is_an_error() {
        let bytes = frame(&[b'x'; 100_000]);
        assert!(FrameReader::new(bytes.as_slice(), 1024).next().await.is_err());
    }
}
