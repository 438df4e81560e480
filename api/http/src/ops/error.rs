//! What the operators' door answers when something is wrong: JSON that names the field and what was expected.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use hub_core::finding::Finding;
use hub_core::operations::DeployError;
use hub_core::store::StoreError;
use serde::Serialize;
use tracing::error;

use crate::access::{self, Closed};

/// When a client may come again after the store could not answer.
const RETRY_AFTER_SECS: &str = "5";

/// A request that could not be answered. Names fields, never repeats values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct OpsError {
    #[serde(skip)]
    pub status: StatusCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    pub message: String,
    /// What is wrong with the files that were to be deployed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingAnswer>,
    /// The deployment that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<u64>,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FindingAnswer {
    kind: String,
    file: String,
    line: usize,
    column: usize,
    message: String,
    help: Option<String>,
    /// All of it, as `huitong check` shows it.
    text: String,
}

impl From<&Finding> for FindingAnswer {
    fn from(finding: &Finding) -> Self {
        Self {
            kind: finding.kind.name(),
            file: finding.file.display().to_string(),
            line: finding.line,
            column: finding.column,
            message: finding.message.clone(),
            help: finding.help.clone(),
            text: finding.to_string(),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a OpsError,
}

impl OpsError {
    /// A field whose value is not what was expected.
    pub(crate) fn field(field: &str, expected: impl Into<String>) -> Self {
        let expected = expected.into();
        Self {
            status: StatusCode::BAD_REQUEST,
            message: format!("`{field}` cannot be used: expected {expected}"),
            field: Some(field.into()),
            expected: Some(expected),
            findings: Vec::new(),
            deployment: None,
        }
    }

    /// Anything else that is wrong.
    pub(crate) fn plain(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            field: None,
            expected: None,
            message: message.into(),
            findings: Vec::new(),
            deployment: None,
        }
    }

    /// A name that is not known, with the nearest one that is.
    pub(crate) fn unknown_field(field: &str, known: &[&str]) -> Self {
        let expected = match hub_core::finding::nearest(field, known.iter().copied()) {
            Some(near) => format!("one of {}; did you mean `{near}`?", known.join(", ")),
            None => format!("one of {}", known.join(", ")),
        };
        Self {
            status: StatusCode::BAD_REQUEST,
            message: format!("`{field}` is not known here: expected {expected}"),
            field: Some(field.into()),
            expected: Some(expected),
            findings: Vec::new(),
            deployment: None,
        }
    }

    /// The answer to a request that no handler could end.
    pub(crate) fn broken() -> Self {
        Self::plain(StatusCode::INTERNAL_SERVER_ERROR, "the hub failed to answer; its log says more")
    }
}

impl From<StoreError> for OpsError {
    fn from(failure: StoreError) -> Self {
        match failure {
            StoreError::Unavailable(source) => {
                error!(error = %source, "The store could not answer the operators' door.");
                Self::plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the store is unavailable; try again in a moment",
                )
            }
            StoreError::Conflict { .. } | StoreError::Overtaken => {
                Self::plain(StatusCode::CONFLICT, "something else changed it at the same time; try again")
            }
            StoreError::Forbidden => Self::plain(StatusCode::FORBIDDEN, "whoever asks may not do this"),
            StoreError::Invalid { what } => Self::plain(StatusCode::UNPROCESSABLE_ENTITY, what),
        }
    }
}

impl From<Closed> for OpsError {
    fn from(closed: Closed) -> Self {
        let status = access::status(&closed);
        match closed {
            Closed::SignIn => Self::plain(
                status,
                "an access token is needed: `Authorization: Bearer ...`; `huitong token --role administrator` makes one",
            ),
            Closed::Disabled => Self::plain(status, "the account is disabled"),
            Closed::Store(failure) => failure.into(),
        }
    }
}

impl From<DeployError> for OpsError {
    fn from(failure: DeployError) -> Self {
        let message = failure.to_string();
        match failure {
            DeployError::Findings(findings) => Self {
                findings: findings.iter().map(FindingAnswer::from).collect(),
                ..Self::plain(StatusCode::UNPROCESSABLE_ENTITY, message)
            },
            DeployError::Refused { .. } => Self::plain(StatusCode::CONFLICT, message),
            DeployError::Unknown(_) => Self::plain(StatusCode::NOT_FOUND, message),
            DeployError::Failed { number, .. } => {
                Self { deployment: Some(number), ..Self::plain(StatusCode::CONFLICT, message) }
            }
            DeployError::Store(failure) => failure.into(),
        }
    }
}

impl IntoResponse for OpsError {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Json(Body { error: &self })).into_response();
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECS));
        }
        answer
    }
}
