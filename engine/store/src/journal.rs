//! The journal: every message ever received, and how far it came.

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use hub_core::attachment::{PlaceId, Stowed};
use hub_core::commit::Key;
use hub_core::envelope::{Envelope, Head, Label, Parent, Peer, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{ChannelId, CorrelationId, DedupeKey, Digest, MessageId, ParcelId};
use hub_core::store::{
    AnswerName, Answered, Counts, End, Journal, MessageDetail, MessageQuery, MessageRow, MessageState,
    ParcelRow, ParcelState, Received, StateName, StoreError, Tally,
};
use time::OffsetDateTime;

use crate::clock;
use crate::database::Record;
use crate::error::{closed, damaged, unavailable};
use crate::open::Store;
use crate::trace;
use crate::words::{WordKind, Words};
use crate::writer::{Answer, COMMITTED, FILTERED, QUARANTINED, RECEIVED, SPLIT, TALLY_MESSAGES, Work};

/// How many open messages are looked at in one statement.
const PAGE: usize = 512;
/// How many bodies are read in one statement.
const BODIES: usize = 64;

/// The columns of a message's row, with its trace.
pub(crate) const ROW: &str =
    "SELECT m.seq, m.id, m.channel, m.message_type, m.control_id, m.sender, m.received_us,
    m.ended_us, m.state, m.size, m.reused, m.replays, t.keys, t.step, t.place, t.rule, t.reason,
    m.nth, (SELECT p.id FROM message p WHERE p.seq = m.parent), m.answered, m.answered_us, m.imported_us
    FROM message m LEFT JOIN message_trace t ON t.seq = m.seq";

#[async_trait]
impl Journal for Store {
    async fn receive(&self, message: &Envelope<Raw>) -> Result<Received, StoreError> {
        match self.inner.writer.ask(Work::Receive(Box::new(message.clone()))).await? {
            Answer::Received(received) => Ok(received),
            _ => Err(closed()),
        }
    }

    async fn receive_attachment(
        &self,
        message: &Envelope<Raw>,
        stowed: &Stowed,
    ) -> Result<(Received, PlaceId), StoreError> {
        let (message, stowed) = (Box::new(message.clone()), Box::new(stowed.clone()));
        match self.inner.writer.ask(Work::ReceiveAttachment { message, stowed }).await? {
            Answer::Attached(received, place) => Ok((received, place)),
            _ => Err(closed()),
        }
    }

    async fn end(&self, id: MessageId, end: End, keys: Vec<Key>) -> Result<(), StoreError> {
        self.inner.writer.ask(Work::End { id, end, keys }).await.map(|_| ())
    }

    async fn expand(&self, id: MessageId, pieces: Vec<Envelope<Raw>>) -> Result<Vec<MessageId>, StoreError> {
        match self.inner.writer.ask(Work::Expand { id, pieces }).await? {
            Answer::Open(open) => Ok(open),
            _ => Err(closed()),
        }
    }

    async fn family(&self, parent: MessageId) -> Result<Counts, StoreError> {
        let sql = self.inner.readers.sql("SELECT seq FROM message WHERE id = $1").bind(parent.0);
        let row = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
        match row {
            Some(row) => self.counts(row.get(0).map_err(unavailable)?).await,
            None => Ok(Counts::default()),
        }
    }

    async fn answered(&self, id: MessageId, answered: Answered) -> Result<(), StoreError> {
        self.inner.writer.ask(Work::Answered { id, answered }).await.map(|_| ())
    }

    async fn unfinished(
        &self,
        channel: &ChannelId,
        skip: &(dyn Fn(MessageId) -> bool + Sync),
        limit: usize,
    ) -> Result<Vec<Envelope<Raw>>, StoreError> {
        let Some(number) = self.number(WordKind::Channel, channel.as_str()).await? else {
            return Ok(Vec::new());
        };
        let mut chosen: Vec<i64> = Vec::new();
        let mut after = (i64::MIN, 0_i64, 0_i64);
        while chosen.len() < limit {
            let sql = self
                .inner
                .readers
                .sql(
                    "SELECT seq, id, coalesce(parent, seq), coalesce(nth, 0) FROM message
                 WHERE channel = $1 AND state = 0 AND coalesce(parent, seq) >= $2
                   AND (coalesce(parent, seq), coalesce(nth, 0), seq) > ($2, $3, $4)
                 ORDER BY coalesce(parent, seq), coalesce(nth, 0), seq LIMIT $5 + 0",
                )
                .bind(number)
                .bind(after.0)
                .bind(after.1)
                .bind(after.2)
                .bind(PAGE as i64);
            let page = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
            for row in &page {
                let at = |column: usize| row.get::<i64>(column).map_err(unavailable);
                after = (at(2)?, at(3)?, at(0)?);
                let id = MessageId(row.id(1).map_err(unavailable)?);
                if chosen.len() < limit && !skip(id) {
                    chosen.push(row.get(0).map_err(unavailable)?);
                }
            }
            if page.len() < PAGE {
                break;
            }
        }
        let mut messages = Vec::with_capacity(chosen.len());
        for chunk in chosen.chunks(BODIES) {
            messages.extend(self.envelopes(chunk, channel).await.map_err(unavailable)?);
        }
        Ok(messages)
    }

    async fn reopen(&self, id: MessageId) -> Result<bool, StoreError> {
        match self.inner.writer.ask(Work::Reopen { id }).await? {
            Answer::Flag(is_open) => Ok(is_open),
            _ => Err(closed()),
        }
    }

    async fn find(&self, query: &MessageQuery) -> Result<Vec<MessageRow>, StoreError> {
        self.find_messages(query).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageDetail>, StoreError> {
        let mut sql = self.inner.readers.sql(ROW);
        sql.push(" WHERE m.id = ").push_bind(id.0);
        let row = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
        let Some(row) = row else { return Ok(None) };
        let seq: i64 = row.get(0).map_err(unavailable)?;
        self.know(std::slice::from_ref(&row), 2).await?;
        let row = read_row(&row, &self.inner.words)?;
        let sql = self
            .inner
            .readers
            .sql(
                "SELECT b.body, m.peer_address, m.peer_identity, t.notes, t.wrote
             FROM message m JOIN message_body b ON b.seq = m.seq LEFT JOIN message_trace t ON t.seq = m.seq
             WHERE m.seq = $1",
            )
            .bind(seq);
        let rest = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
        // Pruned between the two statements.
        let Some(rest) = rest else { return Ok(None) };
        let text = |column: usize| rest.get::<Option<String>>(column).map_err(unavailable);
        let body: Vec<u8> = rest.get(0).map_err(unavailable)?;
        let peer = [text(1)?, text(2)?].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let (notes, wrote) = (trace::notes(text(3)?.as_deref()), trace::wrote(text(4)?.as_deref()));
        let parcels = self.parcels_of(seq).await?;
        let pieces = match row.state {
            // Also one that is being split again.
            MessageState::Split { .. } | MessageState::Received => self.counts(seq).await?,
            _ => Counts::default(),
        };
        Ok(Some(MessageDetail { row, raw: Raw(Bytes::from(body)), peer, notes, wrote, parcels, pieces }))
    }

    async fn state(&self, id: MessageId) -> Result<Option<MessageState>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql(
                "SELECT m.state, t.step, t.place, t.rule, t.reason
             FROM message m LEFT JOIN message_trace t ON t.seq = m.seq WHERE m.id = $1 AND m.state > 0",
            )
            .bind(id.0);
        let row = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
        row.map(|row| read_state(&row, 0, 1)).transpose()
    }

    async fn tally(&self) -> Result<Vec<Tally>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql("SELECT word, state, count FROM tally WHERE kind = $1 AND count > 0")
            .bind(TALLY_MESSAGES);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        self.know(&rows, 0).await?;
        let tally = |row: Record| {
            let count: i64 = row.get(2).map_err(unavailable)?;
            Ok(Tally {
                channel: channel_name(&self.inner.words, row.get(0).map_err(unavailable)?)?,
                state: state_name(row.get(1).map_err(unavailable)?)?,
                count: count.unsigned_abs(),
            })
        };
        rows.into_iter().map(tally).collect()
    }

    async fn prune(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        self.retire(clock::micros(before), limit).await
    }
}

