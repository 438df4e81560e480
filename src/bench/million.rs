//! A journal of a million messages: how fast one of them is found, how fast a hub starts on it and how large it is, and what
//! deleting half of it takes and gives back.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use hub_core::commit::{Commit, Key};
use hub_core::envelope::{Envelope, Head, Label, Peer, Raw};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{ChannelId, CorrelationId, DedupeKey, Digest, MessageId};
use hub_core::store::{Cause, End, Journal, MessageQuery, Resources, StateName, Upkeep};
use hub_store::{ArchiveKey, ArchiveOptions, Store, StoreOptions};
use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::On;
use super::postgres::Server;
use super::table::Table;
use crate::cli::Global;

const MESSAGES: u64 = 1_000_000;
const WRITERS: u64 = 512;
const CHANNELS: u64 = 50;
/// The messages came in over so many days; on PostgreSQL each is a stretch of its own.
const DAYS: u64 = 10;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// When the first came in.
const FIRST: Duration = Duration::from_secs(1_700_000_000);
const TYPES: [&str; 5] = ["ADT^A01", "ADT^A08", "ORU^R01", "ORM^O01", "SIU^S12"];
/// The part of the page that this writes.
const HEADING: &str = "## A million messages";

/// The part of the page that tells of the million messages; empty when there is none.
pub fn section_of(page: &str) -> &str {
    page.find(HEADING).map_or("", |at| &page[at..])
}

/// The page with this part instead of the one it had.
pub fn with_section(page: &str, section: &str) -> String {
    let rest = page.find(HEADING).map_or(page, |at| &page[..at]).trim_end();
    let parts = [rest, section.trim_end()].into_iter().filter(|part| !part.is_empty());
    format!("{}\n", parts.collect::<Vec<_>>().join("\n\n"))
}

/// Fills journals and measures; `table` knows the machine.
pub async fn measure(global: &Global, only: Option<On>, mut table: Table) -> anyhow::Result<String> {
    for on in [On::Sqlite, On::Postgres] {
        if only.is_some_and(|only| only != on) {
            continue;
        }
        eprintln!("a million messages, {on:?} ...");
        table.on(on);
        measure_on(global, on, &mut table).await?;
    }
    let text = format!(
        "{HEADING}\n\nMade by `make bench ARGS=--million`; not edited by hand. Of {CHANNELS} channels and {DAYS} days, 0.3 kB and one \
         business key each; 3 of 10 committed, 1 of 100 set aside, the others filtered.\n\n{}{}",
        table.machine_as_markdown(),
        table.rows_as_markdown()
    );
    Ok(text)
}

/// Where the messages are.
struct Place {
    folder: tempfile::TempDir,
    server: Option<(Server, String)>,
}

