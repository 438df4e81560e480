//! Reads messages from the database as archives hold them.

use std::collections::HashMap;

use bytes::Bytes;
use hub_core::store::StoreError;

use super::key::to_hex;
use super::{Entry, EntryHead, ParcelHead};
use crate::database::{Readers, Record, Sql};
use crate::error::{damaged, unavailable};
use crate::journal::state_name;
use crate::words::Words;

/// Which messages are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'w> {
    /// All from this place to that one.
    Between(i64, i64),
    /// Those of these places, which ascend.
    These(&'w [i64]),
}

impl Which<'_> {
    /// The bounds of a column, so that PostgreSQL looks into no other stretch.
    fn bound(self, sql: &mut Sql, column: &str) {
        let (from, to) = match self {
            Which::Between(from, to) => (from, to),
            Which::These(seqs) => (seqs.first().copied().unwrap_or(1), seqs.last().copied().unwrap_or(0)),
        };
        sql.push(column).push(" >= ").push_bind(from).push(" AND ").push(column).push(" <= ").push_bind(to);
    }

    /// The bounds, and where they are not all between them, which.
    fn named(self, sql: &mut Sql, column: &str) {
        self.bound(sql, column);
        if let Which::These(seqs) = self {
            sql.push(" AND ").push(column).push(" IN (").push_list(seqs.iter().copied()).push(")");
        }
    }
}

/// Messages with all that belongs to them, in the order of arrival.
pub(crate) async fn gather(
    readers: &Readers,
    words: &Words,
    which: Which<'_>,
) -> Result<Vec<Entry>, StoreError> {
    let mut parcels = parcels(readers, words, which).await?;
    let mut sql = readers.sql(
        "SELECT m.seq, m.channel, m.state, m.id, m.received_us, m.ended_us, m.reused, m.replays, m.digest, m.dedupe,
                m.message_type, m.control_id, m.sender, m.correlation, m.peer_address, m.peer_identity,
                (SELECT p.id FROM message p WHERE p.seq = m.parent), m.nth, m.answered, m.answered_us,
                t.step, t.place, t.rule, t.reason, t.keys, t.notes, t.wrote, b.body
         FROM message m JOIN message_body b ON b.seq = m.seq LEFT JOIN message_trace t ON t.seq = m.seq AND ",
    );
    which.bound(&mut sql, "t.seq");
    sql.push(" WHERE ");
    which.bound(&mut sql, "b.seq");
    sql.push(" AND ");
    which.named(&mut sql, "m.seq");
    sql.push(" ORDER BY m.seq");
    let rows = readers.fetch_all(sql).await.map_err(unavailable)?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        let seq: i64 = row.get(0).map_err(unavailable)?;
        let channel = words.name(row.get(1).map_err(unavailable)?).ok_or_else(|| damaged("channel"))?;
        let state = state_name(row.get(2).map_err(unavailable)?)?;
        let (heads, bodies) = parcels.remove(&seq).unwrap_or_default();
        let read = || -> Result<(EntryHead, Bytes), sqlx::Error> {
            let body: Vec<u8> = row.get(27)?;
            let head = EntryHead {
                id: row.id(3)?,
                channel: channel.into(),
                state: state.name().to_owned(),
                received_us: row.get(4)?,
                ended_us: row.get(5)?,
                reused: row.get::<i64>(6)? == 1,
                replays: row.get(7)?,
                digest: to_hex(row.get(8)?),
                dedupe: row.get(9)?,
                message_type: row.get(10)?,
                control_id: row.get(11)?,
                sender: row.get(12)?,
                correlation: row.get(13)?,
                peer_address: row.get(14)?,
                peer_identity: row.get(15)?,
                parent: row.id_or_none(16)?,
                nth: row.get(17)?,
                answered: row.get(18)?,
                answered_us: row.get(19)?,
                step: row.get(20)?,
                place: row.get(21)?,
                rule: row.get(22)?,
                reason: row.get(23)?,
                keys: row.get(24)?,
                notes: row.get(25)?,
                wrote: row.get(26)?,
                bytes: body.len() as u64,
                parcels: heads,
            };
            Ok((head, body.into()))
        };
        let (head, body) = read().map_err(unavailable)?;
        entries.push(Entry { head, body, parcels: bodies });
    }
    Ok(entries)
}

/// The parcels of a message: what is known of each, then what each held and what was answered.
type Parcels = (Vec<ParcelHead>, Vec<(Bytes, Option<Bytes>)>);

async fn parcels(
    readers: &Readers,
    words: &Words,
    which: Which<'_>,
) -> Result<HashMap<i64, Parcels>, StoreError> {
    let mut sql = readers.sql(
        "SELECT p.message, p.dest, p.id, p.okey, p.created_us, p.attempts, p.correlation,
                b.content_type, b.body, b.answer
         FROM parcel p JOIN parcel_body b ON b.seq = p.seq WHERE p.state = 1 AND ",
    );
    which.named(&mut sql, "p.message");
    sql.push(" ORDER BY p.seq");
    let mut found: HashMap<i64, Parcels> = HashMap::new();
    for row in readers.fetch_all(sql).await.map_err(unavailable)? {
        let to = words.name(row.get(1).map_err(unavailable)?).ok_or_else(|| damaged("destination"))?;
        let (head, body, answer) = parcel(&row, to.into()).map_err(unavailable)?;
        let (heads, bodies) = found.entry(row.get(0).map_err(unavailable)?).or_default();
        heads.push(head);
        bodies.push((body, answer));
    }
    Ok(found)
}

fn parcel(row: &Record, to: String) -> Result<(ParcelHead, Bytes, Option<Bytes>), sqlx::Error> {
    let body: Vec<u8> = row.get(8)?;
    let answer: Option<Vec<u8>> = row.get(9)?;
    let head = ParcelHead {
        id: row.id(2)?,
        to,
        order_key: row.get(3)?,
        created_us: row.get(4)?,
        attempts: row.get(5)?,
        correlation: row.get(6)?,
        content_type: row.get(7)?,
        bytes: body.len() as u64,
        answer_bytes: answer.as_ref().map(|answer| answer.len() as u64),
    };
    Ok((head, body.into(), answer.map(Bytes::from)))
}
