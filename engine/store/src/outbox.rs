//! The outbox: parcels owed, leased and settled.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use hub_core::commit::{Commit, Parcel};
use hub_core::destination::DeliveryError;
use hub_core::id::{CorrelationId, DestinationId, ParcelId};
use hub_core::store::{Leased, Outbox, ParcelState, QueueDepth, RetryWhich, Settlement, StoreError};
use time::OffsetDateTime;

use crate::clock;
use crate::database::Record;
use crate::error::{closed, damaged, unavailable};
use crate::leases::{Lease, Queue, Taken};
use crate::open::Store;
use crate::words::WordKind;
use crate::writer::{Answer, Draft, PENDING, Settle, TALLY_PARCELS, Work};

const DELIVERED: i64 = 1;
const GIVEN_UP: i64 = 2;
const IN_DOUBT: i64 = 3;

#[async_trait]
impl Outbox for Store {
    async fn lease(
        &self,
        to: &DestinationId,
        limit: usize,
        hold: Duration,
    ) -> Result<Vec<Leased>, StoreError> {
        let Some(dest) = self.number(WordKind::Destination, to.as_str()).await? else {
            return Ok(Vec::new());
        };
        let queue = self.inner.queues.of(to);
        let _turn = queue.turn.lock().await;
        let held = queue.begin_look();
        // Read before the look: what becomes due while it is under way makes it be repeated.
        let (dues, now) = (self.inner.dues.of(dest), clock::now());
        if queue.quiet_until(dues).is_some_and(|next| next.is_none_or(|next| now < next)) {
            return Ok(Vec::new());
        }
        // One more than can be taken: the next that is due later, without its text.
        let most = limit.saturating_add(held).saturating_add(1);
        let sql = self
            .inner
            .readers
            .sql(
                "SELECT p.seq, p.id, p.okey, p.due_us, p.created_us, p.attempts, p.doubt, p.begun,
                 p.correlation,
                 b.content_type, b.body
                 FROM parcel p LEFT JOIN parcel_body b ON b.seq = p.seq AND p.due_us <= $2
                 WHERE p.dest = $1 AND p.due_us IS NOT NULL ORDER BY p.due_us, p.seq LIMIT $3 + 0",
            )
            .bind(dest)
            .bind(now)
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let mut leased = Vec::with_capacity(limit.min(rows.len()));
        let mut begun = Vec::with_capacity(leased.capacity());
        // Whether all that is due is taken now or was held before.
        let mut is_all = true;
        let mut next_us = None;
        for row in &rows {
            let due_us: i64 = row.get(3).map_err(unavailable)?;
            if due_us > now {
                next_us = Some(due_us);
                break;
            }
            if leased.len() == limit {
                is_all = false;
                break;
            }
            let found = read_due(row, to).map_err(unavailable)?;
            let lease =
                Lease::new(found.seq, found.parcel.order_key.clone(), found.attempts, found.due_us, hold);
            let token = self.inner.tokens.fetch_add(1, Ordering::Relaxed);
            let in_doubt = match queue.take(token, lease, found.in_doubt) {
                Taken::Leased { in_doubt } => in_doubt,
                Taken::Held => continue,
                Taken::KeyHeld => {
                    is_all = false;
                    continue;
                }
            };
            begun.push(found.seq);
            leased.push(Leased {
                parcel: found.parcel,
                attempt: u32::try_from(found.attempts + 1).unwrap_or(u32::MAX),
                owed_since: found.owed_since,
                in_doubt,
                token,
            });
        }
        let was_seen_whole = next_us.is_some() || rows.len() < most;
        if is_all && was_seen_whole {
            queue.rest(dues, next_us);
        }
        if !begun.is_empty() {
            self.inner.begun.mark(begun);
        }
        Ok(leased)
    }

