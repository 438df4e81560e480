//! `huitong migrate` moves the database of a running hub to PostgreSQL under load: the sender goes on, the hub is told to stop, and
//! the hub on PostgreSQL goes on with all of it. Nothing acknowledged is lost, nothing is doubled, the order of each person is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::harness::mllp::{Line, control_id, msa};
use crate::harness::partners;
use crate::harness::{Hub, Setup, postgres, root};

const PEOPLE: u64 = 4;

fn message(person: u64, nth: u64) -> Vec<u8> {
    let event = if nth == 0 { "A01" } else { "A08" };
    format!(
        "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^{event}^ADT_A01|M{person}-{nth}|P|2.5.1\r\
         PID|1||{}^^^HIS^PI||Test^N{nth}||19700101|F\r\
         PV1|1|I|W{nth}^1^1||||||||||||||||V{person}^^^HIS^VN\r",
        810_000 + person
    )
    .into_bytes()
}

/// A sender that goes on until it is stopped, each message until it is acknowledged; the address may change.
async fn send(person: u64, door: Arc<Mutex<String>>, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) -> u64 {
    let (mut nth, mut line) = (0, None);
    while !stop.load(Ordering::Relaxed) {
        if line.is_none() {
            let address = door.lock().unwrap().clone();
            line = Line::connect(&address).await.ok();
        }
        let exchanged = match &mut line {
            Some(line) => line.exchange(&message(person, nth)).await.ok(),
            None => None,
        };
        match exchanged.map(|answer| msa(&answer)) {
            Some((code, id)) if code == "AA" => {
                assert_eq!(id, format!("M{person}-{nth}"));
                nth += 1;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            Some(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            None => {
                line = None;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    nth
}

fn migrate(data: &Path, to: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_huitong"))
        .args(["migrate", "--to", to, "--json", "--data"])
        .arg(data)
        .arg("--root")
        .arg(root())
        .args(more)
        .output()
        .unwrap()
}

async fn until(sent: &AtomicU64, count: u64) {
    for _ in 0..6_000 {
        if sent.load(Ordering::Relaxed) >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the senders do not get on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_hub_moves_to_postgresql_under_load_and_loses_and_doubles_nothing() {
    let (lis_address, lis) = partners::hl7().await;
    let (ward_url, _ward) = partners::web().await;
    let setup = Setup::default()
        .set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis_address}"))
        .set(format!("channels.\"lis/oru-r01\".to.ward-notice.url={ward_url}"));
    let mut hub = Hub::start(&setup).await;
    let door = Arc::new(Mutex::new(hub.channel("his/adt")));
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let senders: Vec<_> = (0..PEOPLE)
        .map(|person| tokio::spawn(send(person, Arc::clone(&door), Arc::clone(&stop), Arc::clone(&sent))))
        .collect();
    until(&sent, 200).await;
    let url = postgres::shared().database();
    let data = hub.folder.path().join("data");
    let (from, to) = (data.clone(), url.clone());
    let moved = tokio::task::spawn_blocking(move || migrate(&from, &to, &["--stop"])).await.unwrap();
    let told = String::from_utf8_lossy(&moved.stderr).into_owned();
    assert!(moved.status.success(), "{told}\n{}", hub.log());
    assert!(told.contains("The hub was told to stop."), "{told}");
    hub.dies().await;
    let report: Value = serde_json::from_slice(&moved.stdout).unwrap();
    assert!(report["rounds"].as_u64().unwrap() >= 2, "{report:#}");
    let acknowledged = sent.load(Ordering::Relaxed);
    // What was taken and whose acknowledgement never arrived is there too: at most one a sender.
    let stored = report["tables"]["message"]["rows"].as_u64().unwrap();
    assert!((acknowledged..=acknowledged + PEOPLE).contains(&stored), "{acknowledged}: {report:#}");
    assert_eq!(report["counters_mended"], 0);
    // On the old folder no hub starts any more.
    let Err(folder) = Hub::try_start_in(hub.kill(), &setup).await else { panic!("the old hub starts") };
    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    assert!(log.contains("has moved to `postgres://"), "{log}");
    // The hub on PostgreSQL, with the same data folder; the senders send again what was not acknowledged.
    let setup = setup.set(format!("store.database={url}"));
    let hub = Hub::start_in(folder, &setup).await;
    *door.lock().unwrap() = hub.channel("his/adt");
    until(&sent, acknowledged + 100).await;
    stop.store(true, Ordering::Relaxed);
    let mut expected = BTreeMap::new();
    for (person, sender) in (0..PEOPLE).zip(senders) {
        expected.insert(person, sender.await.unwrap());
    }
    hub.settled("his/adt").await;
    hub.paid("his/adt/lis-feed").await;
    let total: u64 = expected.values().sum();
    assert_eq!(hub.count("his/adt", "committed").await, total);
    assert_eq!(hub.count("his/adt", "quarantined").await, 0);
    // Each went out, in the order of its person; one that was under way when the hub stopped may have gone twice, under its id.
    let (mut seen, mut got) = (BTreeSet::new(), BTreeMap::<u64, Vec<u64>>::new());
    for message in &lis.bodies() {
        let id = control_id(message);
        if seen.insert(id) {
            let text = String::from_utf8_lossy(message).into_owned();
            let person = text.split("PID|1||").nth(1).and_then(|rest| rest.split('^').next()).unwrap();
            let nth = text.split("Test^N").nth(1).and_then(|rest| rest.split('|').next()).unwrap();
            got.entry(person.parse::<u64>().unwrap() - 810_000).or_default().push(nth.parse().unwrap());
        }
    }
    for (person, count) in expected {
        assert_eq!(got.remove(&person).unwrap(), (0..count).collect::<Vec<_>>(), "person {person}");
        let patient = hub.get(&format!("/fhir/Patient?identifier={}", 810_000 + person)).await;
        assert_eq!(patient["total"], 1, "person {person}: {patient:#}");
    }
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_leaves_the_folder_as_it_was_and_goes_on_when_it_is_begun_again() {
    let setup = Setup::default();
    let hub = Hub::start(&setup).await;
    let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
    for nth in 0..150 {
        assert_eq!(msa(&line.exchange(&message(1, nth)).await.unwrap()).0, "AA");
    }
    hub.settled("his/adt").await;
    let url = postgres::shared().database();
    let data = hub.folder.path().join("data");
    // It waits for the hub to stop, and is killed at a moment of its own.
    for wait in [300, 900, 1_500] {
        let mut moving = Command::new(env!("CARGO_BIN_EXE_huitong"))
            .args(["migrate", "--to", &url, "--data"])
            .arg(&data)
            .arg("--root")
            .arg(root())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        assert!(moving.try_wait().unwrap().is_none(), "it waits for the hub");
        moving.kill().unwrap();
        moving.wait().unwrap();
    }
    assert_eq!(msa(&line.exchange(&message(1, 150)).await.unwrap()).0, "AA", "the hub goes on");
    let postgres = setup.clone().set(format!("store.database={url}"));
    let Err(half) = Hub::try_start_in(tempfile::TempDir::new().unwrap(), &postgres).await else {
        panic!("a hub starts on a database that is not whole")
    };
    let log = std::fs::read_to_string(half.path().join("log.txt")).unwrap();
    assert!(log.contains("run `huitong migrate` again"), "{log}");
    // The folder is as it was: its hub starts again.
    let folder = hub.stop().await;
    let hub = Hub::start_in(folder, &setup).await;
    assert_eq!(hub.count("his/adt", "committed").await, 151);
    let folder = hub.stop().await;
    let moved = migrate(&data, &url, &[]);
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    let report: Value = serde_json::from_slice(&moved.stdout).unwrap();
    assert_eq!(
        (&report["tables"]["message"]["rows"], &report["rounds"]),
        (&Value::from(151), &Value::from(1))
    );
    // A second time there is nothing to do, and it says so.
    let again = migrate(&data, &url, &[]);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("has been moved to"), "{again:?}");
    let hub = Hub::start_in(folder, &postgres).await;
    assert_eq!(hub.count("his/adt", "committed").await, 151);
    hub.stop().await;
}

#[test]
fn what_cannot_be_moved_is_told_with_what_was_expected() {
    let folder = tempfile::TempDir::new().unwrap();
    let said = |to: &str| String::from_utf8_lossy(&migrate(folder.path(), to, &[]).stderr).into_owned();
    assert!(said("mysql://hub@db/huitong").contains("--to: expected an address such as `postgres://"));
    let none = said("postgres://hub:geheim@127.0.0.1:9/huitong");
    assert!(none.contains("cannot be used") && none.contains("nothing was switched over"), "{none}");
    assert!(!none.contains("geheim"), "{none}");
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is made in the folder");
}