impl Store {
    /// Messages with their bodies, in the order of arrival.
    async fn envelopes(&self, seqs: &[i64], channel: &ChannelId) -> Result<Vec<Envelope<Raw>>, sqlx::Error> {
        let mut sql = self.inner.readers.sql(
            "SELECT m.id, m.dedupe, m.digest, m.message_type, m.control_id, m.sender, m.correlation, m.received_us,
                    m.peer_address, m.peer_identity, b.body, m.nth,
                    (SELECT p.id FROM message p WHERE p.seq = m.parent)
             FROM message m JOIN message_body b ON b.seq = m.seq WHERE m.seq IN (",
        );
        sql.push_list(seqs.iter().copied());
        sql.push(") ORDER BY coalesce(m.parent, m.seq), coalesce(m.nth, 0)");
        let rows = self.inner.readers.fetch_all(sql).await?;
        rows.iter().map(|row| envelope(row, channel)).collect()
    }

    /// How many pieces of a message are in each state.
    async fn counts(&self, parent: i64) -> Result<Counts, StoreError> {
        let sql = self
            .inner
            .readers
            .sql("SELECT state, count(*) FROM message WHERE parent = $1 GROUP BY state")
            .bind(parent);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let mut counts = Counts::default();
        for row in rows {
            let state = state_name(row.get(0).map_err(unavailable)?)?;
            let at = StateName::ALL.iter().position(|one| *one == state);
            let count: i64 = row.get(1).map_err(unavailable)?;
            if let Some(count_of) = at.and_then(|at| counts.get_mut(at)) {
                *count_of = count.unsigned_abs();
            }
        }
        Ok(counts)
    }

    async fn parcels_of(&self, message: i64) -> Result<Vec<ParcelRow>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql(
                "SELECT id, dest, state, attempts, due_us, error FROM parcel WHERE message = $1 ORDER BY seq",
            )
            .bind(message);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        self.know(&rows, 1).await?;
        let parcel = |row: Record| {
            let state: i64 = row.get(2).map_err(unavailable)?;
            let state = usize::try_from(state).ok().and_then(|at| ParcelState::ALL.get(at).copied());
            let dest = row.get(1).map_err(unavailable)?;
            Ok(ParcelRow {
                id: ParcelId(row.id(0).map_err(unavailable)?),
                to: self.inner.words.name(dest).ok_or_else(|| damaged("destination"))?.into(),
                state: state.ok_or_else(|| damaged("state of a parcel"))?,
                attempts: u32::try_from(row.get::<i64>(3).map_err(unavailable)?).unwrap_or(u32::MAX),
                next_at: row.get::<Option<i64>>(4).map_err(unavailable)?.map(clock::moment),
                error: row.get(5).map_err(unavailable)?,
            })
        };
        rows.into_iter().map(parcel).collect()
    }
}

