//! Secrets that are given out, made by chance and compared without telling by time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;

/// The system gives no random numbers.
#[derive(Clone, Copy, Debug, Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// So many bytes by chance.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A secret of 256 bits that can stand in an address and a cookie.
pub(crate) fn text() -> Result<String, NoRandomness> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?))
}

/// Six digits, each number as likely as any other.
pub(crate) fn digits() -> Result<String, NoRandomness> {
    const MOST: u32 = 1_000_000;
    // Those beyond the last whole million would make small numbers likelier.
    const FAIR: u32 = u32::MAX - u32::MAX % MOST;
    loop {
        let number = u32::from_be_bytes(bytes()?);
        if number < FAIR {
            return Ok(format!("{:06}", number % MOST));
        }
    }
}

/// Whether two texts are the same; takes as long for any two of the same length.
pub(crate) fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    left.len() == right.len() && left.iter().zip(right).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_six_digits_and_is_another_each_time() {
        let codes: std::collections::HashSet<String> = (0..100).map(|_| digits().unwrap()).collect();
        assert!(codes.len() > 95);
        assert!(codes.iter().all(|code| code.len() == 6 && code.bytes().all(|sign| sign.is_ascii_digit())));
        assert!(same("abc", "abc") && !same("abc", "abd") && !same("abc", "ab"));
        assert_eq!(text().unwrap().len(), 43);
    }
}
