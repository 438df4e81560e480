//! The HIS as a service: master data, archives, numbers, registrations and fees by SOAP, and pushes of its own.
//!
//! One function code, one XML string, as hospital systems have it (section 3 of the profile). It knows nothing of the
//! hub's own SOAP: the envelopes are read and written here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Pause;

use serde::{Deserialize, Serialize};
use sim_kit::SimError;
use sim_kit::board::{Board, Report};
use sim_kit::control::{self as kit, stopped};
use sim_kit::cut::{Cut, Cuttable};
use time::{Duration, PrimitiveDateTime};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

mod callback;
mod calls;
mod clock;
mod codes;
mod control;
mod element;
mod envelope;
mod hospital;
mod house;
mod http;
mod memory;
mod mischief;
mod money;
mod profile;
mod roster;
mod soap;

pub use callback::Wrapping;
use calls::Calls;
use clock::Clock;
use envelope::Seal;
pub use envelope::{Hash, Wire};
use hospital::{Hospital, Ways};
use memory::Memory;
use mischief::Orders;
pub use mischief::{Fault, Mischief};

/// Changes are written to the file together, so long after the first of them at most.
const SAVED_AFTER: Pause = Pause::from_millis(200);

/// How the service behaves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSettings {
    /// Where it listens: `POST /HisService/Invoke.asmx`, and the control API under `/__sim`.
    pub listen: String,
    /// Decides the people and the rosters.
    pub seed: u64,
    /// What the clock shows at the beginning, `20260302080000`; without it the real time in Beijing.
    pub start: Option<String>,
    /// Whether the clock stands still until it is set.
    pub frozen: bool,
    /// The character set of the channel.
    pub charset: Wire,
    /// The hash of the signatures.
    pub sign: Hash,
    /// The key of the signatures.
    pub key: String,
    /// Who may call: `Head/AppId`.
    pub app_id: String,
    /// The hospital: `Head/OrgCode`.
    pub org_code: String,
    /// The namespace of the operation `Invoke`.
    pub namespace: String,
    /// Where events are pushed to, an `http://` address; without it they are only to be had by H902.
    pub callback: Option<String>,
    /// In what they are wrapped.
    pub callback_style: Wrapping,
    /// How long it waits before a push is sent again; the last is taken again and again.
    pub retry_secs: Vec<f64>,
    /// How many of a hundred numbers are sold at the hospital's windows before anybody asks.
    pub sold_percent: u64,
    /// How many days ahead rosters are published, today included.
    pub days_ahead: i64,
    /// How long before the visit a patient may cancel.
    pub cancel_before_minutes: i64,
    /// How late the fault `slow` answers.
    pub slow_secs: f64,
    /// Where it keeps what has happened; without it a new start is a new hospital.
    pub state: Option<PathBuf>,
    /// What goes wrong from the beginning.
    pub faults: Vec<Fault>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:2581".to_owned(),
            seed: 1,
            start: None,
            frozen: false,
            charset: Wire::default(),
            sign: Hash::default(),
            key: "his-simulator".to_owned(),
            app_id: "IMPF".to_owned(),
            org_code: sim_kit::world::WORLD.hospital.facility.clone(),
            namespace: "http://tempuri.org/".to_owned(),
            callback: None,
            callback_style: Wrapping::default(),
            retry_secs: vec![1.0, 2.0, 5.0, 10.0, 30.0],
            sold_percent: 25,
            days_ahead: 21,
            cancel_before_minutes: 30,
            slow_secs: 2.0,
            state: None,
            faults: Vec::new(),
        }
    }
}

/// What every request meets: the hospital behind one lock, so that two never take the same number.
struct Reception {
    settings: ServiceSettings,
    seal: Seal,
    hospital: Mutex<Hospital>,
    orders: Mutex<Orders>,
    board: Board,
    calls: Calls,
    changed: watch::Sender<()>,
}

impl Reception {
    fn hospital(&self) -> MutexGuard<'_, Hospital> {
        self.hospital.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that may change the hospital, and wakes those who wait for changes.
    fn change<T>(&self, act: impl FnOnce(&mut Hospital) -> T) -> T {
        let done = act(&mut self.hospital());
        self.changed.send_replace(());
        done
    }
}

/// Runs the service until `stop` turns true.
pub async fn run(settings: ServiceSettings, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
    Ok(Service::bind(settings).await?.run(stop).await)
}

