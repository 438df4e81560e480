//! The load: admissions, changes and results over MLLP, notes over HTTP, files, and searches, at both nodes in turn. Whoever sends
//! says again what was not acknowledged, and ends only when his last word was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::mllp::{Lines, msa};
use crate::site::{ADT, NOTES, ORU, Site};

/// Patients, people with results, and clerks that write notes: each one's messages come one after the other.
pub const PATIENTS: u64 = 8;
pub const EXAMINED: u64 = 8;
const CLERKS: u64 = 3;

/// The numbers of patients and of the examined begin here.
pub const FIRST_PATIENT: u64 = 800_000;
pub const FIRST_EXAMINED: u64 = 900_000;

/// Rows of each file.
const ROWS: u64 = 5;

/// What has been acknowledged, and what searches have shown.
#[derive(Default)]
pub struct Sent {
    /// How many messages of each person.
    pub patients: Vec<u64>,
    pub examined: Vec<u64>,
    pub notes: u64,
    pub files: u64,
    pub searches: u64,
    /// Searches that nobody answered, or not well: a node was down.
    pub unanswered: u64,
}

impl Sent {
    pub fn rows(&self) -> u64 {
        self.files * ROWS
    }
}

/// The load while it runs.
pub struct Load {
    stop: Arc<AtomicBool>,
    patients: Vec<JoinHandle<u64>>,
    examined: Vec<JoinHandle<u64>>,
    clerks: Vec<JoinHandle<u64>>,
    files: JoinHandle<u64>,
    searches: JoinHandle<(u64, u64)>,
}

impl Load {
    pub fn begin(site: &Arc<Site>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let said: Arc<Vec<AtomicU64>> = Arc::new((0..PATIENTS).map(|_| AtomicU64::new(0)).collect());
        let patients = (0..PATIENTS)
            .map(|person| {
                let (site, stop, said) = (site.clone(), stop.clone(), said.clone());
                let begun = move |nth| said[usize::try_from(person).unwrap()].store(nth, Ordering::SeqCst);
                tokio::spawn(
                    async move { send(&site, person, ADT, |nth| visit(person, nth), begun, &stop).await },
                )
            })
            .collect();
        let examined = (0..EXAMINED)
            .map(|person| {
                let (site, stop) = (site.clone(), stop.clone());
                tokio::spawn(async move {
                    send(&site, person, ORU, |nth| result(person, nth), |_| {}, &stop).await
                })
            })
            .collect();
        let clerks =
            (0..CLERKS).map(|clerk| tokio::spawn(write(site.clone(), clerk, stop.clone()))).collect();
        let files = tokio::spawn(put(site.clone(), stop.clone()));
        let searches = tokio::spawn(search(site.clone(), said, stop.clone()));
        Self { stop, patients, examined, clerks, files, searches }
    }

    /// Everybody says his last word, and it is heard.
    pub async fn end(self) -> Sent {
        self.stop.store(true, Ordering::SeqCst);
        let mut sent = Sent::default();
        for task in self.patients {
            sent.patients.push(task.await.unwrap());
        }
        for task in self.examined {
            sent.examined.push(task.await.unwrap());
        }
        for task in self.clerks {
            sent.notes += task.await.unwrap();
        }
        sent.files = self.files.await.unwrap();
        (sent.searches, sent.unanswered) = self.searches.await.unwrap();
        sent
    }
}

/// An admission, then changes: each carries another name and another bed.
fn visit(person: u64, nth: u64) -> (String, Vec<u8>) {
    let (event, id) = (if nth == 0 { "A01" } else { "A08" }, format!("P{person}-{nth}"));
    let text = format!(
        "MSH|^~\\&|HIS|T|HUB|H|20261123081500+0800||ADT^{event}^ADT_A01|{id}|P|2.5.1\r\
         PID|1||{}^^^HIS^PI||Test^N{nth}||19700101|F\r\
         PV1|1|I|W{}^1^1||||||||||||||||V{person}^^^HIS^VN\r",
        FIRST_PATIENT + person,
        nth % 7
    );
    (id, text.into_bytes())
}

/// A critical value, which the ward is told: the values of a person count up.
fn result(person: u64, nth: u64) -> (String, Vec<u8>) {
    let id = format!("R{person}-{nth}");
    let text = format!(
        "MSH|^~\\&|LIS|T|HUB|H|20261123081500+0800||ORU^R01^ORU_R01|{id}|P|2.5.1\r\
         PID|1||{}^^^HIS^PI||Test^Person||19700101|F\r\
         OBR|1|A{id}|F{id}|K^Potassium^LIS|||20261123080000+0800|||||||||||||||20261123081000+0800||CH|F\r\
         OBX|1|NM|K^Potassium^LIS||{nth}|mmol/L|3.5-5.1|HH|||F\r",
        FIRST_EXAMINED + person
    );
    (id, text.into_bytes())
}

