//! The parcels a batch touches: owed and settled, and which of each order key goes next.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::commit::Parcel;
use hub_core::id::ParcelId;

use crate::database::Kind::{Blob, Int, Text};
use crate::database::{Connection, DatabaseError, Rows, Shape, Together};
use crate::short::short;
use crate::writer::batch::{TALLY_PARCELS, Tallies};
use crate::writer::numbers::Numbers;
use crate::writer::work::{Settle, Work};

/// The number of the state in the database of parcels still owed; the others follow `ParcelState::ALL`.
pub(crate) const PENDING: i64 = 0;
/// The number of the state of parcels that arrived.
pub(crate) const DELIVERED: i64 = 1;

/// The parcels of a batch.
pub(crate) struct Parcels {
    known: HashSet<ParcelId>,
    inserts: Rows,
    bodies: Rows,
    settled: HashMap<i64, SettledRow>,
    answers: Rows,
    /// Order keys whose next parcel must be found.
    keys: HashSet<(i64, CompactString)>,
    /// Destinations where something becomes due or gets another time.
    due: HashSet<i64>,
}

struct SettledRow {
    state: i64,
    due_us: Option<i64>,
    attempts: i64,
    doubt: bool,
    error: Option<CompactString>,
}

const LOOK_UP: Shape = Shape {
    before: "WITH w(id) AS (VALUES ",
    columns: &[Blob],
    after: ") SELECT p.id FROM w CROSS JOIN parcel p WHERE p.id = w.id",
    locks: "",
};
pub(super) const INSERT: Shape = Shape {
    before:
        "INSERT INTO parcel (seq, id, dest, okey, state, due_us, created_us, attempts, doubt, begun, message,
             correlation) VALUES ",
    columns: &[Int, Blob, Int, Text, Int, Int, Int, Int, Int, Int, Int, Text],
    after: "",
    locks: "",
};
const BODY: Shape = Shape {
    before: "INSERT INTO parcel_body (seq, content_type, body) VALUES ",
    columns: &[Int, Text, Blob],
    after: "",
    locks: "",
};
const SETTLE: Shape = Shape {
    before: "WITH w(seq, state, due_us, attempts, doubt, error) AS (VALUES ",
    columns: &[Int, Int, Int, Int, Int, Text],
    after: ") UPDATE parcel SET state = w.state, attempts = w.attempts, doubt = w.doubt, begun = 0, error = w.error,
                due_us = CASE WHEN parcel.okey IS NULL OR parcel.seq =
                    (SELECT min(p.seq) FROM parcel p
                     WHERE p.dest = parcel.dest AND p.okey = parcel.okey AND p.state = 0)
                THEN w.due_us END
              FROM w WHERE parcel.seq = w.seq AND +parcel.state = 0 RETURNING parcel.dest, parcel.state",
    locks: "",
};
const ANSWER: Shape = Shape {
    before: "WITH w(seq, answer) AS (VALUES ",
    columns: &[Int, Blob],
    after: ") UPDATE parcel_body SET answer = w.answer FROM w WHERE parcel_body.seq = w.seq",
    locks: "",
};
/// The first pending parcel of each key may be sent from the time it was made.
pub(crate) const PROMOTE: Shape = Shape {
    before: "WITH w(dest, okey) AS (VALUES ",
    columns: &[Int, Text],
    // With the sign no index is taken for it: the one of what is owed would be read from end to end.
    after: ") UPDATE parcel SET due_us = created_us
              WHERE due_us IS NULL AND +state = 0 AND seq IN
                (SELECT (SELECT min(p.seq) FROM parcel p
                         WHERE p.dest = w.dest AND p.okey = w.okey AND p.state = 0) FROM w)
              RETURNING dest",
    locks: "",
};

