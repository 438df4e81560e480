//! Everything that can be wrong with a FHIR request: its HTTP status and its OperationOutcome.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use hub_core::store::{Indexing, StoreError};
use hub_fhir::outcome::Outcome;
use hub_fhir::search::SearchError;
use hub_fhir::validate::Issue;
use tracing::error;

use crate::access::{self, Closed};
use crate::fhir::FHIR_JSON;
use crate::fhir::texts::text;
use crate::language::Language;

/// When a client may come again after the store could not answer.
const RETRY_AFTER_SECS: &str = "5";

/// A request that cannot be answered as asked. Its text names parameters and types, never values: they may be a
/// patient's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub status: StatusCode,
    /// The issue type (R4B value set `issue-type`).
    pub code: &'static str,
    pub text: Cow<'static, str>,
    /// What the address takes instead.
    pub allow: Option<&'static str>,
    /// The parameter that is wrong.
    pub parameter: Option<String>,
    /// Where it is wrong in what was sent.
    pub expression: Option<Box<str>>,
    /// What is wrong with a resource that was sent; then the text is not told.
    pub issues: Box<[Issue]>,
    /// In which language the sort of problem is told.
    pub language: Language,
}

impl Problem {
    /// A problem of this status and issue type.
    pub(crate) fn new(status: StatusCode, code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            text: text.into(),
            allow: None,
            parameter: None,
            expression: None,
            issues: Box::default(),
            language: Language::English,
        }
    }

    /// Something that is not there.
    pub(crate) fn not_found(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", text)
    }

    /// A parameter that cannot be used.
    pub(crate) fn bad_parameter(name: &str, text: impl Into<Cow<'static, str>>) -> Self {
        let problem = Self::new(StatusCode::BAD_REQUEST, "invalid", text);
        Self { parameter: Some(name.to_owned()), ..problem }
    }

    /// An interaction that is not offered at an address; `allow` is what is.
    pub(crate) fn not_offered(allow: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", text);
        Self { allow: Some(allow), ..problem }
    }

    /// A resource that does not conform (R4B §3.1.0.8: 422).
    pub(crate) fn of_issues(issues: Vec<Issue>) -> Self {
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "the resource does not conform");
        Self { issues: issues.into(), ..problem }
    }

    /// The same of an entry of a Bundle.
    pub(crate) fn of_entry(mut self, at: usize) -> Self {
        let entry = format!("Bundle.entry[{at}]");
        for issue in &mut self.issues {
            let within =
                issue.path.split_once('.').map(|(_, within)| format!(".{within}")).unwrap_or_default();
            issue.path = format!("{entry}.resource{within}");
        }
        Self { expression: Some(entry.into()), ..self }
    }

    /// A failure of ours. Says nothing about what was asked.
    pub(crate) fn broken() -> Self {
        let text = "the server failed to answer; its log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", text)
    }

    /// The access could not be written down; then it is not answered.
    pub(crate) fn not_noted() -> Self {
        let text = "the access could not be written down; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
    }

    /// The answer took too long.
    pub(crate) fn too_slow() -> Self {
        let text = "the server could not answer in time; ask for less, or try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", text)
    }

    /// The same for a reader of this language.
    pub(crate) fn told(self, language: Language) -> Self {
        Self { language, ..self }
    }

    /// The OperationOutcome.
    pub(crate) fn outcome(&self) -> String {
        let explain = |code: &str, english: &str| text(code, english, self.language);
        if !self.issues.is_empty() {
            return Outcome::of_issues(&self.issues).explained(explain).text();
        }
        let outcome = Outcome::error(self.code, self.text.as_ref()).explained(explain);
        match (&self.expression, &self.parameter) {
            (Some(expression), _) => outcome.at(&**expression).text(),
            (None, Some(name)) => outcome.at(format!("http.{name}")).text(),
            (None, None) => outcome.text(),
        }
    }
}

impl From<SearchError> for Problem {
    fn from(wrong: SearchError) -> Self {
        let (code, name) = match &wrong {
            SearchError::UnknownParameter { name, .. } | SearchError::NotSupported { name, .. } => {
                ("not-supported", name)
            }
            SearchError::Modifier { name, .. } | SearchError::Value { name, .. } => ("invalid", name),
        };
        let problem = Self::new(StatusCode::BAD_REQUEST, code, wrong.to_string());
        Self { parameter: Some(name.clone()), ..problem }
    }
}

impl From<Closed> for Problem {
    fn from(closed: Closed) -> Self {
        let (code, text) = match closed {
            Closed::SignIn => ("login", "an access token is needed: `Authorization: Bearer ...`"),
            Closed::Disabled => ("suspended", "the account is disabled"),
            Closed::Store(failure) => return failure.into(),
        };
        Self::new(access::status(&closed), code, text)
    }
}

impl From<StoreError> for Problem {
    fn from(failure: StoreError) -> Self {
        match failure {
            StoreError::Forbidden => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "the roles of this account do not allow it")
            }
            StoreError::Unavailable(source) => {
                if let Some(Indexing { left }) = source.downcast_ref() {
                    let text = format!(
                        "resources that were there before are being indexed for this search, {left} are left; ask again in a while"
                    );
                    return Self::new(StatusCode::SERVICE_UNAVAILABLE, "transient", text);
                }
                error!(error = %source, "The store could not answer the FHIR door.");
                let text = "the store is unavailable; try again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
            }
            StoreError::Invalid { what } => Self::new(StatusCode::BAD_REQUEST, "not-supported", what),
            StoreError::Conflict { .. } | StoreError::Overtaken => {
                let text = "others write the same at the same time; try again";
                Self::new(StatusCode::CONFLICT, "conflict", text)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = [(CONTENT_TYPE, FHIR_JSON), (CACHE_CONTROL, "no-store")];
        let mut answer = (self.status, headers, self.outcome()).into_response();
        if let Some(allow) = self.allow {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECS));
        }
        answer
    }
}
