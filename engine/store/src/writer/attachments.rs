//! The book of attachments: which are kept, which messages and resources need them, and which places are given up.
//!
//! On PostgreSQL the row of an attachment is locked by whoever comes to need it and by whoever gives it up, so that one of them
//! sees what the other did. Two messages that bring the same bytes for the first time meet at the unique digest: the later one is done
//! again, and finds the bytes kept.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use compact_str::CompactString;
use hub_core::attachment::{ContentId, PlaceId, Stowed};
use hub_core::store::StoreError;
use hub_fhir::Reference;

use crate::database::Kind::{Blob, Int, Text};
use crate::database::{Connection, DatabaseError, Rows, Shape, Together, Value, all, run};
use crate::words::Words;
use crate::writer::work::{BookWork, Draft, Work};

/// The numbers of the states in the database.
pub(crate) const KEPT: i64 = 0;
pub(crate) const GIVEN_UP: i64 = 1;
const DELETED: i64 = 2;

const DAY_US: i64 = 24 * 3_600 * 1_000_000;
/// How long it is remembered that a place was deleted: no message is on its way from the archive into the journal for so long.
const REMEMBERED_US: i64 = 30 * DAY_US;
/// An attachment that only resources need is looked at again after so long.
const AGAIN_US: i64 = DAY_US;

const OF_CONTENT: Shape = Shape {
    before: "WITH w(sha256) AS (VALUES ",
    columns: &[Blob],
    after: ") SELECT a.sha256, a.place FROM w CROSS JOIN attachment a WHERE a.sha256 = w.sha256",
    locks: " ORDER BY a.place FOR UPDATE OF a",
};
const OF_PLACE: Shape =
    Shape { before: "SELECT place FROM attachment WHERE place = ", columns: &[Text], after: "", locks: "" };
const INSERT: Shape = Shape {
    before: "INSERT INTO attachment (place, sha256, size, media_type, stored_us, state) VALUES ",
    columns: &[Text, Blob, Int, Text, Int, Int],
    after: "",
    locks: "",
};
const NEED: Shape = Shape {
    before: "INSERT INTO attachment_need (seq, place) VALUES ",
    columns: &[Int, Text],
    after: "",
    locks: "",
};
const USE: Shape = Shape {
    before: "INSERT INTO attachment_use (place, resource) VALUES ",
    columns: &[Text, Text],
    after: " ON CONFLICT DO NOTHING",
    locks: "",
};
const NO_NEEDS: Shape = Shape {
    before: "DELETE FROM attachment_need WHERE seq = ",
    columns: &[Int],
    after: " RETURNING place",
    locks: "",
};
const LOOK_AT: Shape = Shape {
    before: "UPDATE attachment SET due_us = 0 WHERE state = 0 AND place = ",
    columns: &[Text],
    after: "",
    locks: "",
};
const DISOWN: Shape = Shape {
    before: "INSERT INTO attachment (place, size, media_type, stored_us, state) VALUES ",
    columns: &[Text, Int, Text, Int, Int],
    after: " ON CONFLICT DO NOTHING",
    locks: "",
};

/// The attachments of a batch.
pub(super) struct Attachments {
    kept: HashMap<ContentId, CompactString>,
    /// Places the book knows already: no message may come with one of them.
    known: HashSet<CompactString>,
    inserts: Rows,
    needs: Rows,
    uses: Rows,
}

impl Attachments {
    /// Looks up what the works name, and holds it.
    pub fn load(connection: &Connection, works: &[&Work]) -> Result<Self, DatabaseError> {
        let mut contents: Vec<ContentId> = Vec::new();
        let mut places = Rows::new(&OF_PLACE);
        for work in works {
            match work {
                Work::ReceiveAttachment { stowed, .. } => {
                    contents.push(stowed.content);
                    places.push([place_text(stowed.place).into()]);
                }
                Work::Commit { draft, .. } => contents.extend(draft.uses.iter().map(|(content, _)| *content)),
                Work::Settle(settle) => {
                    let uses = settle.draft.iter().flat_map(|draft| &draft.uses);
                    contents.extend(uses.map(|(content, _)| *content));
                }
                _ => {}
            }
        }
        contents.sort_unstable();
        contents.dedup();
        let mut asked = Rows::new(&OF_CONTENT);
        for content in contents {
            asked.push([blob(content)]);
        }
        let kept = asked.ask(connection, |row| Ok((row.get::<Vec<u8>>(0)?, row.get::<String>(1)?)))?;
        let kept = kept
            .into_iter()
            .filter_map(|(content, place)| Some((ContentId(content.try_into().ok()?), place.into())));
        let known = places.ask(connection, |row| Ok(row.get::<String>(0)?.into()))?;
        Ok(Self {
            kept: kept.collect(),
            known: known.into_iter().collect(),
            inserts: Rows::new(&INSERT),
            needs: Rows::new(&NEED),
            uses: Rows::new(&USE),
        })
    }