/// A service whose address is taken and that does not answer yet.
pub struct Service {
    listener: TcpListener,
    address: SocketAddr,
    reception: Arc<Reception>,
}

impl Service {
    /// Checks the settings, remembers what was, and takes the address.
    pub async fn bind(settings: ServiceSettings) -> Result<Self, SimError> {
        let mut clock = Clock::new(settings.start.as_deref(), settings.frozen)?;
        if settings.days_ahead < 1 {
            let what = "less than one day".to_owned();
            return Err(SimError::Setting { setting: "days_ahead", what });
        }
        let kept = match &settings.state {
            Some(path) => Kept::read(path)?,
            None => Kept::default(),
        };
        if let Some((at, is_frozen)) = kept.clock() {
            clock.set(at, is_frozen);
        }
        let ways = Ways {
            seed: settings.seed,
            sold_percent: settings.sold_percent,
            days_ahead: settings.days_ahead,
            cancel_before: Duration::minutes(settings.cancel_before_minutes),
        };
        let listener = kit::listen(&settings.listen).await?;
        let failed = |source| SimError::Listen { address: settings.listen.clone(), source };
        let address = listener.local_addr().map_err(failed)?;
        let reception = Reception {
            seal: Seal { hash: settings.sign, wire: settings.charset, key: settings.key.clone() },
            hospital: Mutex::new(Hospital::new(ways, clock, kept.memory)),
            orders: Mutex::new(Orders::new(settings.faults.clone())),
            board: Board::default(),
            calls: Calls::default(),
            changed: watch::channel(()).0,
            settings,
        };
        Ok(Self { listener, address, reception: Arc::new(reception) })
    }

    /// Where it listens, service and control API alike.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` turns true.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Report {
        let Self { listener, reception, .. } = self;
        // Dropping the set ends its tasks.
        let mut beside = JoinSet::new();
        if let Some(url) = reception.settings.callback.clone() {
            beside.spawn(callback::run(Arc::clone(&reception), url));
        }
        let state = reception.settings.state.clone();
        if let Some(path) = state.clone() {
            beside.spawn(save_changes(Arc::clone(&reception), path));
        }
        let routes = http::routes(Arc::clone(&reception)).merge(control::routes(Arc::clone(&reception)));
        let service = routes.into_make_service_with_connect_info::<Cut>();
        tokio::select! {
            // A client that keeps its connection open must not keep the simulator.
            () = stopped(stop) => {}
            served = async { axum::serve(Cuttable(listener), service).await } => {
                if let Err(error) = served {
                    tracing::warn!(%error, "The simulated HIS stopped.");
                }
            }
        }
        beside.shutdown().await;
        if let Some(path) = state {
            save(&reception, &path).await;
        }
        reception.board.report()
    }
}

/// What is kept in the file.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// What the clock showed and whether it stood still; nothing where it showed the real time.
    clock: Option<(String, bool)>,
    memory: Option<Memory>,
}

impl Kept {
    /// Nothing where there is no file yet.
    fn read(path: &Path) -> Result<Self, SimError> {
        let wrong = |what: String| SimError::Setting { setting: "state", what };
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                wrong(format!("the file is not one of this simulator: line {}", error.line()))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    fn clock(&self) -> Option<(PrimitiveDateTime, bool)> {
        let (at, is_frozen) = self.clock.as_ref()?;
        Some((clock::read_stamp(at)?, *is_frozen))
    }
}

/// Writes changes to the file as they come, several together.
async fn save_changes(reception: Arc<Reception>, path: PathBuf) {
    let mut changed = reception.changed.subscribe();
    while changed.changed().await.is_ok() {
        tokio::time::sleep(SAVED_AFTER).await;
        changed.mark_unchanged();
        save(&reception, &path).await;
    }
}

async fn save(reception: &Arc<Reception>, path: &Path) {
    let kept = {
        let hospital = reception.hospital();
        let clock = &hospital.clock;
        let shown = (!clock.is_real()).then(|| (clock::stamped(clock.now()), clock.is_frozen()));
        Kept { clock: shown, memory: Some(hospital.memory.clone()) }
    };
    let path = path.to_owned();
    let written = tokio::task::spawn_blocking(move || {
        // The old file stays whole until the new one is.
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(&kept)?)?;
        std::fs::rename(new, path)
    });
    if let Ok(Err(error)) = written.await {
        tracing::error!(%error, "The simulated HIS could not keep its state.");
    }
}

#[cfg(test)]
mod tests;
