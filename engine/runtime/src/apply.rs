//! Puts another project in the place of what runs: whole, or everything is put back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hub_core::id::{ChannelId, DestinationId};
use hub_core::operations::DestinationChange;
use hub_core::source::{Source, SourceError};
use hub_core::store::{StateName, StoreError};
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

use crate::channel::{Made, RunningChannel};
use crate::crash;
use crate::deploy::{Leaving, Prepared, StillOwed};
use crate::destination::MadeDestination;
use crate::hub::{Hub, StartError};
use crate::measure;

/// How long waiting for something in the store pauses between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// How long waiting for an address pauses between two tries. A sender that connects meanwhile is refused: it is short.
const BIND_PAUSE: Duration = Duration::from_millis(1);
/// A hub that need not wait when it stops waits all the same when it goes on.
const LEAST_DRAIN: Duration = Duration::from_secs(1);
/// How long an address that was given up is tried to be had again.
const BACK_AGAIN: Duration = Duration::from_secs(5);

/// Why a deployment failed. Everything has been put back, but for what `not_put_back` says.
#[derive(Debug, Error)]
#[error("{why}{}", told(.not_put_back))]
pub struct ApplyError {
    why: Why,
    not_put_back: Vec<String>,
}

fn told(not_put_back: &[String]) -> String {
    not_put_back.iter().map(|what| format!("; not put back: {what}")).collect()
}

#[derive(Debug, Error)]
enum Why {
    #[error("{0}")]
    Start(String),
    #[error("what the channels hold was not worked off within {0} s (`work.drain_secs`)")]
    NotDrained(u64),
    #[error("{0} messages of the channel `{1}` still wait to be worked off")]
    Waiting(u64, ChannelId),
    #[error("parcels are still owed to destinations that are no more: {0}")]
    Owed(String),
    #[error("the store does not answer: {0}")]
    Store(#[from] StoreError),
}

impl Hub {
    /// Runs what was prepared. Channels that are not in it are not touched.
    ///
    /// Every address that is free is taken first. Then the channels that change hold still: what they have begun is worked off by the
    /// steps of before, and nothing is begun by those to come. Only then are they changed, at which nothing can fail any more.
    pub async fn apply(&self, mut prepared: Prepared, abandon: bool) -> Result<(), ApplyError> {
        let waiting = match self.bind_free(&mut prepared).await {
            Ok(waiting) => waiting,
            Err(error) => return Err(ApplyError { why: start(&error), not_put_back: Vec::new() }),
        };
        match self.hold_still(&mut prepared, waiting, abandon).await {
            Ok(()) => {
                crash::place("deployment-held");
                self.change(prepared).await;
                crash::place("deployment-changed");
                Ok(())
            }
            Err(why) => Err(ApplyError { why, not_put_back: self.put_back(prepared).await }),
        }
    }

    /// Takes the addresses that are free; answers with the channels whose address a channel that stops still has.
    async fn bind_free(&self, prepared: &mut Prepared) -> Result<Vec<ChannelId>, StartError> {
        let leaving = prepared.replaced.iter().map(|(old, _)| old).chain(&prepared.removed);
        let ports: Vec<u16> = leaving.filter_map(|old| old.channel.address()).map(|at| at.port()).collect();
        let mut waiting = Vec::new();
        let replacing = prepared.replaced.iter_mut().map(|(_, made)| made);
        for made in replacing.chain(&mut prepared.added) {
            match made.bind().await {
                Ok(()) => {}
                Err(error) if is_taken_by(&error, &ports) => waiting.push(made.id().clone()),
                Err(source) => return Err(StartError::Bind { channel: made.id().clone(), source }),
            }
        }
        Ok(waiting)
    }

    /// Stops the sources that are to stop, takes their addresses for those that come, and waits until nothing is under way.
    async fn hold_still(
        &self,
        prepared: &mut Prepared,
        waiting: Vec<ChannelId>,
        abandon: bool,
    ) -> Result<(), Why> {
        let drain = self.house.sizes.drain.max(LEAST_DRAIN);
        let deadline = Instant::now() + drain;
        let late = |_| Why::NotDrained(drain.as_secs());
        let Prepared { added, mended, replaced, removed, removed_destinations, .. } = prepared;
        let mended: Vec<Arc<RunningChannel>> = mended.iter().map(|(channel, _)| channel.clone()).collect();
        let leaving: Vec<Arc<RunningChannel>> = replaced.iter().map(|(old, _)| old.channel.clone()).collect();
        let removed: Vec<Arc<RunningChannel>> = removed.iter().map(|old| old.channel.clone()).collect();
        let stopping: Vec<Arc<RunningChannel>> = leaving.iter().chain(&removed).cloned().collect();
        let stopped = timeout_at(deadline, async {
            for group in self.stop_order(&stopping) {
                for channel in &group {
                    channel.stop_source().await;
                }
                for channel in &group {
                    channel.source_ended().await;
                }
            }
        });
        let coming = replaced.iter_mut().map(|(_, made)| made).chain(added);
        let coming: Vec<&mut Made> = coming.filter(|made| waiting.contains(made.id())).collect();
        // The addresses are free as soon as the sources listen no longer, while they still answer what they have begun.
        let (stopped, bound) = tokio::join!(stopped, bind_until(coming, deadline));
        stopped.map_err(late)?;
        bound.map_err(|error| start(&error))?;

        let held = timeout_at(deadline, async {
            mended.iter().for_each(|channel| channel.backlog.pause());
            for channel in &leaving {
                channel.stop_reading_back().await;
                channel.backlog.empty().await;
            }
            for channel in &mended {
                channel.backlog.quiet().await;
            }
        });
        held.await.map_err(late)?;
        for channel in &removed {
            self.work_off(channel, deadline, abandon).await?;
        }
        self.pay_off(removed_destinations, deadline, abandon).await
    }

