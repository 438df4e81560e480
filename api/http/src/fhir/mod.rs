//! The FHIR door: reads, histories, searches and writes of what the hub has stored (FHIR R4B, RESTful API).

pub(crate) mod address;
pub(crate) mod body;
mod bundles;
mod capabilities;
mod conditional;
mod content;
mod export;
mod find;
mod history;
pub(crate) mod links;
mod operations;
pub(crate) mod problem;
mod read;
mod reply;
mod sayings;
mod search;
mod settings;
mod shape;
mod terminology;
mod terms;
pub(crate) mod texts;
mod wants;
mod write;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use hub_core::store::Resources;
use hub_fhir::parameters::Parameters;
use time::OffsetDateTime;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use crate::access::seen::Seen;
use crate::access::{self, Noting};
use crate::doors::Doors;
use crate::fhir::address::Ask;
use crate::fhir::capabilities::Capabilities;
pub(crate) use crate::fhir::content::AsItIs;
use crate::fhir::export::Export;
use crate::fhir::operations::Operation;
use crate::fhir::problem::Problem;
use crate::fhir::reply::Reply;
use crate::fhir::wants::{Wants, is_about_looks, wants};
use crate::language;
use crate::observe::{Interaction, RequestId};
use crate::query;

pub use crate::fhir::settings::{Checks, FhirSettings, Validation};

/// The media type of every answer.
pub(crate) const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";
/// The form of a search is far smaller.
const MAX_FORM: usize = 256 * 1024;
/// A search that takes longer asks for too much.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Fhir {
    doors: Arc<Doors>,
    /// The store, as the caller sees it.
    resources: Arc<dyn Resources>,
    /// What the caller sees; `None`: somebody at an open door, who sees everything.
    seen: Option<Arc<Seen>>,
    /// Since when the statement is true.
    since: OffsetDateTime,
    /// Written when it is asked for, and anew when other search parameters are in force.
    capabilities: Arc<Mutex<Option<Arc<Capabilities>>>>,
}

impl Fhir {
    fn capabilities(&self, parameters: &Arc<Parameters>) -> Arc<Capabilities> {
        let mut known = self.capabilities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.is_of(parameters)) {
            return Arc::clone(known);
        }
        let since = if known.is_some() { OffsetDateTime::now_utc() } else { self.since };
        let business = self.doors.business.as_ref();
        let acts: Vec<_> = business.map(|business| business.executor.acts().collect()).unwrap_or_default();
        let written = Arc::new(Capabilities::of(&self.doors.fhir, since, Arc::clone(parameters), &acts));
        *known = Some(Arc::clone(&written));
        written
    }
}

/// A request, read as far as all interactions share it.
#[derive(Debug)]
pub(crate) struct Question {
    headers: HeaderMap,
    /// The FHIR base, as the client knows it.
    base: String,
    /// The parameters of query and form, but those about the looks of the answer.
    pairs: Vec<(String, String)>,
    /// The parameters about the looks of the answer.
    looks: Vec<(String, String)>,
    wants: Wants,
    /// What was sent along; empty for a form, which is among the pairs.
    body: Bytes,
    /// What the request is called.
    request_id: String,
    /// The search parameters in force when it came.
    parameters: Arc<Parameters>,
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
    let (since, capabilities) = (OffsetDateTime::now_utc(), Arc::default());
    let resources = Arc::clone(&doors.resources);
    let fhir = Arc::new(Fhir { doors, resources, seen: None, since, capabilities });
    Router::new()
        .route("/fhir", any(door))
        .route("/fhir/", any(door))
        .route("/fhir/{*rest}", any(door))
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
    let language = language::accepted(request.headers());
    let asked = address::ask(&method, path, fhir.doors.fhir.writes);
    let name = asked.as_ref().map_or("none", Ask::name);
    let mut answer = match asked {
        Ok(Ask::Options(allow)) => options(allow),
        Ok(ask) => match timeout(PATIENCE, let_in(&fhir, ask, request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(problem)) => problem.told(language).into_response(),
            Err(_) => Problem::too_slow().told(language).into_response(),
        },
        Err(problem) => problem.told(language).into_response(),
    };
    if method == Method::HEAD {
        answer = without_body(answer);
    }
    answer.extensions_mut().insert(Interaction { door: "fhir", name });
    answer
}

