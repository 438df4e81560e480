//! The plain connectors hold the contract of all.
#![cfg(feature = "battery")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hub_connect::battery::{NoSecrets, RecordingDoor};
use hub_connect::kinds::{Files, Http, Mllp};
use hub_core::destination::Destination;
use hub_core::registry::{BuildError, DestinationKind, SourceKind};
use hub_core::source::{Acknowledge, Source};

fn http_source() -> Box<dyn Source> {
    let settings = "listen = '127.0.0.1:0'\npath = '/in'\nanswer_secs = 1\nreceive_secs = 1";
    <Http as SourceKind>::build(toml::from_str(settings).unwrap(), &NoSecrets).unwrap()
}

fn http_destination(url: &str, idempotent: bool) -> Box<dyn Destination> {
    let settings = format!("url = '{url}'\nidempotent = {idempotent}\ntimeout_secs = 1\nconnect_secs = 1");
    <Http as DestinationKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

fn mllp_source() -> Box<dyn Source> {
    let settings = "listen = '127.0.0.1:0'\nanswer_secs = 1";
    <Mllp as SourceKind>::build(toml::from_str(settings).unwrap(), &NoSecrets).unwrap()
}

fn mllp_destination(url: &str, resend: bool) -> Box<dyn Destination> {
    let settings = format!("url = '{url}'\nresend = {resend}\nanswer_secs = 1\nconnect_secs = 1");
    <Mllp as DestinationKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

fn file_source(folder: &Path) -> Box<dyn Source> {
    let folder = folder.display();
    let settings = format!(
        "folder = '{folder}'\npattern = '*.txt'\nsettle_secs = 1\nmax_file_bytes = 1000\nanswer_secs = 1"
    );
    <Files as SourceKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

fn file_destination(folder: &Path, name: &str) -> Box<dyn Destination> {
    let settings = format!("folder = '{}'\nname = '{name}'", folder.display());
    <Files as DestinationKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets).unwrap()
}

#[test]
fn names_that_are_not_of_one_parcel_each_are_refused() {
    for name in ["orders.csv", ".{parcel}", "a/{parcel}", "{parcel}{x}"] {
        let settings = format!("folder = '/out'\nname = '{name}'");
        let built = <Files as DestinationKind>::build(toml::from_str(&settings).unwrap(), &NoSecrets);
        assert!(
            matches!(built.err(), Some(BuildError::Settings { key: Some(key), .. }) if key == "name"),
            "{name}"
        );
    }
}

/// What was logged, in memory.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    fn count(&self, words: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(words).count()
    }
}

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_folder_is_told_once_and_again_when_it_changes() {
    let logged = Logged::default();
    let writer = logged.clone();
    let told = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(told);
    let folder = tempfile::TempDir::new().unwrap();
    let mut source = file_source(folder.path());
    source.bind().await.unwrap();
    std::fs::remove_dir(folder.path().join("done")).unwrap();
    std::fs::write(folder.path().join("Zhang San.txt"), "a").unwrap();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let door = RecordingDoor::new(Acknowledge::OnReceived);
    let run = tokio::spawn(source.run(door.intake(), stopped));
    let until = async |words: &str, times| {
        let waited = tokio::time::timeout(Duration::from_secs(10), async {
            while logged.count(words) < times {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("it is not told: {words}"));
    };
    until("cannot be moved away", 1).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(logged.count("cannot be moved away"), 1, "not at each look");
    std::fs::create_dir(folder.path().join("done")).unwrap();
    until("It works again", 1).await;
    std::fs::remove_dir_all(folder.path().join("done")).unwrap();
    std::fs::write(folder.path().join("b.txt"), "b").unwrap();
    until("cannot be moved away", 2).await;
    assert_eq!(logged.count("Zhang"), 0, "the name of a file is not told");
    run.abort();
}

mod file_source_contract {
    hub_connect::file_source_contract!(super::file_source, tempfile::TempDir::new().unwrap());
}

mod file_destination_contract {
    hub_connect::file_destination_contract!(super::file_destination, tempfile::TempDir::new().unwrap());
}

mod http_source_contract {
    hub_connect::http_source_contract!(super::http_source());
}

mod http_destination_contract {
    hub_connect::http_destination_contract!(super::http_destination);
}

mod mllp_source_contract {
    hub_connect::mllp_source_contract!(super::mllp_source());
}

mod mllp_destination_contract {
    hub_connect::mllp_destination_contract!(super::mllp_destination);
}
