//! Searches, compiled to SQL and run.
//!
//! Two ways lead to a page. *By filter*: the rarest value asked for gives the candidates, the other filters are probed, what
//! remains is sorted. *By walk*: when every filter is common, the index of the sort key is walked in its order and the
//! filters are probed until the page is full. Which way is taken is decided by counting, up to a bound, how many rows a
//! filter's value has.

mod contained;
mod dates;
mod filters;
mod full_text;
mod include;
mod keys;
mod links;
mod order;
#[cfg(test)]
mod plan_tests;
mod rarity;

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
use crate::search::keys::{Leg, Way};
use crate::search::order::Order;
use crate::search::rarity::{Rarity, rarity};
use crate::words::Words;
use crate::writer::DraftGuard;

/// At most so many matches come in one page.
const MOST: u32 = 10_000;
/// Of more types it is asked first which of them there are resources of.
const FEW_TYPES: usize = 4;
/// So many filters are counted in one statement.
const COUNTED: usize = 200;

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
    /// Runs a search of one type, or of several that have the same order, place to go on from and includes.
    pub(crate) async fn run(&self, searches: &[Search]) -> Result<Page, StoreError> {
        let mut has_own = false;
        for search in searches {
            reindex::is_whole(self.readers, self.words, search).await?;
            has_own |= own_are_whole(self.readers, self.words, search).await?;
        }
        let page = self.page(searches).await?;
        for search in searches.iter().filter(|_| has_own) {
            own_are_whole(self.readers, self.words, search).await?;
        }
        Ok(page)
    }

    async fn page(&self, searches: &[Search]) -> Result<Page, StoreError> {
        let Some(first) = searches.first() else { return Ok(Page::default()) };
        let legs = self.legs(&self.stored(searches).await?).await?;
        let mut page = Page::default();
        if first.total || first.count == 0 {
            page.total = Some(self.count(&legs).await?);
        }
        let count = first.count.min(MOST);
        if count == 0 {
            return Ok(page);
        }
        let wanted = count as usize + 1;
        let mut matches = self.matches(&legs, wanted).await?;
        if matches.len() == wanted {
            matches.pop();
            page.next = matches.last().map(|last| last.cursor.clone());
        }
        if let (true, Some(leg)) = (first.gives_contained, legs.first()) {
            let rids: Vec<i64> = matches.iter().map(|matched| matched.cursor.row).collect();
            page.contained = self.places(leg.search, &leg.compiler, &rids).await?;
        }
        let mut seen: HashSet<Reference> = HashSet::new();
        let mut found = Vec::with_capacity(matches.len());
        for matched in matches {
            seen.insert(matched.stored.reference.clone());
            found.push((matched.stored.reference.clone(), matched.rows));
            page.matches.push(matched.stored);
        }
        if !first.includes.is_empty() || !first.revincludes.is_empty() {
            (page.included, page.is_cut) = self.include(first, found, seen).await?;
        }
        Ok(page)
    }

    /// Of many types those that there are resources of; the others are not asked for.
    async fn stored<'s>(&self, searches: &'s [Search]) -> Result<Vec<&'s Search>, StoreError> {
        if searches.len() <= FEW_TYPES {
            return Ok(searches.iter().collect());
        }
        let sql = self.readers.sql(
            "WITH RECURSIVE t(type) AS (SELECT min(type) FROM resource UNION ALL
             SELECT (SELECT min(r.type) FROM resource r WHERE r.type > t.type) FROM t WHERE t.type IS NOT NULL)
             SELECT type FROM t WHERE type IS NOT NULL",
        );
        let rows = self.readers.fetch_all(sql).await.map_err(unavailable)?;
        let numbers: HashSet<i64> =
            rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>().map_err(unavailable)?;
        Ok(searches.iter().filter(|search| numbers.contains(&self.words.kind(search.kind))).collect())
    }

    async fn count(&self, legs: &[Leg<'_>]) -> Result<u64, StoreError> {
        if legs.is_empty() {
            return Ok(0);
        }
        let mut sql = self.readers.sql("");
        keys::count(&mut sql, legs);
        let row = self.readers.fetch_one(sql).await.map_err(unavailable)?;
        Ok(row.get::<i64>(0).map_err(unavailable)?.unsigned_abs())
    }

    /// A guard as the writer asks it: the way is chosen here, by what is stored now; that it is still a good one does not matter for
    /// what is found.
    pub(crate) async fn guard(&self, guard: &Guard) -> Result<DraftGuard, StoreError> {
        let search = Search { sort: Vec::new(), ..guard.search.clone() };
        let mut legs = self.legs(&[&search]).await?;
        let mut sql = self.readers.sql("");
        for leg in &mut legs {
            // All of its filters are common, and nothing is to be sorted.
            if leg.way == Way::Walk {
                leg.way = Way::Filter(search.filters.iter().position(|filter| rarity(filter).is_some()));
            }
            keys::ids(&mut sql, leg, guard.finds.len() + 1);
        }
        Ok(DraftGuard::new(guard, sql, self.words))
    }

    /// How each of the searches is gone about.
    async fn legs<'l>(&'l self, searches: &[&'l Search]) -> Result<Vec<Leg<'l>>, StoreError> {
        let now = clock::now();
        let leg = |search: &&'l Search| Leg {
            search,
            compiler: Compiler { words: self.words, now, kind: search.kind, is_contained: false },
            order: Order::of(&search.sort, self.words),
            way: Way::Walk,
        };
        let mut legs: Vec<Leg<'_>> = searches.iter().map(leg).collect();
        let (mut counted, mut best) = (Vec::new(), vec![None; legs.len()]);
        for (at, leg) in legs.iter_mut().enumerate() {
            if leg.is_walked_within_reach() {
                continue;
            }
            let rarities = leg.search.filters.iter().map(rarity).enumerate();
            let found: Vec<(usize, Rarity)> =
                rarities.filter_map(|(filter, rarity)| Some((filter, rarity?))).collect();
            match found.iter().find(|(_, rarity)| rarity.is_sure()) {
                Some((filter, _)) => best[at] = Some((*filter, 0)),
                None => counted.extend(found.iter().map(|(filter, _)| (at, *filter))),
            }
        }
        // Most searches have a filter of few: the common ones are not counted far then.
        for bound in [keys::FEW, keys::COMMON] {
            let known = best.clone();
            counted.retain(|(at, _): &(usize, usize)| known[*at].is_none_or(|(_, count)| count >= keys::FEW));
            self.rarest(&legs, &counted, bound, &mut best).await?;
        }
        for (leg, best) in legs.iter_mut().zip(best) {
            let is_rare = best.is_some_and(|(_, count)| count < keys::COMMON);
            if is_rare || !leg.order.is_walkable() {
                leg.way = Way::Filter(best.map(|(filter, _)| filter));
            }
        }
        Ok(legs)
    }

    /// Which filter of each leg has the fewest resources, and how many, counted up to a bound.
    async fn rarest(
        &self,
        legs: &[Leg<'_>],
        counted: &[(usize, usize)],
        bound: i64,
        best: &mut [Option<(usize, i64)>],
    ) -> Result<(), StoreError> {
        // All filters are counted by one statement: each costs a hop to SQLite's thread and back.
        for counted in counted.chunks(COUNTED) {
            let mut sql = self.readers.sql("SELECT ");
            for (column, (at, filter)) in counted.iter().enumerate() {
                sql.push(if column > 0 { ", " } else { "" });
                legs[*at].compiler.count(&mut sql, &legs[*at].search.filters[*filter], bound);
            }
            let row = self.readers.fetch_one(sql).await.map_err(unavailable)?;
            for (column, (at, filter)) in counted.iter().enumerate() {
                let count: i64 = row.get(column).map_err(unavailable)?;
                if best[*at].is_none_or(|(known, least)| known == *filter || count < least) {
                    best[*at] = Some((*filter, count));
                }
            }
        }
        Ok(())
    }

    async fn matches(&self, legs: &[Leg<'_>], wanted: usize) -> Result<Vec<Match>, StoreError> {
        let parts = legs.iter().flat_map(|leg| leg.parts().into_iter().map(move |part| (leg, part)));
        let parts: Vec<_> = parts.collect();
        // Of one type the parts follow each other; of several they lie within one another.
        let at_once = if legs.len() == 1 { 1 } else { parts.len().max(1) };
        let mut matches = Vec::new();
        for parts in parts.chunks(at_once) {
            let left = wanted - matches.len();
            if left == 0 {
                break;
            }
            let mut sql = self.readers.sql("");
            keys::page(&mut sql, parts, left);
            let rows = self.readers.fetch_all(sql).await.map_err(unavailable)?;
            for row in &rows {
                matches.push(self.read_match(row, &legs[0].order)?);
            }
        }
        Ok(matches)
    }

    fn read_match(&self, row: &Record, order: &Order) -> Result<Match, StoreError> {
        let stored = stored(self.named(row, 7, 4)?, row).map_err(unavailable)?;
        let rows = row.get(6).map_err(unavailable)?;
        let mut values = Vec::with_capacity(order.keys.len());
        for (at, key) in order.keys.iter().enumerate() {
            values.push(key.read(row, keys::COLUMNS + at).map_err(unavailable)?);
        }
        let cursor = Cursor { values, row: row.get(5).map_err(unavailable)? };
        Ok(Match { stored, rows, cursor })
    }

    /// The resource that a row names by its type and id.
    fn named(&self, row: &Record, kind: usize, id: usize) -> Result<Reference, StoreError> {
        let kind = self.words.kind_back(row.get(kind).map_err(unavailable)?);
        let id = Id::new(row.get(id).map_err(unavailable)?).map_err(|_| damaged("id of a resource"))?;
        Ok(Reference { kind: kind.ok_or_else(|| damaged("type of a resource"))?, id })
    }
}
