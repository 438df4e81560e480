//! The words of texts that come and go with the resources of a batch.

use hub_fhir::full_text::FullText;

use crate::database::Kind::{Int, Words};
use crate::database::{Dialect, Rows, Shape, Together};

const FOR_SQLITE: Shape = Shape {
    before: "INSERT OR REPLACE INTO full_text (rowid, narrative, rest) VALUES ",
    columns: &[Int, Words, Words],
    after: "",
    locks: "",
};
const FOR_POSTGRES: Shape = Shape {
    before: "INSERT INTO full_text (rid, narrative, rest) VALUES ",
    columns: &[Int, Words, Words],
    after: " ON CONFLICT (rid) DO UPDATE SET narrative = excluded.narrative, rest = excluded.rest",
    locks: "",
};
const GONE_FOR_SQLITE: Shape =
    Shape { before: "DELETE FROM full_text WHERE (rowid) = ", columns: &[Int], after: "", locks: "" };
const GONE_FOR_POSTGRES: Shape =
    Shape { before: "DELETE FROM full_text WHERE (rid) = ", columns: &[Int], after: "", locks: "" };

/// Words that come and go.
pub(super) struct FullTexts {
    new: Rows,
    gone: Rows,
}

impl FullTexts {
    /// None yet.
    pub fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Sqlite => Self { new: Rows::new(&FOR_SQLITE), gone: Rows::new(&GONE_FOR_SQLITE) },
            Dialect::Postgres => Self { new: Rows::new(&FOR_POSTGRES), gone: Rows::new(&GONE_FOR_POSTGRES) },
        }
    }

    /// The words of a resource of a type whose texts are searched; `None`: it is gone.
    pub fn change(&mut self, rid: i64, text: Option<&FullText>) {
        match text {
            Some(text) => {
                self.new.push([rid.into(), text.narrative.as_str().into(), text.rest.as_str().into()]);
            }
            None => self.gone.push([rid.into()]),
        }
    }

    /// Hands over what is to be written.
    pub fn write(self, together: &mut Together) {
        together.add(self.gone);
        together.add(self.new);
    }
}
