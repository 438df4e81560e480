//! Which client asks at the token endpoint, and whether it is the one it says (RFC 6749 §2.3, OAuth 2.1 §2.4).

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_core::accounts::{Client, ClientKind};
use hub_fhir::Id;
use serde_json::json;

use crate::assertion;
use crate::parameters::Parameters;
use crate::server::{Failure, Server};

/// Why the token endpoint gives nothing (RFC 6749 §5.2).
#[derive(Debug)]
pub(crate) enum Refused {
    /// What the client is told.
    Told { error: &'static str, description: &'static str },
    /// It could not be found out.
    Failed(Failure),
}

impl Refused {
    /// With one of the standard's words, and a sentence for whoever writes the app.
    pub const fn because(error: &'static str, description: &'static str) -> Self {
        Self::Told { error, description }
    }
}

impl<T: Into<Failure>> From<T> for Refused {
    fn from(failure: T) -> Self {
        Self::Failed(failure.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Told { error, description } => {
                let status = match error {
                    "invalid_client" => StatusCode::UNAUTHORIZED,
                    _ => StatusCode::BAD_REQUEST,
                };
                let body = json!({ "error": error, "error_description": description });
                (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
            }
            Self::Failed(failure) => {
                tracing::error!(reason = reason(&failure), "The authorization server could not answer.");
                let body =
                    json!({ "error": "temporarily_unavailable", "error_description": "try again later" });
                (StatusCode::SERVICE_UNAVAILABLE, [(header::CACHE_CONTROL, "no-store")], axum::Json(body))
                    .into_response()
            }
        }
    }
}

/// A failure with its causes.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

const UNKNOWN: Refused = Refused::because(
    "invalid_client",
    "the client is not known, or does not prove that it is the one it says",
);

impl Server {
    /// The client that asks. One with keys must prove itself by one; one without is a public app, which cannot.
    pub(crate) async fn client_of(&self, headers: &HeaderMap, form: &Parameters) -> Result<Client, Refused> {
        if headers.contains_key(header::AUTHORIZATION) {
            return Err(Refused::because(
                "invalid_client",
                "clients prove themselves by `private_key_jwt` only",
            ));
        }
        if form.get("client_secret").is_some() {
            return Err(Refused::because("invalid_client", "clients have keys, not secrets"));
        }
        let proof = form.get("client_assertion");
        if proof.is_some() && form.get("client_assertion_type") != Some(assertion::TYPE) {
            return Err(Refused::because(
                "invalid_client",
                "`client_assertion_type` must be that of RFC 7523",
            ));
        }
        let claimed = proof.and_then(assertion::claimed);
        let said = form.get("client_id");
        if let (Some(claimed), Some(said)) = (&claimed, said)
            && claimed != said
        {
            return Err(UNKNOWN);
        }
        let id = claimed.as_deref().or(said.filter(|_| proof.is_none())).and_then(|id| Id::new(id).ok());
        let client = match id {
            Some(id) => self.accounts.client(&id).await?.filter(|client| !client.is_disabled),
            None => None,
        };
        let client = client.ok_or(UNKNOWN)?;
        let is_who_it_says = match (proof, &client.kind, &client.keys) {
            (Some(proof), _, Some(_)) => assertion::proves(self, &client, proof).await?,
            (None, ClientKind::App { .. }, None) => true,
            _ => false,
        };
        if is_who_it_says { Ok(client) } else { Err(UNKNOWN) }
    }
}
