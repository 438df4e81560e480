//! The FHIR door: reads, histories and searches of what the hub has stored (FHIR R4B, RESTful API).

mod address;
mod capabilities;
mod conditional;
mod content;
mod history;
mod links;
mod problem;
mod read;
mod reply;
mod search;
mod shape;
mod wants;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use crate::doors::Doors;
use crate::fhir::address::Ask;
use crate::fhir::capabilities::Capabilities;
pub(crate) use crate::fhir::content::AsItIs;
use crate::fhir::problem::Problem;
use crate::fhir::wants::{Wants, is_about_looks, wants};
use crate::observe::Interaction;
use crate::query;

/// The media type of every answer.
const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";
/// The form of a search is far smaller.
const MAX_BODY: usize = 256 * 1024;
/// A search that takes longer asks for too much.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the handlers share.
pub(crate) struct Fhir {
    doors: Arc<Doors>,
    capabilities: Mutex<Arc<Capabilities>>,
}

impl Fhir {
    /// The statement of now: it is written anew when other types are served.
    fn capabilities(&self) -> Arc<Capabilities> {
        let mut known = self.capabilities.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_of(&self.doors.types.now()) {
            *known = capabilities(&self.doors);
        }
        known.clone()
    }
}

fn capabilities(doors: &Doors) -> Arc<Capabilities> {
    Arc::new(Capabilities::of(&doors.types.now(), time::OffsetDateTime::now_utc()))
}

/// A request, read as far as all interactions share it.
pub(crate) struct Question {
    headers: HeaderMap,
    /// The FHIR base, as the client knows it.
    base: String,
    /// The parameters of query and form, but those about the looks of the answer.
    pairs: Vec<(String, String)>,
    /// The parameters about the looks of the answer.
    looks: Vec<(String, String)>,
    wants: Wants,
}

impl Question {
    /// The parameters that hold for links: those that `are` used, and the looks.
    fn used(&self, are: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let pairs = self.pairs.iter().filter(|(name, _)| are(name));
        pairs.chain(&self.looks).cloned().collect()
    }
}

/// The routes below `/fhir`.
pub(crate) fn router(doors: Arc<Doors>) -> Router {
    let fhir = Arc::new(Fhir { capabilities: Mutex::new(capabilities(&doors)), doors });
    Router::new()
        .route("/fhir", any(door))
        .route("/fhir/", any(door))
        .route("/fhir/{*rest}", any(door))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(CatchPanicLayer::custom(|_| {
            error!("A handler of the FHIR door panicked.");
            Problem::broken().into_response()
        }))
        .with_state(fhir)
}

/// One door for all addresses, so that everything wrong is answered in FHIR's own words.
async fn door(State(fhir): State<Arc<Fhir>>, request: Request) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().strip_prefix("/fhir").unwrap_or_default();
    let asked = address::ask(&method, path, &fhir.doors.types.now());
    let name = asked.as_ref().map_or("none", Ask::name);
    let mut answer = match asked {
        Ok(Ask::Options(allow)) => options(allow),
        Ok(ask) => match timeout(PATIENCE, answer(&fhir, ask, request)).await {
            Ok(answer) => answer,
            Err(_) => Problem::too_slow().into_response(),
        },
        Err(problem) => problem.into_response(),
    };
    if method == Method::HEAD {
        answer = without_body(answer);
    }
    answer.extensions_mut().insert(Interaction { door: "fhir", name });
    answer
}

async fn answer(fhir: &Fhir, ask: Ask, request: Request) -> Response {
    if let Ask::Content(content) = &ask {
        let found = content::content(fhir, *content, request.method(), request.headers()).await;
        return found.unwrap_or_else(|| Problem::not_found("there is no such attachment").into_response());
    }
    let question = match question(fhir, request).await {
        Ok(question) => question,
        Err(problem) => return problem.into_response(),
    };
    let reply = match &ask {
        Ask::Capabilities => fhir.capabilities().reply(&question),
        Ask::Read(reference) => read::read(fhir, &question, reference).await,
        Ask::Vread(reference, version) => read::vread(fhir, &question, reference, *version).await,
        Ask::History(reference) => history::history(fhir, &question, reference).await,
        Ask::Search(kind) | Ask::SearchForm(kind) => search::search(fhir, &question, *kind).await,
        Ask::Content(_) => Err(Problem::broken()),
        Ask::Options(allow) => return options(allow),
    };
    match reply {
        Ok(reply) => reply.into_response(question.wants.pretty),
        Err(problem) => problem.into_response(),
    }
}

/// Reads headers, query and form.
async fn question(fhir: &Fhir, mut request: Request) -> Result<Question, Problem> {
    let base = links::base(fhir.doors.base_url.as_deref(), request.headers(), request.uri());
    let mut pairs = pairs(request.uri().query().unwrap_or_default().as_bytes())?;
    let headers = if request.method() == Method::POST {
        let headers = request.headers().clone();
        pairs.extend(form(request).await?);
        if pairs.len() > query::MAX_PAIRS {
            return Err(unreadable(query::QueryError::TooMany));
        }
        headers
    } else {
        std::mem::take(request.headers_mut())
    };
    let wants = wants(&headers, &pairs)?;
    let (looks, pairs) = pairs.into_iter().partition(|(name, value)| is_about_looks(name, value));
    Ok(Question { headers, base, pairs, looks, wants })
}

async fn form(request: Request) -> Result<Vec<(String, String)>, Problem> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let is_empty = request.body().is_end_stream();
    if !is_empty && !search::takes_form(request.method(), content_type) {
        let text = "`_search` takes `application/x-www-form-urlencoded`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text));
    }
    let body = Bytes::from_request(request, &()).await.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let text = format!("the body is larger than {MAX_BODY} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text)
        }
        status => Problem::new(status, "structure", "the body could not be received"),
    })?;
    pairs(&body)
}

fn pairs(text: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    query::pairs(text).map_err(unreadable)
}

fn unreadable(problem: query::QueryError) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "structure", problem.text())
}

fn options(allow: &'static str) -> Response {
    (StatusCode::NO_CONTENT, [(ALLOW, HeaderValue::from_static(allow))]).into_response()
}

/// What HEAD answers: all headers of GET, and how long its body would be.
fn without_body(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let length = body.size_hint().exact().filter(|_| parts.status != StatusCode::NOT_MODIFIED);
    // An attachment has told its length.
    if let Some(length) = length.filter(|_| !parts.headers.contains_key(CONTENT_LENGTH)) {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}
