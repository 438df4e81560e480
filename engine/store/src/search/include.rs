//! What comes along with the matches: `_include` and `_revinclude`.

use std::collections::HashSet;

use hub_core::store::StoreError;
use hub_fhir::params::{ParamKind, supported};
use hub_fhir::search::{Include, Search, Stored};
use hub_fhir::{Id, Reference, ResourceType};

use crate::database::Sql;
use crate::entries::{Entry, from_json};
use crate::error::unavailable;
use crate::resources::stored;
use crate::search::Searcher;

/// At most so many resources come along with a page.
const MOST: usize = 1_000;
/// `:iterate` goes so many steps.
const STEPS: usize = 4;
/// How many resources are asked for in one statement.
const ASKED: usize = 200;

/// A resource with its search rows, where they have been read.
type Found = (Reference, Option<String>);

impl Searcher<'_> {
    /// Gathers what the matches point at and what points at them; and whether there is more of it than comes along.
    pub(super) async fn include(
        &self,
        search: &Search,
        matches: Vec<Found>,
        mut seen: HashSet<Reference>,
    ) -> Result<(Vec<Stored>, bool), StoreError> {
        let (mut included, mut is_cut) = (Vec::new(), false);
        let mut front = matches;
        for step in 0..STEPS {
            let applies = |include: &&Include| step == 0 || include.iterate;
            let mut next = Vec::new();
            for include in search.includes.iter().filter(applies) {
                let targets = self.targets(include, &front);
                let fresh: Vec<Reference> =
                    targets.into_iter().filter(|target| seen.insert(target.clone())).collect();
                self.fetch(&fresh, &mut next).await?;
            }
            for include in search.revincludes.iter().filter(applies) {
                // One more than there is room for, to see that it is cut.
                let room = MOST.saturating_sub(included.len() + next.len()) + 1;
                self.pointing(include, &front, &mut seen, &mut next, room).await?;
            }
            let room = MOST.saturating_sub(included.len());
            is_cut |= next.len() > room;
            next.truncate(room);
            front =
                next.iter().map(|(stored, rows)| (stored.reference.clone(), Some(rows.clone()))).collect();
            included.extend(next.into_iter().map(|(stored, _)| stored));
            if front.is_empty() || is_cut {
                break;
            }
            let goes_on = search.includes.iter().chain(&search.revincludes).any(|include| include.iterate);
            is_cut |= goes_on && step + 1 == STEPS;
        }
        Ok((included, is_cut))
    }

    /// What the resources of an include's type point at by its parameter.
    fn targets(&self, include: &Include, front: &[Found]) -> Vec<Reference> {
        let wanted = include.param.map(|param| self.words.param(param));
        let mut targets = Vec::new();
        for (_, rows) in front.iter().filter(|(reference, _)| include.applies(reference.kind)) {
            for entry in rows.as_deref().and_then(from_json).unwrap_or_default() {
                let Entry::Reference { param, target, kind } = entry else { continue };
                let kind = self.words.kind_back(kind);
                let is_wanted = wanted.is_none_or(|wanted| wanted == param)
                    && include.target.is_none_or(|target| Some(target) == kind);
                if let (true, Some(kind), Ok(id)) = (is_wanted, kind, Id::new(&target)) {
                    targets.push(Reference { kind, id });
                }
            }
        }
        targets
    }

    /// Reads current versions; what is not there or deleted does not come along.
    async fn fetch(
        &self,
        references: &[Reference],
        found: &mut Vec<(Stored, String)>,
    ) -> Result<(), StoreError> {
        let mut kinds: Vec<ResourceType> = references.iter().map(|reference| reference.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let ids: Vec<&Id> =
                references.iter().filter(|one| one.kind == kind).map(|one| &one.id).take(MOST).collect();
            for ids in ids.chunks(ASKED) {
                let mut sql = self.readers.sql(
                    "SELECT r.version, r.updated_us, r.deleted, r.body, r.id, CAST(r.rows AS TEXT), r.type FROM resource r
                     WHERE r.deleted = 0 AND r.type = ",
                );
                sql.push_bind(self.words.kind(kind)).push(" AND r.id IN (");
                sql.push_list(ids.iter().map(|id| id.as_str().to_owned()));
                sql.push(")");
                self.read_found(sql, found).await?;
            }
        }
        Ok(())
    }

    /// Reads what points at the front by an include's parameter.
    async fn pointing(
        &self,
        include: &Include,
        front: &[Found],
        seen: &mut HashSet<Reference>,
        found: &mut Vec<(Stored, String)>,
        room: usize,
    ) -> Result<(), StoreError> {
        let words = self.words;
        let in_force = words.in_force();
        let params: Vec<i64> = match include.param {
            Some(param) => vec![words.param(param)],
            None => ResourceType::all()
                .filter(|kind| include.applies(*kind))
                .flat_map(|kind| in_force.parameters.of(kind))
                .filter(|param| param.kind == ParamKind::Reference && supported(param))
                .map(|param| words.param(param.id))
                .collect(),
        };
        let mut targets: Vec<&Reference> = front
            .iter()
            .map(|(reference, _)| reference)
            .filter(|reference| include.target.is_none_or(|target| target == reference.kind))
            .collect();
        targets.sort_unstable();
        // Ids of one type at a time: `Patient/1` is not `Encounter/1`.
        for targets in targets.chunk_by(|a, b| a.kind == b.kind).flat_map(|targets| targets.chunks(ASKED)) {
            let mut sql = self.readers.sql(
                "SELECT r.version, r.updated_us, r.deleted, r.body, r.id, CAST(r.rows AS TEXT), r.type FROM resource r
                 WHERE r.deleted = 0 AND r.rid IN (SELECT x.rid FROM idx_reference x WHERE x.param IN (",
            );
            sql.push_list(params.iter().copied());
            sql.push(") AND x.target IN (");
            sql.push_list(targets.iter().map(|target| target.id.as_str().to_owned()));
            sql.push(") AND x.kind = ").push_bind(targets.first().map(|target| words.kind(target.kind)));
            sql.push(") ORDER BY r.rid").push_limit(i64::try_from(room).unwrap_or(i64::MAX));
            let mut pointing = Vec::new();
            self.read_found(sql, &mut pointing).await?;
            for (stored, rows) in pointing {
                if seen.insert(stored.reference.clone()) {
                    found.push((stored, rows));
                }
            }
        }
        Ok(())
    }

    async fn read_found(&self, sql: Sql, found: &mut Vec<(Stored, String)>) -> Result<(), StoreError> {
        let rows = self.readers.fetch_all(sql).await.map_err(unavailable)?;
        for row in rows {
            let stored = stored(self.named(&row, 6, 4)?, &row).map_err(unavailable)?;
            found.push((stored, row.get(5).map_err(unavailable)?));
        }
        Ok(())
    }
}
