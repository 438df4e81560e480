//! Takes files out of their packing, never larger than a bill can be.

use std::io::Read;

use flate2::read::GzDecoder;

/// A day's bill of a large hospital has some ten megabytes.
const MOST_BYTES: u64 = 256 << 20;

/// Out of GZIP (RFC 1952).
pub(super) fn gunzip(packed: &[u8]) -> Option<Vec<u8>> {
    all_of(GzDecoder::new(packed))
}

fn all_of(reader: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.take(MOST_BYTES + 1).read_to_end(&mut bytes).ok()?;
    (read as u64 <= MOST_BYTES).then_some(bytes)
}