impl Parcels {
    /// Looks up which of the parcels to be owed are there already.
    pub fn load(connection: &Connection, works: &[&Work]) -> Result<Self, DatabaseError> {
        let mut asked = Rows::new(&LOOK_UP);
        for work in works {
            let draft = match work {
                Work::Commit { draft, .. } => Some(draft),
                Work::Settle(settle) => settle.draft.as_ref(),
                _ => None,
            };
            for parcel in draft.iter().flat_map(|draft| &draft.parcels) {
                asked.push([parcel.id.0.into()]);
            }
        }
        let known = asked.ask(connection, |row| Ok(ParcelId(row.id(0)?)))?;
        Ok(Self {
            known: known.into_iter().collect(),
            inserts: Rows::new(&INSERT),
            bodies: Rows::new(&BODY),
            settled: HashMap::new(),
            answers: Rows::new(&ANSWER),
            keys: HashSet::new(),
            due: HashSet::new(),
        })
    }

    /// Puts a parcel at the end of its queue. `false` when it is there already, in whatever state.
    pub fn owe(
        &mut self,
        parcel: &Parcel,
        dest: i64,
        message: Option<i64>,
        now: i64,
        numbers: &mut Numbers,
        tallies: &mut Tallies,
    ) -> bool {
        if !self.known.insert(parcel.id) {
            return false;
        }
        let seq = numbers.parcel.take();
        // One with a key becomes due when it is the first of its key.
        let due_us = parcel.order_key.is_none().then_some(now);
        self.inserts.push([
            seq.into(),
            parcel.id.0.into(),
            dest.into(),
            parcel.order_key.as_deref().map(short).into(),
            PENDING.into(),
            due_us.into(),
            now.into(),
            0_i64.into(),
            false.into(),
            false.into(),
            message.into(),
            (&parcel.correlation.0).into(),
        ]);
        self.bodies.push([seq.into(), (&parcel.content_type).into(), parcel.body.clone().into()]);
        match &parcel.order_key {
            Some(key) => {
                self.keys.insert((dest, short(key)));
            }
            None => {
                self.due.insert(dest);
            }
        }
        tallies.add(TALLY_PARCELS, dest, PENDING, 1);
        true
    }

    /// Ends a try. The caller has proved that the lease was its own, so that the parcel is pending; should an earlier caller
    /// with the same proof have gone before its answer came, the first settlement counts.
    pub fn settle(&mut self, settle: &Settle) {
        let row = SettledRow {
            state: settle.state,
            due_us: settle.due_us,
            attempts: settle.attempts,
            doubt: settle.doubt,
            error: settle.error.clone(),
        };
        self.settled.insert(settle.seq, row);
        if let Some(answer) = &settle.answer {
            self.answers.push([settle.seq.into(), Bytes::clone(answer).into()]);
        }
        if settle.state == PENDING {
            self.due.insert(settle.dest);
        } else if let Some(key) = &settle.order_key {
            self.keys.insert((settle.dest, key.clone()));
        }
    }

    /// Writes what was decided, and the rest of the batch with it; says at which destinations something has become due or has got another
    /// time.
    pub fn write(
        mut self,
        connection: &Connection,
        mut together: Together,
        mut tallies: Tallies,
        node: i64,
    ) -> Result<HashSet<i64>, DatabaseError> {
        together.add(self.inserts);
        together.add(self.bodies);
        together.add(self.answers);
        let mut settled = Rows::new(&SETTLE);
        for (seq, row) in self.settled {
            settled.push([
                seq.into(),
                row.state.into(),
                row.due_us.into(),
                row.attempts.into(),
                row.doubt.into(),
                row.error.into(),
            ]);
        }
        // What settles says what is counted; without it the counts go with the rest.
        let mut last = Together::default();
        if settled.is_empty() {
            together.add(tallies.rows(connection, node));
            together.write(connection)?;
        } else {
            for (dest, state) in together.ask(connection, settled, |row| Ok((row.get(0)?, row.get(1)?)))? {
                tallies.add(TALLY_PARCELS, dest, PENDING, -1);
                tallies.add(TALLY_PARCELS, dest, state, 1);
            }
            last.add(tallies.rows(connection, node));
        }
        let mut promote = Rows::new(&PROMOTE);
        for (dest, key) in self.keys {
            promote.push([dest.into(), key.into()]);
        }
        self.due.extend(last.ask(connection, promote, |row| row.get::<i64>(0))?);
        Ok(self.due)
    }
}