pub(crate) fn envelope(row: &Record, channel: &ChannelId) -> Result<Envelope<Raw>, sqlx::Error> {
    let text = |column: usize| row.get::<&str>(column).map(CompactString::new);
    let label =
        |column: usize| Ok::<_, sqlx::Error>(row.get::<Option<&str>>(column)?.map(CompactString::new));
    let digest: &[u8] = row.get(2)?;
    let address: Option<&str> = row.get(8)?;
    let head = Head {
        id: MessageId(row.id(0)?),
        channel: channel.clone(),
        dedupe: DedupeKey(text(1)?),
        digest: Digest(digest.try_into().map_err(|_| sqlx::Error::Decode("a digest has 16 bytes".into()))?),
        label: Label { message_type: label(3)?, control_id: label(4)?, sender: label(5)? },
        correlation: CorrelationId(text(6)?),
        received_at: clock::moment(row.get(7)?),
        peer: Peer { address: address.and_then(|address| address.parse().ok()), identity: row.get(9)? },
        parent: parent(row, 11, 12)?,
    };
    Ok(Envelope { head, body: Raw(Bytes::from(row.get::<Vec<u8>>(10)?)) })
}

/// Reads a row of [`ROW`].
pub(crate) fn read_row(row: &Record, words: &Words) -> Result<MessageRow, StoreError> {
    let text = |column: usize| {
        let text = row.get::<Option<&str>>(column).map_err(unavailable)?;
        Ok::<_, StoreError>(text.map(CompactString::new))
    };
    let ended: Option<i64> = row.get(7).map_err(unavailable)?;
    Ok(MessageRow {
        id: MessageId(row.id(1).map_err(unavailable)?),
        channel: channel_name(words, row.get(2).map_err(unavailable)?)?,
        label: Label { message_type: text(3)?, control_id: text(4)?, sender: text(5)? },
        received_at: clock::moment(row.get(6).map_err(unavailable)?),
        ended_at: ended.map(clock::moment),
        state: read_state(row, 8, 13)?,
        size: row.get::<i64>(9).map_err(unavailable)?.unsigned_abs(),
        reused_control_id: row.get::<i64>(10).map_err(unavailable)? == 1,
        replays: u32::try_from(row.get::<i64>(11).map_err(unavailable)?).unwrap_or(u32::MAX),
        keys: trace::keys(row.get(12).map_err(unavailable)?),
        parent: parent(row, 17, 18).map_err(unavailable)?,
        answered: answered(row, 19).map_err(unavailable)?,
        imported_at: row.get::<Option<i64>>(21).map_err(unavailable)?.map(clock::moment),
    })
}

