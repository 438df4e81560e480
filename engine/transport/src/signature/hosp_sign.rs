//! HOSP-SIGN: HTTP and JSON signed with a national or an international algorithm (section 1.4 of the profile).
//!
//! What is signed is `METHOD \n path[?query sorted by key] \n timestamp \n nonce \n hex(SM3(body)) \n`. An answer is signed over the
//! method, path and nonce of the request that it answers, with its own timestamp and body: so no answer can stand for another.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use thiserror::Error;

use super::KeyError;
use super::sm::{Sm2Signer, Sm2Verifier, USER_ID, hmac_sm3, is_hmac_sm3, sm3};

/// The headers that a signature consists of.
pub mod header {
    /// Whose signature it is.
    pub const APP: &str = "x-app-id";
    /// When it was signed: milliseconds since 1970.
    pub const TIMESTAMP: &str = "x-timestamp";
    /// What is never used twice.
    pub const NONCE: &str = "x-nonce";
    /// By which algorithm.
    pub const TYPE: &str = "x-sign-type";
    /// The signature, Base64.
    pub const SIGN: &str = "x-sign";
}

/// How far the clocks of both sides may be apart.
const SKEW_MS: i64 = 300_000;
/// How long a nonce is remembered: longer than a signature is believed.
const REMEMBERED_MS: i64 = 600_000;
/// How many nonces are remembered. More signed requests in ten minutes are refused, for forgetting one would let it come again.
const MOST_NONCES: usize = 200_000;
/// How long a nonce is.
const NONCE: std::ops::RangeInclusive<usize> = 16..=32;

/// The keys of both sides, and by them the algorithm.
pub enum Keys {
    /// One key that both know, with HMAC over SM3.
    HmacSm3(Vec<u8>),
    /// One key that both know, with HMAC over SHA-256.
    HmacSha256(Vec<u8>),
    /// Our private key and their public one.
    Sm2(Box<(Sm2Signer, Sm2Verifier)>),
}

impl Keys {
    /// SM2 with the usual user id, of our private and their public key.
    pub fn sm2(private: &[u8], public: &[u8]) -> Result<Self, KeyError> {
        let keys = (Sm2Signer::new(private, USER_ID)?, Sm2Verifier::new(public, USER_ID)?);
        Ok(Self::Sm2(Box::new(keys)))
    }

    /// The algorithm's name in `X-Sign-Type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HmacSm3(_) => "HMAC-SM3",
            Self::HmacSha256(_) => "HMAC-SHA256",
            Self::Sm2(_) => "SM2",
        }
    }

    /// `None` once in 2^255 texts, with SM2.
    fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::HmacSm3(key) => hmac_sm3(key, text).to_vec(),
            Self::HmacSha256(key) => hmac::sign(&sha256(key), text).as_ref().to_vec(),
            Self::Sm2(keys) => keys.0.sign_raw(text)?.to_vec(),
        })
    }

    fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::HmacSm3(key) => is_hmac_sm3(key, text, signature),
            Self::HmacSha256(key) => hmac::verify(&sha256(key), text, signature).is_ok(),
            Self::Sm2(keys) => keys.1.verifies_raw(text, signature),
        }
    }
}

fn sha256(key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

/// What is signed besides the body: of an answer, the method and target of its request.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `POST`.
    pub method: &'a str,
    /// Path and query, as they are sent.
    pub target: &'a str,
}

impl Call<'_> {
    fn text(&self, timestamp: &str, nonce: &str, body: &[u8]) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{}\n{}\n{timestamp}\n{nonce}\n", self.method, sorted(self.target));
        for byte in sm3(body) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
        text
    }
}

/// A target with the pairs of its query in the order of their keys; those of one key stay as they were.
fn sorted(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_by_key(|pair| pair.split('=').next().unwrap_or_default());
    format!("{path}?{}", pairs.join("&"))
}

