//! The accounts as the authorization server asks for them.

mod rows;

use async_trait::async_trait;
use hub_core::accounts::{
    Account, AccountChange, Accounts, Client, CodeOrder, Credentials, Grant, Invitation, Lockout, Session,
    SignInName, SigningKey, Standing, TokenDigest, Turned,
};
use hub_core::store::StoreError;
use hub_fhir::Id;
use time::OffsetDateTime;

use crate::clock::micros;
use crate::database::{Record, Sql};
use crate::error::{closed, unavailable};
use crate::open::Store;
use crate::writer::{AccountsWork, Answer, REUSED, TURNED, Work};

pub(crate) use rows::{digest_text, kind_number, name_text, roles_text};

/// The columns of an account, of `a`.
const ACCOUNT: &str = "a.id, a.name, a.roles, a.stands_for, a.disabled_us";
/// The columns of a session, of `s`.
const SESSION: &str =
    "s.id, s.account, s.client, s.scope, s.signed_in_us, s.until_us, s.ends_us, coalesce(s.ended_us, 0)";
/// How many of those there are.
const SESSION_COLUMNS: usize = 8;

impl Store {
    async fn account_work(&self, work: AccountsWork, now: OffsetDateTime) -> Result<u64, StoreError> {
        match self.inner.writer.ask(Work::Accounts(Box::new((work, now)))).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(closed()),
        }
    }

    /// The first row of a statement that begins so.
    async fn row_of(
        &self,
        columns: &'static str,
        build: impl FnOnce(&mut Sql),
    ) -> Result<Option<Record>, StoreError> {
        let mut sql = self.inner.readers.sql("SELECT ");
        sql.push(columns);
        build(&mut sql);
        self.inner.readers.fetch_optional(sql).await.map_err(unavailable)
    }
}

#[async_trait]
impl Accounts for Store {
    async fn account(&self, id: &Id) -> Result<Option<Account>, StoreError> {
        let by = |sql: &mut Sql| {
            sql.push(" FROM account a WHERE a.id = ").push_bind(id.as_str());
        };
        self.row_of(ACCOUNT, by).await?.map(|row| rows::account(&row, 0)).transpose()
    }

    async fn account_of(&self, name: &SignInName) -> Result<Option<Account>, StoreError> {
        let by = |sql: &mut Sql| {
            sql.push(" FROM account a WHERE a.name = ").push_bind(name_text(name));
        };
        self.row_of(ACCOUNT, by).await?.map(|row| rows::account(&row, 0)).transpose()
    }

    async fn open_account(&self, account: Account, now: OffsetDateTime) -> Result<Account, StoreError> {
        let made = self.account_work(AccountsWork::Open(account.clone()), now).await?;
        if made > 0 {
            return Ok(account);
        }
        let there = self.account_of(&account.name).await?;
        there.ok_or_else(|| StoreError::Invalid { what: "an account of this id is there".to_owned() })
    }

    async fn change_account(
        &self,
        id: &Id,
        change: AccountChange,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        Ok(self.account_work(AccountsWork::Change(id.clone(), change), now).await? > 0)
    }

    async fn credentials(&self, account: &Id) -> Result<Option<Credentials>, StoreError> {
        let by = |sql: &mut Sql| {
            sql.push(" FROM account WHERE password IS NOT NULL AND totp IS NOT NULL AND id = ")
                .push_bind(account.as_str());
        };
        self.row_of("password, totp", by).await?.map(|row| rows::credentials(&row)).transpose()
    }

    async fn begin_try(
        &self,
        account: &Id,
        lockout: Lockout,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        Ok(self.account_work(AccountsWork::BeginTry(account.clone(), lockout), now).await? > 0)
    }

    async fn end_try(&self, account: &Id, step: u64) -> Result<bool, StoreError> {
        let work = AccountsWork::EndTry(account.clone(), step);
        Ok(self.account_work(work, OffsetDateTime::UNIX_EPOCH).await? > 0)
    }

    async fn invite(&self, invitation: Invitation) -> Result<(), StoreError> {
        self.account_work(AccountsWork::Invite(invitation), OffsetDateTime::UNIX_EPOCH).await.map(drop)
    }