/// What a message is a piece of: which of the pieces, and the id.
fn parent(row: &Record, nth: usize, id: usize) -> Result<Option<Parent>, sqlx::Error> {
    let (nth, id): (Option<i64>, _) = (row.get(nth)?, row.id_or_none(id)?);
    let nth = nth.and_then(|nth| u32::try_from(nth).ok());
    Ok(id.zip(nth).map(|(id, nth)| Parent { id: MessageId(id), nth }))
}

/// What the sender was answered, and when.
fn answered(row: &Record, column: usize) -> Result<Option<Answered>, sqlx::Error> {
    let (kind, at): (Option<i64>, Option<i64>) = (row.get(column)?, row.get(column + 1)?);
    let kind = kind.and_then(|kind| AnswerName::ALL.get(usize::try_from(kind).ok()?).copied());
    Ok(kind.zip(at).map(|(kind, at)| Answered { kind, at: clock::moment(at) }))
}

/// Reads a state of its number and, from `trace` on, step, place, rule and reason.
fn read_state(row: &Record, state: usize, trace: usize) -> Result<MessageState, StoreError> {
    let number: i64 = row.get(state).map_err(unavailable)?;
    let text = |offset: usize| row.get::<Option<String>>(trace + offset).map_err(unavailable);
    match state_name(number)? {
        StateName::Received => Ok(MessageState::Received),
        StateName::Committed => Ok(MessageState::Committed),
        StateName::Filtered => Ok(MessageState::Filtered { rule: text(2)?.unwrap_or_default() }),
        StateName::Split => {
            let pieces = text(3)?.and_then(|count| count.parse().ok());
            Ok(MessageState::Split { pieces: pieces.ok_or_else(|| damaged("number of pieces"))? })
        }
        StateName::Quarantined => {
            let step = text(0)?.and_then(|step| FaultStep::from_name(&step));
            Ok(MessageState::Quarantined(Fault {
                step: step.ok_or_else(|| damaged("step of a fault"))?,
                place: text(1)?,
                rule: text(2)?,
                reason: text(3)?.unwrap_or_default(),
            }))
        }
    }
}

/// The number of a state in the database.
pub(crate) fn state_number(state: StateName) -> i64 {
    match state {
        StateName::Received => RECEIVED,
        StateName::Committed => COMMITTED,
        StateName::Filtered => FILTERED,
        StateName::Quarantined => QUARANTINED,
        StateName::Split => SPLIT,
    }
}

pub(crate) fn state_name(number: i64) -> Result<StateName, StoreError> {
    let state = StateName::ALL.into_iter().find(|state| state_number(*state) == number);
    state.ok_or_else(|| damaged("state of a message"))
}

pub(crate) fn channel_name(words: &Words, number: i64) -> Result<ChannelId, StoreError> {
    words.name(number).map(ChannelId).ok_or_else(|| damaged("channel"))
}
