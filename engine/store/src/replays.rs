//! Replays: what is remembered of them, which messages they go over, and which versions came later than a message.

use std::collections::HashMap;

use async_trait::async_trait;
use hub_core::commit::Key;
use hub_core::id::MessageId;
use hub_core::operations::ReplayWhat;
use hub_core::replay::{
    Newer, Owing, Place, ReplayNumber, ReplayOrder, ReplayPage, ReplayRow, ReplayState, ReplaySum,
    ReplayTurn, Replayable, Replays, Than,
};
use hub_core::store::{End, MessageQuery, StoreError};
use hub_fhir::Reference;

use crate::clock;
use crate::database::{Record, Sql};
use crate::error::{closed, damaged, unavailable};
use crate::journal::{channel_name, envelope, state_name, state_number};
use crate::open::Store;
use crate::orders::{read_numbers, read_what, what_text, write_numbers};
use crate::short::short;
use crate::trace;
use crate::words::WordKind;
use crate::writer::{Answer, ReplayWork, SPLIT, Work, replay_state_number};

/// How many places are looked at in one statement, so that none runs for long.
const WINDOW: i64 = 50_000;
/// How many ids are looked up in one statement.
const IDS: usize = 500;
/// A replay by ids names at most so many, with the pieces of what was split.
const MOST_IDS: usize = 100_000;

const ROW: &str =
    "SELECT number, ordered_us, ended_us, state, what, newer, owing, rate, at, nth, last, sum FROM replay";

/// What the page of a filter is made of.
#[derive(Clone, Copy)]
struct Found {
    seq: i64,
    place: Place,
    state: i64,
}

#[async_trait]
impl Replays for Store {
    async fn order(&self, order: &ReplayOrder) -> Result<ReplayNumber, StoreError> {
        let (what, last) = self.resolve(order.what.clone()).await?;
        let (newer, owing) = (order.newer.name(), order.owing.name());
        let work = ReplayWork::Order { what: what_text(&what), newer, owing, rate: order.rate, last };
        self.replay_work(work).await
    }

    async fn list(&self, limit: u32) -> Result<Vec<ReplayRow>, StoreError> {
        let mut sql = self.inner.readers.sql(ROW);
        sql.push(" ORDER BY number DESC LIMIT ").push_bind(limit);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        rows.iter().map(read_row).collect()
    }

    async fn look(&self, number: ReplayNumber) -> Result<Option<ReplayRow>, StoreError> {
        let mut sql = self.inner.readers.sql(ROW);
        sql.push(" WHERE number = ").push_bind(number);
        let row = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
        row.as_ref().map(read_row).transpose()
    }

    async fn running(&self) -> Result<Vec<ReplayNumber>, StoreError> {
        let sql = self.inner.readers.sql("SELECT number FROM replay WHERE state = 0 ORDER BY number");
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        rows.iter().map(|row| Ok(row.get::<i64>(0).map_err(unavailable)?.unsigned_abs())).collect()
    }

    async fn claim(&self, number: ReplayNumber) -> Result<bool, StoreError> {
        Ok(self.replay_work(ReplayWork::Claim { number }).await? > 0)
    }

    async fn step(
        &self,
        number: ReplayNumber,
        from: Place,
        to: Place,
        sum: &ReplaySum,
        ends: bool,
    ) -> Result<Option<ReplayState>, StoreError> {
        let sum = write_numbers(&sum.numbers());
        match self.replay_work(ReplayWork::Step { number, from, to, sum, ends }).await? {
            0 => Ok(None),
            state => replay_state(i64::try_from(state).unwrap_or(0) - 1).map(Some),
        }
    }

    async fn turn(&self, number: ReplayNumber, turn: ReplayTurn) -> Result<bool, StoreError> {
        Ok(self.replay_work(ReplayWork::Turn { number, turn }).await? > 0)
    }

    async fn page(
        &self,
        what: &ReplayWhat,
        after: Place,
        last: i64,
        limit: u32,
    ) -> Result<ReplayPage, StoreError> {
        match what {
            ReplayWhat::Messages(ids) => self.page_of_ids(ids, after, limit).await,
            ReplayWhat::Matching(query) => self.page_of_filter(query, after, last, limit).await,
        }
    }

