//! The control API of the service, for tests and demonstrations.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::book::{Book, Standing};
use super::clock::written;
use super::mischief::Fault;
use super::page::{end, sign_here};
use super::{Office, locked};

type Desk = State<Arc<Office>>;

/// The routes under `/__sim`.
pub(super) fn routes(office: Arc<Office>) -> Router {
    Router::new()
        .route("/__sim/status", get(status))
        .route("/__sim/tasks", get(tasks))
        .route("/__sim/authority.pem", get(authority))
        .route("/__sim/act", post(act))
        .route("/__sim/revoke", post(revoke))
        .route("/__sim/fault", post(fault))
        .route("/__sim/clock", post(clock))
        .route("/__sim/reset", post(reset))
        .with_state(office)
}

async fn status(State(office): Desk) -> Json<Value> {
    Json(json!({
        "name": "esign",
        "now": written(office.now()),
        "report": office.board.report(),
        "problems": office.board.problems(),
        "faults": *locked(&office.faults),
    }))
}

async fn tasks(State(office): Desk) -> Json<Value> {
    Json(json!(locked(&office.book).tasks.values().collect::<Vec<_>>()))
}

async fn authority(State(office): Desk) -> String {
    office.authority.pem()
}

/// What a patient does with the service's own page.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Does {
    Sign,
    Refuse,
    Expire,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Patient {
    task_id: String,
    does: Does,
}

async fn act(State(office): Desk, Json(patient): Json<Patient>) -> StatusCode {
    let id = &patient.task_id;
    let done = match patient.does {
        Does::Sign => sign_here(&office, id).map(drop),
        Does::Refuse => end(&office, id, Standing::Refused),
        Does::Expire => end(&office, id, Standing::Expired),
    };
    if done.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::UNPROCESSABLE_ENTITY }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Revoked {
    cert_sn: String,
}

async fn revoke(State(office): Desk, Json(revoked): Json<Revoked>) -> StatusCode {
    let now = office.now();
    locked(&office.book).revoked.insert(revoked.cert_sn, now);
    StatusCode::NO_CONTENT
}

async fn fault(State(office): Desk, Json(fault): Json<Fault>) -> StatusCode {
    locked(&office.faults).push(fault);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockOrder {
    advance_secs: i64,
}

async fn clock(State(office): Desk, Json(order): Json<ClockOrder>) -> Json<Value> {
    locked(&office.clock).advance(order.advance_secs);
    Json(json!({ "now": written(office.now()) }))
}

async fn reset(State(office): Desk) -> StatusCode {
    office.board.reset();
    locked(&office.faults).clear();
    *locked(&office.book) = Book::new(office.settings.seed);
    StatusCode::NO_CONTENT
}
