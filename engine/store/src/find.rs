//! Finds messages for operators: by key, control id, type, channel, state and time; newest first.

use hub_core::store::{MessageQuery, MessageRow, StoreError};

use crate::clock;
use crate::database::{Record, Sql};
use crate::error::unavailable;
use crate::journal::{ROW, read_row, state_number};
use crate::open::Store;
use crate::short::short;
use crate::words::WordKind;
use crate::writer::TALLY_MESSAGES;

/// At most so many rows come at once.
const MOST: u32 = 10_000;
/// How many channels and states are walked in one statement; SQLite allows 500 parts.
const WALKS: usize = 100;
/// How many rows are read in one statement.
const ROWS: usize = 500;

/// Where in the order of time a message stands: when it was received, then its place of arrival.
type Place = (i64, i64);

impl Store {
    pub(crate) async fn find_messages(&self, query: &MessageQuery) -> Result<Vec<MessageRow>, StoreError> {
        let limit = query.limit.min(MOST);
        let before = match query.before {
            None => None,
            Some(id) => {
                let sql =
                    self.inner.readers.sql("SELECT received_us, seq FROM message WHERE id = $1").bind(id.0);
                let row = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
                // The page before ended with a message that is gone: nothing older is known for sure.
                let Some(row) = row else { return Ok(Vec::new()) };
                Some((row.get(0).map_err(unavailable)?, row.get(1).map_err(unavailable)?))
            }
        };
        let is_narrow = query.parent.is_some()
            || query.key.is_some()
            || query.control_id.is_some()
            || query.message_type.is_some();
        let mut places = match is_narrow {
            true => self.places_narrow(query, before, limit).await?,
            false => self.places_by_walks(query, before, limit).await?,
        };
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.truncate(limit as usize);
        self.rows_of(&places).await
    }

