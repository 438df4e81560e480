//! Handing on what has been split, and waiting for the last piece.

use hub_core::envelope::{Envelope, Raw};
use hub_core::id::MessageId;
use hub_core::source::Outcome;
use hub_core::store::{Journal, StateName};

use super::{Backlog, ELSEWHERE_PAUSE, FAMILY_PAUSE, Place, Watching};

/// Handing on what has been split.
impl Backlog {
    /// These pieces are about to be stored; they are handed on by whoever has split them. One that is being worked on already, for
    /// it was opened again, goes its way.
    pub fn hold(&self, pieces: impl IntoIterator<Item = MessageId>) {
        let mut inner = self.inner();
        for id in pieces {
            inner.places.entry(id).or_insert(Place::Piece);
            inner.holds.is_on_its_way(id);
        }
    }

    /// Takes back what [`Backlog::hold`] did for a piece that is not to be handed on.
    pub fn drop_piece(&self, id: MessageId) {
        let mut inner = self.inner();
        if inner.places.get(&id) == Some(&Place::Piece) {
            self.forget(&mut inner, id);
        }
    }

    /// Hands a piece, or a message that holds no other, on to its lane; waits until there is room.
    pub async fn hand_on(&self, message: Envelope<Raw>) {
        let key = self.key(&message);
        let id = message.head.id;
        loop {
            {
                let mut inner = self.inner();
                let (in_lanes, bytes) =
                    (inner.queued - inner.unsplit, inner.queued_bytes - inner.unsplit_bytes);
                let is_full = in_lanes >= self.limits.messages || bytes >= self.limits.bytes;
                if !is_full {
                    match inner.places.get(&id) {
                        // It stays on its way all the time: a hold that is to end once it is through does not end before it.
                        Some(Place::Unsplit(size)) => {
                            let size = *size;
                            inner.queued -= 1;
                            inner.queued_bytes -= size;
                            inner.unsplit -= 1;
                            inner.unsplit_bytes -= size;
                            self.to_lane(&mut inner, message, key.as_deref());
                        }
                        Some(Place::Piece) => self.to_lane(&mut inner, message, key.as_deref()),
                        // It goes its way already, and may have ended before it was opened again: it is looked at once more.
                        Some(Place::Door | Place::Ending | Place::Lane(_)) => {
                            inner.reopened.insert(id);
                        }
                        // It has ended meanwhile, before or after it was opened again: the journal knows.
                        None => {
                            inner.fall_behind();
                            self.refill.notify_one();
                        }
                    }
                    return;
                }
            }
            self.room.notified().await;
        }
    }

    /// A piece of this message has ended.
    pub fn piece_done(&self, parent: MessageId) {
        for waiting in self.inner().families.get(&parent).into_iter().flatten() {
            waiting.notify_one();
        }
    }

    /// Waits until the last piece has ended.
    pub(super) async fn family(
        &self,
        parent: MessageId,
        pieces: u64,
        journal: &dyn Journal,
    ) -> Option<Outcome> {
        let watching = Watching::of(self, parent);
        loop {
            let counts = journal.family(parent).await.ok()?;
            let count = |state: StateName| {
                let at = StateName::ALL.iter().position(|one| *one == state);
                at.and_then(|at| counts.get(at)).copied().unwrap_or(0)
            };
            if count(StateName::Received) == 0 {
                return Some(Outcome::Split { pieces, set_aside: count(StateName::Quarantined) });
            }
            match self.is_elsewhere() {
                true => tokio::time::sleep(ELSEWHERE_PAUSE).await,
                false => watching.ended.notified().await,
            }
            // Pieces end many at a time: they are not counted anew after each.
            tokio::time::sleep(FAMILY_PAUSE).await;
        }
    }
}
