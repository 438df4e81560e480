//! Holds lanes at messages that failed, and lets them go on.

use hub_core::envelope::{Envelope, Raw};
use hub_core::id::MessageId;
use hub_core::operations::HeldLane;
use hub_core::source::Outcome;
use hub_core::store::{End, Journal, StoreError};
use time::OffsetDateTime;

use super::{Backlog, Inner, Place};
use crate::holds::{Held, HoldKey};

impl Inner {
    /// Who waits for a message that does not go on until a person decides is told so.
    fn tell_why(&mut self, id: MessageId) {
        if !self.waiters.contains_key(&id) {
            return;
        }
        let Some(fault) = self.holds.why(id) else { return };
        for waiter in self.waiters.remove(&id).unwrap_or_default() {
            // A waiter that has gone away wants no answer.
            let _ = waiter.send(Outcome::Quarantined(fault.clone()));
        }
    }
}

impl Backlog {
    /// Holds what is of this key at a message that failed. Who waits for the message is told why, when a person is to decide.
    pub fn hold_at(&self, key: HoldKey, message: &Envelope<Raw>, held: Held) {
        let id = message.head.id;
        let mut inner = self.inner();
        self.forget(&mut inner, id);
        inner.holds.hold(key, id, held);
        inner.tell_why(id);
        self.refill.notify_one();
    }

    /// Keeps a message back that has come to its lane, when the lane is held.
    pub fn keeps(&self, message: &Envelope<Raw>) -> bool {
        if self.inner().holds.is_empty() {
            return false;
        }
        let Some(key) = self.key(message) else { return false };
        let mut inner = self.inner();
        let keeps = inner.holds.keep(&HoldKey::Lane(key), message.head.id);
        if keeps {
            self.forget(&mut inner, message.head.id);
            inner.tell_why(message.head.id);
        }
        keeps
    }

    /// Keeps a frame back that has come to be split, while one before it could not be.
    pub fn keeps_frame(&self, message: &Envelope<Raw>) -> bool {
        let mut inner = self.inner();
        let keeps = inner.holds.keep(&HoldKey::Frames, message.head.id);
        if keeps {
            self.forget(&mut inner, message.head.id);
            inner.tell_why(message.head.id);
        }
        keeps
    }

    /// Lets go what has waited long enough.
    pub(super) fn end_waits(&self) {
        let mut inner = self.inner();
        for id in inner.holds.due(tokio::time::Instant::now()) {
            self.let_go(&mut inner, id);
        }
    }

    fn let_go(&self, inner: &mut Inner, id: MessageId) -> bool {
        let queued = inner.places.iter().filter(|(_, place)| place.is_queued());
        let on_their_way = queued.map(|(id, _)| *id).collect();
        let is_held = inner.holds.let_go(id, on_their_way);
        if is_held {
            // What comes from now on is read back in its place, behind the message.
            inner.fall_behind();
        }
        self.end_holds(inner);
        is_held
    }

    /// Ends what has been let go, once nothing of it is on its way.
    pub(super) fn end_holds(&self, inner: &mut Inner) {
        let places = &inner.places;
        if inner.holds.end(|id| places.get(&id).is_some_and(Place::is_queued)) {
            inner.fall_behind();
            self.refill.notify_one();
        }
    }

    /// How often a message has been tried in vain.
    pub fn tried(&self, id: MessageId) -> u32 {
        self.inner().holds.tried(id)
    }

    /// Lets a lane go on with the message at which it is held. `false` when none is.
    pub fn go_on(&self, id: MessageId) -> bool {
        self.let_go(&mut self.inner(), id)
    }

    /// Lets every lane go on with the message at which it is held: the channel's steps are others now.
    pub fn try_all_again(&self) {
        let mut inner = self.inner();
        for id in inner.holds.heads() {
            self.let_go(&mut inner, id);
        }
    }

    /// Sets the message aside at which a lane stands, and lets those behind it go on. `false` when no lane stands at it.
    pub async fn skip(&self, id: MessageId, journal: &dyn Journal) -> Result<bool, StoreError> {
        let Some(held) = self.inner().holds.standing_at(id).cloned() else { return Ok(false) };
        journal.end(id, End::Quarantined(held.fault.clone()), held.keys).await?;
        self.done(id, &Outcome::Quarantined(held.fault));
        self.go_on(id);
        Ok(true)
    }

    /// The lanes that are held, the longest held first.
    pub fn held_lanes(&self, now: OffsetDateTime) -> Vec<HeldLane> {
        self.inner().holds.lanes(now, tokio::time::Instant::now())
    }
}
