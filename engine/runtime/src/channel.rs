//! A running channel: what it is made of, how it starts, how it stops.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use hub_core::document::Parser;
use hub_core::id::{ChannelId, Digest};
use hub_core::registry::{BuildError, Registry, Secrets};
use hub_core::source::{Intake, Source, SourceError};
use hub_formats::FormatError;
use hub_spec::{Channel, StartWhen};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::backlog::{Backlog, LaneKey, Limits};
use crate::dispatch::Wakers;
use crate::house::House;
use crate::hub::StartError;
use crate::intake::ChannelDoor;
use crate::lane::Lane;
use crate::now::Now;
use crate::reply::Answerer;
use crate::split::Splitter;
use crate::steps::Road;

/// The secrets that a connector has asked for, by name: what they are is not kept, only told apart.
pub(crate) type Seen = BTreeMap<String, Digest>;

/// Secrets, and which of them were asked for.
pub(crate) struct Watched<'a> {
    secrets: &'a dyn Secrets,
    seen: Mutex<Seen>,
}

impl<'a> Watched<'a> {
    pub fn of(secrets: &'a dyn Secrets) -> Self {
        Self { secrets, seen: Mutex::default() }
    }

    pub fn seen(self) -> Seen {
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Secrets for Watched<'_> {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        let secret = self.secrets.get(name)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(name.to_owned(), Digest::of(secret.as_bytes()));
        Ok(secret)
    }

    fn place(&self, name: &str) -> Option<String> {
        self.secrets.place(name)
    }
}

/// A channel whose parts have been made. Nothing outside is touched yet.
pub(crate) struct Made {
    pub road: Road,
    pub answerer: Option<Answerer>,
    pub source: Box<dyn Source>,
    pub secrets: Seen,
    /// Where it listens, once it is bound.
    pub address: Option<SocketAddr>,
}

impl Made {
    /// Makes the parts of a channel.
    pub fn of(
        channel: Channel,
        registry: &Registry,
        secrets: &dyn Secrets,
        house: &House,
    ) -> Result<Self, StartError> {
        let format =
            |error: FormatError| StartError::Format { channel: channel.id.clone(), what: error.to_string() };
        let parser = crate::steps::parser(&channel).map_err(format)?;
        let writers = crate::steps::writers(&channel).map_err(format)?;
        let answerer = Answerer::of(&channel, &parser).map_err(format)?;
        let (source, secrets) = source(&channel, registry, secrets)?;
        let road = Road { channel, parser, writers, typed_check: house.typed_check };
        Ok(Self { road, answerer, source, secrets, address: None })
    }

    /// Takes the address that it will listen on.
    pub async fn bind(&mut self) -> Result<(), SourceError> {
        self.address = self.source.bind().await?;
        Ok(())
    }

    pub fn id(&self) -> &ChannelId {
        &self.road.channel.id
    }
}

/// The source of a channel, not bound, and the secrets that it was made with.
pub(crate) fn source(
    channel: &Channel,
    registry: &Registry,
    secrets: &dyn Secrets,
) -> Result<(Box<dyn Source>, Seen), StartError> {
    let watched = Watched::of(secrets);
    let from = &channel.from;
    let source = registry
        .build_source(&from.connector, from.settings.clone(), &watched)
        .map_err(|source| StartError::Build { channel: channel.id.clone(), source })?;
    Ok((source, watched.seen()))
}

