//! A notification service: takes notices by HTTP, knows copies by their key, and is strict about what a notice holds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
pub use sim_kit::SimError;
pub use sim_kit::board::Report;
use sim_kit::board::{Board, Seen};
use sim_kit::control::{self, Desk, stopped};
use sim_kit::cut::{Cut, Cuttable};
pub use sim_kit::fault::Fault;
use sim_kit::fault::Faults;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;
use tokio::sync::watch;

mod clock;
mod mischief;
mod office;
pub mod sms;
pub mod wechat;

pub use mischief::{Mischief, Order};

/// What it does wrong when it is told to.
const FAULTS: [Fault; 8] = [
    Fault::Slow,
    Fault::DropAfterReceive,
    Fault::Garbage,
    Fault::HalfFrame,
    Fault::NoAck,
    Fault::AeOnce,
    Fault::Refuse,
    Fault::Big,
];

/// What every notice must hold, each valued.
const REQUIRED: [&str; 5] = ["patient", "test", "value", "interpretation", "report"];

const LONGEST_NOTICE: usize = 256 * 1024;
const SLOW_ANSWER: Duration = Duration::from_secs(2);
/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(3600);
const BIG: usize = 5 * 1024 * 1024;

/// How the service behaves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimSettings {
    /// Where it listens: notices on `POST /notices`, the control API under `/__sim`.
    pub listen: String,
    /// What goes wrong from the beginning.
    pub fault: Option<Fault>,
    /// How often; 0: always.
    pub fault_times: u64,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self { listen: "127.0.0.1:2580".to_owned(), fault: None, fault_times: 1 }
    }
}

/// What the simulated gateways have approved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approved {
    sms: Vec<sms::Template>,
    wechat: Vec<wechat::Template>,
}

fn approved() -> Approved {
    toml::from_str(include_str!("../data/templates.toml")).expect("a test reads the packed templates")
}

/// Runs the service until `stop` turns true.
pub async fn run(settings: SimSettings, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
    Sim::bind(settings).await?.run(stop).await
}

/// A service whose address is taken and that does not answer yet.
pub struct Sim {
    listener: TcpListener,
    address: SocketAddr,
    sink: Sink,
}

#[derive(Clone)]
struct Sink {
    board: Arc<Board>,
    faults: Arc<Faults>,
}

impl Sim {
    /// Checks the settings and takes the address.
    pub async fn bind(settings: SimSettings) -> Result<Self, SimError> {
        let listener = control::listen(&settings.listen).await?;
        let failed = |source| SimError::Listen { address: settings.listen.clone(), source };
        let address = listener.local_addr().map_err(failed)?;
        let faults = Arc::new(Faults::new(&FAULTS));
        if let Some(fault) = settings.fault {
            faults.arm(fault, settings.fault_times)?;
        }
        Ok(Self { listener, address, sink: Sink { board: Arc::default(), faults } })
    }

    /// Where it listens, notices and control API alike.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` turns true.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<Report, SimError> {
        let Self { listener, sink, .. } = self;
        let board = Arc::clone(&sink.board);
        let desk = Desk {
            name: "notify",
            board: Arc::clone(&board),
            sending: None,
            receiving: Some(Arc::clone(&sink.faults)),
            orders: None,
        };
        let routes = Router::new()
            .route("/notices", post(notice))
            .layer(DefaultBodyLimit::max(LONGEST_NOTICE))
            .with_state(sink)
            .merge(control::routes(desk));
        let service = routes.into_make_service_with_connect_info::<Cut>();
        tokio::select! {
            // A client that keeps its connection open must not keep the simulator.
            () = stopped(stop) => {}
            served = async { axum::serve(Cuttable(listener), service).await } => {
                if let Err(error) = served {
                    tracing::warn!(%error, "The notification service stopped.");
                }
            }
        }
        Ok(board.report())
    }
}

