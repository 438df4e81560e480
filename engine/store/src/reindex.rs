//! Makes search rows anew of resources that an earlier version of the program has written.
//!
//! Which they are is known by `indexed` beside each resource, so that nothing else need be remembered: the work can stop anywhere, and
//! what a node of the earlier version writes in between is found as well.

use hub_core::store::{Indexing, StoreError, UNINDEXED_MOST};
use hub_fhir::json::{self, Json};
use hub_fhir::search::{Filter, FilterOn, Search, Sort, Test};
use hub_fhir::{ResourceType, index, params};
use tracing::warn;

use crate::database::{Readers, Record};
use crate::entries::{Beside, Entry, entries};
use crate::error::{closed, unavailable};
use crate::open::Store;
use crate::words::Words;
use crate::writer::{Answer, Indexed, Upkeep, Work};

/// What says that a resource is stale; the index `resource_stale` has the same words.
const STALE: &str = "r.indexed <> r.version * 256 + 1";

impl Store {
    /// Takes some of the stale resources and makes their rows anew.
    pub(crate) async fn index_some(&self, limit: u32) -> Result<u64, StoreError> {
        let mut sql = self.inner.readers.sql(
            "SELECT r.rid, r.type, r.version, r.deleted, r.body, CAST(r.rows AS TEXT), CAST(r.more AS TEXT), r.indexed FROM resource r WHERE ",
        );
        sql.push(STALE).push(" LIMIT ").push_bind(limit);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        if rows.is_empty() {
            return self.walk_some(limit).await;
        }
        let words = std::sync::Arc::clone(&self.inner.words);
        let by = words.in_force().generation;
        let made = tokio::task::spawn_blocking(move || {
            rows.iter().map(|row| anew(row, &words)).collect::<Result<Vec<_>, _>>()
        });
        let made = made.await.map_err(|error| StoreError::Unavailable(error.into()))?.map_err(unavailable)?;
        let count = made.len() as u64;
        match self.inner.writer.ask(Work::Upkeep(Upkeep::Index { by, made })).await? {
            Answer::Count(_) => Ok(count),
            _ => Err(closed()),
        }
    }

    /// How many are stale or are still to be walked over, counted up to a bound.
    pub(crate) async fn stale(&self) -> Result<u64, StoreError> {
        let stale = stale(&self.inner.readers, &self.inner.words, None).await?;
        Ok((stale + self.left_to_walk().await?).min(UNINDEXED_MOST))
    }
}

async fn stale(readers: &Readers, words: &Words, kind: Option<ResourceType>) -> Result<u64, StoreError> {
    let mut sql = readers.sql("SELECT count(*) FROM (SELECT 1 FROM resource r WHERE ");
    sql.push(STALE);
    if let Some(kind) = kind {
        sql.push(" AND r.type = ").push_bind(words.kind(kind));
    }
    sql.push(" LIMIT ").push_bind(UNINDEXED_MOST).push(") c");
    let row = readers.fetch_one(sql).await.map_err(unavailable)?;
    Ok(row.get::<i64>(0).map_err(unavailable)?.unsigned_abs())
}

/// A resource with the rows this program makes of it.
pub(crate) fn anew(row: &Record, words: &Words) -> Result<Indexed, sqlx::Error> {
    let beside =
        Beside { rows: row.get::<&str>(5)?.into(), more: row.get::<Option<&str>>(6)?.map(Into::into) };
    let before = beside.entries();
    let kind = words.kind_back(row.get(1)?);
    let is_deleted = row.get::<i64>(3)? == 1;
    let rid = row.get(0)?;
    let after = match kind {
        _ if is_deleted => Vec::new(),
        Some(kind) => read(kind, row.get(4)?, words).unwrap_or_else(|| {
            warn!(%kind, rid, "A stored resource cannot be read; it is found as before.");
            before.clone()
        }),
        None => before.clone(),
    };
    let (version, was_indexed) = (row.get::<i64>(2)?.unsigned_abs(), row.get(7)?);
    Ok(Indexed { rid, version, was_indexed, before, after })
}

fn read(kind: ResourceType, body: &[u8], words: &Words) -> Option<Vec<Entry>> {
    match json::parse(std::str::from_utf8(body).ok()?) {
        Ok(Json::Object(tree)) => {
            Some(entries(&index::rows_of(kind, &tree, &words.in_force().parameters), words))
        }
        _ => None,
    }
}

/// Refuses a search that would not find all while resources of its type are stale. Earlier versions made rows of tokens, strings,
/// references and dates as this one does.
pub(crate) async fn is_whole(readers: &Readers, words: &Words, search: &Search) -> Result<(), StoreError> {
    let mut kinds = Vec::new();
    if search.sort.iter().any(|Sort { on, .. }| is_new(on)) {
        kinds.push(search.kind);
    }
    for filter in &search.filters {
        asked_anew(search.kind, filter, &mut kinds);
    }
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let left = stale(readers, words, Some(kind)).await?;
        if left > 0 {
            return Err(StoreError::Unavailable(Box::new(Indexing { left })));
        }
    }
    Ok(())
}

/// Adds the types of which a filter compares what earlier versions did not index.
fn asked_anew(kind: ResourceType, filter: &Filter, kinds: &mut Vec<ResourceType>) {
    for test in &filter.any {
        match test {
            Test::Through(to, inner) | Test::From(to, _, inner) => asked_anew(*to, inner, kinds),
            _ if is_new(&filter.on) => kinds.push(kind),
            _ => {}
        }
    }
}

fn is_new(on: &FilterOn) -> bool {
    use params::ParamKind::{Composite, Number, Quantity, Uri};
    let FilterOn::Param(id) = on else { return false };
    params::by_id(*id).is_some_and(|param| matches!(param.kind, Number | Quantity | Uri | Composite))
}
