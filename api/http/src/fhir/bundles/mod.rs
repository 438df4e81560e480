//! Batches and transactions (R4B §3.1.0.11): many interactions in one Bundle, each for itself or all or none.

mod batch;
mod entry;
mod outcome;
mod rewrite;
mod transaction;

use axum::http::StatusCode;
use hub_fhir::{Json, Object, ResourceType};

use crate::fhir::bundles::entry::Entry;
use crate::fhir::problem::Problem;
use crate::fhir::reply::{Reply, refuse_parameters};
use crate::fhir::{Fhir, Question, body};

/// `POST /fhir`
pub(crate) async fn perform(fhir: &Fhir, question: &Question) -> Result<Reply, Problem> {
    refuse_parameters(question, &[])?;
    let kind = ResourceType::from_name("Bundle").ok_or_else(Problem::broken)?;
    let mut bundle = body::resource(kind, &question.headers, &question.body)?;
    let sort = bundle.get("type").and_then(Json::as_str).unwrap_or_default().to_owned();
    let given = entries(fhir, &mut bundle)?;
    match sort.as_str() {
        "transaction" => {
            let read = given
                .into_iter()
                .enumerate()
                .map(|(at, entry)| Entry::read(at, entry, question).map_err(|problem| problem.of_entry(at)));
            transaction::perform(fhir, question, read.collect::<Result<_, _>>()?).await
        }
        "batch" => batch::perform(fhir, question, given).await,
        _ => {
            let text =
                "expected a Bundle of type `batch` or `transaction`; others are stored at `/fhir/Bundle`";
            let problem = Problem::new(StatusCode::BAD_REQUEST, "value", text);
            Err(Problem { expression: Some("Bundle.type".into()), ..problem })
        }
    }
}

/// The entries, as they were sent.
fn entries(fhir: &Fhir, bundle: &mut Object) -> Result<Vec<Json>, Problem> {
    let entries = match bundle.remove("entry") {
        None => Vec::new(),
        Some(Json::Array(entries)) => entries,
        Some(_) => {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "structure", "expected an array");
            return Err(Problem { expression: Some("Bundle.entry".into()), ..problem });
        }
    };
    let most = fhir.doors.fhir.bundle_entries;
    if entries.len() > most {
        let text = format!("the Bundle has {} entries; at most {most} are taken", entries.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-costly", text));
    }
    Ok(entries)
}
