//! The control API of every simulator: what it counted, what it shall do wrong, what it shall send now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::SimError;
use crate::board::Board;
use crate::fault::{Fault, Faults};

/// What the control API tells a sender to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send one now.
    Push,
    /// Begin the script again.
    Reset,
}

/// What the control API works on.
#[derive(Clone)]
pub struct Desk {
    /// The simulator's name.
    pub name: &'static str,
    /// What it counts.
    pub board: Arc<Board>,
    /// The faults of the side that sends, where there is one.
    pub sending: Option<Arc<Faults>>,
    /// The faults of the side that receives, where there is one.
    pub receiving: Option<Arc<Faults>>,
    /// To the side that sends.
    pub orders: Option<mpsc::Sender<Order>>,
}

impl Desk {
    /// Arms a fault on the side named, or on the first that knows it.
    pub fn arm(&self, fault: Fault, times: u64, side: Option<Side>) -> Result<(), SimError> {
        let sides = match side {
            Some(Side::Sending) => [self.sending.as_ref(), None],
            Some(Side::Receiving) => [self.receiving.as_ref(), None],
            None => [self.sending.as_ref(), self.receiving.as_ref()],
        };
        let sides: Vec<&Arc<Faults>> = sides.into_iter().flatten().collect();
        let nobody = || SimError::Setting {
            setting: "fault",
            what: format!("the simulator `{}` has no such side", self.name),
        };
        let side = sides.iter().find(|side| side.knows(fault)).or(sides.first()).ok_or_else(nobody)?;
        side.arm(fault, times)
    }
}

/// A side of a simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Side {
    Sending,
    Receiving,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    name: Fault,
    #[serde(default = "once")]
    times: u64,
    side: Option<Side>,
}

fn once() -> u64 {
    1
}

/// The routes of the control API.
pub fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/__sim/status", get(status))
        .route("/__sim/fault", post(fault))
        .route("/__sim/push", post(push))
        .route("/__sim/reset", post(reset))
        .with_state(desk)
}

/// Takes an address.
pub async fn listen(address: &str) -> Result<TcpListener, SimError> {
    let failed = |source| SimError::Listen { address: address.to_owned(), source };
    TcpListener::bind(address).await.map_err(failed)
}

/// Serves the control API until `stop` turns true.
pub async fn serve(listener: TcpListener, desk: Desk, stop: watch::Receiver<bool>) {
    let served = axum::serve(listener, routes(desk)).with_graceful_shutdown(stopped(stop)).await;
    if let Err(error) = served {
        tracing::warn!(%error, "The simulator's control API stopped.");
    }
}

/// Waits until `stop` turns true, or whoever holds it is gone.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error says that the sender is gone: then nobody wants the simulator any more.
    let _gone = stop.wait_for(|stop| *stop).await;
}

async fn status(State(desk): State<Desk>) -> Json<Value> {
    Json(json!({
        "name": desk.name,
        "report": desk.board.report(),
        "received": desk.board.received_ids(),
        "problems": desk.board.problems(),
        "faults": {
            "sending": desk.sending.as_ref().map(|faults| faults.armed()),
            "receiving": desk.receiving.as_ref().map(|faults| faults.armed()),
        },
    }))
}

async fn fault(
    State(desk): State<Desk>,
    Json(order): Json<FaultOrder>,
) -> Result<StatusCode, (StatusCode, String)> {
    match desk.arm(order.name, order.times, order.side) {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err((StatusCode::UNPROCESSABLE_ENTITY, error.to_string())),
    }
}

async fn push(State(desk): State<Desk>) -> StatusCode {
    match desk.orders.map(|orders| orders.try_send(Order::Push)) {
        Some(Ok(())) => StatusCode::ACCEPTED,
        Some(Err(_)) => StatusCode::TOO_MANY_REQUESTS,
        None => StatusCode::NOT_FOUND,
    }
}

async fn reset(State(desk): State<Desk>) -> StatusCode {
    desk.board.reset();
    for faults in [&desk.sending, &desk.receiving].into_iter().flatten() {
        faults.clear();
    }
    match desk.orders.map(|orders| orders.try_send(Order::Reset)) {
        Some(Err(_)) => StatusCode::TOO_MANY_REQUESTS,
        Some(Ok(())) | None => StatusCode::NO_CONTENT,
    }
}
