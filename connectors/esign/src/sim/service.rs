//! The operations ES03 to ES07, files and questions: every call is signed, and so is every answer.

use std::sync::Arc;
use std::time::Duration as Real;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::authority::{Certificate, Purpose};
use super::mischief::{ANSWERS, Mischief};
use super::{Office, cms, locked, pdf, signing};

const LONGEST: usize = 32 << 20;
/// Longer than anybody waits.
const NEVER: Real = Real::from_secs(3600);

/// Why the service does not do something: its code and words.
pub(super) type Refusal = (&'static str, &'static str);
/// What it does.
pub(super) type Done = Result<Value, Refusal>;

/// There is no such thing.
pub(super) const UNKNOWN: Refusal = ("1404", "there is no such task or file");

/// The routes of the service.
pub(super) fn routes(office: Arc<Office>) -> Router {
    Router::new().route("/es/v1/{*rest}", any(call)).with_state(office)
}

async fn call(State(office): State<Arc<Office>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(Body::new(body), LONGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let method = head.method.as_str();
    let target = head.uri.path_and_query().map(|target| target.as_str()).unwrap_or_default();
    office.board.count(|report| report.received += 1);
    let wrong = locked(&office.seal).wrong((method, target), &head.headers, &body);
    if let Some(wrong) = wrong {
        office.board.reject(wrong);
        return (StatusCode::UNAUTHORIZED, r#"{"code":"AUTH_SIGN","message":""}"#).into_response();
    }
    let fault = office.takes(&ANSWERS);
    let (kind, said) = answer(&office, method, target, &body);
    match fault {
        Some(Mischief::Slow) => tokio::time::sleep(Real::from_secs_f64(office.settings.slow_secs)).await,
        Some(Mischief::Silent) => tokio::time::sleep(NEVER).await,
        _ => {}
    }
    let nonce = head.headers.get("x-nonce").and_then(|nonce| nonce.to_str().ok()).unwrap_or_default();
    let is_right = fault != Some(Mischief::WrongSignature);
    let headers = locked(&office.seal).headers((method, target), &said, nonce, is_right);
    let mut answer = Response::builder().header(header::CONTENT_TYPE, kind);
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    answer.body(Body::from(said)).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// What a call is answered: a media type and bytes.
fn answer(office: &Office, method: &str, target: &str, body: &Bytes) -> (&'static str, Bytes) {
    let target = target.strip_prefix("/es/v1/").unwrap_or_default();
    if let ("GET", Some(id)) = (method, target.strip_prefix("files/")) {
        return match file(office, id) {
            Some(file) => ("application/pdf", file),
            None => said(office, Err(UNKNOWN)),
        };
    }
    match office.takes(&[Mischief::Busy]) {
        Some(_) => said(office, Err(("5000", "busy"))),
        None => said(office, operation(office, method, target, body)),
    }
}

fn file(office: &Office, id: &str) -> Option<Bytes> {
    let file = locked(&office.book).files.get(id).cloned()?;
    if office.takes(&[Mischief::FileTampered]).is_none() {
        return Some(file);
    }
    let mut file = file.to_vec();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    Some(file.into())
}

fn said(office: &Office, done: Done) -> (&'static str, Bytes) {
    let said = match done {
        Ok(data) => json!({ "code": "0", "message": "", "data": data }),
        Err((code, message)) => {
            if code == "400" {
                office.board.reject(message);
            }
            json!({ "code": code, "message": message })
        }
    };
    ("application/json", said.to_string().into())
}

fn operation(office: &Office, method: &str, target: &str, body: &Bytes) -> Done {
    if method == "GET" {
        return question(office, target);
    }
    if target == "files" {
        if !body.starts_with(b"%PDF-") {
            return Err(("400", "files: not a PDF"));
        }
        return Ok(json!({ "fileId": locked(&office.book).keep(body.clone()) }));
    }
    let fields: Value = serde_json::from_slice(body).map_err(|_| ("400", "not JSON"))?;
    match target {
        "ES03" => signing::open(office, &fields),
        "ES04" => signing::submit(office, &fields),
        "ES05" => signing::seal(office, &fields),
        "ES06" => verify(office, &fields),
        "ES07" => stamp(office, &fields),
        _ => Err(("400", "no such operation")),
    }
}

/// A task by its number, or by the names that make it this one.
fn question(office: &Office, target: &str) -> Done {
    let now = office.now();
    let mut book = locked(&office.book);
    let task = match (target.strip_prefix("tasks/"), target.strip_prefix("tasks?")) {
        (Some(id), _) => book.task(id, now),
        (None, Some(query)) => {
            let named = |name: &str| {
                let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                plain(pair.unwrap_or_default())
            };
            book.named(&["bizType", "bizId", "version", "signerKey"].map(named), now)
        }
        (None, None) => return Err(("400", "no such question")),
    };
    task.map(|task| json!(task)).ok_or(UNKNOWN)
}

/// A text of a query, as it was meant.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// ES06: a document, or a signature and what it signs.
fn verify(office: &Office, fields: &Value) -> Done {
    let text = |name: &str| fields[name].as_str().unwrap_or_default();
    let certificate = match fields["fileId"].as_str() {
        Some(id) => pdf::signer_of(locked(&office.book).files.get(id).ok_or(UNKNOWN)?),
        None => {
            let read = |name| STANDARD.decode(text(name)).map_err(|_| ("400", "ES06: not Base64"));
            cms::signer_of(&read("signValue")?, &read("data")?)
        }
    };
    let Some(certificate) = certificate else { return Ok(json!({ "valid": "N", "chain": "unknown" })) };
    let read = Certificate::read(&certificate).ok_or(("1001", "the certificate cannot be read"))?;
    let book = locked(&office.book);
    // A certificate that was revoked later was good when it signed.
    let signed = book.tasks.values().filter_map(|task| task.evidence.as_ref());
    let signed = signed.into_iter().find(|evidence| evidence.cert_sn == read.number());
    let revoked = book.revoked.get(&read.number()).map(|at| super::clock::written(*at));
    let is_revoked =
        revoked.is_some_and(|at| signed.is_none_or(|evidence| at.as_str() <= evidence.signed_at.as_str()));
    let chain = match (office.authority.has_given(&read), is_revoked) {
        (false, _) => "unknown",
        (true, true) => "revoked",
        (true, false) => "valid",
    };
    Ok(json!({
        "valid": if chain == "valid" { "Y" } else { "N" }, "chain": chain, "signer": read.name,
        "certSn": read.number(), "signedAt": signed.map(|evidence| &evidence.signed_at),
        "evidenceNo": signed.map(|evidence| &evidence.evidence_no),
        "identityCheck": signed.map(|evidence| &evidence.identity_check),
    }))
}

/// ES07: a timestamp of an SM3 hash.
fn stamp(office: &Office, fields: &Value) -> Done {
    let text = fields["hash"].as_str().unwrap_or_default();
    let digits = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    let hash: Option<Vec<u8>> = digits.collect();
    let hash = hash.filter(|hash| hash.len() == 32).ok_or(("400", "ES07: the hash is not 64 digits"))?;
    let now = office.now();
    let serial = locked(&office.book).serial();
    let token = office
        .authority
        .certify("Simulated Timestamp Server", serial, Purpose::Timestamping, now)
        .and_then(|signer| cms::timestamp(&signer, &hash, &serial.to_be_bytes(), now));
    let token = token.ok_or(("5001", "no timestamp"))?;
    Ok(json!({ "token": STANDARD.encode(token), "signedAt": super::clock::written(now) }))
}
