//! A task from its beginning to its signed document (ES03, ES04), and the seals of the hospital (ES05).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::authority::Purpose;
use super::book::{Book, Evidence, Standing, Task};
use super::clock::written;
use super::mischief::{Mischief, SIGNINGS};
use super::seal::sm3;
use super::service::{Done, Refusal, UNKNOWN};
use super::{Office, locked, pdf};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const LANGUAGES: [&str; 3] = ["zh-Hans", "zh-Hant", "en"];
const LONGEST_TTL: u64 = 7 * 86_400;

/// A field that must be there and valued.
fn needed<'f>(fields: &'f Value, name: &str, wrong: &'static str) -> Result<&'f str, Refusal> {
    fields[name].as_str().filter(|text| !text.is_empty()).ok_or(("400", wrong))
}

/// ES03: the same names make the same task.
pub(super) fn open(office: &Office, fields: &Value) -> Done {
    let wrong = "ES03: bizType, bizId, version, signerKey: one is missing";
    let names = ["bizType", "bizId", "version", "signerKey"].map(|name| needed(fields, name, wrong));
    let [kind, number, version, signer] = names;
    let names = [kind?, number?, version?, signer?].map(str::to_owned);
    needed(fields, "templateCode", "ES03: no templateCode")?;
    if !LANGUAGES.contains(&fields["language"].as_str().unwrap_or_default()) {
        return Err(("400", "ES03: the language is none of zh-Hans, zh-Hant, en"));
    }
    for person in ["patient", "signer"] {
        for part in ["name", "idType", "idNo"] {
            needed(&fields[person], part, "ES03: a person without name, idType or idNo")?;
        }
    }
    let ttl = fields["ttlSecs"].as_u64().filter(|ttl| (1..=LONGEST_TTL).contains(ttl));
    let ttl = ttl.ok_or(("400", "ES03: ttlSecs is not 1 to 604800"))?;
    let file = needed(fields, "docPdfFileId", "ES03: no docPdfFileId")?;

    let now = office.now();
    let mut book = locked(&office.book);
    let document_hash = sm3(book.files.get(file).ok_or(UNKNOWN)?);
    if let Some(task) = book.named(&names, now) {
        let is_same = task.document_hash == document_hash;
        return if is_same { Ok(told(office, task)) } else { Err(("1004", "another document of this name")) };
    }
    let task = Task {
        task_id: book.number("T"),
        biz_id: names[1].clone(),
        names,
        standing: Standing::Open,
        signer: fields["signer"]["name"].as_str().unwrap_or_default().to_owned(),
        document: file.to_owned(),
        document_hash,
        expires: now + Duration::seconds(i64::try_from(ttl).unwrap_or(0)),
        evidence: None,
    };
    let answer = told(office, &task);
    book.tasks.insert(task.task_id.clone(), task);
    Ok(answer)
}

fn told(office: &Office, task: &Task) -> Value {
    let mut told = json!(task);
    told["h5Url"] = format!("{}/sign/{}", office.base, task.task_id).into();
    told["expiresAt"] = written(task.expires).into();
    told
}

/// What the signer has done on the screen.
pub(super) struct Writing<'a> {
    pub handwriting: &'a [u8],
    pub strokes: &'a str,
    pub check: String,
    pub ip: &'a str,
    pub device: &'a str,
}

