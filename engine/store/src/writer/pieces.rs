//! A message that holds several is split: its pieces become messages, and it ends.

use std::collections::{HashMap, HashSet};

use hub_core::envelope::{Envelope, Raw};
use hub_core::id::MessageId;
use hub_core::store::{End, StoreError};

use crate::database::Kind::Blob;
use crate::database::{Connection, DatabaseError, Rows, Shape};
use crate::writer::batch::Tallies;
use crate::writer::messages::{COMMITTED, Message, Messages, QUARANTINED, RECEIVED, Trace, unknown};
use crate::writer::numbers::Numbers;
use crate::writer::work::Work;

/// The rule that ends a piece of an earlier splitting, as an operator reads it.
const NO_LONGER: &str = "it was split again, and this is no longer a piece of it";

const PIECES: Shape = Shape {
    before: "WITH w(id) AS (VALUES ",
    columns: &[Blob],
    after: ") SELECT w.id, c.id, c.seq, c.channel, c.state, c.replays, c.ended_us,
                coalesce(c.parent, c.seq), coalesce(c.nth, 0)
              FROM w CROSS JOIN message p CROSS JOIN message c WHERE p.id = w.id AND c.parent = p.seq",
    locks: " ORDER BY c.seq FOR UPDATE OF c",
};

/// Looks up the pieces that are stored of the messages that are split.
pub(super) fn load(
    connection: &Connection,
    works: &[&Work],
    known: &mut HashMap<MessageId, Message>,
) -> Result<HashMap<MessageId, Vec<MessageId>>, DatabaseError> {
    let mut asked = Rows::new(&PIECES);
    for work in works {
        if let Work::Expand { id, .. } = work {
            asked.push([id.0.into()]);
        }
    }
    let found = asked
        .ask(connection, |row| Ok((MessageId(row.id(0)?), MessageId(row.id(1)?), Message::read(row, 2)?)))?;
    let mut pieces: HashMap<MessageId, Vec<MessageId>> = HashMap::new();
    for (parent, id, message) in found {
        pieces.entry(parent).or_default().push(id);
        known.entry(id).or_insert(message);
    }
    Ok(pieces)
}

impl Messages {
    /// Ends a message as split into these pieces; says which of them are open now.
    pub fn expand(
        &mut self,
        id: MessageId,
        pieces: &[Envelope<Raw>],
        now: i64,
        numbers: &mut Numbers,
        tallies: &mut Tallies,
    ) -> Result<Vec<MessageId>, StoreError> {
        let parent = self.known.get(&id).ok_or_else(|| unknown(id))?;
        let (seq, channel) = (parent.seq, parent.channel);
        if parent.state != RECEIVED {
            // Processed twice: the first time counts.
            let is_open = |id: &MessageId| self.known.get(id).is_some_and(|piece| piece.state == RECEIVED);
            return Ok(pieces.iter().map(|piece| piece.head.id).filter(is_open).collect());
        }
        let mut open = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let is_there = self.known.contains_key(&piece.head.id);
            if is_there {
                // One that has not ended stays open.
                self.reopen(piece.head.id, tallies);
                if let Some(parent) = &piece.head.parent {
                    self.place(piece.head.id, parent.nth);
                }
            } else {
                self.insert(piece, channel, false, Some(seq), numbers, tallies);
            }
            open.push(piece.head.id);
        }
        self.end_others(id, &open, now, tallies)?;
        self.end(id, Trace::split(pieces.len()), now, tallies)?;
        Ok(open)
    }

    /// Ends what an earlier splitting has left and nobody will look at any more. What was committed stays so.
    fn end_others(
        &mut self,
        parent: MessageId,
        pieces: &[MessageId],
        now: i64,
        tallies: &mut Tallies,
    ) -> Result<(), StoreError> {
        let pieces: HashSet<&MessageId> = pieces.iter().collect();
        let stored = self.pieces.get(&parent).cloned().unwrap_or_default();
        for id in stored.into_iter().filter(|id| !pieces.contains(id)) {
            let state = self.known.get(&id).map_or(COMMITTED, |piece| piece.state);
            if matches!(state, RECEIVED | QUARANTINED) {
                self.reopen(id, tallies);
                let end = End::Filtered { rule: NO_LONGER.to_owned() };
                self.end(id, Trace::ended(&end, &[]), now, tallies)?;
            }
        }
        Ok(())
    }
}