/// A channel that runs.
pub struct RunningChannel {
    /// Its name.
    pub id: ChannelId,
    /// Its messages.
    pub backlog: Arc<Backlog>,
    pub(crate) road: Now<Road>,
    pub(crate) answerer: Now<Option<Answerer>>,
    /// The secrets its source was made with.
    pub(crate) secrets: Seen,
    door: ChannelDoor,
    house: House,
    running: Arc<AtomicBool>,
    address: Mutex<Option<SocketAddr>>,
    /// What it waits for before it starts; empty when it has.
    waits_for: Arc<Mutex<Vec<ChannelId>>>,
    started: watch::Sender<bool>,
    source: tokio::sync::Mutex<RunningSource>,
    lanes: tokio::sync::Mutex<JoinSet<()>>,
    refill: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

struct RunningSource {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// A channel that another one starts after, and how far it must have come.
pub(crate) type Gate = (Arc<RunningChannel>, StartWhen);

impl RunningChannel {
    /// Starts a channel that has been bound, when those it waits for have come far enough.
    pub(crate) fn start(made: Made, house: &House, wakers: &Wakers, gates: Vec<Gate>) -> Arc<Self> {
        let Made { road, answerer, source, secrets, address } = made;
        let (senders, queues): (Vec<_>, Vec<_>) =
            (0..house.sizes.lanes).map(|_| mpsc::unbounded_channel()).unzip();
        let limits = Limits { messages: house.sizes.backlog_messages, bytes: house.sizes.backlog_bytes };
        let channel = &road.channel;
        let (id, parse) = (channel.id.clone(), channel.parse.clone());
        let acknowledge = channel.from.acknowledge;
        let backlog = Backlog::new(id.clone(), limits, lane_key(channel, &road.parser), senders);
        let (backlog, unsplit) = match parse.split.clone() {
            None => (Arc::new(backlog), None),
            Some(by) => {
                let (sender, queue) = mpsc::unbounded_channel();
                (Arc::new(backlog.splitting(sender)), Some((by, queue)))
            }
        };
        let (road, answerer) = (Now::new(road), Now::new(answerer));
        let door = ChannelDoor {
            channel: id.clone(),
            parse: Arc::new(parse),
            acknowledge,
            backlog: backlog.clone(),
            house: house.clone(),
            closed: Arc::new(AtomicBool::new(false)),
            answerer: answerer.clone(),
        };
        let mut lanes = JoinSet::new();
        if let Some((by, queue)) = unsplit {
            let (road, backlog, house) = (road.clone(), backlog.clone(), house.clone());
            lanes.spawn(Splitter { road, by, backlog, house }.run(queue));
        }
        for queue in queues {
            let (road, backlog, house) = (road.clone(), backlog.clone(), house.clone());
            lanes.spawn(Lane { road, backlog, house, wakers: wakers.clone() }.run(queue));
        }
        let waits_for = gates.iter().map(|(first, _)| first.id.clone()).collect();
        let this = Arc::new(Self {
            id,
            backlog,
            road,
            answerer,
            secrets,
            door,
            house: house.clone(),
            running: Arc::new(AtomicBool::new(gates.is_empty())),
            address: Mutex::new(address),
            waits_for: Arc::new(Mutex::new(waits_for)),
            started: watch::Sender::new(gates.is_empty()),
            source: tokio::sync::Mutex::new(RunningSource { stop: watch::Sender::new(false), task: None }),
            lanes: tokio::sync::Mutex::new(lanes),
            refill: tokio::sync::Mutex::new(None),
        });
        let (stop, task) = this.spawn_source(source, gates);
        // Nobody else knows the channel yet.
        if let (Ok(mut running), Ok(mut refill)) = (this.source.try_lock(), this.refill.try_lock()) {
            *running = RunningSource { stop, task: Some(task) };
            *refill = Some(this.spawn_refill());
        }
        this
    }

    fn spawn_source(
        &self,
        source: Box<dyn Source>,
        gates: Vec<Gate>,
    ) -> (watch::Sender<bool>, JoinHandle<()>) {
        let (stop, mut stopped) = watch::channel(false);
        let (name, door, address) = (self.id.clone(), self.door.clone(), self.address());
        let (running, started, waits_for) =
            (self.running.clone(), self.started.clone(), self.waits_for.clone());
        let task = tokio::spawn(async move {
            for (first, when) in gates {
                tokio::select! {
                    _told = stopped.wait_for(|stop| *stop) => return,
                    () = first.has_come(when) => {}
                }
                locked(&waits_for).retain(|id| *id != first.id);
                tracing::info!(channel = %name, after = %first.id, "A channel waits for another one no longer.");
            }
            running.store(true, Ordering::Relaxed);
            started.send_replace(true);
            tracing::info!(channel = %name, address = address.map(tracing::field::display), "A channel has started.");
            let run = AssertUnwindSafe(source.run(Intake::new(Arc::new(door)), stopped)).catch_unwind();
            match run.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(channel = %name, error = &error as &dyn std::error::Error, "A source has stopped; its channel receives nothing.");
                }
                Err(_) => {
                    tracing::error!(channel = %name, "A source has broken off by a fault of the program; its channel receives nothing.");
                }
            }
            running.store(false, Ordering::Relaxed);
        });
        (stop, task)
    }