/// Sends one person's messages to the nodes in turn, each until one acknowledges it; says how many.
async fn send(
    site: &Site,
    person: u64,
    channel: &str,
    message: impl Fn(u64) -> (String, Vec<u8>),
    begun: impl Fn(u64),
    stop: &AtomicBool,
) -> u64 {
    let (mut nth, mut turn) = (0, person);
    let mut lines = Lines::default();
    while !stop.load(Ordering::SeqCst) {
        begun(nth);
        let (id, message) = message(nth);
        loop {
            turn += 1;
            let node = usize::try_from(turn).unwrap() % site.nodes.count();
            let answer =
                lines.exchange(site.nodes.door(node, channel), &message, Duration::from_secs(3)).await;
            match answer.map(|answer| msa(&answer)) {
                Some((code, of)) if code == "AA" => {
                    assert_eq!(of, id, "the answer is this message's");
                    break;
                }
                // It is busy, or has no database now.
                Some(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        nth += 1;
        tokio::time::sleep(Duration::from_millis(100 + (nth * 37 + person * 11) % 200)).await;
    }
    nth
}

/// A clerk posts notes; each is known by its key.
async fn write(site: Arc<Site>, clerk: u64, stop: Arc<AtomicBool>) -> u64 {
    let (mut nth, mut turn) = (0, clerk);
    while !stop.load(Ordering::SeqCst) {
        let no = format!("{clerk}-{nth}");
        let body = json!({ "no": no, "title": format!("note {no}") }).to_string();
        loop {
            turn += 1;
            let node = usize::try_from(turn).unwrap() % site.nodes.count();
            let url = format!("http://{}/", site.nodes.door(node, NOTES));
            let asked = site.http.post(url).header("idempotency-key", &no).body(body.clone()).send().await;
            if asked.is_ok_and(|answer| answer.status() == 200) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        nth += 1;
        tokio::time::sleep(Duration::from_millis(200 + (nth * 61) % 200)).await;
    }
    nth
}

/// The examination centre puts a file of a few rows into the folder now and then.
async fn put(site: Arc<Site>, stop: Arc<AtomicBool>) -> u64 {
    let mut nth = 0;
    while !stop.load(Ordering::SeqCst) {
        let rows: String =
            (0..ROWS).map(|row| format!("P{},item {nth}-{row},{row}.5,mmol/L\r\n", nth % 10)).collect();
        let unfinished = site.inbox().join(format!(".{nth}"));
        std::fs::write(&unfinished, rows).unwrap();
        std::fs::rename(unfinished, site.inbox().join(format!("{nth:06}.csv"))).unwrap();
        nth += 1;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    nth
}

/// Asks both nodes for patients over FHIR: there is one of each number, and nobody ever sees an older name than before.
async fn search(site: Arc<Site>, said: Arc<Vec<AtomicU64>>, stop: Arc<AtomicBool>) -> (u64, u64) {
    let (mut searches, mut unanswered) = (0, 0);
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let node = usize::try_from(searches + unanswered).unwrap() % site.nodes.count();
        let person = (searches + unanswered) / 2 % PATIENTS;
        let url =
            format!("http://{}/fhir/Patient?identifier={}", site.nodes.http[node], FIRST_PATIENT + person);
        let asked = site.http.get(url).timeout(Duration::from_secs(3)).send().await;
        let Some(answer) = asked.ok().filter(|answer| answer.status().is_success()) else {
            unanswered += 1;
            continue;
        };
        let Ok(bundle) = answer.json::<Value>().await else {
            unanswered += 1;
            continue;
        };
        searches += 1;
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        assert!(entries.len() <= 1, "one patient of a number");
        let Some(patient) = entries.first() else {
            assert!(!seen.contains_key(&person), "what was there stays there");
            continue;
        };
        let name = patient["resource"]["name"][0]["given"][0].as_str().unwrap();
        let nth: u64 = name.strip_prefix('N').unwrap().parse().unwrap();
        let before = seen.insert(person, nth).unwrap_or(0);
        assert!(nth >= before, "an older name is shown than before");
        let last = said[usize::try_from(person).unwrap()].load(Ordering::SeqCst);
        assert!(nth <= last, "a name is shown that nobody said");
    }
    (searches, unanswered)
}
