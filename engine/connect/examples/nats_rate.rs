//! Measures the way over NATS JetStream on this machine: publishing one by one and many at once, taking, and taking into a real hub's journal.
//!
//! `cargo run --release -p hub-connect --features battery --example nats_rate -- [SECONDS] [HUB]`, where HUB is the program `huitong`.
//! `scripts/scale/nats.sh` does it all. The server, this program and the hub share the machine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops at what it did not expect, and says what it saw"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use hub_connect::battery::NoSecrets;
use hub_connect::battery::nats_server::NatsServer;
use hub_connect::kinds::Nats;
use hub_core::commit::Parcel;
use hub_core::destination::Destination;
use hub_core::id::{DestinationId, MessageId, ParcelId};
use hub_core::registry::{DestinationKind, SourceKind};
use hub_core::source::{Acknowledge, Door, Inbound, Intake, Outcome, Receipt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

const LANES: usize = 8;
/// An ADT^A08 as a HIS sends it: `{nth}` and `{patient}` are filled in.
const MESSAGE: &str = include_str!("adt.hl7");

fn message(nth: u64) -> Bytes {
    MESSAGE.replace("{nth}", &nth.to_string()).replace("{patient}", &format!("P{:06}", nth % 5_000)).into()
}

fn parcel(run: u128, nth: u64) -> Parcel {
    let to = DestinationId::from("bench/region");
    Parcel {
        id: ParcelId::of(MessageId(uuid::Uuid::from_u128(run)), &to, usize::try_from(nth).unwrap()),
        to,
        body: message(nth),
        content_type: "x-application/hl7-v2+er7".into(),
        correlation: "bench".into(),
        order_key: Some(format!("P{:06}", nth % 5_000).into()),
    }
}

fn destination(server: &NatsServer) -> Arc<dyn Destination> {
    let settings = format!(
        "servers = ['{}']\nsubject = 'adt.{{lane}}'\nlanes = {LANES}\nin_flight = 1024",
        server.url()
    );
    Arc::from(<Nats as DestinationKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap())
}

/// Publishes so many at once for so long; says how many a second, and how long the slowest of a hundred took at the least.
async fn publish(server: &NatsServer, at_once: u64, long: Duration, run: u128) -> (f64, Duration, Duration) {
    let destination = destination(server);
    destination.check().await.unwrap();
    let (next, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let (destination, next) = (destination.clone(), next.clone());
        workers.spawn(async move {
            let mut took = Vec::new();
            while begun.elapsed() < long {
                let parcel = parcel(run, next.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                destination.deliver(&parcel).await.unwrap();
                took.push(sent.elapsed());
            }
            took
        });
    }
    let mut took: Vec<Duration> = workers.join_all().await.into_iter().flatten().collect();
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort();
    (rate, took[took.len() / 2], took[took.len() * 99 / 100])
}

/// A door that takes everything at once: what is measured is the way to it.
struct Open(AtomicU64);

#[async_trait]
impl Door for Open {
    async fn accept(&self, _inbound: Inbound) -> Receipt {
        let nth = self.0.fetch_add(1, Ordering::Relaxed);
        Receipt::Accepted(MessageId(uuid::Uuid::from_u128(u128::from(nth))))
    }

    async fn outcome(&self, _id: MessageId) -> Option<Outcome> {
        Some(Outcome::Committed)
    }

    fn acknowledge(&self) -> Acknowledge {
        Acknowledge::OnReceived
    }
}

fn lanes() -> String {
    let names: Vec<String> = (0..LANES).map(|lane| format!("'adt.{lane}'")).collect();
    format!("subjects = [{}]", names.join(", "))
}

/// Takes for so long into a door that is always open.
async fn take(server: &NatsServer, consumer: &str, more: &str, long: Duration) -> f64 {
    let settings = format!("servers = ['{}']\nstream = 'ADT'\nconsumer = '{consumer}'\n{more}", server.url());
    let source = <Nats as SourceKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap();
    let door = Arc::new(Open(AtomicU64::new(0)));
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(source.run(Intake::new(door.clone()), stopped));
    while door.0.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (begun, before) = (Instant::now(), door.0.load(Ordering::Relaxed));
    tokio::time::sleep(long).await;
    let rate = (door.0.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
    rate
}

/// Puts so many messages into the stream.
async fn fill(server: &NatsServer, count: u64, run: u128) {
    let (destination, next) = (destination(server), Arc::new(AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..256 {
        let (destination, next) = (destination.clone(), next.clone());
        workers.spawn(async move {
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= count {
                    return;
                }
                destination.deliver(&parcel(run, nth)).await.unwrap();
            }
        });
    }
    workers.join_all().await;
}

/// A GET by hand.
async fn get(address: &str, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap_or_default()
}

const CHANNEL: &str = include_str!("region.toml");
const MAPPING: &str = include_str!("region-mapping.toml");
/// The same channel, when it owes each message to another stream too.
const ONWARD: &str = r#"
[[to]]
name      = "next"
connector = "nats"
order_by  = "PID-3.1"
settings  = { servers = ["SERVER"], subject = "out.{lane}", lanes = 8, stream = "OUT" }
"#;

/// Lets a real hub take all that a stream holds, and, where it is to go onward, publish it to another.
async fn hub(server: &NatsServer, program: &str, more: &str, count: u64, onward: bool) -> Taken {
    let folder = tempfile::TempDir::new().unwrap();
    let channel = if onward { format!("{CHANNEL}{ONWARD}") } else { CHANNEL.to_owned() };
    let channel = channel.replace("SERVER", &server.url()).replace("MORE", more);
    let sample = message(1);
    for (file, text) in [
        ("channels/site/adt.toml", channel.as_bytes()),
        ("mappings/site/adt.toml", MAPPING.as_bytes()),
        ("fixtures/site/adt/one.hl7", &sample),
    ] {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let (ready, log) =
        (folder.path().join("ready.json"), std::fs::File::create(folder.path().join("log")).unwrap());
    let mut child = Command::new(program)
        .args(["run", "--set", "http.listen=127.0.0.1:0", "--set", "log.level=warn", "--root"])
        .arg(folder.path())
        .arg("--data")
        .arg(folder.path().join("data"))
        .arg("--ready-file")
        .arg(&ready)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    while !ready.exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let begun = Instant::now();
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let address = told["http"].as_str().unwrap().to_owned();
    let (mut kept, mut committed) = (0.0, 0.0);
    while committed == 0.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let status = get(&address, "/ops/status").await;
        let tally: BTreeMap<String, u64> =
            serde_json::from_value(status["channels"][0]["messages"].clone()).unwrap_or_default();
        if kept == 0.0 && tally.values().sum::<u64>() >= count {
            kept = count as f64 / begun.elapsed().as_secs_f64();
        }
        if tally.get("committed").is_some_and(|committed| *committed >= count) {
            committed = count as f64 / begun.elapsed().as_secs_f64();
        }
    }
    while onward && server.size("OUT").await.0 < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let forwarded = count as f64 / begun.elapsed().as_secs_f64();
    child.kill().unwrap();
    child.wait().unwrap();
    Taken { kept, committed, forwarded }
}

/// Messages a second.
struct Taken {
    kept: f64,
    committed: f64,
    forwarded: f64,
}

/// Appends of 4 kB that are durable, a second.
fn disk(long: Duration) -> f64 {
    let folder = tempfile::TempDir::new().unwrap();
    let mut file = std::fs::File::create(folder.path().join("fsync")).unwrap();
    let (begun, mut count) = (Instant::now(), 0u32);
    while begun.elapsed() < long {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

fn row(what: &str, measured: &str) {
    println!("| {what} | {measured} |");
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let long = Duration::from_secs(arguments.next().map_or(5, |seconds| seconds.parse().unwrap()));
    let program = arguments.next();
    println!("| what | measured |\n|---|---|");
    row("durable appends of the disk (4 kB, fdatasync)", &format!("{:.0}/s", disk(long)));
    row("size of a message", &format!("{} bytes", message(1).len()));
    for (run, at_once) in [1, 8, 32, 256].into_iter().enumerate() {
        let server = NatsServer::start();
        server.make_stream("ADT", &["adt.>"]).await;
        let (rate, half, most) = publish(&server, at_once, long, run as u128 + 1).await;
        let what = format!("published and acknowledged by the stream, {at_once} at once");
        row(
            &what,
            &format!(
                "{rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms",
                half.as_secs_f64() * 1e3,
                most.as_secs_f64() * 1e3
            ),
        );
    }
    let server = NatsServer::start();
    server.make_stream("ADT", &["adt.>"]).await;
    fill(&server, 400_000, 100).await;
    let (messages, bytes) = server.size("ADT").await;
    row("size of a message in the stream's files, with its headers", &format!("{} bytes", bytes / messages));
    for (what, consumer, more) in [
        ("taken into an open door, one consumer, one at a time", "one", String::new()),
        ("taken into an open door, 8 lanes, one at a time each", "lanes", lanes()),
        ("taken into an open door, one consumer, 64 at once", "many", "in_flight = 64".to_owned()),
    ] {
        let rate = take(&server, consumer, &more, long).await;
        row(what, &format!("{rate:.0}/s"));
    }
    let Some(program) = program else { return };
    drop(server);
    for (what, more, count) in [
        ("one consumer, one at a time", String::new(), 5_000),
        ("8 lanes, one at a time each", lanes(), 20_000),
        ("one consumer, 64 at once", "in_flight = 64".to_owned(), 20_000),
    ] {
        let server = NatsServer::start();
        server.make_stream("ADT", &["adt.>"]).await;
        fill(&server, count, 200).await;
        let taken = hub(&server, &program, &more.replace('\'', "\""), count, false).await;
        row(&format!("taken by a hub, {what}: in the journal, durable"), &format!("{:.0}/s", taken.kept));
        row(&format!("taken by a hub, {what}: mapped and committed"), &format!("{:.0}/s", taken.committed));
    }
    let server = NatsServer::start();
    server.make_stream("ADT", &["adt.>"]).await;
    server.make_stream("OUT", &["out.>"]).await;
    fill(&server, 20_000, 300).await;
    let taken = hub(&server, &program, &lanes().replace('\'', "\""), 20_000, true).await;
    row(
        "taken by a hub in 8 lanes and published onward: mapped and committed",
        &format!("{:.0}/s", taken.committed),
    );
    row(
        "taken by a hub in 8 lanes and published onward: acknowledged by the next stream, order kept",
        &format!("{:.0}/s", taken.forwarded),
    );
}
