//! The statements of a page: which resources, in which order, from where on.

use hub_fhir::search::{Counted, Cursor, CursorValue, Filter, FilterOn, Search, Test};

use crate::database::Sql;
use crate::entries::SHORT_SPAN_US;
use crate::search::dates::Asked;
use crate::search::filters::Compiler;
use crate::search::order::{Order, Walk, push_value};

/// A value with fewer resources is chosen without a look at how common the others are.
pub(super) const FEW: i64 = 64;
/// A value with this many resources is common.
pub(super) const COMMON: i64 = 2_000;

/// How a page is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The candidates are those of this filter; without one, all of the type.
    Filter(Option<usize>),
    /// In the order of the sort key's index.
    Walk,
}

/// What is searched in one type. The legs of a search of several types have the same order and the same place to go on from.
pub(super) struct Leg<'a> {
    pub search: &'a Search,
    pub compiler: Compiler<'a>,
    pub order: Order,
    pub way: Way,
}

impl Leg<'_> {
    /// The statements that lead to a page, in their order: the later ones are needed when the earlier do not fill it.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let after = self.search.after.as_ref();
        match self.way {
            Way::Filter(driver) => vec![Part::Sorted { driver, after }],
            Way::Walk => {
                let has_all = match self.order.keys[0].walk {
                    Walk::Table { param, .. } => self.needs_value(param),
                    _ => true,
                };
                match after {
                    Some(cursor) if cursor.values.first().is_none_or(Option::is_none) => {
                        vec![Part::Missing { after: Some(cursor.row) }]
                    }
                    _ if has_all => vec![Part::Walked { after }],
                    _ => vec![Part::Walked { after }, Part::Missing { after: None }],
                }
            }
        }
    }

    /// Whether the index of the sort key, entered and left where its values allow, gives the matches of each filter in their order: no
    /// more is walked than is wanted, however rare or common the filters are.
    pub fn is_walked_within_reach(&self) -> bool {
        let [key] = self.order.keys.as_slice() else { return false };
        let Walk::Table { param, is_single: true, .. } = key.walk else { return false };
        let mut filters = self.search.filters.iter().peekable();
        filters.peek().is_some()
            && filters.all(|filter| asked(filter, &self.compiler, param).is_some_and(|asked| asked.is_all))
    }

    /// Whether a filter passes only what has a value of the parameter.
    fn needs_value(&self, param: i64) -> bool {
        self.search.filters.iter().any(|filter| {
            let is_same = matches!(filter.on, FilterOn::Param(id) if self.compiler.words.param(id) == param);
            let is_of_a_value = |test: &Test| {
                matches!(
                    test,
                    Test::Date { .. }
                        | Test::Number { .. }
                        | Test::String(..)
                        | Test::Token { .. }
                        | Test::Reference { .. }
                )
            };
            is_same && !filter.not && filter.any.iter().all(is_of_a_value)
        })
    }
}

impl Way {
    fn driver(&self) -> Option<usize> {
        match self {
            Way::Filter(driver) => *driver,
            Way::Walk => None,
        }
    }
}

