//! The operators' door: how the hub stands, which messages it has seen, what to do again, and what to run.

mod answers;
mod commands;
mod deployments;
mod diff;
pub(crate) mod error;
mod import;
mod parameters;
mod replay_answers;
mod replay_order;
mod replays;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use hub_core::id::MessageId;
use hub_core::store::{MessageDetail, MessageState, StoreError};
use hub_core::who::Role;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{error, info};

use crate::access::audit::{self, NotNoted};
use crate::access::seen::Touched;
use crate::access::{Caller, Noting};
use crate::doors::Doors;
use crate::observe::Interaction;
use crate::ops::answers::{
    DetailAnswer, MessagesAnswer, ReplayAnswer, RetryAnswer, SkipAnswer, StatusAnswer, destinations,
};
use crate::ops::error::OpsError;
use crate::query;

/// An order of 10,000 ids fits well.
const MAX_BODY: usize = 1 << 20;
/// No order of an operator takes longer; a replay only puts messages back.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Answer<T> = Result<Json<T>, OpsError>;

/// The routes below `/ops`.
pub(crate) fn router(doors: Arc<Doors>) -> Router {
    let desk = doors.desk.clone().layer(map_response(|mut answer: Response| async move {
        answer.extensions_mut().insert(Interaction { door: "ops", name: "accounts" });
        answer
    }));
    Router::new()
        .merge(desk.with_state(()))
        .route("/ops/status", named("status", get(status)))
        .route("/ops/destinations", named("destinations", get(all_destinations)))
        .route("/ops/messages", named("messages", get(messages)))
        .route("/ops/messages/{id}", named("message", get(message)))
        .route("/ops/messages/{id}/raw", named("raw", get(raw)))
        .route("/ops/replay", named("replay", post(replay)))
        .route("/ops/skip", named("skip", post(skip)))
        .route("/ops/replays", named("replays", get(replays::list).post(replays::begin)))
        .route("/ops/replays/{number}", named("replays", get(replays::look)))
        .route("/ops/replays/{number}/{turn}", named("replays", post(replays::turn)))
        .route("/ops/retry", named("retry", post(retry)))
        .route(
            "/ops/import",
            named("import", post(import::import)).layer(DefaultBodyLimit::max(import::MAX_BODY)),
        )
        .route("/ops/deploy", named("deploy", post(deployments::deploy)))
        .route("/ops/rollback", named("rollback", post(deployments::rollback)))
        .route("/ops/deployments", named("deployments", get(deployments::list)))
        .route("/ops/deployments/{number}", named("deployment", get(deployments::one)))
        .route("/ops/deployments/{number}/file", named("deployed-file", get(deployments::file)))
        .route("/ops/deployments/{old}/diff/{new}", named("deployment-diff", get(deployments::difference)))
        .route("/ops/audit", named("audit", get(audited)))
        .route("/ops", any(unknown))
        .route("/ops/{*rest}", any(unknown))
        .method_not_allowed_fallback(not_this_way)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(bounded))
        .layer(from_fn_with_state(doors.clone(), guarded))
        .layer(CatchPanicLayer::custom(|_| {
            error!("A handler of the operators' door panicked.");
            OpsError::broken().into_response()
        }))
        .layer(map_response(no_store))
        .with_state(doors)
}

/// Tells the metrics what a route is about.
fn named<S: Clone + Send + Sync + 'static>(name: &'static str, route: MethodRouter<S>) -> MethodRouter<S> {
    route.layer(map_response(move |mut answer: Response| async move {
        answer.extensions_mut().insert(Interaction { door: "ops", name });
        answer
    }))
}

