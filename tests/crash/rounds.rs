//! Three hubs on one PostgreSQL database under load, round after round: some of them are killed, frozen or end at a place of the
//! road, at random, or the database server is killed. After each round all are well again; at the end nothing acknowledged is
//! lost, nothing was written twice, the order of each person's messages was kept, and the counters tell the truth.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::harness::dice::Dice;
use crate::harness::mllp::{Lines, msa};
use crate::harness::nodes::Nodes;
use crate::harness::partners::{self, Received};
use crate::harness::{PATIENCE, Setup, postgres};
use crate::nodes::{forwarded, message};
use crate::{keep, rounds};

const NAMES: [&str; 3] = ["one", "two", "three"];
const ADT: &str = "his/adt";
/// People whose messages come in side by side; those of one come one after the other.
const PEOPLE: u64 = 10;
/// So many messages must be acknowledged before the next round begins: the nodes do work.
const BETWEEN: u64 = 30;

/// What happens to the nodes in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    KillOne,
    KillTwo,
    FreezeOne,
    FreezeTwo,
    KillOneAndFreezeAnother,
    FreezeBriefly,
    DieAtAPlace,
}

impl Blow {
    const ALL: [Self; 7] = [
        Self::KillOneAndFreezeAnother,
        Self::DieAtAPlace,
        Self::KillTwo,
        Self::KillOne,
        Self::FreezeOne,
        Self::FreezeTwo,
        Self::FreezeBriefly,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::KillOne => "one killed",
            Self::KillTwo => "two killed",
            Self::FreezeOne => "one frozen for longer than the others wait",
            Self::FreezeTwo => "two frozen so",
            Self::KillOneAndFreezeAnother => "one killed and another frozen",
            Self::FreezeBriefly => "one frozen briefly",
            Self::DieAtAPlace => "one ended at a place of the road",
        }
    }
}

/// The nodes, their load and their partner.
struct Region {
    nodes: Arc<Nodes>,
    lis: Received,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    senders: Vec<JoinHandle<u64>>,
}

impl Region {
    async fn open(database: &str) -> Self {
        let (lis_address, lis) = partners::hl7().await;
        let setup = Setup::default()
            .set("log.level=warn")
            .set(format!("store.database={database}"))
            .set(format!("channels.\"{ADT}\".to.lis-feed.url=mllp://{lis_address}"));
        let nodes = Arc::new(Nodes::start(&NAMES, &setup, &[ADT]).await);
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let senders = (0..PEOPLE)
            .map(|person| tokio::spawn(send(person, nodes.clone(), stop.clone(), acknowledged.clone())))
            .collect();
        Self { nodes, lis, stop, acknowledged, senders }
    }

