//! `GET /fhir/Binary/{sha256}`: an attachment as it came in, whole or a range of it (R4B §2.36.2, RFC 9110 §14).

use std::ops::Range;

use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, HeaderMap, HeaderValue, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use hub_core::attachment::{AttachmentError, Attachments, ContentId, Kept, Reading};
use hub_fhir::ResourceType;
use hub_fhir::search;
use tracing::error;

use crate::fhir::Fhir;
use crate::fhir::conditional::Validators;
use crate::fhir::problem::Problem;

/// An answer that goes out as it is: compressed, its ranges and its length would be others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsItIs;

/// Whether the caller may have the content of an attachment: whoever does not see all of them, where a DocumentReference that he sees points
/// at it.
pub(crate) async fn is_shown(fhir: &Fhir, content: ContentId) -> Result<bool, Problem> {
    let kind = |name| ResourceType::from_name(name).ok_or_else(Problem::broken);
    let Some(seen) = &fhir.seen else { return Ok(true) };
    if seen.sight.sees_all_of(kind("Binary")?) {
        return Ok(true);
    }
    let location =
        [("location".to_owned(), format!("Binary/{content}")), ("_count".to_owned(), "1".to_owned())];
    let search = search::parse(kind("DocumentReference")?, &location)?;
    Ok(!fhir.resources.search(&search).await?.matches.is_empty())
}

/// Answers with the content of an attachment. `None`: there is none of this name.
pub(crate) async fn content(
    fhir: &Fhir,
    content: ContentId,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Response> {
    let attachments = fhir.doors.attachments.as_deref()?;
    match attachments.find(content).await {
        Ok(Some(kept)) => Some(match answer(attachments, &kept, method, headers).await {
            Ok(answer) => answer,
            Err(problem) => problem.into_response(),
        }),
        Ok(None) => None,
        Err(error) => Some(failed(&error).into_response()),
    }
}

async fn answer(
    attachments: &dyn Attachments,
    kept: &Kept,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if wants_resource(headers) {
        let text = "an attachment is given as it came in; a Binary resource with its content in base 64 is not offered";
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text));
    }
    let tag = format!("\"{}\"", kept.content);
    let validators = Validators { tag: &tag, updated: kept.stored_at };
    if validators.still_good(headers) {
        return Ok(told(StatusCode::NOT_MODIFIED, &validators, Body::empty()));
    }
    let (status, range) = match asked(headers, &tag, kept.size) {
        Asked::Whole => (StatusCode::OK, 0..kept.size),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Beyond => return Ok(beyond(kept.size)),
    };
    let body = match *method == Method::HEAD {
        true => Body::empty(),
        false => streamed(attachments.open(kept, range.clone()).await.map_err(|error| failed(&error))?),
    };
    let mut answer = told(status, &validators, body);
    let headers = answer.headers_mut();
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(&kept.media_type).unwrap_or(unknown));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, kept.size);
        headers.insert(CONTENT_RANGE, HeaderValue::from_str(&part).map_err(|_| Problem::broken())?);
    }
    Ok(answer)
}

/// What all answers have in common. What somebody sent is not trusted: a browser runs nothing of it.
fn told(status: StatusCode, validators: &Validators<'_>, body: Body) -> Response {
    let mut answer = (status, body).into_response();
    let headers = answer.headers_mut();
    validators.write(headers);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    answer.extensions_mut().insert(AsItIs);
    answer
}

fn beyond(size: u64) -> Response {
    let text = "the range begins behind the end of the attachment";
    let mut answer = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "value", text).into_response();
    if let Ok(whole) = HeaderValue::from_str(&format!("bytes */{size}")) {
        answer.headers_mut().insert(CONTENT_RANGE, whole);
    }
    answer
}

/// The pieces of an attachment as a body. One that is found damaged breaks off, so that nobody takes it for whole.
fn streamed(reading: Box<dyn Reading>) -> Body {
    Body::from_stream(unfold(Some(reading), |reading| async move {
        let mut reading = reading?;
        match reading.next().await {
            Ok(piece) => piece.map(|piece| (Ok(piece), Some(reading))),
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "An attachment could not be read to its end."
                );
                Some((Err(error), None))
            }
        }
    }))
}

fn failed(error: &AttachmentError) -> Problem {
    error!(error = error as &dyn std::error::Error, "An attachment could not be read.");
    match error {
        AttachmentError::Unavailable(_) => {
            let text = "the archive of attachments is unavailable; try again in a moment";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
        }
        _ => Problem::broken(),
    }
}

/// Whether only FHIR's own formats are taken (R4B §2.36.2): then the content would have to be wrapped.
fn wants_resource(headers: &HeaderMap) -> bool {
    let taken: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|taken| taken.to_str().ok())
        .flat_map(|taken| taken.split(','))
        .map(|media| media.split(';').next().unwrap_or_default().trim())
        .collect();
    !taken.is_empty()
        && taken.iter().all(|media| matches!(*media, "application/fhir+json" | "application/fhir+xml"))
}

/// Which bytes are asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Beyond,
}

/// Reads `Range`. Of several ranges, of other units and of what is no range all is given (RFC 9110 §14.2).
fn asked(headers: &HeaderMap, tag: &str, size: u64) -> Asked {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // A range of what the client no longer has right is of no use to it.
    if text(IF_RANGE).is_some_and(|known| known != tag) {
        return Asked::Whole;
    }
    let spec = text(RANGE).and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = spec.and_then(|spec| spec.trim().split_once('-')) else { return Asked::Whole };
    let range = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(length) => size.saturating_sub(length)..size,
            None => return Asked::Whole,
        },
        (first, last) => match (number(first), last, number(last)) {
            (Some(first), "", _) => first..size,
            (Some(first), _, Some(last)) if first <= last => first..size.min(last.saturating_add(1)),
            _ => return Asked::Whole,
        },
    };
    if range.is_empty() { Asked::Beyond } else { Asked::Part(range) }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|sign| sign.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().unwrap());
        asked(&headers, "\"a\"", 100)
    }

    #[test]
    fn one_range_of_bytes_is_a_part() {
        for (range, part) in [
            ("bytes=0-9", 0..10),
            ("bytes=90-", 90..100),
            ("bytes=-5", 95..100),
            ("bytes=-500", 0..100),
            ("bytes=99-200", 99..100),
        ] {
            assert_eq!(of(range), Asked::Part(part), "{range}");
        }
        for range in ["bytes=0-1,5-6", "bytes=9-1", "bytes=x-", "lines=1-2", "bytes=+1-2", "bytes=-"] {
            assert_eq!(of(range), Asked::Whole, "{range}");
        }
        for range in ["bytes=100-", "bytes=200-300", "bytes=-0"] {
            assert_eq!(of(range), Asked::Beyond, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_content_is_not_given() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, "bytes=0-9".parse().unwrap());
        headers.insert(IF_RANGE, "\"b\"".parse().unwrap());
        assert_eq!(asked(&headers, "\"a\"", 100), Asked::Whole);
        headers.insert(IF_RANGE, "\"a\"".parse().unwrap());
        assert_eq!(asked(&headers, "\"a\"", 100), Asked::Part(0..10));
    }
}
