//! How the service signs its answers and notices and verifies ours (HOSP-SIGN with SM2): written for it alone, on the libraries.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sm2::SecretKey;
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm3::{Digest as _, Sm3};
use time::OffsetDateTime;

use super::authority::hexadecimal;

const USER: &str = "1234567812345678";

/// The keys of hospital and service. They are published here and protect nothing.
pub mod keys {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sm2::elliptic_curve::sec1::ToSec1Point as _;

    pub(super) const HOSPITAL: [u8; 32] = *b"simulated-hospital's-private-key";
    pub(super) const SERVICE: [u8; 32] = *b"the-signing-service's-secret-key";

    /// The hospital's private key, Base64.
    pub fn hospital() -> String {
        STANDARD.encode(HOSPITAL)
    }

    /// The service's public key, Base64 of its 65 bytes.
    pub fn service_public() -> String {
        let key =
            sm2::SecretKey::from_slice(&SERVICE).expect("these bytes are less than the order of the curve");
        STANDARD.encode(key.public_key().to_sec1_point(false).as_bytes())
    }
}

/// The service's key, the hospital's, and what was signed with before.
pub(super) struct Seal {
    app: String,
    service: SigningKey,
    hospital: VerifyingKey,
    nonces: BTreeSet<String>,
}

impl Seal {
    /// `None` where the keys are none.
    pub fn new(app: &str) -> Option<Self> {
        let hospital = SecretKey::from_slice(&keys::HOSPITAL).ok()?.public_key();
        Some(Self {
            app: app.to_owned(),
            service: SigningKey::from_slice(USER, &keys::SERVICE).ok()?,
            hospital: VerifyingKey::new(USER, hospital).ok()?,
            nonces: BTreeSet::new(),
        })
    }

    /// The headers of what the service says about this call; not right: of another text.
    pub fn headers(
        &self,
        (method, target): (&str, &str),
        body: &[u8],
        nonce: &str,
        is_right: bool,
    ) -> [(&'static str, String); 5] {
        let timestamp = now_ms().to_string();
        let mut text = text(method, target, &timestamp, nonce, body);
        if !is_right {
            text.push('x');
        }
        let signed: Result<Signature, _> = self.service.try_sign(text.as_bytes());
        let signature = signed.map(|signature| STANDARD.encode(signature.to_bytes())).unwrap_or_default();
        [
            ("x-app-id", self.app.clone()),
            ("x-timestamp", timestamp),
            ("x-nonce", nonce.to_owned()),
            ("x-sign-type", "SM2".to_owned()),
            ("x-sign", signature),
        ]
    }

    /// What is wrong with a request's signature.
    pub fn wrong(
        &mut self,
        (method, target): (&str, &str),
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<&'static str> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (timestamp, nonce) = (header("x-timestamp"), header("x-nonce"));
        if header("x-app-id") != self.app {
            return Some("X-App-Id: not the hospital's");
        }
        if header("x-sign-type") != "SM2" {
            return Some("X-Sign-Type: not SM2");
        }
        if !timestamp.parse::<i64>().is_ok_and(|at| (at - now_ms()).abs() <= 300_000) {
            return Some("X-Timestamp: not of now");
        }
        if !(16..=32).contains(&nonce.len()) {
            return Some("X-Nonce: not 16 to 32 characters");
        }
        let signature = STANDARD.decode(header("x-sign")).unwrap_or_default();
        let text = text(method, target, timestamp, nonce, body);
        let is_right = Signature::from_slice(&signature)
            .is_ok_and(|signature| self.hospital.verify(text.as_bytes(), &signature).is_ok());
        if !is_right {
            return Some("X-Sign: not by the hospital");
        }
        (!self.nonces.insert(nonce.to_owned())).then_some("X-Nonce: used before")
    }

    /// Whether the hospital has signed this answer to the notice with this nonce.
    pub fn is_hospitals(
        &self,
        target: &str,
        header: impl Fn(&str) -> String,
        nonce: &str,
        body: &[u8],
    ) -> bool {
        let text = text("POST", target, &header("x-timestamp"), nonce, body);
        let signature = STANDARD.decode(header("x-sign")).unwrap_or_default();
        Signature::from_slice(&signature)
            .is_ok_and(|signature| self.hospital.verify(text.as_bytes(), &signature).is_ok())
    }
}

/// What is signed (section 1.4).
fn text(method: &str, target: &str, timestamp: &str, nonce: &str, body: &[u8]) -> String {
    let target = match target.split_once('?') {
        None => target.to_owned(),
        Some((path, query)) => {
            let mut pairs: Vec<_> =
                query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{path}?{}", pairs.join("&"))
        }
    };
    format!("{method}\n{target}\n{timestamp}\n{nonce}\n{}\n", sm3(body))
}

/// The SM3 hash, hexadecimal.
pub(super) fn sm3(bytes: &[u8]) -> String {
    hexadecimal(&Sm3::digest(bytes))
}

fn now_ms() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}
