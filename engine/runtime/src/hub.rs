//! A running hub: its channels, its destinations, and how both start and stop.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hub_core::id::{ChannelId, DestinationId};
use hub_core::registry::{BuildError, Registry, Secrets};
use hub_core::source::SourceError;
use hub_spec::{Channel, Project, Start};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::channel::{Gate, Made, RunningChannel};
use crate::destination::{MadeDestination, RunningDestination};
use crate::dispatch::Wakers;
use crate::house::House;
use crate::order::groups;
use crate::shares::Turns;

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

/// A hub that runs.
pub struct Hub {
    /// When it started.
    pub started_at: OffsetDateTime,
    /// What it was given.
    pub house: House,
    /// Wakes its dispatchers.
    pub wakers: Wakers,
    channels: RwLock<Vec<Arc<RunningChannel>>>,
    destinations: RwLock<BTreeMap<DestinationId, Arc<RunningDestination>>>,
    /// This node's turns to do the jobs of the clock.
    pub job_turns: Arc<Turns>,
    stopping: watch::Sender<bool>,
    /// Watches how the leftovers of the last run are worked off.
    recovery: Mutex<Option<JoinHandle<()>>>,
    /// Held by whoever changes what runs, one at a time; true when the hub has stopped.
    pub(crate) changing: Arc<tokio::sync::Mutex<bool>>,
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
        let mut channels = Vec::new();
        let mut destinations = Vec::new();
        for channel in project.channels {
            for route in &channel.to {
                destinations.push(MadeDestination::of(&channel, route, registry, secrets, &house)?);
            }
            let mut made = Made::of(channel, registry, secrets, &house)?;
            let bound = made.bind().await;
            bound.map_err(|source| StartError::Bind { channel: made.id().clone(), source })?;
            channels.push(made);
        }
        let cluster = house.cluster.clone();
        let hub = Self {
            started_at: house.clock.now(),
            house,
            wakers: Wakers::new(destinations.iter().map(|made| made.route.id.clone())).telling(cluster),
            channels: RwLock::default(),
            destinations: RwLock::default(),
            job_turns: Arc::default(),
            stopping: watch::Sender::new(false),
            recovery: Mutex::default(),
            changing: Arc::default(),
        };
        hub.start_destinations(destinations);
        hub.start_channels(channels);
        let hub = Arc::new(hub);
        hub.keep_shares();
        if let Some(deaths) = hub.house.deaths.clone() {
            let backlogs = hub.channels().iter().map(|channel| channel.backlog.clone()).collect();
            *hub.recovery.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(tokio::spawn(deaths.recover(backlogs, hub.house.journal.clone())));
        }
        Ok(hub)
    }

    /// Turns true when the hub begins to stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Its channels, by name.
    pub fn channels(&self) -> Vec<Arc<RunningChannel>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The channel of this name.
    pub fn channel(&self, id: &ChannelId) -> Option<Arc<RunningChannel>> {
        self.channels().into_iter().find(|channel| channel.id == *id)
    }

    /// Its destinations.
    pub fn destinations(&self) -> BTreeMap<DestinationId, Arc<RunningDestination>> {
        self.destinations.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts to send to destinations. One that was sent to already is replaced.
    pub(crate) fn start_destinations(&self, made: Vec<MadeDestination>) {
        self.wakers.add(made.iter().map(|made| made.route.id.clone()));
        for made in made {
            let id = made.route.id.clone();
            let running = RunningDestination::start(made, &self.house, &self.wakers);
            self.destinations.write().unwrap_or_else(PoisonError::into_inner).insert(id, running);
        }
        self.offer();
    }

    /// Forgets a destination.
    pub(crate) fn forget_destination(&self, id: &DestinationId) {
        self.wakers.remove(id);
        self.destinations.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.offer();
    }

    /// Starts channels that have been bound, each after those that it waits for. One that runs already is replaced.
    pub(crate) fn start_channels(&self, made: Vec<Made>) {
        let order = groups(&made.iter().map(|made| (made.id().clone(), start(made).after.clone())).collect());
        let mut made: BTreeMap<ChannelId, Made> =
            made.into_iter().map(|made| (made.id().clone(), made)).collect();
        for id in order.iter().flatten() {
            let Some(made) = made.remove(id) else { continue };
            let Start { after, when } = start(&made);
            let gates: Vec<Gate> =
                after.iter().filter_map(|first| self.channel(first)).map(|first| (first, *when)).collect();
            let running = RunningChannel::start(made, &self.house, &self.wakers, gates);
            let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
            channels.retain(|channel| channel.id != running.id);
            channels.push(running);
            channels.sort_by(|a, b| a.id.cmp(&b.id));
        }
        self.offer();
    }

    /// Forgets a channel.
    pub(crate) fn forget_channel(&self, id: &ChannelId) {
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|channel| channel.id != *id);
        drop(channels);
        self.offer();
    }

    /// Those of these channels in groups: the first are stopped first, as no other starts after them.
    pub(crate) fn stop_order(&self, stopping: &[Arc<RunningChannel>]) -> Vec<Vec<Arc<RunningChannel>>> {
        let after = |channel: &Arc<RunningChannel>| channel.road.get().channel.start.after.clone();
        // The order goes by all: one that stays may stand between two that stop.
        let all = self.channels().iter().map(|channel| (channel.id.clone(), after(channel))).collect();
        let group = |ids: Vec<ChannelId>| -> Vec<Arc<RunningChannel>> {
            stopping.iter().filter(|channel| ids.contains(&channel.id)).cloned().collect()
        };
        groups(&all).into_iter().rev().map(group).filter(|group| !group.is_empty()).collect()
    }

    /// Stops in the order of the road: sources first, then what has been acknowledged is worked off, then the dispatchers end what is under
    /// way. Channels that start after others stop before them. Bounded in time; what is left is in the journal and the outbox and
    /// goes on at the next start.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        let drain = self.house.sizes.drain;
        let mut stopped = match tokio::time::timeout(drain, self.changing.lock()).await {
            Ok(changing) => Some(changing),
            Err(_) => {
                tracing::warn!("A deployment did not end in time; the next start reads the folder.");
                None
            }
        };
        let channels = self.channels();
        let deadline = Instant::now() + drain;
        let drained = timeout_at(deadline, async {
            for group in self.stop_order(&channels) {
                for channel in &group {
                    channel.stop_source().await;
                }
                for channel in &group {
                    channel.source_ended().await;
                    // What still waits in the journal waits for the next start.
                    channel.stop_reading_back().await;
                }
                for channel in &group {
                    channel.backlog.empty().await;
                    tracing::info!(channel = %channel.id, "A channel has stopped.");
                }
            }
        });
        if drained.await.is_err() {
            tracing::warn!("Stopping took too long; what is left goes on at the next start.");
        }
        for channel in &channels {
            channel.close().await;
        }
        self.stop_destinations(drain).await;
        if let Some(recovery) = self.recovery.lock().unwrap_or_else(PoisonError::into_inner).take() {
            recovery.abort();
        }
        if let Some(deaths) = &self.house.deaths {
            deaths.recovered();
        }
        for channel in &channels {
            channel.end().await;
        }
        if let Some(stopped) = &mut stopped {
            **stopped = true;
        }
    }

    async fn stop_destinations(&self, drain: Duration) {
        let destinations = self.destinations();
        destinations.values().for_each(|destination| destination.stop());
        let ended = tokio::time::timeout(drain, async {
            for destination in destinations.values() {
                destination.ended().await;
            }
        });
        if ended.await.is_err() {
            tracing::warn!("Some deliveries did not end in time; they are tried again at the next start.");
        }
        for destination in destinations.values() {
            destination.end().await;
        }
    }
}

fn start(made: &Made) -> &Start {
    let Channel { start, .. } = &made.road.channel;
    start
}
