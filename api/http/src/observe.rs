//! What every request gets: an id, security headers, a count and a time. Never content, never ids in labels.

use std::time::Instant;

use axum::extract::Request;
use axum::http::header::{HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use tracing::{Instrument as _, debug, info_span};
use uuid::Uuid;

/// A client may name its request; the answer carries the name back.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer or stranger name is replaced by one of ours.
const MAX_REQUEST_ID: usize = 64;

/// What a request was about, for the metrics. Handlers put it in their answer's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interaction {
    /// `fhir`, `ops`, `health`, `page`.
    pub door: &'static str,
    /// `read`, `search`, `messages`...
    pub name: &'static str,
}

/// What a request is called: by its client, or by us. Among the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub String);

/// A request that reached no handler.
const NOTHING: Interaction = Interaction { door: "none", name: "none" };

/// Tells the recorder what the numbers mean.
pub(crate) fn describe() {
    describe_counter!("huitong_http_requests_total", "Requests answered, by door, interaction and status");
    describe_histogram!("huitong_http_request_seconds", Unit::Seconds, "Time a request takes to be answered");
}

/// Runs a request and counts it.
pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    request.extensions_mut().insert(RequestId(id.to_str().unwrap_or_default().to_owned()));
    let span = info_span!("http", request = id.to_str().unwrap_or_default());
    let mut answer = next.run(request).instrument(span).await;
    let interaction = answer.extensions().get().copied().unwrap_or(NOTHING);
    let status = answer.status();
    let headers = answer.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Search parameters are patient data and must not travel to other sites.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let Interaction { door, name } = interaction;
    counter!("huitong_http_requests_total", "door" => door, "interaction" => name, "status" => status.as_str().to_owned())
        .increment(1);
    histogram!("huitong_http_request_seconds", "door" => door, "interaction" => name)
        .record(started.elapsed().as_secs_f64());
    debug!(door, interaction = name, status = status.as_u16(), "Answered.");
    answer
}

fn request_id(request: &Request) -> HeaderValue {
    let fits = |id: &&HeaderValue| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte))
    };
    request.headers().get(REQUEST_ID).filter(fits).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).expect("a UUID is a valid header value")
    })
}
