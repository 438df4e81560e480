//! Parcels go out in order, come back at their times, and end as the partner's word and the channel's policy say.

use std::sync::Arc;
use std::time::Duration;

use hub_core::cluster::Alone;
use hub_core::store::ParcelState;
use hub_runtime::dispatch::{Dispatcher, Health, Wakers};
use hub_spec::{Circuit, InDoubt, RetryPolicy};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::shelf::{Act, Partner, Shelf, Word, to};
use crate::ward::TestClock;

pub const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(10),
    max: Duration::from_secs(60),
    give_up_after: Duration::from_secs(600),
};
/// Never opens.
pub const CALM: Circuit =
    Circuit { failures: u32::MAX, within: Duration::from_secs(30), probe: Duration::from_secs(15) };

pub struct Counter {
    pub clock: Arc<TestClock>,
    pub shelf: Arc<Shelf>,
    pub partner: Arc<Partner>,
    pub wakers: Wakers,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Counter {
    pub fn open(partner: Partner, in_doubt: InDoubt, circuit: Circuit) -> Self {
        let clock = TestClock::new();
        let shelf = Shelf::new(clock.clone());
        let partner = Arc::new(partner);
        let wakers = Wakers::new([to()]);
        let (stop, stopped) = watch::channel(false);
        let dispatcher = Dispatcher {
            id: to(),
            destination: partner.clone(),
            retry: RETRY,
            in_doubt,
            answers: None,
            raise: Vec::new(),
            is_of_tasks: false,
            attachments: None,
            cluster: Arc::new(Alone::default()),
            outbox: shelf.clone(),
            clock: clock.clone(),
            wakers: wakers.clone(),
            health: Arc::new(Health::new(circuit)),
        };
        let task = tokio::spawn(dispatcher.run(stopped));
        Self { clock, shelf, partner, wakers, stop, task }
    }

    pub fn owe(&self, number: u128, key: Option<&str>) {
        self.shelf.owe(number, key);
        self.wakers.wake(&[to()]);
    }

    pub async fn after(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// One parcel, and an hour later.
async fn one(acts: &[Act], words: &[Word], in_doubt: InDoubt) -> Counter {
    let counter = Counter::open(Partner::new(acts, words), in_doubt, CALM);
    counter.owe(1, None);
    counter.after(3_600).await;
    counter
}

#[tokio::test(start_paused = true)]
async fn parcels_of_one_key_go_in_order_and_one_at_a_time() {
    let counter = Counter::open(
        Partner::new(&[Act::Take, Act::Later, Act::Take], &[Word::CannotTell]),
        InDoubt::Hold,
        CALM,
    );
    for number in 1..=6 {
        counter.owe(number, Some(if number % 2 == 1 { "odd" } else { "even" }));
    }
    counter.after(100).await;
    let numbers = counter.partner.numbers();
    let of = |odd: u128| numbers.iter().filter(|number| *number % 2 == odd).copied().collect::<Vec<_>>();
    assert_eq!(of(1), [1, 3, 5]);
    assert_eq!(of(0), [2, 2, 4, 6], "the second try of 2 comes before 4");
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered; 6]);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_the_partner_allows_and_none_waits_for_the_clock() {
    let counter = Counter::open(Partner::new(&[Act::Take], &[Word::CannotTell]), InDoubt::Hold, CALM);
    for number in 1..=100 {
        counter.owe(number, None);
    }
    counter.after(1).await;
    // 25 rounds of four, ten milliseconds each.
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered; 100]);
}

#[tokio::test(start_paused = true)]
async fn a_parcel_that_is_being_settled_holds_no_place_at_the_partner_within_bounds() {
    let counter = Counter::open(Partner::new(&[Act::Take], &[Word::CannotTell]), InDoubt::Hold, CALM);
    *counter.shelf.slow.lock().unwrap() = Duration::from_millis(30);
    for number in 1..=100 {
        counter.owe(number, None);
    }
    // 25 rounds of four, ten milliseconds each, and the last settlement.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered; 100]);
    // A store that never comes to an end: as many as may be unsettled, and no more.
    *counter.shelf.slow.lock().unwrap() = Duration::from_secs(3_600);
    for number in 101..=200 {
        counter.owe(number, None);
    }
    counter.after(60).await;
    assert_eq!(counter.partner.numbers().len(), 100 + 16);
}

