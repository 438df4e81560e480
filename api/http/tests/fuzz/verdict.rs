//! What must hold of every answer, whatever was asked.

use std::io::Read as _;
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use hub_fhir::json::parse;
use hub_fhir::validate::validate;
use hub_fhir::{Json, Object};

use crate::asked::Asked;
use crate::texts::SECRET;

/// Far above what any answer takes, in a build for tests on a busy machine.
const LONGEST: Duration = Duration::from_secs(15);

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub took: Duration,
}

/// What is wrong with an answer.
pub fn verdict(asked: &Asked, answer: &Answer) -> Result<(), String> {
    let status = answer.status;
    if answer.took > LONGEST {
        return Err(format!("{status} came after {:?}", answer.took));
    }
    if status.is_server_error() && !(status == 503 && answer.headers.contains_key("retry-after")) {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&answer.body)));
    }
    if answer.body.is_empty() {
        let may_be =
            asked.method == Method::HEAD || status.is_redirection() || status == 204 || asked.wants_little();
        return if may_be { Ok(()) } else { Err(format!("{status} without a body")) };
    }
    let body = unpacked(answer)?;
    let text = std::str::from_utf8(&body).map_err(|_| format!("{status} is no UTF-8"))?;
    let Ok(Json::Object(tree)) = parse(text) else {
        return Err(format!("{status} is no JSON object: {text}"));
    };
    let issues = validate(&tree);
    // A resource that is cut short need not have all that it must have.
    if !issues.is_empty() && !asked.wants_parts() {
        return Err(format!("{status} does not conform: {issues:?}: {text}"));
    }
    if status.is_success() { Ok(()) } else { refusal(status, &answer.headers, &tree, text) }
}

/// The body as it was before it was compressed.
fn unpacked(answer: &Answer) -> Result<Vec<u8>, String> {
    if answer.headers.get("content-encoding").is_none_or(|coding| coding != "gzip") {
        return Ok(answer.body.clone());
    }
    let mut body = Vec::new();
    let read = flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_end(&mut body);
    read.map(|_| body)
        .map_err(|wrong| format!("{}: what was compressed is not whole: {wrong}", answer.status))
}

fn refusal(status: StatusCode, headers: &HeaderMap, tree: &Object, text: &str) -> Result<(), String> {
    let media = headers.get("content-type").and_then(|media| media.to_str().ok()).unwrap_or_default();
    if media != "application/fhir+json; charset=utf-8" {
        return Err(format!("{status} as `{media}`"));
    }
    if tree.get("resourceType").and_then(Json::as_str) != Some("OperationOutcome") {
        return Err(format!("{status} is no OperationOutcome: {text}"));
    }
    // A value may be a patient's.
    if text.contains(SECRET) {
        return Err(format!("{status} tells a value: {text}"));
    }
    Ok(())
}
