//! What a command has come to.

use hub_fhir::{Json, Object, Reference};
use hub_workflows::Fact;
use hub_workflows::decision::{Answer, refusal_of};
use hub_workflows::fhir::points_at;

use crate::CommandError;

/// What a command has come to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is done; there is nothing to be told.
    Done,
    /// It is done, and this is how it stands.
    Resource(Reference),
    /// It is done, and this is the answer.
    Parameters(Vec<Object>),
    /// A partner is being asked: this Task tells when it has ended.
    Pending {
        /// The Task.
        task: Reference,
    },
}

impl Outcome {
    /// What an answer means to who asked.
    pub(crate) fn of(answer: Answer, task: Reference) -> Self {
        match answer {
            Answer::Done => Self::Done,
            Answer::Resource(reference) => Self::Resource(reference),
            Answer::Parameters(parameters) => Self::Parameters(parameters),
            Answer::Pending => Self::Pending { task },
        }
    }
}

/// What the Task of a command tells.
pub(crate) fn of_task(fact: &Fact) -> Result<Outcome, CommandError> {
    let tree = fact.tree();
    match fact.text(&["status"]) {
        Some("completed") => {}
        Some("rejected") => {
            let refused = refusal_of(tree);
            return Err(refused.map_or_else(
                || CommandError::Unfit("its task does not tell why it was refused".to_owned()),
                CommandError::Refused,
            ));
        }
        _ => return Ok(Outcome::Pending { task: fact.reference() }),
    }
    let output = tree.get("output").map(Json::items).unwrap_or_default().first();
    let Some(output) = output.and_then(|output| output.get("valueReference")) else {
        return Ok(Outcome::Done);
    };
    if let Some(reference) = points_at(Some(output)) {
        return Ok(Outcome::Resource(reference));
    }
    let contained = tree.get("contained").map(Json::items).unwrap_or_default();
    let parameters = contained.iter().find_map(|one| Some(one.get("parameter")?.items()));
    let parameters = parameters.unwrap_or_default().iter().filter_map(Json::as_object).cloned();
    Ok(Outcome::Parameters(parameters.collect()))
}
