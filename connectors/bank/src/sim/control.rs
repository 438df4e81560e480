//! The control API of the bank, for tests and demonstrations: what it shall do, and what it has in its book.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use time::Duration;
use time::macros::format_description;

use super::book::{Book, Ending};
use super::clock::spaced;
use super::mischief::Fault;
use super::notices::Event;
use super::{Office, locked};

type Desk = State<Arc<Office>>;

/// The routes under `/__sim`.
pub(super) fn routes(office: Arc<Office>) -> Router {
    Router::new()
        .route("/__sim/status", get(status))
        .route("/__sim/orders", get(orders))
        .route("/__sim/refunds", get(refunds))
        .route("/__sim/pay", post(pay))
        .route("/__sim/refund", post(end_refund))
        .route("/__sim/fault", post(fault))
        .route("/__sim/clock", post(clock))
        .route("/__sim/reset", post(reset))
        .with_state(office)
}

async fn status(State(office): Desk) -> Json<Value> {
    Json(json!({
        "name": "bank",
        "now": spaced(office.now()),
        "report": office.board.report(),
        "problems": office.board.problems(),
        "faults": *locked(&office.faults),
    }))
}

async fn orders(State(office): Desk) -> Json<Value> {
    let now = office.now();
    let mut book = locked(&office.book);
    let numbers: Vec<String> = book.orders.keys().cloned().collect();
    let orders: Vec<_> = numbers.iter().filter_map(|no| book.order(no, now)).collect();
    Json(json!(orders))
}

async fn refunds(State(office): Desk) -> Json<Value> {
    Json(json!(locked(&office.book).refunds.values().collect::<Vec<_>>()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Payer {
    order_no: String,
    /// Although it is closed or over (late), or paid (twice).
    #[serde(default)]
    anyway: bool,
}

async fn pay(State(office): Desk, Json(payer): Json<Payer>) -> StatusCode {
    let now = office.now();
    let paid = locked(&office.book).pay(&payer.order_no, payer.anyway, now);
    match paid {
        Ok(order) => {
            office.tell(Event::Paid(order));
            StatusCode::NO_CONTENT
        }
        Err(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefundEnd {
    refund_no: String,
    succeeds: bool,
}

async fn end_refund(State(office): Desk, Json(end): Json<RefundEnd>) -> StatusCode {
    let ended = {
        let mut book = locked(&office.book);
        let refund = book.refunds.get_mut(&end.refund_no).filter(|refund| refund.ending == Ending::Pending);
        let refund = refund.map(|refund| {
            refund.ending = if end.succeeds { Ending::Success } else { Ending::Failed };
            refund.clone()
        });
        refund.and_then(|refund| Some((book.orders.get(&refund.order)?.clone(), refund)))
    };
    let Some((order, refund)) = ended else { return StatusCode::UNPROCESSABLE_ENTITY };
    office.tell(Event::Refunded(order, refund));
    StatusCode::NO_CONTENT
}

async fn fault(State(office): Desk, Json(fault): Json<Fault>) -> StatusCode {
    locked(&office.faults).push(fault);
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
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let mut clock = locked(&office.clock);
    let at = match &order.at {
        Some(at) => time::PrimitiveDateTime::parse(at, format).ok(),
        None => Some(clock.now()),
    };
    let at = at.and_then(|at| at.checked_add(Duration::seconds(order.advance_secs)));
    let at = at.ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    clock.set(at);
    Ok(Json(json!({ "now": spaced(at) })))
}

async fn reset(State(office): Desk) -> StatusCode {
    office.board.reset();
    locked(&office.faults).clear();
    *locked(&office.book) = Book::new(office.settings.seed);
    StatusCode::NO_CONTENT
}
