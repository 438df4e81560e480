//! The control API of the service, for tests and demonstrations: what it shall do, and what it has in its books.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use time::Duration;

use super::Reception;
use super::clock::{read_stamp, stamped};
use super::codes::meaning;
use super::element::leaf;
use super::envelope::Reply;
use super::hospital::{Change, Correction, TempSession};
use super::memory::LockState;
use super::mischief::{Fault, Forced, Latency};

type Desk = State<Arc<Reception>>;

/// The routes under `/__sim`.
pub(super) fn routes(reception: Arc<Reception>) -> Router {
    Router::new()
        .route("/__sim/status", get(status))
        .route("/__sim/reset", post(reset))
        .route("/__sim/clock", post(clock))
        .route("/__sim/fault", post(fault))
        .route("/__sim/force", post(force))
        .route("/__sim/latency", post(latency))
        .route("/__sim/locks/expire", post(expire_locks))
        .route("/__sim/session", post(change_session))
        .route("/__sim/session/add", post(add_session))
        .route("/__sim/sell", post(sell))
        .route("/__sim/patient", post(patient))
        .route("/__sim/item", post(item))
        .route("/__sim/registration", post(registration))
        .route("/__sim/bill", post(bill))
        .route("/__sim/bill/shorten", post(shorten_bill))
        .route("/__sim/books", post(books))
        .route("/__sim/event", post(event))
        .route("/__sim/calls", get(calls))
        .route("/__sim/{list}", get(list))
        .with_state(reception)
}

/// 204 where it was done, 422 where what it names is not there.
fn done(is_done: bool) -> StatusCode {
    if is_done { StatusCode::NO_CONTENT } else { StatusCode::UNPROCESSABLE_ENTITY }
}

async fn status(State(reception): Desk) -> Json<Value> {
    let orders = json!(*reception.orders());
    let hospital = reception.hospital();
    Json(json!({
        "name": "his-service",
        "now": stamped(hospital.now()),
        "frozen": hospital.clock.is_frozen(),
        "report": reception.board.report(),
        "received": reception.board.received_ids(),
        "problems": reception.board.problems(),
        "orders": orders,
        "events": hospital.memory.events.len(),
        "acknowledged": hospital.memory.acknowledged,
    }))
}

