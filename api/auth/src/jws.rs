//! Signed tokens in the compact form of RFC 7515 §7.1: three parts in base64url, with full stops between them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// A longer text is no token that anybody needs.
const MOST_BYTES: usize = 8192;

/// A token that was taken apart. Nothing of it is proved.
pub(crate) struct Read<'t> {
    /// The header's text.
    pub header: String,
    pub payload: Vec<u8>,
    /// What was signed: header and payload as they stand.
    pub signed: &'t [u8],
    pub signature: Vec<u8>,
}

/// Takes a token apart.
pub(crate) fn read(token: &str) -> Option<Read<'_>> {
    if token.len() > MOST_BYTES {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    Some(Read {
        header: String::from_utf8(URL_SAFE_NO_PAD.decode(header).ok()?).ok()?,
        payload: URL_SAFE_NO_PAD.decode(payload).ok()?,
        signed: signed.as_bytes(),
        signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
    })
}

/// The token that says this, signed by whoever can.
pub(crate) fn write(
    header: &str,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Option<String> {
    let payload = serde_json::to_vec(claims).ok()?;
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Some(token)
}
