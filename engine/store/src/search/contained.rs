//! Contained resources, as SQL: their rows stand in a table of their own, which is looked through type by type.

use hub_core::store::StoreError;
use hub_fhir::contained::looked_for;
use hub_fhir::search::{Search, Test};

use crate::database::Sql;
use crate::error::unavailable;
use crate::search::Searcher;
use crate::search::filters::Compiler;

impl Compiler<'_> {
    /// Pushes a query for the resources that contain one which passes. Within it `r` is what is contained.
    pub(super) fn drive_contains(&self, sql: &mut Sql, test: &Test) {
        sql.push("SELECT r.rid FROM contained r WHERE ");
        self.is_contained(sql, test);
    }

    /// Pushes whether the contained resource `r` passes.
    fn is_contained(&self, sql: &mut Sql, test: &Test) {
        let Test::Contains(kind, filters) = test else {
            sql.push("FALSE");
            return;
        };
        sql.push("r.type = ").push_bind(self.words.kind(*kind));
        let within = Compiler { words: self.words, now: self.now, kind: *kind, is_contained: true };
        within.probes(sql, filters, None);
    }
}

impl Searcher<'_> {
    /// Of each of these containers the places of what it contains and the search looks for.
    pub(super) async fn places(
        &self,
        search: &Search,
        compiler: &Compiler<'_>,
        rids: &[i64],
    ) -> Result<Vec<Vec<usize>>, StoreError> {
        let mut places = vec![Vec::new(); rids.len()];
        let Some(test) = looked_for(search).filter(|_| !rids.is_empty()) else { return Ok(places) };
        let mut sql = self.readers.sql("SELECT r.rid, r.nth FROM contained r WHERE r.rid IN (");
        sql.push_list(rids.iter().copied());
        sql.push(") AND ");
        compiler.is_contained(&mut sql, test);
        sql.push(" ORDER BY r.rid, r.nth");
        for row in self.readers.fetch_all(sql).await.map_err(unavailable)? {
            let (rid, nth): (i64, i64) = (row.get(0).map_err(unavailable)?, row.get(1).map_err(unavailable)?);
            if let (Some(at), Ok(nth)) = (rids.iter().position(|known| *known == rid), usize::try_from(nth)) {
                places[at].push(nth);
            }
        }
        Ok(places)
    }
}
