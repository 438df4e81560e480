//! Filters as SQL: as a probe on one resource `r`, and as a list of the resources that match.

use hub_fhir::ResourceType;
use hub_fhir::index::ParamId;
use hub_fhir::normal::normal;
use hub_fhir::params::{ParamKind, by_id};
use hub_fhir::search::{Counted, Filter, FilterOn, StringTest, Test};

use crate::database::Sql;
use crate::entries::{SHORT_SPAN_US, kind_number, system_number};
use crate::search::dates::Asked;
use crate::short::short;
use crate::words::Words;

/// What filters are compiled with.
pub(super) struct Compiler<'a> {
    pub words: &'a Words,
    pub now: i64,
    pub kind: ResourceType,
}

/// How many resources a filter's value is likely to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rarity {
    /// Few, whatever is stored.
    Sure,
    /// It must be counted.
    Unknown,
}

impl Rarity {
    pub fn is_sure(self) -> bool {
        self == Rarity::Sure
    }
}

/// How rare what a filter asks for is; `None` when an index does not give its resources.
pub(super) fn rarity(filter: &Filter) -> Option<Rarity> {
    if filter.not || filter.on == FilterOn::LastUpdated {
        return None;
    }
    let mut all = Rarity::Sure;
    for test in &filter.any {
        all = match (test_rarity(filter, test)?, all) {
            (Rarity::Sure, all) => all,
            (Rarity::Unknown, _) => Rarity::Unknown,
        };
    }
    Some(all)
}

fn test_rarity(filter: &Filter, test: &Test) -> Option<Rarity> {
    match test {
        Test::Id(_) => Some(Rarity::Sure),
        Test::Token { code: Some(_), .. } => {
            // Identifiers are there to tell apart.
            let is_identifier =
                matches!(filter.on, FilterOn::Param(id) if by_id(id).is_some_and(|p| p.code == "identifier"));
            Some(if is_identifier { Rarity::Sure } else { Rarity::Unknown })
        }
        Test::Reference { .. } | Test::Date { .. } | Test::Number { .. } | Test::Below(_) => {
            Some(Rarity::Unknown)
        }
        Test::String(StringTest::Starts | StringTest::Exact, _) => Some(Rarity::Unknown),
        Test::String(StringTest::Contains, _) | Test::Token { code: None, .. } => None,
        Test::Holds(_) | Test::Missing(_) => None,
    }
}

/// Whether the resources an index gives for a filter are those that match, and not some more.
fn is_exact(filter: &Filter) -> bool {
    !filter.any.iter().any(|test| matches!(test, Test::Number { of: Counted::Named(_), .. }))
}

/// The end of the strings that start with `text`, in byte order.
fn after_prefix(text: &str) -> String {
    format!("{text}{}", char::MAX)
}

/// The member of a resource's rows that holds a parameter's values: `t12`.
pub(super) fn member(words: &Words, id: ParamId) -> String {
    let letter = match by_id(id).map(|param| param.kind) {
        Some(ParamKind::String) => 's',
        Some(ParamKind::Reference) => 'r',
        Some(ParamKind::Date) => 'd',
        Some(ParamKind::Number | ParamKind::Quantity) => 'n',
        _ => 't',
    };
    format!("{letter}{}", words.param(id))
}

/// The member under a letter.
fn member_of(letter: char, param: i64) -> String {
    format!("{letter}{param}")
}

