//! One message that has ended, processed again: first what it comes to, then it is done.

use std::sync::Arc;

use hub_core::commit::{Change, Commit, Key, Note};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{DestinationId, ParcelId};
use hub_core::replay::{Came, Newer, Owing, ReplayNumber, ReplayOrder, ReplaySum, Replayable, Replays};
use hub_core::store::{Cause, End, StateName, StoreError};
use hub_mapping::Found;

use super::rebase::{Touched, rebase};
use crate::channel::RunningChannel;
use crate::guard::guarded_message;
use crate::hub::Hub;
use crate::lane::commit_fault;
use crate::lookup::{LookupError, look_up};
use crate::steps::{Prepared, Road, Walked};

/// How often a commit is made anew because a live message has written to the same resource meanwhile.
const MOST_TRIES: u32 = 16;

/// What a message comes to.
pub(super) enum Planned {
    /// Nothing is to be done here.
    Came(Came),
    /// It ends without a commit.
    End(End, Vec<Key>),
    /// It is committed.
    Commit(Box<Plan>),
}

/// A commit, and what it comes to on what is stored.
pub(super) struct Plan {
    pub commit: Commit,
    pub touched: Vec<Touched>,
    /// Where its parcels go, and whether each is there already.
    pub parcels: Vec<(DestinationId, bool)>,
}

/// How messages are processed again.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub newer: Newer,
    pub owing: Owing,
    /// The replay's number; 0 while there is none.
    pub number: ReplayNumber,
}

impl How {
    pub fn of(order: &ReplayOrder, number: ReplayNumber) -> Self {
        Self { newer: order.newer, owing: order.owing, number }
    }

    /// The replay that owes parcels once more.
    fn again(self) -> Option<ReplayNumber> {
        (self.owing == Owing::Again).then_some(self.number)
    }
}

impl Planned {
    /// What comes of it, and what it adds to the counts.
    pub fn sum(&self, how: How) -> (Came, ReplaySum) {
        let mut sum = ReplaySum::default();
        let came = match self {
            Self::Came(came) => *came,
            Self::End(End::Filtered { .. }, _) => Came::Filtered,
            Self::End(End::Quarantined(_), _) => Came::SetAside,
            Self::Commit(plan) => plan.count(how, &mut sum),
        };
        sum.count(came);
        (came, sum)
    }
}

impl Plan {
    fn count(&self, how: How, sum: &mut ReplaySum) -> Came {
        let mut came = Came::Same;
        for one in &self.touched {
            if !one.older.is_empty() {
                sum.older += 1;
            }
            match (one.is_same(), one.stored.is_some()) {
                (true, _) => sum.same += 1,
                (false, true) => sum.updated += 1,
                (false, false) => sum.created += 1,
            }
            came = match came {
                Came::HeldBack => came,
                _ if how.newer == Newer::Protect && !one.older.is_empty() => Came::HeldBack,
                _ if !one.is_same() => Came::Changed,
                _ => came,
            };
        }
        for (_, is_there) in &self.parcels {
            *if *is_there { &mut sum.owed_before } else { &mut sum.owed } += 1;
        }
        came
    }

    /// What is handed to the store.
    fn commit(&self, how: How) -> Commit {
        let mut commit = self.commit.clone();
        if how.newer == Newer::Overwrite {
            return commit;
        }
        commit.changes = self.touched.iter().filter_map(Touched::change).collect::<Vec<Change>>();
        for one in &self.touched {
            for name in &one.older {
                let reason = "a later message has written it since: it was held back".to_owned();
                commit.notes.push(Note { place: format!("{}.{name}", one.reference.kind), reason });
            }
        }
        commit
    }
}

/// Finds out what a message comes to. Nothing is written.
pub(super) async fn plan(
    hub: &Hub,
    replays: &dyn Replays,
    past: &Replayable,
    how: How,
) -> Result<Planned, StoreError> {
    let Some(channel) = channel_of(hub, past) else { return Ok(Planned::Came(Came::Left)) };
    match past.state {
        StateName::Received | StateName::Split => return Ok(Planned::Came(Came::Left)),
        StateName::Committed | StateName::Filtered | StateName::Quarantined => {}
    }
    let road = channel.road.get();
    let is_unsplit = road.channel.parse.split.is_some() && past.message.head.parent.is_none();
    if is_unsplit && let Some(planned) = unsplit(&road, past) {
        return Ok(planned);
    }
    let mut commit = match walk(hub, &road, past, how).await? {
        Ok(Walked::Mapped(mapped)) => mapped.body.0,
        Ok(Walked::Ended(_, end, keys)) => return Ok(Planned::End(end, keys)),
        Err(fault) => return Ok(Planned::End(End::Quarantined(fault), Vec::new())),
    };
    if how.owing == Owing::Never {
        commit.parcels.clear();
    }
    let touched = rebase(&*hub.house.resources, replays, past, &commit.changes, how.newer).await?;
    let mut parcels = Vec::with_capacity(commit.parcels.len());
    for parcel in &commit.parcels {
        parcels.push((parcel.to.clone(), is_there(hub, parcel.id).await?));
    }
    Ok(Planned::Commit(Box::new(Plan { commit, touched, parcels })))
}

