//! The service's own page, on which somebody signs a document by himself, or does not.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::book::{Standing, Task};
use super::service::{Done, UNKNOWN};
use super::signing::{Writing, sign};
use super::{Office, locked};

/// The routes under `/sign`.
pub(super) fn routes(office: Arc<Office>) -> Router {
    Router::new()
        .route("/sign/{task}", get(page))
        .route("/sign/{task}/sign", post(signed))
        .route("/sign/{task}/refuse", post(refused))
        .with_state(office)
}

async fn page(State(office): State<Arc<Office>>, Path(id): Path<String>) -> Response {
    let now = office.now();
    let task = locked(&office.book).task(&id, now).cloned();
    match task {
        Some(task) => Html(shown(&task)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn signed(State(office): State<Arc<Office>>, Path(id): Path<String>) -> Response {
    match sign_here(&office, &id) {
        Ok(_) => page(State(office), Path(id)).await,
        Err((_, why)) => (StatusCode::CONFLICT, why).into_response(),
    }
}

async fn refused(State(office): State<Arc<Office>>, Path(id): Path<String>) -> Response {
    match end(&office, &id, Standing::Refused) {
        Ok(()) => page(State(office), Path(id)).await,
        Err((_, why)) => (StatusCode::CONFLICT, why).into_response(),
    }
}

/// Signs a task on this page: the face was looked at, and what was written stays here.
pub(super) fn sign_here(office: &Office, id: &str) -> Done {
    let check = "FACE on the service's page".to_owned();
    let writing =
        Writing { handwriting: b"", strokes: "[]", check, ip: "127.0.0.1", device: "the service's page" };
    sign(office, id, &writing)
}

/// Ends a task that is open without a signature, and tells of it.
pub(super) fn end(office: &Office, id: &str, standing: Standing) -> Result<(), (&'static str, &'static str)> {
    let now = office.now();
    let mut book = locked(&office.book);
    let task = book.task(id, now).ok_or(UNKNOWN)?;
    if task.standing != Standing::Open {
        return Err(("1006", "the task is not open any more"));
    }
    task.standing = standing;
    office.tell(task);
    Ok(())
}

fn shown(task: &Task) -> String {
    let id = &task.task_id;
    let below = match task.standing {
        Standing::Open => format!(
            "<form method=post action=\"/sign/{id}/sign\"><button>Sign</button></form>\
             <form method=post action=\"/sign/{id}/refuse\"><button>Do not sign</button></form>"
        ),
        Standing::Signed => "<p>Signed.</p>".to_owned(),
        Standing::Refused => "<p>Not signed.</p>".to_owned(),
        Standing::Expired => "<p>It is too late to sign.</p>".to_owned(),
    };
    let signer = task.signer.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Sign</title>\
         <h1>Simulated signing service</h1><p>{id}<p>{signer}{below}"
    )
}