    async fn resolve(&self, what: ReplayWhat) -> Result<(ReplayWhat, i64), StoreError> {
        match what {
            ReplayWhat::Messages(ids) => {
                let ids = self.in_order(ids).await?;
                let last = i64::try_from(ids.len()).unwrap_or(i64::MAX);
                Ok((ReplayWhat::Messages(ids), last))
            }
            ReplayWhat::Matching(query) => {
                let sql = self.inner.readers.sql("SELECT coalesce(max(seq), 0) FROM message");
                let row = self.inner.readers.fetch_one(sql).await.map_err(unavailable)?;
                Ok((ReplayWhat::Matching(query), row.get(0).map_err(unavailable)?))
            }
        }
    }

    async fn later(&self, reference: &Reference, than: Than, limit: u32) -> Result<Vec<u64>, StoreError> {
        let mut sql = self.inner.readers.sql(
            "SELECT version FROM
               (SELECT r.version, r.updated_us, r.by_at, r.by_nth FROM resource r WHERE r.type = $1 AND r.id = $2
                UNION ALL
                SELECT h.version, h.updated_us, h.by_at, h.by_nth FROM history h
                WHERE h.rid = (SELECT r.rid FROM resource r WHERE r.type = $1 AND r.id = $2)) versions
             WHERE by_at > $3 OR (by_at = $3 AND by_nth > $4) OR (by_at IS NULL AND ",
        );
        sql = sql
            .bind(self.inner.words.kind(reference.kind))
            .bind(reference.id.as_str())
            .bind(than.place.at)
            .bind(than.place.nth);
        match than.own {
            Some(own) => sql.push("version > ").push_bind(own),
            None => sql.push("updated_us > ").push_bind(clock::micros(than.received_at)),
        };
        sql.push(") ORDER BY version DESC LIMIT ").push_bind(limit);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        rows.iter().map(|row| Ok(row.get::<i64>(0).map_err(unavailable)?.unsigned_abs())).collect()
    }

    async fn end_again(&self, id: MessageId, end: End, keys: Vec<Key>) -> Result<bool, StoreError> {
        match self.inner.writer.ask(Work::EndAgain { id, end, keys }).await? {
            Answer::Flag(is_done) => Ok(is_done),
            _ => Err(closed()),
        }
    }
}

impl Store {
    async fn replay_work(&self, work: ReplayWork) -> Result<u64, StoreError> {
        match self.inner.writer.ask(Work::Replay(work)).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(closed()),
        }
    }

