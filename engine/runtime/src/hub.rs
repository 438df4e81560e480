//! A running hub: its channels, its dispatchers, and how both stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use hub_core::destination::Destination;
use hub_core::document::Parser;
use hub_core::id::{ChannelId, DestinationId};
use hub_core::registry::{BuildError, Registry, Secrets};
use hub_core::source::{Intake, Source, SourceError};
use hub_formats::FormatError;
use hub_spec::{Channel, Project, Route};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::backlog::{Backlog, LaneKey, Limits};
use crate::dispatch::{Answers, Dispatcher, Health, Wakers};
use crate::house::House;
use crate::intake::ChannelDoor;
use crate::lane::Lane;
use crate::reply::Answerer;
use crate::split::Splitter;
use crate::steps::{Road, Writers};

/// Why a hub could not start. Nothing of it runs then.
#[derive(Debug, Error)]
pub enum StartError {
    /// A source or destination cannot be made of its settings.
    #[error("the channel `{channel}` cannot be built")]
    Build {
        /// The channel.
        channel: ChannelId,
        /// Why.
        #[source]
        source: BuildError,
    },
    /// The channel's format has no parser.
    #[error("the channel `{channel}` cannot be built: {what}")]
    Format {
        /// The channel.
        channel: ChannelId,
        /// What is wrong.
        what: String,
    },
    /// A source cannot take its address.
    #[error("the channel `{channel}` cannot listen")]
    Bind {
        /// The channel.
        channel: ChannelId,
        /// Why.
        #[source]
        source: SourceError,
    },
}

/// A channel that runs.
pub struct RunningChannel {
    /// Its name.
    pub id: ChannelId,
    /// What it is for.
    pub about: String,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// Its messages.
    pub backlog: Arc<Backlog>,
    /// Whether its source runs.
    pub running: Arc<AtomicBool>,
    /// Its steps, as they are now.
    pub road: Arc<Road>,
}

/// A hub that runs.
pub struct Hub {
    /// When it started.
    pub started_at: OffsetDateTime,
    /// Its channels.
    pub channels: Vec<RunningChannel>,
    /// How its destinations stand.
    pub destinations: BTreeMap<DestinationId, Arc<Health>>,
    /// What it was given.
    pub house: House,
    /// Wakes its dispatchers.
    pub wakers: Wakers,
    closed: Arc<AtomicBool>,
    stop_sources: watch::Sender<bool>,
    stop_dispatch: watch::Sender<bool>,
    tasks: tokio::sync::Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    sources: JoinSet<()>,
    lanes: JoinSet<()>,
    refills: JoinSet<()>,
    dispatchers: JoinSet<()>,
}

/// A channel whose parts have been made and whose address is taken, but which does nothing yet.
struct Built {
    channel: Channel,
    source: Box<dyn Source>,
    parser: Arc<dyn Parser>,
    writers: Writers,
    answerer: Option<Arc<Answerer>>,
    address: Option<SocketAddr>,
}

impl Hub {
    /// Builds every channel, takes every address, and only then begins to work: a hub that cannot start whole does not start.
    pub async fn start(
        project: Project,
        registry: &Registry,
        secrets: &dyn Secrets,
        house: House,
    ) -> Result<Arc<Self>, StartError> {
        crate::measure::describe();
        let mut built = Vec::new();
        let mut destinations: Vec<(Route, Arc<dyn Destination>, Option<Answers>)> = Vec::new();
        for channel in project.channels {
            for route in &channel.to {
                let destination = registry
                    .build_destination(&route.connector, route.settings.clone(), secrets)
                    .map_err(|source| StartError::Build { channel: channel.id.clone(), source })?;
                destinations.push((route.clone(), Arc::from(destination), answers(&channel, route, &house)?));
            }
            built.push(build(channel, registry, secrets).await?);
        }
        let wakers = Wakers::new(destinations.iter().map(|(route, ..)| route.id.clone()));
        let (stop_sources, sources_stop) = watch::channel(false);
        let (stop_dispatch, dispatch_stop) = watch::channel(false);
        let closed = Arc::new(AtomicBool::new(false));
        let mut tasks = Tasks::default();
        let mut health = BTreeMap::new();
        for (route, destination, answers) in destinations {
            let state = Arc::new(Health::new(route.circuit));
            health.insert(route.id.clone(), state.clone());
            let dispatcher = Dispatcher {
                id: route.id,
                destination,
                retry: route.retry,
                in_doubt: route.in_doubt,
                answers,
                outbox: house.outbox.clone(),
                clock: house.clock.clone(),
                wakers: wakers.clone(),
                health: state,
            };
            tasks.dispatchers.spawn(dispatcher.run(dispatch_stop.clone()));
        }
        let channels = built
            .into_iter()
            .map(|built| start_channel(built, &house, &wakers, &closed, &sources_stop, &mut tasks))
            .collect();
        Ok(Arc::new(Self {
            started_at: house.clock.now(),
            channels,
            destinations: health,
            house,
            wakers,
            closed,
            stop_sources,
            stop_dispatch,
            tasks: tokio::sync::Mutex::new(tasks),
        }))
    }

