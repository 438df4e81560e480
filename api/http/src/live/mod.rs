//! `GET /fhir/$live?_type=Appointment,Task`: what changes, as it changes, as server-sent events (HTML §9.2).
//!
//! An event says which resource has which version; who wants it reads it, and sees of it what he may. Only what he may see is told. Its id is
//! a place among all versions: a client that comes again with it (`Last-Event-ID`) misses nothing. One that has missed too much is told
//! `reset`, and reads anew.

mod stream;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub_core::store::VersionPlace;
use hub_fhir::ResourceType;
use tokio::sync::Semaphore;

use crate::access::seen::Touched;
use crate::access::{Caller, Noting};
use crate::doors::Doors;
use crate::fhir::AsItIs;
use crate::fhir::address::resource_type;
use crate::fhir::problem::Problem;
use crate::language;
use crate::live::stream::Stream;
use crate::live::watch::Watch;
use crate::observe::Interaction;
use crate::query;

/// So many listen at once; further ones are asked to come again.
const LISTENERS: usize = 512;
/// A client follows so many types at most.
const KINDS: usize = 16;

/// What the listeners share.
struct Live {
    doors: Arc<Doors>,
    watch: Watch,
    places: Arc<Semaphore>,
}

/// The route below `/fhir`.
pub(crate) fn router(doors: Arc<Doors>) -> Router {
    let watch = Watch::new(Arc::clone(&doors.resources));
    let live = Live { doors, watch, places: Arc::new(Semaphore::new(LISTENERS)) };
    Router::new().route("/fhir/$live", get(listen)).with_state(Arc::new(live))
}

async fn listen(State(live): State<Arc<Live>>, request: Request) -> Response {
    let language = language::accepted(request.headers());
    let noting = Noting::begin(&live.doors.access, "live", &request);
    let (parts, _) = request.into_parts();
    let answer = begun(&live, noting, &parts).await;
    let mut answer = answer.unwrap_or_else(|problem| problem.told(language).into_response());
    answer.extensions_mut().insert(Interaction { door: "fhir", name: "live" });
    answer
}

async fn begun(live: &Live, noting: Noting<'_>, parts: &Parts) -> Result<Response, Problem> {
    let headers = &parts.headers;
    let caller = live.doors.access.caller(headers).await?;
    let kinds = kinds(parts.uri.query().unwrap_or_default())?;
    let after = match headers.get("last-event-id").map(|id| id.to_str()) {
        Some(Ok(id)) => Some(place(id).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "value", "`Last-Event-ID` must be the id of an event")
        })?),
        _ => None,
    };
    let seat = Arc::clone(&live.places).try_acquire_owned().map_err(|_| {
        let text = "too many listen already; try again in a moment";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "throttled", text)
    })?;
    let stream = Stream::open(live.doors.clone(), &live.watch, &caller, headers, kinds, after, seat).await?;
    if let Caller::Known(who) = &caller {
        let noted = noting.end("live", who, StatusCode::OK, Touched::default()).await;
        noted.map_err(|_| Problem::not_noted())?;
    }
    let mut answer = Body::from_stream(stream.events()).into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would keep the events to themselves.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer.extensions_mut().insert(AsItIs);
    Ok(answer)
}

/// The types that are followed.
fn kinds(query: &str) -> Result<Vec<ResourceType>, Problem> {
    let wrong = |text: String| Problem::bad_parameter("_type", text);
    let pairs = query::pairs(query.as_bytes())
        .map_err(|problem| Problem::new(StatusCode::BAD_REQUEST, "structure", problem.text()))?;
    let mut kinds = Vec::new();
    for (name, value) in &pairs {
        if name != "_type" {
            let text = "`$live` takes `_type` alone";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "not-supported", text));
        }
        for name in value.split(',') {
            let kind = resource_type(name);
            kinds.push(kind.map_err(|problem| Problem { status: StatusCode::BAD_REQUEST, ..problem })?);
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.len() {
        1..=KINDS => Ok(kinds),
        _ => Err(wrong(format!("`_type` must name 1 to {KINDS} types, as in `_type=Appointment,Task`"))),
    }
}

/// A place as the id of an event has it.
fn written(place: VersionPlace) -> String {
    format!("{}.{}.{}", place.updated_us, place.row, place.version)
}

fn place(text: &str) -> Option<VersionPlace> {
    let mut parts = text.split('.').map(|part| part.parse::<i64>().ok());
    let place = VersionPlace { updated_us: parts.next()??, row: parts.next()??, version: parts.next()?? };
    parts.next().is_none().then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_an_event_is_read_as_it_was_written() {
        let there = VersionPlace { updated_us: 5, row: -1, version: 3 };
        assert_eq!(place(&written(there)), Some(there));
        for wrong in ["", "1.2", "1.2.3.4", "a.b.c", "99999999999999999999.1.1"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
