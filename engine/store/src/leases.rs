//! Leases: which parcels are held by whom, in memory.
//!
//! One process owns the database, so leases need not be on disk: after a crash all are gone and the parcels are pending.
//! What is on disk is a mark that a delivery has begun. It rides on the next transaction, at the latest a tenth of a second
//! after the lease, so that it costs a quick delivery nothing; a parcel found with the mark after a crash is in doubt.
//! A crash within that tenth can lose the mark: then the parcel is sent again without asking, as guarantee 3 allows
//! (at least once, under the same idempotency key).

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use compact_str::CompactString;
use hub_core::id::DestinationId;
use tokio::sync::Notify;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Marks waiting for a transaction.
#[derive(Default)]
pub(crate) struct Begun {
    waiting: Mutex<HashSet<i64>>,
    marked: Notify,
}

impl Begun {
    /// Adds marks.
    pub fn mark(&self, parcels: impl IntoIterator<Item = i64>) {
        lock(&self.waiting).extend(parcels);
        self.marked.notify_one();
    }

    /// Takes a mark back: the parcel is being settled.
    pub fn forget(&self, parcel: i64) {
        lock(&self.waiting).remove(&parcel);
    }

    /// Takes all marks to write them.
    pub fn take(&self) -> Vec<i64> {
        let mut waiting = lock(&self.waiting);
        if waiting.is_empty() { Vec::new() } else { waiting.drain().collect() }
    }

    /// Whether there are marks.
    pub fn is_waiting(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    /// Returns when marks have waited for `long`.
    pub async fn wait(&self, long: Duration) {
        loop {
            if self.is_waiting() {
                tokio::time::sleep(long).await;
                if self.is_waiting() {
                    return;
                }
            } else {
                self.marked.notified().await;
            }
        }
    }
}

/// How often something has become due, by destination. A look that found nothing stays true as long as this stays.
#[derive(Default)]
pub(crate) struct Dues {
    counts: Mutex<HashMap<i64, u64>>,
    all: AtomicU64,
}

impl Dues {
    /// How often until now.
    pub fn of(&self, dest: i64) -> (u64, u64) {
        let count = lock(&self.counts).get(&dest).copied().unwrap_or(0);
        (self.all.load(Ordering::Acquire), count)
    }

    /// Something has become due at these destinations. Called when it is durable and before anybody is told.
    pub fn add(&self, dests: impl IntoIterator<Item = i64>) {
        let mut counts = lock(&self.counts);
        for dest in dests {
            *counts.entry(dest).or_default() += 1;
        }
    }

    /// Something may have become due anywhere.
    pub fn add_everywhere(&self) {
        self.all.fetch_add(1, Ordering::Release);
    }
}

/// What came of trying to take a parcel.
pub(crate) enum Taken {
    /// It is held now. Whether it is in doubt.
    Leased { in_doubt: bool },
    /// It is held by somebody, or has just been settled.
    Held,
    /// Another one of its key is out.
    KeyHeld,
}

/// A look that took or found held all that is due.
#[derive(Clone, Copy)]
struct Quiet {
    dues: (u64, u64),
    next_us: Option<i64>,
}

/// A parcel that is held.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub seq: i64,
    pub key: Option<CompactString>,
    pub attempts: i64,
    pub due_us: i64,
    pub in_doubt: bool,
    pub until: Instant,
    is_settling: bool,
}

impl Lease {
    /// A lease that begins now.
    pub fn new(seq: i64, key: Option<CompactString>, attempts: i64, due_us: i64, hold: Duration) -> Self {
        Self { seq, key, attempts, due_us, in_doubt: false, until: Instant::now() + hold, is_settling: false }
    }
}

/// The leases of one destination.
#[derive(Default)]
pub(crate) struct Held {
    by_token: HashMap<u64, Lease>,
    parcels: HashSet<i64>,
    keys: HashSet<CompactString>,
    /// Settled since the last look into the database began: that look may still see them as pending.
    settled: HashSet<i64>,
    /// Held too long: what became of the try is not known.
    lapsed: HashSet<i64>,
    quiet: Option<Quiet>,
}

/// One destination's queue. Only one look for due parcels is under way at a time.
#[derive(Default)]
pub(crate) struct Queue {
    pub turn: tokio::sync::Mutex<()>,
    held: Mutex<Held>,
}

