//! Accounts, and what they let apps do: each work in a transaction of its own. What must happen once is one statement that says whether it
//! did, so that of two nodes one succeeds.

mod grants;
mod people;

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::accounts::{
    Account, AccountChange, Client, CodeOrder, Grant, Invitation, Lockout, Session, SigningKey, TokenDigest,
};
use hub_fhir::Id;
use time::OffsetDateTime;

use crate::accounts::digest_text;
use crate::clock::micros;
use crate::database::{Connection, DatabaseError, Value, run};

/// What is done to accounts; the number it answers with says what came of it.
pub(crate) enum AccountsWork {
    /// 1: it was made.
    Open(Account),
    Change(Id, AccountChange),
    BeginTry(Id, Lockout),
    EndTry(Id, u64),
    Invite(Invitation),
    Accept {
        digest: TokenDigest,
        password: String,
        step: u64,
    },
    OrderCode(CodeOrder),
    TryCode {
        phone: CompactString,
        digest: TokenDigest,
    },
    Register(Client),
    Grant(Grant),
    Redeem {
        digest: TokenDigest,
        session: Session,
        refresh: TokenDigest,
    },
    Void(TokenDigest),
    /// [`TURNED`], [`REUSED`] or 0.
    Turn {
        refresh: TokenDigest,
        next: TokenDigest,
        until: OffsetDateTime,
    },
    EndSession(CompactString),
    FirstUse {
        client: Id,
        assertion: TokenDigest,
        until: OffsetDateTime,
    },
    AddKey {
        key: SigningKey,
        newest: Option<CompactString>,
    },
    Forget {
        keys: OffsetDateTime,
        limit: u32,
    },
}

impl std::fmt::Debug for AccountsWork {
    /// Never what is in it: phones and passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountsWork(..)")
    }
}

/// The next refresh token is in the place of the one before.
pub(crate) const TURNED: u64 = 1;
/// A refresh token was used again.
pub(crate) const REUSED: u64 = 2;

/// Does a work, at this time.
pub(super) fn apply(
    connection: &Connection,
    work: &AccountsWork,
    now: OffsetDateTime,
) -> Result<u64, DatabaseError> {
    let at = micros(now);
    match work {
        AccountsWork::Open(account) => people::open(connection, account, at),
        AccountsWork::Change(id, change) => people::change(connection, id, change, at),
        AccountsWork::BeginTry(id, lockout) => people::begin_try(connection, id, *lockout, now),
        AccountsWork::EndTry(id, step) => people::end_try(connection, id, *step),
        AccountsWork::Invite(invitation) => people::invite(connection, invitation),
        AccountsWork::Accept { digest, password, step } => {
            people::accept(connection, digest, password, *step, at)
        }
        AccountsWork::OrderCode(order) => people::order_code(connection, order, now),
        AccountsWork::TryCode { phone, digest } => people::try_code(connection, phone, digest, at),
        AccountsWork::Register(client) => grants::register(connection, client, at),
        AccountsWork::Grant(grant) => grants::grant(connection, grant),
        AccountsWork::Redeem { digest, session, refresh } => {
            grants::redeem(connection, digest, session, refresh, at)
        }
        AccountsWork::Void(digest) => grants::void(connection, digest, at),
        AccountsWork::Turn { refresh, next, until } => {
            grants::turn(connection, refresh, next, micros(*until), at)
        }
        AccountsWork::EndSession(id) => grants::end_session(connection, id, at),
        AccountsWork::FirstUse { client, assertion, until } => {
            grants::first_use(connection, client, assertion, micros(*until))
        }
        AccountsWork::AddKey { key, newest } => grants::add_key(connection, key, newest.as_deref()),
        AccountsWork::Forget { keys, limit } => forget(connection, micros(*keys), *limit, at),
    }
}

/// How long what limits count is kept, and what is over may still tell why.
const DAY_US: i64 = 86_400_000_000;

/// Deletes what is over, so many rows of each kind at most.
fn forget(connection: &Connection, keys_us: i64, limit: u32, at: i64) -> Result<u64, DatabaseError> {
    let over = [
        (
            "DELETE FROM account_invitation WHERE account IN
             (SELECT account FROM account_invitation WHERE until_us <= ?1 LIMIT ?2 + 0)",
            at,
        ),
        (
            "DELETE FROM account_code WHERE phone IN
             (SELECT phone FROM account_code WHERE until_us <= ?1 LIMIT ?2 + 0)",
            at,
        ),
        (
            "DELETE FROM account_code_sent WHERE id IN
             (SELECT id FROM account_code_sent WHERE at_us <= ?1 LIMIT ?2 + 0)",
            at - DAY_US,
        ),
        (
            // Used again while its session stands, it ends that.
            "DELETE FROM oauth_grant WHERE digest IN
             (SELECT digest FROM oauth_grant g WHERE until_us <= ?1
              AND NOT EXISTS (SELECT 1 FROM oauth_session s WHERE s.id = g.session) LIMIT ?2 + 0)",
            at - DAY_US,
        ),
        (
            "DELETE FROM oauth_refresh WHERE digest IN
             (SELECT r.digest FROM oauth_session s JOIN oauth_refresh r ON r.session = s.id
              WHERE s.until_us <= ?1 OR s.ended_us <= ?1 LIMIT ?2 + 0)",
            at - DAY_US,
        ),
        (
            "DELETE FROM oauth_session WHERE id IN
             (SELECT id FROM oauth_session s WHERE (until_us <= ?1 OR ended_us <= ?1)
              AND NOT EXISTS (SELECT 1 FROM oauth_refresh r WHERE r.session = s.id) LIMIT ?2 + 0)",
            at - DAY_US,
        ),
        (
            "DELETE FROM oauth_assertion WHERE digest IN
             (SELECT digest FROM oauth_assertion WHERE until_us <= ?1 LIMIT ?2 + 0) AND until_us <= ?1",
            at,
        ),
        (
            "DELETE FROM oauth_key WHERE id IN (SELECT id FROM oauth_key WHERE made_us <= ?1 LIMIT ?2 + 0)",
            keys_us,
        ),
    ];
    let mut gone = 0;
    for (statement, before) in over {
        gone += run(connection, statement, &[before.into(), limit.into()])?;
    }
    Ok(gone)
}

/// A digest as a value.
fn digest_value(digest: &TokenDigest) -> Value {
    digest_text(digest).into()
}

/// Bytes as a value.
fn bytes(bytes: &[u8]) -> Value {
    Bytes::copy_from_slice(bytes).into()
}

/// A text, or the empty one where there is none: a statement's `nullif` makes NULL of it.
fn text_or_empty(text: Option<impl ToString>) -> Value {
    text.map(|text| text.to_string()).unwrap_or_default().into()
}
