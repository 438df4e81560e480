//! What a lane has handed to the store and has not heard of yet.

use std::collections::{BTreeSet, HashMap};

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;

use super::{Ended, Ending};

/// What a lane has handed to the store, in the order of handing over.
#[derive(Default)]
pub(super) struct UnderWay {
    pub endings: FuturesOrdered<Ending>,
    /// The bytes of the messages.
    pub bytes: usize,
    pub turns: Turns,
}

impl UnderWay {
    pub fn is_empty(&self) -> bool {
        self.endings.is_empty()
    }

    /// The next that comes back.
    pub async fn next(&mut self) -> Option<Ended> {
        let ended = self.endings.next().await?;
        self.bytes = self.bytes.saturating_sub(ended.message.body.0.len());
        self.turns.ended(ended.nth);
        Some(ended)
    }
}

/// Which messages of a lane are under way, and which of them was the last of its order. Kept only where something is looked up.
#[derive(Default)]
pub(super) struct Turns {
    under_way: BTreeSet<u64>,
    last: HashMap<String, u64>,
}

impl Turns {
    /// A message was handed over. One without a key has no order to keep.
    pub fn began(&mut self, nth: u64, key: Option<String>) {
        self.under_way.insert(nth);
        if let Some(key) = key {
            self.last.insert(key, nth);
        }
        // Those that have ended are forgotten now and then.
        if self.last.len() > 2 * self.under_way.len() + 64 {
            self.last.retain(|_, nth| self.under_way.contains(nth));
        }
    }

    fn ended(&mut self, nth: u64) {
        self.under_way.remove(&nth);
    }

    /// Whether the last message of this order is still under way. The store ends them in the order of their handing over, so the
    /// others before it have ended when it has.
    pub fn waits(&self, key: Option<&str>) -> bool {
        key.and_then(|key| self.last.get(key)).is_some_and(|nth| self.under_way.contains(nth))
    }
}
