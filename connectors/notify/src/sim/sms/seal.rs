//! How the gateway reads signatures: written for it alone, and not on the hub's own code.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// A header's text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

/// The parts of `ALGORITHM Credential=...,SignedHeaders=...,Signature=...`, with or without spaces after the commas.
pub(super) fn parts<'a>(authorization: &'a str, algorithm: &str) -> Option<BTreeMap<&'a str, &'a str>> {
    let rest = authorization.strip_prefix(algorithm)?.strip_prefix(' ')?;
    rest.split(',').map(|part| part.trim().split_once('=')).collect()
}

/// The lines of the headers that are signed, and whether these are all among them.
pub(super) fn lines(headers: &HeaderMap, signed: &str, required: &[&str]) -> Option<String> {
    let names: Vec<&str> = signed.split(';').collect();
    let is_whole = names.is_sorted() && required.iter().all(|name| names.contains(name));
    is_whole.then(|| names.iter().map(|name| format!("{name}:{}\n", header(headers, name))).collect())
}

/// Lower-case hexadecimal of SHA-256.
pub(super) fn digest(bytes: &[u8]) -> String {
    letters(&Sha256::digest(bytes))
}

/// HMAC of SHA-256.
pub(super) fn code(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Lower-case hexadecimal.
pub(super) fn letters(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(half.into(), 16));
        }
    }
    text
}

/// The pairs of a query, decoded; nothing where an escape is none.
pub(super) fn pairs(query: &str) -> Option<BTreeMap<String, String>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').and_then(|(name, value)| Some((decoded(name)?, decoded(value)?))))
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let mut half = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (half()?, half()?);
                u8::try_from(high * 16 + low).ok()?
            }
            // As the vendor's own client writes a space, and signs `%20` all the same.
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(plain).ok()
}

/// As RFC 3986 escapes what is not unreserved.
pub(super) fn escaped(text: &str) -> String {
    let of = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_may_be_written_in_two_ways_and_is_signed_in_one() {
        for query in ["OutId=n+2%2A~", "OutId=n%202*%7E"] {
            let pairs = pairs(query).unwrap();
            assert_eq!(pairs["OutId"], "n 2*~");
            assert_eq!(escaped(&pairs["OutId"]), "n%202%2A~");
        }
        assert!(pairs("OutId=%2").is_none() && pairs("OutId=%ff").is_none());
    }
}
