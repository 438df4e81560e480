//! AES-256-GCM (NIST SP 800-38D): what was sealed is opened only whole and unchanged.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Opens what was sealed with this key and nonce; the tag stands at its end. `None` where one bit of anything differs.
pub fn aes_256_gcm_open(key: &[u8; 32], nonce: &[u8], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut bytes = sealed.to_vec();
    let length = of(key)?.open_in_place(nonce, Aad::from(associated), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// Seals a text; the tag stands at its end. Whoever calls sees to it that a nonce is never used twice with one key.
pub fn aes_256_gcm_seal(key: &[u8; 32], nonce: [u8; 12], associated: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = text.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    of(key)?.seal_in_place_append_tag(nonce, Aad::from(associated), &mut bytes).ok()?;
    Some(bytes)
}

fn of(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 14 of McGrew and Viega, "The Galois/Counter Mode of Operation".
    #[test]
    fn the_published_example_is_sealed_and_opened() {
        let sealed = [
            0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18,
            0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19,
        ];
        let (key, nonce) = ([0; 32], [0; 12]);
        assert_eq!(aes_256_gcm_seal(&key, nonce, b"", &[0; 16]).unwrap(), sealed);
        assert_eq!(aes_256_gcm_open(&key, &nonce, b"", &sealed).unwrap(), [0; 16]);
    }

    #[test]
    fn whatever_was_changed_is_not_opened() {
        let (key, nonce) = ([1; 32], [2; 12]);
        let sealed = aes_256_gcm_seal(&key, nonce, b"transaction", b"text").unwrap();
        assert_eq!(aes_256_gcm_open(&key, &nonce, b"transaction", &sealed).unwrap(), b"text");
        assert_eq!(aes_256_gcm_open(&key, &nonce, b"refund", &sealed), None);
        assert_eq!(aes_256_gcm_open(&[3; 32], &nonce, b"transaction", &sealed), None);
        assert_eq!(aes_256_gcm_open(&key, &[2; 11], b"transaction", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(aes_256_gcm_open(&key, &nonce, b"transaction", &changed), None);
        }
    }
}
