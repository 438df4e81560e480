//! The hub is killed at every place of a message's road and at random under load, again and again on the same data, on SQLite and
//! on PostgreSQL. Afterwards: no acknowledged message is lost, no resource was written twice, no partner that knows parcels by
//! their id got one twice.
//!
//! `HUITONG_CRASH_ROUNDS` sets the number of random rounds of each kind (a few by default), `HUITONG_CRASH_SEED` the chance in them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may stop at what it did not expect, and says what it saw"
)]

mod batches;
#[path = "../harness/mod.rs"]
mod harness;
mod nodes;
mod poison;
mod rounds;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::dice::Dice;
use harness::mllp::{Line, control_id, msa};
use harness::partners::{self, Received};
use harness::{Hub, Setup, postgres};
use serde_json::Value;

/// Senders side by side.
const SENDERS: u64 = 8;
/// Messages each round adds.
const PER_ROUND: u64 = 96;

/// An admission (even numbers) or a result with a critical value (odd ones), each of a person of its own.
fn message(nth: u64) -> Vec<u8> {
    let patient = 700_000 + nth;
    let text = if nth.is_multiple_of(2) {
        format!(
            "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^A01^ADT_A01|C{nth}|P|2.5.1\r\
             PID|1||{patient}^^^HIS^PI||Test^Person||19700101|F\r\
             PV1|1|I|W1^1^1||||||||||||||||V{patient}^^^HIS^VN\r"
        )
    } else {
        format!(
            "MSH|^~\\&|LIS|T|HUB|H|20261123081500+0800||ORU^R01^ORU_R01|C{nth}|P|2.5.1\r\
             PID|1||{patient}^^^HIS^PI||Test^Person||19700101|F\r\
             OBR|1|A{nth}|R{nth}|K^Potassium^LIS|||20261123080000+0800|||||||||||||||20261123081000+0800||CH|F\r\
             OBX|1|NM|K^Potassium^LIS||7.1|mmol/L|3.5-5.1|HH|||F\r"
        )
    };
    text.into_bytes()
}

fn channel(nth: u64) -> &'static str {
    if nth.is_multiple_of(2) { "his/adt" } else { "lis/oru-r01" }
}

/// What the senders know: which messages have been acknowledged.
type Acknowledged = Arc<Mutex<BTreeSet<u64>>>;

