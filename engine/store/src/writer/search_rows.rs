//! Search rows that come and go with the resources of a batch.

use crate::database::Kind::{Int, Text};
use crate::database::{Rows, Shape, Together};
use crate::entries::{Entry, texts};
use crate::words::{TEXTS, is_text};

/// Search rows that come and go.
pub(super) struct SearchRows {
    tokens: Rows,
    strings: Rows,
    references: Rows,
    dates: Rows,
    numbers: Rows,
    gone_tokens: Rows,
    gone_strings: Rows,
    gone_references: Rows,
    gone_dates: Rows,
    gone_numbers: Rows,
}

macro_rules! search_table {
    ($insert:ident, $delete:ident, $table:literal, $columns:literal, $kinds:expr) => {
        search_table!($insert, $delete, $table, $columns, $kinds, "");
    };
    ($insert:ident, $delete:ident, $table:literal, $columns:literal, $kinds:expr, $after:literal) => {
        const $insert: Shape = Shape {
            before: concat!("INSERT INTO ", $table, " (", $columns, ") VALUES "),
            columns: $kinds,
            after: $after,
            locks: "",
        };
        const $delete: Shape = Shape {
            before: concat!("DELETE FROM ", $table, " WHERE (", $columns, ") = "),
            columns: $kinds,
            after: "",
            locks: "",
        };
    };
}
search_table!(TOKEN, GONE_TOKEN, "idx_token", "param, code, rid, system", &[Int, Text, Int, Int]);
// A program of before takes no texts away with what it changes.
search_table!(
    STRING,
    GONE_STRING,
    "idx_string",
    "param, normal, rid, exact",
    &[Int, Text, Int, Text],
    " ON CONFLICT DO NOTHING"
);
search_table!(REFERENCE, GONE_REFERENCE, "idx_reference", "param, target, rid, kind", &[Int, Text, Int, Int]);
search_table!(DATE, GONE_DATE, "idx_date", "param, long, low, rid, high", &[Int, Int, Int, Int, Int]);

search_table!(
    NUMBER,
    GONE_NUMBER,
    "idx_number",
    "param, unit, long, low, rid, high",
    &[Int, Int, Int, Int, Int, Int]
);

impl Default for SearchRows {
    fn default() -> Self {
        Self {
            tokens: Rows::new(&TOKEN),
            strings: Rows::new(&STRING),
            references: Rows::new(&REFERENCE),
            dates: Rows::new(&DATE),
            numbers: Rows::new(&NUMBER),
            gone_tokens: Rows::new(&GONE_TOKEN),
            gone_strings: Rows::new(&GONE_STRING),
            gone_references: Rows::new(&GONE_REFERENCE),
            gone_dates: Rows::new(&GONE_DATE),
            gone_numbers: Rows::new(&GONE_NUMBER),
        }
    }
}

impl SearchRows {
    /// Adds what differs between the stored rows and the new ones, both sorted.
    pub fn change(&mut self, rid: i64, stored: &[Entry], new: &[Entry]) {
        for entry in stored.iter().filter(|entry| new.binary_search(entry).is_err()) {
            self.add(rid, entry, true);
        }
        for entry in new.iter().filter(|entry| stored.binary_search(entry).is_err()) {
            self.add(rid, entry, false);
        }
        let (before, after) = (texts(stored), texts(new));
        for text in before.difference(&after) {
            self.gone_strings.push([TEXTS.into(), (*text).into(), rid.into(), "".into()]);
        }
        for text in after.difference(&before) {
            self.strings.push([TEXTS.into(), (*text).into(), rid.into(), "".into()]);
        }
    }

    fn add(&mut self, rid: i64, entry: &Entry, is_gone: bool) {
        match entry {
            Entry::Token { param, code, system } => {
                let rows = if is_gone { &mut self.gone_tokens } else { &mut self.tokens };
                rows.push([(*param).into(), code.into(), rid.into(), (*system).into()]);
            }
            Entry::String { param, .. } if is_text(*param) => {}
            Entry::String { param, normal, exact } => {
                let rows = if is_gone { &mut self.gone_strings } else { &mut self.strings };
                rows.push([(*param).into(), normal.into(), rid.into(), exact.into()]);
            }
            Entry::Reference { param, target, kind } => {
                let rows = if is_gone { &mut self.gone_references } else { &mut self.references };
                rows.push([(*param).into(), target.into(), rid.into(), (*kind).into()]);
            }
            Entry::Date { param, low, high, long } => {
                let rows = if is_gone { &mut self.gone_dates } else { &mut self.dates };
                rows.push([(*param).into(), (*long).into(), (*low).into(), rid.into(), (*high).into()]);
            }
            Entry::Number { param, low, high, long } => {
                self.number(rid, *param, 0, (*low, *high), *long, is_gone)
            }
            Entry::Measure { param, low, high, unit, long } => {
                self.number(rid, *param, *unit, (*low, *high), *long, is_gone);
            }
            // Looked up by what else it has, and then compared beside the resource.
            Entry::Named { .. } | Entry::Group { .. } => {}
        }
    }

    fn number(
        &mut self,
        rid: i64,
        param: i64,
        unit: i64,
        (low, high): (i64, i64),
        long: bool,
        is_gone: bool,
    ) {
        let rows = if is_gone { &mut self.gone_numbers } else { &mut self.numbers };
        rows.push([param.into(), unit.into(), long.into(), low.into(), rid.into(), high.into()]);
    }

    /// Hands over what is to be written. No row goes and comes in one batch.
    pub fn write(self, together: &mut Together) {
        let gone =
            [self.gone_tokens, self.gone_strings, self.gone_references, self.gone_dates, self.gone_numbers];
        let new = [self.tokens, self.strings, self.references, self.dates, self.numbers];
        for rows in gone.into_iter().chain(new) {
            together.add(rows);
        }
    }
}
