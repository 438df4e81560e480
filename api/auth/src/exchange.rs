//! The token endpoint (RFC 6749 §3.2): what a code, a refresh token or a system's own word is exchanged for.

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_core::accounts::{Account, Client, ClientKind, People, Session, TokenDigest, Turned};
use ring::digest;
use serde::Serialize;

use crate::client::Refused;
use crate::parameters::Parameters;
use crate::secret;
use crate::server::{Holder, Server, has_scope};

/// What is given (RFC 6749 §5.1).
#[derive(Serialize)]
pub(crate) struct Given {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: String,
}

impl IntoResponse for Given {
    fn into_response(self) -> Response {
        ([(header::CACHE_CONTROL, "no-store")], axum::Json(self)).into_response()
    }
}

/// The same words whatever is wrong with it: whoever guesses learns nothing.
const NOT_GOOD: Refused =
    Refused::because("invalid_grant", "it is not known, has been used, is over, or is another client's");

impl Server {
    /// Answers a request.
    pub(crate) async fn exchange(&self, headers: &HeaderMap, form: &Parameters) -> Result<Given, Refused> {
        let is_ours = |asked: &str| asked == self.settings.audience();
        if form.get("resource").is_some_and(|asked| !is_ours(asked)) {
            return Err(Refused::because(
                "invalid_target",
                "tokens are for the FHIR server of this hub only",
            ));
        }
        let client = self.client_of(headers, form).await?;
        match (form.get("grant_type"), &client.kind) {
            (Some("authorization_code"), ClientKind::App { people, .. }) => {
                self.redeem(&client, *people, form).await
            }
            (Some("refresh_token"), ClientKind::App { people, .. }) => {
                self.refresh(&client, *people, form).await
            }
            (Some("client_credentials"), ClientKind::System { .. }) => self.for_itself(&client).await,
            (Some("authorization_code" | "refresh_token" | "client_credentials"), _) => {
                Err(Refused::because("unauthorized_client", "this client may not use this grant"))
            }
            (Some(_), _) => Err(Refused::because("unsupported_grant_type", "this grant is not known here")),
            (None, _) => Err(Refused::because("invalid_request", "`grant_type` must be there")),
        }
    }

    async fn redeem(&self, client: &Client, people: People, form: &Parameters) -> Result<Given, Refused> {
        let (Some(code), Some(verifier)) = (form.get("code"), form.get("code_verifier")) else {
            return Err(Refused::because("invalid_request", "`code` and `code_verifier` must be there"));
        };
        let digest = TokenDigest::of(code);
        let now = self.now();
        let Some(grant) = self.accounts.granted(&digest).await? else { return Err(NOT_GOOD) };
        let is_this_apps = grant.client == client.id;
        let is_redirect = form.get("redirect_uri").is_none_or(|redirect| redirect == grant.redirect);
        let is_proved = is_verifier(verifier) && secret::same(&challenge_of(verifier), &grant.challenge);
        if grant.is_spent || !is_this_apps || !is_redirect || !is_proved {
            // Somebody else has it: it must not be used any more, and what it gave must end (RFC 9700 §4.5).
            self.accounts.void(&digest, now).await?;
            return Err(NOT_GOOD);
        }
        let account = self.standing_account(&grant.account).await?;
        let (idle, most) = self.session_lives(people);
        let ends = grant.signed_in + most;
        let session = Session {
            id: grant.session,
            account: grant.account,
            client: grant.client,
            scope: grant.scope,
            signed_in: grant.signed_in,
            until: (now + idle).min(ends),
            ends,
            is_ended: false,
        };
        let refresh = secret::text()?;
        if !self.accounts.redeem(&digest, session.clone(), TokenDigest::of(&refresh), now).await? {
            // Over, or two at the same time: then the other's session ends as well.
            self.accounts.void(&digest, now).await?;
            return Err(NOT_GOOD);
        }
        self.give(&account, client, &session, Some(refresh), grant.nonce.as_deref()).await
    }

    async fn refresh(&self, client: &Client, people: People, form: &Parameters) -> Result<Given, Refused> {
        let Some(token) = form.get("refresh_token") else {
            return Err(Refused::because("invalid_request", "`refresh_token` must be there"));
        };
        let digest = TokenDigest::of(token);
        let session = self.accounts.session_of(&digest).await?;
        // Of another app's nothing is done: whoever has it cannot end it either.
        let Some(session) = session.filter(|session| session.client == client.id) else {
            return Err(NOT_GOOD);
        };
        let account = self.standing_account(&session.account).await?;
        let asked = form.get("scope").unwrap_or_default();
        if asked.split_whitespace().any(|scope| !has_scope(&session.scope, scope)) {
            return Err(Refused::because("invalid_scope", "more is asked for than was granted"));
        }
        let now = self.now();
        let until = (now + self.session_lives(people).0).min(session.ends);
        let next = secret::text()?;
        match self.accounts.turn(&digest, TokenDigest::of(&next), until, now).await? {
            Turned::Turned => self.give(&account, client, &session, Some(next), None).await,
            Turned::Reused => {
                tracing::warn!(session = %session.id, "A refresh token was used twice; its session has been ended.");
                Err(NOT_GOOD)
            }
            Turned::Unknown => Err(NOT_GOOD),
        }
    }

    /// The account, where it may still sign in.
    async fn standing_account(&self, id: &hub_fhir::Id) -> Result<Account, Refused> {
        let account = self.accounts.account(id).await?;
        account.filter(|account| account.disabled.is_none()).ok_or(NOT_GOOD)
    }

    async fn give(
        &self,
        account: &Account,
        client: &Client,
        session: &Session,
        refresh_token: Option<String>,
        nonce: Option<&str>,
    ) -> Result<Given, Refused> {
        let holder = Holder {
            subject: account.id.as_str(),
            client: client.id.as_str(),
            roles: &account.roles,
            is: account.is.as_ref(),
            session: Some(session),
        };
        let access_token = self.access_token(holder).await?;
        let id_token = match has_scope(&session.scope, "openid") {
            true => Some(self.id_token(account, client, session, nonce).await?),
            false => None,
        };
        Ok(self.given(access_token, refresh_token, id_token, session.scope.clone()))
    }

    /// For a system. There is no refresh token: it can ask again (RFC 6749 §4.4.3).
    async fn for_itself(&self, client: &Client) -> Result<Given, Refused> {
        let ClientKind::System { roles, is } = &client.kind else {
            return Err(Refused::because("unauthorized_client", "this client may not use this grant"));
        };
        let id = client.id.as_str();
        let holder = Holder { subject: id, client: id, roles, is: is.as_ref(), session: None };
        let access_token = self.access_token(holder).await?;
        Ok(self.given(access_token, None, None, String::new()))
    }

    fn given(
        &self,
        access_token: String,
        refresh_token: Option<String>,
        id_token: Option<String>,
        scope: String,
    ) -> Given {
        let expires_in = self.settings.lives.access.whole_seconds();
        Given { access_token, token_type: "Bearer", expires_in, refresh_token, id_token, scope }
    }
}

/// Whether it can be one (RFC 7636 §4.1).
fn is_verifier(text: &str) -> bool {
    let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || b"-._~".contains(&sign);
    (43..=128).contains(&text.len()) && text.bytes().all(is_sign)
}

/// The challenge of a verifier by the method S256 (RFC 7636 §4.2).
fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_made_as_the_standard_makes_it() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(is_verifier(verifier));
        assert_eq!(challenge_of(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(!is_verifier("short") && !is_verifier(&"x".repeat(129)) && !is_verifier(&"é".repeat(30)));
    }
}
