//! A signing service with its own certification authority, strict about what it is sent. `huitong sim esign`.
//!
//! It signs and verifies with code of its own (`seal.rs`, `cms.rs`), and knows nothing of the connector's. What it signs is signed for
//! real: other programs that know its authority's certificate believe its documents.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
pub use sim_kit::SimError;
use sim_kit::board::Board;
pub use sim_kit::board::Report;
use sim_kit::control::{self as kit, stopped};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

mod authority;
mod book;
mod clock;
mod cms;
mod control;
mod der;
mod mischief;
mod notices;
mod page;
mod pdf;
mod seal;
mod service;
mod signing;

use authority::Authority;
use book::{Book, Task};
use clock::Clock;
pub use mischief::{Fault, Mischief};
use seal::Seal;
pub use seal::keys;

/// How the service behaves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimSettings {
    /// Where it listens: `/es/v1`, `/sign` (a page to sign on), and the control API under `/__sim`.
    pub listen: String,
    /// Decides the numbers that it gives.
    pub seed: u64,
    /// What the clock shows at the beginning, `20260302080000`; without it the real time.
    pub start: Option<String>,
    /// Whether the clock stands still until it is moved.
    pub frozen: bool,
    /// The hospital's app; others are refused.
    pub app_id: String,
    /// Where notices go; none are sent where it is empty.
    pub notify_url: String,
    /// How long after each other a notice is sent that was not taken.
    pub ladder_secs: Vec<f64>,
    /// How many times faster than that it is.
    pub ladder_speed: f64,
    /// How late the faults `slow` and `notice-late` are.
    pub slow_secs: f64,
    /// What goes wrong from the beginning.
    pub faults: Vec<Fault>,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:2592".to_owned(),
            seed: 1,
            start: None,
            frozen: false,
            app_id: "simulated-hospital".to_owned(),
            notify_url: "http://127.0.0.1:2593/".to_owned(),
            ladder_secs: vec![5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0],
            ladder_speed: 60.0,
            slow_secs: 2.0,
            faults: Vec::new(),
        }
    }
}

/// What every request meets.
struct Office {
    settings: SimSettings,
    /// `http://127.0.0.1:2592`: what its own addresses begin with.
    base: String,
    authority: Authority,
    seal: Mutex<Seal>,
    book: Mutex<Book>,
    clock: Mutex<Clock>,
    faults: Mutex<Vec<Fault>>,
    board: Board,
    telling: mpsc::UnboundedSender<Task>,
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Office {
    fn now(&self) -> time::OffsetDateTime {
        locked(&self.clock).now()
    }

    /// The fault of these that happens now.
    fn takes(&self, of: &[Mischief]) -> Option<Mischief> {
        let taken = mischief::take(&mut locked(&self.faults), of);
        if taken.is_some() {
            self.board.count(|report| report.faults += 1);
        }
        taken
    }
}

/// Runs the service until `stop` turns true.
pub async fn run(settings: SimSettings, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
    Ok(Sim::bind(settings).await?.run(stop).await)
}

/// A service whose address is taken and that does not answer yet.
pub struct Sim {
    listener: TcpListener,
    address: SocketAddr,
    office: Arc<Office>,
    told: mpsc::UnboundedReceiver<Task>,
}

impl Sim {
    /// Checks the settings and takes the address.
    pub async fn bind(settings: SimSettings) -> Result<Self, SimError> {
        let clock = Clock::new(settings.start.as_deref(), settings.frozen)?;
        let wrong = |setting, what: &str| SimError::Setting { setting, what: what.to_owned() };
        let seal = Seal::new(&settings.app_id).ok_or_else(|| wrong("app_id", "its keys cannot be used"))?;
        let authority = Authority::new().ok_or_else(|| wrong("data", "the authority's key is none"))?;
        if settings.ladder_speed <= 0.0 {
            return Err(wrong("ladder_speed", "expected more than 0"));
        }
        let listener = kit::listen(&settings.listen).await?;
        let failed = |source| SimError::Listen { address: settings.listen.clone(), source };
        let address = listener.local_addr().map_err(failed)?;
        let (telling, told) = mpsc::unbounded_channel();
        let office = Office {
            base: format!("http://{address}"),
            authority,
            seal: Mutex::new(seal),
            book: Mutex::new(Book::new(settings.seed)),
            clock: Mutex::new(clock),
            faults: Mutex::new(settings.faults.clone()),
            board: Board::default(),
            telling,
            settings,
        };
        Ok(Self { listener, address, office: Arc::new(office), told })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` turns true.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Report {
        let Self { listener, office, told, .. } = self;
        let routes = service::routes(Arc::clone(&office))
            .merge(page::routes(Arc::clone(&office)))
            .merge(control::routes(Arc::clone(&office)));
        tokio::select! {
            // A client that keeps its connection open must not keep the simulator.
            () = stopped(stop) => {}
            () = notices::run(Arc::clone(&office), told) => {}
            served = async { axum::serve(listener, routes).await } => {
                if let Err(error) = served {
                    tracing::warn!(%error, "The simulated signing service stopped.");
                }
            }
        }
        office.board.report()
    }
}
