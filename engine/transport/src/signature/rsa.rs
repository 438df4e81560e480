//! RSA signatures over SHA-256 (PKCS#1 v1.5, RFC 8017, 8.2), and the certificates that public keys travel in.

use std::time::Duration;

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{RootCertStore, crypto::ring as provider};

use super::KeyError;
use super::der::{BITS, Der, INTEGER, OBJECT_ID, SEQUENCE, SET, VERSION};

const PRIVATE: &str = "an RSA private key of 2048 bits or more, PEM";
const PUBLIC: &str = "an RSA public key or certificate, PEM";
const AUTHORITY: &str = "the certificates of an authority, PEM";
/// The object identifier of a common name, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// Signs with an RSA private key.
pub struct RsaSigner(RsaKeyPair);

impl RsaSigner {
    /// Of a private key in PEM: PKCS#8 or PKCS#1.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Form(PRIVATE))?;
        let pair = match &key {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(KeyError::Kind(PRIVATE)),
        };
        pair.map(Self).map_err(|_| KeyError::Kind(PRIVATE))
    }

    /// The signature of a text. `None` when the system has no chance to give.
    pub fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
        Some(signature)
    }
}

/// Verifies signatures of an RSA key.
#[derive(Clone)]
pub struct RsaVerifier(UnparsedPublicKey<Vec<u8>>);

impl RsaVerifier {
    /// Of a public key in PEM, or the certificate that holds it.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if let Ok(certificate) = CertificateDer::from_pem_slice(pem.as_bytes()) {
            return Ok(Certificate::read(certificate)?.key);
        }
        let der =
            SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Form(PUBLIC))?;
        let (_, content) = Der(&der).next().ok_or(KeyError::Form(PUBLIC))?;
        Self::of_info(content).ok_or(KeyError::Kind(PUBLIC))
    }

    /// Of what lies within a SubjectPublicKeyInfo: the algorithm, then the key in a bit string of whole bytes.
    fn of_info(info: &[u8]) -> Option<Self> {
        let mut parts = Der(info);
        parts.take(SEQUENCE)?;
        let key = parts.take(BITS)?.strip_prefix(&[0])?;
        // The key is a sequence of two numbers; of another algorithm it is not.
        let mut numbers = Der(Der(key).take(SEQUENCE)?);
        numbers.take(INTEGER).and(numbers.take(INTEGER))?;
        Some(Self(UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.to_vec())))
    }

    /// Whether this signature is the key's own of the text.
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        self.0.verify(text, signature).is_ok()
    }
}

/// A certificate with an RSA key (RFC 5280).
pub struct Certificate {
    der: CertificateDer<'static>,
    /// The key that it is for.
    pub key: RsaVerifier,
    /// The name of whom it is for, as it stands in it.
    pub common_name: String,
}

impl Certificate {
    /// A certificate in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::read(CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Form(PUBLIC))?)
    }

    fn read(der: CertificateDer<'static>) -> Result<Self, KeyError> {
        let (common_name, key) = parts(&der).ok_or(KeyError::Kind(PUBLIC))?;
        Ok(Self { der, key, common_name })
    }

    /// Whether one of these authorities has signed it, and its time is not over. It says nothing of whose it is.
    pub fn is_signed_by(&self, authorities: &Authorities, since_1970: Duration) -> bool {
        let Ok(parsed) = ParsedCertificate::try_from(&self.der) else { return false };
        let algorithms = provider::default_provider().signature_verification_algorithms.all;
        let now = UnixTime::since_unix_epoch(since_1970);
        verify_server_cert_signed_by_trust_anchor(&parsed, &authorities.0, &[], now, algorithms).is_ok()
    }
}

/// Those whose signature makes a certificate good.
pub struct Authorities(RootCertStore);

impl Authorities {
    /// Of their own certificates in PEM, one after the other.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| KeyError::Form(AUTHORITY))?;
            store.add(certificate).map_err(|_| KeyError::Kind(AUTHORITY))?;
        }
        if store.is_empty() { Err(KeyError::Form(AUTHORITY)) } else { Ok(Self(store)) }
    }
}

