//! `huitong map`: what a mapping makes of messages, and what it leaves.

mod attempt;
mod compare;
mod coverage;
mod diff;
mod door;
mod explain;
mod facts;
mod given;
mod lookup;
mod moment;
mod old;
mod reply;
mod route;
mod subject;

use std::process::ExitCode;

use crate::cli::{Global, MapCommand};

/// Does what is asked.
pub async fn run(global: &Global, command: MapCommand) -> anyhow::Result<ExitCode> {
    match command {
        MapCommand::Coverage(arguments) => coverage::run(global, &arguments),
        MapCommand::Try(arguments) => attempt::run(global, &arguments).await,
        MapCommand::Diff(arguments) => diff::run(global, &arguments).await,
        MapCommand::Explain(arguments) => explain::run(global, &arguments).await,
    }
}
