//! Several hubs on one database, each at doors that stay the same however often it is killed and started again.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::ports::free_port;
use super::{Hub, PATIENCE, Setup, tallies};

/// The nodes, each known by its place in the list of names.
pub struct Nodes {
    pub names: &'static [&'static str],
    /// Where the operators' API and the FHIR API of each are: `host:port`.
    pub http: Vec<String>,
    doors: Vec<BTreeMap<String, String>>,
    setups: Vec<Setup>,
    hubs: Mutex<Vec<Option<Hub>>>,
    client: reqwest::Client,
}

impl Nodes {
    /// Starts them all. `setup` names the database, `channels` are those that listen.
    pub async fn start(names: &'static [&'static str], setup: &Setup, channels: &[&str]) -> Self {
        hub_transport::install_crypto_provider();
        let at = || format!("127.0.0.1:{}", free_port());
        let http: Vec<String> = names.iter().map(|_| at()).collect();
        let doors: Vec<BTreeMap<String, String>> =
            names.iter().map(|_| channels.iter().map(|id| ((*id).to_owned(), at())).collect()).collect();
        let own = |node: usize| {
            let setup = setup
                .clone()
                .set(format!("store.node={}", names[node]))
                .set(format!("http.listen={}", http[node]));
            doors[node]
                .iter()
                .fold(setup, |setup, (id, at)| setup.set(format!("channels.\"{id}\".settings.listen={at}")))
        };
        let setups = (0..names.len()).map(own).collect();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let hubs = Mutex::new(names.iter().map(|_| None).collect());
        let nodes = Self { names, http, doors, setups, hubs, client };
        for node in 0..names.len() {
            nodes.begin(node, TempDir::new().unwrap()).await;
        }
        nodes.are_complete().await;
        nodes
    }

    fn hubs(&self) -> MutexGuard<'_, Vec<Option<Hub>>> {
        self.hubs.lock().unwrap()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Where a channel of a node listens.
    pub fn door(&self, node: usize, channel: &str) -> &str {
        &self.doors[node][channel]
    }

    /// Starts a node on a folder, its own of before.
    pub async fn begin(&self, node: usize, folder: TempDir) {
        let hub = Hub::start_in(folder, &self.setups[node]).await;
        self.hubs()[node] = Some(hub);
    }

    /// Starts a node that is to end at a place, and waits for that so long at the most; gives its folder, and whether it has
    /// come to the place.
    pub async fn begin_to_die(
        &self,
        node: usize,
        folder: TempDir,
        place: &str,
        time: Duration,
    ) -> (TempDir, bool) {
        let began = Instant::now();
        let setup = self.setups[node].clone().env("HUITONG_CRASH_AT", place);
        let mut hub = match Hub::start_within(folder, &setup, PATIENCE).await {
            Ok(hub) => hub,
            Err(folder) => return (folder, true),
        };
        while began.elapsed() < time && !hub.is_dead() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let came = hub.is_dead();
        (hub.kill(), came)
    }

    /// Kills a node, as `kill -9` does; gives its folder.
    pub fn kill(&self, node: usize) -> TempDir {
        self.hubs()[node].take().unwrap().kill()
    }

    /// Kills them all before any is started again.
    pub async fn kill_all_and_start(&self) {
        (0..self.count()).for_each(|node| self.signal(node, "-KILL"));
        for node in 0..self.count() {
            self.begin(node, self.kill(node)).await;
        }
        self.are_complete().await;
    }

    /// Stops them as it should be done.
    pub async fn stop(&self) {
        let hubs = std::mem::take(&mut *self.hubs());
        for hub in hubs.into_iter().flatten() {
            hub.stop().await;
        }
    }

    /// Sends a signal to a node's process.
    pub fn signal(&self, node: usize, name: &str) {
        let pid = self.hubs()[node].as_ref().unwrap().pid().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// The number of a node's process, and how often it has begun anew in its folder.
    pub fn process(&self, node: usize) -> Option<(u32, usize)> {
        let hubs = self.hubs();
        let hub = hubs[node].as_ref()?;
        Some((hub.pid(), hub.log().matches("The hub begins anew.").count()))
    }

    /// The end of each node's log.
    pub fn logs(&self) -> String {
        let hubs = self.hubs();
        let last = |text: String| text.lines().rev().take(40).collect::<Vec<_>>().join("\n");
        let nodes = hubs.iter().zip(self.names);
        nodes
            .filter_map(|(hub, name)| {
                hub.as_ref().map(|hub| format!("--- {name}, newest first\n{}\n", last(hub.log())))
            })
            .collect()
    }

    /// None of those that should live has ended by itself.
    fn live(&self) {
        for (hub, name) in self.hubs().iter_mut().zip(self.names) {
            if let Some(hub) = hub {
                assert!(!hub.is_dead(), "the node {name} has ended by itself:\n{}", hub.log());
            }
        }
    }

    /// How a node stands; `None` when it does not answer, or not well.
    pub async fn status(&self, node: usize) -> Option<Value> {
        self.try_get(node, "/ops/status").await
    }

    /// A GET that may fail.
    pub async fn try_get(&self, node: usize, path: &str) -> Option<Value> {
        let answer = self.client.get(format!("http://{}{path}", self.http[node])).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.json().await.ok()
    }

    /// A GET that must succeed, of the first node.
    pub async fn get(&self, path: &str) -> Value {
        let found = self.try_get(0, path).await;
        found.unwrap_or_else(|| panic!("GET {path} was not answered well\n{}", self.logs()))
    }

    /// Waits until all answer, and know of each other.
    pub async fn are_complete(&self) {
        let began = Instant::now();
        let mut node = 0;
        while node < self.count() {
            self.live();
            let status = self.status(node).await.unwrap_or_default();
            let known = status["nodes"].as_array().map_or(0, Vec::len);
            if status["ready"] == true && known == self.count() {
                node += 1;
                continue;
            }
            assert!(
                began.elapsed() < 3 * PATIENCE,
                "the nodes do not come together again: {} says {status:#}\n{}",
                self.names[node],
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until every message has ended and nothing is owed, as long as there is any progress.
    pub async fn are_at_rest(&self) {
        let (mut last, mut progress) = (Value::Null, Instant::now());
        loop {
            self.live();
            let status = self.status(0).await.unwrap_or_default();
            let now = tallies(&status);
            let is_zero =
                |tally: &Value| tally.get("received").or(tally.get("pending")).is_none_or(|open| *open == 0);
            let all: Vec<&Value> =
                now.as_array().into_iter().flatten().flat_map(|part| part.as_array()).flatten().collect();
            if !all.is_empty() && all.into_iter().all(is_zero) {
                return;
            }
            if now != last {
                (last, progress) = (now, Instant::now());
            }
            assert!(progress.elapsed() < 2 * PATIENCE, "it stands: {status:#}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