async fn reset(State(reception): Desk) -> StatusCode {
    reception.board.reset();
    reception.calls.clear();
    *reception.orders() = Default::default();
    reception.change(|hospital| hospital.begin());
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockOrder {
    at: Option<String>,
    #[serde(default)]
    advance_secs: i64,
    frozen: Option<bool>,
}

async fn clock(State(reception): Desk, Json(order): Json<ClockOrder>) -> Result<Json<Value>, StatusCode> {
    reception.change(|hospital| {
        let at = match &order.at {
            Some(at) => read_stamp(at),
            None => Some(hospital.now()),
        };
        let at = at.and_then(|at| at.checked_add(Duration::seconds(order.advance_secs)));
        let at = at.ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
        let is_frozen = order.frozen.unwrap_or(hospital.clock.is_frozen());
        hospital.clock.set(at, is_frozen);
        Ok(Json(json!({ "now": stamped(at), "frozen": is_frozen })))
    })
}

async fn fault(State(reception): Desk, Json(fault): Json<Fault>) -> StatusCode {
    reception.orders().faults.push(fault);
    StatusCode::NO_CONTENT
}

async fn force(State(reception): Desk, Json(forced): Json<Forced>) -> StatusCode {
    let is_known = meaning(&forced.code).is_some();
    if is_known {
        reception.orders().forced.push(forced);
    }
    done(is_known)
}

async fn latency(State(reception): Desk, Json(latency): Json<Latency>) -> StatusCode {
    reception.orders().set_latency(latency);
    StatusCode::NO_CONTENT
}

async fn expire_locks(State(reception): Desk) -> StatusCode {
    reception.change(|hospital| hospital.expire_locks());
    StatusCode::NO_CONTENT
}

async fn change_session(State(reception): Desk, Json(change): Json<Change>) -> StatusCode {
    done(reception.change(|hospital| hospital.change_session(&change)))
}

async fn add_session(State(reception): Desk, Json(session): Json<TempSession>) -> (StatusCode, Json<Value>) {
    let reply = Reply::from(reception.change(|hospital| hospital.add_session(&session)));
    let told: BTreeMap<&str, &str> =
        reply.body.iter().map(|element| (element.name.as_str(), element.text.as_str())).collect();
    let status = if reply.code == "0" { StatusCode::CREATED } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, Json(json!({ "code": reply.code, "message": reply.message, "body": told })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sale {
    slot_id: String,
}

async fn sell(State(reception): Desk, Json(sale): Json<Sale>) -> StatusCode {
    done(reception.change(|hospital| hospital.sell(&sale.slot_id)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PatientOrder {
    patient_id: String,
    blacklist: bool,
}

async fn patient(State(reception): Desk, Json(order): Json<PatientOrder>) -> StatusCode {
    done(reception.change(|hospital| hospital.set_blacklist(&order.patient_id, order.blacklist)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ItemOrder {
    function: String,
    code: String,
    set: BTreeMap<String, String>,
}

async fn item(State(reception): Desk, Json(order): Json<ItemOrder>) -> StatusCode {
    let fields = order.set.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    done(reception.change(|hospital| hospital.change_item(&order.function, &order.code, fields)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RegistrationOrder {
    reg_no: String,
    status: String,
}

async fn registration(State(reception): Desk, Json(order): Json<RegistrationOrder>) -> StatusCode {
    let is_status = ["1", "2", "3", "5"].contains(&&*order.status);
    done(is_status && reception.change(|hospital| hospital.set_registration(&order.reg_no, &order.status)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BillOrder {
    reg_no: String,
    items: Vec<(String, u32)>,
}

async fn bill(State(reception): Desk, Json(order): Json<BillOrder>) -> Result<Json<Value>, StatusCode> {
    let number = reception.change(|hospital| hospital.add_bill(&order.reg_no, &order.items));
    number.map(|number| Json(json!({ "billNo": number }))).ok_or(StatusCode::UNPROCESSABLE_ENTITY)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BillNo {
    bill_no: String,
}

async fn shorten_bill(State(reception): Desk, Json(order): Json<BillNo>) -> StatusCode {
    done(reception.change(|hospital| hospital.shorten_bill(&order.bill_no)))
}

async fn books(State(reception): Desk, Json(correction): Json<Correction>) -> StatusCode {
    done(reception.change(|hospital| hospital.correct(&correction)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EventOrder {
    trans_code: String,
    body: BTreeMap<String, String>,
}

/// Tells what the hospital has no rule of its own for, such as a medicine that was handed out (H801).
async fn event(State(reception): Desk, Json(order): Json<EventOrder>) -> StatusCode {
    let body = order.body.iter().map(|(name, text)| leaf(name, text)).collect();
    reception.change(|hospital| {
        let now = hospital.now();
        hospital.memory.tell(&order.trans_code, now, body);
    });
    StatusCode::NO_CONTENT
}

async fn calls(State(reception): Desk) -> Json<Value> {
    Json(json!(reception.calls.all()))
}

/// What the HIS has in its books, for tests that hold it against the hub and the bank.
async fn list(State(reception): Desk, Path(list): Path<String>) -> Result<Json<Value>, StatusCode> {
    let mut hospital = reception.hospital();
    hospital.no_shows();
    let now = hospital.now();
    let memory = &hospital.memory;
    let listed = match list.as_str() {
        "locks" => {
            let locks = memory.locks.values().map(|lock| {
                let state = if lock.state == LockState::Held && !lock.is_live(now) {
                    json!("expired")
                } else {
                    json!(lock.state)
                };
                let mut value = json!(lock);
                value["state"] = state;
                value
            });
            locks.collect()
        }
        "registrations" => memory.registrations.values().map(|one| json!(one)).collect(),
        "transactions" => memory.transactions.values().map(|one| json!(one)).collect(),
        "settlements" => memory.settlements.values().map(|one| json!(one)).collect(),
        "ledger" => memory.ledger.iter().map(|one| json!(one)).collect(),
        "events" => memory.events.iter().map(|one| json!(one)).collect(),
        _ => return Err(StatusCode::NOT_FOUND),
    };
    Ok(Json(Value::Array(listed)))
}
