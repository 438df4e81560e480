//! What the tests of the whole hub stand on: the real program as a process, a sender and partners written apart from the hub's own code.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its own part")]

pub mod dice;
pub mod mllp;
pub mod nodes;
pub mod partners;
pub mod ports;
pub mod postgres;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test says that it does not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The project's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The program: the one that was built with the tests, or the one that `HUITONG_PROGRAM` names.
pub fn program() -> PathBuf {
    std::env::var_os("HUITONG_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_huitong").into(), PathBuf::from)
}

/// A copy of the project's channels, mappings and fixtures, which a test may change.
pub fn copy_of_the_files() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["channels", "mappings", "fixtures"] {
        copy(&root().join(name), &folder.path().join(name));
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The corpus of real messages; `None`, said aloud, where it is not there.
pub fn corpus() -> Option<PathBuf> {
    let folder =
        std::env::var_os("HUITONG_CORPUS").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("NOT RUN: the corpus is not at {}; HUITONG_CORPUS names it", folder.display());
    None
}

/// With `HUITONG_BLESS=1`, keeps what a test has shown: the line of `docs/<page>` that begins with `- what:` is written anew.
pub fn keep(page: &str, title: &str, what: &str, shown: &str) {
    if std::env::var_os("HUITONG_BLESS").is_none() {
        return;
    }
    let file = root().join("docs").join(page);
    let old = std::fs::read_to_string(&file).unwrap_or_else(|_| format!("{title}\n"));
    let begins = format!("- {what}:");
    let mut lines: Vec<String> =
        old.lines().filter(|line| !line.starts_with(&begins)).map(str::to_owned).collect();
    lines.push(format!("{begins} {shown}"));
    std::fs::write(file, lines.join("\n") + "\n").unwrap();
}

/// How a hub is started.
#[derive(Clone, Default)]
pub struct Setup {
    /// `KEY=VALUE`, over the defaults of tests.
    pub settings: Vec<String>,
    /// Variables of the environment.
    pub environment: Vec<(String, String)>,
    /// Other files than the project's own.
    pub root: Option<PathBuf>,
}

impl Setup {
    /// With one more setting.
    pub fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// With the channels, mappings and fixtures of this folder.
    pub fn root(mut self, folder: &Path) -> Self {
        self.root = Some(folder.to_path_buf());
        self
    }

    /// With one more variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }
}

/// The real program, running on free ports and a data folder of its own.
pub struct Hub {
    child: Child,
    /// Its data and its log.
    pub folder: TempDir,
    addresses: Value,
}

impl Hub {
    /// Starts a hub on a fresh folder.
    pub async fn start(setup: &Setup) -> Self {
        Self::start_in(TempDir::new().unwrap(), setup).await
    }

    /// Starts a hub on a folder that another one may have used.
    pub async fn start_in(folder: TempDir, setup: &Setup) -> Self {
        let started = Self::try_start_in(folder, setup).await;
        started.unwrap_or_else(|folder| panic!("the hub ended at once:\n{}", log(folder.path())))
    }

    /// The same; gives the folder back when the hub ends before it is ready.
    pub async fn try_start_in(folder: TempDir, setup: &Setup) -> Result<Self, TempDir> {
        let started = Instant::now();
        Self::start_while(folder, setup, |log| {
            assert!(started.elapsed() < PATIENCE, "the hub was not ready in time:\n{log}");
            true
        })
        .await
    }

    /// The same; a hub that is not ready by then is killed as it starts.
    pub async fn start_within(folder: TempDir, setup: &Setup, time: Duration) -> Result<Self, TempDir> {
        let started = Instant::now();
        Self::start_while(folder, setup, |_| started.elapsed() < time).await
    }

    async fn start_while(
        folder: TempDir,
        setup: &Setup,
        goes_on: impl Fn(&str) -> bool,
    ) -> Result<Self, TempDir> {
        // The tests ask the hub by reqwest, which wants its TLS provider even for plain HTTP.
        hub_transport::install_crypto_provider();
        let mut hub = Self { child: spawn(folder.path(), setup), folder, addresses: Value::Null };
        let ready = hub.folder.path().join("ready.json");
        while !ready.exists() {
            if hub.child.try_wait().unwrap().is_some() || !goes_on(&hub.log()) {
                return Err(hub.kill());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        hub.addresses = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        Ok(hub)
    }

    /// `http://host:port`
    pub fn http(&self) -> String {
        format!("http://{}", self.addresses["http"].as_str().unwrap())
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `host:port` of a channel.
    pub fn channel(&self, id: &str) -> String {
        self.addresses["channels"][id].as_str().unwrap().to_owned()
    }

    /// Everything it has written to its standard streams.
    pub fn log(&self) -> String {
        log(self.folder.path())
    }

    /// Waits until it has ended by itself, as a test asked it to; a hub that goes on never came to the place.
    pub async fn dies(&mut self) {
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "the hub never came to the place where it was to end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether it has ended.
    pub fn is_dead(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it without warning.
    pub fn kill(mut self) -> TempDir {
        let _ = self.child.kill();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, TempDir::new().unwrap())
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) -> TempDir {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "the hub did not stop well ({status}):\n{}", self.log());
                return std::mem::replace(&mut self.folder, TempDir::new().unwrap());
            }
            assert!(started.elapsed() < PATIENCE, "the hub did not stop in time:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A GET that must succeed, as JSON.
    pub async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("{}{path}", self.http())).await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "GET {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A POST that must succeed, as JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let client = reqwest::Client::new();
        let answer = client.post(format!("{}{path}", self.http())).json(body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "POST {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// How many messages of a channel are in a state.
    pub async fn count(&self, channel: &str, state: &str) -> u64 {
        let status = self.get("/ops/status").await;
        let channels = status["channels"].as_array().unwrap();
        channels.iter().find(|found| found["id"] == channel).unwrap()["messages"][state].as_u64().unwrap()
    }

    /// Waits until nothing waits any more: every message has ended.
    pub async fn settled(&self, channel: &str) {
        self.until(|status| {
            let channels = status["channels"].as_array().unwrap();
            let found = channels.iter().find(|found| found["id"] == channel).unwrap();
            found["messages"]["received"] == 0 && found["in_flight"] == 0
        })
        .await;
    }

    /// Waits until nothing is owed to a destination any more.
    pub async fn paid(&self, destination: &str) {
        self.until(|status| {
            let destinations = status["destinations"].as_array().unwrap();
            destinations.iter().find(|found| found["id"] == destination).unwrap()["parcels"]["pending"] == 0
        })
        .await;
    }

    /// Waits until the status is as wanted, as long as there is any progress.
    pub async fn until(&self, wanted: impl Fn(&Value) -> bool) {
        let (mut last, mut progress) = (Value::Null, Instant::now());
        loop {
            let status = self.get("/ops/status").await;
            if wanted(&status) {
                return;
            }
            let now = tallies(&status);
            if now != last {
                (last, progress) = (now, Instant::now());
            }
            assert!(progress.elapsed() < PATIENCE, "it did not come: {status:#}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The messages that a query finds.
    pub async fn messages(&self, query: &str) -> Vec<Value> {
        self.get(&format!("/ops/messages?{query}")).await["messages"].as_array().unwrap().clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is counted in a status: messages and parcels by state.
pub fn tallies(status: &Value) -> Value {
    let of = |what: &str, part: &str| -> Vec<Value> {
        let all = status[what].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| one[part].clone()).collect()
    };
    serde_json::json!([of("channels", "messages"), of("destinations", "parcels")])
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log.txt")).unwrap_or_default()
}

fn spawn(folder: &Path, setup: &Setup) -> Child {
    let _ = std::fs::remove_file(folder.join("ready.json"));
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log.txt")).unwrap();
    let mut command = Command::new(program());
    command
        .arg("run")
        .arg("--root")
        .arg(setup.root.clone().unwrap_or_else(root))
        .arg("--data")
        .arg(folder.join("data"));
    command.arg("--ready-file").arg(folder.join("ready.json"));
    let files = setup.root.clone().unwrap_or_else(root);
    let defaults = [
        "http.listen=127.0.0.1:0",
        // A test of who is let in says otherwise.
        "http.open=true",
        // Tests count what is in the store.
        "fhir.definitions=false",
        "channels.\"his/find-patients\".settings.listen=127.0.0.1:0",
        "channels.\"his/adt\".settings.listen=127.0.0.1:0",
        "channels.\"lis/oru-r01\".settings.listen=127.0.0.1:0",
        // Nobody listens there: a test that wants a partner names it.
        "channels.\"his/adt\".to.lis-feed.url=mllp://127.0.0.1:9",
        "channels.\"lis/oru-r01\".to.ward-notice.url=http://127.0.0.1:9/notices",
        "channels.\"his/errands\".to.his.url=http://127.0.0.1:9/",
        "channels.\"bank/errands\".to.bank.account.url=http://127.0.0.1:9/",
        "channels.\"bank/notices\".settings.listen=127.0.0.1:0",
        "channels.\"esign/errands\".to.esign.account.url=http://127.0.0.1:9",
        "channels.\"esign/notices\".settings.listen=127.0.0.1:0",
        "channels.\"his/rosters\".settings.service.url=http://127.0.0.1:9/",
        "channels.\"his/masters\".settings.service.url=http://127.0.0.1:9/",
        "channels.\"sms/codes\".to.sms.endpoint.url=http://127.0.0.1:9",
        "channels.\"sms/notices\".to.sms.endpoint.url=http://127.0.0.1:9",
        "channels.\"sms/receipts\".settings.listen=127.0.0.1:0",
        "channels.\"wechat/notices\".to.wechat.endpoint.url=http://127.0.0.1:9",
    ];
    // What is said of a channel that is not there is refused.
    let is_there = |setting: &&str| {
        let channel = setting.split('"').nth(1);
        channel.is_none_or(|channel| files.join(format!("channels/{channel}.toml")).exists())
    };
    let defaults = defaults.iter().copied().filter(is_there).map(str::to_owned);
    // A hub that runs has the simulators' keys only when it is told so.
    let defaults = defaults.chain([format!("secrets_dir={}", root().join("fixtures/secrets").display())]);
    for setting in defaults.chain(setup.settings.iter().cloned()) {
        command.arg("--set").arg(setting);
    }
    command.envs(setup.environment.iter().cloned());
    command.stdout(Stdio::from(log.try_clone().unwrap())).stderr(Stdio::from(log)).spawn().unwrap()
}

/// A folder with these files, each its path and its content.
pub fn project(files: &[(&str, impl AsRef<[u8]>)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    write(folder.path(), files);
    folder
}

/// Writes files below a folder.
pub fn write(folder: &Path, files: &[(&str, impl AsRef<[u8]>)]) {
    for (file, content) in files {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// Reads a sample of the project's own.
pub fn fixture(path: &str) -> Vec<u8> {
    let file = root().join("fixtures").join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
