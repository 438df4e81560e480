//! An outbox in memory, and a partner that does as the test says.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::commit::Parcel;
use hub_core::destination::{Asked, Delivered, DeliveryError, Destination};
use hub_core::id::{DestinationId, ParcelId};
use hub_core::store::{Leased, Outbox, ParcelState, QueueDepth, RetryWhich, Settlement, StoreError};
use hub_runtime::clock::Clock;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::ward::START;

pub struct Owed {
    parcel: Parcel,
    pub state: ParcelState,
    due: OffsetDateTime,
    pub attempts: u32,
    pub doubt: bool,
    held: Option<(u64, OffsetDateTime)>,
    leases: u64,
    /// When it was made.
    since: OffsetDateTime,
}

#[derive(Default)]
pub struct Shelf {
    owed: Mutex<Vec<Owed>>,
    clock: Mutex<Option<Arc<dyn Clock>>>,
    /// So many settlements fail first.
    pub deaf: Mutex<u32>,
    /// So long each settlement takes.
    pub slow: Mutex<Duration>,
}

pub fn to() -> DestinationId {
    "test/patient/partner".into()
}

impl Shelf {
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock: Mutex::new(Some(clock)), ..Self::default() })
    }

    pub fn owe(&self, number: u128, key: Option<&str>) {
        let parcel = Parcel {
            id: ParcelId(uuid::Uuid::from_u128(number)),
            to: to(),
            body: Bytes::from_static(b"{}"),
            content_type: "application/json".into(),
            correlation: "c".into(),
            order_key: key.map(Into::into),
        };
        let since = self.now();
        let owed = Owed {
            parcel,
            state: ParcelState::Pending,
            due: since,
            attempts: 0,
            doubt: false,
            held: None,
            leases: 0,
            since,
        };
        self.owed().push(owed);
    }

    pub fn owed(&self) -> MutexGuard<'_, Vec<Owed>> {
        self.owed.lock().unwrap()
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.lock().unwrap().as_ref().map_or(START, |clock| clock.now())
    }

    /// Where every parcel stands.
    pub fn states(&self) -> Vec<ParcelState> {
        self.owed().iter().map(|owed| owed.state).collect()
    }

    /// What was given up goes back into the queue, as a person orders it.
    pub fn put_back(&self) {
        let now = self.now();
        for owed in self.owed().iter_mut().filter(|owed| owed.state == ParcelState::GivenUp) {
            (owed.state, owed.due, owed.since, owed.attempts) = (ParcelState::Pending, now, now, 0);
        }
    }

    pub fn is_any_held(&self) -> bool {
        self.owed().iter().any(|owed| owed.held.is_some())
    }
}

#[async_trait]
impl Outbox for Shelf {
    async fn lease(
        &self,
        _to: &DestinationId,
        limit: usize,
        hold: Duration,
    ) -> Result<Vec<Leased>, StoreError> {
        let now = self.now();
        let mut keys = HashSet::new();
        let mut leased = Vec::new();
        for (nth, owed) in self.owed().iter_mut().enumerate() {
            if owed.state != ParcelState::Pending {
                continue;
            }
            let first_of_key = owed.parcel.order_key.clone().is_none_or(|key| keys.insert(key));
            // A lease goes by the clock here, as it must where several hubs share one database.
            let has_lapsed = owed.held.is_some_and(|(_, until)| until <= now);
            if (owed.held.is_none() || has_lapsed) && first_of_key && owed.due <= now && leased.len() < limit
            {
                owed.leases += 1;
                let token = nth as u64 * 1_000_000 + owed.leases;
                owed.held = Some((token, now + hold));
                owed.doubt |= has_lapsed;
                leased.push(Leased {
                    parcel: owed.parcel.clone(),
                    attempt: owed.attempts + 1,
                    owed_since: owed.since,
                    in_doubt: owed.doubt,
                    token,
                });
            }
        }
        Ok(leased)
    }

    async fn settle(&self, leased: &Leased, settlement: Settlement) -> Result<bool, StoreError> {
        let slow = *self.slow.lock().unwrap();
        tokio::time::sleep(slow).await;
        {
            let mut deaf = self.deaf.lock().unwrap();
            if *deaf > 0 {
                *deaf -= 1;
                return Err(StoreError::Unavailable("the test says so".into()));
            }
        }
        let mut all = self.owed();
        let Some(owed) =
            all.iter_mut().find(|owed| owed.held.is_some_and(|(token, _)| token == leased.token))
        else {
            return Ok(false);
        };
        owed.held = None;
        owed.attempts += 1;
        match settlement {
            Settlement::Delivered(..) => owed.state = ParcelState::Delivered,
            Settlement::Again { at, error } => {
                owed.due = at;
                owed.doubt |= matches!(error, DeliveryError::InDoubt { .. });
            }
            Settlement::GiveUp(..) => owed.state = ParcelState::GivenUp,
            Settlement::Doubt(..) => owed.state = ParcelState::InDoubt,
            Settlement::Untried => owed.attempts -= 1,
        }
        Ok(true)
    }

