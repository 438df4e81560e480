//! A batch: each entry for itself, in the order DELETE, POST, PUT and PATCH, GET (R4B §3.1.0.11.2).

use hub_fhir::Json;
use hub_fhir::bundle::{EntryResponse, responses};

use crate::fhir::bundles::entry::{Asked, Entry};
use crate::fhir::bundles::outcome::{of_problem, of_read, of_write};
use crate::fhir::problem::Problem;
use crate::fhir::reply::Reply;
use crate::fhir::write::conform::{Beside, conform};
use crate::fhir::write::order::{Order, What};
use crate::fhir::write::perform as write;
use crate::fhir::{Fhir, Question};

/// The turn of what an entry asks for.
pub(crate) fn turn(asked: &Asked) -> u8 {
    match asked {
        Asked::Write(Order { what: What::Delete, .. }) => 0,
        Asked::Write(Order { what: What::Create(_), .. }) => 1,
        Asked::Write(_) => 2,
        Asked::Read(..) => 3,
    }
}

/// Does the entries of a batch.
pub(crate) async fn perform(fhir: &Fhir, question: &Question, given: Vec<Json>) -> Result<Reply, Problem> {
    let mut answers = vec![EntryResponse::default(); given.len()];
    let mut entries = Vec::with_capacity(given.len());
    for (at, entry) in given.into_iter().enumerate() {
        match Entry::read(at, entry, question) {
            Ok(entry) => entries.push(entry),
            Err(problem) => answers[at] = of_problem(problem, question),
        }
    }
    entries.sort_by_key(|entry| turn(&entry.asked));
    for Entry { at, asked, .. } in entries {
        answers[at] = match asked {
            Asked::Read(ask, question) => of_read(fhir, ask, &question).await,
            Asked::Write(order) => match one(fhir, question, order).await {
                Ok(answer) => answer,
                Err(problem) => of_problem(problem, question),
            },
        };
    }
    Ok(Reply::fresh(responses("batch-response", &answers)))
}

async fn one(fhir: &Fhir, question: &Question, mut order: Order) -> Result<EntryResponse, Problem> {
    if let What::Create(tree) | What::Update(tree) = &mut order.what {
        conform(fhir, &question.base, tree, &Beside::new()).await?;
    }
    let written = write(fhir, question, &order).await?;
    of_write(fhir, question, written).await
}