/// A statement of a page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    /// Filter, then sort.
    Sorted { driver: Option<usize>, after: Option<&'a Cursor> },
    /// Walk those that have a value.
    Walked { after: Option<&'a Cursor> },
    /// Then those that have none, by row number.
    Missing { after: Option<i64> },
}

/// Pushes the statement that counts all matches.
pub(super) fn count(sql: &mut Sql, legs: &[Leg<'_>]) {
    for (at, leg) in legs.iter().enumerate() {
        sql.push(if at > 0 { " + " } else { "SELECT " });
        sql.push("(SELECT count(*) FROM resource r WHERE ");
        candidates(sql, leg, leg.way.driver());
        sql.push(")");
    }
}

/// Pushes the statement for the ids of all matches, at most so many.
pub(super) fn ids(sql: &mut Sql, leg: &Leg<'_>, limit: usize) {
    sql.push("SELECT r.id FROM resource r WHERE ");
    candidates(sql, leg, leg.way.driver());
    sql.push_limit(i64::try_from(limit).unwrap_or(i64::MAX));
}

/// Pushes which resources `r` match.
fn candidates(sql: &mut Sql, leg: &Leg<'_>, driver: Option<usize>) {
    let Leg { search, compiler, .. } = leg;
    match driver.and_then(|at| search.filters.get(at)) {
        Some(filter) => {
            sql.push("r.rid IN (");
            compiler.drive(sql, filter);
            // The signs keep the planner from preferring an index over the candidates.
            sql.push(") AND +r.deleted = 0 AND +r.type = ");
        }
        None => drop(sql.push("r.deleted = 0 AND r.type = ")),
    }
    sql.push_bind(compiler.words.kind(search.kind));
    compiler.probes(sql, &search.filters, driver);
}

/// The columns of [`page`] before the sort values.
pub(super) const COLUMNS: usize = 8;

/// Pushes the statement of parts of a page. Its columns: version, updated, deleted, body, id, rid, rows, type, sort values.
pub(super) fn page(sql: &mut Sql, parts: &[(&Leg<'_>, Part<'_>)], limit: usize) {
    let Some(order) = parts.first().map(|(leg, _)| &leg.order) else { return };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let needs_rows =
        |leg: &Leg<'_>| leg.search.includes.iter().any(|include| include.applies(leg.search.kind));
    let rows = match parts.iter().any(|(leg, _)| needs_rows(leg)) {
        true => "CAST(r.rows AS TEXT)",
        false => "CAST(NULL AS TEXT)",
    };
    sql.push(format_args!("SELECT r.version, r.updated_us, r.deleted, r.body, r.id, k.rid, {rows}, r.type"));
    for at in 0..order.keys.len() {
        sql.push(format_args!(", k.s{at} AS s{at}"));
    }
    // The keys are found and cut first, so that no body is sorted.
    sql.push(" FROM (");
    match parts {
        [(leg, part)] => one(sql, leg, *part, limit),
        _ => {
            sql.push("SELECT * FROM (");
            for (at, (leg, part)) in parts.iter().enumerate() {
                sql.push(if at > 0 { " UNION ALL " } else { "" });
                one(sql, leg, *part, limit);
            }
            sql.push(") a");
        }
    }
    order.push(sql);
    sql.push_limit(limit);
    let join = sql.dialect.join();
    sql.push(format_args!(") k {join} resource r ON r.rid = k.rid"));
    // `rid` is both a result's and a table's; the order of the keys is meant.
    let direction = |descending: bool| if descending { " DESC" } else { "" };
    sql.push(" ORDER BY ");
    for (at, key) in order.keys.iter().enumerate() {
        sql.push(format_args!("k.s{at} IS NULL, k.s{at}{}, ", direction(key.descending)));
    }
    sql.push(format_args!("k.rid{}", direction(order.is_descending())));
}

/// Pushes the rows and sort values of one part, at least as many as there is room for.
fn one(sql: &mut Sql, leg: &Leg<'_>, part: Part<'_>, limit: i64) {
    let order = &leg.order;
    match part {
        Part::Sorted { driver, after } => {
            sql.push("SELECT * FROM (SELECT r.rid AS rid");
            for (at, key) in order.keys.iter().enumerate() {
                let value = key.expression(sql.dialect);
                sql.push(format_args!(", {value} AS s{at}"));
            }
            sql.push(" FROM resource r WHERE ");
            candidates(sql, leg, driver);
            sql.push(") f");
            if let Some(cursor) = after {
                sql.push(" WHERE ");
                order.push_after(sql, cursor);
            }
        }
        Part::Walked { after } => {
            sql.push("SELECT * FROM (");
            walk(sql, leg, after, limit);
            sql.push(") f");
        }
        Part::Missing { after } => {
            let (value, kind) = (&order.keys[0].expression(sql.dialect), order.keys[0].kind());
            sql.push(format_args!(
                "SELECT * FROM (SELECT r.rid AS rid, CAST(NULL AS {kind}) AS s0 FROM resource r WHERE "
            ));
            candidates(sql, leg, None);
            sql.push(format_args!(" AND {value} IS NULL"));
            if let Some(row) = after {
                sql.push(if order.is_descending() { " AND r.rid < " } else { " AND r.rid > " })
                    .push_bind(row);
            }
            sql.push(") f");
        }
    }
}

/// Pushes the walk of the first key's index. Each branch is cut by itself, so that it stops when the page is full.
fn walk(sql: &mut Sql, leg: &Leg<'_>, after: Option<&Cursor>, limit: i64) {
    let Leg { search, compiler, order, .. } = leg;
    let key = &order.keys[0];
    let after = after.and_then(|cursor| Some((cursor.values.first()?.clone()?, cursor.row)));
    let direction = if key.descending { " DESC" } else { "" };
    match &key.walk {
        Walk::Updated | Walk::Id => {
            sql.push("SELECT * FROM (");
            let value = key.expression(sql.dialect);
            sql.push(format_args!("SELECT r.rid AS rid, {value} AS s0 FROM resource r WHERE "));
            candidates(sql, leg, None);
            from(sql, &value, "r.rid", key.descending, after);
            cut(sql, &value, "r.rid", direction, limit);
            sql.push(") w");
        }
        // Such a key is not walked.
        Walk::Nothing => drop(sql.push("SELECT 0 AS rid, NULL AS s0 WHERE FALSE")),
        Walk::Table { table, column, second, param, is_single } => {
            let (join, value, last) =
                (sql.dialect.join(), key.expression(sql.dialect), key.second(sql.dialect));
            // Short spans and long ones are walked apart.
            let has_spans = matches!(*table, "idx_date" | "idx_number");
            for class in 0..if has_spans { 2 } else { 1 } {
                sql.push(if class > 0 { " UNION ALL " } else { "" }).push("SELECT * FROM (");
                sql.push(format_args!(
                    "SELECT x.rid AS rid, x.{column} AS s0 FROM {table} x {join} resource r ON r.rid = x.rid
                     WHERE x.param = "
                ));
                sql.push_bind(*param);
                if *table == "idx_number" {
                    sql.push(" AND x.unit = 0");
                }
                if has_spans {
                    sql.push(format_args!(" AND x.long = {class}"));
                }
                // Short spans are the only ones of their resource.
                let is_only = *is_single || (has_spans && class == 0);
                if !is_only {
                    // Of several values of a resource the one row it is sorted by counts.
                    sql.push(format_args!(" AND x.{column} = {value} AND x.{second} = {last}"));
                }
                sql.push(" AND +r.deleted = 0");
                for filter in &search.filters {
                    let asked = asked(filter, compiler, *param).filter(|_| is_only);
                    if let Some(Within { asked, widest, .. }) = asked {
                        sql.push(" AND ");
                        asked.condition(sql, "x.low", "x.high");
                        if class == 0 {
                            let (first, last) = asked.reach(widest);
                            sql.push(" AND x.low >= ").push_bind(first);
                            sql.push(" AND x.low <= ").push_bind(last);
                        }
                    }
                    if !asked.is_some_and(|asked| asked.is_all) {
                        compiler.probes(sql, std::slice::from_ref(filter), None);
                    }
                }
                let column = format!("x.{column}");
                from(sql, &column, "x.rid", key.descending, after.clone());
                cut(sql, &column, "x.rid", direction, limit);
                sql.push(format_args!(") w{class}"));
            }
        }
    }
}

/// What a filter asks of the spans it is walked along.
#[derive(Clone, Copy)]
struct Within {
    asked: Asked,
    /// How wide short spans are.
    widest: i64,
    /// It asks nothing else.
    is_all: bool,
}

/// What a filter asks of the spans of this parameter.
fn asked(filter: &Filter, compiler: &Compiler<'_>, param: i64) -> Option<Within> {
    let is_same = matches!(filter.on, FilterOn::Param(id) if compiler.words.param(id) == param);
    match (is_same && !filter.not, filter.any.as_slice()) {
        (true, [Test::Date { prefix, low, high }]) => {
            let asked = Asked::new(*prefix, *low, *high, compiler.now);
            Some(Within { asked, widest: SHORT_SPAN_US, is_all: true })
        }
        (true, [Test::Number { prefix, low, high, of: of @ (Counted::Anything | Counted::Named(_)) }]) => {
            let asked = Asked::number(*prefix, *low, *high);
            Some(Within { asked, widest: 1, is_all: *of == Counted::Anything })
        }
        _ => None,
    }
}

/// Pushes that a walk goes on after a value and row.
fn from(sql: &mut Sql, column: &str, rid: &str, descending: bool, after: Option<(CursorValue, i64)>) {
    let Some((value, row)) = after else { return };
    let beyond = if descending { "<" } else { ">" };
    // The first condition lets the index be entered at the right place.
    sql.push(format_args!(" AND {column} {beyond}= "));
    push_value(sql, Some(value.clone()));
    sql.push(format_args!(" AND ({column} {beyond} "));
    push_value(sql, Some(value));
    sql.push(format_args!(" OR {rid} {beyond} ")).push_bind(row).push(")");
}

fn cut(sql: &mut Sql, column: &str, rid: &str, direction: &str, limit: i64) {
    sql.push(format_args!(" ORDER BY {column}{direction}, {rid}{direction}")).push_limit(limit);
}
