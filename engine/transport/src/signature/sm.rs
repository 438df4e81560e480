//! The national algorithms: SM2 signatures (GB/T 32918.2), the hash SM3 (GB/T 32905), the cipher SM4 (GB/T 32907).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm2::elliptic_curve::sec1::ToSec1Point as _;
use sm2::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use sm2::{PublicKey, SecretKey};
use sm3::{Digest as _, Sm3};
use sm4::Sm4;
use sm4::cipher::{Block, BlockCipherDecrypt as _, BlockCipherEncrypt as _};

use super::KeyError;

/// The user id that is meant where a partner names none (GB/T 35276, 10).
pub const USER_ID: &str = "1234567812345678";

/// The length of a block and of a key of SM4.
const BLOCK: usize = 16;
const PRIVATE: &str = "an SM2 private key of 32 bytes, or PKCS#8";
const PUBLIC: &str = "an SM2 public key of 65 bytes (`04`, X, Y), or its DER";

/// Signs with an SM2 private key for one user id. The same text is always signed alike: the secret number of each signature
/// is made of key and text (RFC 6979), so no weak source of chance can give the key away.
pub struct Sm2Signer(SigningKey);

impl Sm2Signer {
    /// Of a private key: its 32 bytes, or PKCS#8 DER.
    pub fn new(private: &[u8], user_id: &str) -> Result<Self, KeyError> {
        let read = if private.len() == 32 {
            SecretKey::from_slice(private).ok()
        } else {
            SecretKey::from_pkcs8_der(private).ok()
        };
        let key = read.ok_or(KeyError::Form(PRIVATE))?;
        SigningKey::new(user_id, &key).map(Self).map_err(|_| KeyError::Kind(PRIVATE))
    }

    /// R and S one after the other, 64 bytes. `None` once in 2^255 texts: then the algorithm asks for another number.
    pub fn sign_raw(&self, text: &[u8]) -> Option<[u8; 64]> {
        let signature: Signature = self.0.try_sign(text).ok()?;
        Some(signature.to_bytes().into())
    }

    /// R and S as a DER sequence (GM/T 0009, 7.3).
    pub fn sign_der(&self, text: &[u8]) -> Option<Vec<u8>> {
        let signature: Signature = self.0.try_sign(text).ok()?;
        Some(signature.to_der().as_bytes().to_vec())
    }

    /// The public key: 65 bytes, `04`, X and Y.
    pub fn public_key(&self) -> Vec<u8> {
        self.0.verifying_key().as_affine().to_sec1_point(false).as_bytes().to_vec()
    }
}

/// Verifies SM2 signatures of one user id.
pub struct Sm2Verifier(VerifyingKey);

impl Sm2Verifier {
    /// Of a public key: 65 bytes (`04`, X, Y), or DER (SubjectPublicKeyInfo).
    pub fn new(public: &[u8], user_id: &str) -> Result<Self, KeyError> {
        let read = if public.len() == 65 {
            PublicKey::from_sec1_bytes(public).ok()
        } else {
            PublicKey::from_public_key_der(public).ok()
        };
        let key = read.ok_or(KeyError::Form(PUBLIC))?;
        VerifyingKey::new(user_id, key).map(Self).map_err(|_| KeyError::Kind(PUBLIC))
    }

    /// Whether R and S, one after the other, sign the text.
    pub fn verifies_raw(&self, text: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.0.verify(text, &signature).is_ok())
    }

    /// Whether R and S as a DER sequence sign the text.
    pub fn verifies_der(&self, text: &[u8], signature: &[u8]) -> bool {
        Signature::from_der(signature).is_ok_and(|signature| self.0.verify(text, &signature).is_ok())
    }
}

/// The SM3 hash.
pub fn sm3(text: &[u8]) -> [u8; 32] {
    Sm3::digest(text).into()
}

/// The HMAC (RFC 2104) of SM3.
pub fn hmac_sm3(key: &[u8], text: &[u8]) -> [u8; 32] {
    keyed(key, text).finalize().into_bytes().into()
}

