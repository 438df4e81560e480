//! What the authorization server remembers: accounts, what they are proved by, and what they let apps do.
//!
//! Secrets that are given out are kept as digests ([`TokenDigest`]). What must happen once, happens once: of two who use a code, a refresh
//! token or an assertion at the same time, at whatever node, one succeeds.

mod account;
mod grant;

use async_trait::async_trait;
use hub_fhir::Id;
use time::OffsetDateTime;

pub use account::{Account, AccountChange, CodeOrder, Credentials, Invitation, Limit, Lockout, SignInName};
pub use grant::{Client, ClientKind, Grant, People, Session, SigningKey, Standing, TokenDigest, Turned};

use crate::store::StoreError;

/// What the authorization server remembers. The time is always the caller's.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account of this id.
    async fn account(&self, id: &Id) -> Result<Option<Account>, StoreError>;

    /// The account of whoever signs in with this.
    async fn account_of(&self, name: &SignInName) -> Result<Option<Account>, StoreError>;

    /// Makes an account, where its name has none yet; tells the one it has then.
    async fn open_account(&self, account: Account, now: OffsetDateTime) -> Result<Account, StoreError>;

    /// Changes an account; says whether there is one.
    async fn change_account(
        &self,
        id: &Id,
        change: AccountChange,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// What the account is proved by; `None` where it never accepted an invitation.
    async fn credentials(&self, account: &Id) -> Result<Option<Credentials>, StoreError>;

    /// Notes a try before it is made, so that many at once are not more than many one after the other. `false`: the account is locked.
    async fn begin_try(
        &self,
        account: &Id,
        lockout: Lockout,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Notes that a try has succeeded, with the one-time password of this step; the tries before are forgotten. `false`: the step, or a
    /// later one, has been used before (RFC 6238 §5.2).
    async fn end_try(&self, account: &Id, step: u64) -> Result<bool, StoreError>;

    /// Keeps an invitation; earlier ones of the account are void.
    async fn invite(&self, invitation: Invitation) -> Result<(), StoreError>;

    /// The invitation of this secret, while it can be accepted.
    async fn invited(
        &self,
        digest: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<Invitation>, StoreError>;

    /// Accepts an invitation: the account has this password and its one-time passwords from now on, those up to `step` used, and its
    /// sessions end. `false`: it can not be accepted, or somebody was faster.
    async fn accept(
        &self,
        digest: &TokenDigest,
        password: String,
        step: u64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Keeps a code for a phone, in place of the one before, unless a limit is reached; says whether it was kept.
    async fn order_code(&self, order: CodeOrder, now: OffsetDateTime) -> Result<bool, StoreError>;

    /// Tries a code; it is gone when it was the right one. The digest is of phone and code.
    async fn try_code(
        &self,
        phone: &str,
        digest: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// The client of this id.
    async fn client(&self, id: &Id) -> Result<Option<Client>, StoreError>;

    /// Registers a client, in place of the one of this id. The sessions of one that is disabled end.
    async fn register(&self, client: Client, now: OffsetDateTime) -> Result<(), StoreError>;

    /// Keeps an authorization code.
    async fn grant(&self, grant: Grant) -> Result<(), StoreError>;

    /// The authorization code, also one that is spent.
    async fn granted(&self, digest: &TokenDigest) -> Result<Option<Grant>, StoreError>;

    /// Exchanges an authorization code for a session with its first refresh token. `false`: it is spent or over.
    async fn redeem(
        &self,
        digest: &TokenDigest,
        session: Session,
        refresh: TokenDigest,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Makes an authorization code void without an exchange.
    async fn void(&self, digest: &TokenDigest, now: OffsetDateTime) -> Result<(), StoreError>;

    /// The session that a refresh token is, or was, of.
    async fn session_of(&self, refresh: &TokenDigest) -> Result<Option<Session>, StoreError>;

    /// Puts the next refresh token in the place of this one; the session ends at `until` unless it is used again.
    async fn turn(
        &self,
        refresh: &TokenDigest,
        next: TokenDigest,
        until: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Turned, StoreError>;

    /// The session of this id, and its account.
    async fn standing(&self, session: &str) -> Result<Option<Standing>, StoreError>;

    /// Ends a session; says whether it was not over.
    async fn end_session(&self, session: &str, now: OffsetDateTime) -> Result<bool, StoreError>;

    /// Notes the use of an assertion of a client (RFC 7523 §3, `jti`), to be remembered until then. `false`: it was used before.
    async fn first_use(
        &self,
        client: &Id,
        assertion: &TokenDigest,
        until: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// The keys that sign, the newest first.
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError>;

    /// Adds a key, where the newest still is the one named; says whether it was added.
    async fn add_signing_key(&self, key: SigningKey, newest: Option<&str>) -> Result<bool, StoreError>;

    /// Forgets what is over and keys made before `keys`; so much at most of each kind. Says how much there was.
    async fn forget(&self, keys: OffsetDateTime, limit: u32, now: OffsetDateTime) -> Result<u64, StoreError>;
}
