//! Acts on events.

use async_trait::async_trait;
use hub_core::store::{Cause, StoreError};
use hub_core::wakes::{ActError, Acting, Waiting};
use hub_workflows::{Decision, Facts, Stop};

use crate::{CommandError, Executor};

#[async_trait]
impl Acting for Executor {
    async fn act(&self, waiting: &Waiting) -> Result<(), ActError> {
        let wake = &waiting.wake;
        let decided = |facts: &Facts| -> Result<Decision, Stop> {
            for workflow in &self.workflows {
                if !workflow.events().contains(&wake.event.as_str()) {
                    continue;
                }
                if let Some(decision) = workflow.event(wake, facts)? {
                    return Ok(decision);
                }
            }
            Ok(Decision::nothing())
        };
        let is_known = self.workflows.iter().any(|workflow| workflow.events().contains(&wake.event.as_str()));
        if !is_known {
            tracing::warn!(event = %wake.event, subject = %wake.subject, "Nobody knows an event; it is passed over.");
        }
        let cause = || Cause::Wake(waiting.clone());
        match self.carry_out(&decided, &cause, &|_, _| Vec::new()).await {
            Ok(_) => Ok(()),
            // Somebody else has acted on it, so often that it is not there any more.
            Err(CommandError::Store(StoreError::Overtaken)) => Ok(()),
            Err(CommandError::Store(error)) => Err(ActError::Store(error)),
            Err(CommandError::Refused(refused)) => Err(ActError::Unfit(format!("refused: {refused}"))),
            Err(error) => Err(ActError::Unfit(error.to_string())),
        }
    }
}
