//! Events while a batch is decided: those that are raised, and those that have had their effect.

use std::collections::HashSet;

use hub_core::commit::Wake;
use hub_core::store::Cause;
use hub_core::wakes::Waiting;

use crate::clock;
use crate::database::Kind::{Int, Text};
use crate::database::{Connection, DatabaseError, Rows, Shape, Together, all};
use crate::writer::work::Work;

const RAISE: Shape = Shape {
    before: "INSERT INTO wake (at_us, event, subject) VALUES ",
    columns: &[Int, Text, Text],
    after: "",
    locks: "",
};
const SPEND: Shape = Shape { before: "DELETE FROM wake WHERE seq = ", columns: &[Int], after: "", locks: "" };

/// The events of a batch.
pub(super) struct BatchWakes {
    raised: Rows,
    spent: Rows,
    numbers: HashSet<i64>,
}

impl Default for BatchWakes {
    fn default() -> Self {
        Self { raised: Rows::new(&RAISE), spent: Rows::new(&SPEND), numbers: HashSet::new() }
    }
}

impl BatchWakes {
    /// One more waits.
    pub fn raise(&mut self, wake: &Wake) {
        self.raised.push([
            clock::micros(wake.at).into(),
            wake.event.clone().into(),
            wake.subject.to_string().into(),
        ]);
    }

    /// One has had its effect.
    pub fn spend(&mut self, waiting: &Waiting) {
        if self.numbers.insert(waiting.number) {
            self.spent.push([waiting.number.into()]);
        }
    }

    /// Whether another work of the batch has spent it.
    pub fn is_spent(&self, waiting: &Waiting) -> bool {
        self.numbers.contains(&waiting.number)
    }

    /// Hands over what is to be written. What is spent goes first: its number may be given out again.
    pub fn write(self, together: &mut Together) {
        together.add(self.spent);
        together.add(self.raised);
    }
}

/// Whether the event that a work is done because of is still there; then nobody else can take it until this transaction has ended.
pub(super) fn is_there(connection: &Connection, work: &Work) -> Result<bool, DatabaseError> {
    let Work::Commit { cause: Cause::Wake(waiting), .. } = work else { return Ok(true) };
    let sql = match connection.dialect().is_postgres() {
        true => {
            "SELECT seq FROM wake WHERE seq = ?1 AND at_us = ?2 AND event = ?3 AND subject = ?4 FOR UPDATE"
        }
        false => "SELECT seq FROM wake WHERE seq = ?1 AND at_us = ?2 AND event = ?3 AND subject = ?4",
    };
    let wake = &waiting.wake;
    let asked = [
        waiting.number.into(),
        clock::micros(wake.at).into(),
        wake.event.clone().into(),
        wake.subject.to_string().into(),
    ];
    Ok(!all(connection, sql, &asked, |line| line.get::<i64>(0))?.is_empty())
}
