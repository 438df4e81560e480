//! What a lane does with a message that fails, as its channel says: try again after a while, stand, or set aside.

use std::sync::Arc;

use hub_core::commit::Key;
use hub_core::envelope::{Envelope, Raw};
use hub_core::fault::Fault;
use hub_core::id::MessageId;
use hub_core::store::StoreError;
use hub_spec::{OnFault, Then};
use tokio::time::Instant;

use super::Lane;
use crate::backlog::Backlog;
use crate::clock::Clock;
use crate::deaths::{Deaths, OTHERS_FIRST, Watched};
use crate::holds::{Held, HoldKey};
use crate::measure;

/// A fault, and what is known with it.
pub(crate) struct Failed {
    pub fault: Fault,
    /// What the message can be found by.
    pub keys: Vec<Key>,
    /// Whether it may be another time without this fault.
    pub may_pass: bool,
}

impl Lane {
    /// Holds the lane at a message that failed, where the channel says so. Otherwise it gives back what sets the message aside.
    pub(super) fn hold(&self, message: &Envelope<Raw>, failed: Failed) -> Option<Failed> {
        let key = self.backlog.key(message).map(HoldKey::Lane);
        hold(&self.road.get().channel.on_fault, &self.backlog, &*self.house.clock, message, key, failed)
    }

    /// Holds the lane at a message at which the process has died, until the others have gone.
    pub(super) fn lets_others_first(&self, message: &Envelope<Raw>) -> bool {
        if self.died_at(message).is_some() {
            // It is not tried at all.
            return false;
        }
        let key = || self.backlog.key(message).map(HoldKey::Lane);
        lets_others_first(self.house.deaths.as_deref(), &self.backlog, &*self.house.clock, message, key)
    }

    /// Watches a message while the hub is careful.
    pub(super) async fn watch(&self, message: &Envelope<Raw>) -> Option<Watched> {
        watch(self.house.deaths.as_ref(), &self.backlog, message.head.id).await
    }

    /// Why a message at which the process has died is not worked on again.
    pub(super) fn died_at(&self, message: &Envelope<Raw>) -> Option<Fault> {
        let deaths = self.house.deaths.as_ref()?;
        deaths.fault(message.head.id, self.road.get().channel.on_fault.tries)
    }

    /// Whether the lane may be held at a message that the store refuses for this reason.
    pub(super) fn may_hold(&self, error: &StoreError) -> bool {
        let policy = &self.road.get().channel.on_fault;
        match error {
            StoreError::Conflict { .. } | StoreError::Overtaken => {
                policy.then == Then::Stop || policy.tries > 1
            }
            StoreError::Forbidden | StoreError::Invalid { .. } => policy.then == Then::Stop,
            StoreError::Unavailable(_) => false,
        }
    }
}

/// Holds what is of this key at a message at which the process has died, until the others have gone.
pub(crate) fn lets_others_first(
    deaths: Option<&Deaths>,
    backlog: &Backlog,
    clock: &dyn Clock,
    message: &Envelope<Raw>,
    key: impl FnOnce() -> Option<HoldKey>,
) -> bool {
    let head = &message.head;
    let Some(fault) = deaths.and_then(|deaths| deaths.others_first(head.id)) else { return false };
    tracing::warn!(channel = %head.channel, message_id = %head.id, "The hub has died at this message; it is tried after all others.");
    let until = Some(Instant::now() + OTHERS_FIRST);
    let held = Held { fault, keys: Vec::new(), since: clock.now(), until };
    backlog.hold_at(key().unwrap_or(HoldKey::Alone(head.id)), message, held);
    true
}

/// Watches a message while the hub is careful.
pub(crate) async fn watch(deaths: Option<&Arc<Deaths>>, backlog: &Backlog, id: MessageId) -> Option<Watched> {
    let deaths = deaths.filter(|deaths| deaths.is_careful())?;
    deaths.watch(id, backlog.is_left_over(id)).await
}

/// Holds what is of this key at a message that failed, where the channel says so. Behind one without a key nobody waits: then it
/// can be set aside as well as stand.
pub(crate) fn hold(
    policy: &OnFault,
    backlog: &Backlog,
    clock: &dyn Clock,
    message: &Envelope<Raw>,
    key: Option<HoldKey>,
    failed: Failed,
) -> Option<Failed> {
    let head = &message.head;
    let is_last_try = !failed.may_pass || backlog.tried(head.id) + 1 >= policy.tries;
    if is_last_try && policy.then == Then::SetAside {
        return Some(failed);
    }
    let key = match key {
        Some(key) => key,
        None if is_last_try => return Some(failed),
        None => HoldKey::Alone(head.id),
    };
    let until = (!is_last_try).then(|| Instant::now() + policy.pause);
    let held = Held { fault: failed.fault.clone(), keys: failed.keys.clone(), since: clock.now(), until };
    backlog.hold_at(key, message, held);
    let Fault { step, place, reason, .. } = failed.fault;
    if is_last_try {
        tracing::error!(channel = %head.channel, message_id = %head.id, step = step.name(), place, reason, "A lane stands at a message that failed; somebody must look at it.");
        measure::held(&head.channel, "stands");
    } else {
        tracing::warn!(channel = %head.channel, message_id = %head.id, step = step.name(), place, reason, "A message failed; it will be tried again.");
        measure::held(&head.channel, "waits");
    }
    None
}
