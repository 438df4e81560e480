//! Seals a stream chunk by chunk and opens it again: a chunk that was changed, moved, left out or cut off is noticed.

use std::io::{self, Read, Write};

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

/// The content of a chunk, except the last.
const CHUNK: usize = 256 << 10;
/// What sealing adds to a chunk.
const TAG: usize = 16;

/// The number of a chunk and whether it is the last: no two chunks of a file have the same, and each file has its own key.
fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[NONCE_LEN - 1] = u8::from(is_last);
    Nonce::assume_unique_for_key(bytes)
}

/// Seals what is written to it.
pub(super) struct Sealing<W: Write> {
    into: W,
    key: LessSafeKey,
    number: u64,
    chunk: Vec<u8>,
}

impl<W: Write> Sealing<W> {
    /// Seals into a writer with a key that nothing else is sealed with.
    pub fn new(into: W, key: LessSafeKey) -> Self {
        Self { into, key, number: 0, chunk: Vec::with_capacity(CHUNK + TAG) }
    }

    /// Seals the last chunk, and with it what stands `beside` the stream.
    pub fn finish(mut self, beside: &[u8]) -> io::Result<W> {
        self.seal(true, beside)?;
        self.into.flush()?;
        Ok(self.into)
    }

    fn seal(&mut self, is_last: bool, beside: &[u8]) -> io::Result<()> {
        let sealed = self.key.seal_in_place_append_tag(
            nonce(self.number, is_last),
            Aad::from(beside),
            &mut self.chunk,
        );
        sealed.map_err(|_| io::Error::other("a chunk could not be sealed"))?;
        let length = u32::try_from(self.chunk.len()).map_err(io::Error::other)?;
        self.into.write_all(&length.to_le_bytes())?;
        self.into.write_all(&self.chunk)?;
        self.chunk.clear();
        self.number += 1;
        Ok(())
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.seal(false, &[])?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        // A chunk is sealed when it is full; the last by `finish`.
        Ok(())
    }
}

/// Opens what [`Sealing`] sealed.
pub(super) struct Opening<R: Read> {
    from: R,
    key: LessSafeKey,
    beside: Vec<u8>,
    number: u64,
    chunk: Vec<u8>,
    read: usize,
    /// The length of the next chunk; `None` behind the last.
    next: Option<usize>,
}

impl<R: Read> Opening<R> {
    /// Opens a stream that was finished with this `beside` it.
    pub fn new(mut from: R, key: LessSafeKey, beside: Vec<u8>) -> io::Result<Self> {
        let next = length(&mut from)?;
        if next.is_none() {
            return Err(damaged(0));
        }
        Ok(Self { from, key, beside, number: 0, chunk: Vec::new(), read: 0, next })
    }

    fn open(&mut self, long: usize) -> io::Result<()> {
        let wrong = damaged(self.number);
        self.chunk.resize(long, 0);
        if self.from.read_exact(&mut self.chunk).is_err() {
            return Err(wrong);
        }
        self.next = length(&mut self.from)?;
        let is_last = self.next.is_none();
        let beside = if is_last { &self.beside[..] } else { &[] };
        let opened = self.key.open_in_place(nonce(self.number, is_last), Aad::from(beside), &mut self.chunk);
        let content = opened.map_err(|_| wrong)?.len();
        self.chunk.truncate(content);
        self.read = 0;
        self.number += 1;
        Ok(())
    }
}

impl<R: Read> Read for Opening<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() {
            let Some(long) = self.next else { return Ok(0) };
            self.open(long)?;
        }
        let left = &self.chunk[self.read..];
        let taken = left.len().min(bytes.len());
        bytes[..taken].copy_from_slice(&left[..taken]);
        self.read += taken;
        Ok(taken)
    }
}

/// The length of the chunk that follows; `None` at the end.
fn length(from: &mut impl Read) -> io::Result<Option<usize>> {
    let mut bytes = [0; 4];
    let mut read = 0;
    while read < bytes.len() {
        match from.read(&mut bytes[read..])? {
            0 if read == 0 => return Ok(None),
            0 => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it ends within the length of a chunk",
                ));
            }
            more => read += more,
        }
    }
    let long = u32::from_le_bytes(bytes) as usize;
    if !(TAG..=CHUNK + TAG).contains(&long) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a chunk of {long} bytes cannot be")));
    }
    Ok(Some(long))
}

fn damaged(number: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("chunk {number} is not as it was sealed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archiving::ArchiveKey;

    fn key() -> LessSafeKey {
        ArchiveKey::of("k", &"ab".repeat(32)).unwrap().of_file(b"salt")
    }

    fn sealed(content: &[u8]) -> Vec<u8> {
        let mut sealing = Sealing::new(Vec::new(), key());
        sealing.write_all(content).unwrap();
        sealing.finish(b"beside").unwrap()
    }

    fn opened(sealed: &[u8], beside: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Opening::new(sealed, key(), beside.to_vec())?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn what_was_sealed_is_opened_whatever_its_length() {
        for long in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let content: Vec<u8> = (0..long).map(|at| at as u8).collect();
            assert_eq!(opened(&sealed(&content), b"beside").unwrap(), content, "{long}");
        }
    }

    #[test]
    fn what_was_changed_moved_left_out_or_cut_is_noticed() {
        let whole = sealed(&vec![7; 3 * CHUNK]);
        let one = 4 + CHUNK + TAG;
        let mut changed = whole.clone();
        changed[one + 100] ^= 1;
        let swapped = [&whole[one..2 * one], &whole[..one], &whole[2 * one..]].concat();
        let left_out = [&whole[..one], &whole[2 * one..]].concat();
        let twice = [&whole[..one], &whole[..]].concat();
        for (what, wrong) in [
            ("changed", &changed[..]),
            ("swapped", &swapped),
            ("left out", &left_out),
            ("twice", &twice),
            ("cut at a chunk's end", &whole[..2 * one]),
            ("cut within a chunk", &whole[..one + 10]),
            ("cut within a length", &whole[..one + 2]),
            ("empty", &[]),
        ] {
            assert!(opened(wrong, b"beside").is_err(), "{what}");
        }
        assert!(opened(&whole, b"Beside").is_err(), "what stands beside it was changed");
        assert!(opened(&whole, b"beside").is_ok());
    }
}
