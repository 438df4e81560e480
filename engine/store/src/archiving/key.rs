//! The key that archives are sealed with: each file has one of its own, made from it.

use std::fmt;

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use super::ArchiveError;

/// The key's bytes.
const KEY_BYTES: usize = 32;
/// What the keys made from it are for.
const FOR_A_FILE: &[u8] = b"huitong archive, a file";
const FOR_ITS_CHECK: &[u8] = b"huitong archive, which key";

/// A key that archives are sealed with.
#[derive(Clone)]
pub struct ArchiveKey {
    name: String,
    bytes: [u8; KEY_BYTES],
}

impl fmt::Debug for ArchiveKey {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchiveKey({})", self.name)
    }
}

/// Eight bytes: they tell keys apart and say nothing of the key.
struct Check;

impl KeyType for Check {
    fn len(&self) -> usize {
        8
    }
}

impl ArchiveKey {
    /// The key of a secret's text: 64 hexadecimal digits.
    pub fn of(name: &str, text: &str) -> Result<Self, ArchiveError> {
        let bytes = from_hex(text.trim()).and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| ArchiveError::NoKey { name: name.to_owned() })?;
        Ok(Self { name: name.to_owned(), bytes })
    }

    /// The secret's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells this key from others.
    pub(super) fn check(&self) -> String {
        let mut check = [0; 8];
        let made = self.extract(&[]).expand(&[FOR_ITS_CHECK], Check).and_then(|made| made.fill(&mut check));
        made.expect("eight bytes can always be made");
        to_hex(&check)
    }

    /// The key of the file with this salt.
    pub(super) fn of_file(&self, salt: &[u8]) -> LessSafeKey {
        let made = self.extract(salt);
        let made = made.expand(&[FOR_A_FILE], &AES_256_GCM).map(UnboundKey::from);
        LessSafeKey::new(made.expect("a key can always be made"))
    }

    fn extract(&self, salt: &[u8]) -> Prk {
        Salt::new(HKDF_SHA256, salt).extract(&self.bytes)
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits; `None` when they are none.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digits = text.as_bytes().chunks_exact(2);
    digits
        .map(|pair| {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            u8::try_from(digit(0)? * 16 + digit(1)?).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_digits_and_is_never_shown() {
        let text = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        let key = ArchiveKey::of("archive", &format!("{text}\n")).unwrap();
        assert_eq!(format!("{key:?}"), "ArchiveKey(archive)");
        let other = ArchiveKey::of("archive", &text.replace('0', "1")).unwrap();
        assert_eq!(key.check(), ArchiveKey::of("another-name", text).unwrap().check());
        assert_ne!(key.check(), other.check());
        for wrong in ["", "0011", &text[1..], &text.replace('a', "g"), "密".repeat(32).as_str()] {
            assert!(matches!(ArchiveKey::of("archive", wrong), Err(ArchiveError::NoKey { .. })), "{wrong}");
        }
    }
}
