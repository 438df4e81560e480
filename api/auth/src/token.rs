//! Access tokens in the form of RFC 9068: a JWT of the type `at+jwt`, signed with Ed25519 (RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_core::who::{Role, Who};
use hub_fhir::{Id, Reference};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// The one header that is written, and the one that is taken: an algorithm is never read from a token (RFC 8725 §3.1).
const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt"}"#;
/// A longer text is no token of ours.
const MOST_BYTES: usize = 4096;

/// What a token says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub client_id: String,
    pub roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
}

impl Claims {
    /// Who it is; `None` where it names nobody that there can be.
    pub fn who(&self) -> Option<Who> {
        let roles: Option<Vec<Role>> = self.roles.iter().map(|name| Role::from_name(name)).collect();
        let is = self.is.as_deref().map(Reference::parse).transpose().ok()?;
        Some(Who {
            account: Id::new(&self.sub).ok()?,
            roles: roles.filter(|roles| !roles.is_empty())?,
            is,
            client: self.client_id.as_str().into(),
            session: None,
        })
    }
}

/// The token that says this.
pub(crate) fn sign(claims: &Claims, key: &Ed25519KeyPair) -> Option<String> {
    let payload = serde_json::to_vec(claims).ok()?;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    Some(format!("{signed}.{signature}"))
}

/// What a token says, where this key has signed it.
pub(crate) fn verify(token: &str, key: &[u8]) -> Option<Claims> {
    if token.len() > MOST_BYTES {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    if header != URL_SAFE_NO_PAD.encode(HEADER) {
        return None;
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&ED25519, key).verify(signed.as_bytes(), &signature).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
