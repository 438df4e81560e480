//! Cursors as clients see them: opaque text that this program can read back.

use sha2::{Digest, Sha256};

use crate::search::{Cursor, CursorValue};

const CHECK: usize = 4;

impl Cursor {
    /// The cursor as text for a URL: hexadecimal digits, a checksum first.
    pub fn encode(&self) -> String {
        let mut bytes = vec![0; CHECK];
        bytes.extend(self.row.to_be_bytes());
        for value in &self.values {
            match value {
                None => bytes.push(0),
                Some(CursorValue::Integer(number)) => {
                    bytes.push(1);
                    bytes.extend(number.to_be_bytes());
                }
                Some(CursorValue::Text(text)) => {
                    bytes.push(2);
                    bytes.extend((text.len() as u64).to_be_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        let check = checksum(&bytes[CHECK..]);
        bytes[..CHECK].copy_from_slice(&check);
        bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// Reads a cursor back. `None` when the text is not one that [`Cursor::encode`] made.
    pub fn decode(text: &str) -> Option<Self> {
        let digits: Vec<u8> =
            text.chars().map(|letter| letter.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
        if !digits.len().is_multiple_of(2) {
            return None;
        }
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        let (check, mut rest) = bytes.split_at_checked(CHECK)?;
        if check != checksum(rest) {
            return None;
        }
        let row = i64::from_be_bytes(take(&mut rest)?);
        let mut values = Vec::new();
        while let [kind, after @ ..] = rest {
            rest = after;
            values.push(match kind {
                0 => None,
                1 => Some(CursorValue::Integer(i64::from_be_bytes(take(&mut rest)?))),
                2 => {
                    let length = usize::try_from(u64::from_be_bytes(take(&mut rest)?)).ok()?;
                    let (text, after) = rest.split_at_checked(length)?;
                    rest = after;
                    Some(CursorValue::Text(std::str::from_utf8(text).ok()?.into()))
                }
                _ => return None,
            });
        }
        Some(Self { values, row })
    }
}

fn take(rest: &mut &[u8]) -> Option<[u8; 8]> {
    let (number, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(*number)
}

fn checksum(bytes: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&Sha256::digest(bytes)[..CHECK]);
    check
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).expect("four bits are one hexadecimal digit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back_as_it_was(row: i64, number: i64, text in "\\PC{0,16}", kinds in prop::collection::vec(0..3u8, 0..4)) {
            let values = kinds.iter().map(|kind| match kind {
                0 => None,
                1 => Some(CursorValue::Integer(number)),
                _ => Some(CursorValue::Text(text.as_str().into())),
            });
            let cursor = Cursor { values: values.collect(), row };
            let encoded = cursor.encode();
            prop_assert_eq!(Cursor::decode(&encoded), Some(cursor));
            prop_assert_eq!(Cursor::decode(&encoded[2..]), None);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-f]{0,64}|\\PC{0,16}") {
            prop_assert_eq!(Cursor::decode(&text), None);
        }
    }
}