#[tokio::test(start_paused = true)]
async fn waits_grow_and_in_the_end_the_parcel_is_given_up() {
    let counter = one(&[Act::Later], &[Word::CannotTell], InDoubt::Hold).await;
    assert_eq!(counter.shelf.states(), [ParcelState::GivenUp]);
    let seconds = counter.partner.seconds();
    assert_eq!(seconds[0], 0);
    assert!((8..=11).contains(&seconds[1]), "{seconds:?}"); // 10 seconds, less up to a fifth
    let waits: Vec<u64> = seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.iter().all(|wait| *wait <= 61), "{seconds:?}");
    assert_eq!(seconds.last(), Some(&600), "the last try is at the very end of its time");
}

#[tokio::test(start_paused = true)]
async fn the_partner_says_when_to_come_again() {
    let counter = one(&[Act::After(120), Act::Take], &[Word::CannotTell], InDoubt::Hold).await;
    assert_eq!(counter.partner.seconds(), [0, 120]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_parcel_is_given_up_at_once_and_the_next_one_goes() {
    let counter =
        Counter::open(Partner::new(&[Act::Never, Act::Take], &[Word::CannotTell]), InDoubt::Hold, CALM);
    counter.owe(1, Some("k"));
    counter.owe(2, Some("k"));
    counter.after(5).await;
    assert_eq!(counter.shelf.states(), [ParcelState::GivenUp, ParcelState::Delivered]);
    assert_eq!(counter.partner.numbers(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn hold_leaves_a_doubt_to_a_person() {
    let counter = one(&[Act::Doubt], &[Word::Arrived], InDoubt::Hold).await;
    assert_eq!(counter.shelf.states(), [ParcelState::InDoubt]);
    assert_eq!((counter.partner.numbers().len(), *counter.partner.asked.lock().unwrap()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn ask_believes_a_partner_that_has_it() {
    let counter = one(&[Act::Doubt], &[Word::Arrived], InDoubt::Ask).await;
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered]);
    assert_eq!(counter.partner.numbers(), [1]);
}

#[tokio::test(start_paused = true)]
async fn ask_sends_again_what_has_not_arrived_and_asks_again_when_that_is_in_doubt_too() {
    let counter = one(&[Act::Doubt, Act::Doubt, Act::Take], &[Word::NotArrived], InDoubt::Ask).await;
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered]);
    assert_eq!((counter.partner.numbers().len(), *counter.partner.asked.lock().unwrap()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn ask_leaves_it_to_a_person_when_the_partner_cannot_tell_or_does_not_want_to() {
    for word in [Word::CannotTell, Word::Refused] {
        let counter = one(&[Act::Doubt], &[word], InDoubt::Ask).await;
        assert_eq!(counter.shelf.states(), [ParcelState::InDoubt], "{word:?}");
        assert_eq!(counter.partner.numbers(), [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_is_asked_again_until_the_time_is_up() {
    let counter = one(&[Act::Doubt], &[Word::NoAnswer, Word::NoAnswer, Word::Arrived], InDoubt::Ask).await;
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered]);
    let counter = one(&[Act::Doubt], &[Word::NoAnswer], InDoubt::Ask).await;
    assert_eq!(counter.shelf.states(), [ParcelState::InDoubt], "nobody knows, so it is not simply given up");
    assert_eq!(counter.partner.numbers(), [1], "nothing was sent twice");
}

#[tokio::test(start_paused = true)]
async fn resend_sends_again_unless_the_partner_has_it() {
    let counter = one(&[Act::Doubt, Act::Take], &[Word::CannotTell], InDoubt::Resend).await;
    assert_eq!(
        (counter.shelf.states(), counter.partner.numbers()),
        (vec![ParcelState::Delivered], vec![1, 1])
    );
    let counter = one(&[Act::Doubt, Act::Take], &[Word::Arrived], InDoubt::Resend).await;
    assert_eq!((counter.shelf.states(), counter.partner.numbers()), (vec![ParcelState::Delivered], vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_panics_or_never_ends_leaves_a_doubt_and_blocks_nobody() {
    for act in [Act::Panic, Act::Hang] {
        let counter = Counter::open(
            Partner { parallel: 1, ..Partner::new(&[act, Act::Take], &[Word::CannotTell]) },
            InDoubt::Hold,
            CALM,
        );
        counter.owe(1, Some("k"));
        counter.owe(2, Some("k"));
        counter.after(1_000).await;
        assert_eq!(counter.shelf.states(), [ParcelState::InDoubt, ParcelState::Delivered], "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_lets_one_parcel_through_each_time_until_one_arrives() {
    let circuit = Circuit { failures: 3, within: Duration::from_secs(30), probe: Duration::from_secs(40) };
    let mut acts = vec![Act::Later; 6];
    acts.push(Act::Take);
    let partner = Partner { parallel: 3, ..Partner::new(&acts, &[Word::CannotTell]) };
    let counter = Counter::open(partner, InDoubt::Hold, circuit);
    for number in 1..=20 {
        counter.owe(number, None);
    }
    counter.after(30).await;
    assert_eq!(counter.partner.numbers().len(), 3, "the circuit has opened");
    counter.after(120).await;
    assert_eq!(counter.partner.seconds()[3..6], [40, 80, 120], "one probe each time");
    counter.after(600).await;
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered; 20]);
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_only_later_opens_no_circuit_and_is_in_nobodys_way() {
    let circuit = Circuit { failures: 3, within: Duration::from_secs(30), probe: Duration::from_secs(40) };
    let mut acts = vec![Act::NotYet; 6];
    acts.push(Act::Take);
    let counter = Counter::open(Partner::new(&acts, &[Word::CannotTell]), InDoubt::Hold, circuit);
    for number in 1..=20 {
        counter.owe(number, None);
    }
    counter.after(30).await;
    let delivered = counter.shelf.states().iter().filter(|state| **state == ParcelState::Delivered).count();
    assert_eq!(delivered, 14, "the others have gone");
    assert_eq!(counter.partner.numbers().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_partner_that_flaps_is_never_stormed_and_gets_all_in_the_end() {
    let circuit = Circuit { failures: 5, within: Duration::from_secs(30), probe: Duration::from_secs(15) };
    // It takes one, then fails eight times, and so on for hours; in the end it is well.
    let flap: Vec<Act> = std::iter::once(Act::Take).chain([Act::Later; 8]).collect();
    let acts: Vec<Act> = flap.iter().copied().cycle().take(900).chain([Act::Take]).collect();
    let partner = Partner { parallel: 4, ..Partner::new(&acts, &[Word::CannotTell]) };
    let counter = Counter::open(partner, InDoubt::Hold, circuit);
    for number in 1..=500 {
        counter.owe(number, None);
    }
    // RETRY gives up after ten minutes; a person puts them back.
    for _ in 0..200 {
        counter.after(600).await;
        counter.shelf.put_back();
        counter.wakers.wake_all();
    }
    counter.after(3_600).await;
    assert_eq!(counter.shelf.states(), [ParcelState::Delivered; 500]);
    let seconds = counter.partner.seconds();
    let flapping = &seconds[..900];
    for window in flapping.windows(15) {
        // A probe, what was due when it was taken until the circuit has opened again, and what was under way then.
        assert!(window[14] - window[0] >= 10, "fifteen tries within ten seconds: {window:?}");
    }
    assert!(flapping[899] > 1_200, "{}", flapping[899]);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_is_under_way_and_begins_nothing() {
    let partner =
        Partner { takes: Duration::from_secs(5), ..Partner::new(&[Act::Take], &[Word::CannotTell]) };
    let counter = Counter::open(partner, InDoubt::Hold, CALM);
    for number in 1..=6 {
        counter.owe(number, None);
    }
    counter.after(1).await;
    counter.stop.send_replace(true);
    counter.task.await.unwrap();
    let states = counter.shelf.states();
    assert_eq!(states.iter().filter(|state| **state == ParcelState::Delivered).count(), 4);
    assert!(!counter.shelf.is_any_held());
    assert_eq!(counter.partner.numbers().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_dispatcher_whose_hub_is_gone_ends() {
    let counter = Counter::open(Partner::new(&[Act::Take], &[Word::CannotTell]), InDoubt::Hold, CALM);
    counter.after(1).await;
    drop(counter.stop);
    tokio::time::timeout(Duration::from_secs(1), counter.task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_parcel_is_told_until_the_store_listens() {
    let counter = Counter::open(Partner::new(&[Act::Take], &[Word::CannotTell]), InDoubt::Hold, CALM);
    *counter.shelf.deaf.lock().unwrap() = 30;
    counter.owe(1, None);
    counter.after(60).await;
    assert_eq!((counter.shelf.states(), counter.partner.numbers()), (vec![ParcelState::Delivered], vec![1]));
}
