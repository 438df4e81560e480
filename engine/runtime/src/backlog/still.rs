//! A channel that holds still: while a deployment changes its steps, or because another node works on its messages.

use std::collections::HashSet;

use hub_core::id::MessageId;

use super::{Backlog, LOOK_PAUSE, Place};

/// Sharing the work with other nodes.
impl Backlog {
    /// Another node works on the channel's messages from now on: what comes in stays in the journal for it. What the lanes hold
    /// goes on.
    pub fn leave_to_others(&self) {
        self.inner().elsewhere = true;
    }

    /// This node works on them, beginning with what is in the journal.
    pub fn take_up(&self) {
        if !std::mem::take(&mut self.inner().elsewhere) {
            return;
        }
        // What was held here may have ended elsewhere: the journal knows.
        self.try_all_again();
        self.inner().fall_behind();
        self.refill.notify_one();
    }

    /// Whether another node works on them.
    pub fn is_elsewhere(&self) -> bool {
        self.inner().elsewhere
    }
}

/// Holding still, while a deployment puts other steps in the place of the channel's.
impl Backlog {
    /// From now on what comes in stays in the journal; what the lanes hold goes on.
    pub fn pause(&self) {
        self.inner().paused = true;
    }

    /// Goes on, with what has come in meanwhile; lanes that stand are tried again with the steps of now.
    pub fn resume(&self) {
        self.try_all_again();
        let mut inner = self.inner();
        inner.paused = false;
        inner.fall_behind();
        self.refill.notify_one();
    }

    /// Waits until nothing is on its way through the steps. What is at the door may stay there.
    pub async fn quiet(&self) {
        let at_work = |place: &Place| matches!(place, Place::Unsplit(_) | Place::Piece | Place::Lane(_));
        while self.inner().places.values().any(at_work) {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Waits until nothing is here at all, not even at the door.
    pub async fn empty(&self) {
        while self.in_flight() > 0 {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Waits until the channel is not behind, and what it held then has ended.
    pub async fn caught_up(&self) {
        let is_behind = || {
            let inner = self.inner();
            inner.behind && !inner.elsewhere
        };
        while is_behind() {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        let held: HashSet<MessageId> = self.inner().places.keys().copied().collect();
        while self.inner().places.keys().any(|id| held.contains(id)) {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}
