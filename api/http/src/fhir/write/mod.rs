//! Writes: create, update and delete, each also with a condition (R4B §3.1.0.4 to §3.1.0.8).
//!
//! An [`order::Order`] says what is asked for, [`aim`] finds out what it is aimed at, and the commit is handed over with guards: the
//! writer repeats in its own transaction what was looked at before. Where that has changed, all is begun anew.

mod aim;
mod answer;
mod order;

use axum::http::StatusCode;
use hub_core::commit::Commit;
use hub_core::store::{Cause, Committed, StoreError};
use hub_fhir::{Id, Object, ResourceType, validate};

use crate::fhir::conditional::Expected;
use crate::fhir::problem::Problem;
use crate::fhir::reply::{Reply, refuse_parameters};
use crate::fhir::write::aim::{aim, changes, may_succeed, other_version, same_id};
use crate::fhir::write::answer::{Written, reply};
use crate::fhir::write::order::{Order, What, Where, criteria};
use crate::fhir::{Fhir, Question, body};
use crate::query;

/// How often a write is begun anew when others come in between.
const MOST_TRIES: u32 = 32;
/// Who writes, as long as there are no accounts.
const NOBODY: &str = "anonymous";

/// `POST /Patient`, also with `If-None-Exist`
pub(crate) async fn create(fhir: &Fhir, question: &Question, kind: ResourceType) -> Result<Reply, Problem> {
    refuse_parameters(question, &[])?;
    let tree = body::resource(kind, &question.headers, &question.body)?;
    conform(&tree)?;
    let at = match question.headers.get("if-none-exist") {
        None => Where::New,
        Some(condition) => {
            let condition = condition.to_str().map_err(|_| {
                Problem::bad_parameter(
                    "If-None-Exist",
                    "`If-None-Exist` must be search parameters, percent-encoded",
                )
            })?;
            Where::Found(criteria(kind, &pairs_of(kind, condition)?, &question.base)?)
        }
    };
    run(fhir, question, Order { kind, at, what: What::Create(tree), expected: Expected::Any }).await
}

/// `PUT /Patient/1` and `PUT /Patient?..`
pub(crate) async fn update(
    fhir: &Fhir,
    question: &Question,
    kind: ResourceType,
    id: Option<Id>,
) -> Result<Reply, Problem> {
    let at = place(question, kind, id)?;
    let tree = body::resource(kind, &question.headers, &question.body)?;
    if let Where::Id(id) = &at {
        same_id(&tree, id)?;
    }
    conform(&tree)?;
    let expected = Expected::of(&question.headers)?;
    run(fhir, question, Order { kind, at, what: What::Update(tree), expected }).await
}

/// `DELETE /Patient/1` and `DELETE /Patient?..`
pub(crate) async fn delete(
    fhir: &Fhir,
    question: &Question,
    kind: ResourceType,
    id: Option<Id>,
) -> Result<Reply, Problem> {
    let at = place(question, kind, id)?;
    let expected = Expected::of(&question.headers)?;
    run(fhir, question, Order { kind, at, what: What::Delete, expected }).await
}

/// The resource of an id, or the one that the parameters find.
fn place(question: &Question, kind: ResourceType, id: Option<Id>) -> Result<Where, Problem> {
    match id {
        Some(id) => {
            refuse_parameters(question, &[])?;
            Ok(Where::Id(id))
        }
        None => Ok(Where::Found(criteria(kind, &question.pairs, &question.base)?)),
    }
}

/// The parameters of a condition that stands in a header: `identifier=1`, also with `?` or `Patient?` before it.
fn pairs_of(kind: ResourceType, condition: &str) -> Result<Vec<(String, String)>, Problem> {
    let condition = condition.trim();
    let bare = condition.strip_prefix(kind.name()).unwrap_or(condition);
    let text = bare.strip_prefix('?').unwrap_or(condition);
    query::pairs(text.as_bytes())
        .map_err(|wrong| Problem::new(StatusCode::BAD_REQUEST, "structure", wrong.text()))
}

/// Refuses a resource that does not conform to R4B.
fn conform(tree: &Object) -> Result<(), Problem> {
    let issues = validate(tree);
    if issues.is_empty() { Ok(()) } else { Err(Problem::of_issues(issues)) }
}

/// Carries an order out, however many others write at the same time.
async fn run(fhir: &Fhir, question: &Question, order: Order) -> Result<Reply, Problem> {
    for _ in 0..MOST_TRIES {
        let aim = aim(fhir, &order).await?;
        let commit =
            Commit { changes: changes(&order, &aim), guards: aim.guards.clone(), ..Commit::default() };
        let is_nothing = commit.changes.is_empty() && commit.guards.is_empty();
        let committed = match is_nothing {
            true => Committed::default(),
            false => match fhir.doors.resources.commit(cause(question), commit).await {
                Ok(committed) => committed,
                Err(failure) if may_succeed(&order, &failure) => continue,
                Err(StoreError::Conflict { .. }) => return Err(other_version()),
                Err(failure) => return Err(failure.into()),
            },
        };
        return reply(fhir, question, Written::of(&order, aim, committed.stands)).await;
    }
    Err(StoreError::Overtaken.into())
}

/// Why it is written, for the audit trail.
fn cause(question: &Question) -> Cause {
    Cause::Command { user: NOBODY.to_owned(), request: question.request_id.clone() }
}
