//! Indexes the resources of a type whose parameters have changed, in the order of their ids: some at a time, stopped anywhere.

use std::collections::HashSet;

use hub_core::store::{Indexing, StoreError, UNINDEXED_MOST};
use hub_fhir::ResourceType;
use hub_fhir::index::ParamId;
use hub_fhir::parameters::Parameters;
use hub_fhir::params::{Param, ParamKind, by_id};
use hub_fhir::search::{Filter, FilterOn, Include, Search, SortOn, Test};

use crate::database::Readers;
use crate::error::{closed, unavailable};
use crate::open::Store;
use crate::reindex::anew;
use crate::words::Words;
use crate::writer::{Answer, Step, Upkeep, Work};

/// How far a type is.
struct Stand {
    kind: i64,
    generation: i64,
    whole: i64,
    place: String,
}

const STANDS: &str = "SELECT type, generation, whole, place FROM parameter_type";

impl Store {
    /// The types that are not indexed by all of their parameters yet.
    pub(super) async fn walked_types(&self) -> Result<HashSet<ResourceType>, StoreError> {
        let stands = stands(&self.inner.readers).await?;
        let open = stands.iter().filter(|stand| stand.whole < stand.generation);
        Ok(open.filter_map(|stand| self.inner.words.kind_back(stand.kind)).collect())
    }

    /// Goes on with a walk; says how many resources it went over. None: there is nothing to do, or not all nodes index by the set yet.
    pub(crate) async fn walk_some(&self, limit: u32) -> Result<u64, StoreError> {
        for stand in stands(&self.inner.readers).await? {
            if stand.whole == stand.generation || !self.all_index_by(stand.generation).await? {
                continue;
            }
            let count = self.step(&stand, limit).await?;
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }

    /// Whether whatever any node writes from now on is indexed by this generation or a later one.
    async fn all_index_by(&self, generation: i64) -> Result<bool, StoreError> {
        if self.inner.words.in_force().generation < generation {
            return Ok(false);
        }
        let Readers::Postgres(_) = &self.inner.readers else { return Ok(true) };
        let sql = self.inner.readers.sql("SELECT count(*) FROM node WHERE parameters < $1").bind(generation);
        let row = self.inner.readers.fetch_one(sql).await.map_err(unavailable)?;
        Ok(row.get::<i64>(0).map_err(unavailable)? == 0)
    }

    async fn step(&self, stand: &Stand, limit: u32) -> Result<u64, StoreError> {
        let mut sql = self.inner.readers.sql(
            "SELECT r.rid, r.type, r.version, r.deleted, r.body, CAST(r.rows AS TEXT), CAST(r.more AS TEXT), r.indexed, r.id
             FROM resource r WHERE r.deleted = 0 AND r.type = ",
        );
        sql.push_bind(stand.kind).push(" AND r.id > ").push_bind(stand.place.clone());
        sql.push(" ORDER BY r.id").push_limit(limit);
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let count = rows.len() as u64;
        let last = rows.last().map(|row| row.get::<String>(8)).transpose().map_err(unavailable)?;
        let is_over = count < u64::from(limit);
        let words = std::sync::Arc::clone(&self.inner.words);
        // Before the rows are made: a set that is adopted meanwhile has a generation of its own.
        let by = words.in_force().generation;
        let made = tokio::task::spawn_blocking(move || {
            rows.iter().map(|row| anew(row, &words)).collect::<Result<Vec<_>, _>>()
        });
        let made = made.await.map_err(|error| StoreError::Unavailable(error.into()))?.map_err(unavailable)?;
        let step = Step {
            kind: stand.kind,
            generation: stand.generation,
            by,
            from: stand.place.clone(),
            to: last.filter(|_| !is_over),
            made: made.into_iter().filter(|one| one.before != one.after).collect(),
        };
        match self.inner.writer.ask(Work::Upkeep(Upkeep::Walk(step))).await? {
            Answer::Count(_) if is_over => self.look_again().await.map(|()| count),
            Answer::Count(_) => Ok(count),
            _ => Err(closed()),
        }
    }

    /// Knows at once that a walk is over.
    async fn look_again(&self) -> Result<(), StoreError> {
        self.refresh_parameters().await
    }

    /// How many resources walks have still to go over, counted up to a bound.
    pub(crate) async fn left_to_walk(&self) -> Result<u64, StoreError> {
        let mut left = 0;
        for stand in stands(&self.inner.readers).await? {
            if stand.whole < stand.generation {
                left += left_of(&self.inner.readers, &stand).await?;
            }
        }
        Ok(left.min(UNINDEXED_MOST))
    }
}

async fn stands(readers: &Readers) -> Result<Vec<Stand>, StoreError> {
    let rows = readers.fetch_all(readers.sql(STANDS)).await.map_err(unavailable)?;
    let stand = |row: &crate::database::Record| {
        Ok(Stand { kind: row.get(0)?, generation: row.get(1)?, whole: row.get(2)?, place: row.get(3)? })
    };
    rows.iter().map(stand).collect::<Result<_, sqlx::Error>>().map_err(unavailable)
}

async fn left_of(readers: &Readers, stand: &Stand) -> Result<u64, StoreError> {
    let mut sql =
        readers.sql("SELECT count(*) FROM (SELECT 1 FROM resource r WHERE r.deleted = 0 AND r.type = ");
    sql.push_bind(stand.kind).push(" AND r.id > ").push_bind(stand.place.clone());
    sql.push_limit(UNINDEXED_MOST).push(") c");
    let row = readers.fetch_one(sql).await.map_err(unavailable)?;
    Ok(row.get::<i64>(0).map_err(unavailable)?.unsigned_abs())
}

/// Refuses a search by parameters of the server's own that would not find all. Says whether it has any: then it must be asked again when
/// the search is done, for another node may have begun to index by another set meanwhile.
pub(crate) async fn own_are_whole(
    readers: &Readers,
    words: &Words,
    search: &Search,
) -> Result<bool, StoreError> {
    let in_force = words.in_force();
    let mut used = Vec::new();
    for filter in &search.filters {
        of_filter(filter, &mut used);
    }
    search.sort.iter().for_each(|sort| of_sort(&sort.on, &mut used));
    for include in search.includes.iter().chain(&search.revincludes) {
        of_include(include, &in_force.parameters, &mut used);
    }
    if used.is_empty() {
        return Ok(false);
    }
    let stands = stands(readers).await?;
    for param in used {
        let is_known = in_force.parameters.own(param.base).iter().any(|known| known.id == param.id);
        let Some(since) = in_force.since.get(param.url().as_str()).filter(|_| is_known) else {
            let what = format!("the search parameter `{}` is not in force any more", param.code);
            return Err(StoreError::Invalid { what });
        };
        let kind = words.kind(param.base);
        let Some(stand) = stands.iter().find(|stand| stand.kind == kind) else { continue };
        // What was changed after the set that is known here may have been this parameter.
        if stand.whole < *since || stand.generation > in_force.generation {
            let left = left_of(readers, stand).await?;
            return Err(StoreError::Unavailable(Box::new(Indexing { left })));
        }
    }
    Ok(true)
}

fn own(on: &FilterOn) -> Option<&'static Param> {
    let FilterOn::Param(id) = on else { return None };
    own_of(*id)
}

