//! What a deployment would change: files that have been read and found right are compared with what runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use hub_core::id::{ChannelId, DestinationId};
use hub_core::operations::{ChannelChange, DestinationChange};
use hub_core::registry::{Registry, Secrets};
use hub_core::source::Source;
use hub_core::store::{ParcelState, QueueDepth, StoreError};
use hub_spec::{Channel, Project};
use thiserror::Error;
use tokio::sync::OwnedMutexGuard;

use crate::channel::{Made, RunningChannel, Seen, source};
use crate::destination::MadeDestination;
use crate::hub::{Hub, StartError};

/// A deployment whose parts have all been made. Nothing of what runs has been touched; while this lives nobody else changes it.
pub struct Prepared {
    pub(crate) added: Vec<Made>,
    pub(crate) mended: Vec<(Arc<RunningChannel>, Made)>,
    pub(crate) replaced: Vec<(Leaving, Made)>,
    pub(crate) removed: Vec<Leaving>,
    pub(crate) new_destinations: Vec<(MadeDestination, DestinationChange)>,
    pub(crate) removed_destinations: Vec<DestinationId>,
    untouched: usize,
    _changing: OwnedMutexGuard<bool>,
}

/// A channel whose source stops, and another source just like it, should everything be put back.
pub(crate) struct Leaving {
    pub channel: Arc<RunningChannel>,
    pub spare: Box<dyn Source>,
}

/// Why a deployment cannot be begun.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// The hub stops.
    #[error("the hub stops")]
    Stopping,
    /// A part of a channel cannot be made.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// What a destination that is to go is still owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StillOwed {
    /// Which.
    pub to: DestinationId,
    /// How many parcels are in each state, in the order of [`ParcelState::ALL`].
    pub counts: [u64; 4],
}

impl StillOwed {
    fn of(depth: &QueueDepth) -> Option<Self> {
        let owed = Self { to: depth.to.clone(), counts: depth.counts };
        (owed.count() > 0).then_some(owed)
    }

    /// How many in all.
    pub fn count(&self) -> u64 {
        self.by_state().map(|(_, count)| count).sum()
    }

    /// Whether waiting does not help: a person must look first, or nothing is sent at all.
    fn waits_for_a_person(&self) -> bool {
        self.by_state().any(|(state, count)| state != ParcelState::Pending && count > 0)
    }

    fn by_state(&self) -> impl Iterator<Item = (ParcelState, u64)> {
        let all = ParcelState::ALL.into_iter().zip(self.counts);
        all.filter(|(state, _)| *state != ParcelState::Delivered)
    }
}

impl std::fmt::Display for StillOwed {
    /// `his/adt/lis-feed: 3 pending, 1 given-up`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told: Vec<String> = self
            .by_state()
            .filter(|(_, count)| *count > 0)
            .map(|(state, count)| format!("{count} {}", state.name()))
            .collect();
        write!(f, "{}: {}", self.to, told.join(", "))
    }
}