    async fn settle(&self, leased: &Leased, settlement: Settlement) -> Result<bool, StoreError> {
        let to = &leased.parcel.to;
        let Some(dest) = self.number(WordKind::Destination, to.as_str()).await? else {
            return Ok(false);
        };
        let Some(settling) = self.inner.queues.of(to).settle(leased.token) else { return Ok(false) };
        let lease = &settling.lease;
        self.inner.begun.forget(lease.seq);
        let mut settle = Settle {
            seq: lease.seq,
            id: leased.parcel.id,
            dest,
            to: to.clone(),
            order_key: lease.key.clone(),
            state: PENDING,
            due_us: None,
            attempts: lease.attempts + 1,
            doubt: lease.in_doubt,
            error: None,
            answer: None,
            draft: None,
        };
        match settlement {
            Settlement::Delivered(delivered, commit) => {
                settle.state = DELIVERED;
                settle.doubt = false;
                settle.answer = delivered.answer;
                settle.draft = self.draft(commit)?;
            }
            Settlement::Again { at, error } => {
                settle.due_us = Some(clock::micros(at));
                settle.fail(&error);
            }
            Settlement::GiveUp(error, commit) => {
                settle.state = GIVEN_UP;
                settle.fail(&error);
                settle.draft = self.draft(commit)?;
            }
            Settlement::Doubt(error, commit) => {
                settle.state = IN_DOUBT;
                settle.fail(&error);
                settle.doubt = true;
                settle.draft = self.draft(commit)?;
            }
            Settlement::Untried => {
                settle.due_us = Some(lease.due_us);
                settle.attempts = lease.attempts;
            }
        }
        let seq = settle.seq;
        let asked = self.inner.writer.ask(Work::Settle(Box::new(settle))).await;
        if let Err(error) = asked {
            // It is held on, and the delivery has still begun.
            self.inner.begun.mark([seq]);
            return Err(error);
        }
        settling.done();
        Ok(true)
    }

    async fn answer(&self, id: ParcelId) -> Result<Option<(ParcelState, Option<Bytes>)>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql(
                "SELECT p.state, b.answer FROM parcel p LEFT JOIN parcel_body b ON b.seq = p.seq
                 WHERE p.id = $1",
            )
            .bind(id.0);
        let row = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
        let Some(row) = row else { return Ok(None) };
        let state: i64 = row.get(0).map_err(unavailable)?;
        let state = usize::try_from(state).ok().and_then(|at| ParcelState::ALL.get(at).copied());
        let answer: Option<Vec<u8>> = row.get(1).map_err(unavailable)?;
        Ok(Some((state.ok_or_else(|| damaged("state of a parcel"))?, answer.map(Bytes::from))))
    }

    async fn next_due(&self, to: &DestinationId) -> Result<Option<OffsetDateTime>, StoreError> {
        let Some(dest) = self.number(WordKind::Destination, to.as_str()).await? else { return Ok(None) };
        let queue = self.inner.queues.of(to);
        let next = match queue.quiet_until(self.inner.dues.of(dest)) {
            Some(next_us) => next_us.map(clock::moment),
            None => self.next_free(dest, &queue).await?,
        };
        // A parcel whose lease lapses is due again.
        let lapse = queue.first_lapse().map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            clock::moment(clock::now().saturating_add(i64::try_from(left.as_micros()).unwrap_or(i64::MAX)))
        });
        Ok([next, lapse].into_iter().flatten().min())
    }

    async fn retry(&self, which: &RetryWhich) -> Result<u64, StoreError> {
        let mut retried = 0;
        loop {
            match self.inner.writer.ask(Work::Retry { which: which.clone() }).await? {
                // A long queue is put back in slices, so that nobody waits long behind it.
                Answer::Count(count) if count > 0 && matches!(which, RetryWhich::Destination(_)) => {
                    retried += count;
                }
                Answer::Count(count) => return Ok(retried + count),
                _ => return Err(closed()),
            }
        }
    }

    async fn depth(&self) -> Result<Vec<QueueDepth>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql(
                "SELECT t.word, t.state, t.count,
                    (SELECT p.created_us FROM parcel p WHERE t.state = 0 AND p.dest = t.word AND p.state = 0
                     ORDER BY p.seq LIMIT 1)
             FROM tally t WHERE t.kind = $1 ORDER BY t.word",
            )
            .bind(TALLY_PARCELS);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        self.know(&rows, 0).await?;
        let mut depths: Vec<QueueDepth> = Vec::new();
        for row in rows {
            let name = self.inner.words.name(row.get(0).map_err(unavailable)?);
            let to = DestinationId(name.ok_or_else(|| damaged("destination"))?);
            if depths.last().is_none_or(|depth| depth.to != to) {
                depths.push(QueueDepth { to, counts: [0; 4], oldest: None });
            }
            let state: i64 = row.get(1).map_err(unavailable)?;
            let (Some(depth), Ok(state)) = (depths.last_mut(), usize::try_from(state)) else {
                continue;
            };
            let count: i64 = row.get(2).map_err(unavailable)?;
            if let Some(place) = depth.counts.get_mut(state) {
                *place = count.max(0).unsigned_abs();
            }
            let oldest: Option<i64> = row.get(3).map_err(unavailable)?;
            depth.oldest = depth.oldest.or(oldest.map(clock::moment));
        }
        Ok(depths)
    }
}

