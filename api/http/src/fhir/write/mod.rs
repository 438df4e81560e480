//! Writes: create, update, patch and delete, each also with a condition (R4B §3.1.0.4 to §3.1.0.8).
//!
//! An [`order::Order`] says what is asked for, [`aim`] finds out what it is aimed at, and the commit is handed over with guards: the
//! writer repeats in its own transaction what was looked at before. Where that has changed, all is begun anew.

pub(crate) mod aim;
pub(crate) mod answer;
pub(crate) mod conform;
pub(crate) mod define;
pub(crate) mod order;
pub(crate) mod patch;

use axum::http::header::CONTENT_TYPE;
use hub_core::commit::Commit;
use hub_core::store::{Cause, Committed, StoreError};
use hub_fhir::{Id, ResourceType};

use crate::fhir::conditional::Expected;
use crate::fhir::problem::Problem;
use crate::fhir::reply::{Reply, refuse_parameters};
use crate::fhir::write::aim::{aim, changes, may_succeed, other_version};
use crate::fhir::write::answer::{Written, reply};
use crate::fhir::write::conform::{Beside, conform};
use crate::fhir::write::define::define;
use crate::fhir::write::order::{Order, Said, What};
use crate::fhir::write::patch::Patch;
use crate::fhir::{Fhir, Question, body};

/// How often a write is begun anew when others come in between.
pub(crate) const MOST_TRIES: u32 = 32;
/// Who writes, as long as there are no accounts.
const NOBODY: &str = "anonymous";

/// `POST /Patient`, also with `If-None-Exist`, and with `POST /Patient?..`, which some clients (fhirpy) write for it
pub(crate) async fn create(fhir: &Fhir, question: &Question, kind: ResourceType) -> Result<Reply, Problem> {
    if question.headers.contains_key("if-none-exist") {
        refuse_parameters(question, &[])?;
    }
    let mut tree = body::resource(kind, &question.headers, &question.body)?;
    conform(fhir, &question.base, &mut tree, &Beside::new()).await?;
    let order = Order::create(kind, tree, &said(question)?)?;
    run(fhir, question, order).await
}

/// `PUT /Patient/1` and `PUT /Patient?..`
pub(crate) async fn update(
    fhir: &Fhir,
    question: &Question,
    kind: ResourceType,
    id: Option<Id>,
) -> Result<Reply, Problem> {
    refuse_beside(question, id.as_ref())?;
    let tree = body::resource(kind, &question.headers, &question.body)?;
    let mut order = Order::update(kind, id, tree, &said(question)?)?;
    if let What::Update(tree) = &mut order.what {
        conform(fhir, &question.base, tree, &Beside::new()).await?;
    }
    run(fhir, question, order).await
}

/// `PATCH /Patient/1` and `PATCH /Patient?..`
pub(crate) async fn patch(
    fhir: &Fhir,
    question: &Question,
    kind: ResourceType,
    id: Option<Id>,
) -> Result<Reply, Problem> {
    refuse_beside(question, id.as_ref())?;
    let media = question.headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let patch = Patch::read(media, &question.body)?;
    let order = Order::existing(kind, id, What::Patch(patch), &said(question)?)?;
    run(fhir, question, order).await
}

/// `DELETE /Patient/1` and `DELETE /Patient?..`
pub(crate) async fn delete(
    fhir: &Fhir,
    question: &Question,
    kind: ResourceType,
    id: Option<Id>,
) -> Result<Reply, Problem> {
    refuse_beside(question, id.as_ref())?;
    let order = Order::existing(kind, id, What::Delete, &said(question)?)?;
    run(fhir, question, order).await
}

/// Where an id stands in the address, its parameters are no condition.
fn refuse_beside(question: &Question, id: Option<&Id>) -> Result<(), Problem> {
    if id.is_some() { refuse_parameters(question, &[]) } else { Ok(()) }
}

fn said(question: &Question) -> Result<Said<'_>, Problem> {
    let condition = question.headers.get("if-none-exist").map(|condition| {
        condition.to_str().map_err(|_| {
            let text = "`If-None-Exist` must be search parameters, percent-encoded";
            Problem::bad_parameter("If-None-Exist", text)
        })
    });
    Ok(Said {
        pairs: &question.pairs,
        base: &question.base,
        parameters: &question.parameters,
        if_none_exist: condition.transpose()?,
        expected: Expected::of(&question.headers)?,
    })
}

async fn run(fhir: &Fhir, question: &Question, order: Order) -> Result<Reply, Problem> {
    let written = perform(fhir, question, &order).await?;
    reply(fhir, question, written).await
}

/// Carries an order out, however many others write at the same time. What it writes has been found to conform, but for what a patch
/// makes.
pub(crate) async fn perform(fhir: &Fhir, question: &Question, order: &Order) -> Result<Written, Problem> {
    for _ in 0..MOST_TRIES {
        let mut aim = aim(fhir, order).await?;
        if let (What::Patch(_), Some(patched)) = (&order.what, &mut aim.becomes) {
            conform(fhir, &question.base, patched, &Beside::new()).await?;
        }
        if aim.there.is_none() {
            let guards = define(fhir, question, order.kind, &aim.ids, aim.becomes.as_ref()).await?;
            aim.guards.extend(guards);
        }
        let changes = changes(order, &mut aim);
        let commit = Commit { changes, guards: std::mem::take(&mut aim.guards), ..Commit::default() };
        let is_nothing = commit.changes.is_empty() && commit.guards.is_empty();
        let committed = match is_nothing {
            true => Committed::default(),
            false => match fhir.resources.commit(cause(&question.request_id), commit).await {
                Ok(committed) => committed,
                Err(failure) if may_succeed(order, &failure) => continue,
                Err(StoreError::Conflict { .. }) => return Err(other_version()),
                Err(failure) => return Err(failure.into()),
            },
        };
        return Ok(Written::of(order, aim, committed.stands));
    }
    Err(StoreError::Overtaken.into())
}

/// Why it is written, for the audit trail.
pub(crate) fn cause(request_id: &str) -> Cause {
    Cause::Command { user: NOBODY.to_owned(), request: request_id.to_owned() }
}