/// What operators see is about patients and of this moment.
async fn no_store(mut answer: Response) -> Response {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

async fn bounded(request: Request, next: Next) -> Response {
    match timeout(PATIENCE, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => OpsError::plain(StatusCode::SERVICE_UNAVAILABLE, "the hub could not answer in time")
            .into_response(),
    }
}

/// Lets in who runs the hub; what he does is written down before he is answered.
async fn guarded(State(doors): State<Arc<Doors>>, request: Request, next: Next) -> Response {
    let who = match doors.access.caller(request.headers()).await {
        Ok(Caller::Anybody) => return next.run(request).await,
        Ok(Caller::Known(who)) => who,
        Err(closed) => return OpsError::from(closed).into_response(),
    };
    let noting = Noting::begin(&doors.access, "ops", &request);
    let answer = match who.has(Role::Administrator) || who.has(Role::System) {
        true => next.run(request).await,
        false => OpsError::from(StoreError::Forbidden).into_response(),
    };
    let name = answer.extensions().get::<Interaction>().map_or("none", |interaction| interaction.name);
    match noting.end(name, &who, answer.status(), Touched::default()).await {
        Ok(()) => answer,
        Err(NotNoted) => {
            let what = "the access could not be written down; try again in a moment";
            OpsError::plain(StatusCode::SERVICE_UNAVAILABLE, what).into_response()
        }
    }
}

async fn audited(State(doors): State<Arc<Doors>>) -> Answer<audit::Report> {
    Ok(Json(audit::verify(&*doors.resources).await?))
}

async fn status(State(doors): State<Arc<Doors>>) -> Answer<StatusAnswer> {
    let status = doors.operations.status().await?;
    let depths = doors.outbox.depth().await?;
    let deployment = doors.deploying.running();
    Ok(Json(StatusAnswer::new(status, depths, OffsetDateTime::now_utc(), (doors.ready)(), deployment)))
}

#[derive(Serialize)]
struct DestinationsAnswer {
    destinations: Vec<answers::DestinationAnswer>,
}

async fn all_destinations(State(doors): State<Arc<Doors>>) -> Answer<DestinationsAnswer> {
    let status = doors.operations.status().await?;
    let depths = doors.outbox.depth().await?;
    Ok(Json(DestinationsAnswer { destinations: destinations(status.destinations, depths) }))
}

async fn messages(State(doors): State<Arc<Doors>>, RawQuery(text): RawQuery) -> Answer<MessagesAnswer> {
    let pairs = query::pairs(text.unwrap_or_default().as_bytes())
        .map_err(|problem| OpsError::plain(StatusCode::BAD_REQUEST, problem.text()))?;
    let query = parameters::message_query(&pairs, OffsetDateTime::now_utc())?;
    let rows = doors.journal.find(&query).await?;
    Ok(Json(MessagesAnswer::new(rows, query.limit)))
}

async fn message(State(doors): State<Arc<Doors>>, Path(id): Path<String>) -> Answer<DetailAnswer> {
    let detail = detail(&doors, &id).await?;
    // Only one that has not ended can have its lane held at it.
    let mut held = None;
    if detail.row.state == MessageState::Received {
        let status = doors.operations.status().await?;
        let mut lanes = status.channels.into_iter().flat_map(|channel| channel.held);
        held = lanes.find(|lane| lane.message == detail.row.id);
    }
    Ok(Json(DetailAnswer::new(detail, held)))
}

async fn raw(State(doors): State<Arc<Doors>>, Path(id): Path<String>) -> Result<Response, OpsError> {
    let detail = detail(&doors, &id).await?;
    let file = format!("attachment; filename=\"{}.bin\"", detail.row.id);
    let mut answer = detail.raw.0.into_response();
    let headers = answer.headers_mut();
    // Never a type that a browser would run or render.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(
        CONTENT_DISPOSITION,
        HeaderValue::from_str(&file).expect("a UUID is valid in a header value"),
    );
    Ok(answer)
}

async fn detail(doors: &Doors, id: &str) -> Result<MessageDetail, OpsError> {
    let id: MessageId = id.parse().map_err(|_| OpsError::field("id", "the id of a message, a UUID"))?;
    let found = doors.journal.message(id).await?;
    found.ok_or_else(|| OpsError::plain(StatusCode::NOT_FOUND, format!("there is no message `{id}`")))
}

async fn replay(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<ReplayAnswer> {
    let what = commands::replay(&json_body(&headers, body)?, OffsetDateTime::now_utc())?;
    let report = doors.operations.replay(what).await?;
    info!(replayed = report.replayed.len(), left = report.left.len(), "An operator replayed messages.");
    Ok(Json(report.into()))
}

async fn skip(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<SkipAnswer> {
    let ids = commands::skip(&json_body(&headers, body)?)?;
    let report = doors.operations.skip(ids).await?;
    info!(skipped = report.skipped.len(), left = report.left.len(), "An operator skipped messages.");
    Ok(Json(report.into()))
}

async fn retry(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<RetryAnswer> {
    let which = commands::retry(&json_body(&headers, body)?)?;
    let retried = doors.operations.retry(which).await?;
    info!(retried, "An operator put parcels back in the queue.");
    Ok(Json(RetryAnswer { retried }))
}

/// The body of an order. Only `application/json` is taken: a page of another site cannot send that without asking first.
pub(crate) fn json_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Bytes, OpsError> {
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        let what = "the body must be `application/json`";
        return Err(OpsError::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    body.map_err(|problem| match problem.status() {
        StatusCode::PAYLOAD_TOO_LARGE => OpsError::plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {MAX_BODY} bytes"),
        ),
        status => OpsError::plain(status, "the body could not be received"),
    })
}

async fn unknown() -> OpsError {
    OpsError::plain(StatusCode::NOT_FOUND, "there is nothing at this address of the operators' door")
}

async fn not_this_way() -> OpsError {
    OpsError::plain(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method; see `Allow`")
}
