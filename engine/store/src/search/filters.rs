//! Filters as SQL: as a probe on one resource `r`, and as a list of the resources that match.

use hub_fhir::ResourceType;
use hub_fhir::composite;
use hub_fhir::expand::Coded;
use hub_fhir::index::{Aspect, ParamId};
use hub_fhir::json::Json;
use hub_fhir::normal::{as_written, normal};
use hub_fhir::params::{ParamKind, by_id};
use hub_fhir::search::{Counted, Filter, FilterOn, StringTest, Test};

use crate::database::Sql;
use crate::entries::{SHORT_SPAN_US, kind_number, system_number};
use crate::search::dates::Asked;
use crate::search::rarity::{driver, is_driven, is_exact};
use crate::short::short;
use crate::words::{TEXTS, Words};

/// What filters are compiled with.
pub(super) struct Compiler<'a> {
    pub words: &'a Words,
    pub now: i64,
    pub kind: ResourceType,
    /// Whether `r` is a contained resource: it has its rows beside itself alone.
    pub is_contained: bool,
}

/// The letter of the member that holds the values a test is made on.
fn letter(test: &Test) -> char {
    match test {
        Test::String(..) => 's',
        Test::Reference { .. } => 'r',
        Test::Date { .. } => 'd',
        Test::Number { of: Counted::Anything, .. } => 'n',
        Test::Number { of: Counted::Unit(_), .. } => 'q',
        Test::Number { of: Counted::Named(_), .. } => 'u',
        Test::Unlike(test) => letter(test),
        _ => 't',
    }
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
pub(super) fn member_of(letter: char, param: i64) -> String {
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
                FilterOn::Narrative | FilterOn::Content => self.probe_text(sql, &filter.on, test),
                FilterOn::Pointed => self.probe_pointed(sql, test),
                FilterOn::Each => self.probe_all(sql, test),
                FilterOn::Contains => {
                    let (one_of, end) = sql.dialect.one_of();
                    sql.push(format_args!("r.rid{one_of}"));
                    self.drive_contains(sql, test);
                    sql.push(end);
                }
            }
        }
        sql.push(")");
    }

    fn probe_all(&self, sql: &mut Sql, test: &Test) {
        let Test::All(filters) = test else {
            sql.push("FALSE");
            return;
        };
        sql.push("(TRUE");
        self.probes(sql, filters, None);
        sql.push(")");
    }

    fn probe_id(&self, sql: &mut Sql, test: &Test) {
        match test {
            Test::Id(id) => drop(sql.push("r.id = ").push_bind(id.to_string())),
            Test::Unlike(test) => {
                sql.push("NOT ");
                self.probe_id(sql, test);
            }
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
        match test {
            Test::Missing(missing) => {
                sql.push(if *missing { "NOT " } else { "" });
                self.probe_present(sql, id);
            }
            Test::Of(aspect, test) => self.probe_value(sql, self.words.aspect(id, *aspect), test),
            Test::Token { system: None, code: None } => self.probe_present(sql, id),
            test => self.probe_value(sql, self.words.param(id), test),
        }
    }

    /// Pushes whether the resource `r` has a value; of a composite, one of each component in one element.
    fn probe_present(&self, sql: &mut Sql, id: ParamId) {
        let dialect = sql.dialect;
        let has = |id: ParamId| format!("{} IS NOT NULL", dialect.member(&member(self.words, id)));
        let Some(composite) = by_id(id).and_then(composite::of) else {
            sql.push(format_args!("({})", has(id)));
            return;
        };
        let (components, groups) = (&composite.components, member_of('c', self.words.param(id)));
        sql.push(format_args!("(({} IS NULL", dialect.member(&groups)));
        for component in components {
            sql.push(format_args!(" AND {}", has(component.id)));
        }
        sql.push(format_args!(") OR EXISTS (SELECT 1 FROM {} WHERE TRUE", dialect.groups(&groups)));
        for at in 0..components.len() {
            sql.push(format_args!(" AND {}", dialect.has_values_in_group(at)));
        }
        sql.push("))");
    }

    /// Pushes whether the resource `r` has a value that passes, under this number of a parameter or of an aspect of one.
    fn probe_value(&self, sql: &mut Sql, param: i64, test: &Test) {
        let dialect = sql.dialect;
        match test {
            _ if self.is_contained && matches!(test, Test::Token { .. } | Test::Reference { .. }) => {
                self.in_pairs(sql, &dialect.pairs(&member_of(letter(test), param)), test);
            }
            Test::Token { system, code: Some(code) } => {
                sql.push("EXISTS (SELECT 1 FROM idx_token x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.code = ").push_bind(short(code)).push(" AND x.rid = r.rid");
                if let Some(system) = system {
                    sql.push(" AND x.system = ").push_bind(system_number(system));
                }
                sql.push(format_args!("{})", dialect.fence()));
            }
            Test::Reference { kind, id } => {
                sql.push("EXISTS (SELECT 1 FROM idx_reference x WHERE x.param = ").push_bind(param);
                sql.push(" AND x.target = ").push_bind(short(id)).push(" AND x.rid = r.rid");
                if kind.is_some() {
                    sql.push(" AND x.kind = ").push_bind(kind_number(self.words, *kind));
                }
                sql.push(format_args!("{})", dialect.fence()));
            }
            Test::Together(tests) => self.probe_together(sql, param, tests),
            Test::Through(kind, filter) => self.probe_through(sql, param, *kind, filter),
            Test::Token { .. }
            | Test::String(..)
            | Test::Date { .. }
            | Test::Number { .. }
            | Test::Below(_)
            | Test::Holds(_)
            | Test::OneOf(_)
            | Test::Unlike(_) => {
                let pairs = dialect.pairs(&member_of(letter(test), param));
                self.in_pairs(sql, &pairs, test);
            }
            Test::Id(_)
            | Test::From(..)
            | Test::All(_)
            | Test::Contains(..)
            | Test::Missing(_)
            | Test::Told(_)
            | Test::Sought(_)
            | Test::Of(..) => drop(sql.push("FALSE")),
        }
    }

    /// Codes as the search rows have them, as JSON.
    fn pairs(&self, codes: &[Coded]) -> String {
        let pair = |(system, code): &Coded| {
            let code = Json::String(short(code));
            Json::Array(vec![code, Json::Number(system_number(system).to_string().into())])
        };
        Json::Array(codes.iter().map(pair).collect()).to_text()
    }

    /// Pushes whether one of the pairs passes.
    fn in_pairs(&self, sql: &mut Sql, pairs: &str, test: &Test) {
        sql.push(format_args!("EXISTS (SELECT 1 FROM {pairs} WHERE "));
        self.pair(sql, test);
        sql.push(")");
    }

    /// Pushes whether the pair `j` passes.
    fn pair(&self, sql: &mut Sql, test: &Test) {
        let dialect = sql.dialect;
        let (first, number) = (dialect.pair_text(0), dialect.pair_number(1));
        match test {
            Test::Token { system, code } => {
                sql.push("TRUE");
                if let Some(code) = code {
                    sql.push(format_args!(" AND {first} = ")).push_bind(short(code));
                }
                if let Some(system) = system {
                    sql.push(format_args!(" AND {number} = ")).push_bind(system_number(system));
                }
            }
            Test::Reference { kind, id } => {
                sql.push(format_args!("{first} = ")).push_bind(short(id));
                if kind.is_some() {
                    sql.push(format_args!(" AND {number} = ")).push_bind(kind_number(self.words, *kind));
                }
            }
            Test::String(StringTest::Starts, text) => {
                sql.push(format_args!("{first} >= ")).push_bind(text.to_string());
                sql.push(format_args!(" AND {first} < ")).push_bind(after_prefix(text));
            }
            Test::String(StringTest::Contains, text) | Test::Holds(text) => {
                let instr = dialect.instr();
                sql.push(format_args!("{instr}({first}, ")).push_bind(text.to_string()).push(") > 0");
            }
            Test::String(StringTest::Is, text) => {
                sql.push(format_args!("{first} = ")).push_bind(short(text));
            }
            Test::String(StringTest::Ends, text) => {
                let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
                sql.push(format_args!("length({first}) >= ")).push_bind(length);
                sql.push(format_args!(" AND substr({first}, length({first}) - CAST("));
                sql.push_bind(length - 1).push(" AS INTEGER)) = ").push_bind(text.to_string());
            }
            Test::String(StringTest::Exact, text) => {
                sql.push(dialect.pair_text(1)).push(" = ").push_bind(short(text));
            }
            Test::Date { prefix, low, high } => {
                let asked = Asked::new(*prefix, *low, *high, self.now);
                asked.condition(sql, &dialect.pair_number(0), &number);
            }
            Test::Number { prefix, low, high, of } => {
                if let Counted::Unit(counted) | Counted::Named(counted) = of {
                    sql.push(dialect.pair_number(2)).push(" = ").push_bind(system_number(counted));
                    sql.push(" AND ");
                }
                Asked::number(*prefix, *low, *high).condition(sql, &dialect.pair_number(0), &number);
            }
            Test::Below(uri) => {
                sql.push(format_args!("({first} = ")).push_bind(short(uri));
                sql.push(format_args!(" OR ({first} >= ")).push_bind(format!("{uri}/"));
                sql.push(format_args!(" AND {first} < ")).push_bind(format!("{uri}0")).push("))");
            }
            Test::Unlike(test) => {
                sql.push("NOT (");
                self.pair(sql, test);
                sql.push(")");
            }
            Test::OneOf(codes) => {
                let given = dialect.given(&self.pairs(codes), sql);
                let (code, system) = (dialect.text_of("c.value", 0), dialect.number_of("c.value", 1));
                sql.push(format_args!("({first}, {number}) IN (SELECT {code}, {system} FROM {given})"));
            }
            Test::Id(_)
            | Test::Missing(_)
            | Test::Told(_)
            | Test::Sought(_)
            | Test::Of(..)
            | Test::Together(_)
            | Test::Through(..)
            | Test::From(..)
            | Test::Contains(..)
            | Test::All(_) => {
                sql.push("FALSE");
            }
        }
    }

    /// A resource without groups has one such element at most: then the components say it.
    fn probe_together(&self, sql: &mut Sql, param: i64, tests: &[(ParamId, Test)]) {
        let (dialect, member) = (sql.dialect, member_of('c', param));
        sql.push(format_args!("(({} IS NULL", dialect.member(&member)));
        for (id, test) in tests {
            sql.push(" AND ");
            self.probe_param(sql, *id, test);
        }
        sql.push(format_args!(") OR EXISTS (SELECT 1 FROM {} WHERE TRUE", dialect.groups(&member)));
        for (at, (_, test)) in tests.iter().enumerate() {
            sql.push(" AND ");
            self.in_pairs(sql, &dialect.pairs_in_group(at, &member_of(letter(test), 0)), test);
        }
        sql.push("))");
    }

    /// Pushes a query for the `rid`s that match a filter which has a [`rarity`]; one may come twice.
    pub fn drive(&self, sql: &mut Sql, filter: &Filter) {
        for (at, test) in filter.any.iter().enumerate() {
            if at > 0 {
                sql.push(" UNION ALL ");
            }
            match filter.on {
                FilterOn::Param(id) => match test {
                    Test::Of(Aspect::Text, test) => self.drive_param(sql, TEXTS, test),
                    Test::Of(aspect, test) => self.drive_param(sql, self.words.aspect(id, *aspect), test),
                    test => self.drive_param(sql, self.words.param(id), test),
                },
                FilterOn::Narrative | FilterOn::Content => self.drive_text(sql, &filter.on, test),
                FilterOn::Pointed => self.drive_pointed(sql, test),
                FilterOn::Contains => self.drive_contains(sql, test),
                FilterOn::Each => match test {
                    Test::All(filters) if let Some((filter, ..)) = driver(filters) => self.drive(sql, filter),
                    _ => drop(sql.push("SELECT 0 WHERE FALSE")),
                },
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
                match how {
                    StringTest::Exact => {
                        // Earlier generations of rows have it as it is written.
                        let forms = [normal(text), as_written(text)];
                        sql.push(" AND x.normal IN (")
                            .push_list(forms.iter().map(|form| short(form)))
                            .push(")");
                        sql.push(" AND x.exact = ").push_bind(short(text));
                    }
                    StringTest::Is => drop(sql.push(" AND x.normal = ").push_bind(short(text))),
                    StringTest::Starts | StringTest::Contains | StringTest::Ends => {
                        sql.push(" AND x.normal >= ").push_bind(text.to_string());
                        sql.push(" AND x.normal < ").push_bind(after_prefix(text));
                    }
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
            Test::Together(tests) => match tests.iter().find(|(_, test)| is_driven(test)) {
                Some((id, test)) => self.drive_param(sql, self.words.param(*id), test),
                None => {
                    sql.push("SELECT 0 WHERE FALSE");
                }
            },
            Test::Through(kind, filter) => self.drive_through(sql, param, *kind, filter),
            Test::OneOf(codes) => {
                let dialect = sql.dialect;
                let given = dialect.given(&self.pairs(codes), sql);
                let join = dialect.join();
                sql.push(format_args!("SELECT x.rid FROM {given} {join} idx_token x ON x.param = "))
                    .push_bind(param);
                sql.push(format_args!(" AND x.code = {}", dialect.text_of("c.value", 0)));
                sql.push(format_args!(" AND x.system = {}", dialect.number_of("c.value", 1)));
            }
            Test::Id(_)
            | Test::Holds(_)
            | Test::Missing(_)
            | Test::Unlike(_)
            | Test::All(_)
            | Test::Contains(..)
            | Test::Told(_)
            | Test::Sought(_)
            | Test::Of(..)
            | Test::From(..) => {
                sql.push("SELECT 0 WHERE FALSE");
            }
        }
    }
}
