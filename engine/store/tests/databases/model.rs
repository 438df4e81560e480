//! Sequences of actions against a model in memory: outbox order and leases, and the journal's states and counts.

use std::collections::BTreeMap;
use std::time::Duration;

use hub_core::commit::Commit;
use hub_core::destination::{Delivered, DeliveryError};
use hub_core::envelope::{Envelope, Head, Raw};
use hub_core::id::{DestinationId, MessageId};
use hub_core::store::{Cause, End, Journal, Leased, Outbox, Received, Resources, Settlement};
use hub_store::Store;
use proptest::prelude::*;
use time::OffsetDateTime;

use crate::conformance::pieces::pieces_of;
use crate::conformance::{journal, message, parcel};
use crate::place::Place;

const KEYS: [Option<&str>; 3] = [Some("a"), Some("b"), None];

#[derive(Clone, Debug)]
enum Step {
    Owe(usize),
    Lease(usize),
    Deliver(usize),
    Again(usize),
    GiveUp(usize),
    Untried(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..KEYS.len()).prop_map(Step::Owe),
        3 => (1..4_usize).prop_map(Step::Lease),
        3 => (0..8_usize).prop_map(Step::Deliver),
        1 => (0..8_usize).prop_map(Step::Again),
        1 => (0..8_usize).prop_map(Step::GiveUp),
        1 => (0..8_usize).prop_map(Step::Untried),
        1 => Just(Step::Reopen),
    ]
}

/// What is owed, in the order in which it was owed: number and key. Settled ones are taken out.
type Owed = BTreeMap<u128, Option<&'static str>>;

/// The parcels that may be out now: the first of each key, and all without one.
fn heads(owed: &Owed) -> Vec<u128> {
    let is_head = |(number, key): &(&u128, &Option<&str>)| {
        key.is_none() || !owed.iter().any(|(other, its)| other < *number && its == *key)
    };
    owed.iter().filter(is_head).map(|(number, _)| *number).collect()
}

async fn outbox(place: &Place, steps: Vec<Step>) {
    let mut store = place.open().await;
    let to = DestinationId::from("model/to");
    let (mut owed, mut out, mut next) = (Owed::new(), Vec::<Leased>::new(), 0_u128);
    let (mut delivered, mut given_up) = (0, 0);
    for step in steps {
        match step {
            Step::Owe(key) => {
                next += 1;
                owed.insert(next, KEYS[key]);
                let commit =
                    Commit { parcels: vec![parcel("model/to", next, KEYS[key])], ..Commit::default() };
                store.commit(Cause::Timer { name: "model" }, commit).await.unwrap();
            }
            Step::Lease(limit) => {
                let held: Vec<u128> = out.iter().map(|leased| leased.parcel.id.0.as_u128()).collect();
                let free: Vec<u128> = heads(&owed).into_iter().filter(|one| !held.contains(one)).collect();
                let leased = store.lease(&to, limit, Duration::from_secs(600)).await.unwrap();
                assert_eq!(leased.len(), limit.min(free.len()));
                for one in &leased {
                    assert!(
                        free.contains(&one.parcel.id.0.as_u128()),
                        "a parcel that is no free head was leased"
                    );
                }
                out.extend(leased);
            }
            Step::Reopen => {
                // As after a crash: all leases are gone, nothing else is.
                store.close().await;
                drop(store);
                store = place.open().await;
                out.clear();
            }
            Step::Deliver(at) | Step::Again(at) | Step::GiveUp(at) | Step::Untried(at) if at < out.len() => {
                let leased = out.swap_remove(at);
                let number = leased.parcel.id.0.as_u128();
                let error = || DeliveryError::Later { reason: "busy".into(), after: None };
                let settlement = match step {
                    Step::Deliver(_) => {
                        owed.remove(&number);
                        delivered += 1;
                        Settlement::Delivered(Delivered { answer: None }, None)
                    }
                    Step::GiveUp(_) => {
                        owed.remove(&number);
                        given_up += 1;
                        Settlement::GiveUp(error(), None)
                    }
                    Step::Again(_) => Settlement::Again { at: OffsetDateTime::now_utc(), error: error() },
                    _ => Settlement::Untried,
                };
                assert!(store.settle(&leased, settlement).await.unwrap());
                assert!(!store.settle(&leased, Settlement::Untried).await.unwrap());
            }
            _ => {}
        }
        let counts = store.depth().await.unwrap().first().map_or([0; 4], |depth| depth.counts);
        assert_eq!(counts, [owed.len() as u64, delivered, given_up, 0]);
    }
}