/// Why a signature is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unbelieved {
    /// A header is missing or not of its form.
    #[error("the header `{0}` is missing or not of its form")]
    Header(&'static str),
    /// Of another app, or by another algorithm.
    #[error("the header `{0}` names another than was agreed on")]
    Other(&'static str),
    /// Too old, or of the future.
    #[error("the signature is not of now: the clocks are more than 300 s apart, or somebody has kept it")]
    Time,
    /// Signed by another key, or changed on its way.
    #[error("the signature is not right")]
    Wrong,
    /// It was seen before.
    #[error("the nonce was used before")]
    Again,
    /// Too many in ten minutes.
    #[error("more requests than can be remembered")]
    TooMany,
}

/// Signs and verifies for one app.
pub struct HospSign {
    app: String,
    keys: Keys,
    seen: Mutex<Seen>,
}

impl HospSign {
    /// For this app, which both sides name, with these keys.
    pub fn new(app: impl Into<String>, keys: Keys) -> Self {
        Self { app: app.into(), keys, seen: Mutex::default() }
    }

    /// The headers of a request, or of the answer to one with the nonce of that request. The nonce is 16 to 32 characters.
    pub fn sign(
        &self,
        call: Call<'_>,
        body: &[u8],
        now_ms: i64,
        nonce: &str,
    ) -> Option<[(&'static str, String); 5]> {
        let timestamp = now_ms.to_string();
        let signature = self.keys.sign(call.text(&timestamp, nonce, body).as_bytes())?;
        Some([
            (header::APP, self.app.clone()),
            (header::TIMESTAMP, timestamp),
            (header::NONCE, nonce.to_owned()),
            (header::TYPE, self.keys.name().to_owned()),
            (header::SIGN, STANDARD.encode(signature)),
        ])
    }

    /// Whether somebody who has the keys has signed this request now, and not before.
    pub fn request<'h>(
        &self,
        call: Call<'_>,
        header: &dyn Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now_ms: i64,
    ) -> Result<(), Unbelieved> {
        let nonce = header(header::NONCE).filter(|nonce| NONCE.contains(&nonce.len()));
        let nonce = nonce.ok_or(Unbelieved::Header(header::NONCE))?;
        self.verify(call, header, nonce, body, now_ms)?;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).once(nonce, now_ms)
    }

    /// Whether this is the partner's answer to the request that was sent with this nonce.
    pub fn answer<'h>(
        &self,
        call: Call<'_>,
        header: &dyn Fn(&str) -> Option<&'h str>,
        nonce: &str,
        body: &[u8],
        now_ms: i64,
    ) -> Result<(), Unbelieved> {
        if header(header::NONCE) != Some(nonce) {
            return Err(Unbelieved::Header(header::NONCE));
        }
        self.verify(call, header, nonce, body, now_ms)
    }

    fn verify<'h>(
        &self,
        call: Call<'_>,
        header: &dyn Fn(&str) -> Option<&'h str>,
        nonce: &str,
        body: &[u8],
        now_ms: i64,
    ) -> Result<(), Unbelieved> {
        let needed = |name| header(name).ok_or(Unbelieved::Header(name));
        if needed(header::APP)? != self.app {
            return Err(Unbelieved::Other(header::APP));
        }
        if needed(header::TYPE)? != self.keys.name() {
            return Err(Unbelieved::Other(header::TYPE));
        }
        let timestamp = needed(header::TIMESTAMP)?;
        let at: i64 = timestamp.parse().map_err(|_| Unbelieved::Header(header::TIMESTAMP))?;
        if at.abs_diff(now_ms) > SKEW_MS.unsigned_abs() {
            return Err(Unbelieved::Time);
        }
        let signature = needed(header::SIGN)?;
        let signature = STANDARD.decode(signature).map_err(|_| Unbelieved::Header(header::SIGN))?;
        let text = call.text(timestamp, nonce, body);
        self.keys.verifies(text.as_bytes(), &signature).then_some(()).ok_or(Unbelieved::Wrong)
    }
}

/// The nonces of the last ten minutes. Only those of right signatures come here: nobody else can fill it.
#[derive(Default)]
struct Seen {
    known: HashSet<String>,
    order: VecDeque<(i64, String)>,
}

impl Seen {
    fn once(&mut self, nonce: &str, now_ms: i64) -> Result<(), Unbelieved> {
        while let Some((_, old)) = self.order.pop_front_if(|(at, _)| *at < now_ms - REMEMBERED_MS) {
            self.known.remove(&old);
        }
        if self.known.contains(nonce) {
            return Err(Unbelieved::Again);
        }
        if self.known.len() >= MOST_NONCES {
            return Err(Unbelieved::TooMany);
        }
        self.known.insert(nonce.to_owned());
        self.order.push_back((now_ms, nonce.to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