    /// Waits until all nodes are well and have done some work again. What the LIS has got by now is in order.
    async fn recovers(&self) {
        self.nodes.are_complete().await;
        let (before, began) = (self.acknowledged.load(Ordering::SeqCst), Instant::now());
        while self.acknowledged.load(Ordering::SeqCst) < before + BETWEEN {
            assert!(began.elapsed() < PATIENCE, "nothing is acknowledged any more\n{}", self.nodes.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (person, got) in forwarded(&self.lis) {
            let expected: Vec<u64> = (0..got.len() as u64).collect();
            assert_eq!(got, expected, "the order of person {person}\n{}", self.nodes.logs());
        }
    }

    /// The load ends, and all is held against the truth. What there was, in words.
    async fn judge(self) -> String {
        self.stop.store(true, Ordering::SeqCst);
        let mut acknowledged = BTreeMap::new();
        for (person, sender) in (0..).zip(self.senders) {
            acknowledged.insert(person, sender.await.unwrap());
        }
        self.nodes.are_at_rest().await;
        self.nodes.kill_all_and_start().await;
        self.nodes.are_at_rest().await;
        let total: u64 = acknowledged.values().sum();
        let forwarded = forwarded(&self.lis);
        for (person, count) in &acknowledged {
            let expected: Vec<u64> = (0..*count).collect();
            assert_eq!(forwarded[person], expected, "each once and in order");
            let found = self.nodes.get(&format!("/fhir/Patient?identifier={}", 800_000 + person)).await;
            assert_eq!(found["entry"].as_array().unwrap().len(), 1);
            let patient = &found["entry"][0]["resource"];
            assert_eq!(patient["name"][0]["given"][0], format!("N{}", count - 1), "the last word counts");
            assert_eq!(patient["meta"]["versionId"], count.to_string(), "each message was written once");
        }
        let status = self.nodes.get("/ops/status").await;
        let channel = status["channels"].as_array().unwrap().iter().find(|one| one["id"] == ADT).unwrap();
        assert_eq!(channel["messages"]["committed"], total, "the counters tell the truth");
        for none in ["received", "quarantined", "filtered"] {
            assert_eq!(channel["messages"][none], 0, "{none}");
        }
        let feed =
            status["destinations"].as_array().unwrap().iter().find(|to| to["id"] == "his/adt/lis-feed");
        let parcels = &feed.unwrap()["parcels"];
        assert_eq!(parcels["delivered"], total, "{parcels}");
        self.nodes.stop().await;
        format!(
            "{total} messages, all acknowledged in the end, each committed once, nothing written twice and the order of each person \
             kept; the LIS was told {} times; after a kill of all three the counters were equal to that",
            self.lis.times()
        )
    }
}

/// Sends the messages of a person to the nodes in turn, each until one acknowledges it; says how many.
async fn send(person: u64, nodes: Arc<Nodes>, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicU64>) -> u64 {
    let (mut nth, mut turn) = (0, person);
    let mut lines = Lines::default();
    while !stop.load(Ordering::SeqCst) {
        loop {
            turn += 1;
            let door = nodes.door(usize::try_from(turn).unwrap() % nodes.count(), ADT);
            let answer = lines.exchange(door, &message(person, nth), Duration::from_secs(2)).await;
            match answer.map(|answer| msa(&answer)) {
                Some((code, id)) if code == "AA" => {
                    assert_eq!(id, format!("P{person}-{nth}"));
                    break;
                }
                // It is busy, gone or frozen, or has no database now.
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        nth += 1;
        acknowledged.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    nth
}

/// Strikes the nodes once. Whether a node that was to end at a place has come to it.
async fn strike(nodes: &Nodes, blow: Blow, dice: &mut Dice) -> bool {
    let first = usize::try_from(dice.below(3)).unwrap();
    let second = (first + 1 + usize::try_from(dice.below(2)).unwrap()) % 3;
    tokio::time::sleep(dice.millis(1, 500)).await;
    match blow {
        Blow::KillOne => {
            let folder = nodes.kill(first);
            tokio::time::sleep(dice.millis(1, 7_000)).await;
            nodes.begin(first, folder).await;
        }
        Blow::KillTwo => {
            let one = nodes.kill(first);
            tokio::time::sleep(dice.millis(1, 1_000)).await;
            let other = nodes.kill(second);
            tokio::time::sleep(dice.millis(1, 7_000)).await;
            nodes.begin(second, other).await;
            nodes.begin(first, one).await;
        }
        Blow::FreezeOne | Blow::FreezeTwo => {
            nodes.signal(first, "-STOP");
            if blow == Blow::FreezeTwo {
                tokio::time::sleep(dice.millis(1, 1_000)).await;
                nodes.signal(second, "-STOP");
            }
            // About as long as the others wait, and longer.
            tokio::time::sleep(dice.millis(4_000, 9_000)).await;
            nodes.signal(first, "-CONT");
            nodes.signal(second, "-CONT");
        }
        Blow::KillOneAndFreezeAnother => {
            nodes.signal(first, "-STOP");
            tokio::time::sleep(dice.millis(1, 1_000)).await;
            let folder = nodes.kill(second);
            tokio::time::sleep(dice.millis(4_000, 9_000)).await;
            nodes.signal(first, "-CONT");
            nodes.begin(second, folder).await;
        }
        Blow::FreezeBriefly => {
            nodes.signal(first, "-STOP");
            tokio::time::sleep(dice.millis(10, 2_000)).await;
            nodes.signal(first, "-CONT");
        }
        Blow::DieAtAPlace => {
            let roads: Vec<&str> = hub_runtime::crash::PLACES
                .into_iter()
                // This load comes to no other place.
                .filter(|place| !["split", "expanded", "ended"].contains(place))
                .collect();
            let place = format!("{}:{}", dice.one_of(&roads), 1 + dice.below(30));
            let folder = nodes.kill(first);
            let (folder, came) = nodes.begin_to_die(first, folder, &place, Duration::from_secs(5)).await;
            nodes.begin(first, folder).await;
            return came;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_killed_and_frozen_at_random_lose_and_double_and_mix_up_nothing() {
    let (rounds, mut dice) = (rounds(2), Dice::of("HUITONG_CRASH_SEED"));
    let region = Region::open(&postgres::shared().database()).await;
    let (mut times, mut came) = (BTreeMap::<Blow, u64>::new(), 0);
    for round in 0..rounds {
        let in_turn = Blow::ALL.get(usize::try_from(round).unwrap()).copied();
        let blow = in_turn.unwrap_or_else(|| *dice.one_of(&Blow::ALL));
        println!("three nodes, round {round}: {}", blow.name());
        *times.entry(blow).or_default() += 1;
        came += u64::from(strike(&region.nodes, blow, &mut dice).await);
        region.recovers().await;
    }
    let shown = region.judge().await;
    let blows: Vec<String> =
        times.iter().map(|(blow, times)| format!("{times} times {}", blow.name())).collect();
    let shown = format!("{rounds} rounds ({}, {came} of which came to it), {shown}", blows.join(", "));
    keep("PostgreSQL, three nodes killed and frozen at random under load", &shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_whose_database_is_killed_at_random_lose_and_double_and_mix_up_nothing() {
    let (rounds, mut dice) = (rounds(3), Dice::of("HUITONG_CRASH_SEED"));
    let server = Arc::new(postgres::Server::start(false));
    let region = Region::open(&server.database()).await;
    let mut with_a_node = 0;
    for round in 0..rounds {
        println!("the database, round {round}");
        tokio::time::sleep(dice.millis(1, 700)).await;
        server.kill();
        // Now and then a node dies with it.
        let killed = (dice.below(4) == 0).then(|| {
            let node = usize::try_from(dice.below(3)).unwrap();
            (node, region.nodes.kill(node))
        });
        tokio::time::sleep(dice.millis(1, 1_500)).await;
        let again = server.clone();
        tokio::task::spawn_blocking(move || again.start_again()).await.unwrap();
        if let Some((node, folder)) = killed {
            with_a_node += 1;
            region.nodes.begin(node, folder).await;
        }
        region.recovers().await;
    }
    let shown = region.judge().await;
    let shown = format!("{rounds} rounds ({with_a_node} times a node was killed with it), {shown}");
    keep("PostgreSQL killed at random under three nodes at work", &shown);
}
