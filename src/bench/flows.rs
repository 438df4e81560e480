//! Whole flows through a running hub: acknowledged, committed, delivered, visible.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use async_trait::async_trait;
use bytes::Bytes;
use hub_transport::mllp_server::{Handler, MllpServer, PeerInfo, Replies, ServerLimits};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::child::HubProcess;
use super::people;
use super::table::Table;
use crate::cli::Global;
use crate::send::{Load, Message, Tally, Target};

/// A load that has not drained after this is given up.
const DRAIN: Duration = Duration::from_secs(120);
const ANSWER: Duration = Duration::from_secs(30);

/// A partner that takes every message at once.
struct Partner;

#[async_trait]
impl Handler for Partner {
    async fn handle(&self, frame: Bytes, _peer: &PeerInfo) -> Replies {
        let mut fields = frame.split(|byte| *byte == b'|');
        let control_id = fields.nth(9).unwrap_or_default();
        let mut answer = b"MSH|^~\\&|LIS|BENCH|HUITONG|HUB|20261123081500||ACK|P1|P|2.5.1\rMSA|AA|".to_vec();
        answer.extend_from_slice(control_id);
        answer.push(b'\r');
        Replies::one(answer)
    }
}

/// Where the partner listens; it stops when the sender is dropped.
async fn partner() -> anyhow::Result<(String, watch::Sender<bool>)> {
    let (server, address) = MllpServer::bind("127.0.0.1:0", ServerLimits::default(), None).await?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(server.serve(Arc::new(Partner), stopped));
    Ok((address.to_string(), stop))
}

async fn status(hub: &HubProcess) -> anyhow::Result<Value> {
    let answer = reqwest::get(format!("{}/ops/status", hub.http())).await?;
    Ok(answer.error_for_status()?.json().await?)
}

fn channel(status: &Value, id: &str, state: &str) -> u64 {
    let channels = status["channels"].as_array().cloned().unwrap_or_default();
    let channel = channels.iter().find(|channel| channel["id"] == id);
    channel.and_then(|channel| channel["messages"][state].as_u64()).unwrap_or(0)
}

fn delivered(status: &Value, id: &str) -> u64 {
    let destinations = status["destinations"].as_array().cloned().unwrap_or_default();
    let destination = destinations.iter().find(|destination| destination["id"] == id);
    destination.and_then(|destination| destination["parcels"]["delivered"].as_u64()).unwrap_or(0)
}

/// Waits until `count` messages of a channel are committed; gives the moment it saw it.
async fn committed(hub: &HubProcess, id: &str, count: u64) -> anyhow::Result<Instant> {
    wait(|status| channel(status, id, "committed") >= count, hub).await
}

