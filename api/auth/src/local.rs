//! Tokens of the command line: `huitong token --role operations`. Their key is a file of the node's data folder, which its owner alone
//! can read: who can read it may act in any role, and the node that has it believes such tokens.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use hub_core::who::{Gatekeeper, NotLetIn, Role, Who};
use hub_fhir::{Id, Reference};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use thiserror::Error;
use time::Duration;
use uuid::Uuid;

use crate::Now;
use crate::jws;
use crate::token::Claims;

/// The file of the key, in the data folder (PKCS #8, RFC 8410).
const FILE: &str = "token.key";
/// The one header that is written, and the one that is taken: an algorithm is never read from a token (RFC 8725 §3.1, RFC 8037).
const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt"}"#;
const ISSUER: &str = "huitong:command-line";
const AUDIENCE: &str = "huitong";
/// No token of the command line lives longer.
pub const LONGEST: Duration = Duration::hours(12);

/// Why the key cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("the key of the tokens, `{path}`, cannot be read or made")]
    File {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is none.
    #[error("`{0}` holds no Ed25519 key; delete it, and a new one is made")]
    Form(PathBuf),
}

/// Makes tokens of the command line, and tells who holds one.
pub struct LocalTokens {
    key: Ed25519KeyPair,
    now: Now,
}

impl LocalTokens {
    /// Whether this data folder has a key: a hub has run on it.
    pub fn is_there(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// With the key of this data folder, which is made where there is none.
    pub fn open(folder: &Path, now: Now) -> Result<Self, KeyError> {
        let path = folder.join(FILE);
        let failed = |source| KeyError::File { path: path.clone(), source };
        let bytes = match File::open(&path) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(failed)?;
                bytes
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(&path).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        };
        let key = Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| KeyError::Form(path.clone()))?;
        Ok(Self { key, now })
    }

    /// A token for a role, for so long, [`LONGEST`] at most. `is`: whose it is among the resources.
    pub fn token(&self, role: Role, is: Option<&Reference>, lives: Duration) -> Option<String> {
        let now = (self.now)().unix_timestamp();
        let account = is.map_or("command-line", |is| is.id.as_str());
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: account.to_owned(),
            client_id: "huitong".to_owned(),
            roles: vec![role.name().to_owned()],
            is: is.map(Reference::to_string),
            iat: now,
            exp: now + lives.min(LONGEST).whole_seconds(),
            jti: Uuid::new_v4().to_string(),
            sid: None,
            scope: None,
        };
        Id::new(account).ok()?;
        jws::write(HEADER, &claims, |signed| Some(self.key.sign(signed).as_ref().to_vec()))
    }
}

impl LocalTokens {
    /// What a token says, where this key has signed it.
    fn claims(&self, token: &str) -> Option<Claims> {
        let read = jws::read(token).filter(|read| read.header == HEADER)?;
        let key = UnparsedPublicKey::new(&ED25519, self.key.public_key());
        key.verify(read.signed, &read.signature).ok()?;
        serde_json::from_slice(&read.payload).ok()
    }
}

/// Makes a key. Of two who make one at once the first counts.
fn make(path: &Path) -> std::io::Result<Vec<u8>> {
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(key.as_ref())?;
            file.sync_all()?;
            Ok(key.as_ref().to_vec())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => std::fs::read(path),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Gatekeeper for LocalTokens {
    async fn who(&self, token: &str) -> Result<Who, NotLetIn> {
        let claims = self.claims(token).ok_or(NotLetIn::Invalid)?;
        let now = (self.now)().unix_timestamp();
        let holds = claims.iss == ISSUER && claims.aud == AUDIENCE && claims.iat <= now && now < claims.exp;
        if !holds || claims.exp - claims.iat > LONGEST.whole_seconds() {
            return Err(NotLetIn::Invalid);
        }
        claims.who().ok_or(NotLetIn::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use tempfile::TempDir;
    use time::OffsetDateTime;

    use super::*;

    struct Desk {
        folder: TempDir,
        clock: Arc<AtomicI64>,
    }

    impl Desk {
        fn new() -> Self {
            Self { folder: TempDir::new().unwrap(), clock: Arc::new(AtomicI64::new(1_800_000_000)) }
        }

        fn tokens(&self) -> LocalTokens {
            let clock = self.clock.clone();
            let now = move || OffsetDateTime::from_unix_timestamp(clock.load(Ordering::Relaxed)).unwrap();
            LocalTokens::open(self.folder.path(), Arc::new(now)).unwrap()
        }
    }

    async fn is_let_in(tokens: &LocalTokens, token: &str) -> bool {
        tokens.who(token).await.is_ok()
    }

    #[tokio::test]
    async fn a_token_tells_role_and_person_and_ends_in_time() {
        let desk = Desk::new();
        let tokens = desk.tokens();
        let me = Reference::parse("Person/me").unwrap();
        let token = tokens.token(Role::Patient, Some(&me), Duration::minutes(10)).unwrap();
        let who = tokens.who(&token).await.unwrap();
        assert_eq!(
            (who.roles.as_slice(), who.is, who.account.as_str()),
            (&[Role::Patient][..], Some(me), "me")
        );
        assert!(is_let_in(&desk.tokens(), &token).await, "the key is kept");
        desk.clock.fetch_add(600, Ordering::Relaxed);
        assert!(!is_let_in(&tokens, &token).await);
        let long = tokens.token(Role::Operations, None, Duration::days(100)).unwrap();
        desk.clock.fetch_add(12 * 3600, Ordering::Relaxed);
        assert!(!is_let_in(&tokens, &long).await, "none lives longer than half a day");
        desk.clock.fetch_sub(24 * 3600, Ordering::Relaxed);
        assert!(!is_let_in(&tokens, &long).await, "nor before it was made");
    }

    #[tokio::test]
    async fn what_is_altered_or_of_another_kind_does_not_let_in() {
        let desk = Desk::new();
        let tokens = desk.tokens();
        let token = tokens.token(Role::Finance, None, Duration::minutes(10)).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        let raised = URL_SAFE_NO_PAD.encode(payload.replace("finance", "administrator"));
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
        let hmac = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"at+jwt"}"#);
        let other = Desk::new().tokens().token(Role::Finance, None, Duration::minutes(10)).unwrap();
        for forged in [
            format!("{}.{raised}.{}", parts[0], parts[2]),
            format!("{none}.{}.", parts[1]),
            format!("{hmac}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{token}x"),
            token[1..].to_owned(),
            "a.".repeat(5_000),
            String::new(),
            other,
        ] {
            assert!(!is_let_in(&tokens, &forged).await, "{forged}");
        }
    }

    #[test]
    fn the_key_is_its_owners_alone_and_a_damaged_one_is_told() {
        let desk = Desk::new();
        drop(desk.tokens());
        let path = desk.folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, b"nonsense").unwrap();
        let now = Arc::new(OffsetDateTime::now_utc);
        assert!(matches!(LocalTokens::open(desk.folder.path(), now), Err(KeyError::Form(_))));
    }
}
