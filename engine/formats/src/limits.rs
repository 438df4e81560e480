//! How much is read at most, so that no input takes all memory or all time.

use hub_core::document::ParseError;

/// A message or file may be so long, in bytes. Channels set far lower limits of their own.
pub const MOST_BYTES: usize = 256 << 20;
/// A document may have so many nodes.
pub(crate) const MOST_NODES: usize = 4_000_000;
/// The pieces of a split may come to so many bytes.
pub(crate) const MOST_SPLIT: usize = 512 << 20;

/// Refuses what is too long.
pub(crate) fn check_length(bytes: &[u8]) -> Result<(), ParseError> {
    if bytes.len() <= MOST_BYTES {
        return Ok(());
    }
    let what = format!("longer than {} MiB", MOST_BYTES >> 20);
    Err(ParseError { at: MOST_BYTES, place: None, what })
}

/// Refuses a split whose pieces would come to too much.
pub(crate) fn check_split(total: usize) -> Result<(), ParseError> {
    if total <= MOST_SPLIT {
        return Ok(());
    }
    let what = format!("the pieces of the split would come to more than {} MiB", MOST_SPLIT >> 20);
    Err(ParseError { at: 0, place: None, what })
}
