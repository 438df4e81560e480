//! The business door: each act of a workflow is a FHIR operation, called by `POST` with `Parameters` (R4B §3.2).
//!
//! Who asks is told by his access token. A caller gives each command a key of its own (`Idempotency-Key`): the same sent again comes to
//! the same and does nothing. Where a partner is slow the answer is 202 with the Task to follow.

mod answer;
mod given;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCEPT, HeaderMap};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use hub_core::who::Who;
use hub_executor::Executor;
use hub_fhir::{Id, Reference, ResourceType};
use hub_workflows::{Act, Command, On};
use tokio::time::Instant;
use uuid::Uuid;

use crate::access::Noting;
use crate::access::seen::Touched;
use crate::business::answer::{Refusal, told};
use crate::doors::Doors;
use crate::fhir::links;
use crate::fhir::problem::Problem;
use crate::language::{self, Language};
use crate::observe::Interaction;

/// How long a caller is kept waiting for a partner; then he is told which Task to follow (interfaces §0.3).
const PATIENCE: Duration = Duration::from_secs(8);
/// A longer key is refused.
const MOST_KEY: usize = 128;

/// What the business door opens onto.
#[derive(Clone)]
pub struct Business {
    /// Carries out what is asked.
    pub executor: Arc<Executor>,
}

/// What the handlers share.
struct Door {
    doors: Arc<Doors>,
    business: Business,
    act: &'static Act,
}

/// The operations of all workflows, below `/fhir`.
pub(crate) fn router(doors: &Arc<Doors>) -> Router {
    let Some(business) = &doors.business else { return Router::new() };
    let mut router = Router::new();
    for act in business.executor.acts() {
        let door = Arc::new(Door { doors: doors.clone(), business: business.clone(), act });
        let (kind, name) = (act.kind, act.name);
        let (path, handler): (String, MethodRouter) = match act.on {
            On::Type => (format!("/fhir/{kind}/${name}"), post(of_type).with_state(door)),
            On::Instance => (format!("/fhir/{kind}/{{id}}/${name}"), post(of_instance).with_state(door)),
        };
        router = router.route(&path, handler);
    }
    router
}

async fn of_type(State(door): State<Arc<Door>>, request: Request) -> Response {
    answered(&door, None, request).await
}

async fn of_instance(State(door): State<Arc<Door>>, Path(id): Path<String>, request: Request) -> Response {
    answered(&door, Some(id), request).await
}

async fn answered(door: &Door, id: Option<String>, request: Request) -> Response {
    let language = language::accepted(request.headers());
    let base = links::base(door.doors.base_url.as_deref(), request.headers(), request.uri());
    let answer = let_in(door, id, request, language, &base).await;
    let mut answer = answer.unwrap_or_else(|refusal| refusal.into_response(language));
    answer.extensions_mut().insert(Interaction { door: "business", name: door.act.name });
    answer
}

/// Carries out what somebody may ask for; what he has asked is written down before he is answered.
async fn let_in(
    door: &Door,
    id: Option<String>,
    request: Request,
    language: Language,
    base: &str,
) -> Result<Response, Refusal> {
    let access = &door.doors.access;
    let who = access.who(request.headers()).await?;
    let noting = Noting::begin(access, "business", &request);
    let mut touched = Touched::default();
    let answer = carry_out(door, id, request, &who, language, base, &mut touched).await;
    let answer = answer.unwrap_or_else(|refusal| refusal.into_response(language));
    noting.end(door.act.name, &who, answer.status(), touched).await.map_err(|_| Problem::not_noted())?;
    Ok(answer)
}

async fn carry_out(
    door: &Door,
    id: Option<String>,
    request: Request,
    who: &Who,
    language: Language,
    base: &str,
    touched: &mut Touched,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    if !door.act.roles.iter().any(|role| who.has(*role)) {
        return Err(Refusal::Forbidden);
    }
    speaks_fhir(headers)?;
    let kind = ResourceType::from_name(door.act.kind).ok_or(Refusal::Broken)?;
    let on = match id {
        Some(id) => Some(Reference { kind, id: Id::new(&id).map_err(|_| Refusal::NotFound)? }),
        None => None,
    };
    let input = given::read(door.act, headers, body, door.doors.fhir.body_bytes).await?;
    let number = number(headers, who)?;
    let from = door.doors.access.address(headers, &parts.extensions).map(|address| address.to_string());
    let who = who.clone();
    let command = Command { kind: door.act.kind, act: door.act.name, on, input, who, language, number, from };
    let executor = &door.business.executor;
    let outcome = executor.command(&command).await?;
    let patience = if prefers_async(headers) { Duration::ZERO } else { PATIENCE };
    let outcome = executor.wait(outcome, Instant::now() + patience).await?;
    told(door, outcome, language, base, touched).await
}

/// The number of a command: the same for the same key of the same account.
fn number(headers: &HeaderMap, who: &Who) -> Result<String, Refusal> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(Uuid::new_v4().to_string()) };
    let key = key.to_str().ok().filter(|key| (1..=MOST_KEY).contains(&key.len()));
    let key = key.ok_or(Refusal::Header("Idempotency-Key", "1 to 128 printable characters"))?;
    Ok(Id::of_parts(["command", who.account.as_str(), key]).to_string())
}

/// Only JSON is spoken here.
fn speaks_fhir(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(accept) = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()) else { return Ok(()) };
    let takes = |range: &str| {
        let range = range.split(';').next().unwrap_or_default().trim();
        matches!(range, "*/*" | "application/*" | "application/json" | "application/fhir+json")
    };
    if accept.split(',').any(takes) { Ok(()) } else { Err(Refusal::NotAcceptable) }
}

/// Whether the caller would rather follow a Task than wait (RFC 7240).
fn prefers_async(headers: &HeaderMap) -> bool {
    let all = headers.get_all("prefer").iter().filter_map(|prefer| prefer.to_str().ok());
    all.flat_map(|prefer| prefer.split(',')).any(|prefer| prefer.trim() == "respond-async")
}
