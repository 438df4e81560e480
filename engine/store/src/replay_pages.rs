//! Which messages a replay goes over, page by page, in the order of arrival.

use std::collections::HashMap;

use hub_core::id::MessageId;
use hub_core::replay::{Place, ReplayPage, Replayable};
use hub_core::store::{MessageQuery, StoreError};

use crate::clock;
use crate::database::{Record, Sql};
use crate::error::unavailable;
use crate::journal::{channel_name, envelope, state_name, state_number};
use crate::open::Store;
use crate::short::short;
use crate::trace;
use crate::words::WordKind;
use crate::writer::SPLIT;

/// How many places are looked at in one statement, so that none runs for long.
const WINDOW: i64 = 50_000;
/// How many ids are looked up in one statement.
const IDS: usize = 500;
/// How many bytes of messages come at once, unless the first alone has more.
const MOST_BYTES: i64 = 8 << 20;
/// A replay by ids names at most so many, with the pieces of what was split.
const MOST_IDS: usize = 100_000;

/// What the page of a filter is made of.
#[derive(Clone, Copy)]
struct Found {
    seq: i64,
    place: Place,
    state: i64,
    size: i64,
}

/// How many of these messages fit into a page.
fn fitting(sizes: impl Iterator<Item = i64>) -> usize {
    let mut bytes = 0_i64;
    let fits = |size: i64| {
        bytes = bytes.saturating_add(size);
        bytes <= MOST_BYTES
    };
    sizes.map(fits).take_while(|fits| *fits).count().max(1)
}

impl Store {
    /// Ids in the order of arrival; those that name no message stand last. What was split stands for its pieces.
    pub(crate) async fn in_order(&self, ids: Vec<MessageId>) -> Result<Vec<MessageId>, StoreError> {
        let mut places: HashMap<MessageId, Place> = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        for ids in ids.chunks(IDS) {
            let mut sql = self.inner.readers.sql(
                "SELECT m.id, m.state, m.seq, coalesce(m.parent, m.seq), coalesce(m.nth, 0) FROM message m WHERE m.id IN (",
            );
            sql.push_list(ids.iter().map(|id| id.0));
            sql.push(")");
            let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
            let mut there = Vec::with_capacity(rows.len());
            for row in &rows {
                let number = |column| row.get::<i64>(column).map_err(unavailable);
                let id = MessageId(row.id(0).map_err(unavailable)?);
                there.push(id);
                if number(1)? == SPLIT {
                    places.extend(self.pieces_of(number(2)?).await?);
                } else {
                    places.insert(id, Place { at: number(3)?, nth: number(4)? });
                }
            }
            missing.extend(ids.iter().filter(|id| !there.contains(id)));
        }
        if places.len() > MOST_IDS {
            let count = places.len();
            let what = format!(
                "it goes over {count} messages with all pieces; {MOST_IDS} are taken by id: use a filter"
            );
            return Err(StoreError::Invalid { what });
        }
        let mut found: Vec<(Place, MessageId)> = places.into_iter().map(|(id, place)| (place, id)).collect();
        found.sort_unstable();
        missing.sort_unstable();
        missing.dedup();
        Ok(found.into_iter().map(|(_, id)| id).chain(missing).collect())
    }