/// The common name of the subject, and the key: RFC 5280, 4.1.
fn parts(certificate: &[u8]) -> Option<(String, RsaVerifier)> {
    let mut certificate = Der(Der(certificate).take(SEQUENCE)?);
    let mut fields = Der(certificate.take(SEQUENCE)?);
    // Before the number there may stand the version; then algorithm, issuer, validity, subject, key.
    if fields.next()?.0 == VERSION {
        fields.take(INTEGER)?;
    }
    fields.take(SEQUENCE)?;
    fields.take(SEQUENCE)?;
    fields.take(SEQUENCE)?;
    let subject = fields.take(SEQUENCE)?;
    let key = RsaVerifier::of_info(fields.take(SEQUENCE)?)?;
    Some((common_name(subject).unwrap_or_default(), key))
}

fn common_name(subject: &[u8]) -> Option<String> {
    let mut names = Der(subject);
    loop {
        let mut name = Der(Der(names.take(SET)?).take(SEQUENCE)?);
        if name.take(OBJECT_ID)? == COMMON_NAME {
            return String::from_utf8(name.next()?.1.to_vec()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    /// Made for this test with `openssl genpkey -algorithm RSA`, and used for nothing else.
    const KEY: &str = include_str!("../../tests/data/rsa-key.pem");
    const PUBLIC_KEY: &str = include_str!("../../tests/data/rsa-public.pem");

    #[test]
    fn a_signature_verifies_and_that_of_another_text_does_not() {
        let signature = RsaSigner::from_pem(KEY).unwrap().sign(b"text").unwrap();
        let verifier = RsaVerifier::from_pem(PUBLIC_KEY).unwrap();
        assert!(verifier.verifies(b"text", &signature));
        assert!(!verifier.verifies(b"texT", &signature));
        assert!(!verifier.verifies(b"text", &signature[1..]));
    }

    /// `printf text | openssl dgst -sha256 -sign rsa-key.pem`: what another program signed.
    #[test]
    fn what_openssl_signed_verifies() {
        let signature = include_bytes!("../../tests/data/rsa-signature.bin");
        assert!(RsaVerifier::from_pem(PUBLIC_KEY).unwrap().verifies(b"text", signature));
        assert_eq!(RsaSigner::from_pem(KEY).unwrap().sign(b"text").unwrap(), signature);
    }

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_certificate_tells_its_name_and_key_and_who_signed_it() {
        let ours = authority("ours");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, "a bank");
        params.distinguished_name.push(DnType::CommonName, "041@Z12@中国银联股份有限公司");
        let pem = params.signed_by(&KeyPair::from_pem(KEY).unwrap(), &ours).unwrap().pem();
        let certificate = Certificate::from_pem(&pem).unwrap();
        assert_eq!(certificate.common_name, "041@Z12@中国银联股份有限公司");
        let signature = RsaSigner::from_pem(KEY).unwrap().sign(b"text").unwrap();
        assert!(certificate.key.verifies(b"text", &signature));
        assert!(RsaVerifier::from_pem(&pem).unwrap().verifies(b"text", &signature));

        let now = Duration::from_secs(1_790_000_000);
        assert!(certificate.is_signed_by(&Authorities::from_pem(&ours.pem()).unwrap(), now));
        let others = Authorities::from_pem(&authority("others").pem()).unwrap();
        assert!(!certificate.is_signed_by(&others, now));
        let over = Duration::from_secs(200_000_000_000);
        assert!(!certificate.is_signed_by(&Authorities::from_pem(&ours.pem()).unwrap(), over));
    }

    #[test]
    fn what_is_no_rsa_key_is_refused() {
        let elliptic = KeyPair::generate().unwrap();
        assert!(RsaSigner::from_pem(&elliptic.serialize_pem()).is_err());
        assert!(RsaVerifier::from_pem(&elliptic.public_key_pem()).is_err());
        assert!(RsaSigner::from_pem("").is_err());
        assert!(Authorities::from_pem("").is_err());
    }
}