/// Answers as far as the caller may see, when the access has been written down.
async fn let_in(fhir: &Fhir, ask: Ask, request: Request) -> Result<Response, Problem> {
    // What the server is, everybody may know.
    if ask == Ask::Capabilities {
        return Ok(answer(fhir, ask, request).await);
    }
    let access = &fhir.doors.access;
    if !access.is_open && ask.is_public() && !request.headers().contains_key(AUTHORIZATION) {
        let seen = access::seen_by_everybody(&fhir.resources);
        let fhir = Fhir { resources: seen.clone(), seen: Some(seen), ..fhir.clone() };
        return Ok(answer(&fhir, ask, request).await);
    }
    let caller = access.caller(request.headers()).await?;
    let Some(who) = caller.who() else { return Ok(answer(fhir, ask, request).await) };
    let seen = access::seen_by(who, &fhir.resources).await?;
    let (noting, name) = (Noting::begin(access, "fhir", &request), ask.name());
    let fhir = Fhir { resources: seen.clone(), seen: Some(seen.clone()), ..fhir.clone() };
    let answer = answer(&fhir, ask, request).await;
    noting.end(name, who, answer.status(), seen.touched()).await.map_err(|_| Problem::not_noted())?;
    Ok(answer)
}

async fn answer(fhir: &Fhir, ask: Ask, request: Request) -> Response {
    if let Ask::Content(content) = &ask {
        match content::is_shown(fhir, *content).await {
            Ok(true) => {}
            Ok(false) => return Problem::not_found("there is no such attachment").into_response(),
            Err(problem) => return problem.into_response(),
        }
        let found = content::content(fhir, *content, request.method(), request.headers()).await;
        return found.unwrap_or_else(|| Problem::not_found("there is no such attachment").into_response());
    }
    let language = language::accepted(request.headers());
    if let Ask::Operation(Operation::Export(Export::File(order, kind))) = ask {
        let file = export::file(fhir, order, kind, request.method()).await;
        return file.unwrap_or_else(|problem| problem.told(language).into_response());
    }
    let question = match question(fhir, &ask, request).await {
        Ok(question) => question,
        Err(problem) => return problem.told(language).into_response(),
    };
    let reply = match ask {
        Ask::Bundle => bundles::perform(fhir, &question).await,
        Ask::Create(kind) => write::create(fhir, &question, kind).await,
        Ask::Update(kind, id) => write::update(fhir, &question, kind, id).await,
        Ask::Patch(kind, id) => write::patch(fhir, &question, kind, id).await,
        Ask::Delete(kind, id) => write::delete(fhir, &question, kind, id).await,
        ask => look(fhir, ask, &question).await,
    };
    match reply {
        Ok(reply) => reply.into_response(question.wants.pretty),
        Err(problem) => problem.told(language).into_response(),
    }
}

/// Answers what only reads.
async fn look(fhir: &Fhir, ask: Ask, question: &Question) -> Result<Reply, Problem> {
    match ask {
        Ask::Capabilities => fhir.capabilities(&question.parameters).reply(question),
        Ask::Read(reference) => read::read(fhir, question, &reference).await,
        Ask::Vread(reference, version) => read::vread(fhir, question, &reference, version).await,
        Ask::History(of) => history::history(fhir, question, of).await,
        Ask::Operation(operation) => operations::perform(fhir, question, operation).await,
        Ask::Search(scope) | Ask::SearchForm(scope) => search::search(fhir, question, &scope).await,
        _ => Err(Problem::broken()),
    }
}

/// Reads headers, query and what was sent along.
async fn question(fhir: &Fhir, ask: &Ask, request: Request) -> Result<Question, Problem> {
    let (parts, body) = request.into_parts();
    let base = links::base(fhir.doors.base_url.as_deref(), &parts.headers, &parts.uri);
    let mut pairs = pairs(parts.uri.query().unwrap_or_default().as_bytes())?;
    let body = match ask {
        Ask::SearchForm(_) => {
            pairs.extend(form(&parts.headers, body).await?);
            if pairs.len() > query::MAX_PAIRS {
                return Err(unreadable(query::QueryError::TooMany));
            }
            Bytes::new()
        }
        Ask::Bundle | Ask::Create(_) | Ask::Update(..) | Ask::Patch(..) | Ask::Operation(_) => {
            body::receive(body, fhir.doors.fhir.body_bytes).await?
        }
        // What comes along with the others says nothing.
        _ => Bytes::new(),
    };
    let wants = wants(&parts.headers, &pairs)?;
    let (looks, pairs) = pairs.into_iter().partition(|(name, value)| is_about_looks(name, value));
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let parameters = fhir.resources.parameters();
    Ok(Question { headers: parts.headers, base, pairs, looks, wants, body, request_id, parameters })
}

/// The parameters of a search that come as a form.
async fn form(headers: &HeaderMap, body: Body) -> Result<Vec<(String, String)>, Problem> {
    let is_form = body::media_type(headers) == "application/x-www-form-urlencoded";
    if !body.is_end_stream() && !is_form {
        let text = "`_search` takes `application/x-www-form-urlencoded`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text));
    }
    pairs(&body::receive(body, MAX_FORM).await?)
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
