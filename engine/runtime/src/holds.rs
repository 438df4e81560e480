//! Lanes that are held: at a message that failed, for a while or until a person decides, with those that wait behind it.
//!
//! Nothing of this is stored. What is held stays in the journal as it came, in its place; a hub that starts anew reads it back,
//! tries it once more, and holds it again when it fails again.

use std::collections::{HashMap, HashSet};

use hub_core::commit::Key;
use hub_core::fault::Fault;
use hub_core::id::MessageId;
use hub_core::operations::HeldLane;
use time::OffsetDateTime;
use tokio::time::Instant;

/// So many messages of a channel are known to wait behind held ones; with more the channel as a whole waits.
pub const MAX_HELD: usize = 100_000;

/// What waits together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HoldKey {
    /// Messages of one lane key.
    Lane(String),
    /// A message that has no order to keep.
    Alone(MessageId),
    /// Everything that is still to be split: it may hold any key.
    Frames,
}

/// Why and how long something is held.
#[derive(Clone, Debug)]
pub struct Held {
    /// Why.
    pub fault: Fault,
    /// What the message can be found by, for when it is set aside.
    pub keys: Vec<Key>,
    /// Since when.
    pub since: OffsetDateTime,
    /// When it is tried again by itself; `None`: a person decides.
    pub until: Option<Instant>,
}

struct Hold {
    at: MessageId,
    held: Held,
    number: u64,
    behind: usize,
    /// Once it is to end: those that were on their way through the lanes then. They may have been there since before the hold
    /// began, and of its key: they are let out first, so that nothing goes before the message itself.
    ending: Option<HashSet<MessageId>>,
}

/// All holds of a channel.
#[derive(Default)]
pub struct Holds {
    by_key: HashMap<HoldKey, Hold>,
    /// Messages that are held, and by which hold.
    held: HashMap<MessageId, u64>,
    /// How often a message has been tried in vain.
    tried: HashMap<MessageId, u32>,
    numbers: u64,
    ended: u64,
    /// How many are to end.
    ending: usize,
}

impl Holds {
    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether no more can be held.
    pub fn is_full(&self) -> bool {
        self.held.len() >= MAX_HELD
    }

    /// Whether a message is held.
    pub fn has(&self, id: MessageId) -> bool {
        self.held.contains_key(&id)
    }

    /// Whether something ends as soon as nothing of it is on its way.
    pub fn is_ending(&self) -> bool {
        self.ending > 0
    }

    /// How many holds have ended. What was read of the journal before one did may leave out what it held.
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// Holds what is of this key at the message that failed. One that stood before it in the order takes its place.
    pub fn hold(&mut self, key: HoldKey, at: MessageId, held: Held) {
        if held.until.is_some() {
            *self.tried.entry(at).or_default() += 1;
        }
        if let Some(hold) = self.by_key.get_mut(&key) {
            // It was under way already when the one behind it failed.
            self.ending -= usize::from(hold.ending.is_some());
            (hold.at, hold.held, hold.ending) = (at, held, None);
            hold.behind += 1;
            self.held.insert(at, hold.number);
            return;
        }
        self.numbers += 1;
        let number = self.numbers;
        self.held.insert(at, number);
        self.by_key.insert(key, Hold { at, held, number, behind: 0, ending: None });
    }

    /// Keeps a message back when its lane is held.
    pub fn keep(&mut self, key: &HoldKey, id: MessageId) -> bool {
        let is_full = self.is_full();
        let Some(hold) = self.by_key.get_mut(key) else { return false };
        // One more than can be remembered is found in the journal when the hold ends.
        if is_full {
            return true;
        }
        if self.held.insert(id, hold.number).is_none() {
            hold.behind += 1;
        }
        true
    }

    /// How often a message has been tried in vain.
    pub fn tried(&self, id: MessageId) -> u32 {
        self.tried.get(&id).copied().unwrap_or(0)
    }

    /// A message has ended.
    pub fn forget(&mut self, id: MessageId) {
        self.tried.remove(&id);
    }

    /// What holds a lane at this message, while a person decides.
    pub fn standing_at(&self, id: MessageId) -> Option<&Held> {
        let hold = self.by_key.values().find(|hold| hold.at == id)?;
        Some(&hold.held).filter(|held| held.until.is_none())
    }

    /// Why a message does not go on until a person decides; `None`: that is not so. Who waits for it need not wait for that.
    pub fn why(&self, id: MessageId) -> Option<Fault> {
        let number = self.held.get(&id)?;
        let hold = self.by_key.values().find(|hold| hold.number == *number)?;
        if hold.held.until.is_some() {
            return None;
        }
        let mut fault = hold.held.fault.clone();
        if hold.at != id {
            fault.place = None;
            fault.reason =
                "an earlier message of its lane failed, and is to be mended or skipped first".into();
        }
        Some(fault)
    }

