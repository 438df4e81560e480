//! A bank: orders, payments, refunds, notices and bills in all dialects at once, strict about what it is sent. `huitong sim bank`.
//!
//! It signs and verifies with code of its own (`seal.rs`), and knows nothing of the connector's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
pub use sim_kit::SimError;
use sim_kit::board::Board;
pub use sim_kit::board::Report;
use sim_kit::control::{self as kit, stopped};
use sim_kit::cut::{Cut, Cuttable};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

mod bill;
mod book;
mod cashier;
mod clock;
mod cmb;
mod control;
mod mischief;
mod notices;
mod seal;
mod unionpay;
mod wechat;

use book::Book;
use clock::Clock;
pub use mischief::{Fault, Mischief};
use notices::Telling;
use seal::Seal;
pub use seal::keys;

/// How the bank behaves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimSettings {
    /// Where it listens: `/v3` (wechat), `/gateway` and `/` (unionpay), `/polypay` (cmb), `/cashier`, and the control API under `/__sim`.
    pub listen: String,
    /// Decides the numbers that the bank gives.
    pub seed: u64,
    /// What the clock shows at the beginning, `20260302080000`; without it the real time in Beijing.
    pub start: Option<String>,
    /// Whether the clock stands still until it is set.
    pub frozen: bool,
    /// The merchant's number; others are refused.
    pub merchant: String,
    /// The app's number; others are refused.
    pub app_id: String,
    /// The serial number of the merchant's certificate.
    pub serial: String,
    /// The id of the bank's key in the dialect `wechat`.
    pub bank_name: String,
    /// The APIv3 key of the dialect `wechat`: 32 characters.
    pub api_key: String,
    /// The app's secret in the dialect `cmb`.
    pub app_secret: String,
    /// How long after each other a notice is sent that was not taken.
    pub ladder_secs: Vec<f64>,
    /// How many times faster than that it is.
    pub ladder_speed: f64,
    /// How late the faults `slow` and `notice-late` are.
    pub slow_secs: f64,
    /// What the bank takes of ten thousand fen.
    pub fee_per_10000: i64,
    /// What goes wrong from the beginning.
    pub faults: Vec<Fault>,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:2590".to_owned(),
            seed: 1,
            start: None,
            frozen: false,
            merchant: "1900000109".to_owned(),
            app_id: "wxd678efh567hg6787".to_owned(),
            serial: "5157F09EFDC096DE15EBE81A47057A7232F1B8E1".to_owned(),
            bank_name: "PUB_KEY_ID_0119000001092026".to_owned(),
            api_key: "simulated-bank-key-of-32-letters".to_owned(),
            app_secret: "simulated-app-secret".to_owned(),
            ladder_secs: vec![
                15.0, 15.0, 30.0, 180.0, 600.0, 1200.0, 1800.0, 1800.0, 1800.0, 3600.0, 10800.0,
            ],
            ladder_speed: 60.0,
            slow_secs: 2.0,
            fee_per_10000: 60,
            faults: Vec::new(),
        }
    }
}

/// What every request meets: one book behind one lock, so that no money is given back twice.
struct Office {
    settings: SimSettings,
    /// `http://127.0.0.1:2590`: what its own addresses begin with.
    base: String,
    seal: Seal,
    book: Mutex<Book>,
    clock: Mutex<Clock>,
    faults: Mutex<Vec<Fault>>,
    /// Bills that were asked for, by the token of their address.
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// What was signed with, so that nothing is signed for twice.
    nonces: Mutex<BTreeSet<String>>,
    board: Board,
    telling: mpsc::UnboundedSender<Telling>,
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Office {
    fn now(&self) -> time::PrimitiveDateTime {
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

/// Runs the bank until `stop` turns true.
pub async fn run(settings: SimSettings, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
    Ok(Sim::bind(settings).await?.run(stop).await)
}

/// A bank whose address is taken and that does not answer yet.
pub struct Sim {
    listener: TcpListener,
    address: SocketAddr,
    office: Arc<Office>,
    told: mpsc::UnboundedReceiver<Telling>,
}

impl Sim {
    /// Checks the settings and takes the address.
    pub async fn bind(settings: SimSettings) -> Result<Self, SimError> {
        let clock = Clock::new(settings.start.as_deref(), settings.frozen)?;
        let wrong = |setting, what: &str| SimError::Setting { setting, what: what.to_owned() };
        let seal = Seal::new(&settings).ok_or_else(|| wrong("api_key", "expected 32 characters"))?;
        if settings.ladder_speed <= 0.0 {
            return Err(wrong("ladder_speed", "expected more than 0"));
        }
        let listener = kit::listen(&settings.listen).await?;
        let failed = |source| SimError::Listen { address: settings.listen.clone(), source };
        let address = listener.local_addr().map_err(failed)?;
        let (telling, told) = mpsc::unbounded_channel();
        let office = Office {
            base: format!("http://{address}"),
            seal,
            book: Mutex::new(Book::new(settings.seed)),
            clock: Mutex::new(clock),
            faults: Mutex::new(settings.faults.clone()),
            files: Mutex::default(),
            nonces: Mutex::default(),
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
        let routes = wechat::routes(Arc::clone(&office))
            .merge(cmb::routes(Arc::clone(&office)))
            .merge(unionpay::routes(Arc::clone(&office)))
            .merge(cashier::routes(Arc::clone(&office)))
            .merge(control::routes(Arc::clone(&office)));
        let service = routes.into_make_service_with_connect_info::<Cut>();
        tokio::select! {
            // A client that keeps its connection open must not keep the simulator.
            () = stopped(stop) => {}
            () = notices::run(Arc::clone(&office), told) => {}
            served = async { axum::serve(Cuttable(listener), service).await } => {
                if let Err(error) = served {
                    tracing::warn!(%error, "The simulated bank stopped.");
                }
            }
        }
        office.board.report()
    }
}
