//! Where the two databases differ in their words.

use super::Sql;
use crate::entries::is_more;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// The column of a resource that a member of its search rows stands in.
fn column(member: &str) -> &'static str {
    if member.starts_with(is_more) { "r.more" } else { "r.rows" }
}

/// What PostgreSQL is told of connections whose statements look rows up by key, a few of them among millions. Statistics come later than
/// rows: planned by those of tables that were small a minute ago, such a statement would read them whole, and again at each use of the plan.
pub(crate) const LOOKING_UP: [(&str, &str); 4] =
    [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("jit", "off")];

impl Dialect {
    pub fn is_postgres(self) -> bool {
        self == Dialect::Postgres
    }

    /// A column that is only to be compared, not to be looked up by: SQLite would choose its index at any price, PostgreSQL
    /// weighs by its statistics.
    pub fn plain(self, column: &str) -> String {
        match self {
            Dialect::Sqlite => format!("+{column}"),
            Dialect::Postgres => column.to_owned(),
        }
    }

    /// The end of a query within a query that is asked for one row after the other: PostgreSQL would make a join of it, and enter it from
    /// whichever side its statistics of a minute ago speak for.
    pub fn fence(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " OFFSET 0",
        }
    }

    /// What a column's value must be one of: the words before a query of its own and those behind it. PostgreSQL would make joins of it, and
    /// choose their order by statistics that come late; as an array it is found once.
    pub fn one_of(self) -> (&'static str, &'static str) {
        match self {
            Dialect::Sqlite => (" IN (", ")"),
            Dialect::Postgres => (" = ANY (ARRAY(", "))"),
        }
    }

    /// A join whose left side is read first. PostgreSQL finds that out by itself.
    pub fn join(self) -> &'static str {
        match self {
            Dialect::Sqlite => "CROSS JOIN",
            Dialect::Postgres => "JOIN",
        }
    }

    /// The member of a resource's `rows`, as JSON; NULL when it is not there.
    pub fn member(self, member: &str) -> String {
        match self {
            Dialect::Sqlite => format!("{} -> '$.{member}'", column(member)),
            Dialect::Postgres => format!("{} -> '{member}'", column(member)),
        }
    }

    /// The pairs of a member as a table `j` with the column `value`.
    pub fn pairs(self, member: &str) -> String {
        match self {
            Dialect::Sqlite => format!("json_each({}, '$.{member}') j", column(member)),
            Dialect::Postgres => format!("jsonb_array_elements({} -> '{member}') j(value)", column(member)),
        }
    }

    /// The groups of a composite as a table `g` with the column `value`.
    pub fn groups(self, member: &str) -> String {
        match self {
            Dialect::Sqlite => format!("json_each({}, '$.{member}') g", column(member)),
            Dialect::Postgres => format!("jsonb_array_elements({} -> '{member}') g(value)", column(member)),
        }
    }

    /// The pairs of a member of a component of a group `g`, as [`Dialect::pairs`].
    pub fn pairs_in_group(self, component: usize, member: &str) -> String {
        match self {
            Dialect::Sqlite => format!("json_each(g.value, '$[{component}].{member}') j"),
            Dialect::Postgres => {
                format!("jsonb_array_elements(g.value -> {component} -> '{member}') j(value)")
            }
        }
    }

    /// Whether a component of a group `g` has values.
    pub fn has_values_in_group(self, component: usize) -> String {
        match self {
            Dialect::Sqlite => format!("g.value -> {component} <> '{{}}'"),
            Dialect::Postgres => format!("g.value -> {component} <> '{{}}'::jsonb"),
        }
    }

    /// A JSON array that is given with the statement as a table `c` with the column `value`.
    pub fn given(self, array: &str, sql: &mut Sql) -> String {
        let place = sql.hold(array.to_owned());
        match self {
            Dialect::Sqlite => format!("json_each({place}) c"),
            Dialect::Postgres => format!("jsonb_array_elements({place}::text::jsonb) c(value)"),
        }
    }

    /// The text at a place of a JSON array.
    pub fn text_of(self, array: &str, place: usize) -> String {
        match self {
            Dialect::Sqlite => format!("{array} ->> {place}"),
            Dialect::Postgres => format!(r#"({array} ->> {place}) COLLATE "C""#),
        }
    }

    /// The number at a place of a JSON array.
    pub fn number_of(self, array: &str, place: usize) -> String {
        match self {
            Dialect::Sqlite => format!("({array} ->> {place})"),
            Dialect::Postgres => format!("({array} ->> {place})::bigint"),
        }
    }

    /// The text at a place of a pair of [`Dialect::pairs`].
    pub fn pair_text(self, place: usize) -> String {
        self.text_of("j.value", place)
    }

    /// The number at a place of a pair of [`Dialect::pairs`].
    pub fn pair_number(self, place: usize) -> String {
        self.number_of("j.value", place)
    }

    /// A value of the first or last pair of a member.
    pub fn end_of_member(self, member: &str, is_last: bool, place: usize, is_number: bool) -> String {
        match self {
            Dialect::Sqlite => {
                let end = if is_last { "#-1" } else { "0" };
                format!("{} ->> '$.{member}[{end}][{place}]'", column(member))
            }
            Dialect::Postgres => {
                let end = if is_last { -1 } else { 0 };
                let text = format!("({} -> '{member}' -> {end} ->> {place})", column(member));
                if is_number { format!("{text}::bigint") } else { format!(r#"{text} COLLATE "C""#) }
            }
        }
    }

    /// Where a text begins in another, from 1; 0 when it does not.
    pub fn instr(self) -> &'static str {
        match self {
            Dialect::Sqlite => "instr",
            Dialect::Postgres => "strpos",
        }
    }
}