    async fn invited(
        &self,
        digest: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<Invitation>, StoreError> {
        let by = |sql: &mut Sql| {
            sql.push(" FROM account_invitation WHERE digest = ").push_bind(digest_text(digest));
            sql.push(" AND until_us > ").push_bind(micros(now));
        };
        let row = self.row_of("account, totp, until_us", by).await?;
        row.map(|row| rows::invitation(&row, *digest)).transpose()
    }

    async fn accept(
        &self,
        digest: &TokenDigest,
        password: String,
        step: u64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let work = AccountsWork::Accept { digest: *digest, password, step };
        Ok(self.account_work(work, now).await? > 0)
    }

    async fn order_code(&self, order: CodeOrder, now: OffsetDateTime) -> Result<bool, StoreError> {
        Ok(self.account_work(AccountsWork::OrderCode(order), now).await? > 0)
    }

    async fn try_code(
        &self,
        phone: &str,
        digest: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let work = AccountsWork::TryCode { phone: phone.into(), digest: *digest };
        Ok(self.account_work(work, now).await? > 0)
    }

    async fn client(&self, id: &Id) -> Result<Option<Client>, StoreError> {
        let by = |sql: &mut Sql| {
            sql.push(" FROM oauth_client WHERE id = ").push_bind(id.as_str());
        };
        let columns = "id, name, kind, redirects, roles, stands_for, keys, disabled";
        self.row_of(columns, by).await?.map(|row| rows::client(&row)).transpose()
    }

    async fn register(&self, client: Client, now: OffsetDateTime) -> Result<(), StoreError> {
        self.account_work(AccountsWork::Register(client), now).await.map(drop)
    }

    async fn grant(&self, grant: Grant) -> Result<(), StoreError> {
        self.account_work(AccountsWork::Grant(grant), OffsetDateTime::UNIX_EPOCH).await.map(drop)
    }

    async fn granted(&self, digest: &TokenDigest) -> Result<Option<Grant>, StoreError> {
        let by = |sql: &mut Sql| {
            sql.push(" FROM oauth_grant WHERE digest = ").push_bind(digest_text(digest));
        };
        let columns =
            "account, client, redirect, challenge, scope, nonce, signed_in_us, until_us, session, spent";
        self.row_of(columns, by).await?.map(|row| rows::grant(&row, *digest)).transpose()
    }

    async fn redeem(
        &self,
        digest: &TokenDigest,
        session: Session,
        refresh: TokenDigest,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let work = AccountsWork::Redeem { digest: *digest, session, refresh };
        Ok(self.account_work(work, now).await? > 0)
    }

    async fn void(&self, digest: &TokenDigest, now: OffsetDateTime) -> Result<(), StoreError> {
        self.account_work(AccountsWork::Void(*digest), now).await.map(drop)
    }

    async fn session_of(&self, refresh: &TokenDigest) -> Result<Option<Session>, StoreError> {
        let by = |sql: &mut Sql| {
            sql.push(" FROM oauth_refresh r JOIN oauth_session s ON s.id = r.session WHERE r.digest = ")
                .push_bind(digest_text(refresh));
        };
        self.row_of(SESSION, by).await?.map(|row| rows::session(&row)).transpose()
    }

    async fn turn(
        &self,
        refresh: &TokenDigest,
        next: TokenDigest,
        until: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Turned, StoreError> {
        let work = AccountsWork::Turn { refresh: *refresh, next, until };
        Ok(match self.account_work(work, now).await? {
            TURNED => Turned::Turned,
            REUSED => Turned::Reused,
            _ => Turned::Unknown,
        })
    }

    async fn standing(&self, session: &str) -> Result<Option<Standing>, StoreError> {
        let by = |sql: &mut Sql| {
            sql.push(", ").push(ACCOUNT);
            sql.push(" FROM oauth_session s JOIN account a ON a.id = s.account WHERE s.id = ")
                .push_bind(session);
        };
        let Some(row) = self.row_of(SESSION, by).await? else { return Ok(None) };
        let (session, account) = (rows::session(&row)?, rows::account(&row, SESSION_COLUMNS)?);
        Ok(Some(Standing { session, account }))
    }

    async fn end_session(&self, session: &str, now: OffsetDateTime) -> Result<bool, StoreError> {
        Ok(self.account_work(AccountsWork::EndSession(session.into()), now).await? > 0)
    }

    async fn first_use(
        &self,
        client: &Id,
        assertion: &TokenDigest,
        until: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let work = AccountsWork::FirstUse { client: client.clone(), assertion: *assertion, until };
        Ok(self.account_work(work, OffsetDateTime::UNIX_EPOCH).await? > 0)
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql("SELECT id, secret, made_us FROM oauth_key ORDER BY made_us DESC, id DESC");
        let found = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        found.iter().map(rows::signing_key).collect()
    }

    async fn add_signing_key(&self, key: SigningKey, newest: Option<&str>) -> Result<bool, StoreError> {
        let work = AccountsWork::AddKey { key, newest: newest.map(Into::into) };
        Ok(self.account_work(work, OffsetDateTime::UNIX_EPOCH).await? > 0)
    }

    async fn forget(&self, keys: OffsetDateTime, limit: u32, now: OffsetDateTime) -> Result<u64, StoreError> {
        self.account_work(AccountsWork::Forget { keys, limit }, now).await
    }
}
