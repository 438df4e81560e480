//! Keeps deployments: each in a transaction of its own, its texts once.

use bytes::Bytes;
use hub_core::deployments::{DeploymentEnd, NewDeployment, TextDigest};

use crate::clock;
use crate::database::{Connection, DatabaseError, Line, all, run};

/// Keeps a deployment and its files; answers with its number.
pub(super) fn record(connection: &Connection, deployment: &NewDeployment) -> Result<u64, DatabaseError> {
    let NewDeployment { at, who, why, node, kind, files } = deployment;
    if connection.dialect().is_postgres() {
        // Of several nodes one at a time takes the next number. Reading goes on.
        run(connection, "LOCK TABLE deployment IN SHARE ROW EXCLUSIVE MODE", &[])?;
    }
    let first = |line: &Line<'_>| line.get::<i64>(0);
    let number = all(connection, "SELECT coalesce(max(number), 0) + 1 FROM deployment", &[], first)?;
    let number = number.first().copied().unwrap_or(1);
    run(
        connection,
        "INSERT INTO deployment (number, at_us, who, why, node, kind, goes_to) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            number.into(),
            clock::micros(*at).into(),
            who.as_str().into(),
            why.as_str().into(),
            node.as_str().into(),
            kind.name().into(),
            kind.to().into(),
        ],
    )?;
    for (path, text) in files {
        let digest = Bytes::copy_from_slice(&TextDigest::of(text).0);
        run(
            connection,
            "INSERT INTO deployed_text (sha256, body) VALUES (?1, ?2) ON CONFLICT (sha256) DO NOTHING",
            &[digest.clone().into(), Bytes::copy_from_slice(text.as_bytes()).into()],
        )?;
        run(
            connection,
            "INSERT INTO deployed_file (deployment, path, text) SELECT ?1, ?2, id FROM deployed_text WHERE sha256 = ?3",
            &[number.into(), path.as_str().into(), digest.into()],
        )?;
    }
    Ok(number.unsigned_abs())
}

/// Says how a deployment ended; answers whether it was under way.
pub(super) fn finish(
    connection: &Connection,
    number: u64,
    end: &DeploymentEnd,
) -> Result<u64, DatabaseError> {
    let changed = run(
        connection,
        "UPDATE deployment SET ended_us = ?2, result = ?3, reason = nullif(?4, '')
         WHERE number = ?1 AND result IS NULL",
        &[
            number.into(),
            clock::micros(end.at).into(),
            end.result.name().into(),
            end.result.reason().unwrap_or_default().into(),
        ],
    )?;
    Ok(changed)
}
