//! The order of matches, and where a page goes on.

use hub_fhir::params::{ParamKind, by_id};
use hub_fhir::search::{Cursor, CursorValue, FilterOn, Sort};

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
    },
}

impl Order {
    /// The order asked for; without one the newest come first.
    pub fn of(sort: &[Sort], words: &Words) -> Self {
        let newest_first = [Sort { on: FilterOn::LastUpdated, descending: true }];
        let sort = if sort.is_empty() { &newest_first[..] } else { sort };
        Self { keys: sort.iter().map(|sort| SortKey::of(sort, words)).collect() }
    }

    /// Whether an index has this order.
    pub fn is_walkable(&self) -> bool {
        self.keys.len() == 1
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
    fn of(sort: &Sort, words: &Words) -> Self {
        let descending = sort.descending;
        match sort.on {
            FilterOn::Id | FilterOn::Pointed | FilterOn::Narrative | FilterOn::Content => Self {
                descending,
                walk: Walk::Id,
                member: String::new(),
                is_integer: false,
                is_second_integer: false,
            },
            FilterOn::LastUpdated => Self {
                descending,
                walk: Walk::Updated,
                member: String::new(),
                is_integer: true,
                is_second_integer: false,
            },
            FilterOn::Param(id) => {
                let kind = by_id(id).map(|param| param.kind);
                let (table, column, second) = match kind {
                    Some(ParamKind::String) => ("idx_string", "normal", "exact"),
                    Some(ParamKind::Reference) => ("idx_reference", "target", "kind"),
                    Some(ParamKind::Date) => ("idx_date", "low", "high"),
                    Some(ParamKind::Number | ParamKind::Quantity) => ("idx_number", "low", "high"),
                    _ => ("idx_token", "code", "system"),
                };
                Self {
                    descending,
                    walk: Walk::Table { table, column, second, param: words.param(id) },
                    member: member(words, id),
                    is_integer: matches!(
                        kind,
                        Some(ParamKind::Date | ParamKind::Number | ParamKind::Quantity)
                    ),
                    is_second_integer: kind != Some(ParamKind::String),
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
        }
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
