//! Filters that look through references, as SQL: a resource that is pointed at, or one that points here, is another `r` in a query of
//! its own, within which the name means that one.

use hub_fhir::ResourceType;
use hub_fhir::search::{Filter, Test};

use crate::database::Sql;
use crate::search::filters::{Compiler, member, member_of};
use crate::search::rarity::is_exact;

impl<'a> Compiler<'a> {
    fn of(&self, kind: ResourceType) -> Compiler<'a> {
        Compiler { words: self.words, now: self.now, kind, is_contained: false }
    }

    /// Pushes how many resources a filter with a rarity finds, counted up to a bound. What is looked through is counted first: where that
    /// is common already, the references of all of it are not gathered.
    pub(super) fn count(&self, sql: &mut Sql, filter: &Filter, bound: i64) {
        let mut has_links = false;
        for test in &filter.any {
            let (Test::Through(kind, inner) | Test::From(kind, _, inner)) = test else { continue };
            sql.push(if has_links { " OR " } else { "(CASE WHEN " });
            has_links = true;
            self.of(*kind).count(sql, inner, bound);
            sql.push(" >= ").push_bind(bound);
        }
        if has_links {
            sql.push(" THEN ").push_bind(bound).push(" ELSE ");
        }
        sql.push("(SELECT count(*) FROM (SELECT 1 FROM (");
        self.drive(sql, filter);
        sql.push(") d").push_limit(bound).push(") c)");
        sql.push(if has_links { " END)" } else { "" });
    }

    /// Pushes whether the resource `r` points, by a parameter, at a resource of the kind that passes the filter.
    pub(super) fn probe_through(&self, sql: &mut Sql, param: i64, kind: ResourceType, filter: &Filter) {
        let (dialect, number) = (sql.dialect, self.words.kind(kind));
        let pairs = dialect.pairs(&member_of('r', param));
        let (id, of) = (dialect.pair_text(0), dialect.pair_number(1));
        sql.push(format_args!("EXISTS (SELECT 1 FROM (SELECT {id} AS id FROM {pairs} WHERE {of} = "));
        sql.push_bind(number)
            .push(") l WHERE EXISTS (SELECT 1 FROM resource r WHERE r.type = ")
            .push_bind(number);
        sql.push(" AND r.id = l.id AND r.deleted = 0");
        self.of(kind).probes(sql, std::slice::from_ref(filter), None);
        sql.push(format_args!("{0}){0})", dialect.fence()));
    }

    /// Pushes whether a resource of another kind that passes a filter points at the resource `r`.
    pub(super) fn probe_pointed(&self, sql: &mut Sql, test: &Test) {
        let Test::From(source, by, filter) = test else {
            sql.push("FALSE");
            return;
        };
        sql.push("EXISTS (SELECT 1 FROM idx_reference l WHERE l.param = ").push_bind(self.words.param(*by));
        sql.push(" AND l.target = r.id AND l.kind = ").push_bind(self.words.kind(self.kind));
        sql.push(" AND EXISTS (SELECT 1 FROM resource r WHERE r.rid = l.rid AND r.deleted = 0");
        self.of(*source).probes(sql, std::slice::from_ref(&**filter), None);
        let fence = sql.dialect.fence();
        sql.push(format_args!("{fence}){fence})"));
    }

    /// Pushes a query for the resources that point, by a parameter, at what a filter with a rarity finds.
    pub(super) fn drive_through(&self, sql: &mut Sql, param: i64, kind: ResourceType, filter: &Filter) {
        sql.push("SELECT x.rid FROM idx_reference x WHERE x.param = ").push_bind(param);
        sql.push(" AND x.kind = ").push_bind(self.words.kind(kind));
        let (one_of, end) = sql.dialect.one_of();
        sql.push(format_args!(" AND x.target{one_of}SELECT r.id FROM resource r WHERE "));
        self.of(kind).found(sql, filter);
        sql.push(end);
    }

    /// Pushes a query for the resources that are pointed at by what a filter with a rarity finds.
    pub(super) fn drive_pointed(&self, sql: &mut Sql, test: &Test) {
        let Test::From(source, by, filter) = test else {
            sql.push("SELECT 0 WHERE FALSE");
            return;
        };
        let (dialect, number) = (sql.dialect, self.words.kind(self.kind));
        let pairs = dialect.pairs(&member(self.words, *by));
        let (id, of) = (dialect.pair_text(0), dialect.pair_number(1));
        sql.push("SELECT x.rid FROM resource x WHERE x.type = ").push_bind(number);
        let (one_of, end) = dialect.one_of();
        sql.push(format_args!(" AND x.id{one_of}SELECT {id} FROM resource r, {pairs} WHERE "));
        self.of(*source).found(sql, filter);
        sql.push(format_args!(" AND {of} = ")).push_bind(number).push(end);
    }

    /// Pushes that a resource `r` is one of those that a filter with a rarity finds.
    fn found(&self, sql: &mut Sql, filter: &Filter) {
        let (one_of, end) = sql.dialect.one_of();
        sql.push(format_args!("r.rid{one_of}"));
        self.drive(sql, filter);
        // As in a page: the signs keep the planner with the candidates.
        sql.push(end).push(" AND +r.deleted = 0 AND +r.type = ").push_bind(self.words.kind(self.kind));
        if !is_exact(filter) {
            self.probes(sql, std::slice::from_ref(filter), None);
        }
    }
}
