//! Makes search rows anew of resources that an earlier version of the program has written.
//!
//! Which they are is known by `indexed` beside each resource, so that nothing else need be remembered: the work can stop anywhere, and
//! what a node of the earlier version writes in between is found as well.

use hub_core::store::{Indexing, StoreError, UNINDEXED_MOST};
use hub_fhir::full_text::FullText;
use hub_fhir::index::{Aspect, ParamId};
use hub_fhir::json::{self, Json};
use hub_fhir::search::{Filter, FilterOn, Search, Sort, SortOn, Test};
use hub_fhir::{ResourceType, index, params};
use tracing::warn;

use crate::database::{Readers, Record};
use crate::entries::{Beside, Entry, entries, stale};
use crate::error::{closed, unavailable};
use crate::open::Store;
use crate::words::Words;
use crate::writer::{Answer, Indexed, Upkeep, Within, Work};

impl Store {
    /// Takes some of the stale resources and makes their rows anew.
    pub(crate) async fn index_some(&self, limit: u32) -> Result<u64, StoreError> {
        let mut sql = self.inner.readers.sql(
            "SELECT r.rid, r.type, r.version, r.deleted, r.body, CAST(r.rows AS TEXT), CAST(r.more AS TEXT), r.indexed FROM resource r WHERE ",
        );
        sql.push(stale!()).push_limit(limit);
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
        let stale = left(&self.inner.readers, &self.inner.words, None).await?;
        Ok((stale + self.left_to_walk().await?).min(UNINDEXED_MOST))
    }
}

/// How many are stale: all, or those of a type whose rows are of a generation before this one.
async fn left(
    readers: &Readers,
    words: &Words,
    before: Option<(ResourceType, i64)>,
) -> Result<u64, StoreError> {
    let mut sql = readers.sql("SELECT count(*) FROM (SELECT 1 FROM resource r WHERE ");
    sql.push(stale!());
    if let Some((kind, generation)) = before {
        sql.push(" AND r.type = ").push_bind(words.kind(kind));
        sql.push(" AND r.indexed - r.version * 256 < ").push_bind(generation);
    }
    sql.push_limit(UNINDEXED_MOST).push(") c");
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
    let has_full_text = kind.is_some_and(|kind| words.has_full_text(kind));
    let Read { after, full_text, within } = match kind {
        _ if is_deleted => Read::default(),
        Some(kind) => read(kind, row.get(4)?, words).unwrap_or_else(|| {
            warn!(%kind, rid, "A stored resource cannot be read; it is found as before.");
            Read { after: before.clone(), ..Read::default() }
        }),
        None => Read { after: before.clone(), ..Read::default() },
    };
    let (version, was_indexed) = (row.get::<i64>(2)?.unsigned_abs(), row.get(7)?);
    Ok(Indexed { rid, version, was_indexed, before, after, has_full_text, full_text, within })
}

/// What this program makes of a resource.
#[derive(Default)]
struct Read {
    after: Vec<Entry>,
    full_text: Option<FullText>,
    within: Vec<Within>,
}

fn read(kind: ResourceType, body: &[u8], words: &Words) -> Option<Read> {
    match json::parse(std::str::from_utf8(body).ok()?) {
        Ok(Json::Object(tree)) => {
            let full_text = words.has_full_text(kind).then(|| FullText::of(kind, &tree));
            let after = entries(&index::rows_of(kind, &tree, &words.in_force().parameters), words);
            Some(Read { after, full_text, within: Within::all_of(&tree, words) })
        }
        _ => None,
    }
}

/// What a search looks at, by how long there have been rows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    /// Rows that every generation has.
    Nothing,
    /// Those of numbers, URIs and composites.
    Numbers,
    /// Those of the aspects of elements.
    Aspects,
    /// The words of texts: where a type is named for them anew, its resources are put back by a generation.
    Texts,
}

impl Needs {
    fn of(on: &FilterOn) -> Self {
        match on {
            FilterOn::Param(id) => Self::of_param(*id),
            FilterOn::Narrative | FilterOn::Content => Needs::Texts,
            FilterOn::Id
            | FilterOn::LastUpdated
            | FilterOn::Pointed
            | FilterOn::Each
            | FilterOn::Contains => Needs::Nothing,
        }
    }

    fn of_param(id: ParamId) -> Self {
        use params::ParamKind::{Composite, Number, Quantity, Uri};
        match params::by_id(id).map(|param| param.kind) {
            Some(Number | Quantity | Uri | Composite) => Needs::Numbers,
            _ => Needs::Nothing,
        }
    }

    /// The first generation that has it.
    fn generation(self) -> i64 {
        match self {
            Needs::Nothing => 0,
            Needs::Numbers => 1,
            Needs::Aspects | Needs::Texts => 2,
        }
    }
}

/// Refuses a search that would not find all while resources of its type are stale: when it looks at what their generation has not; and
/// one for texts that are not kept.
pub(crate) async fn is_whole(readers: &Readers, words: &Words, search: &Search) -> Result<(), StoreError> {
    let mut needed = Vec::new();
    for Sort { on, .. } in &search.sort {
        sort_needs(search.kind, on, &mut needed);
    }
    for filter in &search.filters {
        needs(search.kind, filter, &mut needed)?;
    }
    needed.retain(|(_, needs)| *needs != Needs::Nothing);
    needed.sort_unstable();
    needed.dedup();
    for (kind, needs) in needed {
        if needs == Needs::Texts && !words.has_full_text(kind) {
            let what = format!(
                "`_text` and `_content` of {kind} are not searched: `fhir.search.text` does not name it"
            );
            return Err(StoreError::Invalid { what });
        }
        let left = left(readers, words, Some((kind, needs.generation()))).await?;
        if left > 0 {
            return Err(StoreError::Unavailable(Box::new(Indexing { left })));
        }
    }
    Ok(())
}

/// Adds the types a filter looks at, each with what it looks at there.
fn needs(
    kind: ResourceType,
    filter: &Filter,
    needed: &mut Vec<(ResourceType, Needs)>,
) -> Result<(), StoreError> {
    for test in &filter.any {
        match test {
            Test::Through(to, inner) | Test::From(to, _, inner) => needs(*to, inner, needed)?,
            Test::All(filters) => filters.iter().try_for_each(|filter| needs(kind, filter, needed))?,
            // What is contained came with the aspects.
            Test::Contains(..) => needed.push((kind, Needs::Aspects)),
            Test::Told(_) => {
                let what = "`:in`, `:not-in`, `:above` and `:below` of codes have no place in a condition";
                return Err(StoreError::Invalid { what: what.to_owned() });
            }
            // Meanwhile names are found as before: as they are written.
            Test::Of(Aspect::Spelling, _) => {}
            Test::Of(..) => needed.push((kind, Needs::Aspects)),
            _ => needed.push((kind, Needs::of(&filter.on))),
        }
    }
    Ok(())
}

/// The same of a sort key.
fn sort_needs(kind: ResourceType, on: &SortOn, needed: &mut Vec<(ResourceType, Needs)>) {
    match on {
        SortOn::Param(id) => needed.push((kind, Needs::of_param(*id))),
        SortOn::Through(_, ways) => ways.iter().for_each(|(to, on)| sort_needs(*to, on, needed)),
        SortOn::Id | SortOn::LastUpdated => {}
    }
}
