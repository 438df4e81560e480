//! What accounts let apps do: clients, authorization codes, sessions and their refresh tokens; and the keys that sign.

use hub_core::accounts::{Client, ClientKind, Grant, Session, SigningKey, TokenDigest};
use hub_fhir::Id;
use hub_fhir::json::Json;

use super::{REUSED, TURNED, bytes, digest_value, text_or_empty};
use crate::accounts::{kind_number, roles_text};
use crate::clock::micros;
use crate::database::{Connection, DatabaseError, Line, all, run};

pub(super) fn register(connection: &Connection, client: &Client, at: i64) -> Result<u64, DatabaseError> {
    let (redirects, roles, is) = match &client.kind {
        ClientKind::App { redirects, .. } => (redirects.as_slice(), &[][..], None),
        ClientKind::System { roles, is } => (&[][..], roles.as_slice(), is.as_ref()),
    };
    let redirects = Json::Array(redirects.iter().map(Json::string).collect()).to_text();
    let id = client.id.as_str();
    let kept = run(
        connection,
        "INSERT INTO oauth_client (id, name, kind, redirects, roles, stands_for, keys, disabled)
         VALUES (?1, ?2, ?3, ?4, ?5, nullif(?6, ''), nullif(?7, ''), ?8)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind, redirects = excluded.redirects,
            roles = excluded.roles, stands_for = excluded.stands_for, keys = excluded.keys, disabled = excluded.disabled",
        &[
            id.into(),
            (&client.name).into(),
            kind_number(&client.kind).into(),
            redirects.into(),
            roles_text(roles).into(),
            text_or_empty(is),
            text_or_empty(client.keys.as_ref()),
            client.is_disabled.into(),
        ],
    )?;
    if client.is_disabled {
        let end = "UPDATE oauth_session SET ended_us = ?2 WHERE client = ?1 AND ended_us IS NULL";
        run(connection, end, &[id.into(), at.into()])?;
    }
    Ok(kept)
}

pub(super) fn grant(connection: &Connection, grant: &Grant) -> Result<u64, DatabaseError> {
    run(
        connection,
        "INSERT INTO oauth_grant (digest, account, client, redirect, challenge, scope, nonce, signed_in_us, until_us, session, spent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, ''), ?8, ?9, ?10, 0)",
        &[
            digest_value(&grant.digest),
            grant.account.as_str().into(),
            grant.client.as_str().into(),
            grant.redirect.as_str().into(),
            grant.challenge.as_str().into(),
            grant.scope.as_str().into(),
            text_or_empty(grant.nonce.as_ref()),
            micros(grant.signed_in).into(),
            micros(grant.until).into(),
            (&grant.session).into(),
        ],
    )
}

pub(super) fn redeem(
    connection: &Connection,
    digest: &TokenDigest,
    session: &Session,
    refresh: &TokenDigest,
    at: i64,
) -> Result<u64, DatabaseError> {
    let spend = "UPDATE oauth_grant SET spent = 1 WHERE digest = ?1 AND spent = 0 AND until_us > ?2";
    if run(connection, spend, &[digest_value(digest), at.into()])? == 0 {
        return Ok(0);
    }
    run(
        connection,
        "INSERT INTO oauth_session (id, account, client, scope, signed_in_us, until_us, ends_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            (&session.id).into(),
            session.account.as_str().into(),
            session.client.as_str().into(),
            session.scope.as_str().into(),
            micros(session.signed_in).into(),
            micros(session.until).into(),
            micros(session.ends).into(),
        ],
    )?;
    keep_refresh(connection, refresh, &session.id)
}

fn keep_refresh(connection: &Connection, refresh: &TokenDigest, session: &str) -> Result<u64, DatabaseError> {
    let keep = "INSERT INTO oauth_refresh (digest, session, spent) VALUES (?1, ?2, 0)";
    run(connection, keep, &[digest_value(refresh), session.into()])
}

/// Whoever uses it again has a copy, or has lost one: what it was exchanged for ends (RFC 6749 §4.1.2).
pub(super) fn void(connection: &Connection, digest: &TokenDigest, at: i64) -> Result<u64, DatabaseError> {
    run(
        connection,
        "UPDATE oauth_session SET ended_us = ?2 WHERE ended_us IS NULL
         AND id IN (SELECT session FROM oauth_grant WHERE digest = ?1)",
        &[digest_value(digest), at.into()],
    )?;
    run(connection, "UPDATE oauth_grant SET spent = 1 WHERE digest = ?1", &[digest_value(digest)])
}

pub(super) fn turn(
    connection: &Connection,
    refresh: &TokenDigest,
    next: &TokenDigest,
    until_us: i64,
    at: i64,
) -> Result<u64, DatabaseError> {
    const STANDING: &str = "UPDATE oauth_session SET until_us = ?2 WHERE id = ?1 AND ended_us IS NULL
        AND until_us > ?3 AND ends_us > ?3";
    let of = "SELECT session FROM oauth_refresh WHERE digest = ?1";
    let session = all(connection, of, &[digest_value(refresh)], |line| line.get::<String>(0))?;
    let Some(session) = session.first() else { return Ok(0) };
    // The session first: whoever comes second waits here, and finds its token spent afterwards.
    if run(connection, STANDING, &[session.as_str().into(), until_us.into(), at.into()])? == 0 {
        return Ok(0);
    }
    let spend = "UPDATE oauth_refresh SET spent = 1 WHERE digest = ?1 AND spent = 0";
    if run(connection, spend, &[digest_value(refresh)])? == 0 {
        end_session(connection, session, at)?;
        return Ok(REUSED);
    }
    keep_refresh(connection, next, session)?;
    Ok(TURNED)
}

pub(super) fn end_session(connection: &Connection, id: &str, at: i64) -> Result<u64, DatabaseError> {
    let end = "UPDATE oauth_session SET ended_us = ?2 WHERE id = ?1 AND ended_us IS NULL AND until_us > ?2";
    run(connection, end, &[id.into(), at.into()])
}

pub(super) fn first_use(
    connection: &Connection,
    client: &Id,
    assertion: &TokenDigest,
    until_us: i64,
) -> Result<u64, DatabaseError> {
    run(
        connection,
        "INSERT INTO oauth_assertion (client, digest, until_us) VALUES (?1, ?2, ?3) ON CONFLICT (client, digest) DO NOTHING",
        &[client.as_str().into(), digest_value(assertion), until_us.into()],
    )
}

pub(super) fn add_key(
    connection: &Connection,
    key: &SigningKey,
    newest: Option<&str>,
) -> Result<u64, DatabaseError> {
    if connection.dialect().is_postgres() {
        // Of several nodes one at a time adds a key. Reading goes on.
        run(connection, "LOCK TABLE oauth_key IN SHARE ROW EXCLUSIVE MODE", &[])?;
    }
    let last = "SELECT id FROM oauth_key ORDER BY made_us DESC, id DESC LIMIT 1";
    let last = all(connection, last, &[], |line: &Line<'_>| line.get::<String>(0))?;
    if last.first().map(String::as_str) != newest {
        return Ok(0);
    }
    run(
        connection,
        "INSERT INTO oauth_key (id, secret, made_us) VALUES (?1, ?2, ?3)",
        &[(&key.id).into(), bytes(&key.secret), micros(key.made).into()],
    )
}
