//! What an entry is answered.

use axum::http::StatusCode;
use axum::http::header::{ETAG, LAST_MODIFIED};
use bytes::Bytes;
use httpdate::parse_http_date;
use hub_fhir::bundle::EntryResponse;
use time::OffsetDateTime;

use crate::fhir::address::Ask;
use crate::fhir::conditional::version_tag;
use crate::fhir::problem::Problem;
use crate::fhir::reply::Reply;
use crate::fhir::wants::Returns;
use crate::fhir::write::answer::{Written, text};
use crate::fhir::{Fhir, Question, look};

/// What a write is answered. Nothing comes back unless it is asked for: Bundles are large.
pub(crate) async fn of_write(
    fhir: &Fhir,
    question: &Question,
    written: Written,
) -> Result<EntryResponse, Problem> {
    let returns = question.wants.returns.unwrap_or(Returns::Minimal);
    let is_deletion = written.status == StatusCode::NO_CONTENT;
    let outcome =
        (returns == Returns::Outcome).then(|| Bytes::from(written.outcome(question.wants.language).text()));
    let mut response =
        EntryResponse { status: written.status.to_string(), outcome, ..EntryResponse::default() };
    let Some((reference, standing)) = written.stands else { return Ok(response) };
    response.etag = Some(version_tag(standing.version));
    response.last_modified = Some(standing.updated);
    if is_deletion {
        return Ok(response);
    }
    response.location = Some(format!("{}/{reference}/_history/{}", question.base, standing.version));
    if returns == Returns::Representation {
        response.resource = Some(match standing.body {
            Some(body) => body,
            None => text(fhir, &reference, standing.version).await?,
        });
    }
    Ok(response)
}

/// What a reading entry is answered.
pub(crate) async fn of_read(fhir: &Fhir, ask: Ask, question: &Question) -> EntryResponse {
    match look(fhir, ask, question).await {
        Ok(reply) => of_reply(reply),
        Err(problem) => of_problem(problem, question),
    }
}

fn of_reply(reply: Reply) -> EntryResponse {
    let (status, headers, body) = reply.into_parts();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let moment = text(LAST_MODIFIED).and_then(|date| parse_http_date(date).ok()).map(OffsetDateTime::from);
    EntryResponse {
        resource: Some(body).filter(|body| !body.is_empty()),
        status: status.to_string(),
        etag: text(ETAG).map(str::to_owned),
        last_modified: moment,
        ..EntryResponse::default()
    }
}

/// What an entry that cannot be done is answered.
pub(crate) fn of_problem(problem: Problem, question: &Question) -> EntryResponse {
    let problem = problem.told(question.wants.language);
    let outcome = Some(Bytes::from(problem.outcome()));
    EntryResponse { status: problem.status.to_string(), outcome, ..EntryResponse::default() }
}
