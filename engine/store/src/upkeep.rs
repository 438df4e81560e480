//! Keeps the store small: trails that are old are forgotten, and SQLite's file gives back what nothing is kept in.

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::store::{Imported, StateName, StoreError, Upkeep as Keeping};
use time::OffsetDateTime;

use crate::archiving::{Entry, entries};
use crate::clock;
use crate::database::Readers;
use crate::error::{closed, unavailable};
use crate::open::Store;
use crate::writer::{Answer, Trim, Upkeep, Work};

/// How many versions are looked at in one statement.
const VERSIONS: i64 = 1_000;
/// How many pages one transaction gives back: a few milliseconds of the writer.
const PAGES: u32 = 256;
/// So many free pages are never given back: what comes fills them again.
const SPARE_PAGES: u64 = 1_024;
/// Nor is this part of the whole.
const SPARE_PART: u64 = 16;

#[async_trait]
impl Keeping for Store {
    async fn forget_audit(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        self.kept(Upkeep::Trim(Trim::Audit { before_us: clock::micros(before), limit })).await
    }

    async fn forget_history(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        let readers = &self.inner.readers;
        let (mut after, mut forgotten) = ((i64::MIN, i64::MIN), 0);
        loop {
            // A version was superseded when the next one was written.
            let page = readers
                .sql(
                    "SELECT h.rid, h.version,
                            coalesce((SELECT n.updated_us FROM history n WHERE n.rid = h.rid AND n.version = h.version + 1),
                                     (SELECT r.updated_us FROM resource r WHERE r.rid = h.rid))
                     FROM history h WHERE (h.rid, h.version) > ($1, $2) ORDER BY h.rid, h.version LIMIT $3 + 0",
                )
                .bind(after.0)
                .bind(after.1)
                .bind(VERSIONS);
            let page = readers.fetch_all(page).await.map_err(unavailable)?;
            let mut old = Vec::new();
            for row in &page {
                let at = |column: usize| row.get::<i64>(column).map_err(unavailable);
                after = (at(0)?, at(1)?);
                let superseded_us: Option<i64> = row.get(2).map_err(unavailable)?;
                if superseded_us.is_some_and(|at| at < clock::micros(before)) {
                    old.push(after);
                }
            }
            if !old.is_empty() {
                forgotten += self.kept(Upkeep::Trim(Trim::History(old))).await?;
            }
            if page.len() < VERSIONS as usize {
                return Ok(forgotten);
            }
        }
    }

    async fn shrink(&self) -> Result<u64, StoreError> {
        let Readers::Sqlite(_) = &self.inner.readers else { return Ok(0) };
        let (mode, page) = (self.pragma("PRAGMA auto_vacuum").await?, self.pragma("PRAGMA page_size").await?);
        const INCREMENTAL: u64 = 2;
        let (free, pages) =
            (self.pragma("PRAGMA freelist_count").await?, self.pragma("PRAGMA page_count").await?);
        let spare = (pages / SPARE_PART).max(SPARE_PAGES);
        // Not for little: giving back and taking again is work for nothing.
        if mode != INCREMENTAL || free < spare * 2 {
            return Ok(0);
        }
        let mut given = 0;
        while given < free - spare {
            match self.kept(Upkeep::Shrink { pages: PAGES }).await? {
                0 => break,
                slice => given += slice,
            }
        }
        Ok(given * page)
    }

    async fn index_anew(&self, limit: u32) -> Result<u64, StoreError> {
        self.index_some(limit).await
    }

    async fn import(&self, archived: Bytes) -> Result<Imported, StoreError> {
        let wrong = |what: &str| StoreError::Invalid { what: what.to_owned() };
        let read = tokio::task::spawn_blocking(move || entries(&archived)).await;
        let read = read.map_err(|error| StoreError::Unavailable(error.into()))?;
        let entries = read.map_err(|error| wrong(&format!("these are no archived messages: {error}")))?;
        if entries.iter().any(|entry| !has_ended(entry)) {
            return Err(wrong("an archived message must have ended: its state is not one of the ends"));
        }
        match self.inner.writer.ask(Work::Upkeep(Upkeep::Import(entries))).await? {
            Answer::Imported(imported) => Ok(imported),
            _ => Err(closed()),
        }
    }
}

fn has_ended(entry: &Entry) -> bool {
    StateName::from_name(&entry.head.state).is_some_and(|state| state != StateName::Received)
}

impl Store {
    async fn kept(&self, upkeep: Upkeep) -> Result<u64, StoreError> {
        match self.inner.writer.ask(Work::Upkeep(upkeep)).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(closed()),
        }
    }

    async fn pragma(&self, pragma: &'static str) -> Result<u64, StoreError> {
        let row = self.inner.readers.fetch_one(self.inner.readers.sql(pragma)).await.map_err(unavailable)?;
        Ok(row.get::<i64>(0).map_err(unavailable)?.unsigned_abs())
    }
}
