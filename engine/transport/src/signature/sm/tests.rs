//! The examples of the standards, and what must not verify.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// GB/T 32918.5, A.2: the key pair on the recommended curve.
const PRIVATE_KEY: &str = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8";
const PUBLIC_KEY: &str = "04
    09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020
    CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13";
/// The same: the signature of `message digest` by `1234567812345678`.
const SIGNATURE: &str = "
    F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
    B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA";

#[test]
fn the_standards_signature_verifies_and_nothing_near_it_does() {
    let verifier = Sm2Verifier::new(&bytes(PUBLIC_KEY), USER_ID).unwrap();
    let signature = bytes(SIGNATURE);
    assert!(verifier.verifies_raw(b"message digest", &signature));
    assert!(!verifier.verifies_raw(b"message digesT", &signature));
    assert!(!verifier.verifies_raw(b"message digest", &signature[..63]));
    let mut changed = signature.clone();
    changed[40] ^= 1;
    assert!(!verifier.verifies_raw(b"message digest", &changed));
    let another = Sm2Verifier::new(&bytes(PUBLIC_KEY), "8765432187654321").unwrap();
    assert!(!another.verifies_raw(b"message digest", &signature));
}

#[test]
fn a_private_key_has_the_standards_public_key_and_signs_for_its_user() {
    let signer = Sm2Signer::new(&bytes(PRIVATE_KEY), "an app's secret").unwrap();
    assert_eq!(signer.public_key(), bytes(PUBLIC_KEY));
    let verifier = Sm2Verifier::new(&signer.public_key(), "an app's secret").unwrap();
    let raw = signer.sign_raw(b"text").unwrap();
    let der = signer.sign_der(b"text").unwrap();
    assert!(verifier.verifies_raw(b"text", &raw));
    assert!(verifier.verifies_der(b"text", &der));
    assert!(!verifier.verifies_der(b"text", &raw));
    assert!(!verifier.verifies_der(b"texT", &der));
}

#[test]
fn a_public_key_is_read_from_its_der_of_124_characters() {
    let mut der = bytes("3059301306072A8648CE3D020106082A811CCF5501822D034200");
    der.extend(bytes(PUBLIC_KEY));
    assert_eq!(der.len().div_ceil(3) * 4, 124);
    let verifier = Sm2Verifier::new(&der, USER_ID).unwrap();
    assert!(verifier.verifies_raw(b"message digest", &bytes(SIGNATURE)));
}

#[test]
fn what_is_no_key_is_refused() {
    assert!(Sm2Signer::new(&[0; 32], USER_ID).is_err());
    assert!(Sm2Signer::new(b"short", USER_ID).is_err());
    assert!(Sm2Verifier::new(&[4; 65], USER_ID).is_err());
}

/// GB/T 32905, A.1 and A.2.
#[test]
fn sm3_hashes_the_standards_examples() {
    let first = bytes("66C7F0F4 62EEEDD9 D1F2D46B DC10E4E2 4167C487 5CF2F7A2 297DA02B 8F4BA8E0");
    assert_eq!(sm3(b"abc").to_vec(), first);
    let second = bytes("DEBE9FF9 2275B8A1 38604889 C18E5A4D 6FDB70E5 387E5765 293DCBA3 9C0C5732");
    assert_eq!(sm3(&b"abcd".repeat(16)).to_vec(), second);
}

/// RFC 2104 by hand: H(key ^ opad, H(key ^ ipad, text)).
#[test]
fn hmac_sm3_is_the_construction_of_rfc_2104() {
    let mut key = [0_u8; 64];
    key[..6].copy_from_slice(b"secret");
    let pad = |with: u8| key.map(|byte| byte ^ with).to_vec();
    let inner = sm3(&[pad(0x36), b"text".to_vec()].concat());
    let outer = sm3(&[pad(0x5c), inner.to_vec()].concat());
    assert_eq!(hmac_sm3(b"secret", b"text"), outer);
    assert!(is_hmac_sm3(b"secret", b"text", &outer));
    assert!(!is_hmac_sm3(b"secret", b"texT", &outer));
    assert!(!is_hmac_sm3(b"secret", b"text", &outer[..31]));
}

/// GB/T 32907, A.1: the first block, before the padding's own.
#[test]
fn sm4_encrypts_the_standards_example() {
    let key: [u8; 16] = bytes("0123456789ABCDEFFEDCBA9876543210").try_into().unwrap();
    let sealed = sm4_ecb_encrypt(&key, &key);
    assert_eq!(sealed[..16], bytes("681EDF34D206965E86B3E94F536E4246"));
    assert_eq!(sealed.len(), 32);
    assert_eq!(sm4_ecb_decrypt(&key, &sealed).unwrap(), key);
    // CBC begins like ECB of the text mixed with the first block.
    let chained = sm4_cbc_encrypt(&key, &[0; 16], &key);
    assert_eq!(chained[..16], sealed[..16]);
    assert_ne!(chained[16..], sealed[16..]);
}

#[test]
fn what_sm4_encrypted_comes_back_and_nothing_else_does() {
    let (key, first) = ([7; 16], [9; 16]);
    for length in [0, 1, 15, 16, 17, 100] {
        let text = vec![b'x'; length];
        assert_eq!(sm4_ecb_decrypt(&key, &sm4_ecb_encrypt(&key, &text)), Some(text.clone()));
        let sealed = sm4_cbc_encrypt(&key, &first, &text);
        assert_eq!(sm4_cbc_decrypt(&key, &first, &sealed), Some(text.clone()));
        assert_ne!(sm4_cbc_decrypt(&[8; 16], &first, &sealed), Some(text));
        assert_eq!(sm4_cbc_decrypt(&key, &first, &sealed[1..]), None);
    }
    assert_eq!(sm4_ecb_decrypt(&key, b""), None);
}