    async fn answer(&self, id: ParcelId) -> Result<Option<(ParcelState, Option<Bytes>)>, StoreError> {
        let all = self.owed();
        Ok(all.iter().find(|owed| owed.parcel.id == id).map(|owed| (owed.state, None)))
    }

    async fn next_due(&self, _to: &DestinationId) -> Result<Option<OffsetDateTime>, StoreError> {
        let all = self.owed();
        Ok(all
            .iter()
            .filter(|owed| owed.state == ParcelState::Pending && owed.held.is_none())
            .map(|owed| owed.due)
            .min())
    }

    async fn retry(&self, _which: &RetryWhich) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn depth(&self) -> Result<Vec<QueueDepth>, StoreError> {
        Ok(Vec::new())
    }
}

/// What the partner does with one try.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Take,
    Later,
    After(u64),
    NotYet,
    Never,
    Doubt,
    Panic,
    Hang,
}

/// What the partner says when it is asked.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    Arrived,
    NotArrived,
    CannotTell,
    NoAnswer,
    Refused,
}

/// A partner that acts by its list, the last act for ever, and remembers what it was handed and when.
pub struct Partner {
    pub acts: Mutex<Vec<Act>>,
    pub words: Mutex<Vec<Word>>,
    pub takes: Duration,
    pub parallel: usize,
    pub handed: Mutex<Vec<(u128, u64)>>,
    pub asked: Mutex<usize>,
    pub busy: Mutex<HashMap<String, usize>>,
    pub began: Instant,
}

impl Partner {
    pub fn new(acts: &[Act], words: &[Word]) -> Self {
        Self {
            acts: Mutex::new(acts.to_vec()),
            words: Mutex::new(words.to_vec()),
            takes: Duration::from_millis(10),
            parallel: 4,
            handed: Mutex::default(),
            asked: Mutex::default(),
            busy: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// The parcels it was handed, in order.
    pub fn numbers(&self) -> Vec<u128> {
        self.handed.lock().unwrap().iter().map(|(number, _)| *number).collect()
    }

    /// The seconds at which it was handed something.
    pub fn seconds(&self) -> Vec<u64> {
        self.handed.lock().unwrap().iter().map(|(_, second)| *second).collect()
    }
}

fn next<T: Copy>(list: &Mutex<Vec<T>>) -> T {
    let mut list = list.lock().unwrap();
    if list.len() > 1 { list.remove(0) } else { list[0] }
}

#[async_trait]
impl Destination for Partner {
    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, DeliveryError> {
        let second = self.began.elapsed().as_secs();
        self.handed.lock().unwrap().push((parcel.id.0.as_u128(), second));
        let act = next(&self.acts);
        let key = parcel.order_key.as_ref().map(ToString::to_string);
        if let Some(key) = &key {
            let busy = self.busy.lock().unwrap().insert(key.clone(), 1);
            assert!(busy.is_none_or(|busy| busy == 0), "two parcels of one key are under way");
        }
        tokio::time::sleep(self.takes).await;
        if let Some(key) = key {
            self.busy.lock().unwrap().insert(key, 0);
        }
        let reason = "the test says so".to_owned();
        match act {
            Act::Take => Ok(Delivered { answer: None }),
            Act::Later => Err(DeliveryError::Later { reason, after: None }),
            Act::After(seconds) => {
                Err(DeliveryError::Later { reason, after: Some(Duration::from_secs(seconds)) })
            }
            Act::NotYet => Err(DeliveryError::NotYet { reason, after: Some(Duration::from_secs(3_600)) }),
            Act::Never => Err(DeliveryError::Never { reason }),
            Act::Doubt => Err(DeliveryError::InDoubt { reason }),
            Act::Panic => panic!("the test's destination is broken"),
            Act::Hang => std::future::pending().await,
        }
    }

    async fn ask(&self, _parcel: &Parcel) -> Result<Asked, DeliveryError> {
        *self.asked.lock().unwrap() += 1;
        let reason = "the test says so".to_owned();
        match next(&self.words) {
            Word::Arrived => Ok(Asked::Arrived(Delivered { answer: None })),
            Word::NotArrived => Ok(Asked::NotArrived),
            Word::CannotTell => Ok(Asked::CannotTell),
            Word::NoAnswer => Err(DeliveryError::InDoubt { reason }),
            Word::Refused => Err(DeliveryError::Never { reason }),
        }
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        Ok(())
    }

    fn parallel(&self) -> usize {
        self.parallel
    }
}
