//! What machines watch: is the hub alive, does it work, how much does it do.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hub_core::operations::ChannelStatus;
use serde::Serialize;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{error, warn};

use crate::doors::Doors;
use crate::observe::Interaction;
use crate::ops::error::OpsError;

/// A watcher that waits longer has given up itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// `ok`: all is well. `degraded`: the hub works, and something wants a look. `failing`: it takes no work.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

/// The routes `/health`, `/health/live` and `/metrics`.
pub(crate) fn router(doors: Arc<Doors>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/metrics", get(metrics))
        .layer(CatchPanicLayer::custom(|_| {
            error!("A handler of health or metrics panicked.");
            OpsError::broken().into_response()
        }))
        .layer(map_response(|mut answer: Response| async {
            answer.extensions_mut().insert(Interaction { door: "health", name: "health" });
            answer
        }))
        .with_state(doors)
}

/// 200 while the hub works, 503 with what is wrong when it does not.
async fn health(State(doors): State<Arc<Doors>>) -> Response {
    let mut problems = Vec::new();
    let mut failing = false;
    if !(doors.ready)() {
        failing = true;
        problems.push("the hub is starting or stopping".to_owned());
    }
    match timeout(PATIENCE, doors.operations.status()).await {
        Ok(Ok(status)) => {
            let stopped = status.channels.iter().filter(|channel| !channel.running);
            problems.extend(stopped.map(stands_still));
            let failing = status.destinations.iter().filter(|destination| destination.circuit == "open");
            problems.extend(failing.map(|to| format!("the destination `{}` does not answer", to.id)));
        }
        Ok(Err(failure)) => {
            warn!(error = %failure, "The health check could not reach the store.");
            failing = true;
            problems.push("the store is unavailable".to_owned());
        }
        Err(_) => {
            failing = true;
            problems.push("the store did not answer in time".to_owned());
        }
    }
    let status = match (failing, problems.is_empty()) {
        (true, _) => "failing",
        (false, false) => "degraded",
        (false, true) => "ok",
    };
    let code = if failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = Health { status, version: env!("CARGO_PKG_VERSION"), problems };
    (code, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn stands_still(channel: &ChannelStatus) -> String {
    match channel.waits_for.as_slice() {
        [] => format!("the channel `{}` does not run", channel.id),
        first => {
            let names: Vec<String> = first.iter().map(|id| format!("`{id}`")).collect();
            format!(
                "the channel `{}` waits to start until {} has come far enough",
                channel.id,
                names.join(", ")
            )
        }
    }
}

/// 200 as long as the process answers at all.
async fn live() -> Response {
    let body = Health { status: "ok", version: env!("CARGO_PKG_VERSION"), problems: Vec::new() };
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn metrics(State(doors): State<Arc<Doors>>) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, (doors.metrics)()).into_response()
}
