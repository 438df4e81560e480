//! The business in the running hub: its workflows, who may ask, and what wakes it.

use std::sync::Arc;
use std::time::Duration;

use hub_directory::Directory;
use hub_executor::Executor;
use hub_http::Business;
use hub_runtime::hub::Hub;
use hub_runtime::waker::Waker;
use hub_store::Store;
use hub_workflows::Workflow;
use hub_workflows::booking::Booking;
use hub_workflows::calendar::window_ends;
use hub_workflows::consent::Consents;
use hub_workflows::exclusive::Exclusive;
use hub_workflows::payment::Payment;
use hub_workflows::person::Persons;
use hub_workflows::sending::Sending;
use hub_workflows::session::Sessions;
use tokio::sync::watch;

use crate::settings::Settings;

/// How long it waits before it tries to publish its operations again.
const PAUSE: Duration = Duration::from_secs(5);

/// All workflows of the program.
pub fn workflows() -> Vec<Arc<dyn Workflow>> {
    let consents = Consents::new(crate::press::find());
    vec![
        Arc::new(Persons),
        Arc::new(Booking),
        Arc::new(Payment),
        Arc::new(Exclusive),
        Arc::new(Sessions),
        Arc::new(consents),
        Arc::new(Sending),
    ]
}

/// Puts the business together.
pub fn open(settings: &Settings, store: Arc<Store>, hub: &Arc<Hub>) -> Business {
    let clock = hub.house.clock.clone();
    let now = Arc::new(move || clock.now());
    let executor = Executor::new(store, hub.clone(), now, workflows(), settings.business.clone());
    Business { executor }
}

/// The directory of doctors; of their slots those can be booked that a hold would be given of (BK-1, BK-2).
pub fn directory(settings: &Settings, hub: &Hub) -> Arc<Directory> {
    let clock = hub.house.clock.clone();
    let (days, closes) = (settings.business.window_days, settings.business.closes_minutes);
    let bookable = move |now| now + time::Duration::minutes(closes.into())..window_ends(now, days);
    Arc::new(Directory::new(Arc::new(move || clock.now()), Arc::new(bookable)))
}

/// Publishes what can be asked for, and acts on events until the hub stops.
pub async fn run(
    executor: Arc<Executor>,
    store: Arc<Store>,
    hub: Arc<Hub>,
    publishes: bool,
    stop: watch::Receiver<bool>,
) {
    let waker = Waker {
        wakes: store,
        acting: executor.clone(),
        cluster: hub.house.cluster.clone(),
        turns: hub.job_turns.clone(),
        clock: hub.house.clock.clone(),
    };
    let publish = async {
        if publishes {
            publish(&executor).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = waker.run(stop) => {}
        () = publish => {}
    }
}

/// Publishes the operations, as soon as the store takes them.
async fn publish(executor: &Executor) {
    while let Err(error) = executor.publish().await {
        let reason = format!("{error:#}");
        drop(error);
        tracing::warn!(reason, "The operations of the business cannot be published; it will be tried again.");
        tokio::time::sleep(PAUSE).await;
    }
}
