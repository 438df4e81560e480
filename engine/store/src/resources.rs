//! The FHIR store: current versions, older ones, searches and commits.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::commit::Commit;
use hub_core::store::{Cause, ChangesQuery, Committed, Resources, Searches, StoreError, VersionPlace};
use hub_fhir::Reference;
use hub_fhir::parameters::Parameters;
use hub_fhir::search::{Page, Search, Stored};
use tracing::warn;

use crate::clock;
use crate::database::Record;
use crate::error::{closed, unavailable};
use crate::open::Store;
use crate::parameters::search_parameter;
use crate::search::Searcher;
use crate::writer::{Answer, Draft, Work};

impl Store {
    pub(crate) fn searcher(&self) -> Searcher<'_> {
        Searcher { words: &self.inner.words, readers: &self.inner.readers }
    }
}

#[async_trait]
impl Searches for Store {
    async fn search_across(&self, searches: &[Search]) -> Result<Page, StoreError> {
        self.searcher().run(searches).await
    }

    fn parameters(&self) -> Arc<Parameters> {
        Arc::clone(&self.inner.words.in_force().parameters)
    }

    async fn unindexed(&self) -> Result<u64, StoreError> {
        self.stale().await
    }
}

#[async_trait]
impl Resources for Store {
    async fn read(&self, reference: &Reference) -> Result<Option<Stored>, StoreError> {
        let sql = self
            .inner
            .readers
            .sql("SELECT version, updated_us, deleted, body FROM resource WHERE type = $1 AND id = $2")
            .bind(self.inner.words.kind(reference.kind))
            .bind(reference.id.as_str());
        let row = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
        row.map(|row| stored(reference.clone(), &row)).transpose().map_err(unavailable)
    }

    async fn vread(&self, reference: &Reference, version: u64) -> Result<Option<Stored>, StoreError> {
        let before = version.checked_add(1);
        let found = self.history(reference, before, 1).await?;
        Ok(found.into_iter().find(|stored| stored.version == version))
    }

    async fn history(
        &self,
        reference: &Reference,
        before: Option<u64>,
        count: u32,
    ) -> Result<Vec<Stored>, StoreError> {
        let before = before.and_then(|version| i64::try_from(version).ok()).unwrap_or(i64::MAX);
        // One statement, so that a version is not seen twice or missed while it is superseded.
        let sql = self
            .inner
            .readers
            .sql(
                "SELECT version, updated_us, deleted, body FROM
                 (SELECT r.version, r.updated_us, r.deleted, r.body FROM resource r
                 WHERE r.type = $1 AND r.id = $2 AND r.version < $3
                 UNION ALL
                 SELECT * FROM
                 (SELECT h.version, h.updated_us, h.deleted, h.body FROM history h
                 WHERE h.rid = (SELECT r.rid FROM resource r WHERE r.type = $1 AND r.id = $2) AND
                 h.version < $3
                 ORDER BY h.version DESC LIMIT $4 + 0) older) versions
                 ORDER BY version DESC LIMIT $4 + 0",
            )
            .bind(self.inner.words.kind(reference.kind))
            .bind(reference.id.as_str())
            .bind(before)
            .bind(i64::from(count));
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        rows.iter().map(|row| stored(reference.clone(), row)).collect::<Result<_, _>>().map_err(unavailable)
    }

    async fn changes(&self, query: &ChangesQuery) -> Result<Vec<(Stored, VersionPlace)>, StoreError> {
        self.find_changes(query).await
    }

    async fn commit(&self, cause: Cause, commit: Commit) -> Result<Committed, StoreError> {
        let generation = self.inner.words.in_force().generation;
        let mut guards = Vec::with_capacity(commit.guards.len());
        for guard in &commit.guards {
            guards.push(self.searcher().guard(guard).await?);
        }
        let draft = Draft::of(commit, &self.inner.words);
        let draft = Draft { guards, generation: generation.min(draft.generation), ..draft };
        let Answer::Committed(committed) = self.inner.writer.ask(Work::Commit { cause, draft }).await? else {
            return Err(closed());
        };
        if committed.wrote.iter().any(|(reference, _)| reference.kind == search_parameter())
            && let Err(error) = self.refresh_parameters().await
        {
            warn!(%error, "Search parameters have changed, which is not in force yet; it will be tried again.");
        }
        Ok(committed)
    }
}

/// Reads version, time, deletion and text from the first columns of a row.
pub(crate) fn stored(reference: Reference, row: &Record) -> Result<Stored, sqlx::Error> {
    Ok(Stored {
        reference,
        version: row.get::<i64>(0)?.unsigned_abs(),
        updated: clock::moment(row.get(1)?),
        deleted: row.get::<i64>(2)? == 1,
        body: Bytes::from(row.get::<Vec<u8>>(3)?),
    })
}