impl Queue {
    /// Called before the database is looked at: ends leases held too long. Says how many parcels are held.
    pub fn begin_look(&self) -> usize {
        let mut held = lock(&self.held);
        held.settled.clear();
        let now = Instant::now();
        let over: Vec<u64> = held
            .by_token
            .iter()
            .filter(|(_, lease)| lease.until <= now && !lease.is_settling)
            .map(|(token, _)| *token)
            .collect();
        for token in over {
            if let Some(lease) = held.remove(token) {
                held.lapsed.insert(lease.seq);
                held.quiet = None;
            }
        }
        held.parcels.len()
    }

    /// A look has found all that is due: the next is due then, or never as things stand.
    pub fn rest(&self, dues: (u64, u64), next_us: Option<i64>) {
        lock(&self.held).quiet = Some(Quiet { dues, next_us });
    }

    /// When the next parcel is due, when an earlier look still tells: nothing has become due since.
    pub fn quiet_until(&self, dues: (u64, u64)) -> Option<Option<i64>> {
        lock(&self.held).quiet.filter(|quiet| quiet.dues == dues).map(|quiet| quiet.next_us)
    }

    /// Takes a parcel that the look found, unless it or its key is held or it has been settled meanwhile. It is in doubt,
    /// too, when an earlier lease of it lapsed.
    pub fn take(&self, token: u64, mut lease: Lease, is_in_doubt: bool) -> Taken {
        let mut held = lock(&self.held);
        if held.parcels.contains(&lease.seq) || held.settled.contains(&lease.seq) {
            return Taken::Held;
        }
        if lease.key.as_ref().is_some_and(|key| held.keys.contains(key)) {
            return Taken::KeyHeld;
        }
        lease.in_doubt = is_in_doubt || held.lapsed.contains(&lease.seq);
        let in_doubt = lease.in_doubt;
        held.parcels.insert(lease.seq);
        held.keys.extend(lease.key.clone());
        held.by_token.insert(token, lease);
        Taken::Leased { in_doubt }
    }

    /// Whether a parcel is held or has just been settled.
    pub fn is_held(&self, seq: i64) -> bool {
        let held = lock(&self.held);
        held.parcels.contains(&seq) || held.settled.contains(&seq)
    }

    /// How many parcels are held or just settled.
    pub fn count(&self) -> usize {
        let held = lock(&self.held);
        held.parcels.len() + held.settled.len()
    }

    /// When the first lease lapses.
    pub fn first_lapse(&self) -> Option<Instant> {
        let held = lock(&self.held);
        held.by_token.values().filter(|lease| !lease.is_settling).map(|lease| lease.until).min()
    }

    /// Begins to settle a lease. `None` when it is not held any more, or is being settled.
    pub fn settle(self: &Arc<Self>, token: u64) -> Option<Settling> {
        let mut held = lock(&self.held);
        let lease = held.by_token.get_mut(&token).filter(|lease| !lease.is_settling)?;
        lease.is_settling = true;
        let lease = lease.clone();
        Some(Settling { queue: Arc::clone(self), token, lease, is_done: false })
    }
}

impl Held {
    fn remove(&mut self, token: u64) -> Option<Lease> {
        let lease = self.by_token.remove(&token)?;
        self.parcels.remove(&lease.seq);
        if let Some(key) = &lease.key {
            self.keys.remove(key);
        }
        Some(lease)
    }
}

/// A lease that is being settled. Dropped before [`Settling::done`], it is held on as before.
pub(crate) struct Settling {
    queue: Arc<Queue>,
    token: u64,
    pub lease: Lease,
    is_done: bool,
}

impl Settling {
    /// The settlement is durable.
    pub fn done(mut self) {
        self.is_done = true;
        let mut held = lock(&self.queue.held);
        held.remove(self.token);
        held.settled.insert(self.lease.seq);
        held.lapsed.remove(&self.lease.seq);
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if !self.is_done
            && let Some(lease) = lock(&self.queue.held).by_token.get_mut(&self.token)
        {
            lease.is_settling = false;
        }
    }
}

/// The queues of all destinations.
#[derive(Default)]
pub(crate) struct Queues(Mutex<HashMap<DestinationId, Arc<Queue>>>);

impl Queues {
    /// The queue of a destination.
    pub fn of(&self, to: &DestinationId) -> Arc<Queue> {
        let mut queues = lock(&self.0);
        if let Some(queue) = queues.get(to) {
            return Arc::clone(queue);
        }
        Arc::clone(queues.entry(to.clone()).or_default())
    }
}
