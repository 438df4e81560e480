//! The keys that sign tokens: P-256 (ES256), made by the hub itself, and changed every month. A new one is published an hour before it
//! signs, so that nobody meets a token by a key not yet heard of.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_core::accounts::{Accounts, SigningKey};
use hub_core::store::StoreError;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

use crate::jws;
use crate::secret::{self, NoRandomness};

/// How long a key signs.
const SIGNS: Duration = Duration::days(30);
/// How long it is published before.
const LEAD: Duration = Duration::HOUR;
/// How long it is published at all. Tokens live minutes.
pub(crate) const PUBLISHED: Duration = Duration::days(32);
/// How long what the store said is believed.
const BELIEVED: Duration = Duration::seconds(30);

/// What a token is: the type in its header keeps one from being taken for another (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenType {
    /// RFC 9068.
    Access,
    /// OpenID Connect Core §2.
    Id,
}

impl TokenType {
    fn name(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Id => "JWT",
        }
    }
}

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The store cannot be asked.
    #[error("the keys that sign cannot be read or kept")]
    Store(#[from] StoreError),
    /// None can be made.
    #[error("no key can be made")]
    Chance(#[from] NoRandomness),
    /// What is stored is none.
    #[error("the stored key `{0}` is damaged")]
    Damaged(String),
}

struct Key {
    id: String,
    pair: EcdsaKeyPair,
    made: OffsetDateTime,
}

/// All keys of a moment, the newest first; at least one.
struct Ring {
    keys: Vec<Key>,
    at: OffsetDateTime,
}

/// The keys that sign tokens.
#[derive(Default)]
pub(crate) struct Keys(Mutex<Option<Arc<Ring>>>);

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl Keys {
    /// The token that says this.
    pub async fn sign(
        &self,
        accounts: &dyn Accounts,
        now: OffsetDateTime,
        kind: TokenType,
        claims: &impl Serialize,
    ) -> Result<String, KeyError> {
        let ring = self.ring(accounts, now).await?;
        let ripe = ring.keys.iter().find(|key| key.made + LEAD <= now);
        let Some(key) = ripe.or(ring.keys.last()) else { return Err(KeyError::Damaged(String::new())) };
        let header = json!({ "alg": "ES256", "typ": kind.name(), "kid": key.id }).to_string();
        let sign = |signed: &[u8]| Some(key.pair.sign(&SystemRandom::new(), signed).ok()?.as_ref().to_vec());
        Ok(jws::write(&header, claims, sign).ok_or(NoRandomness)?)
    }

    /// What a token of this type says, where one of the keys has signed it. The algorithm is the keys', whatever the token says.
    pub async fn verify(
        &self,
        accounts: &dyn Accounts,
        now: OffsetDateTime,
        kind: TokenType,
        token: &str,
    ) -> Result<Option<Vec<u8>>, KeyError> {
        let Some(read) = jws::read(token) else { return Ok(None) };
        let Ok(header) = serde_json::from_str::<Header>(&read.header) else { return Ok(None) };
        if header.alg != "ES256" || header.typ != kind.name() {
            return Ok(None);
        }
        let ring = self.ring(accounts, now).await?;
        let Some(key) = ring.keys.iter().find(|key| key.id == header.kid) else { return Ok(None) };
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.pair.public_key());
        Ok(public.verify(read.signed, &read.signature).ok().map(|()| read.payload))
    }

    /// The public parts, as a JWK Set (RFC 7517 §5).
    pub async fn public(&self, accounts: &dyn Accounts, now: OffsetDateTime) -> Result<Value, KeyError> {
        let ring = self.ring(accounts, now).await?;
        let keys: Vec<Value> = ring.keys.iter().map(Key::public).collect();
        Ok(json!({ "keys": keys }))
    }

    /// The keys of now. Where the newest is old, another is made.
    async fn ring(&self, accounts: &dyn Accounts, now: OffsetDateTime) -> Result<Arc<Ring>, KeyError> {
        let believed = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(ring) = believed.filter(|ring| ring.at <= now && now < ring.at + BELIEVED) {
            return Ok(ring);
        }
        let mut stored = accounts.signing_keys().await?;
        let newest = stored.first();
        if newest.is_none_or(|newest| newest.made + SIGNS <= now) {
            let id = newest.map(|newest| newest.id.clone());
            // Where another node was faster its key is as good.
            accounts.add_signing_key(new_key(now)?, id.as_deref()).await?;
            stored = accounts.signing_keys().await?;
        }
        let keys = stored.into_iter().filter(|key| now < key.made + PUBLISHED).map(Key::read);
        let ring = Arc::new(Ring { keys: keys.collect::<Result<_, _>>()?, at: now });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ring.clone());
        Ok(ring)
    }
}

fn new_key(now: OffsetDateTime) -> Result<SigningKey, NoRandomness> {
    let id = URL_SAFE_NO_PAD.encode(secret::bytes::<12>()?);
    let secret = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| NoRandomness)?;
    Ok(SigningKey { id: id.into(), secret: secret.as_ref().to_vec(), made: now })
}

impl Key {
    fn read(key: SigningKey) -> Result<Self, KeyError> {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.secret, &SystemRandom::new());
        let pair = pair.map_err(|_| KeyError::Damaged(key.id.to_string()))?;
        Ok(Self { id: key.id.into(), pair, made: key.made })
    }

    fn public(&self) -> Value {
        // Uncompressed: a byte that says so, x and y (SEC 1 §2.3.3).
        let point = &self.pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        json!({
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
            "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}
