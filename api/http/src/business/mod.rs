//! The business door: each act of a workflow is a FHIR operation, called by `POST` with `Parameters` (R4B §3.2).
//!
//! Who asks is told by his access token. A caller gives each command a key of its own (`Idempotency-Key`): the same sent again comes to
//! the same and does nothing. Where a partner is slow the answer is 202 with the Task to follow.

mod answer;
mod given;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, HeaderMap};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use hub_core::who::{Gatekeeper, NotLetIn, Who};
use hub_executor::Executor;
use hub_fhir::{Id, Reference, ResourceType};
use hub_workflows::{Act, Command, On};
use tokio::time::Instant;
use uuid::Uuid;

use crate::business::answer::{Refusal, told};
use crate::doors::Doors;
use crate::fhir::links;
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
    /// Tells who asks.
    pub gatekeeper: Arc<dyn Gatekeeper>,
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
    let answer = carry_out(door, id, request, language, &base).await;
    let mut answer = answer.unwrap_or_else(|refusal| refusal.into_response(language));
    answer.extensions_mut().insert(Interaction { door: "business", name: door.act.name });
    answer
}

async fn carry_out(
    door: &Door,
    id: Option<String>,
    request: Request,
    language: Language,
    base: &str,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let who = who(door, headers).await?;
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
    let number = number(headers, &who)?;
    let from = forwarded_for(headers);
    let command = Command { kind: door.act.kind, act: door.act.name, on, input, who, language, number, from };
    let executor = &door.business.executor;
    let outcome = executor.command(&command).await?;
    let patience = if prefers_async(headers) { Duration::ZERO } else { PATIENCE };
    let outcome = executor.wait(outcome, Instant::now() + patience).await?;
    told(door, outcome, language, base).await
}

/// Who the access token was given to (RFC 6750).
async fn who(door: &Door, headers: &HeaderMap) -> Result<Who, Refusal> {
    let token = headers.get(AUTHORIZATION).and_then(|given| given.to_str().ok());
    let token = token.and_then(|given| {
        let (scheme, token) = given.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let token = token.ok_or(Refusal::SignIn)?;
    door.business.gatekeeper.who(token).await.map_err(|error| match error {
        NotLetIn::Invalid => Refusal::SignIn,
        NotLetIn::Disabled => Refusal::Disabled,
        NotLetIn::Store(error) => Refusal::Store(error),
    })
}

/// The number of a command: the same for the same key of the same account.
fn number(headers: &HeaderMap, who: &Who) -> Result<String, Refusal> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(Uuid::new_v4().to_string()) };
    let key = key.to_str().ok().filter(|key| (1..=MOST_KEY).contains(&key.len()));
    let key = key.ok_or(Refusal::Header("Idempotency-Key", "1 to 128 printable characters"))?;
    Ok(Id::of_parts(["command", who.account.as_str(), key]).to_string())
}

/// The address that the proxy before the hub says the caller has.
fn forwarded_for(headers: &HeaderMap) -> Option<String> {
    let forwarded = headers.get("x-forwarded-for")?.to_str().ok()?;
    let first: IpAddr = forwarded.split(',').next()?.trim().parse().ok()?;
    Some(first.to_string())
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
