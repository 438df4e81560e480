//! How the bank signs, verifies and seals: written for it alone, on the libraries, and not on the hub's own code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use sm2::SecretKey;
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};

use super::SimSettings;

/// The user id of SM2 signatures, both ways.
const USER: &str = "1234567812345678";

/// The keys of bank and merchant. They are published here and protect nothing.
pub mod keys {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sm2::pkcs8::EncodePublicKey as _;

    /// The merchant's private key in the dialects `wechat` and `unionpay`, PEM.
    pub const MERCHANT: &str = include_str!("../../data/merchant-key.pem");
    /// The bank's public key in the dialect `wechat`, PEM.
    pub const BANK_PUBLIC: &str = include_str!("../../data/bank-public.pem");
    /// The certificate of the authority that has signed the bank's in the dialect `unionpay`, PEM.
    pub const AUTHORITY: &str = include_str!("../../data/authority.pem");
    pub(in crate::sim) const BANK_CERTIFICATE: &str = include_str!("../../data/bank-certificate.pem");
    pub(super) const BANK: &str = include_str!("../../data/bank-key.pem");
    pub(super) const MERCHANT_PUBLIC: &str = include_str!("../../data/merchant-public.pem");
    pub(super) const SM2_MERCHANT: [u8; 32] = *b"simulated-merchant's-private-key";
    pub(super) const SM2_BANK: [u8; 32] = *b"the-simulated-bank's-private-key";

    /// The merchant's private key in the dialect `cmb`, Base64.
    pub fn sm2_merchant() -> String {
        STANDARD.encode(SM2_MERCHANT)
    }

    /// The bank's public key in the dialect `cmb`, Base64 of DER.
    pub fn sm2_bank_public() -> String {
        let key =
            sm2::SecretKey::from_slice(&SM2_BANK).expect("these bytes are less than the order of the curve");
        let der = key.public_key().to_public_key_der().expect("a point of the curve can be written");
        STANDARD.encode(der.as_bytes())
    }
}

/// Signs for the bank, and knows the merchant's keys.
pub(super) struct Seal {
    bank: RsaKeyPair,
    /// Whoever forges signs with a key that is not the bank's.
    forger: RsaKeyPair,
    merchant: UnparsedPublicKey<Vec<u8>>,
    sm2_bank: SigningKey,
    sm2_merchant: VerifyingKey,
    api_key: LessSafeKey,
}

impl Seal {
    /// `None` where the APIv3 key is not 32 bytes.
    pub(super) fn new(settings: &SimSettings) -> Option<Self> {
        // A public key's DER ends with the key itself, behind a head of 24 bytes for 2048 bits.
        let merchant = pem(keys::MERCHANT_PUBLIC)?.split_off(24);
        Some(Self {
            bank: RsaKeyPair::from_pkcs8(&pem(keys::BANK)?).ok()?,
            forger: RsaKeyPair::from_pkcs8(&pem(keys::MERCHANT)?).ok()?,
            merchant: UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, merchant),
            sm2_bank: SigningKey::from_slice(USER, &keys::SM2_BANK).ok()?,
            sm2_merchant: VerifyingKey::new(
                USER,
                SecretKey::from_slice(&keys::SM2_MERCHANT).ok()?.public_key(),
            )
            .ok()?,
            api_key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, settings.api_key.as_bytes()).ok()?),
        })
    }

    /// A signature of RSA as Base64; `is_right`: by the bank.
    pub(super) fn rsa(&self, text: &[u8], is_right: bool) -> String {
        let key = if is_right { &self.bank } else { &self.forger };
        let mut signature = vec![0; key.public().modulus_len()];
        match key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature) {
            Ok(()) => STANDARD.encode(signature),
            Err(_) => String::new(),
        }
    }

    /// Whether the merchant has signed this with RSA.
    pub(super) fn is_merchants(&self, text: &[u8], signature: &str) -> bool {
        STANDARD.decode(signature).is_ok_and(|signature| self.merchant.verify(text, &signature).is_ok())
    }

    /// A signature of SM2 as Base64 of DER; one that is not right is of another text.
    pub(super) fn sm2(&self, text: &str, is_right: bool) -> String {
        let text = if is_right { text.to_owned() } else { format!("{text}x") };
        let signed: Result<Signature, _> = self.sm2_bank.try_sign(text.as_bytes());
        signed.map(|signature| STANDARD.encode(signature.to_der().as_bytes())).unwrap_or_default()
    }

    /// Whether the merchant has signed this with SM2.
    pub(super) fn is_merchants_sm2(&self, text: &str, signature: &str) -> bool {
        let signature = STANDARD.decode(signature).unwrap_or_default();
        Signature::from_der(&signature)
            .is_ok_and(|signature| self.sm2_merchant.verify(text.as_bytes(), &signature).is_ok())
    }

    /// What only the merchant can read, as Base64.
    pub(super) fn seal(&self, text: &str, nonce: &str, associated: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let sealed = Nonce::try_assume_unique_for_key(nonce.as_bytes()).and_then(|nonce| {
            self.api_key.seal_in_place_append_tag(nonce, Aad::from(associated.as_bytes()), &mut bytes)
        });
        sealed.map(|()| STANDARD.encode(bytes)).unwrap_or_default()
    }
}

/// The bytes of a PEM file with one part.
fn pem(text: &str) -> Option<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).ok()
}
