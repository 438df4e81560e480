//! Public keys as JSON (RFC 7517, RFC 7518 §6, RFC 8037): those that clients prove themselves by.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use thiserror::Error;

/// How assertions may be signed. Never with a shared secret, never not at all (RFC 8725 §3.2).
pub(crate) const ALGORITHMS: [&str; 5] = ["ES256", "EdDSA", "RS256", "ES384", "RS384"];

/// Why a set of keys cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JwkError {
    /// It is none.
    #[error("it is no JWK Set")]
    Form,
    /// It holds a private or a secret key.
    #[error(
        "it holds a private or a shared key, which nobody else may have: make new ones, and give their public parts"
    )]
    Private,
    /// It has no key that can be used.
    #[error("it has no public key for a signature: RSA from 2048 bits, P-256, P-384 or Ed25519")]
    NoKey,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Written>,
}

/// A key as it is written.
#[derive(Deserialize)]
struct Written {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    meant_for: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<String>,
    k: Option<String>,
}

/// A key that a client is known by.
pub(crate) struct Jwk {
    id: Option<String>,
    algorithm: Option<String>,
    key: Key,
}

enum Key {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// The keys of a set that can be used. What is of another sort is left out (RFC 7517 §5).
pub(crate) fn read(set: &str) -> Result<Vec<Jwk>, JwkError> {
    let set: Set = serde_json::from_str(set).map_err(|_| JwkError::Form)?;
    if set.keys.iter().any(|key| key.d.is_some() || key.k.is_some()) {
        return Err(JwkError::Private);
    }
    let keys: Vec<Jwk> = set.keys.into_iter().filter_map(Written::key).collect();
    if keys.is_empty() { Err(JwkError::NoKey) } else { Ok(keys) }
}

impl Written {
    fn key(self) -> Option<Jwk> {
        if self.meant_for.is_some_and(|meant_for| meant_for != "sig") {
            return None;
        }
        let bytes = |part: Option<String>| URL_SAFE_NO_PAD.decode(part?).ok();
        let point = |x, y, length: usize| {
            let (x, y) = (bytes(x)?, bytes(y)?);
            let fits = x.len() == length && y.len() == length;
            // Uncompressed (SEC 1 §2.3.3).
            fits.then(|| [&[4], x.as_slice(), y.as_slice()].concat())
        };
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Key::Rsa { n: bytes(self.n).filter(|n| n.len() >= 256)?, e: bytes(self.e)? },
            ("EC", Some("P-256")) => Key::P256(point(self.x, self.y, 32)?),
            ("EC", Some("P-384")) => Key::P384(point(self.x, self.y, 48)?),
            ("OKP", Some("Ed25519")) => Key::Ed25519(bytes(self.x).filter(|x| x.len() == 32)?),
            _ => return None,
        };
        Some(Jwk { id: self.kid, algorithm: self.alg, key })
    }
}

impl Jwk {
    /// Whether it may be the key of a token with this header.
    pub fn suits(&self, algorithm: &str, id: Option<&str>) -> bool {
        let is_named = id.is_none() || self.id.as_deref() == id;
        is_named && self.algorithm.as_deref().is_none_or(|own| own == algorithm)
    }

    /// Whether it made a signature. The algorithm must be one of the key's own kind: RSA's public key is never taken for a shared secret.
    pub fn verifies(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        match (&self.key, algorithm) {
            (Key::Rsa { n, e }, "RS256" | "RS384") => {
                let how = if algorithm == "RS256" {
                    &RSA_PKCS1_2048_8192_SHA256
                } else {
                    &RSA_PKCS1_2048_8192_SHA384
                };
                RsaPublicKeyComponents { n, e }.verify(how, signed, signature).is_ok()
            }
            (Key::P256(point), "ES256") => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            (Key::P384(point), "ES384") => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(signed, signature).is_ok()
            }
            (Key::Ed25519(x), "EdDSA") => {
                UnparsedPublicKey::new(&ED25519, x).verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_without_a_public_key_is_refused_with_the_reason() {
        for (set, wrong) in [
            ("[]", JwkError::Form),
            (r#"{"keys":[]}"#, JwkError::NoKey),
            (r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, JwkError::Private),
            (r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}]}"#, JwkError::Private),
            (r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, JwkError::NoKey),
            (r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#, JwkError::NoKey),
        ] {
            assert_eq!(read(set).err(), Some(wrong), "{set}");
        }
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let encrypts = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}","use":"enc"}}]}}"#);
        assert_eq!(read(&encrypts).err(), Some(JwkError::NoKey));
        assert_eq!(read(&encrypts.replace("enc", "sig")).map(|keys| keys.len()), Ok(1));
    }

    #[test]
    fn the_signatures_of_the_standards_are_verified() {
        // RFC 8037, appendix A.4.
        let set =
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let read_token = crate::jws::read(token).unwrap();
        let keys = read(set).unwrap();
        assert!(keys[0].verifies("EdDSA", read_token.signed, &read_token.signature));
        for other in ["HS256", "none", "RS256", "ES256", "eddsa", ""] {
            assert!(!keys[0].verifies(other, read_token.signed, &read_token.signature), "{other}");
        }
        // RFC 7515, appendix A.3.
        let set = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let read_token = crate::jws::read(token).unwrap();
        let keys = read(set).unwrap();
        assert!(keys[0].verifies("ES256", read_token.signed, &read_token.signature));
        assert!(!keys[0].verifies("ES256", b"other", &read_token.signature));
        assert!(keys[0].suits("ES256", None) && !keys[0].suits("ES256", Some("unknown")));
    }
}
