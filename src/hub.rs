//! Puts a hub together: files, store, channels, HTTP door, clockwork. `run`, `demo` and `bench` all start it here.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use hub_core::deployments::Files;
use hub_core::finding::Finding;
use hub_core::jobs::Job;
use hub_directory::Keeper;
use hub_http::{Doors, ServeLimits};
use hub_runtime::clock::SystemClock;
use hub_runtime::deaths::Deaths;
use hub_runtime::definitions::Definitions;
use hub_runtime::house::House;
use hub_runtime::hub::Hub;
use hub_runtime::reindex::Reindex;
use hub_runtime::replay::Desk;
use hub_runtime::retention::{LastLook, Retention};
use hub_runtime::shares::Shared;
use hub_spec::{Origin, Project, ProjectFiles};
use hub_store::Store;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::business;
use crate::cli::Global;
use crate::deployer::Deployer;
use crate::secrets::NamedSecrets;
use crate::settings::Settings;
use crate::sign_in;

/// How often the gauges that are read from the store are set.
const GAUGE_EVERY: Duration = Duration::from_secs(5);

/// Seconds: from a tenth of a millisecond to half a minute.
const BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// A hub that runs, with all that belongs to it.
pub struct RunningHub {
    /// The engine.
    pub hub: Arc<Hub>,
    /// The database.
    pub store: Arc<Store>,
    /// Where the HTTP door is.
    pub http: SocketAddr,
    /// What it was started with.
    pub settings: Settings,
    ready: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Reads channels, mappings and code tables, with the settings' overrides, to look at them: a secret may be a simulator's. All findings
/// come back at once.
pub fn load(global: &Global, settings: &Settings) -> anyhow::Result<Result<Project, Vec<Finding>>> {
    let secrets = NamedSecrets::new(settings.secrets_dir.clone()).with_simulators(&global.root);
    load_files(&ProjectFiles::read(&global.root), &global.root, Origin::Folder, settings, &secrets)
}

/// The file below the data folder that tells how the last starts went.
const STARTS: &str = "hub.starts";

/// The same of files that have been read before, with the secrets of who is to run them.
pub fn load_files(
    files: &ProjectFiles,
    root: &Path,
    origin: Origin,
    settings: &Settings,
    secrets: &NamedSecrets,
) -> anyhow::Result<Result<Project, Vec<Finding>>> {
    let overrides = settings.overrides(&files.channel_names(), origin)?;
    Ok(hub_spec::load_files(files, root, origin, &crate::connectors::registry(), secrets, &overrides))
}

/// What a hub is started with.
pub struct Begun {
    /// What the files say.
    pub project: Project,
    /// The files, to be kept.
    pub files: Files<String>,
    /// The settings.
    pub settings: Settings,
}

/// Starts the hub. What it does not find in `begun` it reads again where `global` says, when it is told to deploy.
pub async fn start(begun: Begun, global: Global) -> anyhow::Result<RunningHub> {
    let Begun { project, files, settings } = begun;
    let metrics = metrics()?;
    let listener = TcpListener::bind(settings.http.listen)
        .await
        .map_err(|error| no_door(settings.http.listen, error))?;
    let http = listener.local_addr()?;
    let options = settings.store_options()?;
    make_private(&settings.data_dir)?;
    let store = Arc::new(Store::open(options).await.context("the store could not be opened")?);
    let deaths = Deaths::open(settings.data_dir.join(STARTS)).context("the data folder cannot be written")?;
    let attachments = settings.attachments(store.clone())?;
    let house = House {
        journal: store.clone(),
        resources: store.clone(),
        outbox: store.clone(),
        attachments: Some(attachments.clone()),
        cluster: store.cluster(),
        clock: Arc::new(SystemClock),
        typed_check: settings.work.typed_check.then_some(hub_r4b::check as hub_runtime::house::TypedCheck),
        deaths: Some(deaths.clone()),
        sizes: settings.sizes(),
    };
    let secrets = NamedSecrets::of_hub(&global, &settings);
    let clock = house.clock.clone();
    let hub = match Hub::start(project, &crate::connectors::registry(), &secrets, house).await {
        Ok(hub) => hub,
        Err(error) => {
            deaths.not_started();
            store.close().await;
            return Err(error.into());
        }
    };
    let deployer = Deployer::new(hub.clone(), store.clone(), clock, global, settings.clone());
    if let Err(error) = deployer.started(files).await {
        hub.stop().await;
        store.close().await;
        return Err(anyhow::Error::new(error).context("what the hub runs could not be kept"));
    }
    let desk = Desk::new(hub.clone(), store.clone());
    let business = business::open(&settings, store.clone(), &hub);
    let directory = business::directory(&settings, &hub);
    let (signing_in, noting) = sign_in::open(&settings, http, &store, &hub)?;
    let ready = Arc::new(AtomicBool::new(true));
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let is_ready = ready.clone();
    let rendered = metrics.clone();
    let doors = Doors {
        resources: store.clone(),
        journal: store.clone(),
        outbox: store.clone(),
        upkeep: store.clone(),
        attachments: Some(attachments),
        operations: hub.clone(),
        deployments: store.clone(),
        deploying: Arc::new(deployer),
        user_header: settings.http.user_header.clone(),
        replays: desk.clone(),
        metrics: Arc::new(move || rendered.render()),
        base_url: settings.http.base_url.clone(),
        access: signing_in.access,
        desk: signing_in.desk,
        business: Some(business.clone()),
        directory: Some(directory.clone()),
        fhir: settings.fhir.settings()?,
        ready: Arc::new(move || is_ready.load(Ordering::Relaxed)),
    };
    let router = hub_http::router(doors, signing_in.routes);
    tasks.spawn(hub_http::serve(listener, router, ServeLimits::default(), stopped.clone()));
    tasks.spawn(noting);
    tasks.spawn(sign_in::sweep(signing_in.server, stopped.clone()));
    tasks.spawn(gauge(hub.clone(), metrics));
    let publishes = settings.fhir.definitions;
    let keeper = Keeper { directory, resources: store.clone(), publishes };
    tasks.spawn(keeper.run(stopped.clone()));
    tasks.spawn(business::run(business.executor, store.clone(), hub.clone(), publishes, stopped.clone()));
    let replays_stop = hub.stopping();
    tasks.spawn(async move { desk.run(replays_stop).await });
    let reindex =
        Reindex { upkeep: store.clone(), cluster: hub.house.cluster.clone(), turns: hub.job_turns.clone() };
    tasks.spawn(reindex.run(stopped.clone()));
    if settings.fhir.definitions {
        let (cluster, turns) = (hub.house.cluster.clone(), hub.job_turns.clone());
        tasks.spawn(Definitions { resources: store.clone(), cluster, turns }.run(stopped.clone()));
    }
    tasks.spawn(clockwork(&settings, store.clone(), &hub, stopped));
    Ok(RunningHub { hub, store, http, settings, ready, stop, tasks })
}

/// Why the HTTP door is not open, and what to do: most often a hub is running already.
fn no_door(address: SocketAddr, error: std::io::Error) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        return anyhow::anyhow!(
            "the HTTP door cannot listen on {address}: something does already\n  `huitong status` says whether it is a \
             hub; stop that one, or take another address for this one: --set http.listen=127.0.0.1:8081 (and its own --data)"
        );
    }
    let told = format!("the HTTP door could not listen on {address} (setting `http.listen`)");
    anyhow::Error::new(error).context(told)
}

