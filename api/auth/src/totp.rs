//! One-time passwords by the time: RFC 6238 with what every authenticator app knows, SHA-1, six digits and steps of 30 seconds.

use ring::hmac;
use time::OffsetDateTime;

use crate::secret::{NoRandomness, bytes, same};

const STEP_SECONDS: i64 = 30;
/// Clocks may be a step apart, each way (RFC 6238 §5.2).
const DRIFT: u64 = 1;
const SIGNS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new secret, as long as the hash (RFC 4226 §4).
pub(crate) fn new_secret() -> Result<Vec<u8>, NoRandomness> {
    Ok(bytes::<20>()?.to_vec())
}

/// The step that a password is of, where it is one of now.
pub(crate) fn step_of(secret: &[u8], password: &str, now: OffsetDateTime) -> Option<u64> {
    let this = step_at(now);
    let mut found = None;
    // All are looked at: how long it takes does not tell which it was.
    for step in this.saturating_sub(DRIFT)..=this + DRIFT {
        if same(&password_of(secret, step), password) {
            found = Some(step);
        }
    }
    found
}

/// The step of a moment.
pub(crate) fn step_at(moment: OffsetDateTime) -> u64 {
    u64::try_from(moment.unix_timestamp() / STEP_SECONDS).unwrap_or(0)
}

/// The password of a step (RFC 4226 §5.3).
pub(crate) fn password_of(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let hash = hmac::sign(&key, &step.to_be_bytes());
    let hash = hash.as_ref();
    let at = usize::from(hash[hash.len() - 1] & 0x0f);
    let number = u32::from_be_bytes([hash[at] & 0x7f, hash[at + 1], hash[at + 2], hash[at + 3]]);
    format!("{:06}", number % 1_000_000)
}

/// A secret as people and apps write it: base32 without padding (RFC 4648 §6).
pub(crate) fn base32(secret: &[u8]) -> String {
    let mut text = String::new();
    for chunk in secret.chunks(5) {
        let mut bits = [0; 8];
        bits[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(bits);
        let signs = (chunk.len() * 8).div_ceil(5);
        text.extend((0..signs).map(|nth| char::from(SIGNS[(bits >> (35 - 5 * nth) & 31) as usize])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_those_of_the_standard() {
        // RFC 6238, appendix B, of the eight digits the last six.
        let secret = b"12345678901234567890";
        for (second, password) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            let moment = OffsetDateTime::from_unix_timestamp(second).unwrap();
            assert_eq!(password_of(secret, step_at(moment)), password);
            let step = step_at(moment);
            for (drift, is_taken) in [(-60, second < 60), (-30, true), (0, true), (30, true), (60, false)] {
                // There is no step before the first.
                let now = moment + time::Duration::seconds(drift);
                assert_eq!(step_of(secret, password, now), is_taken.then_some(step), "{drift}");
            }
        }
    }

    #[test]
    fn a_secret_is_written_in_base32() {
        // RFC 4648 §10, without padding.
        for (secret, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(secret.as_bytes()), text);
        }
    }
}