async fn wait(done: impl Fn(&Value) -> bool, hub: &HubProcess) -> anyhow::Result<Instant> {
    let started = Instant::now();
    loop {
        let status = status(hub).await?;
        if done(&status) {
            return Ok(Instant::now());
        }
        if started.elapsed() > DRAIN {
            bail!("the load did not drain: {status}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn load(to: String, messages: usize, connections: usize) -> Load {
    Load {
        to: Target::Mllp(to, ANSWER),
        count: messages as u64,
        rate: None,
        concurrency: connections,
        unique: false,
    }
}

fn messages(count: usize, make: impl Fn(u64) -> Bytes) -> Arc<Vec<Message>> {
    Arc::new((0..count as u64).map(|nth| Message { name: String::new(), bytes: make(nth) }).collect())
}

/// How many messages fill the time asked for, by the rate of a short run.
fn enough(rate: f64, each: Duration) -> usize {
    ((rate * each.as_secs_f64()) as usize).clamp(500, 200_000)
}

/// Every message was acknowledged, or the figures say nothing.
fn all_acknowledged(tally: &Tally) -> anyhow::Result<()> {
    if tally.unexpected(&["AA".to_owned(), "CA".to_owned()]) > 0 {
        bail!("not every message was acknowledged: {:?}", tally.answers);
    }
    Ok(())
}

/// The rate of durable acknowledgements, and what it is held against.
fn acknowledged(tally: &Tally, connections: usize, fsyncs: f64) -> (String, &'static str) {
    let rate = format!("{:.0}/s", tally.rate());
    match connections {
        1 => (
            format!("{rate} ({:.2} of the disk's rate)", tally.rate() / fsyncs),
            "at least 0.7 of the disk's fsync rate",
        ),
        32 => (rate, "15,000/s"),
        _ => (rate, ""),
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// Which ADT is sent.
#[derive(Clone, Copy)]
pub struct Adt {
    /// What it is called in the table.
    pub name: &'static str,
    /// Makes the message of a person.
    pub make: fn(u64) -> Bytes,
}

/// ADT over so many connections: acknowledged, committed and forwarded.
pub async fn adt(
    global: &Global,
    adt: Adt,
    connections: usize,
    each: Duration,
    fsyncs: f64,
    table: &mut Table,
) -> anyhow::Result<()> {
    let (lis, _partner) = partner().await?;
    let hub = HubProcess::start(global, &lis, "127.0.0.1:9")?;
    if connections == 1 && table.is_new("start to ready, empty database") {
        table.row(
            "start to ready, empty database",
            format!("{} ms", hub.start_up.as_millis()),
            "500 ms (50 channels, a million messages)",
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        table.row("memory, idle", format!("{:.0} MB", hub.memory() as f64 / 1e6), "60 MB");
    }
    // A short run says how many messages fill the time asked for.
    let trial = load(hub.channel("his/adt"), 300, connections)
        .send(messages(300, |nth| (adt.make)(50_000_000 + nth)), |_, _| ())
        .await?;
    let count = enough(trial.rate(), each);
    committed(&hub, "his/adt", 300).await?;
    let batch = messages(count, adt.make);
    let cpu = hub.cpu();
    let started = Instant::now();
    let tally = load(hub.channel("his/adt"), count, connections).send(batch, |_, _| ()).await?;
    all_acknowledged(&tally)?;
    let memory = hub.memory();
    let all = count as u64 + 300;
    let end = committed(&hub, "his/adt", all).await?;
    let committed_rate = count as f64 / (end - started).as_secs_f64();
    let last = wait(|status| delivered(status, "his/adt/lis-feed") >= all, &hub).await?;
    let delivered_rate = count as f64 / (last - started).as_secs_f64();
    let cpu = (hub.cpu() - cpu).as_secs_f64() * 1e6 / count as f64;
    let name = format!("{}, {connections} connection{}", adt.name, if connections == 1 { "" } else { "s" });
    let (acked, aim) = acknowledged(&tally, connections, fsyncs);
    table.row(format!("{name}: acknowledged, durable"), acked, aim);
    let target = if connections == 32 { "2 / 10 ms" } else { "" };
    table.row(
        format!("{name}: ACK p50 / p99"),
        format!("{} / {} ms", millis(tally.percentile(0.5)), millis(tally.percentile(0.99))),
        target,
    );
    table.row(
        format!("{name}: mapped, committed, searchable, sustained"),
        format!("{committed_rate:.0}/s"),
        if connections == 32 { "4,000/s" } else { "" },
    );
    table.row(
        format!("{name}: forwarded over MLLP, answered, order kept"),
        format!("{delivered_rate:.0}/s"),
        if connections == 32 { "3,000/s" } else { "" },
    );
    table.row(format!("{name}: CPU of the hub per message, all steps"), format!("{cpu:.0} µs"), "");
    if connections == 32 {
        table.row(
            format!("{name}: memory under this load"),
            format!("{:.0} MB", memory as f64 / 1e6),
            "200 MB",
        );
        let size = hub.size().await?;
        table.row(
            format!("{name}: disk space per message, all tables and the log"),
            format!("{:.1} kB", size as f64 / all as f64 / 1000.0),
            "",
        );
        let hub = hub.restart(global, &lis, "127.0.0.1:9")?;
        table.row(
            format!("start to ready after a kill, {all} messages"),
            format!("{} ms", hub.start_up.as_millis()),
            "",
        );
    }
    Ok(())
}

/// What it takes to take a message in and keep it: nothing is mapped.
pub async fn intake(
    global: &Global,
    connections: usize,
    each: Duration,
    fsyncs: f64,
    table: &mut Table,
) -> anyhow::Result<()> {
    let (lis, _partner) = partner().await?;
    let hub = HubProcess::start(global, &lis, "127.0.0.1:9")?;
    let send = async |from: u64, count: usize| {
        let batch = messages(count, |nth| people::debugging_adt(from + nth));
        load(hub.channel("his/adt"), count, connections).send(batch, |_, _| ()).await
    };
    let trial = send(50_000_000, 300).await?;
    let count = enough(trial.rate(), each);
    let cpu = hub.cpu();
    let tally = send(0, count).await?;
    all_acknowledged(&tally)?;
    let all = count as u64 + 300;
    wait(|status| channel(status, "his/adt", "filtered") >= all, &hub).await?;
    let cpu = (hub.cpu() - cpu).as_secs_f64() * 1e6 / count as f64;
    let name = format!("ADT taken in, {connections} connection{}", if connections == 1 { "" } else { "s" });
    let (acked, aim) = acknowledged(&tally, connections, fsyncs);
    table.row(format!("{name}: acknowledged, durable"), acked, aim);
    table.row(
        format!("{name}: ACK p50 / p99"),
        format!("{} / {} ms", millis(tally.percentile(0.5)), millis(tally.percentile(0.99))),
        if connections == 32 { "2 / 10 ms" } else { "" },
    );
    table.row(format!("{name}: CPU of the hub per message"), format!("{cpu:.0} µs"), "");
    Ok(())
}

/// ORU with 20 results over 32 connections.
pub async fn oru(global: &Global, each: Duration, table: &mut Table) -> anyhow::Result<()> {
    let (lis, _partner) = partner().await?;
    let hub = HubProcess::start(global, &lis, "127.0.0.1:9")?;
    let count = usize::try_from(each.as_secs()).unwrap_or(5) * 500;
    let started = Instant::now();
    let tally =
        load(hub.channel("lis/oru-r01"), count, 32).send(messages(count, people::oru), |_, _| ()).await?;
    all_acknowledged(&tally)?;
    let end = committed(&hub, "lis/oru-r01", count as u64).await?;
    let rate = count as f64 / (end - started).as_secs_f64();
    table.row(
        "ORU with 20 OBX: mapped, committed, searchable, sustained",
        format!("{rate:.0}/s ({:.0} observations/s)", rate * 20.0),
        "400/s (8,000 observations/s)",
    );
    Ok(())
}

/// From the socket to the API at 100 messages a second.
pub async fn visible(global: &Global, each: Duration, table: &mut Table) -> anyhow::Result<()> {
    let (lis, _partner) = partner().await?;
    let hub = HubProcess::start(global, &lis, "127.0.0.1:9")?;
    let client = reqwest::Client::new();
    let count = each.as_secs() * 100;
    let (base, to) = (hub.http(), hub.channel("his/adt"));
    let mut probes = JoinSet::new();
    let started = Instant::now();
    for nth in 0..count {
        tokio::time::sleep_until((started + Duration::from_millis(nth * 10)).into()).await;
        let (client, base, to) = (client.clone(), base.clone(), to.clone());
        probes.spawn(async move {
            let begun = Instant::now();
            load(to, 1, 1)
                .send(Arc::new(vec![Message { name: String::new(), bytes: people::adt(nth) }]), |_, _| ())
                .await?;
            let url = format!("{base}/fhir/Patient?identifier={}&_count=1", 1_000_000 + nth);
            loop {
                let bundle: Value = client.get(&url).send().await?.json().await?;
                if bundle["entry"].as_array().is_some_and(|entries| !entries.is_empty()) {
                    return anyhow::Ok(begun.elapsed());
                }
                if begun.elapsed() > ANSWER {
                    bail!("a message did not become visible");
                }
            }
        });
    }
    let mut times = Vec::new();
    while let Some(time) = probes.join_next().await {
        times.push(time??);
    }
    times.sort_unstable();
    let at = |share: f64| millis(times[(times.len() as f64 * share) as usize]);
    table.row(
        "sent -> committed -> found by the API, at 100 messages/s, p50 / p99 (a new connection each)",
        format!("{} / {} ms", at(0.5), at(0.99)),
        "10 / 50 ms",
    );
    Ok(())
}
