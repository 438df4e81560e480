//! Measures the store: durable receives by 32 producers, then whole commits; prints rates, latencies and CPU per message.
//!
//! `cargo run --release -p hub-store --example ingest -- [seconds]`

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_core::commit::{Change, Commit, Key, Parcel};
use hub_core::envelope::{Envelope, Head, Label, Peer, Raw};
use hub_core::id::{DestinationId, Digest, MessageId, ParcelId};
use hub_core::store::{Cause, Journal, Resources};
use hub_fhir::Resource;
use hub_store::{Store, StoreOptions};
use time::OffsetDateTime;

const PRODUCERS: u64 = 32;
const WORKERS: u64 = 256;

fn message(n: u64) -> Envelope<Raw> {
    let received_at = OffsetDateTime::now_utc();
    let body =
        Bytes::from(format!("MSH|^~\\&|HIS|WARD|HUB|HUB|20261123||ADT^A01|{n}|P|2.5\r{}", "x".repeat(1_140)));
    let head = Head {
        id: MessageId::new(received_at),
        channel: "his/adt".into(),
        dedupe: format!("HIS|WARD|{n}").into(),
        digest: Digest::of(&body),
        label: Label {
            message_type: Some("ADT^A01".into()),
            control_id: Some(n.to_string().into()),
            sender: Some("HIS|WARD".into()),
        },
        correlation: n.to_string().into(),
        received_at,
        peer: Peer::default(),
        parent: None,
    };
    Envelope { head, body: Raw(body) }
}

fn commit(id: MessageId, n: u64) -> Commit {
    let patient = format!(
        r#"{{"resourceType":"Patient","id":"{:032x}","identifier":[{{"system":"urn:mrn","value":"{n}"}},{{"system":"urn:id","value":"1101011980{n}"}}],"active":true,"name":[{{"text":"Wang {n} Xiao","family":"Wang {n}","given":["Xiao"]}}],"telecom":[{{"system":"phone","value":"138{n}"}}],"gender":"male","birthDate":"1980-02-11","address":[{{"text":"No. {n} Chang'an Road","city":"Beijing","postalCode":"100000"}}],"contact":[{{"name":{{"text":"{}"}}}}]}}"#,
        hash(n),
        "c".repeat(400)
    );
    let encounter = format!(
        r#"{{"resourceType":"Encounter","id":"{:032x}","identifier":[{{"system":"urn:visit","value":"v{n}"}}],"status":"in-progress","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"}},"subject":{{"reference":"Patient/{:032x}"}},"period":{{"start":"2026-11-22T08:30:00+08:00"}},"location":[{{"location":{{"reference":"Location/ward-7","display":"{}"}}}}]}}"#,
        hash(n + (1 << 40)),
        hash(n),
        "w".repeat(500)
    );
    let resource = |text: &str| {
        let tree = hub_fhir::json::parse(text).expect("the text above is JSON");
        Change::Put(Resource::from_tree(tree).expect("the text above is a resource"))
    };
    let to = DestinationId::from("his/adt/notice");
    let parcel = Parcel {
        id: ParcelId::of(id, &to, 0),
        to,
        body: Bytes::from("n".repeat(300)),
        content_type: "application/json".into(),
        correlation: n.to_string().into(),
        order_key: Some(n.to_string().into()),
    };
    Commit {
        changes: vec![resource(&patient), resource(&encounter)],
        parcels: vec![parcel],
        keys: vec![Key { name: "patient".into(), value: n.to_string().into() }],
        ..Commit::default()
    }
}

/// Spreads a number, as computed ids are spread.
fn hash(n: u64) -> u128 {
    u128::from(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(n.reverse_bits())
}

/// CPU seconds of this process, where the system tells.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

struct Measured {
    count: u64,
    seconds: f64,
    cpu: f64,
    latencies: Vec<Duration>,
    transactions: u64,
}

impl Measured {
    fn report(mut self, what: &str) -> std::io::Result<()> {
        self.latencies.sort_unstable();
        let at = |share: f64| {
            let place = (self.latencies.len() as f64 * share) as usize;
            self.latencies.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
        };
        writeln!(
            std::io::stdout(),
            "{what}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {:.1} us CPU each, {:.1} in a transaction",
            self.count as f64 / self.seconds,
            at(0.5),
            at(0.99),
            self.cpu * 1e6 / self.count as f64,
            self.count as f64 / self.transactions.max(1) as f64
        )
    }
}

/// Runs `work` by many tasks at once until the time is up.
async fn measure<F, R>(store: &Store, tasks: u64, time: Duration, work: F) -> Measured
where
    F: Fn(Store, u64) -> R + Send + Sync + Clone + 'static,
    R: Future<Output = bool> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let (start, cpu_start, before) = (Instant::now(), cpu(), store.stats().transactions);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let (store, next, work) = (store.clone(), Arc::clone(&next), work.clone());
        running.spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < time {
                let begun = Instant::now();
                if !work(store.clone(), next.fetch_add(1, Ordering::Relaxed)).await {
                    break;
                }
                latencies.push(begun.elapsed());
            }
            latencies
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = running.join_next().await {
        latencies.extend(done.unwrap_or_default());
    }
    let transactions = store.stats().transactions - before;
    let seconds = start.elapsed().as_secs_f64();
    Measured { count: latencies.len() as u64, seconds, cpu: cpu() - cpu_start, latencies, transactions }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(4);
    let time = Duration::from_secs(seconds);
    let folder = std::env::current_dir()?.join("target").join(format!("ingest-{}", std::process::id()));
    let store = Store::open(StoreOptions::new(&folder)).await?;
    let received = Arc::new(std::sync::Mutex::new(Vec::<MessageId>::new()));
    let keep = Arc::clone(&received);
    let receives = measure(&store, PRODUCERS, time, move |store, n| {
        let keep = Arc::clone(&keep);
        async move {
            let message = message(n);
            let done = store.receive(&message).await.is_ok();
            if let Ok(mut keep) = keep.lock() {
                keep.push(message.head.id);
            }
            done
        }
    })
    .await;
    receives.report("receives")?;
    let ids = Arc::new(received.lock().map(|ids| ids.clone()).unwrap_or_default());
    let commits = measure(&store, WORKERS, time, move |store, n| {
        let ids = Arc::clone(&ids);
        async move {
            let Some(id) = usize::try_from(n).ok().and_then(|n| ids.get(n).copied()) else { return false };
            store.commit(Cause::Message(id), commit(id, n)).await.is_ok()
        }
    })
    .await;
    commits.report("commits of a message, 2 resources and a parcel")?;
    store.close().await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
