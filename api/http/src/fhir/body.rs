//! Reads what a client sends along: the form of a search, or a resource.

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use bytes::Bytes;
use hub_fhir::json::parse;
use hub_fhir::{Json, Object, ResourceType};

use crate::fhir::problem::Problem;
use crate::fhir::wants::is_json;

/// Receives a body of at most so many bytes.
pub(crate) async fn receive(body: Body, most: usize) -> Result<Bytes, Problem> {
    let mut request = Request::new(body);
    DefaultBodyLimit::max(most).apply(&mut request);
    Bytes::from_request(request, &()).await.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let text = format!("the body is larger than {most} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text)
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "structure", "the body could not be received"),
    })
}

/// The media type a body says it has, without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads a resource of the body. It is one of this type, as far as it says; nothing else of it is looked at.
pub(crate) fn resource(kind: ResourceType, headers: &HeaderMap, body: &[u8]) -> Result<Object, Problem> {
    of_kind(kind, json(headers, body)?)
}

/// Reads the JSON of a body that says to be that.
pub(crate) fn json(headers: &HeaderMap, body: &[u8]) -> Result<Json, Problem> {
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    // A page of another site may send a body without asking before, but not with one of these media types.
    if media.contains('*') || !is_json(media) {
        let text = "resources are taken as JSON of FHIR 4.3 alone: `Content-Type: application/fhir+json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text));
    }
    tree(body)
}

/// Reads a JSON text.
pub(crate) fn tree(body: &[u8]) -> Result<Json, Problem> {
    let unreadable = |text: String| Problem::new(StatusCode::BAD_REQUEST, "structure", text);
    let text = std::str::from_utf8(body).map_err(|_| unreadable("the body is no UTF-8".to_owned()))?;
    // RFC 8259 §8.1: a byte order mark may be passed over.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(unreadable("the body is empty; expected a resource".to_owned()));
    }
    parse(text).map_err(|wrong| unreadable(format!("the body cannot be read as JSON: {wrong}")))
}

/// Refuses what is no resource of this type.
pub(crate) fn of_kind(kind: ResourceType, tree: Json) -> Result<Object, Problem> {
    let wrong = |text: String| Problem::new(StatusCode::BAD_REQUEST, "invalid", text);
    let Json::Object(tree) = tree else {
        return Err(wrong("a resource must be a JSON object".to_owned()));
    };
    let is_this = tree.get("resourceType").and_then(Json::as_str) == Some(kind.name());
    match is_this {
        true => Ok(tree),
        false => Err(wrong(format!("expected a resource whose `resourceType` is `{kind}`"))),
    }
}
