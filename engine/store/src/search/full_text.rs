//! What is sought in texts, as SQL: on SQLite an FTS5 table answers, on PostgreSQL a GIN index over the words with their places.

use std::fmt::Write;

use hub_fhir::search::{FilterOn, Sought, Test};

use crate::database::{Dialect, Sql};
use crate::search::filters::Compiler;

impl Compiler<'_> {
    /// Pushes whether the resource `r` has the words that are sought in it.
    pub(super) fn probe_text(&self, sql: &mut Sql, on: &FilterOn, test: &Test) {
        let Test::Sought(sought) = test else {
            sql.push("FALSE");
            return;
        };
        sql.push(format_args!(
            "EXISTS (SELECT 1 FROM full_text x WHERE x.{} = r.rid AND ",
            number(sql.dialect)
        ));
        condition(sql, on, sought);
        sql.push(format_args!("{})", sql.dialect.fence()));
    }

    /// Pushes a query for the resources that have the words.
    pub(super) fn drive_text(&self, sql: &mut Sql, on: &FilterOn, test: &Test) {
        let Test::Sought(sought) = test else {
            sql.push("SELECT 0 WHERE FALSE");
            return;
        };
        sql.push(format_args!("SELECT x.{} FROM full_text x WHERE ", number(sql.dialect)));
        condition(sql, on, sought);
    }
}

/// The column of a resource's number.
fn number(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "rowid",
        Dialect::Postgres => "rid",
    }
}

/// Pushes the rest of a query over `full_text x` for those that have what is sought: in the narrative, or anywhere.
fn condition(sql: &mut Sql, on: &FilterOn, sought: &Sought) {
    let in_narrative = *on == FilterOn::Narrative;
    let mut asked = String::new();
    match sql.dialect {
        Dialect::Sqlite => {
            asked.push_str(if in_narrative { "narrative : " } else { "" });
            for_fts5(sought, &mut asked);
            sql.push("x.full_text MATCH ").push_bind(asked);
        }
        Dialect::Postgres => {
            for_tsquery(sought, &mut asked);
            // The index is of both; what is found there is looked at again.
            sql.push("(x.narrative || x.rest) @@ ").push_bind(asked.clone()).push("::text::tsquery");
            if in_narrative {
                sql.push(" AND x.narrative @@ ").push_bind(asked).push("::text::tsquery");
            }
        }
    }
}

fn for_fts5(sought: &Sought, text: &mut String) {
    match sought {
        Sought::Phrase { words, is_open } => {
            let open = if *is_open { " *" } else { "" };
            write!(text, "(\"{}\"{open})", words.join(" ")).expect("writing to a string succeeds");
        }
        Sought::All(must, not) => {
            text.push('(');
            each(must, " AND ", text, for_fts5);
            for one in not {
                text.push_str(" NOT ");
                for_fts5(one, text);
            }
            text.push(')');
        }
        Sought::Any(any) => {
            text.push('(');
            each(any, " OR ", text, for_fts5);
            text.push(')');
        }
    }
}

fn for_tsquery(sought: &Sought, text: &mut String) {
    match sought {
        Sought::Phrase { words, is_open } => {
            let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            let open = if *is_open { ":*" } else { "" };
            write!(text, "({}{open})", quoted.join(" <-> ")).expect("writing to a string succeeds");
        }
        Sought::All(must, not) => {
            text.push('(');
            each(must, " & ", text, for_tsquery);
            for one in not {
                text.push_str(" & !");
                for_tsquery(one, text);
            }
            text.push(')');
        }
        Sought::Any(any) => {
            text.push('(');
            each(any, " | ", text, for_tsquery);
            text.push(')');
        }
    }
}

fn each(parts: &[Sought], sign: &str, text: &mut String, write: fn(&Sought, &mut String)) {
    for (at, part) in parts.iter().enumerate() {
        text.push_str(if at > 0 { sign } else { "" });
        write(part, text);
    }
}
