//! The search rows of contained resources, which come and go with their containers.

use hub_fhir::Object;
use hub_fhir::contained::contained;

use crate::database::Kind::{Int, Json, Text};
use crate::database::{Rows, Shape, Together};
use crate::entries::{Beside, Entry, entries};
use crate::words::Words;

/// The rows of a contained resource.
#[derive(Clone, Debug)]
pub(crate) struct Within {
    /// Its place among those that its container contains.
    pub nth: usize,
    /// Its type, as the store numbers it.
    pub kind: i64,
    /// Its id within the container.
    pub id: String,
    /// What it can be found by, sorted.
    pub entries: Vec<Entry>,
}

impl Within {
    /// Of everything that a resource contains.
    pub fn all_of(tree: &Object, words: &Words) -> Vec<Self> {
        let each = contained(tree).map(|(nth, one)| Self {
            nth,
            kind: words.kind(one.kind),
            id: one.id.into(),
            entries: entries(&one.rows, words),
        });
        each.collect()
    }
}

const PUT: Shape = Shape {
    before: "INSERT INTO contained (rid, nth, type, id, rows, more) VALUES ",
    columns: &[Int, Int, Int, Text, Json, Json],
    after: " ON CONFLICT (rid, nth) DO UPDATE SET type = excluded.type, id = excluded.id, rows = excluded.rows, more = excluded.more",
    locks: "",
};
/// A container that had other places has only this one left, and those that are put beside.
const GONE: Shape = Shape {
    before: "WITH w(rid, kept) AS (VALUES ",
    columns: &[Int, Text],
    after: ") DELETE FROM contained WHERE (rid, nth) IN (SELECT c.rid, c.nth FROM w CROSS JOIN contained c
              WHERE c.rid = w.rid AND w.kept NOT LIKE '%,' || CAST(c.nth AS TEXT) || ',%')",
    locks: "",
};

/// Rows that come and go.
pub(super) struct ContainedRows {
    put: Rows,
    gone: Rows,
}

impl Default for ContainedRows {
    fn default() -> Self {
        Self { put: Rows::new(&PUT), gone: Rows::new(&GONE) }
    }
}

impl ContainedRows {
    /// What a container contains from now on; `is_new`: it was not there before.
    pub fn change(&mut self, rid: i64, is_new: bool, within: &[Within]) {
        if !is_new {
            let places: Vec<String> = within.iter().map(|one| one.nth.to_string()).collect();
            self.gone.push([rid.into(), format!(",{},", places.join(",")).into()]);
        }
        for one in within {
            let beside = Beside::of(&one.entries);
            let nth = i64::try_from(one.nth).unwrap_or(i64::MAX);
            self.put.push([
                rid.into(),
                nth.into(),
                one.kind.into(),
                one.id.as_str().into(),
                beside.rows.into(),
                beside.more.into(),
            ]);
        }
    }

    /// Hands over what is to be written.
    pub fn write(self, together: &mut Together) {
        together.add(self.gone);
        together.add(self.put);
    }
}
