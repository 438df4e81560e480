//! The source of channels that carry out tasks of workflows: nothing comes in by it, for a workflow hands its tasks over itself
//! (`hub_core::errands`).

use std::net::SocketAddr;

use async_trait::async_trait;
use hub_core::source::{Intake, Source, SourceError};
use serde::Deserialize;
use tokio::sync::watch;

/// It has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowSourceConfig {}

/// Takes nothing in.
pub struct WorkflowSource;

#[async_trait]
impl Source for WorkflowSource {
    async fn bind(&mut self) -> Result<Option<SocketAddr>, SourceError> {
        Ok(None)
    }

    async fn run(
        self: Box<Self>,
        _intake: Intake,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), SourceError> {
        // An error means that whoever stops it is gone, which is a stop as well.
        stop.wait_for(|stop| *stop).await.ok();
        Ok(())
    }
}