impl Compiler<'_> {
    /// Pushes whether the resource `r` passes all filters but one.
    pub fn probes(&self, sql: &mut Sql, filters: &[Filter], but: Option<usize>) {
        for (at, filter) in filters.iter().enumerate() {
            if Some(at) != but || !is_exact(filter) {
                sql.push(" AND ");
                self.probe(sql, filter);
            }
        }
    }

    fn probe(&self, sql: &mut Sql, filter: &Filter) {
        sql.push(if filter.not { "NOT (" } else { "(" });
        for (at, test) in filter.any.iter().enumerate() {
            if at > 0 {
                sql.push(" OR ");
            }
            match filter.on {
                FilterOn::Id => self.probe_id(sql, test),
                FilterOn::LastUpdated => self.probe_updated(sql, test),
                FilterOn::Param(id) => self.probe_param(sql, id, test),
            }
        }
        sql.push(")");
    }

    fn probe_id(&self, sql: &mut Sql, test: &Test) {
        match test {
            Test::Id(id) => drop(sql.push("r.id = ").push_bind(id.to_string())),
            _ => drop(sql.push("FALSE")),
        }
    }

    fn probe_updated(&self, sql: &mut Sql, test: &Test) {
        match test {
            Test::Date { prefix, low, high } => {
                let asked = Asked::new(*prefix, *low, *high, self.now);
                asked.condition(sql, "r.updated_us", "(r.updated_us + 1)");
            }
            _ => drop(sql.push("FALSE")),
        }
    }

    fn probe_param(&self, sql: &mut Sql, id: ParamId, test: &Test) {
        let (param, member) = (self.words.param(id), member(self.words, id));
        let dialect = sql.dialect;
        let each = format!("EXISTS (SELECT 1 FROM {} WHERE ", dialect.pairs(&member));
        let member = dialect.member(&member);
        match test {
            Test::Missing(true) => drop(sql.push(format_args!("{member} IS NULL"))),
            Test::Missing(false) | Test::Token { system: None, code: None } => {
                sql.push(format_args!("{member} IS NOT NULL"));
            }
            Test::Token { system, code: Some(code) } => {
                sql.push("EXISTS (SELECT 1 FROM idx_token x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.code = ").push_bind(short(code)).push(" AND x.rid = r.rid");
                if let Some(system) = system {
                    sql.push(" AND x.system = ").push_bind(system_number(system));
                }
                sql.push(")");
            }
            Test::Token { system: Some(system), code: None } => {
                let number = dialect.pair_number(1);
                sql.push(each).push(number).push(" = ").push_bind(system_number(system)).push(")");
            }
            Test::Reference { kind, id } => {
                sql.push("EXISTS (SELECT 1 FROM idx_reference x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.target = ").push_bind(short(id)).push(" AND x.rid = r.rid");
                if kind.is_some() {
                    sql.push(" AND x.kind = ").push_bind(kind_number(self.words, *kind));
                }
                sql.push(")");
            }
            Test::String(how, text) => {
                sql.push(each);
                match how {
                    StringTest::Starts => {
                        let value = dialect.pair_text(0);
                        sql.push(format_args!("{value} >= ")).push_bind(text.to_string());
                        sql.push(format_args!(" AND {value} < ")).push_bind(after_prefix(text));
                    }
                    StringTest::Contains => {
                        let (instr, value) = (dialect.instr(), dialect.pair_text(0));
                        sql.push(format_args!("{instr}({value}, ")).push_bind(text.to_string()).push(") > 0");
                    }
                    StringTest::Exact => {
                        sql.push(dialect.pair_text(1)).push(" = ").push_bind(short(text));
                    }
                }
                sql.push(")");
            }
            Test::Date { prefix, low, high } => {
                sql.push(each);
                let asked = Asked::new(*prefix, *low, *high, self.now);
                asked.condition(sql, &dialect.pair_number(0), &dialect.pair_number(1));
                sql.push(")");
            }
            Test::Number { prefix, low, high, of } => {
                let (member, counted) = match of {
                    Counted::Anything => (member_of('n', param), None),
                    Counted::Unit(unit) => (member_of('q', param), Some(unit)),
                    Counted::Named(name) => (member_of('u', param), Some(name)),
                };
                sql.push(format_args!("EXISTS (SELECT 1 FROM {} WHERE ", dialect.pairs(&member)));
                if let Some(counted) = counted {
                    sql.push(dialect.pair_number(2))
                        .push(" = ")
                        .push_bind(system_number(counted))
                        .push(" AND ");
                }
                let asked = Asked::number(*prefix, *low, *high);
                asked.condition(sql, &dialect.pair_number(0), &dialect.pair_number(1));
                sql.push(")");
            }
            Test::Below(uri) => {
                let value = dialect.pair_text(0);
                sql.push(each).push("(").push(&value).push(" = ").push_bind(short(uri));
                sql.push(format_args!(" OR ({value} >= ")).push_bind(format!("{uri}/"));
                sql.push(format_args!(" AND {value} < ")).push_bind(format!("{uri}0")).push(")))");
            }
            Test::Holds(text) => {
                let (instr, value) = (dialect.instr(), dialect.pair_text(0));
                sql.push(each)
                    .push(format_args!("{instr}({value}, "))
                    .push_bind(text.to_string())
                    .push(") > 0)");
            }
            Test::Id(_) => drop(sql.push("FALSE")),
        }
    }

    /// Pushes a query for the `rid`s that match a filter which has a [`rarity`]; one may come twice.
    pub fn drive(&self, sql: &mut Sql, filter: &Filter) {
        for (at, test) in filter.any.iter().enumerate() {
            if at > 0 {
                sql.push(" UNION ALL ");
            }
            match filter.on {
                FilterOn::Param(id) => self.drive_param(sql, self.words.param(id), test),
                FilterOn::Id | FilterOn::LastUpdated => {
                    sql.push("SELECT x.rid FROM resource x WHERE x.type = ")
                        .push_bind(self.words.kind(self.kind));
                    sql.push(" AND x.id = ").push_bind(match test {
                        Test::Id(id) => Some(id.to_string()),
                        _ => None,
                    });
                }
            }
        }
    }

    fn drive_param(&self, sql: &mut Sql, param: i64, test: &Test) {
        match test {
            Test::Token { system, code } => {
                sql.push("SELECT x.rid FROM idx_token x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.code = ").push_bind(code.as_deref().map(short));
                if let Some(system) = system {
                    sql.push(" AND x.system = ").push_bind(system_number(system));
                }
            }
            Test::Reference { kind, id } => {
                sql.push("SELECT x.rid FROM idx_reference x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.target = ").push_bind(short(id));
                if kind.is_some() {
                    sql.push(" AND x.kind = ").push_bind(kind_number(self.words, *kind));
                }
            }
            Test::String(how, text) => {
                sql.push("SELECT x.rid FROM idx_string x WHERE x.param = ").push_bind(param);
                if *how == StringTest::Exact {
                    sql.push(" AND x.normal = ").push_bind(short(&normal(text)));
                    sql.push(" AND x.exact = ").push_bind(short(text));
                } else {
                    sql.push(" AND x.normal >= ").push_bind(text.to_string());
                    sql.push(" AND x.normal < ").push_bind(after_prefix(text));
                }
            }
            Test::Date { prefix, low, high } => {
                let asked = Asked::new(*prefix, *low, *high, self.now);
                let (from, to) = asked.reach(SHORT_SPAN_US);
                sql.push("SELECT x.rid FROM idx_date x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.long = 0 AND x.low >= ").push_bind(from);
                sql.push(" AND x.low <= ").push_bind(to).push(" AND ");
                asked.condition(sql, "x.low", "x.high");
                sql.push(" UNION ALL SELECT x.rid FROM idx_date x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.long = 1 AND ");
                asked.condition(sql, "x.low", "x.high");
            }
            Test::Number { prefix, low, high, of } => {
                let unit = match of {
                    Counted::Anything | Counted::Named(_) => 0,
                    Counted::Unit(unit) => system_number(unit),
                };
                let asked = Asked::number(*prefix, *low, *high);
                let (from, to) = asked.reach(1);
                for long in [0, 1] {
                    sql.push(if long > 0 { " UNION ALL " } else { "" });
                    sql.push("SELECT x.rid FROM idx_number x WHERE x.param = ").push_bind(param);
                    sql.push(" AND x.unit = ")
                        .push_bind(unit)
                        .push(format_args!(" AND x.long = {long} AND "));
                    if long == 0 {
                        sql.push("x.low >= ")
                            .push_bind(from)
                            .push(" AND x.low <= ")
                            .push_bind(to)
                            .push(" AND ");
                    }
                    asked.condition(sql, "x.low", "x.high");
                }
            }
            Test::Below(uri) => {
                sql.push("SELECT x.rid FROM idx_token x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.code = ").push_bind(short(uri));
                // What begins with the slash, up to the character after it.
                sql.push(" UNION ALL SELECT x.rid FROM idx_token x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.code >= ").push_bind(format!("{uri}/"));
                sql.push(" AND x.code < ").push_bind(format!("{uri}0"));
            }
            Test::Id(_) | Test::Holds(_) | Test::Missing(_) => drop(sql.push("SELECT 0 WHERE FALSE")),
        }
    }
}