    /// Reads back what the journal holds, from when the channel has started.
    fn spawn_refill(&self) -> JoinHandle<()> {
        let (backlog, journal) = (self.backlog.clone(), self.house.journal.clone());
        let mut started = self.started.subscribe();
        tokio::spawn(async move {
            if started.wait_for(|started| *started).await.is_ok() {
                backlog.refill(&*journal).await;
            }
        })
    }

    /// Waits until the channel has come so far.
    async fn has_come(&self, when: StartWhen) {
        let mut started = self.started.subscribe();
        // The sender lives as long as the channel does.
        let _never_gone = started.wait_for(|started| *started).await.is_ok();
        if when == StartWhen::CaughtUp {
            self.backlog.caught_up().await;
        }
    }

    /// What it is for.
    pub fn about(&self) -> String {
        self.road.get().channel.about.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        *locked(&self.address)
    }

    /// Whether its source runs.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// The channels that it waits for before it starts.
    pub fn waits_for(&self) -> Vec<ChannelId> {
        locked(&self.waits_for).clone()
    }

    /// Tells the source to stop: it listens no longer. What it has begun it ends; [`RunningChannel::source_ended`] waits for that.
    pub(crate) async fn stop_source(&self) {
        self.source.lock().await.stop.send_replace(true);
    }

    /// Waits until a source that was told to stop has ended; from then on nothing is taken.
    pub(crate) async fn source_ended(&self) {
        let mut source = self.source.lock().await;
        if let Some(task) = &mut source.task {
            // How it ended has been told.
            let _ended = task.await;
            source.task = None;
        }
        self.door.closed.store(true, Ordering::Relaxed);
    }

    /// Nothing more is read back from the journal: what waits there waits for whoever comes after.
    pub(crate) async fn stop_reading_back(&self) {
        let mut refill = self.refill.lock().await;
        if let Some(task) = refill.take() {
            task.abort();
            let _ended = task.await;
        }
    }

    /// Works again, after its source was stopped, with a source that has been bound anew.
    pub(crate) async fn restart(&self, source: Box<dyn Source>, address: Option<SocketAddr>) {
        *locked(&self.address) = address;
        self.door.closed.store(false, Ordering::Relaxed);
        let mut refill = self.refill.lock().await;
        if refill.is_none() {
            *refill = Some(self.spawn_refill());
        }
        let (stop, task) = self.spawn_source(source, Vec::new());
        *self.source.lock().await = RunningSource { stop, task: Some(task) };
        self.backlog.resume();
    }

    /// Takes nothing more, whatever its source does.
    pub(crate) async fn close(&self) {
        self.stop_source().await;
        self.door.closed.store(true, Ordering::Relaxed);
    }

    /// Ends whatever still runs of it, where it is.
    pub(crate) async fn end(&self) {
        self.door.closed.store(true, Ordering::Relaxed);
        let task = self.source.lock().await.task.take();
        if let Some(task) = task {
            task.abort();
            let _ended = task.await;
        }
        self.stop_reading_back().await;
        self.lanes.lock().await.shutdown().await;
    }
}

/// The key that decides on a message's lane. Without `lane_by` the channel has one lane.
fn lane_key(channel: &Channel, parser: &Arc<dyn Parser>) -> LaneKey {
    match channel.from.lane_by.clone() {
        None => Box::new(|_| Some(String::new())),
        Some(path) => {
            let parser = parser.clone();
            Box::new(move |bytes| parser.peek(bytes, &path))
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