impl Hub {
    /// Makes every part of another project and compares it with what runs.
    pub async fn prepare(
        &self,
        project: Project,
        registry: &Registry,
        secrets: &dyn Secrets,
    ) -> Result<Prepared, PrepareError> {
        let changing = self.changing.clone().lock_owned().await;
        if *changing {
            return Err(PrepareError::Stopping);
        }
        let mut prepared = Prepared {
            added: Vec::new(),
            mended: Vec::new(),
            replaced: Vec::new(),
            removed: Vec::new(),
            new_destinations: Vec::new(),
            removed_destinations: Vec::new(),
            untouched: 0,
            _changing: changing,
        };
        let mut left = self.channels();
        let running = self.destinations();
        let mut named = BTreeSet::new();
        for channel in project.channels {
            for route in &channel.to {
                named.insert(route.id.clone());
                let made = MadeDestination::of(&channel, route, registry, secrets, &self.house)?;
                match running.get(&route.id) {
                    None => prepared.new_destinations.push((made, DestinationChange::Added)),
                    Some(old) if old.is_like(&made) => {}
                    Some(_) => prepared.new_destinations.push((made, DestinationChange::Replaced)),
                }
            }
            let made = Made::of(channel, registry, secrets, &self.house)?;
            let Some(at) = left.iter().position(|old| old.id == *made.id()) else {
                prepared.added.push(made);
                continue;
            };
            let old = left.remove(at);
            let was = old.road.get();
            if !has_same_source(&was.channel, &old.secrets, &made) {
                let spare = source(&was.channel, registry, secrets)?.0;
                prepared.replaced.push((Leaving { channel: old, spare }, made));
            } else if was.channel.digest != made.road.channel.digest {
                prepared.mended.push((old, made));
            } else {
                prepared.untouched += 1;
            }
        }
        for channel in left {
            let spare = source(&channel.road.get().channel, registry, secrets)?.0;
            prepared.removed.push(Leaving { channel, spare });
        }
        prepared.removed_destinations.extend(running.into_keys().filter(|id| !named.contains(id)));
        Ok(prepared)
    }

    /// Of destinations that are to go those for which waiting would not help: what they are owed waits for a person, or for a partner
    /// that does not answer.
    pub async fn owed_for_good(&self, removed: &[DestinationId]) -> Result<Vec<StillOwed>, StoreError> {
        let owed = self.owed(removed).await?;
        let running = self.destinations();
        let fails =
            |to: &DestinationId| running.get(to).is_some_and(|to| to.health.circuit_name() != "closed");
        Ok(owed.into_iter().filter(|owed| owed.waits_for_a_person() || fails(&owed.to)).collect())
    }

    /// What these destinations are owed, those that are owed nothing left out.
    pub(crate) async fn owed(&self, to: &[DestinationId]) -> Result<Vec<StillOwed>, StoreError> {
        if to.is_empty() {
            return Ok(Vec::new());
        }
        let depths = self.house.outbox.depth().await?;
        Ok(depths.iter().filter(|depth| to.contains(&depth.to)).filter_map(StillOwed::of).collect())
    }
}

/// Whether messages come in as before: then what becomes of them can change without anyone at the door noticing.
fn has_same_source(was: &Channel, secrets: &Seen, made: &Made) -> bool {
    let new = &made.road.channel;
    was.from == new.from
        && was.parse == new.parse
        && was.mapping.source_layout() == new.mapping.source_layout()
        && *secrets == made.secrets
}

impl Prepared {
    /// The channels that are not as before, by name.
    pub fn channels(&self) -> Vec<(ChannelId, ChannelChange)> {
        let added = self.added.iter().map(|made| (made.id(), ChannelChange::Added));
        let mended = self.mended.iter().map(|(channel, _)| (&channel.id, ChannelChange::Mended));
        let replaced = self.replaced.iter().map(|(old, _)| (&old.channel.id, ChannelChange::Replaced));
        let removed = self.removed.iter().map(|old| (&old.channel.id, ChannelChange::Removed));
        let all = added.chain(mended).chain(replaced).chain(removed);
        let mut all: Vec<_> = all.map(|(id, change)| (id.clone(), change)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The destinations that are not as before, by name.
    pub fn destinations(&self) -> Vec<(DestinationId, DestinationChange)> {
        let new = self.new_destinations.iter().map(|(made, change)| (&made.route.id, *change));
        let removed = self.removed_destinations.iter().map(|id| (id, DestinationChange::Removed));
        let mut all: Vec<_> = new.chain(removed).map(|(id, change)| (id.clone(), change)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The destinations that are to go.
    pub fn removed_destinations(&self) -> &[DestinationId] {
        &self.removed_destinations
    }

    /// How many channels are as before.
    pub fn untouched(&self) -> usize {
        self.untouched
    }

    /// Whether everything runs as it is to run.
    pub fn is_nothing(&self) -> bool {
        self.channels().is_empty() && self.destinations().is_empty()
    }
}