    /// Ids in the order of arrival; those that name no message stand last. What was split stands for its pieces.
    async fn in_order(&self, ids: Vec<MessageId>) -> Result<Vec<MessageId>, StoreError> {
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

    async fn page_of_ids(
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
        let mut sql = self.inner.readers.sql("SELECT m.seq FROM message m WHERE m.id IN (");
        sql.push_list(ids.iter().map(|id| id.0));
        sql.push(")");
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let seqs: Vec<i64> =
            rows.iter().map(|row| row.get(0).map_err(unavailable)).collect::<Result<_, _>>()?;
        let messages = self.replayable(&seqs).await?;
        let missing = (ids.len() - messages.len()) as u64;
        let next = Place { at: i64::try_from(end).unwrap_or(i64::MAX), nth: 0 };
        Ok(ReplayPage { messages, missing, next: Some(next) })
    }

    /// The pieces that are left of the whole at this place, or the wholes after it; one that was split ends the page, its pieces are the
    /// next one.
    async fn page_of_filter(
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
        let seqs: Vec<i64> = found.iter().map(|found| found.seq).collect();
        let read_to = found.last().map_or(next, |found| found.place);
        let messages = self.replayable(&seqs).await?;
        // Behind a page that is full there may be more; what was split is looked into next.
        let is_full = found.len() >= limit as usize;
        Ok(ReplayPage { messages, missing: 0, next: Some(if is_full { read_to } else { read_to.max(next) }) })
    }

    async fn found_pieces(
        &self,
        query: &MessageQuery,
        after: Place,
        limit: u32,
    ) -> Result<Vec<Found>, StoreError> {
        let mut sql = self
            .inner
            .readers
            .sql("SELECT m.seq, m.parent, coalesce(m.nth, 0), m.state FROM message m WHERE m.parent = ");
        sql.push_bind(after.at).push(" AND m.nth > ").push_bind(after.nth);
        if !self.filter(&mut sql, query) {
            return Ok(Vec::new());
        }
        sql.push(" ORDER BY m.nth LIMIT ").push_bind(limit);
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
            .sql("SELECT m.seq, m.seq, coalesce(m.nth, 0), m.state FROM message m WHERE m.seq > ");
        sql.push_bind(after).push(" AND m.seq <= ").push_bind(to).push(" AND ");
        sql.push(self.inner.readers.dialect().plain("m.parent")).push(" IS NULL");
        sql.push(" AND (").push(self.inner.readers.dialect().plain("m.state"));
        sql.push(" = ").push_bind(SPLIT).push(" OR (1 = 1");
        if !self.filter(&mut sql, query) {
            return Ok(Vec::new());
        }
        sql.push(")) ORDER BY m.seq LIMIT ").push_bind(limit);
        self.found(sql).await
    }

    async fn found(&self, sql: Sql) -> Result<Vec<Found>, StoreError> {
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let found = |row: &Record| {
            let number = |column| row.get::<i64>(column).map_err(unavailable);
            let place = Place { at: number(1)?, nth: number(2)? };
            Ok(Found { seq: number(0)?, place, state: number(3)? })
        };
        rows.iter().map(found).collect()
    }

    /// Adds what a filter says. `false`: it names something no message has ever had. The walk is by the order of arrival, so no column
    /// is to be looked up by.
    fn filter(&self, sql: &mut Sql, query: &MessageQuery) -> bool {
        let words = &self.inner.words;
        let dialect = self.inner.readers.dialect();
        let plain = |column: &str| dialect.plain(column);
        if let Some(channel) = &query.channel {
            let Some(channel) = words.number(WordKind::Channel, channel.as_str()) else { return false };
            sql.push(" AND ").push(plain("m.channel")).push(" = ").push_bind(channel);
        }
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
        for (words, time) in [(" >= ", query.since), (" < ", query.until)] {
            if let Some(time) = time {
                sql.push(" AND ").push(plain("m.received_us")).push(words).push_bind(clock::micros(time));
            }
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

fn replay_state(number: i64) -> Result<ReplayState, StoreError> {
    let state = ReplayState::ALL.iter().copied().find(|state| replay_state_number(*state) == number);
    state.ok_or_else(|| damaged("state of a replay"))
}

fn read_row(row: &Record) -> Result<ReplayRow, StoreError> {
    let number = |column| row.get::<i64>(column).map_err(unavailable);
    let text = |column| row.get::<String>(column).map_err(unavailable);
    let order = ReplayOrder {
        what: read_what(&text(4)?).ok_or_else(|| damaged("order of a replay"))?,
        newer: Newer::from_name(&text(5)?).ok_or_else(|| damaged("order of a replay"))?,
        owing: Owing::from_name(&text(6)?).ok_or_else(|| damaged("order of a replay"))?,
        rate: u32::try_from(number(7)?).unwrap_or(1),
    };
    Ok(ReplayRow {
        number: number(0)?.unsigned_abs(),
        ordered_at: clock::moment(number(1)?),
        ended_at: row.get::<Option<i64>>(2).map_err(unavailable)?.map(clock::moment),
        state: replay_state(number(3)?)?,
        order,
        place: Place { at: number(8)?, nth: number(9)? },
        last: number(10)?,
        sum: ReplaySum::of_numbers(&read_numbers(&text(11)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_number() {
        for state in ReplayState::ALL {
            assert_eq!(replay_state(replay_state_number(*state)).unwrap(), *state);
        }
        assert!(replay_state(9).is_err());
    }
}
