//! Searches, compiled to SQL and run.
//!
//! Two ways lead to a page. *By filter*: the rarest value asked for gives the candidates, the other filters are probed, what
//! remains is sorted. *By walk*: when every filter is common, the index of the sort key is walked in its order and the
//! filters are probed until the page is full. Which way is taken is decided by counting, up to a bound, how many rows a
//! filter's value has.

mod dates;
mod filters;
mod include;
mod keys;
mod links;
mod order;
#[cfg(test)]
mod plan_tests;

use std::collections::HashSet;

use hub_core::commit::Guard;
use hub_core::store::StoreError;
use hub_fhir::search::{Cursor, Page, Search, Stored};
use hub_fhir::{Id, Reference};

use crate::clock;
use crate::database::{Readers, Record};
use crate::error::{damaged, unavailable};
use crate::parameters::own_are_whole;
use crate::reindex;
use crate::resources::stored;
use crate::search::filters::Compiler;
use crate::search::keys::Way;
use crate::search::order::Order;
use crate::words::Words;
use crate::writer::DraftGuard;

/// At most so many matches come in one page.
const MOST: u32 = 10_000;

/// A match, with what is needed to go on from it.
struct Match {
    stored: Stored,
    rows: Option<String>,
    cursor: Cursor,
}

/// Searches a database.
pub(crate) struct Searcher<'s> {
    /// Its words.
    pub words: &'s Words,
    /// What reads it.
    pub readers: &'s Readers,
}

impl Searcher<'_> {
    /// Runs a search.
    pub(crate) async fn run(&self, search: &Search) -> Result<Page, StoreError> {
        reindex::is_whole(self.readers, self.words, search).await?;
        let has_own = own_are_whole(self.readers, self.words, search).await?;
        let page = self.page(search).await?;
        if has_own {
            own_are_whole(self.readers, self.words, search).await?;
        }
        Ok(page)
    }

    async fn page(&self, search: &Search) -> Result<Page, StoreError> {
        let compiler = Compiler { words: self.words, now: clock::now(), kind: search.kind };
        let order = Order::of(&search.sort, self.words);
        let way = self.choose_way(search, &compiler, &order).await?;
        let mut page = Page::default();
        if search.total || search.count == 0 {
            let mut sql = self.readers.sql("");
            keys::count(&mut sql, search, &compiler, &way);
            let row = self.readers.fetch_one(sql).await.map_err(unavailable)?;
            page.total = Some(row.get::<i64>(0).map_err(unavailable)?.unsigned_abs());
        }
        let count = search.count.min(MOST);
        if count == 0 {
            return Ok(page);
        }
        let wanted = count as usize + 1;
        let mut matches = self.matches(search, &compiler, &order, &way, wanted).await?;
        if matches.len() == wanted {
            matches.pop();
            page.next = matches.last().map(|last| last.cursor.clone());
        }
        let mut seen: HashSet<Reference> = HashSet::new();
        let mut found = Vec::with_capacity(matches.len());
        for matched in matches {
            seen.insert(matched.stored.reference.clone());
            found.push((matched.stored.reference.clone(), matched.rows));
            page.matches.push(matched.stored);
        }
        if !search.includes.is_empty() || !search.revincludes.is_empty() {
            (page.included, page.is_cut) = self.include(search, found, seen).await?;
        }
        Ok(page)
    }

    /// A guard as the writer asks it: the way is chosen here, by what is stored now; that it is still a good one does not matter for
    /// what is found.
    pub(crate) async fn guard(&self, guard: &Guard) -> Result<DraftGuard, StoreError> {
        let search = &guard.search;
        let compiler = Compiler { words: self.words, now: clock::now(), kind: search.kind };
        let way = match self.choose_way(search, &compiler, &Order::of(&[], self.words)).await? {
            // All of its filters are common, and nothing is to be sorted.
            Way::Walk => {
                Way::Filter(search.filters.iter().position(|filter| filters::rarity(filter).is_some()))
            }
            way @ Way::Filter(_) => way,
        };
        let mut sql = self.readers.sql("");
        keys::ids(&mut sql, search, &compiler, &way, guard.finds.len() + 1);
        Ok(DraftGuard { kind: search.kind, sql, finds: guard.finds.clone() })
    }

    async fn choose_way(
        &self,
        search: &Search,
        compiler: &Compiler<'_>,
        order: &Order,
    ) -> Result<Way, StoreError> {
        let mut counted = Vec::new();
        for (at, filter) in search.filters.iter().enumerate() {
            match filters::rarity(filter) {
                Some(rarity) if rarity.is_sure() => return Ok(Way::Filter(Some(at))),
                Some(_) => counted.push(at),
                None => {}
            }
        }
        // Most searches have a filter of few: the common ones are not counted far then.
        let mut best = self.rarest(search, compiler, &counted, keys::FEW).await?;
        if best.is_some_and(|(_, count)| count >= keys::FEW) {
            best = self.rarest(search, compiler, &counted, keys::COMMON).await?;
        }
        let is_rare = best.is_some_and(|(_, count)| count < keys::COMMON);
        if order.is_walkable() && !is_rare {
            return Ok(Way::Walk);
        }
        Ok(Way::Filter(best.map(|(at, _)| at)))
    }

    /// Which of the filters has the fewest resources, and how many, counted up to a bound.
    async fn rarest(
        &self,
        search: &Search,
        compiler: &Compiler<'_>,
        counted: &[usize],
        bound: i64,
    ) -> Result<Option<(usize, i64)>, StoreError> {
        if counted.is_empty() {
            return Ok(None);
        }
        // All filters are counted by one statement: each costs a hop to SQLite's thread and back.
        let mut sql = self.readers.sql("SELECT ");
        for (column, at) in counted.iter().enumerate() {
            sql.push(if column > 0 { ", " } else { "" });
            compiler.count(&mut sql, &search.filters[*at], bound);
        }
        let row = self.readers.fetch_one(sql).await.map_err(unavailable)?;
        let mut best: Option<(usize, i64)> = None;
        for (column, at) in counted.iter().enumerate() {
            let count: i64 = row.get(column).map_err(unavailable)?;
            if best.is_none_or(|(_, least)| count < least) {
                best = Some((*at, count));
            }
        }
        Ok(best)
    }

    async fn matches(
        &self,
        search: &Search,
        compiler: &Compiler<'_>,
        order: &Order,
        way: &Way,
        wanted: usize,
    ) -> Result<Vec<Match>, StoreError> {
        let mut matches = Vec::new();
        for part in keys::parts(way, order, search.after.as_ref()) {
            let left = wanted - matches.len();
            if left == 0 {
                break;
            }
            let mut sql = self.readers.sql("");
            keys::page(&mut sql, search, compiler, order, part, left);
            let rows = self.readers.fetch_all(sql).await.map_err(unavailable)?;
            for row in &rows {
                matches.push(read_match(row, search, order)?);
            }
        }
        Ok(matches)
    }
}

fn read_match(row: &Record, search: &Search, order: &Order) -> Result<Match, StoreError> {
    let id: &str = row.get(4).map_err(unavailable)?;
    let id = Id::new(id).map_err(|_| damaged("id of a resource"))?;
    let stored = stored(Reference { kind: search.kind, id }, row).map_err(unavailable)?;
    let rows = row.get(6).map_err(unavailable)?;
    let mut values = Vec::with_capacity(order.keys.len());
    for (at, key) in order.keys.iter().enumerate() {
        values.push(key.read(row, 7 + at).map_err(unavailable)?);
    }
    let cursor = Cursor { values, row: row.get(5).map_err(unavailable)? };
    Ok(Match { stored, rows, cursor })
}
