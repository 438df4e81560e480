//! Signatures as documents carry them: CMS SignedData (RFC 5652) with the attributes of CAdES (ETSI EN 319 122-1), ECDSA over SHA-256.

use rcgen::SigningKey as _;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use time::OffsetDateTime;

use super::authority::{Certificate, Signer};
use super::der::{Reader, algorithm, context, element, integer, object_id, octets, sequence, set};

const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];
const SIGNED_DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 2];
const CONTENT_TYPE: &[u64] = &[1, 2, 840, 113_549, 1, 9, 3];
const MESSAGE_DIGEST: &[u64] = &[1, 2, 840, 113_549, 1, 9, 4];
/// RFC 5035: which certificate was meant, so that none can take its place.
const SIGNING_CERTIFICATE: &[u64] = &[1, 2, 840, 113_549, 1, 9, 16, 2, 47];
/// RFC 3161: what a timestamp attests.
const TIMESTAMP: &[u64] = &[1, 2, 840, 113_549, 1, 9, 16, 1, 4];
/// The policy that the simulated authority stamps by: of no meaning elsewhere.
const POLICY: &[u64] = &[1, 3, 6, 1, 4, 1, 99_999, 1];
const SHA_256: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];
const SM3: &[u64] = &[1, 2, 156, 10_197, 1, 401];
const ECDSA_SHA_256: &[u64] = &[1, 2, 840, 10_045, 4, 3, 2];

/// A signature that stands beside what it signs.
pub(super) fn detached(signer: &Signer, content: &[u8]) -> Option<Vec<u8>> {
    signed(signer, DATA, content, None)
}

/// A timestamp of an SM3 hash (RFC 3161, 2.4.2).
pub(super) fn timestamp(signer: &Signer, hash: &[u8], serial: &[u8], at: OffsetDateTime) -> Option<Vec<u8>> {
    let format = time::macros::format_description!("[year][month][day][hour][minute][second]Z");
    let at = at.to_offset(time::UtcOffset::UTC).format(format).ok()?;
    let info = sequence(&[
        integer(1),
        object_id(POLICY),
        sequence(&[algorithm(SM3), octets(hash)]),
        element(0x02, serial),
        element(0x18, at.as_bytes()),
    ]);
    signed(signer, TIMESTAMP, &info, Some(&info))
}

fn signed(signer: &Signer, kind: &[u64], content: &[u8], within: Option<&[u8]>) -> Option<Vec<u8>> {
    let attributes = attributes(&signer.certificate, kind, content);
    let signature = signer.key.sign(&attributes).ok()?;
    envelope(&signer.certificate, kind, &attributes, &signature, within)
}

/// What is signed: the kind of content, its hash, and whose certificate is meant.
fn attributes(certificate: &[u8], kind: &[u64], content: &[u8]) -> Vec<u8> {
    let attribute = |id: &[u64], value: Vec<u8>| sequence(&[object_id(id), set(vec![value])]);
    let meant = sequence(&[octets(digest(&SHA256, certificate).as_ref())]);
    set(vec![
        attribute(CONTENT_TYPE, object_id(kind)),
        attribute(MESSAGE_DIGEST, octets(digest(&SHA256, content).as_ref())),
        attribute(SIGNING_CERTIFICATE, sequence(&[sequence(&[meant])])),
    ])
}

fn envelope(
    certificate: &[u8],
    kind: &[u64],
    attributes: &[u8],
    signature: &[u8],
    within: Option<&[u8]>,
) -> Option<Vec<u8>> {
    let read = Certificate::read(certificate)?;
    let info = sequence(&[
        integer(1),
        sequence(&[read.issuer.to_vec(), read.serial.to_vec()]),
        algorithm(SHA_256),
        // They are signed as a set and written as `[0]` (RFC 5652, 5.4).
        context(0, Reader(attributes).next()?.content),
        algorithm(ECDSA_SHA_256),
        octets(signature),
    ]);
    let mut encapsulated = vec![object_id(kind)];
    encapsulated.extend(within.map(|within| context(0, &octets(within))));
    let data = sequence(&[
        integer(if within.is_some() { 3 } else { 1 }),
        set(vec![algorithm(SHA_256)]),
        sequence(&encapsulated),
        context(0, certificate),
        set(vec![info]),
    ]);
    Some(sequence(&[object_id(SIGNED_DATA), context(0, &data)]))
}

/// The certificate of who has signed this content by [`detached`]; `None`: nobody has. Certificate and signature are taken out, and
/// the rest must be what it would be if it were made again: so no byte can be another.
pub(super) fn signer_of(bytes: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let mut outer = Reader(bytes).take(0x30)?.within();
    outer.next()?;
    let mut data = outer.take(0xa0)?.within().take(0x30)?.within();
    let (_version, _digests, _content) = (data.next()?, data.next()?, data.next()?);
    let certificate = data.take(0xa0)?.within().take(0x30)?.whole;
    let info = data.take(0x31)?.within().take(0x30)?.content;
    let mut parts = Reader(info);
    let signature = std::iter::from_fn(|| parts.next()).last()?.content;

    let attributes = attributes(certificate, DATA, content);
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, Certificate::read(certificate)?.key);
    key.verify(&attributes, signature).ok()?;
    let again = envelope(certificate, DATA, &attributes, signature, None)?;
    bytes.starts_with(&again).then(|| certificate.to_vec())
}
