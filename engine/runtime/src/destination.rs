//! A running destination: what it is made of, how it starts, how it stops.

use std::sync::Arc;

use compact_str::CompactString;
use hub_core::destination::Destination;
use hub_core::errands::WORKFLOW;
use hub_core::id::ChannelId;
use hub_core::registry::{Registry, Secrets};
use hub_spec::{Channel, Route};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::channel::{Seen, Watched};
use crate::dispatch::{Answers, Dispatcher, Health, Wakers};
use crate::house::House;
use crate::hub::StartError;

/// A destination whose parts have been made. Nothing outside is touched yet.
pub(crate) struct MadeDestination {
    pub route: Route,
    destination: Arc<dyn Destination>,
    answers: Option<Answers>,
    raise: Vec<(CompactString, CompactString)>,
    is_of_tasks: bool,
    secrets: Seen,
}

impl MadeDestination {
    /// Makes the parts of a channel's destination.
    pub fn of(
        channel: &Channel,
        route: &Route,
        registry: &Registry,
        secrets: &dyn Secrets,
        house: &House,
    ) -> Result<Self, StartError> {
        let watched = Watched::of(secrets);
        let destination = registry
            .build_destination(&route.connector, route.settings.clone(), &watched)
            .map_err(|source| StartError::Build { channel: channel.id.clone(), source })?;
        let answers = answers(&channel.id, route, house)?;
        let secrets = watched.seen();
        Ok(Self {
            route: route.clone(),
            destination: Arc::from(destination),
            answers,
            raise: channel.raise.clone(),
            is_of_tasks: channel.from.connector == WORKFLOW,
            secrets,
        })
    }
}

/// How the answers of a destination are read, where the channel file says so.
fn answers(channel: &ChannelId, route: &Route, house: &House) -> Result<Option<Answers>, StartError> {
    let Some(mapping) = &route.answer else { return Ok(None) };
    let parser = hub_formats::parser(mapping.from(), None, mapping.source_layout())
        .map_err(|error| StartError::Format { channel: channel.clone(), what: error.to_string() })?;
    Ok(Some(Answers {
        parser: Arc::from(parser),
        mapping: mapping.clone(),
        typed_check: house.typed_check,
        resources: house.resources.clone(),
    }))
}

/// A destination that is sent to.
pub struct RunningDestination {
    /// How it stands.
    pub health: Arc<Health>,
    route: Route,
    raise: Vec<(CompactString, CompactString)>,
    secrets: Seen,
    stop: watch::Sender<bool>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl RunningDestination {
    /// Starts to send.
    pub(crate) fn start(made: MadeDestination, house: &House, wakers: &Wakers) -> Arc<Self> {
        let MadeDestination { route, destination, answers, raise, is_of_tasks, secrets } = made;
        let health = Arc::new(Health::new(route.circuit));
        let (stop, stopped) = watch::channel(false);
        let dispatcher = Dispatcher {
            id: route.id.clone(),
            destination,
            retry: route.retry,
            in_doubt: route.in_doubt,
            answers,
            raise: raise.clone(),
            is_of_tasks,
            outbox: house.outbox.clone(),
            attachments: house.attachments.clone(),
            cluster: house.cluster.clone(),
            clock: house.clock.clone(),
            wakers: wakers.clone(),
            health: health.clone(),
        };
        let task = tokio::sync::Mutex::new(Some(tokio::spawn(dispatcher.run(stopped))));
        Arc::new(Self { health, route, raise, secrets, stop, task })
    }

    /// Whether one made anew would do the same.
    pub(crate) fn is_like(&self, made: &MadeDestination) -> bool {
        let (old, new) = (&self.route, &made.route);
        old.connector == new.connector
            && old.settings == new.settings
            && old.retry == new.retry
            && old.in_doubt == new.in_doubt
            && old.circuit == new.circuit
            && old.answer_digest == new.answer_digest
            && self.raise == made.raise
            && self.secrets == made.secrets
    }

    /// Begins nothing more. What is under way is ended; [`RunningDestination::ended`] waits for that.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until what was under way has ended.
    pub(crate) async fn ended(&self) {
        let mut task = self.task.lock().await;
        if let Some(running) = &mut *task {
            // What went wrong with a delivery has been told.
            let _ended = running.await;
            *task = None;
        }
    }

    /// Ends what is still under way, where it is: a lease runs out, and the parcel is tried again.
    pub(crate) async fn end(&self) {
        self.stop();
        let task = self.task.lock().await.take();
        if let Some(task) = task {
            task.abort();
            let _ended = task.await;
        }
    }
}