impl Place {
    fn new(on: On) -> anyhow::Result<Self> {
        let server = (on == On::Postgres).then(|| Server::start(true));
        let server = server.map(|server| {
            let database = server.database();
            (server, database)
        });
        Ok(Self { folder: tempfile::tempdir_in(".")?, server })
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn options(&self) -> StoreOptions {
        match &self.server {
            None => StoreOptions::new(self.data()),
            // A stretch for each time that is asked.
            Some((_, url)) => {
                StoreOptions { stretch: Duration::ZERO, ..StoreOptions::postgres(url, self.data()) }
            }
        }
    }

    /// What it takes on disk.
    async fn size(&self) -> anyhow::Result<u64> {
        match &self.server {
            Some((_, url)) => Ok(hub_store::size_of(url).await?),
            None => Ok(size_of_folder(&self.data())?),
        }
    }
}

fn size_of_folder(folder: &Path) -> std::io::Result<u64> {
    Ok(std::fs::read_dir(folder)?.flatten().filter_map(|entry| Some(entry.metadata().ok()?.len())).sum())
}

async fn measure_on(global: &Global, on: On, table: &mut Table) -> anyhow::Result<()> {
    let place = Place::new(on)?;
    let store = Store::open(place.options()).await?;
    let started = Instant::now();
    let mut ended = Vec::new();
    for day in 0..DAYS {
        fill(&store, day * MESSAGES / DAYS..(day + 1) * MESSAGES / DAYS).await?;
        // Nothing is as old as that, but the next stretch is begun.
        store.prune(at(0) - DAY, 1).await?;
        ended.push(OffsetDateTime::now_utc());
    }
    let rate = MESSAGES as f64 / started.elapsed().as_secs_f64();
    table.row("received and ended, 512 at a time", format!("{rate:.0}/s"), "");
    searches(&store, table).await?;
    store.close().await;
    drop(store);
    let size = place.size().await?;
    table.row("disk space per message, all tables and the log", kilobytes(size / MESSAGES), "");
    let started = Instant::now();
    let store = Store::open(place.options()).await?;
    let count: u64 = store.tally().await?.iter().map(|tally| tally.count).sum();
    ensure!(count == MESSAGES, "the counters say {count}");
    table.row("open the store, counters read", milliseconds(started.elapsed()), "");
    store.close().await;
    drop(store);
    hub_on_it(global, &place, table).await?;
    retention(&place, [ended[4], ended[6]], table).await
}

/// Receives messages and ends them, as many at a time as share an `fsync`.
async fn fill(store: &Store, which: std::ops::Range<u64>) -> anyhow::Result<()> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, which) = (store.clone(), which.clone());
        writers.spawn(async move {
            for nth in (which.start + writer..which.end).step_by(WRITERS as usize) {
                let message = message(nth);
                store.receive(&message).await?;
                let id = message.head.id;
                let keys = vec![Key { name: "patient".into(), value: patient(nth / 5).into() }];
                match nth / CHANNELS % 100 {
                    0..30 => {
                        let commit = Commit { keys, ..Commit::default() };
                        store.commit(Cause::Message(id), commit).await?;
                    }
                    30 => {
                        let reason = "the bench sets it aside".to_owned();
                        let fault =
                            Fault { step: FaultStep::Map, place: Some("PID-7".into()), rule: None, reason };
                        store.end(id, End::Quarantined(fault), keys).await?;
                    }
                    _ => store.end(id, End::Filtered { rule: "bench".to_owned() }, keys).await?,
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(())
}

async fn searches(store: &Store, table: &mut Table) -> anyhow::Result<()> {
    let all = || MessageQuery { limit: 20, ..MessageQuery::default() };
    let target = "20 ms";
    let by_key = |nth: u64| MessageQuery {
        key: Some((Some("patient".into()), patient(nth * 997 % (MESSAGES / 5)).into())),
        ..all()
    };
    table.row("found by business key, median / slowest of 200", slowest(store, by_key).await?, target);
    let by_control_id =
        |nth: u64| MessageQuery { control_id: Some(format!("M{}", nth * MESSAGES / 200).into()), ..all() };
    table.row("found by control id, median / slowest", slowest(store, by_control_id).await?, target);
    let of_state = |nth: u64| MessageQuery {
        channel: Some(channel(nth)),
        state: Some([StateName::Filtered, StateName::Committed][nth as usize % 2]),
        ..all()
    };
    table.row("newest of a channel and state, median / slowest", slowest(store, of_state).await?, target);
    let set_aside = |_| MessageQuery { state: Some(StateName::Quarantined), ..all() };
    table.row(
        "newest set aside, of all channels, median / slowest",
        slowest(store, set_aside).await?,
        target,
    );
    let of_type = |nth: u64| MessageQuery {
        message_type: Some(TYPES[nth as usize % TYPES.len()].into()),
        until: Some(at(nth * MESSAGES / 200 + 1_000)),
        ..all()
    };
    table.row("newest of a type before a time, median / slowest", slowest(store, of_type).await?, target);
    let of_time = |nth: u64| MessageQuery {
        since: Some(at(nth * MESSAGES / 200)),
        until: Some(at(nth * MESSAGES / 200 + 1_000)),
        ..all()
    };
    table.row(
        "newest of a stretch of time, of all channels, median / slowest",
        slowest(store, of_time).await?,
        target,
    );
    Ok(())
}

async fn slowest(store: &Store, query: impl Fn(u64) -> MessageQuery) -> anyhow::Result<String> {
    let mut times = Vec::new();
    for nth in 0..200 {
        let query = query(nth);
        let started = Instant::now();
        let rows = store.find(&query).await?;
        times.push(started.elapsed());
        ensure!(!rows.is_empty(), "the search found nothing");
    }
    times.sort_unstable();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(format!("{:.1} / {:.1} ms", millis(times[100]), millis(times[199])))
}

/// Starts a hub of 50 channels on it, and looks at its memory when it has nothing to do.
async fn hub_on_it(global: &Global, place: &Place, table: &mut Table) -> anyhow::Result<()> {
    let root = project(global)?;
    let ready = place.folder.path().join("ready.json");
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg("--root").arg(root.path()).arg("--data").arg(place.data());
    command.arg("--ready-file").arg(&ready).args(["--set", "http.listen=127.0.0.1:0"]);
    command.args(["--set", "http.open=true"]);
    // Nothing is deleted meanwhile.
    command.args(["--set", "log.level=error", "--set", "retention.keep_days=36500"]);
    if let Some((_, url)) = &place.server {
        command.arg("--set").arg(format!("store.database={url}"));
    }
    let started = Instant::now();
    let mut hub = Hub(command.stdout(Stdio::null()).spawn().context("the hub could not be started")?);
    while !ready.exists() {
        if let Some(status) = hub.0.try_wait()? {
            bail!("the hub ended at once: {status}");
        }
        ensure!(started.elapsed() < Duration::from_secs(60), "the hub was not ready within a minute");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = started.elapsed();
    table.row("start to ready, 50 channels", milliseconds(took), "500 ms");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", hub.0.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().context("the system tells no memory")?;
    table.row("memory, idle, 50 channels", format!("{:.0} MB", kilobytes * 1_024.0 / 1e6), "60 MB");
    Ok(())
}

/// A hub that is killed when this is dropped.
struct Hub(Child);

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A project of 50 channels: `his/adt` under other names, each on a port of its own.
fn project(global: &Global) -> anyhow::Result<tempfile::TempDir> {
    let root = tempfile::tempdir_in(".")?;
    let of = std::path::absolute(&global.root)?;
    for folder in ["mappings", "fixtures"] {
        symlink(of.join(folder), root.path().join(folder))?;
    }
    let text = std::fs::read_to_string(of.join("channels/his/adt.toml"))?;
    let tests = text.match_indices("[[test]]").nth(1).map_or(text.len(), |(at, _)| at);
    let channels = root.path().join("channels/bench");
    std::fs::create_dir_all(&channels)?;
    for nth in 0..CHANNELS {
        let id = channel(nth);
        let text = text[..tests]
            .replace(r#"name    = "his/adt""#, &format!(r#"name    = "{id}""#))
            .replace("127.0.0.1:2575", "127.0.0.1:0");
        std::fs::write(root.path().join(format!("channels/{id}.toml")), text)?;
    }
    Ok(root)
}

/// Deletes the older half, then a fifth by way of an archive; meanwhile one sender goes on.
async fn retention(
    place: &Place,
    [half, more]: [OffsetDateTime; 2],
    table: &mut Table,
) -> anyhow::Result<()> {
    let before = place.size().await?;
    let options = || StoreOptions { stretch: Duration::from_secs(10), ..place.options() };
    let store = Store::open(options()).await?;
    let (ended, slowest) = beside_a_sender(&store, prune(&store, half)).await?;
    store.close().await;
    drop(store);
    let after = place.size().await?;
    let (count, took) = ended;
    table.row("retention: half of it deleted", rate(count, took), "");
    table.row(
        "retention: space given back by that, of what there was",
        format!("{:.0} of {:.0} MB", (before as f64 - after as f64) / 1e6, before as f64 / 1e6),
        "",
    );
    table.row("retention: slowest durable receive of one sender beside it", milliseconds(slowest), "");
    let folder = place.folder.path().join("archive");
    let key = ArchiveKey::of("bench", &"5a".repeat(32))?;
    let archive = ArchiveOptions { folder: folder.clone(), key };
    let store = Store::open(StoreOptions { archive: Some(archive), ..options() }).await?;
    let (ended, slowest) = beside_a_sender(&store, prune(&store, more)).await?;
    store.close().await;
    let (count, took) = ended;
    table.row("retention: a fifth archived, verified and deleted", rate(count, took), "");
    table.row("retention: archive per message", format!("{} bytes", size_of_folder(&folder)? / count), "");
    table.row("retention: slowest durable receive beside that", milliseconds(slowest), "");
    Ok(())
}

/// All messages that ended before: how many went, and how long it took, free pages given back.
async fn prune(store: &Store, before: OffsetDateTime) -> anyhow::Result<(u64, Duration)> {
    let (started, mut count) = (Instant::now(), 0);
    while let pruned @ 1.. = store.prune(before, 500).await? {
        count += pruned;
    }
    store.shrink().await?;
    Ok((count, started.elapsed()))
}

/// Does it while one sender sends one message after the other; says how long the slowest took.
async fn beside_a_sender<T>(
    store: &Store,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Duration)> {
    let done = Arc::new(AtomicBool::new(false));
    let (sending, is_done) = (store.clone(), done.clone());
    let sender = tokio::spawn(async move {
        let (mut slowest, mut nth) = (Duration::ZERO, 0);
        while !is_done.load(Ordering::Relaxed) {
            let mut message = message(MESSAGES + nth);
            message.head.received_at = OffsetDateTime::now_utc();
            message.head.dedupe = DedupeKey::from(format!("HIS|BENCH|{}", message.head.id));
            let started = Instant::now();
            sending.receive(&message).await?;
            slowest = slowest.max(started.elapsed());
            nth += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::Ok(slowest)
    });
    let worked = work.await;
    done.store(true, Ordering::Relaxed);
    Ok((worked?, sender.await??))
}

fn rate(count: u64, took: Duration) -> String {
    let took = took.as_secs_f64();
    format!("{count} in {took:.1} s ({:.0}/s)", count as f64 / took)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1_000.0)
}

fn kilobytes(bytes: u64) -> String {
    format!("{:.1} kB", bytes as f64 / 1_000.0)
}

fn patient(number: u64) -> String {
    (1_000_000 + number).to_string()
}

fn channel(nth: u64) -> ChannelId {
    ChannelId::from(format!("bench/c{:02}", nth % CHANNELS))
}

/// When a message came in.
fn at(nth: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + FIRST + DAY * DAYS as u32 * nth as u32 / MESSAGES as u32
}

fn message(nth: u64) -> Envelope<Raw> {
    let message_type = TYPES[nth as usize / CHANNELS as usize % TYPES.len()];
    let bytes = Bytes::from(format!(
        "MSH|^~\\&|HIS|BENCH|HUB|HUB|20261123||{message_type}|M{nth}|P|2.5.1\r{nth:200}"
    ));
    let at = at(nth);
    let head = Head {
        id: MessageId::new(at),
        channel: channel(nth),
        dedupe: DedupeKey::from(format!("HIS|BENCH|M{nth}")),
        digest: Digest::of(&bytes),
        label: Label {
            message_type: Some(message_type.into()),
            control_id: Some(format!("M{nth}").into()),
            sender: Some("HIS|BENCH".into()),
        },
        correlation: CorrelationId::from(""),
        received_at: at,
        peer: Peer::default(),
        parent: None,
    };
    Envelope { head, body: Raw(bytes) }
}
