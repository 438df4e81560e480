//! Passwords as they are kept: argon2id (RFC 9106), few at a time, for each takes 19 MiB and some tens of milliseconds.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use crate::secret::{NoRandomness, bytes};

/// How many are worked at.
static PLACES: Semaphore = Semaphore::const_new(2);
/// The shortest and the longest, in characters (NIST SP 800-63B §3.1.1.2).
const LENGTHS: std::ops::RangeInclusive<usize> = 12..=128;

/// What nobody's password is checked against, so that an unknown staff number takes as long as a known one.
static NOBODYS: LazyLock<String> = LazyLock::new(|| {
    let salt = [7; 16];
    hash_with("nobody's", &salt).expect("the parameters of argon2 are its own")
});

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weak {
    /// It is too short, or too long.
    Length,
    /// It is one sign again and again, or the staff number with little else.
    Guessable,
}

/// Whether a password may be chosen by whoever has this staff number.
pub(crate) fn check(password: &str, number: &str) -> Result<(), Weak> {
    if !LENGTHS.contains(&password.chars().count()) {
        return Err(Weak::Length);
    }
    let mut signs: Vec<char> = password.chars().collect();
    signs.sort_unstable();
    signs.dedup();
    let rest = password.replace(number, "");
    if signs.len() < 5 || rest.chars().count() < 6 { Err(Weak::Guessable) } else { Ok(()) }
}

/// A password as it is kept.
pub(crate) async fn hash(password: String) -> Result<String, NoRandomness> {
    let salt = bytes::<16>()?;
    let hashed = apart(move || hash_with(&password, &salt)).await;
    hashed.flatten().ok_or(NoRandomness)
}

/// Whether a password is the one that is kept. Takes as long where none is.
pub(crate) async fn is_right(password: String, kept: Option<String>) -> bool {
    let is_there = kept.is_some();
    let is_right = move || {
        let kept = PasswordHash::new(kept.as_ref().unwrap_or(&NOBODYS)).ok()?;
        Some(Argon2::default().verify_password(password.as_bytes(), &kept).is_ok())
    };
    apart(is_right).await.flatten().unwrap_or(false) && is_there
}

fn hash_with(password: &str, salt: &[u8]) -> Option<String> {
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password.as_bytes(), salt).ok()?;
    Some(hash.to_string())
}

/// Does it on a thread of its own, when there is a place.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let _place = PLACES.acquire().await.ok()?;
    tokio::task::spawn_blocking(work).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_so_that_it_can_be_checked_and_not_read() {
        let kept = hash("correct horse".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, hash("correct horse".to_owned()).await.unwrap(), "each has its salt");
        assert!(is_right("correct horse".to_owned(), Some(kept.clone())).await);
        assert!(!is_right("correct hors".to_owned(), Some(kept)).await);
        assert!(!is_right("nobody's".to_owned(), None).await, "nobody has the password of nobody");
    }

    #[test]
    fn a_password_that_is_guessed_at_once_is_not_taken() {
        assert_eq!(check("short", "1001"), Err(Weak::Length));
        assert_eq!(check(&"x".repeat(129), "1001"), Err(Weak::Length));
        assert_eq!(check("aaaaaaaaaaaaa", "1001"), Err(Weak::Guessable));
        assert_eq!(check("10011001abcde", "1001"), Err(Weak::Guessable));
        assert_eq!(check("青山不老绿水长流后会有期", "1001"), Ok(()));
        assert_eq!(check("correct horse battery", "1001"), Ok(()));
    }
}