/// Makes the data folder, for this user alone: it holds patient data. One that is there stays as it is.
fn make_private(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("the data folder `{}` cannot be made", folder.display()))
}

fn metrics() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
        .install_recorder()
        .context("metrics could not be started")
}

async fn gauge(hub: Arc<Hub>, metrics: PrometheusHandle) {
    loop {
        if let Err(error) = hub.gauge().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "The gauges could not be read from the store."
            );
        }
        metrics.run_upkeep();
        tokio::time::sleep(GAUGE_EVERY).await;
    }
}

/// Scheduled work.
fn clockwork(
    settings: &Settings,
    store: Arc<Store>,
    hub: &Hub,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let retention = Retention {
        journal: store.clone(),
        upkeep: store,
        attachments: hub.house.attachments.clone(),
        clock: Arc::new(SystemClock),
        keep: settings.retention.keep(),
        schedule: settings.retention.schedule.clone(),
        looked: LastLook::default(),
    };
    let data_dir = settings.data_dir.clone();
    let (cluster, turns) = (hub.house.cluster.clone(), hub.job_turns.clone());
    async move {
        let jobs: Vec<Arc<dyn Job>> = vec![Arc::new(Shared { job: retention, cluster, turns })];
        let result = match hub_store::scheduler::JobScheduler::open(&data_dir).await {
            Ok(scheduler) => {
                hub_core::jobs::Scheduler::run(&scheduler, jobs, stop).await.map_err(anyhow::Error::from)
            }
            Err(error) => Err(error.into()),
        };
        if let Err(error) = result {
            tracing::error!(error = format!("{error:#}"), "Scheduled work does not run.");
        }
    }
}

impl RunningHub {
    /// Where everything is, for people, tests and scripts.
    pub fn addresses(&self) -> serde_json::Value {
        let channels: serde_json::Map<_, _> = self
            .hub
            .channels()
            .iter()
            .filter_map(|channel| Some((channel.id.to_string(), channel.address()?.to_string().into())))
            .collect();
        serde_json::json!({ "pid": std::process::id(), "http": self.http.to_string(), "channels": channels })
    }

    /// Waits until the other nodes have taken this one for dead and do its work: it must begin anew.
    pub async fn lost(&self) {
        self.hub.house.cluster.lost().await;
    }

    /// Stops everything in order; nothing acknowledged is lost.
    pub async fn stop(mut self) {
        tracing::info!("The hub stops: no new messages are taken, what is under way is finished.");
        self.ready.store(false, Ordering::Relaxed);
        self.hub.stop().await;
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(Duration::from_secs(12), async {
            // The gauges go on for ever; everything else ends by itself.
            while self.tasks.len() > 1 && self.tasks.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!("Some tasks did not end in time.");
        }
        self.tasks.shutdown().await;
        self.store.close().await;
        tracing::info!("The hub has stopped.");
    }
}