/// ES04: what was written makes the signature; the same task is signed once.
pub(super) fn submit(office: &Office, fields: &Value) -> Done {
    let id = needed(fields, "taskId", "ES04: no taskId")?;
    let handwriting = needed(fields, "handwriting", "ES04: no handwriting")?;
    let handwriting = STANDARD.decode(handwriting).map_err(|_| ("400", "ES04: handwriting is not Base64"))?;
    if !handwriting.starts_with(PNG) {
        return Err(("400", "ES04: handwriting is not a PNG"));
    }
    let strokes = needed(fields, "strokes", "ES04: no strokes")?;
    let read: Vec<Vec<[f64; 3]>> =
        serde_json::from_str(strokes).map_err(|_| ("400", "ES04: strokes are not lists of [x, y, ms]"))?;
    if read.iter().all(Vec::is_empty) {
        return Err(("400", "ES04: strokes are empty"));
    }
    let identity = &fields["identity"];
    let method = needed(identity, "method", "ES04: no identity.method")?;
    if !["SMS", "FACE"].contains(&method) {
        return Err(("400", "ES04: identity.method is neither SMS nor FACE"));
    }
    let reference = identity["reference"].as_str().filter(|reference| !reference.is_empty());
    let reference = reference.ok_or(("1005", "the identity was not checked"))?;
    let writing = Writing {
        handwriting: &handwriting,
        strokes,
        check: format!("{method} {reference}"),
        ip: needed(fields, "ip", "ES04: no ip")?,
        device: needed(fields, "device", "ES04: no device")?,
    };
    let refused = office.takes(&SIGNINGS).map(|fault| match fault {
        Mischief::CertExpired => ("1001", "the certificate has expired"),
        Mischief::CertRevoked => ("1002", "the certificate is revoked"),
        Mischief::NotAuthorised => ("1003", "not authorised"),
        Mischief::HashMismatch => ("1004", "the document is another"),
        Mischief::IdentityFails => ("1005", "the identity check failed"),
        _ => ("1006", "the task has expired"),
    });
    refused.map_or(Ok(()), Err)?;
    sign(office, id, &writing)
}

/// Signs a task's document.
pub(super) fn sign(office: &Office, id: &str, writing: &Writing<'_>) -> Done {
    let now = office.now();
    let mut book = locked(&office.book);
    let task = book.task(id, now).ok_or(UNKNOWN)?.clone();
    match task.standing {
        Standing::Signed => return Ok(json!(task)),
        Standing::Refused => return Err(("1003", "the signer has refused")),
        Standing::Expired => return Err(("1006", "the task has expired")),
        Standing::Open => {}
    }
    let document = book.files.get(&task.document).cloned().ok_or(UNKNOWN)?;
    let (signed, cert_sn) = signed(office, &mut book, &document, &task.signer, "informed consent", now)?;
    let evidence = Evidence {
        evidence_no: book.number("EV"),
        identity_check: writing.check.clone(),
        handwriting_hash: sm3(writing.handwriting),
        strokes_hash: sm3(writing.strokes.as_bytes()),
        ip: writing.ip.to_owned(),
        device: writing.device.to_owned(),
        signed_at: written(now),
        cert_sn,
        file_hash: sm3(&signed),
        file_id: book.keep(signed.into()),
    };
    let task = Task { standing: Standing::Signed, evidence: Some(evidence), ..task };
    book.tasks.insert(id.to_owned(), task.clone());
    office.tell(&task);
    Ok(json!(task))
}

/// A document signed in a name, by a certificate made for it.
fn signed(
    office: &Office,
    book: &mut Book,
    document: &[u8],
    name: &str,
    why: &str,
    now: OffsetDateTime,
) -> Result<(Vec<u8>, String), Refusal> {
    let signer = office.authority.certify(name, book.serial(), Purpose::Signing, now);
    let signer = signer.ok_or(("5001", "no certificate"))?;
    let signed =
        pdf::sign(document, &signer, name, why, now).ok_or(("1004", "the document cannot be signed"))?;
    Ok((signed, signer.number))
}

/// ES05: the same seal on the same document is one.
pub(super) fn seal(office: &Office, fields: &Value) -> Done {
    let file = needed(fields, "fileId", "ES05: no fileId")?;
    let code = needed(fields, "sealCode", "ES05: no sealCode")?;
    let now = office.now();
    let mut book = locked(&office.book);
    let document = book.files.get(file).cloned().ok_or(UNKNOWN)?;
    let key = (sm3(&document), code.to_owned());
    let sealed = match book.sealed.get(&key) {
        Some(sealed) => sealed.clone(),
        None => {
            let (bytes, _) = signed(office, &mut book, &document, code, "seal", now)?;
            let hash = sm3(&bytes);
            let sealed = (book.keep(bytes.into()), hash);
            book.sealed.insert(key, sealed.clone());
            sealed
        }
    };
    Ok(json!({ "status": "SEALED", "fileId": sealed.0, "fileHash": sealed.1 }))
}