    /// Turns true when the hub begins to stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop_sources.subscribe()
    }

    /// Stops in the order of the road: sources first, then what has been acknowledged is worked off, then the dispatchers end what is under
    /// way. Bounded in time; what is left is in the journal and the outbox and goes on at the next start.
    pub async fn stop(&self) {
        self.stop_sources.send_replace(true);
        let mut tasks = self.tasks.lock().await;
        let drain = self.house.sizes.drain;
        let drained = tokio::time::timeout(drain, async {
            while tasks.sources.join_next().await.is_some() {}
            self.closed.store(true, Ordering::Relaxed);
            // What still waits in the journal waits for the next start.
            tasks.refills.shutdown().await;
            while self.channels.iter().any(|channel| channel.backlog.in_flight() > 0) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        });
        if drained.await.is_err() {
            tracing::warn!("Stopping took too long; what is left goes on at the next start.");
        }
        self.closed.store(true, Ordering::Relaxed);
        self.stop_dispatch.send_replace(true);
        let dispatched =
            tokio::time::timeout(drain, async { while tasks.dispatchers.join_next().await.is_some() {} });
        if dispatched.await.is_err() {
            tracing::warn!("Some deliveries did not end in time; they are tried again at the next start.");
        }
        tasks.sources.shutdown().await;
        tasks.lanes.shutdown().await;
        tasks.refills.shutdown().await;
        tasks.dispatchers.shutdown().await;
    }
}

async fn build(channel: Channel, registry: &Registry, secrets: &dyn Secrets) -> Result<Built, StartError> {
    let format =
        |error: FormatError| StartError::Format { channel: channel.id.clone(), what: error.to_string() };
    let parser = crate::steps::parser(&channel).map_err(format)?;
    let writers = crate::steps::writers(&channel).map_err(format)?;
    let answerer = Answerer::of(&channel, &parser).map_err(format)?.map(Arc::new);
    let mut source = registry
        .build_source(&channel.from.connector, channel.from.settings.clone(), secrets)
        .map_err(|source| StartError::Build { channel: channel.id.clone(), source })?;
    let address =
        source.bind().await.map_err(|source| StartError::Bind { channel: channel.id.clone(), source })?;
    Ok(Built { channel, source, parser, writers, answerer, address })
}

/// How the answers of a destination are read, where the channel file says so.
fn answers(channel: &Channel, route: &Route, house: &House) -> Result<Option<Answers>, StartError> {
    let Some(mapping) = &route.answer else { return Ok(None) };
    let parser = hub_formats::parser(mapping.from(), None, mapping.source_layout())
        .map_err(|error| StartError::Format { channel: channel.id.clone(), what: error.to_string() })?;
    Ok(Some(Answers {
        parser: Arc::from(parser),
        mapping: mapping.clone(),
        typed_check: house.typed_check,
        resources: house.resources.clone(),
    }))
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

fn start_channel(
    built: Built,
    house: &House,
    wakers: &Wakers,
    closed: &Arc<AtomicBool>,
    stop: &watch::Receiver<bool>,
    tasks: &mut Tasks,
) -> RunningChannel {
    let Built { channel, source, parser, writers, answerer, address } = built;
    let id = channel.id.clone();
    let about = channel.about.clone();
    let (senders, queues): (Vec<_>, Vec<_>) =
        (0..house.sizes.lanes).map(|_| mpsc::unbounded_channel()).unzip();
    let limits = Limits { messages: house.sizes.backlog_messages, bytes: house.sizes.backlog_bytes };
    let backlog = Backlog::new(id.clone(), limits, lane_key(&channel, &parser), senders);
    let splits = channel.parse.split.clone();
    let (backlog, unsplit) = match splits {
        None => (Arc::new(backlog), None),
        Some(by) => {
            let (sender, queue) = mpsc::unbounded_channel();
            (Arc::new(backlog.splitting(sender)), Some((by, queue)))
        }
    };
    let door = ChannelDoor {
        channel: id.clone(),
        parse: Arc::new(channel.parse.clone()),
        acknowledge: channel.from.acknowledge,
        backlog: backlog.clone(),
        house: house.clone(),
        closed: closed.clone(),
        answerer,
    };
    let road = Arc::new(Road { channel, parser, writers, typed_check: house.typed_check });
    if let Some((by, queue)) = unsplit {
        let splitter = Splitter { road: road.clone(), by, backlog: backlog.clone(), house: house.clone() };
        tasks.lanes.spawn(splitter.run(queue));
    }
    for queue in queues {
        let lane = Lane {
            road: road.clone(),
            backlog: backlog.clone(),
            house: house.clone(),
            wakers: wakers.clone(),
        };
        tasks.lanes.spawn(lane.run(queue));
    }
    let (refilled, journal) = (backlog.clone(), house.journal.clone());
    tasks.refills.spawn(async move { refilled.refill(&*journal).await });
    let running = Arc::new(AtomicBool::new(true));
    let (flag, name, stop) = (running.clone(), id.clone(), stop.clone());
    tasks.sources.spawn(async move {
        let run = AssertUnwindSafe(source.run(Intake::new(Arc::new(door)), stop)).catch_unwind();
        match run.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(channel = %name, error = &error as &dyn std::error::Error, "A source has stopped; its channel receives nothing.");
            }
            Err(_) => {
                tracing::error!(channel = %name, "A source has broken off by a fault of the program; its channel receives nothing.");
            }
        }
        flag.store(false, Ordering::Relaxed);
    });
    tracing::info!(channel = %id, address = address.map(tracing::field::display), "A channel has started.");
    RunningChannel { id, about, address, backlog, running, road }
}
