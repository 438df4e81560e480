//! What an account lets an app do: clients, authorization codes, sessions, and the keys that sign.

use std::fmt;

use compact_str::CompactString;
use hub_fhir::{Id, Reference};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::Account;
use crate::who::Role;

/// The SHA-256 of a secret that was given out: the secret itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// The digest of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

/// The people an app is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum People {
    /// Those who sign in by a code sent to their phone: patients and enterprises.
    Public,
    /// The hospital's people, who sign in by staff number, password and one-time password.
    Staff,
}

/// What a registered client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// An app that people sign in to.
    App {
        /// Which people.
        people: People,
        /// Where they may be sent back to; compared sign by sign (RFC 9700 §2.1).
        redirects: Vec<String>,
    },
    /// A system that asks for itself.
    System {
        /// What it may be.
        roles: Vec<Role>,
        /// Who it is among the resources.
        is: Option<Reference>,
    },
}

/// A registered client (RFC 6749 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`: an id in FHIR's form.
    pub id: Id,
    /// What people are told it is called.
    pub name: CompactString,
    /// What it is.
    pub kind: ClientKind,
    /// The public keys it proves itself by (RFC 7523), as a JWK Set. A system has some; an app without any is a public one.
    pub keys: Option<String>,
    /// It may not ask any more.
    pub is_disabled: bool,
}

/// An authorization code that was given out (RFC 6749 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Of the code.
    pub digest: TokenDigest,
    /// Who signed in.
    pub account: Id,
    /// The app it was given to.
    pub client: Id,
    /// Where it was sent.
    pub redirect: String,
    /// The S256 challenge of who may use it (RFC 7636).
    pub challenge: String,
    /// What was granted, space-separated.
    pub scope: String,
    /// What the app wants to find in its ID token.
    pub nonce: Option<String>,
    /// When the person signed in.
    pub signed_in: OffsetDateTime,
    /// How long it can be used.
    pub until: OffsetDateTime,
    /// The session it is, or was, exchanged for.
    pub session: CompactString,
    /// Whether it has been used.
    pub is_spent: bool,
}

/// A signed-in app: a family of refresh tokens, of which the last alone can be used (RFC 9700 §4.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, which no secret is.
    pub id: CompactString,
    /// Who signed in.
    pub account: Id,
    /// The app.
    pub client: Id,
    /// What was granted, space-separated.
    pub scope: String,
    /// When the person signed in.
    pub signed_in: OffsetDateTime,
    /// It ends then unless it is used before.
    pub until: OffsetDateTime,
    /// It ends then in any case.
    pub ends: OffsetDateTime,
    /// Whether it has been ended.
    pub is_ended: bool,
}

impl Session {
    /// Whether it is not over.
    pub fn stands(&self, now: OffsetDateTime) -> bool {
        !self.is_ended && now < self.until && now < self.ends
    }
}

/// A session and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The session.
    pub session: Session,
    /// The account as it is now.
    pub account: Account,
}

/// What came of the use of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// The next one is in its place.
    Turned,
    /// It had been used before: somebody has a copy, and the session has been ended (RFC 9700 §4.14.2).
    Reused,
    /// There is none such, or its session is over.
    Unknown,
}

/// A key that signs access tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name in the header of a token (`kid`).
    pub id: CompactString,
    /// The private key (PKCS #8).
    pub secret: Vec<u8>,
    /// When it was made.
    pub made: OffsetDateTime,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}
