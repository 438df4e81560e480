//! Accounts and what they are proved by.

use hub_core::accounts::{Account, AccountChange, CodeOrder, Invitation, Limit, Lockout, TokenDigest};
use hub_fhir::Id;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{bytes, digest_value, text_or_empty};
use crate::accounts::{name_text, roles_text};
use crate::clock::micros;
use crate::database::{Connection, DatabaseError, Line, all, run};

pub(super) fn open(connection: &Connection, account: &Account, at: i64) -> Result<u64, DatabaseError> {
    run(
        connection,
        "INSERT INTO account (id, name, roles, stands_for, opened_us, totp_step, failed)
         VALUES (?1, ?2, ?3, nullif(?4, ''), ?5, 0, 0) ON CONFLICT (name) DO NOTHING",
        &[
            account.id.as_str().into(),
            name_text(&account.name).into(),
            roles_text(&account.roles).into(),
            text_or_empty(account.is.as_ref()),
            at.into(),
        ],
    )
}

pub(super) fn change(
    connection: &Connection,
    id: &Id,
    change: &AccountChange,
    at: i64,
) -> Result<u64, DatabaseError> {
    let account = id.as_str();
    match change {
        AccountChange::Disable => {
            let disable = "UPDATE account SET disabled_us = coalesce(disabled_us, ?2) WHERE id = ?1";
            let changed = run(connection, disable, &[account.into(), at.into()])?;
            end_sessions(connection, account, at)?;
            Ok(changed)
        }
        AccountChange::Enable => {
            run(connection, "UPDATE account SET disabled_us = NULL WHERE id = ?1", &[account.into()])
        }
        AccountChange::Roles(roles) => {
            let set = "UPDATE account SET roles = ?2 WHERE id = ?1";
            run(connection, set, &[account.into(), roles_text(roles).into()])
        }
        AccountChange::Is(is) => {
            let set = "UPDATE account SET stands_for = ?2 WHERE id = ?1";
            run(connection, set, &[account.into(), is.to_string().into()])
        }
    }
}

/// Ends whatever an account has let in.
fn end_sessions(connection: &Connection, account: &str, at: i64) -> Result<(), DatabaseError> {
    let end = "UPDATE oauth_session SET ended_us = ?2 WHERE account = ?1 AND ended_us IS NULL";
    run(connection, end, &[account.into(), at.into()])?;
    run(connection, "UPDATE oauth_grant SET spent = 1 WHERE account = ?1", &[account.into()])?;
    Ok(())
}

pub(super) fn begin_try(
    connection: &Connection,
    id: &Id,
    lockout: Lockout,
    now: OffsetDateTime,
) -> Result<u64, DatabaseError> {
    // A lock that is over has had its effect: counting begins anew.
    run(
        connection,
        "UPDATE account SET
            failed = CASE WHEN locked_us IS NULL THEN failed ELSE 0 END + 1,
            locked_us = CASE WHEN CASE WHEN locked_us IS NULL THEN failed ELSE 0 END + 1 >= ?3 THEN ?4 END
         WHERE id = ?1 AND (locked_us IS NULL OR locked_us <= ?2)",
        &[id.as_str().into(), micros(now).into(), lockout.after.into(), micros(now + lockout.lasts).into()],
    )
}

pub(super) fn end_try(connection: &Connection, id: &Id, step: u64) -> Result<u64, DatabaseError> {
    let proven =
        "UPDATE account SET totp_step = ?2, failed = 0, locked_us = NULL WHERE id = ?1 AND totp_step < ?2";
    run(connection, proven, &[id.as_str().into(), step.into()])
}

pub(super) fn invite(connection: &Connection, invitation: &Invitation) -> Result<u64, DatabaseError> {
    run(
        connection,
        "INSERT INTO account_invitation (account, digest, totp, until_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account) DO UPDATE SET digest = excluded.digest, totp = excluded.totp, until_us = excluded.until_us",
        &[
            invitation.account.as_str().into(),
            digest_value(&invitation.digest),
            bytes(&invitation.totp),
            micros(invitation.until).into(),
        ],
    )
}

pub(super) fn accept(
    connection: &Connection,
    digest: &TokenDigest,
    password: &str,
    step: u64,
    at: i64,
) -> Result<u64, DatabaseError> {
    // Of two, the one that takes it away has accepted it.
    let take = "DELETE FROM account_invitation WHERE digest = ?1 AND until_us > ?2 RETURNING account, totp";
    let invited = |line: &Line<'_>| Ok((line.get::<String>(0)?, line.get::<Vec<u8>>(1)?));
    let taken = all(connection, take, &[digest_value(digest), at.into()], invited)?;
    let Some((account, totp)) = taken.first() else { return Ok(0) };
    run(
        connection,
        "UPDATE account SET password = ?2, totp = ?3, totp_step = ?4, failed = 0, locked_us = NULL WHERE id = ?1",
        &[account.as_str().into(), password.into(), bytes(totp), step.into()],
    )?;
    end_sessions(connection, account, at)?;
    Ok(1)
}

pub(super) fn order_code(
    connection: &Connection,
    order: &CodeOrder,
    now: OffsetDateTime,
) -> Result<u64, DatabaseError> {
    if connection.dialect().is_postgres() {
        // Of several nodes one at a time counts. Reading goes on.
        run(connection, "LOCK TABLE account_code_sent IN SHARE ROW EXCLUSIVE MODE", &[])?;
    }
    const TO_PHONE: &str = "SELECT count(*) FROM account_code_sent WHERE phone = ?1 AND at_us > ?2";
    const FROM_ADDRESS: &str = "SELECT count(*) FROM account_code_sent WHERE address = ?1 AND at_us > ?2";
    let is_reached = |statement, of: &str, limits: &[Limit]| -> Result<bool, DatabaseError> {
        for (most, within) in limits {
            let asked = [of.into(), micros(now - *within).into()];
            let sent = all(connection, statement, &asked, |line| line.get::<i64>(0))?;
            if sent.first().is_some_and(|sent| *sent >= i64::from(*most)) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let phone = order.phone.as_str();
    if is_reached(TO_PHONE, phone, &order.phone_limits)? {
        return Ok(0);
    }
    if let Some(address) = &order.address
        && is_reached(FROM_ADDRESS, address, &order.address_limits)?
    {
        return Ok(0);
    }
    run(
        connection,
        "INSERT INTO account_code_sent (id, phone, address, at_us) VALUES (?1, ?2, nullif(?3, ''), ?4)",
        &[
            Uuid::new_v4().to_string().into(),
            phone.into(),
            text_or_empty(order.address.as_ref()),
            micros(now).into(),
        ],
    )?;
    run(
        connection,
        "INSERT INTO account_code (phone, digest, tries, until_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (phone) DO UPDATE SET digest = excluded.digest, tries = excluded.tries, until_us = excluded.until_us",
        &[phone.into(), digest_value(&order.digest), order.tries.into(), micros(order.until).into()],
    )
}

pub(super) fn try_code(
    connection: &Connection,
    phone: &str,
    digest: &TokenDigest,
    at: i64,
) -> Result<u64, DatabaseError> {
    let count = "UPDATE account_code SET tries = tries - 1 WHERE phone = ?1 AND until_us > ?2 AND tries > 0";
    if run(connection, count, &[phone.into(), at.into()])? == 0 {
        return Ok(0);
    }
    let take = "DELETE FROM account_code WHERE phone = ?1 AND digest = ?2";
    run(connection, take, &[phone.into(), digest_value(digest)])
}