async fn notice(
    State(sink): State<Sink>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    sink.board.count(|report| report.received += 1);
    let fault = sink.faults.take();
    if fault.is_some() {
        sink.board.count(|report| report.faults += 1);
    }
    match fault {
        Some(Fault::AeOnce) => {
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response();
        }
        Some(Fault::Refuse) => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        _ => {}
    }
    let taken = sink.take(&headers, &body);
    match fault {
        Some(Fault::Slow) => tokio::time::sleep(SLOW_ANSWER).await,
        Some(Fault::NoAck) => tokio::time::sleep(NEVER).await,
        Some(Fault::DropAfterReceive) => cut.after(0),
        Some(Fault::HalfFrame) => cut.after(20),
        Some(Fault::Garbage) => return "\u{1}this is no answer".into_response(),
        Some(Fault::Big) => return "x".repeat(BIG).into_response(),
        _ => {}
    }
    taken
}

impl Sink {
    fn take(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let (key, notice) = match check(headers, body) {
            Ok(right) => right,
            Err(problem) => {
                self.board.reject(&problem);
                let answer = Json(json!({ "error": problem }));
                return (StatusCode::UNPROCESSABLE_ENTITY, answer).into_response();
            }
        };
        let duplicate = self.board.accept(&key) == Seen::Before;
        let status = if duplicate { StatusCode::OK } else { StatusCode::CREATED };
        // The receipt names the notice and what it was about, as a ward's system does that keeps them apart by both.
        let receipt = json!({
            "id": key,
            "duplicate": duplicate,
            "received": now(),
            "patient": notice["patient"],
            "observation": notice["observation"],
        });
        (status, Json(receipt)).into_response()
    }
}

/// The moment, in UTC: `2026-11-22T00:30:00Z`.
fn now() -> String {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    now.format(&Rfc3339).unwrap_or_default()
}

/// Holds a notice against the rules: its key and content, or the rule it breaks, without content.
fn check(headers: &HeaderMap, body: &[u8]) -> Result<(String, Value), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = text("idempotency-key");
    if key.is_empty() || key.len() > 64 {
        return Err("Idempotency-Key: expected 1 to 64 characters".to_owned());
    }
    let media_type = text("content-type").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type != "application/json" {
        return Err("Content-Type: expected application/json".to_owned());
    }
    let notice: Value = serde_json::from_slice(body)
        .map_err(|error| format!("the body is no JSON (line {})", error.line()))?;
    let Value::Object(members) = &notice else { return Err("the body: expected an object".to_owned()) };
    for name in REQUIRED {
        let valued = members.get(name).is_some_and(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        });
        if !valued {
            return Err(format!("`{name}`: expected a value"));
        }
    }
    Ok((key.to_owned(), notice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(key: &str, kind: &'static str, body: Value) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", key.parse().unwrap());
        headers.insert("content-type", header::HeaderValue::from_static(kind));
        check(&headers, body.to_string().as_bytes()).map(|(key, _)| key)
    }

    fn whole() -> Value {
        json!({"patient": "1000001", "test": "K", "value": 6.9, "interpretation": ["HH"], "report": {"id": "R1"}})
    }

    #[test]
    fn a_whole_notice_is_taken() {
        assert_eq!(judged("k1", "application/json; charset=utf-8", whole()), Ok("k1".to_owned()));
    }

    #[test]
    fn a_notice_without_one_of_its_members_is_refused() {
        for name in REQUIRED {
            let mut notice = whole();
            notice[name] = Value::Null;
            assert_eq!(judged("k1", "application/json", notice), Err(format!("`{name}`: expected a value")));
        }
    }

    #[test]
    fn a_notice_without_a_key_or_of_another_kind_is_refused() {
        assert!(judged("", "application/json", whole()).is_err());
        assert!(judged("k1", "text/plain", whole()).is_err());
        assert!(judged("k1", "application/json", json!([])).is_err());
    }
}
