//! The memory of each hub's process, watched from outside: after a time to warm up it must not grow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::site::Site;

/// How often it is looked at.
const PAUSE: Duration = Duration::from_secs(1);
/// A process that has lived shorter says nothing of growth.
const LEAST: Duration = Duration::from_secs(240);
/// What the last third of a process's life may need more than the second one: a tenth, and this.
const SLACK_KIB: u64 = 8 * 1024;

/// One life of a process: a program that begins anew in its own place lives again.
type Life = (usize, u32, usize);

/// Moments and kibibytes.
type Samples = Vec<(Instant, u64)>;

/// Watches until it is asked.
pub struct Memory {
    names: &'static [&'static str],
    lives: Arc<Mutex<BTreeMap<Life, Samples>>>,
    task: JoinHandle<()>,
}

impl Memory {
    pub fn watch(site: &Arc<Site>) -> Self {
        let (lives, site) = (Arc::new(Mutex::new(BTreeMap::<Life, Samples>::new())), site.clone());
        let (kept, names) = (lives.clone(), site.nodes.names);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(PAUSE).await;
                for node in 0..site.nodes.count() {
                    let Some((pid, times)) = site.nodes.process(node) else { continue };
                    let Some(kib) = resident_kib(pid) else { continue };
                    let life = (node, pid, times);
                    kept.lock().unwrap().entry(life).or_default().push((Instant::now(), kib));
                }
            }
        });
        Self { names, lives, task }
    }

    /// What was seen, in words; fails when a process has grown.
    pub fn judge(self) -> String {
        self.task.abort();
        let lives = self.lives.lock().unwrap();
        let most = |node| {
            lives
                .iter()
                .filter(|(life, _)| life.0 == node)
                .flat_map(|(_, samples)| samples.iter().map(|(_, kib)| *kib))
                .max()
        };
        let mut told: Vec<String> = self
            .names
            .iter()
            .enumerate()
            .map(|(node, name)| {
                let count = lives.keys().filter(|life| life.0 == node).count();
                let most = most(node).unwrap_or_default();
                format!("`{name}` lived {count} times and never held more than {} MiB", most / 1024)
            })
            .collect();
        let longest = lives.iter().max_by_key(|(_, samples)| lived(samples));
        match longest {
            Some((life, samples)) if lived(samples) >= LEAST => {
                let third = samples.len() / 3;
                let [second, last] = [&samples[third..2 * third], &samples[2 * third..]].map(median);
                println!("memory of the longest life, a tenth of it each: {:?} MiB", tenths(samples));
                assert!(
                    last <= second + second / 10 + SLACK_KIB,
                    "memory grows: {second} KiB, then {last} KiB in a third of {:?}",
                    lived(samples)
                );
                told.push(format!(
                    "the longest life, {} s of `{}`, held {} MiB in its second third and {} MiB in its last (tenth by tenth {:?})",
                    lived(samples).as_secs(),
                    self.names[life.0],
                    second / 1024,
                    last / 1024,
                    tenths(samples)
                ));
            }
            _ => told.push("no process lived long enough to say whether memory grows".to_owned()),
        }
        told.join("; ")
    }
}

fn lived(samples: &Samples) -> Duration {
    match (samples.first(), samples.last()) {
        (Some((first, _)), Some((last, _))) => *last - *first,
        _ => Duration::ZERO,
    }
}

fn median(samples: &[(Instant, u64)]) -> u64 {
    let mut sorted: Vec<u64> = samples.iter().map(|(_, kib)| *kib).collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// The median of each tenth, in MiB.
fn tenths(samples: &Samples) -> Vec<u64> {
    samples.chunks(samples.len().div_ceil(10)).map(|part| median(part) / 1024).collect()
}

/// `VmRSS` of a process that lives.
fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
