//! Reads a resource or one of its versions.

use axum::http::StatusCode;
use hub_fhir::Reference;
use hub_fhir::search::Stored;

use crate::fhir::conditional::{Validators, version_tag};
use crate::fhir::problem::Problem;
use crate::fhir::reply::{Reply, refuse_parameters};
use crate::fhir::{Fhir, Question, shape};

/// `GET /Patient/1`
pub(crate) async fn read(fhir: &Fhir, question: &Question, reference: &Reference) -> Result<Reply, Problem> {
    refuse_parameters(question, &[])?;
    let found = fhir.resources.read(reference).await?;
    let stored = found.ok_or_else(|| Problem::not_found("there is no such resource"))?;
    if stored.deleted {
        return Err(gone("the resource was deleted; its `_history` holds its versions"));
    }
    reply(question, stored)
}

/// `GET /Patient/1/_history/2`
pub(crate) async fn vread(
    fhir: &Fhir,
    question: &Question,
    reference: &Reference,
    version: u64,
) -> Result<Reply, Problem> {
    refuse_parameters(question, &[])?;
    let found = fhir.resources.vread(reference, version).await?;
    let stored = found.ok_or_else(|| Problem::not_found("there is no such version of a resource"))?;
    if stored.deleted {
        return Err(gone("this version is the deletion of the resource"));
    }
    reply(question, stored)
}

fn gone(text: &'static str) -> Problem {
    Problem::new(StatusCode::GONE, "deleted", text)
}

fn reply(question: &Question, stored: Stored) -> Result<Reply, Problem> {
    let tag = version_tag(stored.version);
    let validators = Validators { tag: &tag, updated: stored.updated };
    if validators.still_good(&question.headers) {
        return Ok(Reply::not_modified(&validators));
    }
    let updated = stored.updated;
    let body = match &question.wants.part {
        Some(part) => shape::cut(stored, part)?.body,
        None => stored.body,
    };
    Ok(Reply::fresh(body).validated(&Validators { tag: &tag, updated }))
}