    /// By parent, key, control id or type: each has an index of its own, and what it leaves is filtered.
    async fn places_narrow(
        &self,
        query: &MessageQuery,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<Place>, StoreError> {
        let dialect = self.inner.readers.dialect();
        let plain = |column: &str| dialect.plain(column);
        let mut sql = self.inner.readers.sql("SELECT m.received_us, m.seq FROM message m WHERE ");
        if let Some(parent) = query.parent {
            sql.push("m.parent = (SELECT p.seq FROM message p WHERE p.id = ").push_bind(parent.0).push(")");
            if let Some((name, value)) = &query.key {
                sql.push(" AND ")
                    .push(plain("m.seq"))
                    .push(" IN (SELECT k.seq FROM message_key k WHERE k.value = ")
                    .push_bind(short(value));
                if let Some(name) = name {
                    let Some(name) = self.number(WordKind::KeyName, name).await? else {
                        return Ok(Vec::new());
                    };
                    sql.push(" AND k.name = ").push_bind(name);
                }
                sql.push(")");
            }
            times(&mut sql, query, before, true);
            text(&mut sql, &plain("m.control_id"), query.control_id.as_deref());
            text(&mut sql, &plain("m.message_type"), query.message_type.as_deref());
        } else if let Some((name, value)) = &query.key {
            sql.push("m.seq IN (SELECT k.seq FROM message_key k WHERE k.value = ").push_bind(short(value));
            if let Some(name) = name {
                let Some(name) = self.number(WordKind::KeyName, name).await? else { return Ok(Vec::new()) };
                sql.push(" AND k.name = ").push_bind(name);
            }
            sql.push(")");
            times(&mut sql, query, before, true);
            text(&mut sql, &plain("m.control_id"), query.control_id.as_deref());
            text(&mut sql, &plain("m.message_type"), query.message_type.as_deref());
        } else if let Some(control) = &query.control_id {
            sql.push("m.control_id = ").push_bind(short(control));
            times(&mut sql, query, before, false);
            text(&mut sql, &plain("m.message_type"), query.message_type.as_deref());
        } else {
            sql.push("m.message_type = ").push_bind(short(query.message_type.as_deref().unwrap_or_default()));
            times(&mut sql, query, before, false);
        }
        if let Some(channel) = &query.channel {
            let Some(channel) = self.number(WordKind::Channel, channel.as_str()).await? else {
                return Ok(Vec::new());
            };
            sql.push(" AND ").push(plain("m.channel")).push(" = ").push_bind(channel);
        }
        if let Some(state) = query.state {
            sql.push(" AND ").push(plain("m.state")).push(" = ").push_bind(state_number(state));
        }
        sql.push(" ORDER BY m.received_us DESC, m.seq DESC").push_limit(i64::from(limit));
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        places(&rows)
    }

    /// By channel, state and time: one walk of an index for each channel and state that has messages.
    async fn places_by_walks(
        &self,
        query: &MessageQuery,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<Place>, StoreError> {
        let channel = match &query.channel {
            None => None,
            Some(channel) => match self.number(WordKind::Channel, channel.as_str()).await? {
                None => return Ok(Vec::new()),
                Some(number) => Some(number),
            },
        };
        let sql = self
            .inner
            .readers
            .sql("SELECT word, state FROM tally WHERE kind = $1 AND count > 0")
            .bind(TALLY_MESSAGES);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let walks = places(&rows)?;
        let walks: Vec<(i64, i64)> = walks
            .into_iter()
            .filter(|(word, state)| {
                channel.is_none_or(|channel| channel == *word)
                    && query.state.is_none_or(|wanted| state_number(wanted) == *state)
            })
            .collect();
        let mut found = Vec::new();
        for walks in walks.chunks(WALKS) {
            let mut sql = self.inner.readers.sql("");
            for (at, (channel, state)) in walks.iter().enumerate() {
                if at > 0 {
                    sql.push(" UNION ALL ");
                }
                sql.push("SELECT * FROM (SELECT m.received_us, m.seq FROM message m WHERE m.channel = ")
                    .push_bind(*channel)
                    .push(" AND m.state = ")
                    .push_bind(*state);
                times(&mut sql, query, before, false);
                sql.push(" ORDER BY m.received_us DESC, m.seq DESC")
                    .push_limit(i64::from(limit))
                    .push(format_args!(") w{at}"));
            }
            let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
            found.extend(places(&rows)?);
        }
        Ok(found)
    }

    async fn rows_of(&self, places: &[Place]) -> Result<Vec<MessageRow>, StoreError> {
        let mut found = Vec::with_capacity(places.len());
        for places in places.chunks(ROWS) {
            let mut sql = self.inner.readers.sql(ROW);
            sql.push(" WHERE m.seq IN (");
            sql.push_list(places.iter().map(|(_, seq)| *seq));
            sql.push(") ORDER BY m.received_us DESC, m.seq DESC");
            let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
            self.know(&rows, 2).await?;
            for row in &rows {
                found.push(read_row(row, &self.inner.words)?);
            }
        }
        Ok(found)
    }
}

fn times(sql: &mut Sql, query: &MessageQuery, before: Option<Place>, is_plain: bool) {
    let received_us = if is_plain { sql.dialect.plain("m.received_us") } else { "m.received_us".to_owned() };
    if let Some(since) = query.since {
        sql.push(format_args!(" AND {received_us} >= ")).push_bind(clock::micros(since));
    }
    if let Some(until) = query.until {
        sql.push(format_args!(" AND {received_us} < ")).push_bind(clock::micros(until));
    }
    if let Some((before_us, seq)) = before {
        // Twice, so that the index is entered at the right place.
        sql.push(format_args!(" AND {received_us} <= ")).push_bind(before_us);
        sql.push(" AND (m.received_us, m.seq) < (").push_bind(before_us).push(", ").push_bind(seq).push(")");
    }
}

fn text(sql: &mut Sql, column: &str, value: Option<&str>) {
    if let Some(value) = value {
        sql.push(format_args!(" AND {column} = ")).push_bind(short(value));
    }
}

fn places(rows: &[Record]) -> Result<Vec<Place>, StoreError> {
    let place = |row: &Record| Ok((row.get(0).map_err(unavailable)?, row.get(1).map_err(unavailable)?));
    rows.iter().map(place).collect()
}
