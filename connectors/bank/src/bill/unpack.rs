//! Takes files out of their packing: GZIP, DEFLATE and ZIP, never larger than a bill can be.

use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

/// A day's bill of a large hospital has some ten megabytes.
const MOST_BYTES: u64 = 256 << 20;

/// Out of GZIP (RFC 1952).
pub(super) fn gunzip(packed: &[u8]) -> Option<Vec<u8>> {
    all_of(GzDecoder::new(packed))
}

/// Out of DEFLATE with the head of zlib (RFC 1950), or without (RFC 1951): banks mean both by the word.
pub(super) fn inflate(packed: &[u8]) -> Option<Vec<u8>> {
    all_of(ZlibDecoder::new(packed)).or_else(|| all_of(DeflateDecoder::new(packed)))
}

fn all_of(reader: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.take(MOST_BYTES + 1).read_to_end(&mut bytes).ok()?;
    (read as u64 <= MOST_BYTES).then_some(bytes)
}

/// The files of a ZIP archive (APPNOTE 6.3), by its directory at the end: name and bytes. `None` where it is none, or was changed.
pub(super) fn unzip(archive: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let end = archive.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let count = short(archive, end + 10)?;
    let mut at = long(archive, end + 16)?;
    let mut files = Vec::new();
    for _ in 0..count {
        if archive.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let (method, sum) = (short(archive, at + 10)?, long(archive, at + 16)?);
        let (packed, local) = (long(archive, at + 20)?, long(archive, at + 42)?);
        let name_length = short(archive, at + 28)?;
        let name = String::from_utf8(archive.get(at + 46..at + 46 + name_length)?.to_vec()).ok()?;
        let data = local + 30 + short(archive, local + 26)? + short(archive, local + 28)?;
        let data = archive.get(data..data + packed)?;
        let bytes = match method {
            0 => data.to_vec(),
            8 => all_of(DeflateDecoder::new(data))?,
            _ => return None,
        };
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        if crc.sum() as usize != sum {
            return None;
        }
        files.push((name, bytes));
        at += 46 + name_length + short(archive, at + 30)? + short(archive, at + 32)?;
    }
    Some(files)
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python's `zipfile` packed.
    const ARCHIVE: &[u8] = include_bytes!("../../tests/data/archive.zip");

    #[test]
    fn an_archive_gives_its_file_and_one_that_was_changed_does_not() {
        assert_eq!(unzip(ARCHIVE), Some(vec![("a".to_owned(), b"bill bill bill bill bill".to_vec())]));
        let mut changed = ARCHIVE.to_vec();
        let at = changed.windows(2).position(|bytes| bytes == b"PK").unwrap() + 31;
        changed[at + 3] ^= 1;
        assert_eq!(unzip(&changed), None);
        assert_eq!(unzip(b"no archive"), None);
    }
}