    async fn pieces_of(&self, seq: i64) -> Result<Vec<(MessageId, Place)>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql("SELECT m.id, coalesce(m.nth, 0) FROM message m WHERE m.parent = $1")
            .bind(seq);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let piece = |row: &Record| {
            let nth = row.get(1).map_err(unavailable)?;
            Ok((MessageId(row.id(0).map_err(unavailable)?), Place { at: seq, nth }))
        };
        rows.iter().map(piece).collect()
    }

    pub(crate) async fn page_of_ids(
        &self,
        ids: &[MessageId],
        after: Place,
        limit: u32,
    ) -> Result<ReplayPage, StoreError> {
        let begin = usize::try_from(after.at).unwrap_or(0).min(ids.len());
        let end = begin.saturating_add(limit as usize).min(ids.len());
        let Some(ids) = ids.get(begin..end).filter(|ids| !ids.is_empty()) else {
            return Ok(ReplayPage::default());
        };
        let mut sql = self.inner.readers.sql("SELECT m.id, m.seq, m.size FROM message m WHERE m.id IN (");
        sql.push_list(ids.iter().map(|id| id.0));
        sql.push(")");
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let mut there: HashMap<MessageId, (i64, i64)> = HashMap::with_capacity(rows.len());
        for row in &rows {
            let number = |column| row.get::<i64>(column).map_err(unavailable);
            there.insert(MessageId(row.id(0).map_err(unavailable)?), (number(1)?, number(2)?));
        }
        let taken = fitting(ids.iter().map(|id| there.get(id).map_or(0, |(_, size)| *size)));
        let ids = ids.get(..taken).unwrap_or(ids);
        let seqs: Vec<i64> = ids.iter().filter_map(|id| there.get(id)).map(|(seq, _)| *seq).collect();
        let messages = self.replayable(&seqs).await?;
        let missing = (ids.len() - messages.len()) as u64;
        let next = Place { at: i64::try_from(begin + ids.len()).unwrap_or(i64::MAX), nth: 0 };
        Ok(ReplayPage { messages, missing, next: Some(next) })
    }

    /// The pieces that are left of the whole at this place, or the wholes after it; one that was split ends the page, its pieces are the
    /// next one.
    pub(crate) async fn page_of_filter(
        &self,
        query: &MessageQuery,
        after: Place,
        last: i64,
        limit: u32,
    ) -> Result<ReplayPage, StoreError> {
        let mut found = self.found_pieces(query, after, limit).await?;
        let mut next = after;
        while found.is_empty() {
            if next.at >= last {
                return Ok(ReplayPage { next: (next > after).then_some(next), ..ReplayPage::default() });
            }
            let to = last.min(next.at.saturating_add(WINDOW));
            found = self.found_wholes(query, next.at, to, limit).await?;
            let whole_page = found.len() >= limit as usize;
            if let Some(split) = found.iter().position(|found| found.state == SPLIT) {
                let at = found[split].place;
                found.truncate(split);
                next = at;
                if found.is_empty() {
                    found = self.found_pieces(query, at, limit).await?;
                    continue;
                }
                break;
            }
            next = Place { at: to, nth: 0 };
            if whole_page {
                break;
            }
        }
        let taken = fitting(found.iter().map(|found| found.size)).min(found.len());
        let is_full = found.len() >= limit as usize || taken < found.len();
        found.truncate(taken);
        let seqs: Vec<i64> = found.iter().map(|found| found.seq).collect();
        let read_to = found.last().map_or(next, |found| found.place);
        let messages = self.replayable(&seqs).await?;
        // Behind a page that is full there may be more; what was split is looked into next.
        Ok(ReplayPage { messages, missing: 0, next: Some(if is_full { read_to } else { read_to.max(next) }) })
    }

    async fn found_pieces(
        &self,
        query: &MessageQuery,
        after: Place,
        limit: u32,
    ) -> Result<Vec<Found>, StoreError> {
        let mut sql = self.inner.readers.sql(
            "SELECT m.seq, m.parent, coalesce(m.nth, 0), m.state, m.size FROM message m WHERE m.parent = ",
        );
        sql.push_bind(after.at).push(" AND m.nth > ").push_bind(after.nth);
        if !(self.filter_family(&mut sql, query) && self.filter(&mut sql, query)) {
            return Ok(Vec::new());
        }
        sql.push(" ORDER BY m.nth").push_limit(limit);
        self.found(sql).await
    }

    /// Wholes after a place up to another; what was split is among them, whatever it is like: its pieces may match.
    async fn found_wholes(
        &self,
        query: &MessageQuery,
        after: i64,
        to: i64,
        limit: u32,
    ) -> Result<Vec<Found>, StoreError> {
        let mut sql = self
            .inner
            .readers
            .sql("SELECT m.seq, m.seq, coalesce(m.nth, 0), m.state, m.size FROM message m WHERE m.seq > ");
        sql.push_bind(after).push(" AND m.seq <= ").push_bind(to).push(" AND ");
        sql.push(self.inner.readers.dialect().plain("m.parent")).push(" IS NULL");
        if let Some(parent) = query.parent {
            // Only its pieces can match.
            sql.push(" AND m.id = ").push_bind(parent.0);
        }
        if !self.filter_family(&mut sql, query) {
            return Ok(Vec::new());
        }
        sql.push(" AND (").push(self.inner.readers.dialect().plain("m.state"));
        sql.push(" = ").push_bind(SPLIT).push(" OR (1 = 1");
        if !self.filter(&mut sql, query) {
            return Ok(Vec::new());
        }
        sql.push(")) ORDER BY m.seq").push_limit(limit);
        self.found(sql).await
    }

    async fn found(&self, sql: Sql) -> Result<Vec<Found>, StoreError> {
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let found = |row: &Record| {
            let number = |column| row.get::<i64>(column).map_err(unavailable);
            let place = Place { at: number(1)?, nth: number(2)? };
            Ok(Found { seq: number(0)?, place, state: number(3)?, size: number(4)? })
        };
        rows.iter().map(found).collect()
    }

    /// Adds what a filter says that a whole and its pieces have in common: channel and time. `false`: it names something no message has
    /// ever had. The walk is by the order of arrival, so no column is to be looked up by.
    fn filter_family(&self, sql: &mut Sql, query: &MessageQuery) -> bool {
        let dialect = self.inner.readers.dialect();
        if let Some(channel) = &query.channel {
            let Some(channel) = self.inner.words.number(WordKind::Channel, channel.as_str()) else {
                return false;
            };
            sql.push(" AND ").push(dialect.plain("m.channel")).push(" = ").push_bind(channel);
        }
        for (words, time) in [(" >= ", query.since), (" < ", query.until)] {
            if let Some(time) = time {
                sql.push(" AND ").push(dialect.plain("m.received_us")).push(words);
                sql.push_bind(clock::micros(time));
            }
        }
        true
    }

    /// Adds the rest of what a filter says, likewise.
    fn filter(&self, sql: &mut Sql, query: &MessageQuery) -> bool {
        let words = &self.inner.words;
        let dialect = self.inner.readers.dialect();
        let plain = |column: &str| dialect.plain(column);
        if let Some(state) = query.state {
            sql.push(" AND ").push(plain("m.state")).push(" = ").push_bind(state_number(state));
        }
        for (column, value) in [("m.control_id", &query.control_id), ("m.message_type", &query.message_type)]
        {
            if let Some(value) = value {
                sql.push(" AND ").push(plain(column)).push(" = ").push_bind(short(value));
            }
        }
        if let Some((name, value)) = &query.key {
            sql.push(" AND ").push(plain("m.seq"));
            sql.push(" IN (SELECT k.seq FROM message_key k WHERE k.value = ").push_bind(short(value));
            if let Some(name) = name {
                let Some(name) = words.number(WordKind::KeyName, name) else { return false };
                sql.push(" AND k.name = ").push_bind(name);
            }
            sql.push(")");
        }
        if let Some(parent) = query.parent {
            sql.push(" AND ").push(plain("m.parent"));
            sql.push(" = (SELECT p.seq FROM message p WHERE p.id = ").push_bind(parent.0).push(")");
        }
        true
    }

    /// Messages with all that processing them again needs, in the order of arrival.
    async fn replayable(&self, seqs: &[i64]) -> Result<Vec<Replayable>, StoreError> {
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = self.inner.readers.sql(
            "SELECT m.id, m.dedupe, m.digest, m.message_type, m.control_id, m.sender, m.correlation, m.received_us,
                    m.peer_address, m.peer_identity, b.body, m.nth,
                    (SELECT p.id FROM message p WHERE p.seq = m.parent),
                    m.channel, m.state, coalesce(m.parent, m.seq), coalesce(m.nth, 0), m.replays, t.wrote
             FROM message m JOIN message_body b ON b.seq = m.seq LEFT JOIN message_trace t ON t.seq = m.seq
             WHERE m.seq IN (",
        );
        sql.push_list(seqs.iter().copied());
        sql.push(") ORDER BY coalesce(m.parent, m.seq), coalesce(m.nth, 0), m.seq");
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let replayable = |row: &Record| {
            let number = |column| row.get::<i64>(column).map_err(unavailable);
            let channel = channel_name(&self.inner.words, number(13)?)?;
            let never_replayed = number(17)? == 0;
            let wrote: Option<String> = row.get(18).map_err(unavailable)?;
            Ok(Replayable {
                message: envelope(row, &channel).map_err(unavailable)?,
                place: Place { at: number(15)?, nth: number(16)? },
                state: state_name(number(14)?)?,
                wrote: if never_replayed { trace::wrote(wrote.as_deref()) } else { Vec::new() },
            })
        };
        rows.iter().map(replayable).collect()
    }
}