/// Sends what is not acknowledged yet until the hub is gone or all is said.
async fn send(hub: &Hub, from: u64, to: u64, acknowledged: &Acknowledged) {
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let addresses: BTreeMap<&str, String> =
            ["his/adt", "lis/oru-r01"].into_iter().map(|id| (id, hub.channel(id))).collect();
        let acknowledged = acknowledged.clone();
        senders.spawn(async move {
            let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
            for nth in (from..to).filter(|nth| nth / 2 % SENDERS == sender) {
                if acknowledged.lock().unwrap().contains(&nth) {
                    continue;
                }
                let id = channel(nth);
                if !lines.contains_key(id) {
                    let Ok(line) = Line::connect(&addresses[id]).await else { return };
                    lines.insert(id, line);
                }
                let Ok(answer) = lines.get_mut(id).unwrap().exchange(&message(nth)).await else { return };
                assert_eq!(msa(&answer), ("AA".to_owned(), format!("C{nth}")), "MSA of message {nth}");
                acknowledged.lock().unwrap().insert(nth);
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
}

/// How many random rounds are asked for.
fn rounds(by_default: u64) -> u64 {
    let asked = std::env::var("HUITONG_CRASH_ROUNDS").ok();
    asked.and_then(|rounds| rounds.parse().ok()).unwrap_or(by_default)
}

/// Keeps what a test has shown in `docs/crashes.md`.
fn keep(what: &str, shown: &str) {
    println!("{what}: {shown}");
    let title = "# Crashes\n\nWhat `tests/crash` showed on a developer's machine, written by the tests themselves (`HUITONG_BLESS=1 \
                 HUITONG_CRASH_ROUNDS=200 cargo test --test crash`). CI runs fewer rounds.\n";
    harness::keep("crashes.md", title, what, shown);
}

/// The database of a world.
#[derive(Clone, Copy)]
enum Kept {
    Sqlite,
    Postgres,
}

impl Kept {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// The same, and where it is to be kept.
    fn set(self, setup: Setup) -> Setup {
        match self {
            Self::Sqlite => setup,
            Self::Postgres => setup.set(format!("store.database={}", postgres::shared().database())),
        }
    }
}

struct World {
    kept: Kept,
    setup: Setup,
    lis: Received,
    ward: Received,
    acknowledged: Acknowledged,
    sent: u64,
}

impl World {
    async fn new(kept: Kept) -> Self {
        let (lis_address, lis) = partners::hl7().await;
        let (ward_url, ward) = partners::web().await;
        let setup = Setup::default()
            .set("log.level=error")
            .set(format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis_address}"))
            .set(format!("channels.\"lis/oru-r01\".to.ward-notice.url={ward_url}"));
        let setup = kept.set(setup);
        Self { kept, setup, lis, ward, acknowledged: Acknowledged::default(), sent: 0 }
    }

    /// One round: the hub is started, gets a load and dies; what was not acknowledged is sent again in the next one.
    async fn round(
        &mut self,
        folder: tempfile::TempDir,
        crash_at: Option<&str>,
        kill_after: Duration,
    ) -> tempfile::TempDir {
        let setup = match crash_at {
            Some(place) => self.setup.clone().env("HUITONG_CRASH_AT", place),
            None => self.setup.clone(),
        };
        // Work left over from the round before may bring it to the place before it is ready.
        let mut hub = match Hub::try_start_in(folder, &setup).await {
            Ok(hub) => hub,
            Err(folder) => return folder,
        };
        let from = self.sent.saturating_sub(PER_ROUND);
        self.sent += PER_ROUND;
        let load = send(&hub, from, self.sent, &self.acknowledged);
        if crash_at.is_some() {
            load.await;
            hub.dies().await;
        } else {
            tokio::select! {
                // It may have nothing to do any more, or still work off what was left over.
                () = async { load.await; std::future::pending().await } => {}
                () = tokio::time::sleep(kill_after) => {}
            }
        }
        hub.kill()
    }

    /// Everything is sent to the end and held against the truth.
    async fn judge(self, folder: tempfile::TempDir, what: &str, how_often: &str) {
        let hub = Hub::start_in(folder, &self.setup).await;
        send(&hub, 0, self.sent, &self.acknowledged).await;
        assert_eq!(
            self.acknowledged.lock().unwrap().len() as u64,
            self.sent,
            "every message is acknowledged in the end"
        );
        for id in ["his/adt", "lis/oru-r01"] {
            hub.settled(id).await;
            assert_eq!(
                hub.count(id, "committed").await,
                self.sent / 2,
                "{id}: each message is committed once"
            );
            assert_eq!(
                hub.count(id, "quarantined").await + hub.count(id, "filtered").await,
                0,
                "{id}: none ended otherwise"
            );
        }
        hub.paid("his/adt/lis-feed").await;
        hub.paid("lis/oru-r01/ward-notice").await;
        let expected: BTreeSet<String> = (0..self.sent).step_by(2).map(|nth| format!("C{nth}")).collect();
        assert_eq!(
            self.lis.keys().into_iter().collect::<BTreeSet<_>>(),
            expected,
            "the LIS has each admission once"
        );
        assert_eq!(self.ward.keys().len() as u64, self.sent / 2, "the ward has each notice once");
        let mut told: Vec<String> = self.ward.bodies().iter().map(|body| notice_about(body)).collect();
        told.sort();
        told.dedup();
        assert_eq!(told.len() as u64, self.sent / 2, "and each is about another result");
        for nth in (0..self.sent).step_by(37) {
            self.written_once(&hub, nth).await;
        }
        let shown = format!(
            "{how_often}{} messages, all acknowledged in the end, each committed once and nothing written twice; the LIS was told {} \
             times of {} admissions and the ward {} times of {} critical values, each known by its id and counted once",
            self.sent,
            self.lis.times(),
            self.sent / 2,
            self.ward.times(),
            self.sent / 2
        );
        keep(&format!("{}, {what}", self.kept.name()), &shown);
        hub.stop().await;
    }

    /// The person's resources are there, each in its first version.
    async fn written_once(&self, hub: &Hub, nth: u64) {
        let patient = 700_000 + nth;
        let query = format!(
            "/fhir/Patient?identifier={patient}&_revinclude=Encounter:patient&_revinclude=Observation:patient"
        );
        let bundle = hub.get(&query).await;
        let entries = bundle["entry"].as_array().unwrap_or_else(|| panic!("message {nth} wrote nothing"));
        assert_eq!(entries.len(), 2, "message {nth}: the patient, and the encounter or the observation");
        for entry in entries {
            assert_eq!(
                entry["resource"]["meta"]["versionId"], "1",
                "message {nth}: {} was written once",
                entry["fullUrl"]
            );
        }
        let found = hub.messages(&format!("control_id=C{nth}")).await;
        assert_eq!(found.len(), 1, "message {nth} is in the journal once");
    }
}

fn notice_about(body: &[u8]) -> String {
    let notice: Value = serde_json::from_slice(body).unwrap();
    notice["observation"].to_string()
}

async fn dies_at_each_place(kept: Kept) {
    let mut world = World::new(kept).await;
    let mut folder = tempfile::TempDir::new().unwrap();
    for place in hub_runtime::crash::PLACES {
        if ["split", "expanded", "ended"].contains(&place) {
            // Every message of this load is one, and committed: those places are on another one's road, and have their own
            // tests.
            continue;
        }
        for times in [1, 40] {
            folder = world.round(folder, Some(&format!("{place}:{times}")), Duration::ZERO).await;
        }
    }
    world
        .judge(folder, "the process ended at each place of the road, at its 1st and its 40th message", "")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_hub_dies_at_any_place_of_the_road() {
    dies_at_each_place(Kept::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_on_postgresql_when_the_hub_dies_at_any_place_of_the_road() {
    dies_at_each_place(Kept::Postgres).await;
}

async fn killed_at_random(kept: Kept) {
    let (rounds, mut dice) = (rounds(4), Dice::of("HUITONG_CRASH_SEED"));
    let mut world = World::new(kept).await;
    let mut folder = tempfile::TempDir::new().unwrap();
    let mut as_it_started = 0;
    for _ in 0..rounds {
        if dice.below(8) == 0 {
            // Killed as it starts, or soon after.
            as_it_started += 1;
            folder = match Hub::start_within(folder, &world.setup, dice.millis(1, 400)).await {
                Ok(hub) => hub.kill(),
                Err(folder) => folder,
            };
        }
        // Mostly while it still works off what was left over; now and then it has the time to.
        let kill_after = if dice.below(10) == 0 { dice.millis(1_000, 8_000) } else { dice.millis(1, 400) };
        folder = world.round(folder, None, kill_after).await;
    }
    let how_often = format!("{rounds} rounds and {as_it_started} kills of a hub that had not started yet, ");
    world.judge(folder, "`kill -9` at random under load", &how_often).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_hub_is_killed_at_random_under_load() {
    killed_at_random(Kept::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_on_postgresql_when_the_hub_is_killed_at_random_under_load() {
    killed_at_random(Kept::Postgres).await;
}

/// An admission of nobody: it is taken and set aside.
fn of_nobody(nth: u64) -> Vec<u8> {
    let whole = String::from_utf8(message(2 * nth)).unwrap();
    let patient = format!("{}^^^HIS^PI", 700_000 + 2 * nth);
    whole.replace(&patient, "").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_aside_is_so_once_when_the_hub_dies_as_it_ends() {
    for kept in [Kept::Sqlite, Kept::Postgres] {
        dies_as_messages_end(kept).await;
    }
}

async fn dies_as_messages_end(kept: Kept) {
    const MESSAGES: u64 = 60;
    let setup = kept.set(Setup::default().set("log.level=error"));
    let mut folder = tempfile::TempDir::new().unwrap();
    let mut acknowledged = BTreeSet::new();
    for crash_at in [Some("ended:1"), Some("ended:20"), None] {
        let setup = match crash_at {
            Some(place) => setup.clone().env("HUITONG_CRASH_AT", place),
            None => setup.clone(),
        };
        let mut hub = match Hub::try_start_in(folder, &setup).await {
            Ok(hub) => hub,
            Err(left) => {
                folder = left;
                continue;
            }
        };
        let mut line = Line::connect(&hub.channel("his/adt")).await.unwrap();
        for nth in 0..MESSAGES {
            if acknowledged.contains(&nth) {
                continue;
            }
            let Ok(answer) = line.exchange(&of_nobody(nth)).await else { break };
            assert_eq!(msa(&answer).0, "AA", "message {nth} is safe");
            acknowledged.insert(nth);
        }
        if crash_at.is_none() {
            hub.settled("his/adt").await;
            assert_eq!(hub.count("his/adt", "quarantined").await, MESSAGES, "each is set aside once");
            assert_eq!(hub.messages("state=quarantined&limit=500").await.len() as u64, MESSAGES);
            let found = hub.messages("control_id=C4").await;
            assert_eq!(found[0]["fault"]["place"], "PID-3[5=PI]", "with its place");
            hub.stop().await;
            return;
        }
        hub.dies().await;
        folder = hub.kill();
    }
}

#[test]
fn the_load_is_what_it_says() {
    assert_eq!(control_id(&message(7)), "C7");
    assert_eq!(channel(7), "lis/oru-r01");
}