async fn is_there(hub: &Hub, id: ParcelId) -> Result<bool, StoreError> {
    Ok(hub.house.outbox.answer(id).await?.is_some())
}

pub(super) fn channel_of(hub: &Hub, past: &Replayable) -> Option<Arc<RunningChannel>> {
    hub.channel(&past.message.head.channel)
}

/// What becomes of a frame that may hold several; `None` when it is one message and goes the usual way.
fn unsplit(road: &Road, past: &Replayable) -> Option<Planned> {
    let by = road.channel.parse.split.as_ref()?;
    match guarded(past, || crate::split::held(road, by, &past.message)) {
        Ok(crate::split::Held::One) => None,
        Ok(crate::split::Held::Several(_)) => Some(Planned::Came(Came::HandedOn)),
        Err(fault) => Some(Planned::End(End::Quarantined(fault), Vec::new())),
    }
}

/// Walks a message through the pure steps, with the mapping of now.
async fn walk(
    hub: &Hub,
    road: &Road,
    past: &Replayable,
    how: How,
) -> Result<Result<Walked, Fault>, StoreError> {
    let prepared = guarded(past, || Ok(road.prepare_again(past.message.clone(), how.again())));
    let asking = match prepared {
        Ok(Prepared::Walked(walked)) => return Ok(Ok(*walked)),
        Ok(Prepared::Asking(asking)) => asking,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut found = Found::default();
    match look_up(&*hub.house.resources, &asking.needs, &mut found).await {
        Ok(()) => Ok(guarded(past, || Ok(road.walk_on(*asking, found)))),
        Err(LookupError::Store(error @ StoreError::Unavailable(_))) => Err(error),
        Err(error) => {
            let reason = error.to_string();
            Ok(Err(Fault { step: FaultStep::Map, place: None, rule: None, reason }))
        }
    }
}

/// A message at which the program itself fails comes to a fault like any other.
fn guarded<T>(past: &Replayable, step: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    guarded_message(&past.message.head, past.message.body.0.len(), step)
}

/// Processes a message again: what it comes to is done. [`StoreError::Unavailable`] only: then it is to be tried again.
pub(super) async fn perform(
    hub: &Hub,
    replays: &dyn Replays,
    past: &Replayable,
    how: How,
) -> Result<(Came, ReplaySum), StoreError> {
    let id = past.message.head.id;
    for _ in 0..MOST_TRIES {
        let planned = match plan(hub, replays, past, how).await {
            Ok(planned) => planned,
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            Err(error) => Planned::End(End::Quarantined(commit_fault(&error)), Vec::new()),
        };
        let (came, sum) = planned.sum(how);
        let plan = match planned {
            Planned::Came(Came::HandedOn) => {
                return Ok(if hand_on(hub, past).await? { (came, sum) } else { left() });
            }
            Planned::Came(_) => return Ok((came, sum)),
            Planned::End(end, keys) => {
                let is_done = replays.end_again(id, end, keys).await?;
                return Ok(if is_done { (came, sum) } else { left() });
            }
            Planned::Commit(plan) => plan,
        };
        let keys = plan.commit.keys.clone();
        match hub.house.resources.commit(Cause::Replay(id), plan.commit(how)).await {
            Ok(committed) => {
                hub.wakers.wake(&committed.owed);
                return Ok((came, sum));
            }
            // A live message has written to it since it was read: it is looked at again.
            Err(StoreError::Conflict { .. }) if how.newer == Newer::Protect => {}
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            Err(error) => {
                let end = End::Quarantined(commit_fault(&error));
                let set_aside = Planned::End(end.clone(), Vec::new()).sum(how);
                let is_done = replays.end_again(id, end, keys).await?;
                return Ok(if is_done { set_aside } else { left() });
            }
        }
    }
    Err(StoreError::Unavailable("other messages write to the same resources all the time".into()))
}

/// Gives a frame that holds several back to its channel.
async fn hand_on(hub: &Hub, past: &Replayable) -> Result<bool, StoreError> {
    let id = past.message.head.id;
    let is_open = hub.house.journal.reopen(id).await?;
    if is_open && let Some(channel) = channel_of(hub, past) {
        channel.backlog.look_again(&[id]);
    }
    Ok(is_open)
}

fn left() -> (Came, ReplaySum) {
    let mut sum = ReplaySum::default();
    sum.count(Came::Left);
    (Came::Left, sum)
}
