//! Three hubs on one PostgreSQL database: messages of each person go to all of them in turn, one hub is killed, one is frozen and
//! thawed. Nothing acknowledged is lost, nothing is written twice, the order of each person's messages is kept on the way out.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::mllp::{Lines, control_id, msa};
use crate::harness::partners::{self, Received};
use crate::harness::{Hub, PATIENCE, Setup, postgres};

/// People whose messages come in side by side; those of one come one after the other.
const PEOPLE: u64 = 12;

/// The nth message of a person: an admission, then changes.
pub fn message(person: u64, nth: u64) -> Vec<u8> {
    let event = if nth == 0 { "A01" } else { "A08" };
    format!(
        "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^{event}^ADT_A01|P{person}-{nth}|P|2.5.1\r\
         PID|1||{}^^^HIS^PI||Test^N{nth}||19700101|F\r\
         PV1|1|I|W{nth}^1^1||||||||||||||||V{person}^^^HIS^VN\r",
        800_000 + person
    )
    .into_bytes()
}

/// Sends the messages of a person to the nodes in turn, each until some node acknowledges it; says how many.
async fn send(person: u64, doors: Vec<String>, stop: Arc<AtomicBool>) -> u64 {
    let (mut nth, mut turn) = (0, person);
    let mut lines = Lines::default();
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let node = usize::try_from(turn).unwrap() % doors.len();
        let answer = lines.exchange(&doors[node], &message(person, nth), Duration::from_secs(2)).await;
        match answer.map(|answer| msa(&answer)) {
            Some((code, id)) if code == "AA" => {
                assert_eq!(id, format!("P{person}-{nth}"));
                nth += 1;
            }
            Some(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    nth
}

fn signal(hub: &Hub, name: &str) {
    assert!(Command::new("kill").args([name, &hub.pid().to_string()]).status().unwrap().success());
}

/// What the LIS got of each person, in the order in which it came, each message once.
pub fn forwarded(lis: &Received) -> BTreeMap<u64, Vec<u64>> {
    let (mut seen, mut found) = (BTreeSet::new(), BTreeMap::<u64, Vec<u64>>::new());
    for message in &lis.bodies() {
        let id = control_id(message);
        if !seen.insert(id.clone()) {
            continue;
        }
        let text = String::from_utf8_lossy(message).into_owned();
        let person = text.split("PID|1||").nth(1).and_then(|rest| rest.split('^').next()).unwrap();
        let nth = text.split("Test^N").nth(1).and_then(|rest| rest.split('|').next()).unwrap();
        found.entry(person.parse::<u64>().unwrap() - 800_000).or_default().push(nth.parse().unwrap());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_of_which_one_is_killed_and_one_is_frozen_lose_and_double_and_mix_up_nothing() {
    let (lis_address, lis) = partners::hl7().await;
    let (ward_url, _ward) = partners::web().await;
    let setup = Setup::default()
        .set("log.level=warn")
        .set(format!("store.database={}", postgres::shared().database()))
        .set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis_address}"))
        .set(format!("channels.\"lis/oru-r01\".to.ward-notice.url={ward_url}"));
    let node = |name: &str| setup.clone().set(format!("store.node={name}"));
    let mut hubs = Vec::new();
    for name in ["one", "two", "three"] {
        hubs.push(Hub::start(&node(name)).await);
    }
    let doors: Vec<String> = hubs.iter().map(|hub| hub.channel("his/adt")).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> =
        (0..PEOPLE).map(|person| tokio::spawn(send(person, doors.clone(), stop.clone()))).collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let owner = |status: &serde_json::Value| -> String {
        let nodes = status["nodes"].as_array().unwrap();
        let does = |node: &&serde_json::Value| {
            node["does"].as_array().unwrap().iter().any(|share| share == "channel his/adt")
        };
        nodes.iter().find(does).map(|node| node["name"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    // The one that works on the channel is frozen for longer than the others wait for it.
    let frozen_name = owner(&hubs[0].get("/ops/status").await);
    let frozen = ["one", "two", "three"].iter().position(|name| *name == frozen_name).unwrap();
    signal(&hubs[frozen], "-STOP");
    let began = Instant::now();
    let other = (frozen + 1) % 3;
    loop {
        let now = owner(&hubs[other].get("/ops/status").await);
        if !now.is_empty() && now != frozen_name {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "nobody took it over");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let taken_over = began.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    signal(&hubs[frozen], "-CONT");
    tokio::time::sleep(Duration::from_secs(3)).await;
    // One of the others is killed.
    let killed = (frozen + 2) % 3;
    signal(&hubs[killed], "-KILL");
    tokio::time::sleep(Duration::from_secs(5)).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for (person, sender) in (0..).zip(senders) {
        acknowledged.insert(person, sender.await.unwrap());
    }
    let asked = &hubs[other];
    asked.settled("his/adt").await;
    asked.paid("his/adt/lis-feed").await;
    let total: u64 = acknowledged.values().sum();
    assert!(total > 200, "it goes on in spite of all: {total}");
    println!("{total} messages; the frozen node's work was taken over after {taken_over:?}");
    let forwarded = forwarded(&lis);
    for (person, count) in &acknowledged {
        let got = &forwarded[person];
        // One more may have been stored whose answer was lost at the end.
        let expected: Vec<u64> = (0..got.len() as u64).collect();
        assert_eq!(*got, expected, "each once and in order");
        assert!(got.len() as u64 == *count || got.len() as u64 == count + 1, "{} of {count}", got.len());
        let number = 800_000 + person;
        let found = asked.get(&format!("/fhir/Patient?identifier={number}")).await;
        assert_eq!(found["entry"].as_array().unwrap().len(), 1);
        let last = got.len() - 1;
        assert_eq!(found["entry"][0]["resource"]["name"][0]["given"][0], format!("N{last}"));
    }
    let status = asked.get("/ops/status").await;
    let counted = status["channels"].as_array().unwrap().iter().find(|one| one["id"] == "his/adt").unwrap();
    let stored: u64 = forwarded.values().map(|got| got.len() as u64).sum();
    assert_eq!(counted["messages"]["committed"], stored, "the counters tell the truth");
    assert_eq!(counted["messages"]["quarantined"], 0);
    let names: Vec<&str> =
        status["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2, "the thawed one has begun anew, the killed one is gone: {names:?}");
    assert!(names.contains(&frozen_name.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_begins_anew_waits_for_a_database_that_is_gone() {
    let server = postgres::Server::start(false);
    let setup = Setup::default().set("log.level=warn").set(format!("store.database={}", server.database()));
    server.kill();
    let folder = match Hub::try_start_in(TempDir::new().unwrap(), &setup).await {
        Err(folder) => folder,
        Ok(hub) => panic!("a first start says at once that there is no database:\n{}", hub.log()),
    };
    // As the program calls itself.
    let again = setup.env("HUITONG_BEGUN_ANEW", "1");
    let starts = tokio::spawn(async move { Hub::start_in(folder, &again).await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!starts.is_finished(), "it neither runs nor ends");
    server.start_again();
    let hub = starts.await.unwrap();
    assert!(hub.log().contains("will try again to begin anew"), "{}", hub.log());
    hub.stop().await;
}
