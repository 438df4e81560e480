//! A hub over a store in memory gets other channels: whole, or everything goes on as before.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::id::Digest;
use hub_core::operations::ChannelChange;
use hub_core::registry::{BuildError, Registry, Secrets, SourceKind};
use hub_core::source::{Intake, Receipt, Source, SourceError};
use hub_runtime::house::{House, Sizes};
use hub_runtime::hub::Hub;
use hub_spec::{Channel, Project};
use tokio::sync::watch;

use crate::memory::{Fail, Memory};
use crate::shelf::Shelf;
use crate::ward::{TestClock, channel, inbound};

/// The doors of the sources that run, by their names.
static DOORS: LazyLock<Mutex<HashMap<String, Intake>>> = LazyLock::new(Mutex::default);

/// A source that hands its door to the test. Its settings are its name, and whatever else.
struct Held(String);

impl SourceKind for Held {
    const TYPE: &'static str = "test";
    const FORMAT: Option<&'static str> = None;
    type Config = HashMap<String, String>;

    fn build(config: Self::Config, _secrets: &dyn Secrets) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(Self(config["name"].clone())))
    }

    fn listens(_config: &Self::Config) -> Vec<String> {
        Vec::new()
    }
}

#[async_trait]
impl Source for Held {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        Ok(None)
    }

    async fn run(
        self: Box<Self>,
        intake: Intake,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), SourceError> {
        DOORS.lock().unwrap().insert(self.0.clone(), intake);
        let _told = stop.wait_for(|stop| *stop).await;
        DOORS.lock().unwrap().remove(&self.0);
        Ok(())
    }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        Err(BuildError::Secret { name: name.to_owned() })
    }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.source::<Held>();
    registry
}

/// One channel: its source's name, what else its source is told, and what it is about, which only its steps know.
fn project(name: &str, told: &str, about: &str) -> Project {
    let mut settings = toml::Table::new();
    settings.insert("name".into(), name.into());
    settings.insert("told".into(), told.into());
    let mut channel: Channel = channel();
    channel.from.settings = settings;
    channel.about = about.into();
    channel.digest = Digest::of(format!("{told}{about}").as_bytes());
    Project { root: "/".into(), channels: vec![channel], warnings: Vec::new() }
}

async fn hub(memory: &Arc<Memory>, project: Project) -> Arc<Hub> {
    let house = House {
        attachments: None,
        cluster: Arc::new(hub_core::cluster::Alone::default()),
        deaths: None,
        journal: memory.clone(),
        resources: memory.clone(),
        outbox: Arc::new(Shelf::default()),
        clock: TestClock::new(),
        typed_check: None,
        sizes: Sizes { lanes: 2, backlog_messages: 2, drain: Duration::from_secs(2), ..Sizes::default() },
    };
    Hub::start(project, &registry(), &NoSecrets, house).await.unwrap()
}

/// Sends one message through the door of this source, which is there sooner or later.
async fn send(source: &str, number: usize) {
    for _ in 0..1_000 {
        let door = DOORS.lock().unwrap().get(source).cloned();
        if let Some(door) = door {
            assert!(matches!(door.accept(inbound(1, number)).await, Receipt::Accepted(_)));
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no source named `{source}` runs");
}

/// Deploys; says why it could not.
async fn deploy(hub: &Hub, project: Project) -> (Vec<ChannelChange>, Result<(), String>) {
    let prepared = hub.prepare(project, &registry(), &NoSecrets).await.unwrap();
    let changes = prepared.channels().into_iter().map(|(_, change)| change).collect();
    let applied = hub.apply(prepared, false).await;
    (changes, applied.map_err(|error| error.to_string()))
}

fn about(hub: &Hub) -> String {
    hub.channels()[0].about()
}

#[tokio::test(start_paused = true)]
async fn steps_change_under_the_same_source_and_a_source_for_itself() {
    let memory = Memory::new(7);
    let hub = hub(&memory, project("changes", "a", "first")).await;
    send("changes", 1).await;
    let (changes, applied) = deploy(&hub, project("changes", "a", "second")).await;
    assert_eq!((changes, applied), (vec![ChannelChange::Mended], Ok(())));
    assert_eq!(about(&hub), "second");
    send("changes", 2).await;
    let (changes, applied) = deploy(&hub, project("changes", "b", "second")).await;
    assert_eq!((changes, applied), (vec![ChannelChange::Replaced], Ok(())));
    send("changes", 3).await;
    let (changes, _) = deploy(&hub, project("changes", "b", "second")).await;
    assert_eq!(changes, []);
    memory.settled().await;
    assert_eq!(memory.state().applied.len(), 3);
    hub.stop().await;
    assert!(!DOORS.lock().unwrap().contains_key("changes"));
    let late = hub.prepare(project("changes", "c", "late"), &registry(), &NoSecrets).await;
    assert!(late.is_err(), "a hub that has stopped is not deployed into");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_makes_it_fail_and_everything_goes_on_as_before() {
    for (name, told) in [("stuck-steps", "a"), ("stuck-source", "b")] {
        let memory = Memory::new(7);
        let hub = hub(&memory, project(name, "a", "first")).await;
        // The store does not answer: messages stay in their lane, and more wait in the journal.
        memory.state().fails.extend([Some(Fail::Unavailable); 10_000]);
        for number in 0..8 {
            send(name, number).await;
        }
        let (_, applied) = deploy(&hub, project(name, told, "second")).await;
        let why = applied.unwrap_err();
        assert!(why.contains("was not worked off within 2 s") && !why.contains("not put back"), "{why}");
        assert_eq!(about(&hub), "first");
        memory.state().fails.clear();
        memory.settled().await;
        send(name, 8).await;
        memory.settled().await;
        assert_eq!(memory.state().applied.len(), 9, "{name}");
        // And the same files are deployed when the store is well again.
        assert_eq!(deploy(&hub, project(name, told, "second")).await.1, Ok(()), "{name}");
        assert_eq!(about(&hub), "second");
        send(name, 9).await;
        memory.settled().await;
        hub.stop().await;
    }
}
