//! A real `nats-server` with JetStream, on a free port of this machine and a folder of its own, that can be killed, frozen and started again.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{Info, PullConsumer};
use async_nats::jetstream::{self, Context, stream};
use futures_util::StreamExt;
use tempfile::TempDir;

use super::PATIENCE;

/// A running server. It ends with this.
pub struct NatsServer {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    more: String,
}

impl NatsServer {
    /// Starts one that lets everybody in.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one with these lines in its configuration too.
    pub fn start_with(more: &str) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let mut server = Self { child: None, folder, port: 0, more: more.to_owned() };
        server.start_again();
        server
    }

    /// `nats://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
        }
    }

    /// Starts it on the same port and folder as before.
    pub fn start_again(&mut self) {
        self.kill();
        let at = |name: &str| self.folder.path().join(name);
        let listen = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let configuration = format!(
            "listen: \"127.0.0.1:{listen}\"\nports_file_dir: {:?}\nmax_payload: 2MB\njetstream {{ store_dir: {:?} }}\n{}\n",
            self.folder.path(),
            at("store"),
            self.more,
        );
        fs::write(at("nats.conf"), configuration).expect("the folder can be written to");
        let log = fs::File::create(at("log")).expect("the folder can be written to");
        let child = Command::new("nats-server")
            .arg("--config")
            .arg(at("nats.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("`nats-server` is installed: `make setup` does it");
        let ports = at(&format!("nats-server_{}.ports", child.id()));
        self.child = Some(child);
        self.port = self.wait_for_port(ports);
    }

    /// Stops it where it stands, without closing anything: it takes what is sent and answers nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let told = Command::new("kill").args([signal, &pid]).status().expect("there is a `kill`");
        assert!(told.success(), "it runs");
    }

    fn wait_for_port(&self, file: PathBuf) -> u16 {
        let started = Instant::now();
        loop {
            let told = fs::read_to_string(&file).unwrap_or_default();
            let address = told.split('"').find_map(|word| word.split_once("://127.0.0.1:"));
            if let Some(port) = address.and_then(|(_, port)| port.parse().ok()) {
                return port;
            }
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < PATIENCE, "the server does not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A client of it, of its own.
    pub async fn client(&self) -> Context {
        let client = async_nats::connect(self.url()).await.expect("the server lets everybody in");
        jetstream::new(client)
    }

    /// Makes a stream of these subjects.
    pub async fn make_stream(&self, name: &str, subjects: &[&str]) {
        let subjects = subjects.iter().map(|subject| (*subject).to_owned()).collect();
        self.make_stream_of(stream::Config { name: name.to_owned(), subjects, ..stream::Config::default() })
            .await;
    }

    /// Makes a stream of this kind.
    pub async fn make_stream_of(&self, config: stream::Config) {
        self.client().await.create_stream(config).await.expect("the stream is new");
    }

    /// How a consumer of a stream stands. `None`: it is not there.
    pub async fn consumer(&self, stream: &str, name: &str) -> Option<Info> {
        let stream = self.client().await.get_stream(stream).await.expect("the stream is there");
        stream.consumer_info(name).await.ok()
    }

    /// How many messages a stream holds, and how many bytes they take in its files.
    pub async fn size(&self, stream: &str) -> (u64, u64) {
        let context = self.client().await;
        let stream = context.get_stream(stream).await.expect("the stream is there");
        let state = &stream.cached_info().state;
        (state.messages, state.bytes)
    }

    /// All messages of a stream: their subjects and their bytes, in order.
    pub async fn messages(&self, stream: &str) -> Vec<(String, Vec<u8>)> {
        let mut stream = self.client().await.get_stream(stream).await.expect("the stream is there");
        let count = stream.info().await.expect("the server answers").state.messages;
        let consumer: PullConsumer =
            stream.create_consumer(PullConfig::default()).await.expect("a consumer can be made");
        let mut messages = consumer.messages().await.expect("there are messages");
        let mut all = Vec::new();
        while (all.len() as u64) < count {
            let message = messages.next().await.expect("there is another").expect("it comes");
            all.push((message.subject.to_string(), message.payload.to_vec()));
        }
        all
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}