    /// Lets the lane go on that is held at this message, when what is on its way now is through. `false` when none is.
    pub fn let_go(&mut self, id: MessageId, on_their_way: HashSet<MessageId>) -> bool {
        let Some(hold) = self.by_key.values_mut().find(|hold| hold.at == id) else { return false };
        if hold.ending.is_none() {
            self.ending += 1;
            hold.ending = Some(on_their_way);
        }
        true
    }

    /// A piece of what was on its way is on its way too.
    pub fn is_on_its_way(&mut self, id: MessageId) {
        if self.is_ending() {
            self.by_key.values_mut().filter_map(|hold| hold.ending.as_mut()).for_each(|ids| {
                ids.insert(id);
            });
        }
    }

    /// The messages at which lanes are held.
    pub fn heads(&self) -> Vec<MessageId> {
        self.by_key.values().map(|hold| hold.at).collect()
    }

    /// The messages whose time to wait is over.
    pub fn due(&self, now: Instant) -> Vec<MessageId> {
        let is_due =
            |hold: &&Hold| hold.ending.is_none() && hold.held.until.is_some_and(|until| until <= now);
        self.by_key.values().filter(is_due).map(|hold| hold.at).collect()
    }

    /// Ends what has been let go and of which nothing is on its way any more. Says whether anything has ended.
    pub fn end(&mut self, is_on_its_way: impl Fn(MessageId) -> bool) -> bool {
        let mut over = HashSet::new();
        self.by_key.retain(|_, hold| {
            let Some(on_their_way) = &mut hold.ending else { return true };
            on_their_way.retain(|id| is_on_its_way(*id));
            if on_their_way.is_empty() {
                over.insert(hold.number);
            }
            !over.contains(&hold.number)
        });
        if over.is_empty() {
            return false;
        }
        self.held.retain(|_, number| !over.contains(number));
        self.ending -= over.len();
        self.ended += 1;
        true
    }

    /// When the next one ends by itself.
    pub fn next_end(&self) -> Option<Instant> {
        self.by_key.values().filter(|hold| hold.ending.is_none()).filter_map(|hold| hold.held.until).min()
    }

    /// Every lane that is held, the longest held first. `at` is the same moment as `now`.
    pub fn lanes(&self, now: OffsetDateTime, at: Instant) -> Vec<HeldLane> {
        let mut holds: Vec<&Hold> = self.by_key.values().collect();
        holds.sort_by_key(|hold| hold.number);
        let lane = |hold: &&Hold| HeldLane {
            message: hold.at,
            fault: hold.held.fault.clone(),
            since: hold.held.since,
            again_at: hold.held.until.map(|until| now + until.saturating_duration_since(at)),
            behind: hold.behind,
        };
        holds.iter().map(lane).collect()
    }
}

#[cfg(test)]
mod tests {
    use hub_core::fault::FaultStep;
    use time::macros::datetime;

    use super::*;

    fn id(number: u128) -> MessageId {
        MessageId(uuid::Uuid::from_u128(number))
    }

    fn held() -> Held {
        let fault = Fault { step: FaultStep::Map, place: None, rule: None, reason: "a test".into() };
        Held { fault, keys: Vec::new(), since: datetime!(2026-11-23 08:00 UTC), until: None }
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for_and_all_of_it_is_kept() {
        let lane = HoldKey::Lane("4711".into());
        let mut holds = Holds::default();
        holds.hold(lane.clone(), id(0), held());
        for number in 1..=2 * MAX_HELD as u128 {
            assert!(holds.keep(&lane, id(number)));
        }
        assert!(holds.is_full());
        assert_eq!(holds.held.len(), MAX_HELD);
        assert!(holds.let_go(id(0), HashSet::new()) && holds.end(|_| false));
        assert!(holds.is_empty() && holds.held.is_empty());
    }

    #[test]
    fn what_is_on_its_way_is_through_before_a_hold_ends() {
        let lane = HoldKey::Lane("4711".into());
        let mut holds = Holds::default();
        holds.hold(lane.clone(), id(1), held());
        assert!(holds.let_go(id(1), HashSet::from([id(2)])));
        assert!(!holds.end(|id| id == self::id(2)), "the second may be of the same lane");
        assert!(holds.keep(&lane, id(2)), "and is kept behind the first");
        assert!(holds.end(|_| false));
        assert!(!holds.keep(&lane, id(3)));
    }

    #[test]
    fn one_that_stood_before_takes_the_place_of_one_behind_it() {
        let lane = HoldKey::Lane("4711".into());
        let mut holds = Holds::default();
        holds.hold(lane.clone(), id(2), held());
        holds.hold(lane, id(1), held());
        assert!(holds.standing_at(id(1)).is_some() && holds.standing_at(id(2)).is_none());
        assert!(holds.has(id(2)), "it waits behind the other");
    }
}