async fn messages(place: &Place, steps: Vec<(u8, usize)>) {
    let mut store = place.open().await;
    // Id, state, and which one it is a piece of.
    let mut known: Vec<(MessageId, usize, Option<usize>)> = Vec::new();
    let mut keys: Vec<(MessageId, usize)> = Vec::new();
    for (action, at) in steps {
        let picked = (!known.is_empty()).then(|| at % known.len());
        match (action, picked) {
            (0, _) => {
                let sent = message("model", &keys.len().to_string(), "text");
                assert_eq!(store.receive(&sent).await.unwrap(), Received::New);
                known.push((sent.head.id, 0, None));
                keys.push((sent.head.id, keys.len()));
            }
            (1, Some(at)) => {
                store.commit(Cause::Message(known[at].0), Commit::default()).await.unwrap();
                if known[at].1 == 0 {
                    known[at].1 = 1;
                }
            }
            (2, Some(at)) => {
                let end = End::Filtered { rule: "keep[0]".into() };
                store.end(known[at].0, end, vec![]).await.unwrap();
                if known[at].1 == 0 {
                    known[at].1 = 2;
                }
            }
            (3, Some(at)) => {
                assert_eq!(store.reopen(known[at].0).await.unwrap(), known[at].1 != 0);
                known[at].1 = 0;
            }
            (4, Some(at)) if known[at].2.is_none() => {
                let key = keys.iter().find(|(id, _)| *id == known[at].0).unwrap().1;
                let again = message("model", &key.to_string(), "text");
                assert_eq!(store.receive(&again).await.unwrap(), Received::Duplicate(known[at].0));
            }
            (6, Some(at)) if known[at].2.is_none() => {
                // Split into two pieces, for the first time or again.
                let parent = message_head(&store, known[at].0).await;
                let pieces = pieces_of(&parent, &["a", "b"]);
                let open = store.expand(known[at].0, pieces.clone()).await.unwrap();
                let is_split_now = known[at].1 == 0;
                for piece in &pieces {
                    let at_piece = known.iter().position(|(id, ..)| *id == piece.head.id);
                    match at_piece {
                        Some(there) if is_split_now => known[there].1 = 0,
                        Some(_) => {}
                        None if is_split_now => known.push((piece.head.id, 0, Some(at))),
                        None => {}
                    }
                }
                if is_split_now {
                    known[at].1 = 4;
                }
                let still_open = |piece: &&Envelope<Raw>| {
                    known.iter().any(|(id, state, _)| *id == piece.head.id && *state == 0)
                };
                let expected: Vec<MessageId> =
                    pieces.iter().filter(still_open).map(|piece| piece.head.id).collect();
                assert_eq!(open, expected);
            }
            (5, _) => {
                drop(store);
                store = place.open().await;
            }
            _ => {}
        }
        let mut expected = [0; 5];
        known.iter().for_each(|(_, state, _)| expected[*state] += 1);
        assert_eq!(journal::counts(&store, "model").await, expected);
        let open = store.unfinished(&"model".into(), &|_| false, 100).await.unwrap();
        // In the order of arrival, pieces in the place of what they are pieces of.
        let mut expected: Vec<(usize, usize, MessageId)> = known
            .iter()
            .enumerate()
            .filter(|(_, (_, state, _))| *state == 0)
            .map(|(at, (id, _, parent))| (parent.unwrap_or(at), at, *id))
            .collect();
        expected.sort_unstable();
        let expected: Vec<MessageId> = expected.into_iter().map(|(.., id)| id).collect();
        assert_eq!(open.iter().map(|open| open.head.id).collect::<Vec<_>>(), expected);
    }
}

async fn message_head(store: &Store, id: MessageId) -> Head {
    let row = store.message(id).await.unwrap().unwrap().row;
    Head { id, ..message(row.channel.as_str(), "0", "text").head }
}

pub fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_outbox_keeps_order_and_counts(steps in prop::collection::vec(step(), 1..40)) {
        Place::both().iter().for_each(|place| block_on(outbox(place, steps.clone())));
    }

    #[test]
    fn the_journal_keeps_states_and_counts(steps in prop::collection::vec((0..7_u8, 0..64_usize), 1..40)) {
        Place::both().iter().for_each(|place| block_on(messages(place, steps.clone())));
    }
}
