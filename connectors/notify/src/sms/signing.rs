//! What both styles sign with: SHA-256 and HMAC of it, in lower-case hexadecimal.

use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};

/// `e3b0c442...` of nothing.
pub(super) fn sha256(text: &[u8]) -> String {
    hex(digest(&SHA256, text).as_ref())
}

/// HMAC-SHA256.
pub(super) fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
