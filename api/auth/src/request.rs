//! What an app asks for when it sends a person to sign in: the authorization request (RFC 6749 §4.1.1, OAuth 2.1 §4.1.1), checked.

use hub_core::accounts::{Client, ClientKind, People};
use hub_core::store::StoreError;
use hub_fhir::Id;

use crate::parameters::{Parameters, with_query};
use crate::server::{SCOPES, Server};

/// The longest `state` or `nonce`.
const MOST_ECHOED: usize = 1_024;

/// A request that can be granted once somebody has signed in.
pub(crate) struct AuthorizationRequest {
    pub client: Client,
    pub people: People,
    pub back: Back,
    pub challenge: String,
    pub scope: String,
    pub nonce: Option<String>,
}

/// The way back to the app.
#[derive(Clone)]
pub(crate) struct Back {
    pub redirect: String,
    state: Option<String>,
}

impl Back {
    /// The address with an answer in it, and with who answers (RFC 9207).
    pub fn with(&self, server: &Server, answer: &[(&str, &str)]) -> String {
        let mut all = answer.to_vec();
        if let Some(state) = &self.state {
            all.push(("state", state));
        }
        all.push(("iss", server.settings.issuer()));
        with_query(&self.redirect, &all)
    }

    /// Scheme and host, as a Content Security Policy names them; the scheme alone where an app of a phone is meant.
    pub fn origin(&self) -> String {
        let (scheme, rest) = self.redirect.split_once(':').unwrap_or((&self.redirect, ""));
        let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next());
        match host {
            Some(host) if ["http", "https"].contains(&scheme) => format!("{scheme}://{host}"),
            _ => format!("{scheme}:"),
        }
    }
}

/// Why a request is not granted.
pub(crate) enum Unfit {
    /// Nobody is sent anywhere: who asks, or where the answer would go, is not known for sure (RFC 6749 §4.1.2.1).
    Here(Unsure),
    /// The app is told.
    Back { back: Back, error: &'static str, description: &'static str },
}

/// What is not sure about who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsure {
    Client,
    Redirect,
    Form,
}

impl Server {
    /// Checks a request.
    pub(crate) async fn authorization_request(
        &self,
        query: &Parameters,
    ) -> Result<Result<AuthorizationRequest, Unfit>, StoreError> {
        let Some(id) = query.get("client_id").and_then(|id| Id::new(id).ok()) else {
            return Ok(Err(Unfit::Here(Unsure::Client)));
        };
        let client = self.accounts.client(&id).await?.filter(|client| !client.is_disabled);
        Ok(self.checked(client, query))
    }

    fn checked(&self, client: Option<Client>, query: &Parameters) -> Result<AuthorizationRequest, Unfit> {
        let client = client.ok_or(Unfit::Here(Unsure::Client))?;
        let ClientKind::App { people, redirects } = &client.kind else {
            return Err(Unfit::Here(Unsure::Client));
        };
        let people = *people;
        // Sign by sign: no wildcard, no other port, no other case (RFC 9700 §2.1).
        let redirect = query.get("redirect_uri").filter(|asked| redirects.iter().any(|known| known == asked));
        let redirect = redirect.ok_or(Unfit::Here(Unsure::Redirect))?.to_owned();
        let state = query.get("state").map(str::to_owned);
        let fits = |text: Option<&str>| text.is_none_or(|text| text.len() <= MOST_ECHOED);
        if !fits(state.as_deref()) {
            return Err(Unfit::Here(Unsure::Form));
        }
        let back = Back { redirect, state };
        let wrong = |error, description| Unfit::Back { back: back.clone(), error, description };
        if query.get("request").is_some() {
            return Err(wrong("request_not_supported", "requests are not taken as an object"));
        }
        if query.get("request_uri").is_some() {
            return Err(wrong("request_uri_not_supported", "requests are not taken from elsewhere"));
        }
        if query.get("response_type") != Some("code") {
            return Err(wrong("unsupported_response_type", "`response_type` must be `code`"));
        }
        if query.get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(wrong("invalid_request", "`response_mode` must be `query`"));
        }
        // RFC 7636 §4.4.1. `plain`, which is what no method at all means, protects nobody (RFC 9700 §2.1.1).
        let is_challenge = |text: &&str| {
            text.len() == 43 && text.bytes().all(|sign| sign.is_ascii_alphanumeric() || b"-_".contains(&sign))
        };
        let challenge = query.get("code_challenge").filter(is_challenge);
        let Some(challenge) = challenge.filter(|_| query.get("code_challenge_method") == Some("S256")) else {
            return Err(wrong("invalid_request", "a `code_challenge` by the method `S256` must be there"));
        };
        let nonce = query.get("nonce");
        if !fits(nonce) {
            return Err(wrong("invalid_request", "`nonce` is too long"));
        }
        // RFC 8707 §2, and what SMART apps say instead.
        let is_ours = |name| query.get(name).is_none_or(|asked| asked == self.settings.audience());
        if !is_ours("resource") || !is_ours("aud") {
            return Err(wrong("invalid_target", "tokens are for the FHIR server of this hub only"));
        }
        // Whoever comes is asked to sign in: nobody is remembered here.
        if query.get("prompt") == Some("none") {
            return Err(wrong("login_required", "somebody must sign in"));
        }
        let asked = query.get("scope").unwrap_or_default();
        let scope: Vec<&str> =
            SCOPES.into_iter().filter(|scope| asked.split(' ').any(|one| one == *scope)).collect();
        Ok(AuthorizationRequest {
            people,
            challenge: challenge.to_owned(),
            scope: scope.join(" "),
            nonce: nonce.map(str::to_owned),
            back,
            client,
        })
    }
}
