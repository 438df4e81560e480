//! The events that wait in the store.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::commit::Wake;
use hub_core::store::StoreError;
use hub_core::wakes::{Waiting, Wakes};
use hub_fhir::Reference;
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::clock;
use crate::error::{damaged, unavailable};
use crate::open::Store;

#[async_trait]
impl Wakes for Store {
    async fn due(&self, now: OffsetDateTime, skip: &[i64], limit: usize) -> Result<Vec<Waiting>, StoreError> {
        let readers = &self.inner.readers;
        let most = i64::try_from(limit.saturating_add(skip.len())).unwrap_or(i64::MAX);
        let sql = readers
            .sql("SELECT seq, at_us, event, subject FROM wake WHERE at_us <= $1 ORDER BY at_us, seq LIMIT $2 + 0")
            .bind(clock::micros(now))
            .bind(most);
        let rows = readers.fetch_all(sql).await.map_err(unavailable)?;
        let mut due = Vec::with_capacity(rows.len().min(limit));
        for row in &rows {
            let number: i64 = row.get(0).map_err(unavailable)?;
            if due.len() == limit || skip.contains(&number) {
                continue;
            }
            let at_us: i64 = row.get(1).map_err(unavailable)?;
            let event: String = row.get(2).map_err(unavailable)?;
            let subject: String = row.get(3).map_err(unavailable)?;
            let subject = Reference::parse(&subject).map_err(|_| damaged("subject of an event"))?;
            due.push(Waiting {
                number,
                wake: Wake { at: clock::moment(at_us), event: event.into(), subject },
            });
        }
        Ok(due)
    }

    async fn next(&self, now: OffsetDateTime) -> Result<Option<OffsetDateTime>, StoreError> {
        let readers = &self.inner.readers;
        let sql = readers.sql("SELECT min(at_us) FROM wake WHERE at_us > $1").bind(clock::micros(now));
        let row = readers.fetch_optional(sql).await.map_err(unavailable)?;
        let Some(row) = row else { return Ok(None) };
        let at_us: Option<i64> = row.get(0).map_err(unavailable)?;
        Ok(at_us.map(clock::moment))
    }

    fn raised(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.raised)
    }
}
