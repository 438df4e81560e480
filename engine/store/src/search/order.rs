//! The order of matches, and where a page goes on.

use hub_fhir::params::{Param, ParamKind, by_id};
use hub_fhir::search::{Cursor, CursorValue, Sort, SortOn};

use crate::database::{Dialect, Record, Sql};
use crate::search::filters::member;
use crate::words::Words;

/// The sort keys; ties are broken by row number.
pub(super) struct Order {
    pub keys: Vec<SortKey>,
}

/// One sort key.
pub(super) struct SortKey {
    pub descending: bool,
    pub walk: Walk,
    /// The member of a resource's rows that holds the values, where the key is a search parameter.
    member: String,
    is_integer: bool,
    is_second_integer: bool,
    /// For each type that is looked through the reference at: its number, and the key there.
    through: Vec<(i64, SortKey)>,
}

/// The index that has the resources in the order of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    Updated,
    Id,
    /// A search table with its two value columns and the parameter.
    Table {
        table: &'static str,
        column: &'static str,
        second: &'static str,
        param: i64,
        /// A resource has one row there at most.
        is_single: bool,
    },
    /// No index has it.
    Nothing,
}

impl Order {
    /// The order asked for; without one the newest come first.
    pub fn of(sort: &[Sort], words: &Words) -> Self {
        let newest_first = [Sort { on: SortOn::LastUpdated, descending: true }];
        let sort = if sort.is_empty() { &newest_first[..] } else { sort };
        Self { keys: sort.iter().map(|sort| SortKey::of(&sort.on, sort.descending, words)).collect() }
    }

    /// Whether an index has this order.
    pub fn is_walkable(&self) -> bool {
        matches!(self.keys.as_slice(), [only] if only.walk != Walk::Nothing)
    }

    /// Whether rows of equal values come largest first: as the first key, so that a walk needs no sorting.
    pub fn is_descending(&self) -> bool {
        self.keys.first().is_some_and(|key| key.descending)
    }

    /// Pushes `ORDER BY` over the columns `s0`.. and `rid`. A value that is missing comes last.
    pub fn push(&self, sql: &mut Sql) {
        sql.push(" ORDER BY ");
        for (at, key) in self.keys.iter().enumerate() {
            let direction = if key.descending { " DESC" } else { "" };
            sql.push(format_args!("s{at} IS NULL, s{at}{direction}, "));
        }
        sql.push(if self.is_descending() { "rid DESC" } else { "rid" });
    }

    /// Pushes that a row with the columns `s0`.. and `rid` comes after the cursor.
    pub fn push_after(&self, sql: &mut Sql, cursor: &Cursor) {
        sql.push("(");
        let value = |at: usize| cursor.values.get(at).cloned().flatten();
        for (at, key) in self.keys.iter().enumerate() {
            // Nothing comes after a missing value but another missing one.
            let Some(last) = value(at) else { continue };
            self.push_equal(sql, cursor, at);
            sql.push(format_args!("(s{at} {} ", if key.descending { "<" } else { ">" }));
            push_value(sql, Some(last));
            sql.push(format_args!(" OR s{at} IS NULL) OR "));
        }
        self.push_equal(sql, cursor, self.keys.len());
        sql.push(if self.is_descending() { "rid < " } else { "rid > " }).push_bind(cursor.row).push(")");
    }

    fn push_equal(&self, sql: &mut Sql, cursor: &Cursor, keys: usize) {
        for at in 0..keys {
            sql.push(format_args!("s{at} IS NOT DISTINCT FROM "));
            push_value(sql, cursor.values.get(at).cloned().flatten());
            sql.push(" AND ");
        }
    }
}

impl SortKey {
    fn of(on: &SortOn, descending: bool, words: &Words) -> Self {
        let key = Self {
            descending,
            walk: Walk::Nothing,
            member: String::new(),
            is_integer: on.is_integer(),
            is_second_integer: false,
            through: Vec::new(),
        };
        match on {
            SortOn::Id => Self { walk: Walk::Id, ..key },
            SortOn::LastUpdated => Self { walk: Walk::Updated, ..key },
            SortOn::Through(id, ways) => {
                let ways = ways.iter().map(|(to, on)| (words.kind(*to), Self::of(on, descending, words)));
                Self { member: member(words, *id), through: ways.collect(), ..key }
            }
            SortOn::Param(id) => {
                let param = by_id(*id);
                let kind = param.map(|param| param.kind);
                let has_one_value = param.is_some_and(Param::has_one_value);
                let (table, column, second) = match kind {
                    Some(ParamKind::String) => ("idx_string", "normal", "exact"),
                    Some(ParamKind::Reference) => ("idx_reference", "target", "kind"),
                    Some(ParamKind::Date) => ("idx_date", "low", "high"),
                    Some(ParamKind::Number | ParamKind::Quantity) => ("idx_number", "low", "high"),
                    _ => ("idx_token", "code", "system"),
                };
                Self {
                    walk: Walk::Table {
                        table,
                        column,
                        second,
                        param: words.param(*id),
                        // The parts of one name or one code are rows of their own.
                        is_single: has_one_value && matches!(table, "idx_date" | "idx_number"),
                    },
                    member: member(words, *id),
                    is_second_integer: kind != Some(ParamKind::String),
                    ..key
                }
            }
        }
    }

    /// The value of the resource `r`: the smallest of several, the largest when descending.
    pub fn expression(&self, dialect: Dialect) -> String {
        match self.walk {
            Walk::Id => "r.id".to_owned(),
            Walk::Updated => "r.updated_us".to_owned(),
            Walk::Table { .. } => dialect.end_of_member(&self.member, self.descending, 0, self.is_integer),
            Walk::Nothing => self.through(dialect),
        }
    }

    /// The end of the values of what the resource `r` points at. Within each query of its own `r` is what is pointed at.
    fn through(&self, dialect: Dialect) -> String {
        let pairs = dialect.pairs(&self.member);
        let (id, of) = (dialect.pair_text(0), dialect.pair_number(1));
        let each = self.through.iter().map(|(kind, key)| {
            let value = key.expression(dialect);
            format!(
                "SELECT (SELECT {value} FROM resource r WHERE r.type = {kind} AND r.id = l.id AND r.deleted = 0) AS v
                 FROM (SELECT {id} AS id FROM {pairs} WHERE {of} = {kind}) l"
            )
        });
        let each = each.collect::<Vec<_>>().join(" UNION ALL ");
        let end = if self.descending { "max" } else { "min" };
        format!("(SELECT {end}(v) FROM ({each}) u)")
    }

    /// The second value of the row that the resource `r` is sorted by.
    pub fn second(&self, dialect: Dialect) -> String {
        dialect.end_of_member(&self.member, self.descending, 1, self.is_second_integer)
    }

    /// What its values are.
    pub fn kind(&self) -> &'static str {
        if self.is_integer { "BIGINT" } else { "TEXT" }
    }

    /// The value of this key in a column.
    pub fn read(&self, row: &Record, column: usize) -> Result<Option<CursorValue>, sqlx::Error> {
        if self.is_integer {
            return Ok(row.get::<Option<i64>>(column)?.map(CursorValue::Integer));
        }
        Ok(row.get::<Option<&str>>(column)?.map(|text| CursorValue::Text(text.into())))
    }
}

/// Pushes a value that was sorted by.
pub(super) fn push_value(sql: &mut Sql, value: Option<CursorValue>) {
    match value {
        None => drop(sql.push("NULL")),
        Some(CursorValue::Integer(value)) => drop(sql.push_bind(value)),
        Some(CursorValue::Text(text)) => drop(sql.push_bind(text.to_string())),
    }
}
