//! Texts as the indexes hold them: PostgreSQL takes no index entry of more than a third of a page, and no NUL in a text.

use compact_str::{CompactString, format_compact};
use sha2::{Digest, Sha256};

/// Texts of up to so many bytes are held as they are.
const WHOLE: usize = 600;
/// Of longer ones so many bytes at most, then the digest.
const BEGINNING: usize = 500;

/// The text, with U+FFFD for each NUL, or, when it is long, its beginning and its digest: different texts stay different.
pub(crate) fn short(text: &str) -> CompactString {
    if text.contains('\0') {
        return short(&text.replace('\0', "\u{FFFD}"));
    }
    if text.len() <= WHOLE {
        return text.into();
    }
    let hash = Sha256::digest(text.as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    let beginning = &text[..text.floor_char_boundary(BEGINNING)];
    format_compact!("{beginning}\u{2026}{:032x}", u128::from_be_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_their_beginning_and_stay_apart() {
        let long = |last: char| format!("{}{last}", "病".repeat(300));
        assert_eq!(short(&"x".repeat(600)), "x".repeat(600));
        assert!(short(&long('a')).len() <= WHOLE);
        assert!(short(&long('a')).starts_with(&"病".repeat(166)));
        assert_eq!(short("a\0b"), "a\u{FFFD}b");
        assert_ne!(short(&long('a')), short(&long('b')));
        assert_eq!(short(&long('a')), short(&long('a')));
    }
}
