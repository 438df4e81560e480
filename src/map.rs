//! `huitong map`: what a mapping makes of messages, and what it leaves.

mod explain;
mod given;
mod leaves;
mod subject;

use std::process::ExitCode;

use crate::cli::{Global, MapCommand};

/// Does what is asked.
pub async fn run(global: &Global, command: MapCommand) -> anyhow::Result<ExitCode> {
    match command {
        MapCommand::Explain(arguments) => explain::run(global, &arguments).await,
    }
}