impl Store {
    /// What the end of a delivery brings about, made ready.
    fn draft(&self, commit: Option<Box<Commit>>) -> Result<Option<Draft>, StoreError> {
        if commit.as_ref().is_some_and(|commit| !commit.guards.is_empty()) {
            let what = "what an answer brings about cannot be guarded by searches".to_owned();
            return Err(StoreError::Invalid { what });
        }
        Ok(commit.map(|commit| Draft::of(*commit, &self.inner.words)))
    }

    /// When the next parcel that nobody holds is due.
    async fn next_free(&self, dest: i64, queue: &Queue) -> Result<Option<OffsetDateTime>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql(
                "SELECT seq, due_us FROM parcel WHERE dest = $1 AND due_us IS NOT NULL ORDER BY
                 due_us, seq LIMIT $2 + 0",
            )
            .bind(dest)
            .bind(i64::try_from(queue.count().saturating_add(1)).unwrap_or(i64::MAX));
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        for row in rows {
            if !queue.is_held(row.get(0).map_err(unavailable)?) {
                return Ok(Some(clock::moment(row.get(1).map_err(unavailable)?)));
            }
        }
        Ok(None)
    }
}

impl Settle {
    /// What went wrong. A doubt once there stays until the parcel is delivered: asking the peer once more does no harm.
    fn fail(&mut self, error: &DeliveryError) {
        self.doubt |= matches!(error, DeliveryError::InDoubt { .. });
        self.error = Some(CompactString::from(error.to_string()));
    }
}

/// A parcel that is due, as the database has it.
struct Due {
    seq: i64,
    parcel: Parcel,
    due_us: i64,
    owed_since: OffsetDateTime,
    attempts: i64,
    in_doubt: bool,
}

fn read_due(row: &Record, to: &DestinationId) -> Result<Due, sqlx::Error> {
    let parcel = Parcel {
        id: ParcelId(row.id(1)?),
        to: to.clone(),
        order_key: row.get::<Option<&str>>(2)?.map(CompactString::new),
        correlation: CorrelationId(row.get::<&str>(8)?.into()),
        content_type: row.get::<&str>(9)?.into(),
        body: Bytes::from(row.get::<Vec<u8>>(10)?),
    };
    let (doubt, begun): (i64, i64) = (row.get(6)?, row.get(7)?);
    Ok(Due {
        seq: row.get(0)?,
        parcel,
        due_us: row.get(3)?,
        owed_since: clock::moment(row.get(4)?),
        attempts: row.get(5)?,
        in_doubt: doubt == 1 || begun == 1,
    })
}
