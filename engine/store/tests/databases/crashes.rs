//! Sequences of works against a model in memory, with crashes in the middle of them: the store is gone without a word, or the
//! database ends the writer's connection. What was answered is there, what was not is there whole or not at all, and a message,
//! what it wrote and what it owes never part.

use std::collections::BTreeMap;
use std::time::Duration;

use hub_core::commit::{Change, Commit};
use hub_core::destination::Delivered;
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::store::{
    Cause, Journal, Leased, MessageState, Outbox, ParcelState, Received, Resources, Settlement, StoreError,
};
use hub_store::Store;
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::conformance::{journal, message, parcel, reference, resource};
use crate::place::Place;

const TO: &str = "crashes/to";
const KEYS: [Option<&str>; 3] = [Some("a"), Some("b"), None];

/// How far a message has come: each work takes it one further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Nowhere,
    Received,
    Committed,
    Delivered,
}

impl Stage {
    fn next(self) -> Self {
        match self {
            Self::Nowhere => Self::Received,
            Self::Received => Self::Committed,
            Self::Committed | Self::Delivered => Self::Delivered,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Crash {
    None,
    /// The process is gone, as far as the store can tell: nobody holds it any more, and nothing was closed.
    Gone,
    /// The database ends the writer's connection; a file has none, so that nothing happens there.
    CutOff,
}

#[derive(Clone, Debug)]
struct Round {
    /// So many new messages come in.
    new: usize,
    /// Which of the others are taken further, bit by bit.
    further: u64,
    crash: Crash,
    /// So many microseconds after the works were begun.
    after: u64,
}

fn round() -> impl Strategy<Value = Round> {
    let crash = prop_oneof![Just(Crash::None), Just(Crash::Gone), Just(Crash::CutOff)];
    (0..8_usize, any::<u64>(), crash, 0..6_000_u64).prop_map(|(new, further, crash, after)| Round {
        new,
        further,
        crash,
        after,
    })
}

/// Whether it was this work that did it.
type Answer = Result<bool, StoreError>;

/// The messages that are taken further, and what is held of them for that.
type Begun = BTreeMap<usize, Option<Leased>>;

/// A message as the model has it: the id it was first sent under, and how far it has come.
type Model = Vec<(MessageId, Stage)>;

fn commit(nth: usize) -> Commit {
    let text = format!(r#"{{"resourceType":"Location","id":"l{nth}","name":"ward {nth}"}}"#);
    Commit {
        changes: vec![Change::Put(resource(&text))],
        parcels: vec![parcel(TO, nth as u128 + 1, KEYS[nth % KEYS.len()])],
        ..Commit::default()
    }
}

/// Begins the works of a round, all at once.
async fn begin(store: &Store, model: &mut Model, round: &Round) -> (JoinSet<(usize, Answer)>, Begun) {
    let (mut works, mut begun) = (JoinSet::new(), Begun::new());
    let leased = store.lease(&DestinationId::from(TO), 8, Duration::from_secs(600)).await.unwrap();
    let mut leased: BTreeMap<ParcelId, Leased> =
        leased.into_iter().map(|leased| (leased.parcel.id, leased)).collect();
    for _ in 0..round.new {
        model.push((message("crashes", "", "").head.id, Stage::Nowhere));
    }
    for (nth, (id, stage)) in model.iter_mut().enumerate() {
        if *stage != Stage::Nowhere && round.further >> (nth % 64) & 1 == 0 {
            continue;
        }
        let store = store.clone();
        let mut held = None;
        match stage {
            Stage::Nowhere => {
                // Sent again after a crash: the same message under a new id.
                let sent = message("crashes", &nth.to_string(), "text");
                *id = sent.head.id;
                works.spawn(async move { (nth, store.receive(&sent).await.map(|got| got == Received::New)) });
            }
            Stage::Received => {
                let cause = Cause::Message(*id);
                works.spawn(async move { (nth, store.commit(cause, commit(nth)).await.map(|_| true)) });
            }
            Stage::Committed => {
                let number = ParcelId(uuid::Uuid::from_u128(nth as u128 + 1));
                let Some(leased) = leased.remove(&number) else { continue };
                held = Some(leased.clone());
                let done = Settlement::Delivered(Delivered { answer: None }, None);
                works.spawn(async move { (nth, store.settle(&leased, done).await) });
            }
            Stage::Delivered => continue,
        }
        begun.insert(nth, held);
    }
    for untried in leased.into_values() {
        assert!(store.settle(&untried, Settlement::Untried).await.unwrap());
    }
    (works, begun)
}

/// How far a message really is; every part of the store must say the same.
async fn stands(store: &Store, nth: usize, id: MessageId) -> Stage {
    let written = store.read(&reference(&format!("Location/l{nth}"))).await.unwrap();
    let Some(found) = store.message(id).await.unwrap() else {
        assert!(written.is_none(), "what nobody received has written nothing");
        return Stage::Nowhere;
    };
    let states: Vec<ParcelState> = found.parcels.iter().map(|parcel| parcel.state).collect();
    match found.row.state {
        MessageState::Received => {
            assert!(written.is_none() && states.is_empty(), "nothing of a commit without the commit");
            Stage::Received
        }
        MessageState::Committed => {
            assert_eq!(written.map(|stored| stored.version), Some(1), "what it wrote is there, and once");
            match states[..] {
                [ParcelState::Pending] => Stage::Committed,
                [ParcelState::Delivered] => Stage::Delivered,
                _ => panic!("one parcel, pending or delivered: {states:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
}

async fn check(store: &Store, model: &Model) {
    let at = |stage| model.iter().filter(|(_, is)| *is == stage).count() as u64;
    let (received, committed, delivered) = (at(Stage::Received), at(Stage::Committed), at(Stage::Delivered));
    assert_eq!(journal::counts(store, "crashes").await, [received, committed + delivered, 0, 0, 0]);
    let depth = store.depth().await.unwrap().first().map_or([0; 4], |depth| depth.counts);
    assert_eq!(depth, [committed, delivered, 0, 0]);
    let open = store.unfinished(&"crashes".into(), &|_| false, 1_000).await.unwrap();
    assert_eq!(open.len() as u64, received);
}

/// The database ends every connection by which hubs write.
async fn cut_off(place: &Place) {
    let Some(url) = place.url() else { return };
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let ended = "SELECT pg_terminate_backend(backend::int) FROM node WHERE backend IS NOT NULL";
    sqlx::query(ended).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn run(place: Place, rounds: Vec<Round>) {
    let mut store = place.open().await;
    let mut model = Model::new();
    for round in rounds {
        let (mut works, begun) = begin(&store, &mut model, &round).await;
        tokio::time::sleep(Duration::from_micros(round.after)).await;
        match round.crash {
            Crash::None => {}
            Crash::CutOff => cut_off(&place).await,
            Crash::Gone => works.abort_all(),
        }
        let mut answered = BTreeMap::new();
        while let Some(work) = works.join_next().await {
            if let Ok((nth, answer)) = work {
                answered.insert(nth, answer);
            }
        }
        let is_gone = matches!(round.crash, Crash::Gone);
        if is_gone {
            drop(store);
            store = place.open().await;
        }
        writes_again(&store).await;
        for (nth, held) in begun {
            let (id, before) = model[nth];
            let stands = stands(&store, nth, id).await;
            match answered.get(&nth) {
                Some(Ok(is)) => {
                    assert!(*is, "{before:?}: it was done by this work and no other");
                    assert_eq!(stands, before.next(), "what was answered is there");
                }
                // Refused, or the answer was lost.
                Some(Err(StoreError::Unavailable(_))) | None => {
                    assert!(stands == before || stands == before.next(), "{before:?}, then {stands:?}");
                }
                Some(Err(error)) => panic!("{error}"),
            }
            model[nth].1 = stands;
            // Whoever could not settle lets go. After a crash nothing is held.
            if let Some(held) = held.filter(|_| !is_gone && stands == Stage::Committed) {
                assert!(store.settle(&held, Settlement::Untried).await.unwrap());
            }
        }
        check(&store, &model).await;
    }
}

/// Waits until the store writes: who asks first after the connection has ended may be told that the database is not there.
async fn writes_again(store: &Store) {
    let sent = message("ping", &uuid::Uuid::now_v7().to_string(), "text");
    for _ in 0..500 {
        match store.receive(&sent).await {
            Ok(_) => return,
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it never writes again");
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .unwrap()
        .block_on(work);
}

proptest! {
    // What happens depends on the moment as well: a failure is not made smaller by trying again.
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_answered_is_there_and_what_was_not_is_there_whole_or_not_at_all(rounds in prop::collection::vec(round(), 1..10)) {
        Place::both().into_iter().for_each(|place| block_on(run(place, rounds.clone())));
    }
}