    /// Where the bytes of a payload are kept, or will be. An error: it was stowed at a place that has been given up since.
    pub fn place(&self, stowed: &Stowed) -> Result<CompactString, StoreError> {
        if let Some(place) = self.kept.get(&stowed.content) {
            return Ok(place.clone());
        }
        let place = place_text(stowed.place);
        if self.known.contains(&place) {
            let what =
                "its attachment was taken in too long ago and has been given up; it must be sent again";
            return Err(StoreError::Invalid { what: what.to_owned() });
        }
        Ok(place)
    }

    /// The message at `seq` needs an attachment, which is kept at `place`.
    pub fn need(&mut self, seq: i64, stowed: &Stowed, place: CompactString, now: i64) {
        if !self.kept.contains_key(&stowed.content) {
            self.inserts.push([
                place.clone().into(),
                blob(stowed.content),
                stowed.size.into(),
                stowed.media_type.clone().into(),
                now.into(),
                KEPT.into(),
            ]);
            self.kept.insert(stowed.content, place.clone());
        }
        self.needs.push([seq.into(), place.into()]);
    }

    /// The resources that a commit writes may need attachments. Of what is not kept there is nothing to note.
    pub fn used_by(&mut self, draft: &Draft) {
        for (content, resource) in &draft.uses {
            if let Some(place) = self.kept.get(content) {
                self.uses.push([place.clone().into(), resource.to_string().into()]);
            }
        }
    }

    /// Hands over what is to be written.
    pub fn write(self, together: &mut Together) {
        for rows in [self.inserts, self.needs, self.uses] {
            together.add(rows);
        }
    }
}

/// The messages are gone: what they needed is looked at.
pub(super) fn no_longer_needed(
    connection: &Connection,
    seqs: impl Iterator<Item = i64>,
) -> Result<(), DatabaseError> {
    let mut gone = Rows::new(&NO_NEEDS);
    for seq in seqs {
        gone.push([seq.into()]);
    }
    let mut places = gone.ask(connection, |row| row.get::<String>(0))?;
    places.sort_unstable();
    places.dedup();
    let mut look_at = Rows::new(&LOOK_AT);
    for place in places {
        look_at.push([place.into()]);
    }
    look_at.write(connection)
}

/// Applies a work of the book alone; says how many rows it was about.
pub(super) fn apply(connection: &Connection, words: &Words, work: &BookWork) -> Result<u64, DatabaseError> {
    match work {
        BookWork::Release { now_us, limit } => release(connection, words, *now_us, *limit),
        BookWork::Disown { places, now_us } => {
            let mut rows = Rows::new(&DISOWN);
            for place in places {
                let nothing = [0_i64.into(), "".into(), (*now_us).into(), GIVEN_UP.into()];
                let [size, media_type, stored_us, state] = nothing;
                rows.push([place_text(*place).into(), size, media_type, stored_us, state]);
            }
            rows.write(connection)?;
            Ok(places.len() as u64)
        }
        BookWork::Deleted { places, now_us } => {
            for place in places {
                run(
                    connection,
                    "UPDATE attachment SET state = ?2, due_us = ?3 WHERE place = ?1 AND state = ?4",
                    &[
                        place_text(*place).into(),
                        DELETED.into(),
                        now_us.saturating_add(REMEMBERED_US).into(),
                        GIVEN_UP.into(),
                    ],
                )?;
            }
            Ok(places.len() as u64)
        }
    }
}

