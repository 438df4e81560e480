//! What the simulated gateways have in common: what they sent, their clock, their faults, and the control API over all of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sim_kit::SimError;
use sim_kit::board::Board;
use time::PrimitiveDateTime;
use tokio::time::sleep;

use super::clock::{Clock, spaced};
use super::mischief::{self, Mischief, Order};

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(3600);

/// How many messages are remembered.
const REMEMBERED: usize = 100_000;

/// A message that was sent.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    /// A number with its country, or an openid.
    pub(super) to: String,
    pub(super) template: String,
    /// What the person reads.
    pub(super) text: String,
    pub(super) params: BTreeMap<String, String>,
    #[serde(rename = "ref")]
    pub(super) reference: String,
    pub(super) partner_id: String,
    #[serde(serialize_with = "in_beijing")]
    pub(super) at: PrimitiveDateTime,
    /// What was reported, once it was.
    pub(super) receipt: Option<&'static str>,
}

fn in_beijing<S: serde::Serializer>(at: &PrimitiveDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{}+08:00", spaced(*at).replace(' ', "T")))
}

/// The common part of a gateway, behind its own locks.
pub(super) struct Office {
    name: &'static str,
    slow: Duration,
    pub(super) board: Board,
    clock: Mutex<Clock>,
    orders: Mutex<Vec<Order>>,
    /// Oldest first.
    pub(super) sent: Mutex<VecDeque<Sent>>,
    /// Who wants nothing.
    declined: Mutex<BTreeSet<String>>,
    /// Decides the next number that the gateway gives.
    given: Mutex<u64>,
}

/// How a gateway begins.
pub(super) struct Beginning<'a> {
    pub(super) name: &'static str,
    pub(super) start: Option<&'a str>,
    pub(super) is_frozen: bool,
    pub(super) slow_secs: f64,
    pub(super) faults: Vec<Order>,
}

pub(super) fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Office {
    pub(super) fn new(beginning: Beginning<'_>) -> Result<Self, SimError> {
        let slow = Duration::try_from_secs_f64(beginning.slow_secs).map_err(|_| SimError::Setting {
            setting: "slow_secs",
            what: "expected a number of seconds".to_owned(),
        })?;
        Ok(Self {
            name: beginning.name,
            slow,
            board: Board::default(),
            clock: Mutex::new(Clock::new(beginning.start, beginning.is_frozen)?),
            orders: Mutex::new(beginning.faults),
            sent: Mutex::default(),
            declined: Mutex::default(),
            given: Mutex::default(),
        })
    }

    pub(super) fn now(&self) -> PrimitiveDateTime {
        locked(&self.clock).now()
    }

    /// A number that was never given before.
    pub(super) fn number(&self) -> u64 {
        let mut given = locked(&self.given);
        *given += 1;
        *given
    }

    /// The fault of these that happens now.
    pub(super) fn takes(&self, of: &[Mischief]) -> Option<Order> {
        let taken = mischief::take(&mut locked(&self.orders), of);
        if taken.is_some() {
            self.board.count(|report| report.faults += 1);
        }
        taken
    }

    pub(super) fn is_declined(&self, to: &str) -> bool {
        locked(&self.declined).contains(bare(to))
    }

    /// Remembers what was sent.
    pub(super) fn keep(&self, sent: Sent) {
        self.board.accept(&sent.partner_id);
        let mut all = locked(&self.sent);
        if all.len() >= REMEMBERED {
            all.pop_front();
        }
        all.push_back(sent);
    }

    /// Spoils an answer as it was ordered.
    pub(super) async fn spoilt(&self, fault: Option<Mischief>, answer: Response) -> Response {
        match fault {
            Some(Mischief::Slow) => sleep(self.slow).await,
            Some(Mischief::Silent) => sleep(NEVER).await,
            Some(Mischief::Garbage) => return "<html>this is no answer".into_response(),
            _ => {}
        }
        answer
    }
}

/// Without what a query cannot carry: `+` is a space there.
fn bare(to: &str) -> &str {
    to.trim_start_matches(['+', ' '])
}

type Desk = State<Arc<Office>>;

/// The routes under `/__sim`.
pub(super) fn routes(office: Arc<Office>) -> Router {
    Router::new()
        .route("/__sim/status", get(status))
        .route("/__sim/messages", get(messages))
        .route("/__sim/decline", post(decline))
        .route("/__sim/fault", post(fault))
        .route("/__sim/clock", post(clock))
        .route("/__sim/reset", post(reset))
        .with_state(office)
}

async fn status(State(office): Desk) -> Json<Value> {
    Json(json!({
        "name": office.name,
        "now": spaced(office.now()),
        "report": office.board.report(),
        "problems": office.board.problems(),
        "faults": *locked(&office.orders),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    #[serde(alias = "phone", alias = "openid")]
    to: Option<String>,
}

async fn messages(State(office): Desk, Query(who): Query<Who>) -> Json<Value> {
    let sent = locked(&office.sent);
    let of = |message: &&Sent| who.to.as_deref().is_none_or(|to| bare(to) == bare(&message.to));
    Json(json!(sent.iter().filter(of).collect::<Vec<_>>()))
}

async fn decline(State(office): Desk, Json(who): Json<Who>) -> StatusCode {
    let Some(to) = who.to else { return StatusCode::UNPROCESSABLE_ENTITY };
    locked(&office.declined).insert(bare(&to).to_owned());
    StatusCode::NO_CONTENT
}

async fn fault(State(office): Desk, Json(order): Json<Order>) -> StatusCode {
    if order.name == Mischief::ForcedCode && order.code.is_empty() {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    locked(&office.orders).push(order);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockOrder {
    at: Option<String>,
    #[serde(default)]
    advance_secs: i64,
}

async fn clock(State(office): Desk, Json(order): Json<ClockOrder>) -> Result<Json<Value>, StatusCode> {
    let mut clock = locked(&office.clock);
    if let Some(at) = &order.at {
        clock.set(at).ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    }
    clock.advance(order.advance_secs);
    Ok(Json(json!({ "now": spaced(clock.now()) })))
}

async fn reset(State(office): Desk) -> StatusCode {
    office.board.reset();
    locked(&office.orders).clear();
    locked(&office.sent).clear();
    locked(&office.declined).clear();
    StatusCode::NO_CONTENT
}