fn own_of(id: ParamId) -> Option<&'static Param> {
    by_id(id).filter(|param| param.is_own())
}

fn of_filter(filter: &Filter, used: &mut Vec<&'static Param>) {
    used.extend(own(&filter.on));
    for test in &filter.any {
        match test {
            Test::Through(_, inner) => of_filter(inner, used),
            Test::From(_, by, inner) => {
                used.extend(own_of(*by));
                of_filter(inner, used);
            }
            Test::All(filters) => filters.iter().for_each(|filter| of_filter(filter, used)),
            Test::Together(tests) => used.extend(tests.iter().filter_map(|(id, _)| own_of(*id))),
            _ => {}
        }
    }
}

fn of_sort(on: &SortOn, used: &mut Vec<&'static Param>) {
    match on {
        SortOn::Param(id) => used.extend(own_of(*id)),
        SortOn::Through(id, ways) => {
            used.extend(own_of(*id));
            ways.iter().for_each(|(_, on)| of_sort(on, used));
        }
        SortOn::Id | SortOn::LastUpdated => {}
    }
}

fn of_include(include: &Include, parameters: &Parameters, used: &mut Vec<&'static Param>) {
    if let Some(id) = include.param {
        used.extend(own_of(id));
        return;
    }
    for kind in ResourceType::all().filter(|kind| include.applies(*kind)) {
        let own = parameters.own(kind).iter().copied();
        used.extend(own.filter(|param| param.kind == ParamKind::Reference));
    }
}
