//! The hub under test: a child process on a fresh data folder and free ports.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::On;
use crate::bench::postgres::Server;
use crate::cli::Global;

/// A hub that runs as a process of its own; killed when dropped.
pub struct HubProcess {
    child: Child,
    folder: TempDir,
    database: Option<String>,
    addresses: Value,
    /// From the start of the process until it is ready.
    pub start_up: Duration,
}

/// The server that hubs stand on, where it is PostgreSQL.
static SERVER: Mutex<Option<Server>> = Mutex::new(None);

/// On which database the hubs that are started from now on stand.
pub fn stand_on(on: On) {
    let server = (on == On::Postgres).then(|| Server::start(true));
    *SERVER.lock().unwrap_or_else(PoisonError::into_inner) = server;
}

impl HubProcess {
    /// Starts a hub whose destinations are these.
    pub fn start(global: &Global, lis: &str, notices: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(".")?;
        let server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        let database = server.as_ref().map(Server::database);
        drop(server);
        Self::start_in(global, folder, database, lis, notices)
    }

    fn start_in(
        global: &Global,
        folder: TempDir,
        database: Option<String>,
        lis: &str,
        notices: &str,
    ) -> anyhow::Result<Self> {
        let ready = folder.path().join("ready.json");
        let started = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("run").arg("--root").arg(&global.root).arg("--data").arg(folder.path().join("data"));
        command.arg("--ready-file").arg(&ready);
        for setting in [
            "http.listen=127.0.0.1:0".to_owned(),
            "http.open=true".to_owned(),
            "log.level=error".to_owned(),
            "channels.\"his/adt\".settings.listen=127.0.0.1:0".to_owned(),
            "channels.\"lis/oru-r01\".settings.listen=127.0.0.1:0".to_owned(),
            "channels.\"his/find-patients\".settings.listen=127.0.0.1:0".to_owned(),
            "channels.\"bank/notices\".settings.listen=127.0.0.1:0".to_owned(),
            "channels.\"esign/notices\".settings.listen=127.0.0.1:0".to_owned(),
            // Nobody listens there: what is measured is not to be asked for rosters.
            "channels.\"his/rosters\".settings.service.url=http://127.0.0.1:9/".to_owned(),
            "channels.\"his/masters\".settings.service.url=http://127.0.0.1:9/".to_owned(),
            "channels.\"sms/receipts\".settings.listen=127.0.0.1:0".to_owned(),
            format!("secrets_dir={}", global.root.join("fixtures/secrets").display()),
            format!("channels.\"his/adt\".to.lis-feed.url=mllp://{lis}"),
            format!("channels.\"lis/oru-r01\".to.ward-notice.url=http://{notices}/notices"),
        ] {
            command.arg("--set").arg(setting);
        }
        if let Some(database) = &database {
            command.arg("--set").arg(format!("store.database={database}"));
        }
        let child = command.stdout(Stdio::null()).spawn().context("the hub could not be started")?;
        let mut process = Self { child, folder, database, addresses: Value::Null, start_up: Duration::ZERO };
        while !ready.exists() {
            if let Some(status) = process.child.try_wait()? {
                bail!("the hub ended at once: {status}");
            }
            if started.elapsed() > Duration::from_secs(60) {
                bail!("the hub was not ready within a minute");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        process.start_up = started.elapsed();
        process.addresses = serde_json::from_slice(&std::fs::read(&ready)?)?;
        Ok(process)
    }

    /// Stops the hub and starts it again on the same data.
    pub fn restart(mut self, global: &Global, lis: &str, notices: &str) -> anyhow::Result<Self> {
        self.kill();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir_in(".")?);
        std::fs::remove_file(folder.path().join("ready.json"))?;
        let database = self.database.take();
        Self::start_in(global, folder, database, lis, notices)
    }

    /// How many bytes its tables and their logs take.
    pub async fn size(&self) -> anyhow::Result<u64> {
        match &self.database {
            Some(url) => Ok(hub_store::size_of(url).await?),
            None => Ok(std::fs::read_dir(self.data())?
                .flatten()
                .filter_map(|entry| Some(entry.metadata().ok()?.len()))
                .sum()),
        }
    }

    /// Where its data is.
    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// `http://host:port`
    pub fn http(&self) -> String {
        format!("http://{}", self.addresses["http"].as_str().unwrap_or_default())
    }

    /// `host:port` of a channel.
    pub fn channel(&self, id: &str) -> String {
        self.addresses["channels"][id].as_str().unwrap_or_default().to_owned()
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
    }

    /// CPU time used so far, user and system.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        // Fields 14 and 15 of proc(5), in hundredths of a second on Linux.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join(file))
            .unwrap_or_default()
    }

    fn kill(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
