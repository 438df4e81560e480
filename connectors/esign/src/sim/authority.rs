//! A certification authority: for each signing it makes a key and a certificate of the signer (事件证书), used once and thrown away.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::der::{Reader, object_id, sequence};

/// Published, and protects nothing.
const KEY: &str = include_str!("../../data/authority-key.pem");
const NAME: &str = "Simulated Certification Authority 模拟认证中心";
const EXTENDED_USAGE: &[u64] = &[2, 5, 29, 37];
const TIME_STAMPING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 8];
/// How long the key of one signing can sign.
const EVENT: Duration = Duration::minutes(10);

/// What a certificate is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Signing, by a person or the hospital's seal.
    Signing,
    /// Attesting times.
    Timestamping,
}

/// Somebody's key and certificate.
pub(super) struct Signer {
    pub key: KeyPair,
    /// DER.
    pub certificate: Vec<u8>,
    /// Its number, hexadecimal.
    pub number: String,
}

/// The authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// `None` where the key that lies in `data/` is none.
    pub fn new() -> Option<Self> {
        let mut params = params(NAME, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = datetime!(2020-01-01 0:00 UTC);
        params.not_after = datetime!(2099-12-31 0:00 UTC);
        CertifiedIssuer::self_signed(params, KeyPair::from_pem(KEY).ok()?).ok().map(Self)
    }

    /// Its own certificate, which others believe it by.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A key and certificate in this name, the `number`th that it gives.
    pub fn certify(&self, name: &str, number: u64, purpose: Purpose, now: OffsetDateTime) -> Option<Signer> {
        let key = KeyPair::generate().ok()?;
        let mut params = params(name, number);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        params.not_before = now - Duration::minutes(1);
        params.not_after = now + EVENT;
        if purpose == Purpose::Timestamping {
            let usage = sequence(&[object_id(TIME_STAMPING)]);
            let mut usage = CustomExtension::from_oid_content(EXTENDED_USAGE, usage);
            usage.set_criticality(true);
            params.custom_extensions.push(usage);
        }
        let certificate = params.signed_by(&key, &self.0).ok()?.der().to_vec();
        let number = hexadecimal(&number.to_be_bytes());
        Some(Signer { key, certificate, number })
    }

    /// Whether it has given this certificate.
    pub fn has_given(&self, certificate: &Certificate<'_>) -> bool {
        let own = Certificate::read(self.0.der());
        let key = own.map(|own| UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, own.key));
        key.is_some_and(|key| key.verify(certificate.signed, certificate.signature).is_ok())
    }
}

fn params(name: &str, number: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(number.to_be_bytes().to_vec()));
    params
}

/// A certificate that was read (RFC 5280, 4.1).
pub(super) struct Certificate<'a> {
    pub serial: &'a [u8],
    pub issuer: &'a [u8],
    /// The name of whose it is.
    pub name: String,
    /// The point of the public key.
    pub key: &'a [u8],
    signed: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut whole = Reader(der).take(0x30)?.within();
        let (signed, _algorithm, signature) = (whole.take(0x30)?, whole.next()?, whole.take(0x03)?);
        let mut parts = signed.within();
        let (_version, serial, _algorithm) = (parts.take(0xa0)?, parts.take(0x02)?, parts.next()?);
        let (issuer, _validity, subject) = (parts.next()?, parts.next()?, parts.take(0x30)?);
        let mut key = parts.take(0x30)?.within();
        key.next()?;
        let mut name = subject.within().take(0x31)?.within().take(0x30)?.within();
        name.next()?;
        Some(Self {
            serial: serial.whole,
            issuer: issuer.whole,
            name: String::from_utf8(name.next()?.content.to_vec()).ok()?,
            key: key.take(0x03)?.content.get(1..)?,
            signed: signed.whole,
            signature: signature.content.get(1..)?,
        })
    }

    /// Its number, as [`Signer::number`] has it.
    pub fn number(&self) -> String {
        let digits = Reader(self.serial).next().map(|serial| hexadecimal(serial.content)).unwrap_or_default();
        format!("{digits:0>16}")
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
