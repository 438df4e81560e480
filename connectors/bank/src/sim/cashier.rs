//! The cashier: a page on which somebody pays an order, or does not.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::book::{Order, Standing};
use super::notices::Event;
use super::{Office, locked};

/// The routes under `/cashier`.
pub(super) fn routes(office: Arc<Office>) -> Router {
    Router::new()
        .route("/cashier/{order}", get(page))
        .route("/cashier/{order}/pay", post(pay))
        .route("/cashier/{order}/refuse", post(refuse))
        .with_state(office)
}

async fn page(State(office): State<Arc<Office>>, Path(no): Path<String>) -> Response {
    let now = office.now();
    let order = locked(&office.book).order(&no, now);
    match order {
        Some(order) => Html(shown(&order)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn pay(State(office): State<Arc<Office>>, Path(no): Path<String>) -> Response {
    let now = office.now();
    let paid = locked(&office.book).pay(&no, false, now);
    match paid {
        Ok(order) => {
            let page = Html(shown(&order));
            office.tell(Event::Paid(order));
            page.into_response()
        }
        Err(_) => (StatusCode::CONFLICT, "This order cannot be paid.").into_response(),
    }
}

/// The payer goes away: the order stays as it is.
async fn refuse(state: State<Arc<Office>>, order: Path<String>) -> Response {
    page(state, order).await
}

fn shown(order: &Order) -> String {
    let request = &order.request;
    let no = escaped(&request.no);
    let below = match order.standing {
        Standing::Open => format!(
            "<form method=post action=\"/cashier/{no}/pay\"><button>Pay</button></form>\
             <form method=post action=\"/cashier/{no}/refuse\"><button>Do not pay</button></form>"
        ),
        Standing::Paid => "<p>Paid.</p>".to_owned(),
        Standing::Closed => "<p>Closed.</p>".to_owned(),
    };
    format!(
        "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Cashier</title>\
         <h1>Simulated bank</h1><p>{no}<p>{}<p>CNY {}.{:02}{below}",
        escaped(&request.goods),
        request.fen / 100,
        request.fen % 100
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