    /// A channel that goes works off what the journal holds of it.
    async fn work_off(&self, channel: &RunningChannel, deadline: Instant, abandon: bool) -> Result<(), Why> {
        if abandon {
            channel.stop_reading_back().await;
        }
        loop {
            let tallies = self.house.journal.tally().await?;
            let received = tallies.iter().find(|tally| {
                tally.channel == channel.id && tally.state == StateName::Received && tally.count > 0
            });
            let waiting = received.map_or(0, |tally| tally.count);
            let is_idle = channel.backlog.in_flight() == 0;
            if is_idle && (waiting == 0 || abandon) {
                break;
            }
            if Instant::now() >= deadline {
                return Err(Why::Waiting(waiting, channel.id.clone()));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        channel.stop_reading_back().await;
        Ok(())
    }

    /// Destinations that go are sent what they are owed.
    async fn pay_off(&self, to: &[DestinationId], deadline: Instant, abandon: bool) -> Result<(), Why> {
        if abandon {
            return Ok(());
        }
        loop {
            let owed = self.owed(to).await?;
            if owed.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let told: Vec<String> = owed.iter().map(StillOwed::to_string).collect();
                return Err(Why::Owed(told.join("; ")));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Nothing in here can fail.
    async fn change(&self, prepared: Prepared) {
        let Prepared { added, mended, replaced, removed, new_destinations, removed_destinations, .. } =
            prepared;
        self.wakers.add(new_destinations.iter().map(|(made, _)| made.route.id.clone()));
        for (channel, Made { road, answerer, .. }) in mended {
            channel.road.put(road);
            channel.answerer.put(answerer);
            channel.backlog.resume();
            tracing::info!(channel = %channel.id, "A channel has been changed; its connections stay.");
        }
        for old in removed {
            self.forget_channel(&old.channel.id);
            old.channel.end().await;
            measure::forget_channel(&old.channel.id);
            tracing::info!(channel = %old.channel.id, "A channel has been taken away.");
        }
        let mut starting = added;
        for (old, made) in replaced {
            old.channel.end().await;
            starting.push(made);
        }
        self.start_channels(starting);
        self.change_destinations(new_destinations, removed_destinations).await;
    }

    async fn change_destinations(
        &self,
        new: Vec<(MadeDestination, DestinationChange)>,
        removed: Vec<DestinationId>,
    ) {
        let running = self.destinations();
        let leaving: Vec<_> = new
            .iter()
            .map(|(made, _)| &made.route.id)
            .chain(&removed)
            .filter_map(|id| running.get(id))
            .collect();
        leaving.iter().for_each(|destination| destination.stop());
        let ended = timeout(self.house.sizes.drain, async {
            for destination in &leaving {
                destination.ended().await;
            }
        });
        if ended.await.is_err() {
            tracing::warn!("A delivery takes long; it goes on with the settings of before.");
        }
        for id in &removed {
            self.forget_destination(id);
            measure::forget_destination(id);
            tracing::info!(destination = %id, "A destination has been taken away.");
        }
        self.start_destinations(new.into_iter().map(|(made, _)| made).collect());
    }

    /// Everything runs as before. Answers with what does not.
    async fn put_back(&self, prepared: Prepared) -> Vec<String> {
        let Prepared { added, mended, replaced, removed, .. } = prepared;
        // The addresses that were taken are free again.
        drop(added);
        let leaving: Vec<Leaving> = replaced.into_iter().map(|(old, _taken)| old).chain(removed).collect();
        for (channel, _) in mended {
            channel.backlog.resume();
        }
        let mut lost = Vec::new();
        for Leaving { channel, mut spare } in leaving {
            match bind_again(&mut spare).await {
                Ok(address) => channel.restart(spare, address).await,
                Err(source) => {
                    let error = StartError::Bind { channel: channel.id.clone(), source };
                    tracing::error!(channel = %channel.id, error = &error as &dyn std::error::Error, "A channel could not be put back; it receives nothing.");
                    lost.push(chain(&error));
                }
            }
        }
        lost
    }
}

/// Takes each address as soon as it is free.
async fn bind_until(coming: Vec<&mut Made>, deadline: Instant) -> Result<(), StartError> {
    for made in coming {
        loop {
            match made.bind().await {
                Ok(()) => break,
                Err(SourceError::Listen { source, .. })
                    if source.kind() == std::io::ErrorKind::AddrInUse && Instant::now() < deadline =>
                {
                    tokio::time::sleep(BIND_PAUSE).await;
                }
                Err(source) => return Err(StartError::Bind { channel: made.id().clone(), source }),
            }
        }
    }
    Ok(())
}

async fn bind_again(source: &mut Box<dyn Source>) -> Result<Option<SocketAddr>, SourceError> {
    let deadline = Instant::now() + BACK_AGAIN;
    loop {
        match source.bind().await {
            Err(SourceError::Listen { source, .. })
                if source.kind() == std::io::ErrorKind::AddrInUse && Instant::now() < deadline =>
            {
                tokio::time::sleep(BIND_PAUSE).await;
            }
            bound => return bound,
        }
    }
}

/// Whether an address cannot be had because something listens on one of these ports.
fn is_taken_by(error: &SourceError, ports: &[u16]) -> bool {
    let SourceError::Listen { address, source } = error else { return false };
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    source.kind() == std::io::ErrorKind::AddrInUse && port.is_some_and(|port| ports.contains(&port))
}

fn start(error: &StartError) -> Why {
    Why::Start(chain(error))
}

/// An error with its causes, in one line.
fn chain(error: &StartError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
