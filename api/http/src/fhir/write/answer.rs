//! What a write came to, and how it is answered: status, `Location`, `ETag`, `Last-Modified`, and the body that `Prefer` asks for.

use axum::http::StatusCode;
use hub_core::store::Standing;
use hub_fhir::Reference;
use hub_fhir::outcome::{Outcome, Severity};

use crate::fhir::conditional::{Validators, version_tag};
use crate::fhir::problem::Problem;
use crate::fhir::reply::Reply;
use crate::fhir::wants::Returns;
use crate::fhir::write::aim::Aim;
use crate::fhir::write::order::{Order, What};
use crate::fhir::{Fhir, Question, shape, texts};
use crate::language::Language;

/// What a write came to.
#[derive(Debug)]
pub(crate) struct Written {
    /// How it is told.
    pub status: StatusCode,
    /// The resource, and how it stands; none where nothing was there to delete, or several were.
    pub stands: Option<(Reference, Standing)>,
    /// How many resources there were.
    pub count: usize,
}

impl Written {
    /// Of the standings of an order's changes.
    pub fn of(order: &Order, aim: Aim, stands: Vec<Option<Standing>>) -> Self {
        let reference = |id| Reference { kind: order.kind, id };
        if let Some(there) = aim.there {
            let standing = Standing {
                version: there.version,
                updated: there.updated,
                was_there: true,
                body: Some(there.body),
            };
            return Self { status: StatusCode::OK, stands: Some((there.reference, standing)), count: 1 };
        }
        let count = stands.iter().flatten().filter(|standing| standing.was_there).count();
        let mut written = aim.ids.into_iter().zip(stands);
        let first = written.next().and_then(|(id, standing)| Some((reference(id), standing?)));
        let stands = if written.next().is_some() { None } else { first };
        let is_new = stands.as_ref().is_some_and(|(_, standing)| !standing.was_there);
        let status = match order.what {
            What::Delete => StatusCode::NO_CONTENT,
            What::Create(_) | What::Update(_) if is_new => StatusCode::CREATED,
            What::Create(_) | What::Update(_) | What::Patch(_) => StatusCode::OK,
        };
        Self { status, stands, count }
    }

    /// What is said of it where an OperationOutcome is wished.
    pub fn outcome(&self, language: Language) -> Outcome {
        let text = match (self.status, self.count) {
            (StatusCode::CREATED, _) => "the resource was created".to_owned(),
            (StatusCode::NO_CONTENT, 0) => "there was nothing to delete".to_owned(),
            (StatusCode::NO_CONTENT, 1) => "the resource was deleted".to_owned(),
            (StatusCode::NO_CONTENT, count) => format!("{count} resources were deleted"),
            _ => "the resource stands as it was sent".to_owned(),
        };
        let outcome = Outcome::new(Severity::Information, "informational", text);
        outcome.explained(|code, english| texts::text(code, english, language))
    }
}

/// The answer to a write.
pub(crate) async fn reply(fhir: &Fhir, question: &Question, written: Written) -> Result<Reply, Problem> {
    let is_deletion = written.status == StatusCode::NO_CONTENT;
    let returns = question.wants.returns.unwrap_or(Returns::Representation);
    let mut reply = match (returns, &written.stands) {
        (Returns::Outcome, _) => {
            let status = if is_deletion { StatusCode::OK } else { written.status };
            Reply::fresh(written.outcome(question.wants.language).text().into()).with_status(status)
        }
        (Returns::Representation, Some((reference, standing))) if !is_deletion => {
            let body = match &standing.body {
                Some(body) => body.clone(),
                None => text(fhir, reference, standing.version).await?,
            };
            let body = match &question.wants.part {
                Some(part) => shape::cut_body(reference.kind, body, part)?,
                None => body,
            };
            Reply::fresh(body).with_status(written.status)
        }
        _ => Reply::empty(written.status),
    };
    if let Some((reference, standing)) = &written.stands {
        let tag = version_tag(standing.version);
        reply = reply.validated(&Validators { tag: &tag, updated: standing.updated });
        if !is_deletion {
            let address = format!("{}/{reference}/_history/{}", question.base, standing.version);
            reply = reply.located(&address, written.status == StatusCode::CREATED);
        }
    }
    Ok(reply)
}

/// The text of a version that the writer did not have at hand.
pub(crate) async fn text(fhir: &Fhir, reference: &Reference, version: u64) -> Result<bytes::Bytes, Problem> {
    let stored = fhir.resources.vread(reference, version).await?;
    stored.map(|stored| stored.body).ok_or_else(Problem::broken)
}