/// Whether this is the HMAC of the text, compared in a time that tells nothing.
pub fn is_hmac_sm3(key: &[u8], text: &[u8], code: &[u8]) -> bool {
    keyed(key, text).verify_slice(code).is_ok()
}

fn keyed(key: &[u8], text: &[u8]) -> Hmac<Sm3> {
    let mac = <Hmac<Sm3> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(text)
}

/// Encrypts with SM4 and padding by PKCS#7: by block alone (ECB), which only partners that ask for it should get.
pub fn sm4_ecb_encrypt(key: &[u8; 16], text: &[u8]) -> Vec<u8> {
    let cipher = Sm4::new(key.into());
    let mut bytes = padded(text);
    for block in bytes.chunks_exact_mut(BLOCK) {
        encrypt(&cipher, block);
    }
    bytes
}

/// What was encrypted by [`sm4_ecb_encrypt`]; `None` where it was not, or with another key.
pub fn sm4_ecb_decrypt(key: &[u8; 16], bytes: &[u8]) -> Option<Vec<u8>> {
    let cipher = Sm4::new(key.into());
    let mut text = bytes.to_vec();
    for block in text.chunks_mut(BLOCK) {
        decrypt(&cipher, block)?;
    }
    unpadded(text)
}

/// Encrypts with SM4, each block bound to the one before (CBC), and padding by PKCS#7.
pub fn sm4_cbc_encrypt(key: &[u8; 16], first: &[u8; 16], text: &[u8]) -> Vec<u8> {
    let cipher = Sm4::new(key.into());
    let mut bytes = padded(text);
    let mut before = *first;
    for block in bytes.chunks_exact_mut(BLOCK) {
        mix(block, &before);
        encrypt(&cipher, block);
        before.copy_from_slice(block);
    }
    bytes
}

/// What was encrypted by [`sm4_cbc_encrypt`]; `None` where it was not, or with another key. It says nothing of whether
/// somebody changed it on its way: what is to be believed is signed as well.
pub fn sm4_cbc_decrypt(key: &[u8; 16], first: &[u8; 16], bytes: &[u8]) -> Option<Vec<u8>> {
    let cipher = Sm4::new(key.into());
    let mut text = bytes.to_vec();
    let mut before = *first;
    for (block, sent) in text.chunks_mut(BLOCK).zip(bytes.chunks(BLOCK)) {
        decrypt(&cipher, block)?;
        mix(block, &before);
        before.copy_from_slice(sent);
    }
    unpadded(text)
}

fn encrypt(cipher: &Sm4, block: &mut [u8]) {
    if let Ok(block) = <&mut Block<Sm4>>::try_from(block) {
        cipher.encrypt_block(block);
    }
}

/// `None` where the block is not whole.
fn decrypt(cipher: &Sm4, block: &mut [u8]) -> Option<()> {
    cipher.decrypt_block(<&mut Block<Sm4>>::try_from(block).ok()?);
    Some(())
}

fn mix(block: &mut [u8], with: &[u8; 16]) {
    for (byte, other) in block.iter_mut().zip(with) {
        *byte ^= other;
    }
}

/// PKCS#7: always at least one byte, each the number of them.
fn padded(text: &[u8]) -> Vec<u8> {
    let missing = BLOCK - text.len() % BLOCK;
    let mut bytes = text.to_vec();
    bytes.resize(text.len() + missing, missing as u8);
    bytes
}

fn unpadded(mut text: Vec<u8>) -> Option<Vec<u8>> {
    let count = usize::from(*text.last()?);
    let end = text.len().checked_sub(count)?;
    let is_padding =
        (1..=BLOCK).contains(&count) && text[end..].iter().all(|byte| usize::from(*byte) == count);
    is_padding.then(|| {
        text.truncate(end);
        text
    })
}

#[cfg(test)]
mod tests;
