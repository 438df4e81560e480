//! The authorization server: what it stands on, and the tokens it gives.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::accounts::{Account, Accounts, Client, People, Session};
use hub_core::language::Language;
use hub_core::store::StoreError;
use hub_core::who::Role;
use hub_fhir::Reference;
use serde::Serialize;
use thiserror::Error;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::Now;
use crate::keys::{KeyError, Keys, PUBLISHED, TokenType};
use crate::secret::NoRandomness;
use crate::settings::AuthSettings;
use crate::token::Claims;

/// How many rows of each kind are forgotten at once.
const FORGOTTEN: u32 = 1_000;

/// Sends codes to phones. It answers when the code is sure to go out, not when it has arrived.
#[async_trait]
pub trait CodeSender: Send + Sync {
    /// Sends this code to this phone (E.164), with words in this language. Neither phone nor code may get into an error.
    async fn send(
        &self,
        phone: &str,
        code: &str,
        language: Language,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Why something could not be done, through nobody's fault who asked.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The store cannot be read or written.
    #[error("the store of accounts cannot be read or written")]
    Store(#[from] StoreError),
    /// There is no key that signs.
    #[error("no token can be signed")]
    Key(#[from] KeyError),
    /// The system gives no random numbers.
    #[error("no secret can be made")]
    Chance(#[from] NoRandomness),
}

/// The authorization server.
pub struct Server {
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) sender: Arc<dyn CodeSender>,
    pub(crate) settings: AuthSettings,
    pub(crate) keys: Keys,
    now: Now,
}

/// Whom an access token is for.
pub(crate) struct Holder<'h> {
    pub subject: &'h str,
    pub client: &'h str,
    pub roles: &'h [Role],
    pub is: Option<&'h Reference>,
    pub session: Option<&'h Session>,
}

impl Server {
    /// Puts it together.
    pub fn new(
        accounts: Arc<dyn Accounts>,
        sender: Arc<dyn CodeSender>,
        settings: AuthSettings,
        now: Now,
    ) -> Arc<Self> {
        Arc::new(Self { accounts, sender, settings, keys: Keys::default(), now })
    }

    /// What time it is.
    pub(crate) fn now(&self) -> OffsetDateTime {
        (self.now)()
    }

    /// Forgets what is over: called now and then. Says how much there was.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let now = self.now();
        self.accounts.forget(now - PUBLISHED, FORGOTTEN, now).await
    }

    /// How long a session lives between two uses, and as a whole.
    pub(crate) fn session_lives(&self, people: People) -> (Duration, Duration) {
        let lives = &self.settings.lives;
        match people {
            People::Public => (lives.public_idle, lives.public_most),
            People::Staff => (lives.staff_idle, lives.staff_most),
        }
    }

    /// An access token (RFC 9068).
    pub(crate) async fn access_token(&self, holder: Holder<'_>) -> Result<String, KeyError> {
        let now = self.now();
        let claims = Claims {
            iss: self.settings.issuer().to_owned(),
            aud: self.settings.audience().to_owned(),
            sub: holder.subject.to_owned(),
            client_id: holder.client.to_owned(),
            roles: holder.roles.iter().map(|role| role.name().to_owned()).collect(),
            is: holder.is.map(Reference::to_string),
            iat: now.unix_timestamp(),
            exp: (now + self.settings.lives.access).unix_timestamp(),
            jti: Uuid::new_v4().to_string(),
            sid: holder.session.map(|session| session.id.to_string()),
            scope: holder.session.map(|session| session.scope.clone()).filter(|scope| !scope.is_empty()),
        };
        self.keys.sign(&*self.accounts, now, TokenType::Access, &claims).await
    }

    /// What an access token of this server says, where it is good now; whether its session stands is another question.
    pub(crate) async fn claims(&self, token: &str) -> Result<Option<Claims>, KeyError> {
        let now = self.now();
        let payload = self.keys.verify(&*self.accounts, now, TokenType::Access, token).await?;
        let claims = payload.and_then(|payload| serde_json::from_slice::<Claims>(&payload).ok());
        let now = now.unix_timestamp();
        // Another node's clock may be a little ahead.
        let holds = |claims: &Claims| {
            claims.iss == self.settings.issuer()
                && claims.aud == self.settings.audience()
                && claims.iat <= now + 5
                && now < claims.exp
        };
        Ok(claims.filter(holds))
    }

    /// An ID token (OpenID Connect Core §2), with who the person is among the resources (SMART App Launch, `fhirUser`).
    pub(crate) async fn id_token(
        &self,
        account: &Account,
        client: &Client,
        session: &Session,
        nonce: Option<&str>,
    ) -> Result<String, KeyError> {
        #[derive(Serialize)]
        struct IdClaims<'c> {
            iss: &'c str,
            sub: &'c str,
            aud: &'c str,
            iat: i64,
            exp: i64,
            auth_time: i64,
            #[serde(skip_serializing_if = "Option::is_none")]
            nonce: Option<&'c str>,
            #[serde(rename = "fhirUser", skip_serializing_if = "Option::is_none")]
            fhir_user: Option<String>,
        }
        let now = self.now();
        let wants_user = has_scope(&session.scope, "fhirUser");
        let is = account.is.as_ref().filter(|_| wants_user);
        let claims = IdClaims {
            iss: self.settings.issuer(),
            sub: account.id.as_str(),
            aud: client.id.as_str(),
            iat: now.unix_timestamp(),
            exp: (now + self.settings.lives.access).unix_timestamp(),
            auth_time: session.signed_in.unix_timestamp(),
            nonce,
            fhir_user: is.map(|is| format!("{}/{is}", self.settings.audience())),
        };
        self.keys.sign(&*self.accounts, now, TokenType::Id, &claims).await
    }
}

/// What may be asked for. Anything else is left out (RFC 6749 §3.3): what somebody may do, the roles say.
pub(crate) const SCOPES: [&str; 3] = ["openid", "fhirUser", "offline_access"];

/// Whether a scope is among those that were granted.
pub(crate) fn has_scope(granted: &str, scope: &str) -> bool {
    granted.split(' ').any(|one| one == scope)
}