/// Gives up what is due and nobody needs; says how many were looked at.
fn release(connection: &Connection, words: &Words, now_us: i64, limit: u32) -> Result<u64, DatabaseError> {
    run(
        connection,
        "DELETE FROM attachment WHERE state = ?1 AND due_us <= ?2",
        &[DELETED.into(), now_us.into()],
    )?;
    let due = if connection.dialect().is_postgres() {
        "SELECT place, sha256 FROM attachment WHERE state = 0 AND due_us <= ?1 ORDER BY place LIMIT ?2 + 0 FOR UPDATE"
    } else {
        "SELECT place, sha256 FROM attachment WHERE state = 0 AND due_us <= ?1 ORDER BY place LIMIT ?2 + 0"
    };
    let due = all(connection, due, &[now_us.into(), limit.into()], |row| {
        Ok((row.get::<String>(0)?, row.get::<Vec<u8>>(1)?))
    })?;
    for (place, content) in &due {
        let content = <[u8; 32]>::try_from(content.as_slice()).map(ContentId);
        let content = content.map_err(|_| DatabaseError::Missing("the digest of an attachment"))?;
        let place = Value::from(place.as_str());
        let next_look = if is_needed(connection, &place)? {
            // When the message goes.
            None
        } else if is_used(connection, words, &place, content)? {
            Some(now_us.saturating_add(AGAIN_US))
        } else {
            let give_up = "UPDATE attachment SET state = 1, sha256 = NULL, due_us = NULL WHERE place = ?1";
            run(connection, give_up, &[place])?;
            continue;
        };
        let look = "UPDATE attachment SET due_us = ?2 WHERE place = ?1";
        run(connection, look, &[place, next_look.into()])?;
    }
    Ok(due.len() as u64)
}

fn is_needed(connection: &Connection, place: &Value) -> Result<bool, DatabaseError> {
    let found = all(
        connection,
        "SELECT 1 FROM attachment_need WHERE place = ?1 LIMIT 1",
        std::slice::from_ref(place),
        |_| Ok(()),
    )?;
    Ok(!found.is_empty())
}

/// Whether a resource, or a version of one, still holds the address. Those that do not any more are forgotten.
fn is_used(
    connection: &Connection,
    words: &Words,
    place: &Value,
    content: ContentId,
) -> Result<bool, DatabaseError> {
    let resources: Vec<String> = all(
        connection,
        "SELECT resource FROM attachment_use WHERE place = ?1",
        std::slice::from_ref(place),
        |row| row.get(0),
    )?;
    let name = content.to_string();
    for resource in resources {
        let reference =
            Reference::parse(&resource).map_err(|_| DatabaseError::Missing("a resource's name"))?;
        let bodies: Vec<Vec<u8>> = all(
            connection,
            "SELECT r.body FROM resource r WHERE r.type = ?1 AND r.id = ?2
             UNION ALL SELECT h.body FROM resource r JOIN history h ON h.rid = r.rid WHERE r.type = ?1 AND r.id = ?2",
            &[words.kind(reference.kind).into(), reference.id.as_str().into()],
            |row| row.get(0),
        )?;
        let holds = |body: &Vec<u8>| std::str::from_utf8(body).is_ok_and(|text| text.contains(&name));
        if bodies.iter().any(holds) {
            return Ok(true);
        }
        run(
            connection,
            "DELETE FROM attachment_use WHERE place = ?1 AND resource = ?2",
            &[place.clone(), resource.into()],
        )?;
    }
    Ok(false)
}

/// A place as the database has it.
pub(crate) fn place_text(place: PlaceId) -> CompactString {
    compact_str::format_compact!("{place}")
}

fn blob(content: ContentId) -> Value {
    Bytes::copy_from_slice(&content.0).into()
}

/// The digests that a resource's text gives as addresses of attachments: `Binary/` and 64 digits.
pub(crate) fn contents_in(text: &str) -> impl Iterator<Item = ContentId> {
    text.split("Binary/").skip(1).filter_map(|rest| rest.get(..64)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_attachments_are_found_in_a_text() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let text =
            format!(r#"{{"url":"Binary/{a}"}},{{"url":"https://hub.example/fhir/Binary/{b}"}},"Binary/1""#);
        let found: Vec<String> = contents_in(&text).map(|content| content.to_string()).collect();
        assert_eq!(found, [a, b]);
    }
}
