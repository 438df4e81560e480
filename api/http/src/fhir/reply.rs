//! An answer that is no problem, and what all of them have in common.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_LOCATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hub_core::finding::nearest;

use crate::fhir::conditional::Validators;
use crate::fhir::problem::Problem;
use crate::fhir::{FHIR_JSON, Question, shape};

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    /// 200 with a body. A cache may keep it for its one reader, and asks each time whether it is still good.
    pub(crate) fn fresh(body: Bytes) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        Self { status: StatusCode::OK, headers, body }
    }

    /// 304: the client's copy is still good.
    pub(crate) fn not_modified(validators: &Validators<'_>) -> Self {
        let mut reply = Self::fresh(Bytes::new()).validated(validators);
        reply.headers.remove(CONTENT_TYPE);
        Self { status: StatusCode::NOT_MODIFIED, ..reply }
    }

    /// Of this status, without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        let mut reply = Self::fresh(Bytes::new());
        reply.headers.remove(CONTENT_TYPE);
        Self { status, ..reply }
    }

    /// The same, of another media type than FHIR's.
    pub(crate) fn of_type(mut self, media: &'static str) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        self
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with the address of the version that was written: `Location` of what is new (R4B §3.1.0.8), `Content-Location` of what
    /// was there (RFC 9110 §8.7).
    pub(crate) fn located(mut self, address: &str, is_new: bool) -> Self {
        if let Ok(address) = HeaderValue::from_str(address) {
            self.headers.insert(if is_new { LOCATION } else { CONTENT_LOCATION }, address);
        }
        self
    }

    /// The same with `ETag` and `Last-Modified`.
    pub(crate) fn validated(mut self, validators: &Validators<'_>) -> Self {
        validators.write(&mut self.headers);
        self
    }

    /// Status, headers and body.
    pub(crate) fn into_parts(self) -> (StatusCode, HeaderMap, Bytes) {
        (self.status, self.headers, self.body)
    }

    /// The answer as it goes out.
    pub(crate) fn into_response(self, pretty: bool) -> Response {
        let body = if pretty && !self.body.is_empty() { shape::pretty(&self.body) } else { self.body };
        (self.status, self.headers, body).into_response()
    }
}

/// Refuses parameters that an interaction does not know, so that none is ignored in silence. A lenient client has its
/// unknown parameters left out.
pub(crate) fn refuse_parameters(question: &Question, known: &[&str]) -> Result<(), Problem> {
    if question.wants.lenient {
        return Ok(());
    }
    let Some((name, _)) = question.pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let words = known.iter().copied().chain(["_format", "_pretty", "_elements", "_summary"]);
    let hint = nearest(name, words).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let problem = Problem::bad_parameter(name, format!("the parameter `{name}` is not known here{hint}"));
    Err(Problem { code: "not-supported", ..problem })
}
